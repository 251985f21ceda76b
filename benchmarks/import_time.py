"""What importing the operator module adds to importing Airflow's SDK, as a DAG file does.

Medians of interleaved runs in fresh processes, with byte code cached. The ratio is what to compare between machines.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping

from benchmarks.environment import for_children
from benchmarks.report import Part, Setting, Table

MODULES = ("airflow_provider_ccc.operators.ccc", "airflow_provider_ccc.sensors.ccc")
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


def measure(setting: Setting, show: Callable[[Table], None]) -> Mapping[str, float]:
    found: dict[str, list[tuple[float, float, list[str]]]] = {module: [] for module in MODULES}
    for module in MODULES:
        _import(module)  # writes the byte code
    for _ in range(1 if setting.quick else 9):
        for module in MODULES:
            found[module].append(_import(module))
    rows = []
    for module, runs in found.items():
        sdk, ours = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
        heavy = ", ".join(runs[0][2]) or "none"
        rows.append((module, f"{sdk * 1000:.0f}", f"{ours * 1000:.1f}", f"{ours / sdk:.4f}", heavy))
    show(Table("Imports of a DAG file", ("module", "airflow.sdk ms", "adds ms", "ratio", "heavy modules"), rows))
    return {}


def _import(module: str) -> tuple[float, float, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module)],
        env=for_children(),
        capture_output=True,
        text=True,
        check=True,
    )
    sdk, ours, heavy = json.loads(done.stdout.splitlines()[-1])
    return sdk, ours, heavy


IMPORTS = Part("imports", (), measure)
