"""``python -m benchmarks``: measure, print the tables as they come, and write them down."""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path

from benchmarks import environment
from benchmarks.callees import CALLEES
from benchmarks.import_time import IMPORTS
from benchmarks.memory import MEMORY
from benchmarks.micro import MICRO
from benchmarks.quota import QUOTA
from benchmarks.report import Part, Report, Setting
from benchmarks.scheduling import SCHEDULING
from benchmarks.speed import LATENCY, SPEED

PARTS: list[Part] = [MICRO, SPEED, LATENCY, MEMORY, CALLEES, QUOTA, SCHEDULING, IMPORTS]

INTRODUCTION = """# What it costs

Written by `make bench`, on {date}{quick}. All peers of a table are measured in one run, each in a process of its own,
in turns: each round runs each of them once. A figure is the median of the rounds, and a ratio that of the rounds'
ratios. CPU time is user and system. The server answers from one process of its own on the same machine; *server CPU*
is what it spends on a call, and it is no bottleneck as long as that is well below the client's. What a process does
before its first call, imports above all, is not measured. Ratios compare between machines; figures hardly do."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [part.name for part in PARTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="see whether it works; the figures say nothing")
    parser.add_argument("--no-sdk", action="store_true", help="leave the official SDKs out, and install nothing")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where RESULTS.md and results.json go")
    arguments = parser.parse_args()
    here = Path(__file__).parent
    folder = arguments.output or (here / ".quick" if arguments.quick else here)
    setting = _setting(arguments.quick, wanted=SPEED.name in arguments.only and not arguments.no_sdk)
    introduction = INTRODUCTION.format(
        date=time.strftime("%Y-%m-%d"), quick=" with `--quick`: the figures say nothing" if arguments.quick else ""
    )
    report = Report(folder, environment.described(setting.sdk), introduction)
    done: list[str] = []
    measured: dict[str, float] = {}
    for part in PARTS:
        if part.name not in arguments.only:
            continue
        measured |= part.measure(setting, functools.partial(report.add, part.name))
        done.append(part.name)
        report.write(PARTS, measured, done)  # each time: what is measured is not lost if a later part fails


def _setting(quick: bool, *, wanted: bool) -> Setting:
    if not wanted:
        return Setting(quick, None, "they were left out")
    try:
        return Setting(quick, environment.sdk_python())
    except environment.MissingEnvironmentError as error:
        return Setting(quick, None, f"pip could not install them ({error})")


if __name__ == "__main__":
    main()
