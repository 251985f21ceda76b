from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import sys

import pyarrow.parquet
import pytest

from airflow_provider_ccc.campaign.output.formats import PairRow, encoder_of
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.models import PhoneNumber

CALLEE, CALLER = PhoneNumber("013800138000", "北京", "北京"), PhoneNumber("01089767654", "", "河北")
SOURCE = {
    "text": 'a "b",\n',
    "none": None,
    "number": 1.5,
    "truth": True,
    "day": datetime.date(2026, 1, 2),
    "price": decimal.Decimal("1.10"),
    "list": [1, "x"],
}
#: The same as text, as flat formats hold it.
TEXTS = ['a "b",\n', None, "1.5", "true", "2026-01-02", "1.10", '[1,"x"]']
FIXED = [1, "013800138000", "北京", "北京", "01089767654", "", "河北", "R-1"]
FIXED_NAMES = [
    *("row", "callee_number", "callee_city", "callee_province"),
    *("caller_number", "caller_city", "caller_province", "request_id"),
]


def row(source) -> PairRow:
    return PairRow(1, CALLEE, CALLER, "R-1", source)


def test_ndjson_nests():
    (line,) = encoder_of("ndjson")([row(SOURCE)], tuple(SOURCE)).splitlines()
    assert json.loads(line) == {
        "row": 1,
        "callee": {"number": "013800138000", "city": "北京", "province": "北京"},
        "caller": {"number": "01089767654", "city": "", "province": "河北"},
        "request_id": "R-1",
        "source": SOURCE | {"day": "2026-01-02", "price": "1.10"},
    }


def read_csv(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))


def test_csv_has_a_column_for_each_of_the_sources():
    header, values = read_csv(encoder_of("csv")([row(SOURCE)], tuple(SOURCE)))
    assert header == [*FIXED_NAMES, *(f"source_{name}" for name in SOURCE)]
    assert values == [str(value) for value in FIXED] + [text or "" for text in TEXTS]


def test_parquet_has_a_column_for_each_of_the_sources():
    table = pyarrow.parquet.read_table(io.BytesIO(encoder_of("parquet")([row(SOURCE)], tuple(SOURCE))))
    assert table.column_names == [*FIXED_NAMES, *(f"source_{name}" for name in SOURCE)]
    assert list(table.to_pylist()[0].values()) == [*FIXED, *TEXTS]


def test_a_source_without_known_columns_is_one_column():
    header, values = read_csv(encoder_of("csv")([row({"a": "北", "b": 1})], None))
    assert (header[8:], values[8:]) == (["source"], ['{"a":"北","b":1}'])
    table = pyarrow.parquet.read_table(io.BytesIO(encoder_of("parquet")([row({"a": 1})], None)))
    assert table.to_pylist()[0]["source"] == '{"a":1}'


def test_a_column_that_a_row_lacks_is_empty():
    _, values = read_csv(encoder_of("csv")([row({"a": "1"})], ("a", "b")))
    assert values[8:] == ["1", ""]


def test_parts_without_rows_have_the_schema_of_others():
    assert encoder_of("ndjson")([], ("a",)) == b""
    assert read_csv(encoder_of("csv")([], ("a",))) == [[*FIXED_NAMES, "source_a"]]
    encode = encoder_of("parquet")
    empty, full = (pyarrow.parquet.read_schema(io.BytesIO(encode(rows, ("a",)))) for rows in ([], [row({"a": 1})]))
    assert empty == full


@pytest.mark.parametrize("name", ["", "CSV", "xml", None, 5, ["csv"]])
def test_an_unknown_format_is_named(name):
    with pytest.raises(CccParameterError, match=r"InvalidArgument: output_format: .* is none of ndjson, csv, parquet"):
        encoder_of(name)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(CccParameterError, match=r"airflow-provider-ccc\[parquet\]"):
        encoder_of("parquet")
