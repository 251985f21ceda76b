from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import io
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import fsspec
import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from airflow.providers.common.compat.sdk import ObjectStoragePath
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ccc.campaign.source import Row, Survey, open_source, split_callees
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.client import numbers
from airflow_provider_ccc.client.errors import CccParameterError
from tests.versions import attach, store_of

NUMBER = "13800138000"
#: Good, duplicate in another writing, blank, malformed, good, duplicate of a blank one, duplicate.
NUMBERS = [NUMBER, "+86 138 0013 8000", "", "1380013800x", "(010) 8976-7654", "", "138-0013-8000"]
ROWS = [{"id": f"c{place}", "callee": number} for place, number in enumerate(NUMBERS)]


def read(callees, **settings) -> tuple[Survey, list[Row]]:
    with open_source(callees, Reading(**settings)) as source:
        return source.survey, list(source.rows())


def refused(callees, *, opener=open_source, **settings) -> CccParameterError:
    opener = read if opener is open_source else opener
    with pytest.raises(CccParameterError) as caught:
        opener(callees, **settings)
    assert NUMBER not in str(caught.value)
    assert "3800138" not in str(caught.value)
    return caught.value


def as_csv(rows, delimiter=",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_ndjson(rows) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def as_parquet(rows) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=3 if len(rows) < 100 else None)
    return file.getvalue()


def as_excel(rows) -> bytes:
    workbook = openpyxl.Workbook()
    for values in (list(rows[0]), *(list(row.values()) for row in rows)):
        workbook.active.append(values)
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def zipped(name, data) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._callees", b"noise")
        archive.writestr(f"exports/{name}", data)
    return file.getvalue()


FORMATS = {
    "tsv": lambda rows: as_csv(rows, "\t"),
    "txt": lambda rows: as_csv(rows, "\t").decode().encode("utf-16"),  # Excel's "Unicode text"
    "json": lambda rows: json.dumps(rows, indent=1).encode(),
    "spark.json": as_ndjson,
    "xlsx": as_excel,
    "csv.zip": lambda rows: zipped("whatever", as_csv(rows)),
    "zip": lambda rows: zipped("callees.ndjson", as_ndjson(rows)),
    "csv": as_csv,
    "ndjson": as_ndjson,
    "jsonl": as_ndjson,
    "parquet": as_parquet,
    "csv.gz": lambda rows: gzip.compress(as_csv(rows)),
    "csv.zst": lambda rows: zstandard.compress(as_csv(rows)),
    "ndjson.gz": lambda rows: gzip.compress(as_ndjson(rows)),
    "ndjson.zst": lambda rows: zstandard.compress(as_ndjson(rows)),
}


@pytest.fixture(params=FORMATS)
def file(request, tmp_path) -> Path:
    path = tmp_path / f"callees.{request.param}"
    path.write_bytes(FORMATS[request.param](ROWS))
    return path


@pytest.fixture
def remote():
    """Object storage that lives in memory; Airflow's registry does not have it by itself."""
    files = fsspec.filesystem("memory")
    attach("memory", fs=files)
    yield files
    files.rm("/", recursive=True)


def check(rows: list[Row]) -> None:
    """Check what every source with these rows gives."""
    assert [row.place for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.number for row in rows] == [NUMBER, NUMBER, "", "", "01089767654", "", NUMBER]
    assert [row.duplicate for row in rows] == [False, True, False, False, False, False, True]
    assert [bool(row.problem) for row in rows] == [False, False, True, True, False, True, False]
    assert rows[2].problem == "callee: is empty; give a phone number"
    assert rows[3].problem.startswith("callee: '138****800x' is no phone number")
    assert [row.fields for row in rows] == ROWS


def test_every_format_gives_the_same_rows(file):
    survey, rows = read(file)
    check(rows)
    assert (survey.rows, survey.empty, survey.malformed, survey.duplicates) == (7, 0, 3, 2)
    assert survey.columns == (None if "json" in file.name or file.name == "callees.zip" else ("id", "callee"))


def test_mappings_give_the_same_rows():
    survey, rows = read(ROWS)
    check(rows)
    assert (survey.rows, survey.malformed, survey.duplicates, survey.columns) == (7, 3, 2, None)


@pytest.mark.parametrize("make", [list, tuple, iter, lambda items: dict.fromkeys(items).keys().__iter__()])
def test_lists_of_numbers(make):
    survey, rows = read(make(["01089767654", 13800138000, "95588", " "]))
    assert rows == [
        Row(1, "01089767654", {"callee": "01089767654"}),
        Row(2, NUMBER, {"callee": 13800138000}),
        Row(3, "95588", {"callee": "95588"}),
        Row(4, "", {"callee": " "}, "callee: is empty; give a phone number"),
    ]
    assert (survey.rows, survey.malformed) == (4, 1)


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (None, "is empty"),
        (1089767654, "leading zero"),
        (True, "not bool"),
        (1.5, "not float"),
        ({"id": 1}, "the row has no 'callee'"),
    ],
)
def test_a_row_that_cannot_be_called_says_why(item, problem):
    survey, rows = read(["95588", item])
    assert survey.malformed == 1
    assert (rows[1].number, problem in rows[1].problem) == ("", True)
    assert rows[1].fields == (item if isinstance(item, dict) else {"callee": item})


def test_rows_of_a_database_are_taken():
    """As the hooks of common.sql give them: tuples, one for each row."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE c (number TEXT, name TEXT)")
        database.executemany("INSERT INTO c VALUES (?, ?)", [(NUMBER, "a"), ("95588", "b")])
        one = database.execute("SELECT number FROM c").fetchall()
        two = database.execute("SELECT number, name FROM c").fetchall()
    survey, rows = read(one)
    assert [(row.number, dict(row.fields)) for row in rows] == [
        (NUMBER, {"callee": NUMBER}),
        ("95588", {"callee": "95588"}),
    ]
    assert survey.malformed == 0
    assert read([[NUMBER], (NUMBER,)])[0].malformed == 0
    survey, rows = read(two)
    assert survey.malformed == 2
    assert rows[0].problem == ("the row is a tuple of 2 values; give the number alone, or a mapping that has 'callee'")
    assert rows[0].fields == {"values": [NUMBER, "a"]}
    assert read(one)[0].fingerprint == read([list(row) for row in one])[0].fingerprint


def test_passes_are_fresh(file):
    with open_source(file) as source:
        first = source.rows()
        next(first)
        check(list(source.rows()))
        check([source.rows().__next__(), *first])


def test_empty_lines_have_no_place_and_are_counted(tmp_path):
    path = tmp_path / "callees.csv"
    path.write_text("\ncallee,id\n\n95588,1\n  \n\n95599,2\n\n")
    survey, rows = read(path)
    assert [(row.place, row.number) for row in rows] == [(1, "95588"), (2, "95599")]
    assert (survey.rows, survey.empty, survey.malformed) == (2, 5, 0)


def test_malformed_rows_are_kept(tmp_path):
    path = tmp_path / "callees.csv"
    path.write_text("id,callee\n1,95588,x\n2\n3,95588\n")
    survey, rows = read(path)
    assert [row.fields for row in rows] == [
        {"id": "1", "callee": "95588", "(surplus)": ["x"]},
        {"id": "2", "callee": ""},
        {"id": "3", "callee": "95588"},
    ]
    assert [row.problem for row in rows] == [
        "the row has 3 fields where the header has 2",
        "callee: is empty; give a phone number",
        "",
    ]
    # The first one is not called, so that the third is nobody's duplicate.
    assert (survey.malformed, survey.duplicates, rows[2].duplicate) == (2, 0, False)

    path = tmp_path / "callees.ndjson"
    path.write_text('oh no 13800138000\n"13800138000"\n')
    _, rows = read(path)
    assert rows == [
        Row(1, "", {"line": "oh no 13800138000"}, "the line is no JSON object"),
        Row(2, NUMBER, {"callee": NUMBER}),
    ]


def test_settings_for_other_files(tmp_path):
    path = tmp_path / "callees.txt"
    path.write_bytes("电话,城市\n13800138000,北京\n".encode("gb18030"))
    _, rows = read(path, column="电话", format="csv", encoding="gb18030")
    assert rows == [Row(1, NUMBER, {"电话": NUMBER, "城市": "北京"})]


@pytest.mark.parametrize("address", [str, Path, "file://{}".format, lambda path: ObjectStoragePath(f"file://{path}")])
def test_paths(file, address):
    with open_source(address(file)) as source:
        check(list(source.rows()))
        assert source.description == file.name


def test_a_path_from_here(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    check(read(file.name)[1])
    assert split_callees(file.name)[0]["path"] == str(file)


@pytest.mark.parametrize("make", [str, ObjectStoragePath])
def test_remote_objects_are_copied_and_no_copy_stays_behind(file, remote, make, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "here"))
    (tmp_path / "here").mkdir()
    address = f"memory://bucket/{file.name}"
    remote.pipe(f"/bucket/{file.name}", file.read_bytes())
    with open_source(make(address)) as source:
        remote.pipe(f"/bucket/{file.name}", b"another")
        assert list((tmp_path / "here").iterdir()) == []  # nor would it if the process were killed now
        check(list(source.rows()))
        assert source.description == file.name
        assert source.survey == read(file)[0]
    assert list((tmp_path / "here").iterdir()) == []


def test_the_copy_goes_after_an_error_too(remote, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    remote.pipe("/bucket/callees.csv", b"phone\n95588\n")
    assert "memory://bucket/callees.csv has no column" in refused("memory://bucket/callees.csv").what
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("memory://bucket/nowhere.csv", "memory://bucket/nowhere.csv is not there"),
        ("nothing://bucket/callees.csv", "nothing://bucket/callees.csv cannot be read"),
        ("/nowhere/callees.csv", "/nowhere/callees.csv is not there"),
        ("file:///nowhere/callees.csv", "file:///nowhere/callees.csv is not there"),
        ("/nowhere/", "callees_format: is needed"),
    ],
)
def test_what_is_not_there_is_refused(remote, address, says):
    assert says in str(refused(address))


def test_a_storage_that_does_not_answer_is_no_parameter_error(remote, monkeypatch):
    def fail(*args, **kwargs):
        raise TimeoutError("slow")

    monkeypatch.setattr(type(remote), "open", fail)
    with pytest.raises(TimeoutError):
        read("memory://bucket/callees.csv")


@pytest.mark.parametrize(
    ("callees", "parameter", "says"),
    [
        (NUMBER, "callees", "give a list of numbers, or the path of a file"),
        ("+86 138 0013 8000", "callees", "give a list"),
        (f"{NUMBER}, {NUMBER}", "callees", "give a list"),
        ("", "callees", "give a list"),
        (f"['{NUMBER}', 'a']", "callees", "render_template_as_native_obj"),
        (f"{NUMBER}/{NUMBER}", "callees_format", "csv, tsv, ndjson, json, parquet, xlsx"),
        ("callees.doc", "callees_format", "'callees.doc' does not say"),
        (f"['{NUMBER}']", "callees", "render_template_as_native_obj"),
        (f"callees {NUMBER}", "callees_format", "'callees 138****8000' does not say"),
        (None, "callees", "not NoneType"),
        (13800138000, "callees", "not int"),
        (b"13800138000", "callees", "not bytes"),
        ({NUMBER}, "callees", "not set"),
        ([], "callees", "no rows"),
        ({}, "callees", "split_callees"),
        ({"callee": NUMBER}, "callees", "split_callees"),
        (
            [{"phone": NUMBER}, {"id": 1}],
            "callee_column",
            "no row of 2 callees has 'callee'; the first one has 'phone'",
        ),
        ([{NUMBER: 1}], "callee_column", "the first one has '138****8000'"),
    ],
)
def test_what_is_no_source_is_refused(callees, parameter, says):
    error = refused(callees)
    assert (error.parameter, says in str(error)) == (parameter, True), str(error)


def test_numbers_are_refused_with_a_format_too():
    assert "give a list" in refused(NUMBER, format="csv").what
    assert "callees 138****8000 is not there" in refused(f"callees {NUMBER}", format="csv").what


@pytest.mark.parametrize("column", ["", None, 5])
@pytest.mark.parametrize("opener", [open_source, split_callees])
def test_a_column_that_is_none_is_refused(tmp_path, column, opener):
    assert refused("callees.csv", column=column, opener=opener).parameter == "callee_column"


def test_a_format_that_is_none_is_refused():
    assert refused("callees.csv", format="xls").parameter == "callees_format"


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b"callee\n"), ("a.csv", b"callee\n\n \n"), ("a.ndjson", b""), ("a.ndjson", b"\n"), ("a.ndjson.gz", b"")],
)
def test_a_source_without_rows_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    error = refused(tmp_path / name)
    assert (error.parameter, name in error.what, "no rows" in error.what) == ("callees", True, True)


def test_a_parquet_file_without_rows_is_refused(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"callee": pyarrow.array([], pyarrow.string())}), tmp_path / "a.parquet")
    assert "no rows" in refused(tmp_path / "a.parquet").what


@pytest.mark.parametrize("opener", [open_source, split_callees])
@pytest.mark.parametrize(
    ("name", "content", "parameter"),
    [
        ("a.csv", b"13800138000\n13900139000\n", "callee_column"),
        ("a.csv", b"callee,13800138000,13800138000\n1,2,3\n", "callees"),
        ("a.csv", b"callee\n13800138000\n\xff13800138000\n", "callees_encoding"),
        ("a.csv", b'callee\n"13800138000\n', "callees"),
        ("a.csv.gz", b"13800138000", "callees"),
        ("a.csv.gz", gzip.compress(b"callee\n13800138000\n", mtime=0)[:-5], "callees"),
        ("a.csv.zst", b"13800138000", "callees"),
        ("a.parquet", b"13800138000", "callees"),
        ("a.ndjson", b'{"13800138000": "13800138000"}\n', "callee_column"),
        ("a.ndjson", b'{"callee": "13800138000\xff"}\n', "callees_encoding"),
    ],
)
def test_broken_files_are_refused_before_any_row(tmp_path, name, content, parameter, opener):
    (tmp_path / name).write_bytes(content)
    error = refused(tmp_path / name, opener=opener)
    assert (error.parameter, name in error.what) == (parameter, True)


def test_a_file_that_changes_under_the_run_is_refused(tmp_path):
    path = tmp_path / "callees.csv"
    path.write_text("callee\n95588\n95599\n")
    with open_source(path) as source:
        rows = source.rows()
        next(rows)
        with path.open("a") as more:
            more.write("95566\n")
        with pytest.raises(CccParameterError, match="changed while it was read"):
            list(rows)


def test_the_fingerprint_is_of_the_content_and_how_it_is_read(tmp_path):
    def fingerprint(name: str, content: str, **settings) -> str:
        path = tmp_path / name
        path.write_text(content)
        return read(path, **settings)[0].fingerprint

    text = "callee,b\n95588,95599\n"
    first = fingerprint("a.csv", text)
    assert len(first) == 64
    assert first == fingerprint("b.csv", text) == fingerprint("b.txt", text, format="csv", encoding="UTF8")
    others = [
        fingerprint("a.csv", text + "\n"),
        fingerprint("a.csv", text, column="b"),
        fingerprint("a.csv", text, encoding="gb18030"),
        fingerprint("a.csv", '{"callee": "95588"}', format="ndjson"),
        read([{"callee": "95588", "b": "95599"}])[0].fingerprint,
        read([{"callee": "95588", "b": "95599"}], column="b")[0].fingerprint,
    ]
    assert len({first, *others}) == 7


def test_descriptions():
    for callees, description in ([NUMBER], "1 callee"), ([NUMBER] * 3, "3 callees"):
        with open_source(callees) as source:
            assert source.description == description


def test_ranges_are_small_plain_data_without_numbers(file):
    ranges = split_callees(file, batch_size=3)
    assert json.loads(json.dumps(ranges)) == ranges
    assert NUMBER not in json.dumps(ranges)
    survey, _ = read(file)
    assert [(part["start"], part["stop"], part["batch"]) for part in ranges] == [(0, 3, 0), (3, 6, 1), (6, 7, 2)]
    for part in ranges:
        assert part["path"] == str(file)
        assert (part["batches"], part["rows_total"], part["fingerprint"]) == (3, 7, survey.fingerprint)


def test_ranges_together_are_the_whole(file):
    whole, rows = read(file)
    parts = [read(part) for part in split_callees(file, batch_size=2)]
    assert [row for _, part in parts for row in part] == rows
    surveys = [survey for survey, _ in parts]
    assert [survey.rows for survey in surveys] == [2, 2, 2, 1]
    assert sum(survey.malformed for survey in surveys) == whole.malformed
    assert sum(survey.duplicates for survey in surveys) == whole.duplicates
    assert {survey.columns for survey in surveys} == {whole.columns}
    assert len({whole.fingerprint, *(survey.fingerprint for survey in surveys)}) == 5


CELL = st.text(st.sampled_from('ab,"\n\r \u2028é北'), max_size=4)
CALLEE = st.one_of(st.sampled_from(["95588", "95599", "9-5588", NUMBER, "+86 13800138000", "", "x", "12"]), CELL)


@given(
    rows=st.lists(st.tuples(CALLEE, CELL), min_size=1, max_size=40),
    batch_size=st.integers(1, 50),
    format=st.sampled_from(["csv", "ndjson.zst", "parquet"]),
)
def test_any_ranges_together_are_the_whole(tmp_path_factory, rows, batch_size, format):
    path = tmp_path_factory.mktemp("ranges") / f"callees.{format}"
    path.write_bytes(FORMATS[format]([{"callee": callee, "note": note} for callee, note in rows]))
    survey, whole = read(path)
    parts = [read(part) for part in split_callees(path, batch_size=batch_size)]
    assert [row for _, part in parts for row in part] == whole
    assert [(row.fields["callee"], row.fields["note"]) for row in whole] == rows
    assert sum(part.malformed for part, _ in parts) == survey.malformed == sum(bool(row.problem) for row in whole)

    seen: set[str] = set()
    for row in whole:
        assert row.duplicate == (row.number in seen)
        if row.number:
            seen.add(row.number)
    assert survey.duplicates == sum(row.duplicate for row in whole) == sum(part.duplicates for part, _ in parts)


def test_a_range_has_its_places_in_the_whole_file(tmp_path):
    path = tmp_path / "callees.csv"
    path.write_text("\ncallee\n95588\n\n95599\n95588\nx\n")
    ranges = split_callees(path, batch_size=2)
    with open_source(ranges[1]) as source:
        assert source.description == "callees.csv, rows 3 to 4"
        assert [(row.place, row.number, row.duplicate) for row in source.rows()] == [(3, "95588", True), (4, "", False)]
        assert (source.survey.rows, source.survey.empty, source.survey.malformed, source.survey.duplicates) == (
            2,
            2,
            1,
            1,
        )


def test_a_range_skips_without_looking_at_numbers(tmp_path, monkeypatch):
    path = tmp_path / "callees.ndjson"
    path.write_text('{"callee": "95588"}\n' * 100)
    [_, last] = split_callees(path, batch_size=99)
    looked = []
    monkeypatch.setattr(numbers, "normalise", lambda value, _: looked.append(value) or value)
    assert [row.place for row in read(last)[1]] == [100]
    assert len(looked) == 1


def test_a_range_of_a_remote_object(file, remote):
    remote.pipe(f"/bucket/{file.name}", file.read_bytes())
    path = ObjectStoragePath(f"memory://bucket/{file.name}")
    ranges = split_callees(path, batch_size=4)
    assert ObjectStoragePath(ranges[0]["path"]) == path
    assert [row for part in ranges for row in read(part)[1]] == read(file)[1]


def test_the_connection_stays_in_a_ranges_path(file, remote):
    attach("memory", conn_id="store", fs=remote)
    remote.pipe(f"/bucket/{file.name}", file.read_bytes())
    address = f"memory://bucket/{file.name}"
    with_store = address.replace("//", "//store@")
    for path in with_store, ObjectStoragePath(with_store), ObjectStoragePath(address, conn_id="store"):
        [part] = split_callees(path)
        assert store_of(ObjectStoragePath(part["path"])) == "store"
        assert read(part)[1] == read(file)[1]


def test_a_range_of_a_file_that_changed_is_refused(file):
    [part] = split_callees(file)
    file.write_bytes(FORMATS[file.name.partition(".")[2]](ROWS[:-1]))
    assert "changed since it was split; run the splitting task again" in refused(part).what


def test_a_range_of_a_file_that_is_gone_is_refused(file):
    [part] = split_callees(file)
    file.unlink()
    assert "is not there" in refused(part).what


def test_a_range_keeps_the_settings_it_was_split_with(tmp_path):
    path = tmp_path / "callees.txt"
    path.write_bytes("电话,城市\n13800138000,北京\n".encode("gb18030"))
    settings = {"column": "电话", "format": "csv", "encoding": "gb18030"}
    [part] = split_callees(path, **settings)
    assert read(part)[1] == read(part, **settings)[1] == read(path, **settings)[1]
    for name, other in ("column", "城市"), ("format", "ndjson"), ("encoding", "gbk"):
        error = refused(part, **{name: other})
        assert error.parameter == ("callee_column" if name == "column" else f"callees_{name}")


def test_a_range_may_be_told_what_its_files_name_says(tmp_path):
    path = tmp_path / "callees.csv"
    path.write_text(f"callee\n{NUMBER}\n")
    [part] = split_callees(path)
    assert read(part, format="csv")[1] == read(part)[1]
    assert refused(part, format="ndjson").parameter == "callees_format"


@pytest.mark.parametrize("callees", [[NUMBER], [], None, {"start": 0}, iter([])])
def test_only_files_can_be_split(callees):
    error = refused(callees, opener=split_callees)
    assert (error.parameter, "write the callees to one" in error.what) == ("callees", True)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "10", True])
def test_a_batch_size_that_is_none_is_refused(batch_size):
    assert refused("callees.csv", opener=split_callees, batch_size=batch_size).parameter == "batch_size"


@pytest.mark.parametrize("format", ["csv.zst", "ndjson", "parquet"])
def test_memory_does_not_grow_with_the_rows(tmp_path, format):
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.{format}"
        path.write_bytes(FORMATS[format]([{"callee": f"{13000000000 + row}", "id": str(row)} for row in range(rows)]))
        tracemalloc.start()
        survey, read_rows = None, 0
        with open_source(path) as source:
            survey = source.survey
            for _ in source.rows():
                read_rows += 1
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert survey.rows == read_rows == rows
        return highest

    peak(10)  # imports
    assert peak(50_000) < peak(5_000) + 500_000


def test_duplicates_are_found_however_far_apart():
    numbers = [f"{13000000000 + row}" for row in range(20_000)]
    _, rows = read(itertools.chain(numbers, reversed(numbers)))
    assert [row.duplicate for row in rows] == [False] * 20_000 + [True] * 20_000


def test_nothing_is_left_behind(file, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("SQLITE_TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    read(file)
    assert list(folder.iterdir()) == []


def test_naming_the_package_brings_nothing_heavy_along():
    code = (
        "import sys; import airflow_provider_ccc.campaign.source\n"
        "print([name for name in ('pyarrow', 'zstandard', 'fsspec', 'airflow', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_fingerprint_of_a_file_is_of_its_bytes(file, monkeypatch):
    asked = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda opened, name: asked.append(name) or digest(opened, name))
    before = read(file)[0].fingerprint
    os.utime(file, (0, 0))
    assert read(file)[0].fingerprint == before
    assert asked == ["sha256", "sha256"]
