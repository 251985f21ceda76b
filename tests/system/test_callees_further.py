"""Callees as they come in life, further: several workers, refused callees, PostgreSQL's own ways, and kills."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import boto3
import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from moto.server import ThreadedMotoServer

from airflow_provider_ccc import cli
from airflow_provider_ccc.campaign.source import split_callees
from airflow_provider_ccc.campaign.source.queries import QueryError
from airflow_provider_ccc.compat import AirflowSkipException
from airflow_provider_ccc.operators.ccc import CccMergeManifestsOperator
from airflow_provider_ccc.simulator import operations_2017
from airflow_provider_ccc.simulator.answers import ApiError
from tests.system import test_callees as others
from tests.system.test_callees import NUMBERS, ROWS, lines, resolve, resolved

# Fixtures, each with an instance of its own here.
simulator, asked, warehouse = others.simulator, others.asked, others.warehouse
postgresql, table = others.postgresql, others.table

#: A whole number, as no log and no error may have it.
WHOLE_NUMBER = re.compile(r"1[3-9][0-9]{9}|0[0-9]{9,}")


def through_xcom(value):
    return json.loads(json.dumps(value))


def resolve_batches(output: Path, batches) -> dict:
    """Resolve each range as a mapped task does, and merge them."""
    for batch in through_xcom(batches):
        resolve(output, batch)
    return CccMergeManifestsOperator(task_id="merge", output_path=str(output), batches=batches).execute({})


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", others.FILES)
def test_each_kind_of_file_by_two_workers(asked, tmp_path, name):
    content, settings = others.FILES[name]
    (tmp_path / name).write_bytes(content)
    settings = {key.removeprefix("callees_"): value for key, value in settings.items()}
    batches = split_callees(str(tmp_path / name), batch_size=2, **settings)
    assert [(batch["start"], batch["stop"]) for batch in batches] == [(0, 2), (2, 3)]
    assert resolve_batches(tmp_path / "out", batches)["resolved"] == 3
    assert asked() == sorted(NUMBERS)
    found = [(row["row"], row["callee"]["number"], row["source"]["customer"]) for row in lines(tmp_path / "out")]
    assert found == [(place, row["callee"], row["customer"]) for place, row in enumerate(ROWS, 1)]


def numbers_with_gaps() -> bytes:
    """Write Parquet as pandas does where a column of numbers has gaps."""
    column = pyarrow.array([13800138000.0, None, 8613800138001.0, float("nan"), 1089767654.0, 13800138000.0])
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"callee": column}), file)
    return file.getvalue()


def cells() -> bytes:
    """Write a workbook whose numbers are numbers, decimal numbers, and text; with a gap, a sum, and an empty row."""
    workbook = openpyxl.Workbook()
    values = [13800138000, 13800138001.0, "13800138002", "010-8976 7650", None, 1089767654, 13800138004.5]
    for value, note in [("callee", " note "), *((value, 7) for value in values), (None, None), ("13800138000", "x")]:
        workbook.active.append([value, note])
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def test_numbers_of_a_column_with_gaps(asked, tmp_path):
    (tmp_path / "gaps.parquet").write_bytes(numbers_with_gaps())
    manifest = resolve(tmp_path / "out", str(tmp_path / "gaps.parquet"))
    assert (manifest["resolved"], manifest["failed"], manifest["skipped"]) == (2, 3, 1)
    assert asked() == ["13800138000", "13800138001"]
    failed = {row["row"]: row["message"] for row in lines(tmp_path / "out", "failures")}
    assert failed[2] == "callee: is empty; give a phone number"
    assert failed[4].startswith("callee: is nan, so it had no value where it comes from")
    assert failed[5].endswith("Quote it, or make its column one of text")


def test_cells_of_a_workbook(asked, tmp_path):
    (tmp_path / "cells.xlsx").write_bytes(cells())
    manifest = resolve(tmp_path / "out", str(tmp_path / "cells.xlsx"))
    assert (manifest["resolved"], manifest["failed"], manifest["skipped"]) == (4, 3, 1)
    assert manifest["empty_lines"] == 1
    assert asked() == ["01089767650", "13800138000", "13800138001", "13800138002"]
    failed = {row["row"]: row["message"] for row in lines(tmp_path / "out", "failures")}
    assert list(failed) == [5, 6, 7]
    assert "may have lost its leading zero" in failed[6]
    assert [row["source"]["note"] for row in lines(tmp_path / "out")] == ["7"] * 4


@pytest.fixture
def bucket(monkeypatch):
    """Give boto3's client of an S3 on this machine, with a bucket, and a connection to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    extra = {"endpoint_url": url, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_CALLEES_S3", json.dumps(connection))
    client = boto3.client("s3", aws_access_key_id="testing", aws_secret_access_key="testing", **extra)
    client.create_bucket(Bucket="callees")
    yield client
    server.stop()


def test_a_folder_and_a_pattern_on_s3(asked, bucket, tmp_path):
    for place, row in enumerate(ROWS):
        content = f" callee ,customer\n{row['callee']},{row['customer']}\n".encode()
        bucket.put_object(Bucket="callees", Key=f"night/part-{place}.csv.gz", Body=gzip.compress(content))
    for name in ("_SUCCESS", ".part-0.csv.gz.crc", "_temporary/0/part-9.csv.gz"):
        bucket.put_object(Bucket="callees", Key=f"night/{name}", Body=b"?")
    for place, callees in enumerate(("night/", "night/part-*.csv.gz")):
        address, output = f"s3://callees_s3@callees/{callees}", tmp_path / f"out-{place}"
        assert resolve(output / "whole", address)["resolved"] == 3
        assert resolve_batches(output / "batches", split_callees(address, batch_size=2))["resolved"] == 3
        assert lines(output / "whole")[0]["source"] == ROWS[0]
    assert asked() == sorted(NUMBERS * 4)


# --- numbers ----------------------------------------------------------------------------------------------------------

MALFORMED = {
    "010-89767654-802": "has an extension, which CCC cannot dial",
    "010-89767654转802": "has an extension, which CCC cannot dial",
    "010-89767654 ext. 802": "has an extension, which CCC cannot dial",
    "010-89767654;ext=802": "has an extension, which CCC cannot dial",
    "13800138000/13800138001": "holds more than one number",
    "13800138000、13800138001": "holds more than one number",
    "13800138000;13800138001": "holds more than one number",
    "1.38E+10": "Excel has lost its last digits",
    "1089767654.0": "may have lost its leading zero",
}
#: By what is sent.
WELL_FORMED = {
    "13800138002": ["8613800138002", "86 138 0013 8002", "13800138002", "tel:+8613800138002"],
    "13800138003": ["86 138 0013 8003", "86-138-0013-8003", "\u200e13800138003\u200e", "\ufeff13800138003"],
    "13800138000": ["13800138000.0", "1.3800138E+10", "013800138000", "'13800138000", "`13800138000", "13800138000\t"],
    "13800138001": ['="13800138001"', "\u202d13800138001\u202c", "13800138001"],
    "1380013800": ["1380013800"],
    "138001380001": ["138001380001"],
    "1790913800138000": ["17909 13800138000"],
}


@pytest.mark.parametrize("kind", ["csv", "xlsx", "query"])
def test_however_a_number_is_written_in_a_source(asked, warehouse, tmp_path, kind):
    """Every row of the issue's table: what is sent, what is a duplicate, and what is a failure that says why."""
    given = [way for ways in WELL_FORMED.values() for way in ways] + list(MALFORMED)
    if kind == "query":
        with closing(sqlite3.connect(warehouse)) as database:
            database.execute("CREATE TABLE written (callee TEXT)")
            database.executemany("INSERT INTO written VALUES (?)", [(way,) for way in given])
            database.commit()
        source = {"callees_sql": "SELECT callee FROM written ORDER BY rowid", "sql_conn_id": "warehouse"}
    elif kind == "xlsx":
        workbook = openpyxl.Workbook()
        for place, value in enumerate(["callee", *given], 1):
            workbook.active.cell(place, 1, value).data_type = "s"
        workbook.save(tmp_path / "callees.xlsx")
        source = {"callees": str(tmp_path / "callees.xlsx")}
    else:
        with (tmp_path / "callees.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["callee"], *([way] for way in given)])
        source = {"callees": str(tmp_path / "callees.csv")}
    manifest = resolve(tmp_path / "out", **source)
    assert asked() == sorted(WELL_FORMED)
    duplicates = [way for ways in WELL_FORMED.values() for way in ways[1:]]
    assert (manifest["failed"], manifest["skipped"]) == (len(MALFORMED), len(duplicates))
    skipped = lines(tmp_path / "out", "skipped")
    assert [(row["source"]["callee"], row["reason"]) for row in skipped] == [(way, "duplicate") for way in duplicates]
    failed = lines(tmp_path / "out", "failures")
    assert [row["source"]["callee"] for row in failed] == list(MALFORMED)
    for row, says in zip(failed, MALFORMED.values(), strict=True):
        assert row["message"].startswith("callee: ")
        assert says in row["message"]
        assert not WHOLE_NUMBER.search(row["message"])


def test_numbers_of_a_list(asked, tmp_path):
    manifest = resolve(tmp_path / "out", [Decimal(13800138000), 13800138001, Decimal("13800138000.0"), 1089767654])
    assert (manifest["resolved"], manifest["skipped"], manifest["failed"]) == (2, 1, 1)
    assert asked() == ["13800138000", "13800138001"]


# --- what failed, and whom to leave out -------------------------------------------------------------------------------


@pytest.fixture
def refused(monkeypatch):
    """Give the callees that the simulator refuses."""
    found: set[str] = set()
    pairs = operations_2017.pairs

    def refusing(account, callee, *given):
        if callee in found:
            raise ApiError(400, "InvalidParameter", "No such number.")
        return pairs(account, callee, *given)

    monkeypatch.setattr(operations_2017, "pairs", refusing)
    return found


@pytest.mark.parametrize("way", ["whole", "batches", "query"])
def test_who_was_refused_is_asked_about_again(asked, refused, warehouse, tmp_path, way):
    """Exactly those, with all their fields, whatever the earlier campaign's callees came from."""
    refused.update({"13800138001", "13800138003"})
    rows = [{"callee": str(13800138000 + place), "customer": f"c{place}"} for place in range(5)]
    rows.append({"callee": "1380013800x", "customer": "c5"})
    (tmp_path / "c.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    if way == "whole":
        first = resolve(tmp_path / "first", rows)
    elif way == "batches":
        first = resolve_batches(tmp_path / "first", split_callees(tmp_path / "c.ndjson", batch_size=2))
    else:
        with closing(sqlite3.connect(warehouse)) as database:
            database.execute("DELETE FROM callees")
            database.executemany("INSERT INTO callees VALUES (:callee, :customer, NULL)", rows)
            database.commit()
        sql = "SELECT phone AS callee, customer FROM callees ORDER BY customer"
        first = resolve(tmp_path / "first", callees_sql=sql, sql_conn_id="warehouse")
    assert (first["resolved"], first["failed"]) == (3, 3)
    before = asked()
    refused.discard("13800138001")
    second = resolve(tmp_path / "second", through_xcom(first), only="failed")
    assert Counter(asked()) - Counter(before) == {"13800138001": 1, "13800138003": 1}
    assert (second["resolved"], second["failed"]) == (1, 2)
    assert [row["source"] for row in lines(tmp_path / "second")] == [rows[1]]
    assert [row["source"] for row in lines(tmp_path / "second", "failures")] == [rows[3], rows[5]]
    before = asked()
    refused.clear()
    third = resolve(tmp_path / "third", str(tmp_path / "second"), only="failed")  # and again, of what was left
    assert Counter(asked()) - Counter(before) == {"13800138003": 1}
    assert (third["resolved"], third["failed"]) == (1, 1)


def test_what_failed_is_not_destroyed_by_its_own_repetition(asked, tmp_path):
    """The earlier campaign's output is what is read: it cannot be replaced meanwhile."""
    manifest = resolve(tmp_path / "out", ["13800138000", "1380013800x"])
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.*")}
    with pytest.raises(AirflowFailException):
        resolve(tmp_path / "out", manifest, only="failed", on_stale_output="replace")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.*")} == kept


@pytest.mark.parametrize("way", ["list", "folder", "query"])
def test_ranges_leave_out_whom_splitting_was_told(asked, warehouse, tmp_path, way):
    callees = [str(13800138000 + place) for place in range(6)]
    (tmp_path / "c.csv").write_text("\n".join(["callee", *callees, callees[1], "+86 13800138004"]))
    (tmp_path / "never").mkdir()
    (tmp_path / "never" / "a.csv").write_text("phone\n86-138-0013-8001\nnobody\n")
    (tmp_path / "never" / "b.csv").write_text("phone\n13800138004\n13900139000\n")
    with closing(sqlite3.connect(warehouse)) as database:
        database.execute("INSERT INTO never VALUES (13800138004)")
        database.commit()
    given = {
        "list": {"exclude": [13800138001, "13800138004"]},
        "folder": {"exclude": str(tmp_path / "never"), "exclude_column": "phone"},
        "query": {"exclude_sql": "SELECT phone FROM never", "sql_conn_id": "warehouse", "exclude_column": "phone"},
    }[way]
    batches = split_callees(tmp_path / "c.csv", batch_size=3, **given)
    assert not WHOLE_NUMBER.search(json.dumps([batch | {"fingerprint": ""} for batch in batches]))
    manifest = resolve_batches(tmp_path / "out", batches)
    counts = ("callees", "resolved", "skipped", "excluded", "failed")
    assert [manifest[name] for name in counts] == [8, 4, 4, 2, 0]
    assert asked() == [callees[place] for place in (0, 2, 3, 5)]
    assert [(row["row"], row["reason"]) for row in lines(tmp_path / "out", "skipped")] == [
        *((2, "excluded"), (5, "excluded")),
        *((7, "duplicate"), (8, "duplicate")),
    ]
    with pytest.raises(AirflowFailException, match="exclude: belongs to split_callees"):
        resolve(tmp_path / "out", batches[0], exclude=["13800138000"])


# --- databases --------------------------------------------------------------------------------------------------------


def test_every_type_of_postgresql_is_kept(asked, table, tmp_path):
    table("""INSERT INTO callees VALUES (13800138000, '100%', '2026-01-01'), (13800138001.0, NULL, NULL)""")
    sql = """SELECT phone AS callee, customer, since, since + time '12:30' AS at, '{"a": [1]}'::jsonb AS more,
        7.50::numeric AS price, true AS vip, ARRAY[1, 2] AS list, '6f1b2c3d-0000-4000-8000-000000000001'::uuid AS id
        FROM callees WHERE customer LIKE '%\\%%' OR customer IS NULL AND 5 % 3 = 2 AND ':x %s %(x)s' <> '%'
        ORDER BY phone; -- all of them"""
    assert resolve(tmp_path / "out", callees_sql=sql, sql_conn_id="warehouse")["resolved"] == 2
    first, second = (row["source"] for row in lines(tmp_path / "out"))
    assert first == {
        **{"callee": 13800138000, "customer": "100%", "since": "2026-01-01", "at": "2026-01-01T12:30:00"},
        **{"more": {"a": [1]}, "price": 7.5, "vip": True, "list": [1, 2]},
        "id": "6f1b2c3d-0000-4000-8000-000000000001",
    }
    assert [second[name] for name in ("callee", "customer", "since", "at")] == [13800138001, None, None, None]
    assert asked() == ["13800138000", "13800138001"]


BROKEN = {
    "SELECT '13800138000' AS callee, title FROM nowhere": 'relation "nowhere" does not exist',
    "SELECT phone AS callee, title FROM callees WHERE customer = 'Wang 13800138001'": 'column "title" does not exist',
    "SELECT phone AS callee FROMM callees WHERE customer = 'Wang 13800138001'": "syntax error",
    "SELECT '13800138001' AS callee, ('13800138001' || 'x')::numeric": "invalid input syntax for type numeric",
}


@pytest.mark.parametrize("sql", BROKEN)
def test_an_error_of_postgresql_shows_no_number_and_no_query(asked, table, tmp_path, logs, sql):
    with pytest.raises(QueryError, match=r"callees_sql failed on 'warehouse': \w+: ") as caught:
        resolve(tmp_path / "out", callees_sql=sql, sql_conn_id="warehouse")
    assert BROKEN[sql] in str(caught.value)
    assert caught.value.retryable
    for text in (str(caught.value), logs.text):
        assert not WHOLE_NUMBER.search(text)
        assert "Wang" not in text
        for words in ("SELECT", "CURSOR", "LINE 1"):
            assert words not in text, text[-1000:]
    assert asked() == []


def test_a_query_that_breaks_in_the_middle_is_run_anew(asked, table, tmp_path):
    """Some rows were kept when the database gave up: no callee of theirs is asked about, and none is left over."""
    table("INSERT INTO callees SELECT 13800138000 + n % 3, n, NULL FROM generate_series(1, 15000) AS n")
    sql = "SELECT phone AS callee, 1 / (12000 - customer::int) AS x FROM callees"
    with pytest.raises(QueryError, match="division by zero"):
        resolve(tmp_path / "out", callees_sql=sql, sql_conn_id="warehouse")
    assert [path.name for path in (tmp_path / "out" / "_callees").iterdir()] == ["00000.ndjson"]
    assert asked() == []
    table("DELETE FROM callees WHERE customer::int > 4")
    manifest = resolve(tmp_path / "out", callees_sql=sql, sql_conn_id="warehouse")
    assert (manifest["resolved"], manifest["skipped"]) == (3, 1)
    assert asked() == ["13800138000", "13800138001", "13800138002"]


def test_a_campaign_that_is_replaced_leaves_no_rows_of_its_query(asked, table, tmp_path):
    table("INSERT INTO callees VALUES (13800138000, 'c1', NULL)")
    sql = "SELECT phone AS callee, customer FROM callees"
    resolve(tmp_path / "out", callees_sql=sql, sql_conn_id="warehouse")
    table("UPDATE callees SET phone = 13800138001")
    resolve(tmp_path / "out", ["13800138002"], on_stale_output="replace")
    left = [path for path in (tmp_path / "out").rglob("*.*") if b"13800138000" in path.read_bytes()]
    assert [str(path.relative_to(tmp_path)) for path in left] == []
    # Nor does it come back: this is a third campaign, and the table has another callee now.
    resolve(tmp_path / "out", callees_sql=sql, sql_conn_id="warehouse", on_stale_output="replace")
    assert resolved(tmp_path / "out") == ["13800138001"]


@pytest.mark.parametrize("why", ["batches are there", "max_qps", "only"])
def test_a_refused_query_leaves_the_folder_as_it_was(asked, table, tmp_path, why):
    """Whatever an error of the parameters is, it is found before anybody's number is written down."""
    table("INSERT INTO callees VALUES (13800138009, 'c1', NULL)")
    if why == "batches are there":
        (tmp_path / "c.csv").write_text("callee\n13800138000\n")
        resolve_batches(tmp_path / "out", split_callees(tmp_path / "c.csv"))
    given = {"max_qps": {"max_qps": 0}, "only": {"only": "failed"}}.get(why, {})
    with pytest.raises(AirflowFailException):
        resolve(tmp_path / "out", callees_sql="SELECT phone AS callee FROM callees", sql_conn_id="warehouse", **given)
    left = [path for path in (tmp_path / "out").rglob("*.*") if b"13800138009" in path.read_bytes()]
    assert [str(path.relative_to(tmp_path)) for path in left] == []
    assert "13800138009" not in asked()


def test_killed_while_the_rows_are_kept_and_again_while_they_are_called(simulate, table, tmp_path):
    """The callees are those of the first query that came to its end. Nobody whose part was complete is asked again."""
    import psycopg2

    simulator = simulate(latency_ms=20)
    # 15,000 rows, of 900 callees: what is kept takes two files, and few are called. The gate is in the second file.
    insert = "INSERT INTO callees SELECT {} + n % 900, to_char(n, '00000'), NULL FROM generate_series(1, 15000) AS n"
    table(insert.format(13700000000))
    table("""CREATE OR REPLACE FUNCTION gate(place int) RETURNS int VOLATILE LANGUAGE plpgsql AS $$ BEGIN
        IF place = 14000 THEN PERFORM pg_advisory_xact_lock_shared(7); END IF; RETURN place; END $$""")
    sql = "SELECT phone AS callee, customer, gate(customer::int) AS place FROM callees ORDER BY customer"
    output, kept = tmp_path / "out", tmp_path / "out" / "_callees"

    def start():
        return subprocess.Popen(
            [sys.executable, Path(__file__).with_name("query_run.py"), output, sql],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill_when(process, true):
        deadline = time.monotonic() + 90
        while not true():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.communicate()

    with closing(psycopg2.connect(os.environ["AIRFLOW_CONN_WAREHOUSE"])) as gate:
        gate.cursor().execute("SELECT pg_advisory_lock(7)")
        kill_when(start(), (kept / "00000.ndjson").exists)
    assert [path.name for path in kept.glob("[!.]*")] == ["00000.ndjson"]
    assert simulator.journal == []
    # Renumbered, some deleted: who was kept by then is nobody's callee any more.
    table("TRUNCATE callees")
    table(insert.format(13800000000))
    table("DELETE FROM callees WHERE customer::int > 2000")
    expected = {str(13800000000 + place) for place in range(900)}
    kill_when(start(), lambda: len(list((output / "_state").glob("part-*"))) > 2)
    assert sorted(path.name for path in kept.glob("[!.]*")) == ["00000.ndjson", "_complete.json"]
    done, before = set(resolved(output)), len(simulator.journal)
    assert 0 < len(done) < 900
    table("TRUNCATE callees")
    table(insert.format(13900000000))
    last = start()
    _, errors = last.communicate()
    assert last.returncode == 0, errors
    assert Counter(resolved(output)) == dict.fromkeys(expected, 1)
    calls = [record.parameters["CalleeNumber"] for record in simulator.journal]
    assert set(calls) == expected
    assert not done & set(calls[before:])
    assert not set(Counter(calls).values()) - {1, 2}


# --- nobody, and a look before ----------------------------------------------------------------------------------------


def empty_days(folder: Path) -> dict[str, str]:
    """Write everything that a path without callees can be."""
    workbook = openpyxl.Workbook()
    workbook.active.append(["callee"])
    workbook.save(folder / "header.xlsx")
    pyarrow.parquet.write_table(pyarrow.table({"callee": pyarrow.array([], "string")}), folder / "none.parquet")
    texts = {"header.csv": "callee\n\n", "nothing.csv": "", "none.json": "[]", "none.ndjson": "\n"}
    for name in ("folder", "spark", "parts"):
        (folder / name).mkdir()
    for name, text in (texts | {"spark/_SUCCESS": "", "parts/part-0.csv": "callee\n", "parts/part-1.csv": ""}).items():
        (folder / name).write_text(text)
    names = ["header.xlsx", "none.parquet", *texts, "folder/", "spark", "parts", "parts/part-*.ndjson"]
    return {name: f"{folder}/{name}" for name in names}


def test_every_way_to_have_no_callees(asked, tmp_path):
    for name, path in empty_days(tmp_path).items():
        with pytest.raises(AirflowFailException, match="callees: "):
            resolve(tmp_path / "out" / name.strip("/*"), path)
        with pytest.raises(AirflowSkipException, match="nobody to call"):
            resolve(tmp_path / "out" / name.strip("/*"), path, on_empty="skip")
        assert split_callees(path, on_empty="skip") == [], name
    with pytest.raises(AirflowFailException, match=r"missing\.csv is not there"):
        resolve(tmp_path / "out", str(tmp_path / "missing.csv"), on_empty="skip")
    assert asked() == []


def test_the_day_after_an_empty_day_is_asked_for(asked, table, tmp_path):
    query = {"callees_sql": "SELECT phone AS callee FROM callees", "sql_conn_id": "warehouse", "on_empty": "skip"}
    with pytest.raises(AirflowSkipException, match="nobody to call"):
        resolve(tmp_path / "out", **query)
    table("INSERT INTO callees VALUES (13800138000, 'c1', NULL)")
    assert resolve(tmp_path / "out", **query)["resolved"] == 1
    assert asked() == ["13800138000"]


def check(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", *map(str, arguments)])
    return ended.value.code


def test_the_command_check(asked, tmp_path, capfd, logs):
    (tmp_path / "cells.xlsx").write_bytes(cells())
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_ccc", "check", tmp_path / "cells.xlsx"],
        capture_output=True,
        text=True,
        check=False,
    )
    header, _, counts = (line.replace("|", " ").split() for line in done.stdout.strip().splitlines()[-3:])
    assert dict(zip(header, counts, strict=True)) == {
        **{"rows": "8", "empty": "1", "malformed": "3", "duplicates": "1", "excluded": "0", "to_resolve": "4"},
        "minutes": "0.0",
    }
    assert "row 5: callee: is empty; give a phone number\n" in done.stderr
    assert done.stderr.endswith("error: 3 of 8 rows are malformed\n")
    assert done.returncode == 1
    (tmp_path / "good.csv").write_text("phone;x\n13800138000;1\n")
    assert check(tmp_path / "good.csv", "--column", "phone", "--delimiter", ";") == 0
    assert check(tmp_path / "good.csv", "--column", "phone") == 1
    assert check(tmp_path / "missing.csv") == 1
    said = capfd.readouterr()
    assert "give callees_delimiter=';'" in said.err
    assert "missing.csv is not there" in said.err
    for text in (done.stdout, done.stderr, said.out, said.err, logs.text):
        assert not WHOLE_NUMBER.search(text)
    assert asked() == []
