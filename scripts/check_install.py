"""Resolve the built wheel as users install it: with each extra, under each file of constraints, and with the lowest
versions that it allows.

``make check-install`` calls it. Nothing is installed.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What only this repository's own targets need.
NOT_FOR_USERS = {"dev", "docs"}


def main() -> int:
    (wheel,) = (ROOT / "dist").glob("*.whl")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = sorted(project["optional-dependencies"].keys() - NOT_FOR_USERS)
    choices = ["", *extras, ",".join(extras)]
    failed = 0
    for constraints in sorted((ROOT / "constraints").glob("*.txt")):
        for choice in choices:
            failed += not resolves(wheel, choice, constraints.stem, "--constraints", str(constraints))
    for choice in choices:
        failed += not resolves(wheel, choice, "lowest", "--resolution", "lowest-direct")
    return 1 if failed else 0


def resolves(wheel: Path, extras: str, name: str, *options: str) -> bool:
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
