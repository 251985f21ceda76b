from __future__ import annotations

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ccc.campaign.source.ranges import Bitmap, Range, cut
from airflow_provider_ccc.client.errors import CccParameterError

GOOD = {
    "path": "/data/callees.csv",
    "column": "callee",
    "format": "csv",
    "encoding": "utf-8",
    "delimiter": "",
    "sheet": "",
    "only_possible_numbers": False,
    "start": 10,
    "stop": 20,
    "batch": 1,
    "batches": 3,
    "rows_total": 25,
    "empty": 2,
    "malformed": 1,
    "fingerprint": "0" * 64,
    "duplicates": "",
    "excluded": "",
}


def filled(indices) -> Bitmap:
    bitmap = Bitmap()
    for index in indices:
        bitmap.add(index)
    return bitmap


@given(st.sets(st.integers(0, 300)), st.integers(0, 300), st.integers(0, 300))
def test_a_bitmap_is_a_set_that_can_be_cut_and_packed(indices, start, length):
    bitmap = filled(indices)
    assert len(bitmap) == len(indices)
    assert {index for index in range(400) if index in bitmap} == indices

    part = bitmap.cut(start, start + length)
    expected = {index - start for index in indices if start <= index < start + length}
    assert {index for index in range(400) if index in part} == expected
    again = Bitmap.unpack(part.pack(), length)
    assert {index for index in range(400) if index in again} == expected


def test_an_empty_bitmap_packs_to_nothing():
    assert Bitmap().pack() == ""
    assert len(Bitmap.unpack("", 0)) == 0


def test_a_bitmap_with_few_rows_is_small():
    assert len(filled(range(0, 10_000, 500)).pack()) < 150


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("no base64!", 100),
        (base64.b64encode(b"no zlib").decode(), 100),
        (filled([100]).pack(), 100),
        (filled([7]).pack(), 7),
        (base64.b64encode(zlib.compress(bytes(10**6))).decode(), 100),
        (base64.b64encode(zlib.compress(b"\1\2\3")[:-4]).decode(), 100),
    ],
)
def test_what_is_no_bitmap_is_refused(text, size):
    with pytest.raises(ValueError):
        Bitmap.unpack(text, size)


@given(st.integers(0, 200), st.integers(1, 250))
def test_cut_covers_everything_once(rows, batch_size):
    spans = list(cut(rows, batch_size))
    assert [index for start, stop in spans for index in range(start, stop)] == list(range(rows))
    assert all(stop - start == batch_size for start, stop in spans[:-1])


def test_a_range_goes_through_xcom():
    bitmap = filled([0, 9])
    described = GOOD | {"duplicates": bitmap.pack()}
    loaded = Range.load(json.loads(json.dumps(described)))
    assert loaded.dump() == described
    assert loaded.bitmap("duplicates").bits == bitmap.bits


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"start": "10"}, "str as start, where int belongs"),
        ({"start": True}, "bool as start"),
        ({"path": None}, "NoneType as path"),
        ({"start": -1}, "0 <= start"),
        ({"start": 20}, "start < stop"),
        ({"stop": 26}, "stop <= rows_total"),
        ({"batch": 3}, "batch < batches"),
        ({"batch": -1}, "batch < batches"),
        ({"empty": -1}, "0 <= empty"),
        ({"malformed": 11}, "malformed"),
        ({"malformed": -1}, "malformed"),
        ({"fingerprint": "13800138000"}, "SHA-256"),
        ({"duplicates": "13800138000"}, "duplicates"),
        ({"duplicates": filled([10]).pack()}, "duplicates"),
        ({"excluded": filled([10]).pack()}, "excluded"),
        ({"only_possible_numbers": 1}, "int as only_possible_numbers"),
        ({"callee": "13800138000"}, "more keys"),
    ],
)
def test_a_broken_range_is_refused(change, says):
    with pytest.raises(CccParameterError, match=says) as caught:
        Range.load(GOOD | change)
    assert caught.value.parameter == "callees"
    assert "13800138000" not in str(caught.value)


@pytest.mark.parametrize("name", GOOD)
def test_a_range_that_lacks_something_is_refused(name):
    with pytest.raises(CccParameterError, match=f"lacks {name}"):
        Range.load({key: value for key, value in GOOD.items() if key != name})


def test_a_mapping_that_is_no_range_at_all_is_refused():
    with pytest.raises(CccParameterError, match="split_callees made"):
        Range.load({"callee": "13800138000"})
