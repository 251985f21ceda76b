"""Resolve the built wheel as users install it: with each extra, under each file of constraints. And resolve the lowest
versions that pyproject.toml allows.

``make check-install`` calls it. Nothing is installed.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What only this repository's own targets need.
NOT_FOR_USERS = {"dev", "docs"}


def main() -> int:
    (wheel,) = (ROOT / "dist").glob("*.whl")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = sorted(project["optional-dependencies"].keys() - NOT_FOR_USERS)
    choices = ["", *extras, ",".join(extras)]
    files = sorted((ROOT / "constraints").glob("*.txt"))
    cases = [(file.stem, choice, ("--constraints", str(file))) for file in files for choice in choices]
    cases += [("lowest", choice, ("--resolution", "lowest-direct")) for choice in choices]
    with ThreadPoolExecutor(4) as pool:  # they wait for an index, most of the time
        done = list(pool.map(lambda case: resolves(wheel, *case), cases))
    return 0 if all(done) else 1


def resolves(wheel: Path, name: str, extras: str, options: tuple[str, ...]) -> bool:
    wanted = f"airflow-provider-ccc{f'[{extras}]' if extras else ''} @ {wheel.as_uri()}"
    source = ["-"]
    if "--constraints" not in options:
        # What a wheel asks for is not direct to uv, which would take the newest of it.
        source = [str(ROOT / "pyproject.toml"), *(f"--extra={extra}" for extra in extras.split(",") if extra)]
    uv = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--system-certs", "--python-version", "3.11"]
    done = subprocess.run([*uv, *options, *source], input=f"{wanted}\n", capture_output=True, text=True)
    what = f"{name}, {f'with {extras}' if extras else 'without extras'}"
    if "Failed to fetch" in done.stderr or "No module named uv" in done.stderr:  # pip may get there all the same
        if "--constraints" not in options:
            print(f"NOT CHECKED, as uv reaches no index, and pip knows no lowest versions: {what}", flush=True)
            return True
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        done = subprocess.run([*pip, "--constraint", options[1], wanted], capture_output=True, text=True)
    print(f"fails: {what}\n{done.stderr}" if done.returncode else what, flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
