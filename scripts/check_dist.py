"""Install the built wheel, and then the sdist, into an empty environment, where Airflow must list the provider.

``make check-dist`` calls it. The environment has neither extras nor the checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--constraints", required=True, type=Path)
    constraints = parser.parse_args().constraints.resolve()
    (wheel,) = (ROOT / "dist").glob("*.whl")
    (sdist,) = (ROOT / "dist").glob("*.tar.gz")
    with tempfile.TemporaryDirectory(prefix="ccc-dist-") as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        python = folder / "venv" / "bin" / "python"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        environment |= {"AIRFLOW_HOME": str(folder / "airflow")}
        install(python, wheel, constraints)
        check(python, wheel, environment, folder)
        install(python, sdist, constraints, "--force-reinstall", "--no-deps")
        check(python, sdist, environment, folder)
    return 0


def install(python: Path, dist: Path, constraints: Path, *options: str) -> None:
    print(f"installing {dist.name}", flush=True)
    arguments = ["install", "--quiet", "--constraint", constraints, *options, dist]
    # As the Makefile does: uv where it can be had, and pip where it can not.
    if subprocess.run(
        [sys.executable, "-m", "uv", "pip", *arguments, "--python", python], stderr=subprocess.DEVNULL
    ).returncode:
        subprocess.run([python, "-m", "pip", *arguments], check=True)


def check(python: Path, dist: Path, environment: dict[str, str], folder: Path) -> None:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([python, *command], cwd=folder, env=environment, capture_output=True, text=True)

    where = run("-c", "import airflow_provider_ccc as p; print(p.__file__, p.__version__)").stdout.split()
    expect(str(folder) in where[0], f"the package comes from the environment, not from {where[0]}")
    listed = json.loads(run("-m", "airflow", "providers", "list", "--output", "json").stdout)
    versions = [entry["version"] for entry in listed if entry["package_name"] == "airflow-provider-ccc"]
    expect(versions == [where[1]], f"airflow providers list shows version {where[1]}, and it shows {versions}")
    hooks = json.loads(run("-m", "airflow", "providers", "hooks", "--output", "json").stdout)
    ours = [entry for entry in hooks if entry["connection_type"] == "ccc"]
    expect(len(ours) == 1, f"airflow providers hooks shows one of type ccc, and it shows {ours}")
    for part in ("hooks", "operators", "sensors"):
        done = run("-c", f"import airflow_provider_ccc.{part}.ccc")
        expect(done.returncode == 0, f"{part} can be imported without extras: {done.stderr}")
    for part in ("source", "campaign", "merging"):
        done = run("-c", f"import airflow_provider_ccc.campaign.{part}")
        expect(done.returncode == 0, f"campaign can be imported without extras: {done.stderr}")
    expect((Path(where[0]).parent / "py.typed").is_file(), "py.typed ships")
    simulator = run("-m", "airflow_provider_ccc.simulator", "--port", "0")
    expect(simulator.returncode == 2, "the simulator needs its extra")
    expect("airflow-provider-ccc[simulator]" in simulator.stderr, f"and says so: {simulator.stderr}")
    print(f"{dist.name}: Airflow lists the provider", flush=True)


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"error: expected that {what}")


if __name__ == "__main__":
    sys.exit(main())
