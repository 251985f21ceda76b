"""Callees as they come in life, through the real operators, over HTTP: who is asked about, and what of the others."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import fsspec
import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ccc.campaign.source import split_callees
from airflow_provider_ccc.campaign.source.queries import QueryError
from airflow_provider_ccc.compat import AirflowSkipException
from airflow_provider_ccc.operators.ccc import CccMergeManifestsOperator, CccPickOutboundNumbersBatchOperator
from tests.system.distributed.services import PostgreSQL, postgres_program
from tests.versions import attach

CANDIDATES = ["01089767654", "02160664656"]
NUMBERS = ["13800138000", "13800138001", "01089767650"]
ROWS = [{"callee": number, "customer": f"c{place}"} for place, number in enumerate(NUMBERS, 1)]


def operator(output, callees=None, **arguments):
    arguments = {"candidate_numbers": CANDIDATES, "part_size": 2, "max_failures": 1.0} | arguments
    return CccPickOutboundNumbersBatchOperator(task_id="pick", callees=callees, output_path=str(output), **arguments)


def resolve(output, callees=None, **arguments):
    return operator(output, callees, **arguments).execute({})


def lines(folder: Path, kind: str = "part") -> list[dict]:
    files = sorted(Path(folder).rglob(f"{kind}-*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def resolved(folder: Path) -> list[str]:
    return [row["callee"]["number"] for row in lines(folder)]


def asked_about(simulator) -> list[str]:
    return sorted(record.parameters["CalleeNumber"] for record in simulator.journal)


@pytest.fixture(scope="module")
def simulator():
    from airflow_provider_ccc.simulator.server import SimulatorSettings, running

    with running(SimulatorSettings()) as one:
        yield one


@pytest.fixture
def asked(simulator, connection):
    """Give what was asked about since the test began."""
    connection(host=simulator.url)
    before = len(simulator.journal)
    return lambda: sorted(record.parameters["CalleeNumber"] for record in simulator.journal[before:])


# --- files ------------------------------------------------------------------------------------------------------------


def text(delimiter=",") -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, ["callee", "customer"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return file.getvalue().encode()


def ndjson() -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in ROWS).encode()


def parquet() -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), file)
    return file.getvalue()


def excel(sheet: str = "Sheet") -> bytes:
    workbook = openpyxl.Workbook()
    its = workbook.active if sheet == "Sheet" else workbook.create_sheet(sheet)
    its.append(list(ROWS[0]))
    for row in ROWS:
        # Mobile numbers as Excel has them when they are typed in; the landline as text.
        its.append([int(row["callee"]) if row["callee"].startswith("1") else row["callee"], row["customer"]])
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def archive(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, data)
    return file.getvalue()


FILES = {
    "callees.csv": (text(), {}),
    "semicolon.csv": (text(";"), {"callees_delimiter": ";"}),
    "callees.tsv": (text("\t"), {}),
    "unicode.txt": (text("\t").decode().encode("utf-16"), {}),
    "callees.ndjson": (ndjson(), {}),
    "callees.json": (json.dumps(ROWS).encode(), {}),
    "part-00000.json": (ndjson(), {}),
    "callees.parquet": (parquet(), {}),
    "callees.xlsx": (excel(), {}),
    "sheets.xlsx": (excel("night"), {"callees_sheet": "night"}),
    "callees.csv.gz": (gzip.compress(text()), {}),
    "callees.csv.zst": (zstandard.compress(text()), {}),
    "callees.csv.zip": (archive("x", text()), {}),
    "callees.zip": (archive("callees.tsv", text("\t")), {}),
}


@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_file(asked, tmp_path, name):
    content, settings = FILES[name]
    (tmp_path / name).write_bytes(content)
    manifest = resolve(tmp_path / "out", str(tmp_path / name), **settings)
    assert (manifest["resolved"], manifest["failed"], manifest["skipped"]) == (3, 0, 0)
    assert asked() == sorted(NUMBERS)
    assert [row["source"]["customer"] for row in lines(tmp_path / "out")] == ["c1", "c2", "c3"]


def spark(folder) -> None:
    """Write a folder as Spark does, with a file for each callee."""
    folder.makedirs("night", exist_ok=True)
    for place, row in enumerate(ROWS):
        with folder.open(f"night/part-0000{place}.json", "wb") as file:
            file.write(json.dumps(row).encode() + b"\n")
    for name in ("_SUCCESS", ".part-00000.json.crc"):
        with folder.open(f"night/{name}", "wb") as file:
            file.write(b"?")


@pytest.mark.parametrize("callees", ["night", "night/", "night/part-*.json"])
@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_a_folder_and_a_pattern_by_one_and_by_several_workers(asked, tmp_path, place, callees):
    if place == "here":
        files, base = fsspec.filesystem("dir", path=str(tmp_path), target_protocol="file"), str(tmp_path)
    else:
        memory = fsspec.filesystem("memory")
        attach("memory", fs=memory)
        files, base = fsspec.filesystem("dir", path="/bucket", fs=memory), "memory://bucket"
    spark(files)
    address = f"{base}/{callees}"
    assert resolve(tmp_path / "whole", address)["resolved"] == 3
    assert asked() == sorted(NUMBERS)
    batches = split_callees(address, batch_size=2)
    assert [resolve(tmp_path / "batches", batch)["resolved"] for batch in batches] == [2, 1]
    merged = CccMergeManifestsOperator(task_id="merge", output_path=str(tmp_path / "batches"), batches=batches)
    assert merged.execute({})["callees"] == 3
    assert asked() == sorted(NUMBERS * 2)
    if place == "elsewhere":
        memory.rm("/bucket", recursive=True)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_however_a_number_is_written(asked, tmp_path):
    same = [
        *("13800138002", "8613800138002", "86 138 0013 8002", "86-138-0013-8002", "+86 13800138002", "013800138002"),
        *(
            "'13800138002",
            "`13800138002",
            '="13800138002"',
            "13800138002\t",
            "\u202d13800138002\u202c",
            "tel:13800138002",
        ),
        *(
            "13800138002.0",
            13800138002.0,
            13800138002,
            "1.3800138002E+10",
            "１３８００１３８００２",
            "\ufeff13800138002",
        ),
    ]
    refused = {
        "010-89767654-802": "has an extension",
        "010-89767654转802": "has an extension",
        "13800138000/13800138001": "holds more than one number",
        "13800138000、13800138001": "holds more than one number",
        1089767654.0: "make its column one of text",
        "1089767654.0": "keep phone numbers as text",
        "1.38E+10": "Excel has lost its last digits",
    }
    as_they_are = ["1380013800", "138001380001", "17909 13800138000"]
    manifest = resolve(tmp_path / "out", [*same, *refused, *as_they_are])
    assert asked() == sorted(["13800138002", "1380013800", "138001380001", "1790913800138000"])
    assert (manifest["skipped"], manifest["excluded"], manifest["failed"]) == (len(same) - 1, 0, len(refused))
    for row, says in zip(lines(tmp_path / "out", "failures"), refused.values(), strict=True):
        assert says in row["message"]


def test_numbers_that_china_does_not_have_are_failures_if_that_is_asked_for(asked, tmp_path):
    callees = ["1380013800", "138001380001", "17909 13800138000", "165787876896", "13800138000"]
    assert resolve(tmp_path, callees, only_possible_numbers=True)["failed"] == 4
    assert asked() == ["13800138000"]


# --- what failed, and whom to leave out -------------------------------------------------------------------------------


def test_what_failed_becomes_a_campaign_of_its_own(asked, tmp_path):
    callees = [
        {"callee": number, "customer": number[-2:]} for number in [*NUMBERS, "1380013800x", "13800138000 ext. 1"]
    ]
    manifest = resolve(tmp_path / "first", callees)
    assert (manifest["resolved"], manifest["failed"]) == (3, 2)
    again = [
        resolve(tmp_path / "by manifest", manifest, only="failed"),
        resolve(tmp_path / "by folder", str(tmp_path / "first"), only="failed"),
        resolve(tmp_path / "by file", str(tmp_path / "first" / "_manifest.json"), only="failed"),
    ]
    assert [each["failed"] for each in again] == [2, 2, 2]
    failed = lines(tmp_path / "by folder", "failures")
    assert [row["source"] for row in failed] == callees[3:]
    none = resolve(tmp_path / "nobody", NUMBERS)
    with pytest.raises(AirflowSkipException):
        resolve(tmp_path / "none", none, only="failed", on_empty="skip")
    with pytest.raises(AirflowFailException, match="must be the manifest of an earlier campaign"):
        resolve(tmp_path / "wrong", {"path": "x"}, only="failed")


@pytest.fixture
def warehouse(tmp_path, monkeypatch):
    """Give a file of SQLite with callees, and the connection to it."""
    path = tmp_path / "warehouse.db"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE callees (phone, customer TEXT, since TEXT)")
        database.executemany(
            "INSERT INTO callees VALUES (?, ?, ?)",
            [("13800138000", "c1", "2026-01-01"), (13800138001, "c2", None), ("010-89767650", "100%", "x")],
        )
        database.execute("CREATE TABLE never (phone)")
        database.executemany("INSERT INTO never VALUES (?)", [("+86 13800138001",), (1089767650,)])
        database.commit()
    return path


@pytest.mark.parametrize("way", ["list", "file", "query"])
def test_whoever_is_excluded_is_not_asked_about(asked, warehouse, tmp_path, way):
    (tmp_path / "never.csv").write_text("phone\n+86 13800138001\n01089767650\n")
    given = {
        "list": {"exclude": ["+86 13800138001", "01089767650"]},
        "file": {"exclude": str(tmp_path / "never.csv"), "exclude_column": "phone"},
        "query": {"exclude_sql": "SELECT * FROM never", "sql_conn_id": "warehouse", "exclude_column": "phone"},
    }[way]
    manifest = resolve(tmp_path / "out", ROWS, **given)
    assert (manifest["resolved"], manifest["skipped"], manifest["excluded"]) == (1, 2, 2)
    assert asked() == ["13800138000"]
    assert [(row["row"], row["reason"]) for row in lines(tmp_path / "out", "skipped")] == [
        (2, "excluded"),
        (3, "excluded"),
    ]


def test_each_try_excludes_whoever_is_to_be_left_out_then(asked, tmp_path):
    never = tmp_path / "never.csv"
    never.write_text("callee\n13800138001\n")
    failing = [*NUMBERS[:2], "1380013800x", "13800138003", "13800138004"]
    with pytest.raises(AirflowFailException, match="TooManyFailures"):
        resolve(tmp_path / "out", failing, exclude=str(never), max_failures=0)
    never.write_text("callee\n13800138001\n13800138004\n")
    manifest = resolve(tmp_path / "out", failing, exclude=str(never), max_failures=1)
    assert manifest["excluded"] == 2
    assert asked() == ["13800138000", "13800138003"]


# --- databases --------------------------------------------------------------------------------------------------------


def test_callees_of_a_query(asked, warehouse, tmp_path):
    sql = "SELECT phone AS callee, customer, since FROM callees WHERE customer LIKE 'c%'"
    manifest = resolve(tmp_path / "out", callees_sql=sql, sql_conn_id="warehouse")
    assert manifest["resolved"] == 2
    assert lines(tmp_path / "out")[0]["source"] == {"callee": "13800138000", "customer": "c1", "since": "2026-01-01"}
    assert asked() == ["13800138000", "13800138001"]
    with closing(sqlite3.connect(warehouse)) as database:
        database.execute("DELETE FROM callees")
        database.commit()
    assert resolve(tmp_path / "out", callees_sql=sql, sql_conn_id="warehouse") == manifest


def test_a_query_that_cannot_be_run(warehouse, connection, tmp_path):
    sql = "SELECT '13800138000' FROM nowhere"
    with pytest.raises(QueryError) as caught:
        resolve(tmp_path / "out", callees_sql=sql, sql_conn_id="warehouse")
    assert "callees_sql failed on 'warehouse'" in str(caught.value)
    assert "no such table: nowhere" in str(caught.value)
    assert "13800138000" not in str(caught.value)
    for arguments, says in (
        (
            {"callees_sql": "SELECT 1 AS x", "sql_conn_id": "warehouse"},
            "callees_sql has no column 'callee'; it has 'x'",
        ),
        ({"callees_sql": "SELECT 1"}, "sql_conn_id: is needed for callees_sql"),
        ({"callees_sql": "SELECT 1", "sql_conn_id": "ccc_default"}, "is not one of a SQL database"),
        ({"callees_sql": "SELECT 1", "sql_conn_id": "warehouse", "callees": ["1"]}, "both given"),
        ({}, "both missing"),
        (
            {"callees_sql": "SELECT 1", "sql_conn_id": "warehouse", "on_stale_output": "extend"},
            "cannot be 'extend' with callees_sql",
        ),
    ):
        with pytest.raises(AirflowFailException, match=says):
            resolve(tmp_path / "out", **arguments)


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory):
    if postgres_program("postgres") is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgreSQL(tmp_path_factory.mktemp("postgresql"))
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)


@pytest.fixture
def table(postgresql, monkeypatch):
    """Run statements on a PostgreSQL that is the connection ``warehouse``."""
    import psycopg2

    address = postgresql.address("postgresql")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", address)

    def run(statement):
        with closing(psycopg2.connect(address)) as database, database, database.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None

    run("DROP TABLE IF EXISTS callees")
    run("CREATE TABLE callees (phone numeric(20), customer text, since date)")
    return run


def test_a_query_is_streamed_from_postgresql(asked, table, tmp_path, monkeypatch):
    table("INSERT INTO callees SELECT 13800138000 + n, 'c%' || n, '2026-01-01' FROM generate_series(1, 3) AS n")
    from airflow_provider_ccc.campaign.source import queries

    seen = []
    streamed = queries._cursor

    class Watched:
        def __init__(self, *given):
            self.cursor = streamed(*given)

        def __enter__(self):
            found = self.cursor.__enter__()
            seen.append(found[1].cursor.name)  # of a cursor on the server
            return found

        def __exit__(self, *given):
            return self.cursor.__exit__(*given)

    monkeypatch.setattr(queries, "_cursor", Watched)
    sql = "SELECT phone AS callee, customer, since FROM callees WHERE customer LIKE 'c%' ORDER BY phone"
    resolve(tmp_path / "out", callees_sql=sql, sql_conn_id="warehouse")
    assert seen[0] is not None
    assert asked() == ["13800138001", "13800138002", "13800138003"]
    assert lines(tmp_path / "out")[0]["source"] == {"callee": 13800138001, "customer": "c%1", "since": "2026-01-01"}


def test_killed_while_the_table_changes_a_retry_has_the_same_callees(simulate, table, tmp_path):
    count = 3000
    simulator = simulate(latency_ms=5)
    insert = "INSERT INTO callees SELECT {} + n, to_char(n, '00000'), '2026-01-01' FROM generate_series(1, {}) AS n"
    table(insert.format(13800000000, count))
    output, dice = tmp_path / "out", random.Random(2026)

    def start():
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("query_run.py"), output],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert "running\n" in iter(process.stdout.readline, "")
        return process

    for shift in range(1, 5):
        process = start()
        deadline = time.monotonic() + 60
        while not (output / "_callees" / "_complete.json").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.5))
        process.kill()
        process.communicate()
        # Everybody in the table is somebody else now.
        table("TRUNCATE callees")
        table(insert.format(13900000000 + shift * count, count))
    last = start()
    _, errors = last.communicate()
    assert last.returncode == 0, errors
    expected = {str(13800000000 + place) for place in range(1, count + 1)}
    assert Counter(resolved(output)) == dict.fromkeys(expected, 1)
    assert set(asked_about(simulator)) == expected


# --- nobody, and a look before ----------------------------------------------------------------------------------------


def test_a_day_without_callees(warehouse, connection, tmp_path):
    (tmp_path / "header.csv").write_text("callee\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.csv").touch()
    days = [
        {"callees": []},
        {"callees": str(tmp_path / "nothing.csv")},
        {"callees": str(tmp_path / "header.csv")},
        {"callees": str(tmp_path / "empty")},
        {"callees_sql": "SELECT phone AS callee FROM callees WHERE phone = ''", "sql_conn_id": "warehouse"},
    ]
    for place, day in enumerate(days):
        with pytest.raises(AirflowFailException, match="callees: "):
            resolve(tmp_path / f"out {place}", **day)
        with pytest.raises(AirflowSkipException, match="nobody to call"):
            resolve(tmp_path / f"out {place}", on_empty="skip", **day)
    with pytest.raises(AirflowFailException, match="on_empty: must be 'fail' or 'skip'"):
        resolve(tmp_path / "out", [], on_empty="ignore")


def test_a_look_before_calling(asked, warehouse, tmp_path, logs):
    path = tmp_path / "callees.csv"
    path.write_text("phone\n13800138000\n+86 13800138000\n1380013800x\n13800138001\n13800138002\n\n")
    (tmp_path / "never.csv").write_text("phone\n13800138001\n")
    arguments = [str(path), "--column", "phone", "--exclude", str(tmp_path / "never.csv"), "--qps", "0.01"]
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_ccc", "check", *arguments, "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    counts = {"rows": 5, "empty": 1, "malformed": 1, "duplicates": 1, "excluded": 1, "to_resolve": 2, "minutes": 3.3}
    assert {name: float(value) for name, value in json.loads(done.stdout)[0].items()} == counts
    assert "row 3: phone: '138****800x' is no phone number" in done.stderr
    assert "1 of 5 rows are malformed" in done.stderr
    assert done.returncode == 1
    one = operator(
        tmp_path / "out", str(path), callee_column="phone", exclude=["13800138001"], max_qps=0.01, on_empty="skip"
    )
    one.dry_run()
    assert (
        "5 rows: 2 to resolve, 1 malformed, 1 duplicate, 1 excluded; 1 empty line. At this quota: 3 min 20 s"
        in logs.text
    )
    assert "row 3: phone: '138****800x' is no phone number" in logs.text
    operator(tmp_path / "out", callees_sql="SELECT phone AS callee FROM callees", sql_conn_id="warehouse").dry_run()
    assert "3 rows: 3 to resolve, 0 malformed, 0 duplicates, 0 excluded" in logs.text
    assert asked() == []
    assert not (tmp_path / "out").exists()
