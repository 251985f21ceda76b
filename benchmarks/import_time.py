"""What importing the operator module adds to importing Airflow's SDK, as a DAG file does: ``make bench``.

Medians of interleaved runs in fresh processes, with byte code cached. The ratio is what to compare between machines.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys

RUNS = 9
CODE = """
import json, sys, time
start = time.perf_counter()
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
sdk = time.perf_counter()
import {module}
end = time.perf_counter()
heavy = ("aiohttp", "starlette", "phonenumbers", "alibabacloud_openapi_util", "aliyunsdkcore")
print(json.dumps([sdk - start, end - sdk, [name for name in heavy if name in sys.modules]]))
"""


def measure(module: str) -> tuple[float, float, list[str]]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module)], env=environment, capture_output=True, text=True, check=True
    )
    sdk, ours, heavy = json.loads(done.stdout.splitlines()[-1])
    return sdk, ours, heavy


def main() -> None:
    modules = ["airflow_provider_ccc.operators.ccc", "airflow_provider_ccc.sensors.ccc"]
    found: dict[str, list[tuple[float, float, list[str]]]] = {module: [] for module in modules}
    for module in modules:
        measure(module)  # writes the byte code
    for _ in range(RUNS):
        for module in modules:
            found[module].append(measure(module))
    print(f"{'module':36} {'airflow.sdk ms':>15} {'adds ms':>8} {'ratio':>7}  heavy modules")
    for module, runs in found.items():
        sdk, ours = (statistics.median(run[place] for run in runs) for place in (0, 1))
        print(f"{module:36} {sdk * 1000:15.0f} {ours * 1000:8.1f} {ours / sdk:7.4f}  {runs[0][2] or 'none'}")


if __name__ == "__main__":
    main()
