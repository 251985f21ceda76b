"""Pin the versions that an environment of this repository has; ``make constraints`` calls it.

For a release of Airflow these are the newest versions of the day on which it came out, as in Airflow's own constraints,
which its documentation tells everybody to install with. For ``newest`` they are today's. The tools of development are
today's everywhere, as far as they fit. A file has names and versions only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: What an installation of Airflow has besides, and what tests use of it.
BESIDES = [
    "apache-airflow-providers-amazon[s3fs]",
    "apache-airflow-providers-celery",
    "apache-airflow-providers-openlineage",
    "apache-airflow-providers-postgres",
]
EXTRAS = ("credentials", "parquet", "report", "simulator")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="newest, or a release of Airflow: its first two numbers name the file")
    parser.add_argument("day", nargs="?", help="the day on which the release came out: 2026-09-17")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wanted, pinned = Path(folder, "requirements.in"), Path(folder, "pinned.txt")
        if given.day is None:
            wanted.write_text("apache-airflow\n", encoding="utf-8")
            resolve(wanted, pinned, "--extra", "dev")
            head, name = "The newest versions when this was made.", "newest"
        else:
            wanted.write_text("\n".join([f"apache-airflow=={given.name}", *BESIDES]) + "\n", encoding="utf-8")
            extras = [option for extra in EXTRAS for option in ("--extra", extra)]
            resolve(wanted, pinned, *extras, "--exclude-newer", given.day)
            of_the_day = pinned.rename(Path(folder, "day.txt"))
            resolve(wanted, pinned, "--extra", "dev", "--constraints", str(of_the_day))
            head = f"Airflow {given.name} with the newest versions of {given.day}, the day on which it came out."
            name = "airflow-" + ".".join(given.name.split(".")[:2])
        target = ROOT / "constraints" / f"{name}.txt"
        target.write_text(f"# {head} Made by: make constraints\n{pinned.read_text(encoding='utf-8')}", encoding="utf-8")
    print(f"{target.relative_to(ROOT)}: {len(target.read_text(encoding='utf-8').splitlines()) - 1} packages")
    return 0


def resolve(wanted: Path, pinned: Path, *options: str) -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    options = (*options, "--no-header", "--no-annotate", "--no-emit-package", "airflow-provider-ccc")
    subprocess.run([*command, *options, "--output-file", pinned, ROOT / "pyproject.toml", wanted], check=True)


if __name__ == "__main__":
    sys.exit(main())
