"""What it takes to read callees: memory at 10,000 and at a million rows of each source, what exclude adds, and numbers.

No calls are made: the memory of calls is measured from CSV, in :mod:`benchmarks.memory`, and only the reading differs
from one source to another.
"""

from __future__ import annotations

import contextlib
import csv
import json
import operator
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.environment import ROOT, for_children
from benchmarks.report import Part, Setting, Table
from tests.system.distributed.services import PostgreSQL, postgres_program

FIRST = 13_000_000_000
COLUMNS = ("callee", "customer", "city")
#: Each kind of source, and its key.
KEYS = {"parquet": "rss_1m_over_10k_parquet", "xlsx": "rss_1m_over_10k_xlsx", "sql": "rss_1m_over_10k_postgresql"}
ROUNDS = 3
#: Ways to write the same kind of number, the usual one first.
FORMS: Mapping[str, Callable[[int], object]] = {
    "13800138000": str,
    "01089767654": lambda number: f"010{number % 10**8:08}",
    "13800138000, an integer": int,
    "13800138000.0, a float": float,
    "8613800138000": lambda number: f"86{number}",
    "138 0013 8000": lambda number: f"{number // 10**8} {number // 10**4 % 10**4:04} {number % 10**4:04}",
    "+86 13800138000": lambda number: f"+86 {number}",
    "010-8976-7654": lambda number: f"010-{number // 10**4 % 10**4:04}-{number % 10**4:04}",
}


def measure(setting: Setting, show: Callable[[Table], None]) -> Mapping[str, float]:
    few, many = (100, 1_000) if setting.quick else (10_000, 1_000_000)
    with tempfile.TemporaryDirectory(prefix="ccc-bench-") as name, _postgresql(Path(name)) as database:
        folder = Path(name)
        kinds = [kind for kind in ("csv", *KEYS) if database or kind != "sql"]
        _read("csv", _written("csv", folder, few, ""), few)  # compiles what is not compiled, which takes memory
        readings: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in kinds}
        for count in (few, many):
            for kind in kinds:
                readings[kind][count] = _read(kind, _written(kind, folder, count, database), count, database)
        show(_sources(readings, few, many))
        ratios = {
            KEYS[kind]: its[many]["peak_rss_kib"] / its[few]["peak_rss_kib"]
            for kind, its in readings.items()
            if kind in KEYS
        }
        exclusion = _exclusion(folder / f"{many}.csv", _numbers(folder / "never.csv", many), many, show)
    _forms(1_000 if setting.quick else 100_000, show)
    return ratios | exclusion


def _sources(readings: Mapping[str, Mapping[int, Mapping[str, Any]]], few: int, many: int) -> Table:
    heads = ("source", f"MiB at {few:,}", f"MiB at {many:,}", "ratio", "more MiB", "survey s", "survey and rows s")
    rows = []
    for kind, its in readings.items():
        small, large = (its[count]["peak_rss_kib"] / 1024 for count in (few, many))
        figures = (small, large, large / small, large - small, its[many]["survey_seconds"], its[many]["seconds"])
        formats = ("{:.1f}", "{:.1f}", "{:.3f}", "{:.1f}", "{:.1f}", "{:.1f}")
        rows.append((kind, *map(str.format, formats, figures)))
    notes = [
        f"Peak RSS with {few:,} and with {many:,} rows of three columns: the survey, and all rows once, as a campaign"
        f" reads them, without calls; once, in a fresh process with Airflow. The seconds are those of {many:,} rows."
        " `parquet` is one row group; pyarrow is loaded with it. `sql` is a table of a PostgreSQL of its own; its rows"
        " are kept in a folder before the survey, which counts as part of it. The library that reads `xlsx` holds the"
        " sheet's cells.",
    ]
    return Table("Reading callees", heads, rows, notes)


def _exclusion(source: Path, exclude: Path, count: int, show: Callable[[Table], None]) -> dict[str, float]:
    """Read with and without it, in turns."""
    pairs = [(_read("csv", source, count), _read("csv", source, count, exclude=exclude)) for _ in range(ROUNDS)]
    assert all(with_it["excluded"] == count // 2 for _, with_it in pairs)  # noqa: S101
    names = ("peak_rss_kib", "survey_seconds", "seconds")
    ratios = {name: median(with_it[name] / without[name] for without, with_it in pairs) for name in names}
    rows = [
        (
            what,
            f"{median(pair[at]['peak_rss_kib'] for pair in pairs) / 1024:.1f}",
            *(f"{median(pair[at][name] for pair in pairs):.1f}" for name in names[1:]),
        )
        for at, what in enumerate(("without", f"with {count:,} numbers"))
    ]
    rows.append(("ratio", *(f"{ratios[name]:.3f}" for name in names)))
    notes = [f"{count:,} rows of CSV; half of the excluded numbers are callees. {ROUNDS} rounds, in turns."]
    show(Table("Exclude", ("exclude", "peak RSS MiB", "survey s", "survey and rows s"), rows, notes))
    return {"exclude_rss": ratios["peak_rss_kib"], "exclude_time": ratios["survey_seconds"]}


def _forms(count: int, show: Callable[[Table], None]) -> None:
    """Compare ways to write a number."""
    from airflow_provider_ccc.client.numbers import normalise

    costs: dict[str, list[float]] = {form: [] for form in FORMS}
    for _ in range(ROUNDS):
        for form, write in FORMS.items():
            numbers = [write(FIRST + place) for place in range(count)]
            start = time.perf_counter()
            for number in numbers:
                normalise(number, "callee")
            costs[form].append((time.perf_counter() - start) / count * 1e6)
    plain, *_ = costs.values()
    rows = [
        (form, f"{median(its):.2f}", f"{median(map(operator.truediv, its, plain)):.1f}") for form, its in costs.items()
    ]
    notes = [f"`normalise` of {count:,} numbers, each another one; {ROUNDS} rounds, in turns."]
    show(Table("Ways to write a number", ("form", "us per number", "times the usual one"), rows, notes))


def _read(kind: str, place: Path, count: int, database: str = "", exclude: Path | None = None) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.reading", kind, str(place), *([str(exclude)] if exclude else [])],
        cwd=ROOT,
        env=for_children(AIRFLOW_CONN_WAREHOUSE=database),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["rows"] == count  # noqa: S101
    assert not found["malformed"]  # noqa: S101
    return found


def _rows(count: int) -> Iterator[tuple[str, str, str]]:
    return ((str(FIRST + place), f"c{place}", "北京") for place in range(count))


def _numbers(path: Path, count: int) -> Path:
    """Write as many numbers, of which every other one is a callee."""
    numbers = (FIRST + (place if place % 2 else place + 2_000_000_000) for place in range(count))
    path.write_text("callee\n" + "".join(f"{number}\n" for number in numbers), encoding="ascii")
    return path


def _written(kind: str, folder: Path, count: int, database: str) -> Path:
    """Write callees, in this process, which is not measured; for ``sql``, into the table."""
    path = folder / f"{count}.{kind}"
    if kind == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *_rows(count)])
    elif kind == "parquet":
        import pyarrow
        import pyarrow.parquet

        columns = dict(zip(COLUMNS, zip(*_rows(count), strict=True), strict=True))
        pyarrow.parquet.write_table(pyarrow.table({name: list(values) for name, values in columns.items()}), path)
    elif kind == "xlsx":
        import openpyxl

        workbook = openpyxl.Workbook(write_only=True)
        sheet = workbook.create_sheet()
        for row in (COLUMNS, *_rows(count)):
            sheet.append(row)
        workbook.save(path)
    else:
        import psycopg2

        with contextlib.closing(psycopg2.connect(database)) as connection, connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS callees")
            cursor.execute(
                f"CREATE TABLE callees AS SELECT ({FIRST} + n)::text AS callee, 'c' || n AS customer, '北京' AS city"  # noqa: S608
                f" FROM generate_series(0, {count - 1}) AS n"
            )
    return path


@contextlib.contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    """Give the address of a database; "" where PostgreSQL is not installed."""
    if postgres_program("postgres") is None:
        yield ""
        return
    server = PostgreSQL(folder)
    try:
        server.start()
        yield server.address("postgresql")
    finally:
        server.stop()
        shutil.rmtree(server.folder)


CALLEES = Part("callees", (*KEYS.values(), "exclude_rss", "exclude_time"), measure)
