"""Resolve the built wheel as users install it: with each extra, under each file of constraints, and with the lowest
versions that it allows.

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
    wanted = f"{wheel}[{extras}]" if extras else str(wheel)
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--python-version", "3.11", *options, "-"],
        input=f"airflow-provider-ccc{wanted.removeprefix(str(wheel))} @ {wheel.as_uri()}\n",
        capture_output=True,
        text=True,
    )
    what = f"{name}, {f'with {extras}' if extras else 'without extras'}"
    print(f"{'fails: ' if done.returncode else ''}{what}{done.stderr if done.returncode else ''}", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
