"""Files as Excel, Spark and people write them, and what is said of those that cannot be read as they are."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zipfile
from datetime import datetime
from decimal import Decimal

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_ccc.campaign.source import open_source, split_callees
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.campaign.source.records import NoCalleesError
from airflow_provider_ccc.client.errors import CccParameterError

NUMBERS = ["13800138000", "13800138001", "01089767654"]


def read(callees, **settings):
    with open_source(callees, Reading(**settings)) as source:
        return source.survey, list(source.rows())


def numbers(callees, **settings):
    return [row.number or row.problem for row in read(callees, **settings)[1]]


def refused(callees, **settings) -> CccParameterError:
    with pytest.raises(CccParameterError) as caught:
        read(callees, **settings)
    assert not any(number in str(caught.value) for number in NUMBERS)
    return caught.value


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def workbook(*rows, **sheets) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name, its in sheets.items():
        sheet = book.create_sheet(name)
        for row in its:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def archive(**files) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, data in files.items():
            opened.writestr(name.replace("_", "."), data)
    return file.getvalue()


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [" callee ,id", "\tcallee,id", "\u3000callee\u00a0,id", "callee\ufeff,id"])
def test_blanks_around_a_columns_name_do_not_count(write, header):
    survey, rows = read(write("a.csv", f"{header}\n13800138000,c1\n"))
    assert survey.columns == ("callee", "id")
    assert rows[0].fields == {"callee": "13800138000", "id": "c1"}


def test_blanks_around_a_key_do_not_count():
    assert numbers([{" callee ": "13800138000"}]) == ["13800138000"]


def test_columns_without_a_name_get_one(write):
    survey, _ = read(write("a.csv", "callee,,\n13800138000,a,b\n"))
    assert survey.columns == ("callee", "(column 2)", "(column 3)")


@pytest.mark.parametrize(
    "name", ["Callee", "phone", "Phone Number", "手机号", "mobile", "calle", "CALLEE_NUMBER", "电话"]
)
def test_the_likeliest_column_is_suggested(write, name):
    error = refused(write("a.csv", f"id,{name},city\n1,13800138000,x\n"))
    assert error.parameter == "callee_column"
    assert f"Did you mean {name!r}?" in error.what
    error = refused([{"id": 1, name: "13800138000"}])
    assert f"Did you mean {name!r}?" in error.what


def test_a_file_without_a_header_is_told_so(write):
    error = refused(write("a.csv", "13800138000,c1\n13800138001,c2\n"))
    assert error.what.endswith("The first line must name the columns")


# --- delimiters and encodings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "delimiter"), [("a.csv", ";"), ("a.csv", "\t"), ("a.csv", "|"), ("a.tsv", ","), ("a.txt", ";")]
)
def test_another_delimiter_is_named_and_can_be_given(write, name, delimiter):
    path = write(name, f"id{delimiter}callee\nc1{delimiter}13800138000\n")
    error = refused(path)
    assert error.parameter == "callees_delimiter"
    assert f"give callees_delimiter={delimiter!r}" in error.what
    assert numbers(path, delimiter=delimiter) == ["13800138000"]


def test_text_with_one_column_needs_no_delimiter(write):
    assert numbers(write("a.txt", "callee\n13800138000\n010 8976 7654\n")) == ["13800138000", "01089767654"]


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_what_cannot_be_a_delimiter(write, delimiter):
    assert refused(write("a.csv", "callee\n1\n"), delimiter=delimiter).parameter == "callees_delimiter"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_a_byte_order_mark_tells_the_encoding(write, encoding):
    text = "callee,城市\r\n13800138000,北京\r\n"
    data = codecs.BOM_UTF16_BE + text.encode(encoding) if encoding == "utf-16-be" else text.encode(encoding)
    for path in (write("a.csv", data), write("a.csv.gz", gzip.compress(data))):
        survey, rows = read(path, encoding="gb18030")
        assert survey.columns == ("callee", "城市")
        assert rows[0].fields["城市"] == "北京"


@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_without_a_mark_is_named(write, order):
    path = write("a.csv", "callee,id\n13800138000,c1\n".encode(f"utf-16-{order}"))
    error = refused(path)
    assert error.parameter == "callees_encoding"
    assert f"callees_encoding='utf-16-{order}'" in error.what
    assert numbers(path, encoding=f"utf-16-{order}") == ["13800138000"]


def test_another_encoding_is_named(write):
    path = write("a.csv", "callee,城市\n13800138000,北京\n".encode("gb18030"))
    assert "seems to be gb18030: give callees_encoding='gb18030'" in refused(path).what
    path = write("b.csv", "callee,城市\n13800138000,北\n")
    assert "seems to be utf-8: give callees_encoding='utf-8'" in refused(path, encoding="gb18030").what


# --- kinds ------------------------------------------------------------------------------------------------------------


def parquet() -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"callee": NUMBERS}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "says", "parameter"),
    [
        ("a.csv", workbook(["callee"], ["13800138000"]), "an Excel workbook", "callees_format"),
        ("a.parquet", workbook(["callee"], ["13800138000"]), "an Excel workbook", "callees_format"),
        ("a.csv", parquet(), "a Parquet file", "callees_format"),
        ("a.xlsx", parquet(), "a Parquet file", "callees_format"),
        ("a.csv", gzip.compress(b"callee\n13800138000\n"), "compressed with gzip; name it .gz", "callees"),
        ("a.ndjson", archive(a_csv=b"callee\n13800138000\n"), "a ZIP archive; name it .zip", "callees"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "callees"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "callees"),
        ("a.csv.gz", b"\x28\xb5\x2f\xfd", "Zstandard; name it .zst", "callees"),
    ],
    ids=["excel", "excel as parquet", "parquet", "parquet as excel", "gzip", "zip", "old excel", "xls", "zstd"],
)
def test_a_file_of_another_kind_than_its_name_says(write, name, content, says, parameter):
    error = refused(write(name, content))
    assert error.parameter == parameter
    assert says in error.what


def test_the_format_that_is_advised_helps(write):
    path = write("a.csv", workbook(["callee"], ["13800138000"]))
    assert numbers(path, format="xlsx") == ["13800138000"]
    assert numbers(write("b.csv", parquet()), format="parquet") == NUMBERS


# --- Excel ------------------------------------------------------------------------------------------------------------


def test_numbers_in_cells_become_text_and_a_landline_that_lost_its_zero_is_refused(write):
    when = datetime(2026, 11, 27, 9, 30)
    data = workbook(
        ["callee", "id", "share", "when"],
        [13800138000, 17, 0.5, when],
        ["010 8976 7654", "017", "x", None],
        [1089767654, 1, 2, 3],
        [None, None, None, None],
        ["'13800138001", 4.0, True, ""],
    )
    survey, rows = read(write("a.xlsx", data))
    assert [row.number for row in rows] == ["13800138000", "01089767654", "", "13800138001"]
    assert rows[0].fields == {"callee": "13800138000", "id": "17", "share": "0.5", "when": when}
    assert "leading zero" in rows[2].problem
    assert rows[1].fields["id"] == "017"
    assert rows[3].fields["id"] == "4"
    assert (survey.rows, survey.empty, survey.malformed) == (4, 1, 1)


def test_a_sheet_by_its_name(write):
    path = write("a.xlsx", workbook(["x"], ["y"], night=[["callee"], ["13800138000"]]))
    assert numbers(path, sheet="night") == ["13800138000"]
    assert refused(path).parameter == "callee_column"
    error = refused(path, sheet="day")
    assert (error.parameter, "it has 'Sheet', 'night'" in error.what) == ("callees_sheet", True)


def test_a_workbook_that_is_damaged(write):
    data = workbook(["callee"], ["13800138000"])
    assert refused(write("a.xlsx", data[: len(data) // 2])).parameter == "callees"
    assert "cannot be read as an Excel workbook" in refused(write("b.xlsx", b"callee\n1\n")).what
    assert "is empty" in refused(write("c.xlsx", workbook())).what


def test_excel_without_its_library(write, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "python_calamine", None)
    assert "pip install 'airflow-provider-ccc[excel]'" in refused(write("a.xlsx", workbook(["callee"], ["1"]))).what


# --- JSON, Parquet, ZIP -----------------------------------------------------------------------------------------------


def test_a_json_array_of_numbers_and_objects(write):
    items = ["13800138000", {"callee": "010-89767654", "x": {"y": 1.5}}, 13800138001, None, [1], 13800138002.0]
    _, rows = read(write("a.json", "\n " + json.dumps(items)))
    assert [row.number for row in rows] == ["13800138000", "01089767654", "13800138001", "", "", "13800138002"]
    assert rows[1].fields == {"callee": "010-89767654", "x": {"y": 1.5}}
    assert [bool(row.problem) for row in rows] == [False, False, False, True, True, False]


@pytest.mark.parametrize("cut", ['["13800138000"', '["13800138000",', '[{"callee": "138'])
def test_a_json_array_that_is_cut_off(write, cut):
    error = refused(write("a.json", cut))
    assert (error.parameter, "not a whole JSON array" in error.what) == ("callees", True)


def test_nullable_numbers_of_a_parquet_file(write, tmp_path):
    for type, values in (
        (pyarrow.float64(), [13800138000.0, None, 1089767654.0, float("nan")]),
        (pyarrow.decimal128(20, 2), [Decimal("13800138000.00"), None, Decimal("1089767654.00"), Decimal("0.5")]),
        (pyarrow.int64(), [13800138000, None, 1089767654, 8613800138001]),
    ):
        pyarrow.parquet.write_table(pyarrow.table({"callee": pyarrow.array(values, type)}), tmp_path / "a.parquet")
        seen = numbers(tmp_path / "a.parquet")
        assert seen[0] == "13800138000"
        assert "is empty" in seen[1]
        assert "make its column one of text" in seen[2]
    assert seen[3] == "13800138001"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (archive(a_csv="callee\n1", b_csv="callee\n1"), "holds 2 files"),
        (archive(), "holds 0 files"),
        (b"PK\x03\x04 and no more", "cannot be read as a ZIP archive"),
        (archive(a_doc="x"), "is needed, as the name of what is in"),
        (archive(a_parquet=parquet()), "compresses itself"),
    ],
    ids=["two", "none", "damaged", "unknown", "table"],
)
def test_an_archive_that_cannot_be_read(write, content, says):
    assert says in refused(write("a.zip", content)).what


# --- folders and patterns ---------------------------------------------------------------------------------------------


def test_a_folder_as_spark_writes_it(write, tmp_path):
    write("night/part-00001.csv", "callee,id\n13800138001,c2\n")
    write("night/part-00000.csv", "callee,id\n13800138000,c1\n")
    write("night/part-00002.csv", "")
    write("night/_SUCCESS", "")
    write("night/~$callees.xlsx", "x")
    write("night/.part-00000.csv.crc", "x")
    write("night/_temporary/part-00009.csv", "callee,id\n13800138009,c9\n")
    for callees in (tmp_path / "night", f"{tmp_path}/night/", f"{tmp_path}/night/part-*.csv"):
        survey, rows = read(callees)
        assert [row.number for row in rows] == ["13800138000", "13800138001"]
        assert survey.columns == ("callee", "id")
    parts = split_callees(f"{tmp_path}/night/part-*.csv", batch_size=1)
    assert [row.number for part in parts for row in read(part)[1]] == ["13800138000", "13800138001"]


def test_duplicates_are_found_across_files(write, tmp_path):
    write("night/a.ndjson", '{"callee": "13800138000"}\n')
    write("night/b.json", '[{"callee": "8613800138000"}, {"callee": "13800138001"}]')
    assert [row.duplicate for row in read(tmp_path / "night")[1]] == [False, True, False]


def test_files_of_a_folder_must_have_the_same_columns(write, tmp_path):
    write("night/a.csv", "callee,id\n13800138000,1\n")
    write("night/b.csv", "callee,name\n13800138001,x\n")
    assert "b.csv does not have the same columns" in refused(tmp_path / "night").what


def test_a_folder_without_files(tmp_path):
    (tmp_path / "night").mkdir()
    (tmp_path / "night/_SUCCESS").touch()
    for callees in (tmp_path / "night", f"{tmp_path}/night/*.csv"):
        with pytest.raises(NoCalleesError):
            read(callees)
        assert split_callees(callees, on_empty="skip") == []


def test_a_long_path_says_as_much_as_a_short_one(write):
    folder = "/".join(["a-folder-with-a-long-name"] * 6)
    assert numbers(write(f"{folder}/callees.gz", gzip.compress(b"callee\n13800138000\n")), format="csv") == NUMBERS[:1]
    assert numbers(write(f"{folder}/callees.zip", archive(a_csv="callee\n13800138000\n"))) == NUMBERS[:1]
    assert (
        numbers(write(f"{folder}/night.d/callees.csv.gz", gzip.compress(b"callee\n13800138000\n")).parent)
        == NUMBERS[:1]
    )


def test_a_file_whose_name_is_a_pattern(write):
    assert numbers(write("a[1].csv", "callee\n13800138000\n")) == ["13800138000"]


def test_ranges_of_many_files(write, tmp_path):
    for place in range(5):
        lines = "".join(f'{{"callee": "138001380{place}{row}"}}\n' for row in range(place))
        write(f"night/{place}.ndjson", lines or "\n")
    everything = numbers(tmp_path / "night")
    assert len(everything) == 10
    for size in (1, 3, 7, 10):
        parts = split_callees(tmp_path / "night", batch_size=size)
        assert [number for part in parts for number in numbers(part)] == everything


# --- only_possible_numbers --------------------------------------------------------------------------------------------


def test_only_possible_numbers(write):
    path = write("a.csv", "callee\n13800138000\n1380013800\n95588\n")
    assert numbers(path) == ["13800138000", "1380013800", "95588"]
    found = numbers(path, only_possible_numbers=True)
    assert found[0] == "13800138000"
    assert found[1:] == [
        "callee: '138****3800' is not a number that China has",
        "callee: '95****' is not a number that China has",
    ]
    [part] = split_callees(path, only_possible_numbers=True)
    assert numbers(part) == found
    assert part["malformed"] == 2
    assert read(path)[0].fingerprint != read(path, only_possible_numbers=True)[0].fingerprint
