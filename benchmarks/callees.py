"""What it takes to read callees: memory at 10,000 and at a million rows of each source, and what exclude adds."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import subprocess
import sys
import tempfile
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


def measure(setting: Setting, show: Callable[[Table], None]) -> Mapping[str, float]:
    few, many = (100, 1_000) if setting.quick else (10_000, 1_000_000)
    with tempfile.TemporaryDirectory(prefix="ccc-bench-") as name, _postgresql(Path(name)) as database:
        folder = Path(name)
        kinds = [kind for kind in ("csv", *KEYS) if database or kind != "sql"]
        peaks: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in kinds}
        for count in (few, many):
            for kind in kinds:
                place = _written(kind, folder, count, database)
                peaks[kind][count] = _read(kind, place, count, database)
        source = folder / f"{many}.csv"
        exclude = _numbers(folder / "never.csv", many)
        times, memory = _exclusion(source, exclude, many)
    rows = [
        (
            kind,
            *(f"{peaks[kind][count]['peak_rss_kib'] / 1024:.0f}" for count in (few, many)),
            f"{peaks[kind][many]['peak_rss_kib'] / peaks[kind][few]['peak_rss_kib']:.2f}",
            f"{peaks[kind][many]['seconds']:.1f}",
        )
        for kind in kinds
    ]
    rows.append((f"csv, {many:,} excluded", "", f"{memory[1] / 1024:.0f}", "", f"{times[1]:.1f}"))
    notes = [
        f"Three columns, {few:,} and {many:,} rows: the survey, and all rows once, as a campaign reads them, without"
        " calls; a fresh process with Airflow. `sql` is a PostgreSQL of its own; its rows are kept in a folder first."
        " The library that reads Excel holds the sheet.",
        f"`exclude` has {many:,} numbers, half of which are callees; {ROUNDS} rounds in turns.",
    ]
    heads = ("source", f"MiB at {few:,}", f"MiB at {many:,}", "ratio", f"seconds for {many:,}")
    show(Table("Reading callees", heads, rows, notes))
    ratios = {
        KEYS[kind]: its[many]["peak_rss_kib"] / its[few]["peak_rss_kib"] for kind, its in peaks.items() if kind in KEYS
    }
    return ratios | {"exclude_rss": memory[1] / memory[0], "exclude_time": times[1] / times[0]}


def _exclusion(source: Path, exclude: Path, count: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Read with and without it, in turns; give both times and both peaks."""
    without, with_it = [], []
    for _ in range(ROUNDS):
        without.append(_read("csv", source, count))
        with_it.append(_read("csv", source, count, exclude=exclude))
    assert all(one["excluded"] == count // 2 for one in with_it)  # noqa: S101
    found = [
        (median(one[name] for one in without), median(one[name] for one in with_it))
        for name in ("seconds", "peak_rss_kib")
    ]
    return found[0], found[1]


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
