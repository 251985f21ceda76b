from __future__ import annotations

import datetime
import gzip
import io
import os
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ccc.campaign.source import tables as readers
from airflow_provider_ccc.campaign.source.files import Layout, LocalFile, readable
from airflow_provider_ccc.campaign.source.lists import ListReader
from airflow_provider_ccc.campaign.source.packing import ZstdStream
from airflow_provider_ccc.campaign.source.readers import open_reader
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.campaign.source.records import MISSING
from airflow_provider_ccc.client.errors import CccParameterError

NUMBER = "13800138000"


def reader_of(path: Path, *, column="callee", encoding="utf-8", format=None):
    return open_reader(
        LocalFile(path, path.name),
        Layout.of(path.name, format),
        Reading(column=column, format=format, encoding=encoding),
    )


def records(path: Path, **settings):
    return list(reader_of(path, **settings).records())


def refused(path: Path, **settings) -> CccParameterError:
    with pytest.raises(CccParameterError) as caught:
        records(path, **settings)
    assert path.name in str(caught.value)
    assert NUMBER not in str(caught.value)
    return caught.value


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("name", "format", "layout"),
    [
        ("callees.csv", None, Layout("csv", "")),
        ("s3://conn@bucket/a.b/callees.2026.CSV.GZ", None, Layout("csv", "gzip")),
        ("callees.ndjson", None, Layout("ndjson", "")),
        ("callees.jsonl.zst", None, Layout("ndjson", "zstd")),
        ("callees.parquet", None, Layout("parquet", "")),
        ("callees.txt", "csv", Layout("csv", "")),
        ("callees.gz", "ndjson", Layout("ndjson", "gzip")),
        ("callees.csv", "ndjson", Layout("ndjson", "")),
        ("callees", "parquet", Layout("parquet", "")),
        ("callees", None, None),
        ("callees.TXT", None, Layout("tsv", "")),
        ("callees.tsv.gz", None, Layout("tsv", "gzip")),
        ("callees.json", None, Layout("json", "")),
        ("callees.xlsx", None, Layout("xlsx", "")),
        ("callees.csv.zip", None, Layout("csv", "zip")),
        ("callees.zip", None, Layout("", "zip")),
        ("callees.gz", None, None),
        ("a.csv/callees", None, None),
    ],
)
def test_layout(name, format, layout):
    assert Layout.of(name, format) == layout


@pytest.mark.parametrize(
    ("name", "format", "parameter"),
    [
        ("callees.csv", "CSV", "callees_format"),
        ("callees.csv", "xml", "callees_format"),
        ("a.parquet.gz", None, "callees"),
        ("a.xlsx.zip", None, "callees"),
    ],
)
def test_layout_refuses(name, format, parameter):
    with pytest.raises(CccParameterError) as caught:
        Layout.of(name, format)
    assert caught.value.parameter == parameter


def test_csv_keeps_everything(write):
    path = write(
        "callees.csv",
        '\n"id","callee"\r\n1,13800138000\r\n\r\n   \n"a ""b""\nc, d"," 138 0013 8000"\n2\n3,13900139000,x,y\n,\n',
    )
    reader = reader_of(path)
    assert reader.columns == ("id", "callee")
    assert list(reader.records()) == [
        ("13800138000", {"id": "1", "callee": "13800138000"}, ""),
        (" 138 0013 8000", {"id": 'a "b"\nc, d', "callee": " 138 0013 8000"}, ""),
        ("", {"id": "2", "callee": ""}, ""),
        (
            "13900139000",
            {"id": "3", "callee": "13900139000", "(surplus)": ["x", "y"]},
            "the row has 4 fields where the header has 2",
        ),
        ("", {"id": "", "callee": ""}, ""),
    ]
    assert reader.empty == 3


def test_a_quoted_nothing_is_a_row_where_nothing_is_none(write):
    reader = reader_of(write("callees.csv", 'callee\n""\n\n13800138000\n'))
    assert [value for value, _, _ in reader.records()] == ["", "13800138000"]
    assert reader.empty == 1


def test_the_surplus_has_a_name_of_its_own(write):
    [(_, fields, _)] = records(write("callees.csv", "callee,(surplus)\n13800138000,a,b\n"))
    assert fields == {"callee": "13800138000", "(surplus)": "a", "((surplus))": ["b"]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('callee,name\n13800138000,"Li\n13900139000,Wang\n', "line 2 .*quotation marks.*unexpected end"),
        ('callee,name\n13800138000,x\n13900139000,"Li" Wang\n', "line 3 .*quotation marks"),
        (f"callee,name\n13800138000,{'x' * 200_000}\n", "line 2 .*field limit"),
    ],
)
def test_csv_that_would_lose_rows_is_refused(write, content, says):
    error = refused(write("callees.csv", content))
    assert error.parameter == "callees"
    with pytest.raises(CccParameterError, match=says):
        raise error


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_csv_without_a_header_is_refused(write, content):
    assert "is empty" in refused(write("callees.csv", content)).what


@pytest.mark.parametrize(
    ("header", "shows"),
    [
        ("id,name", "'id', 'name'"),
        ("13800138000,Li", "'138****8000', 'Li'"),
        ("138 0013 8000,(010) 8976-7654,+86138-0013-8000", "'138****8000', '(010****7654', '+86****8000'"),
        ("１３８００１３８０００,8976765", "'１３８****８０００', '89****'"),
        (",".join(f"c{place}" for place in range(30)), "'c19' and 10 more"),
        ("x" * 1000, "x..."),
    ],
)
def test_a_missing_column_is_refused_and_the_found_ones_are_named(write, header, shows):
    error = refused(write("callees.csv", f"{header}\n"))
    assert error.parameter == "callee_column"
    assert shows in error.what
    assert "'callee'" in error.what


def test_columns_that_share_a_name_are_refused(write):
    error = refused(write("callees.csv", "callee,13800138000,13800138000\n"))
    assert (error.parameter, "138****8000' twice" in error.what) == ("callees", True)


def test_ndjson_keeps_everything(write):
    path = write(
        "callees.ndjson",
        '{"callee": "13800138000", "n": 1.5, "deep": {"a": [1]}}\r\n\n  \n"13900139000"\n13700137000\n'
        '{"other": 1}\nno json\n[1]\nnull\ntrue\n01089767654\n{"callee": NaN}\n{"a\u2028b": 1}\n' + "[" * 5000 + "\n{}",
    )
    reader = reader_of(path)
    assert reader.columns is None
    problem = "the line is no JSON object"
    assert list(reader.records()) == [
        ("13800138000", {"callee": "13800138000", "n": 1.5, "deep": {"a": [1]}}, ""),
        ("13900139000", {"callee": "13900139000"}, ""),
        (13700137000, {"callee": 13700137000}, ""),
        (MISSING, {"other": 1}, ""),
        (None, {"line": "no json"}, problem),
        (None, {"line": "[1]"}, problem),
        (None, {"line": "null"}, problem),
        (None, {"line": "true"}, problem),
        (None, {"line": "01089767654"}, problem),
        (None, {"line": '{"callee": NaN}'}, problem),
        (MISSING, {"a\u2028b": 1}, ""),
        (None, {"line": "[" * 5000}, problem),
        (MISSING, {}, ""),
    ]
    assert reader.empty == 2


@pytest.mark.parametrize("name", ["callees.csv", "callees.ndjson"])
@pytest.mark.parametrize(
    ("encoding", "bom", "given"),
    [
        ("utf-8", b"\xef\xbb\xbf", "utf-8"),
        ("utf-8", b"\xef\xbb\xbf", "gb18030"),
        ("gb18030", b"", "GB18030"),
        ("gb18030", b"", "gbk"),
        ("utf-16", b"", "utf-16"),
    ],
)
def test_encodings(write, name, encoding, bom, given):
    text = "callee,城市\n13800138000,北京\n" if name.endswith("csv") else '{"callee": "13800138000", "城市": "北京"}\n'
    path = write(name, bom + text.encode(encoding))
    assert records(path, encoding=given) == [("13800138000", {"callee": "13800138000", "城市": "北京"}, "")]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("format", ["csv", "ndjson"])
@pytest.mark.parametrize("line", [1, 2, 3000])
def test_text_in_another_encoding_is_refused_with_its_line(write, suffix, format, line):
    good = "callee,城市\n" if format == "csv" else '{"callee": "13800138000", "城市": "北京"}\n'
    bad = "北京,北京,北京\n"
    content = good.encode() * (line - 1) + bad.encode("gb18030") + good.encode() * 2000
    error = refused(write(f"callees.{format}{suffix}", pack(content, suffix)))
    assert error.parameter == "callees_encoding"
    assert f"line {line} of callees.{format}{suffix} is not written in utf-8" in error.what


def test_text_that_ends_within_a_character_is_refused(write):
    assert "line 2 of" in refused(write("callees.csv", "callee\n北".encode()[:-1])).what


@pytest.mark.parametrize("encoding", ["utf8x", "hex", "rot13", "", "utf-8\0", None, 5])
def test_an_encoding_that_is_none_is_refused(write, encoding):
    with pytest.raises(CccParameterError, match="text encoding") as caught:
        records(write("callees.csv", "callee\n"), encoding=encoding)
    assert caught.value.parameter == "callees_encoding"


def pack(content: bytes, suffix: str) -> bytes:
    # With the checksum that the zstd command writes; without one, changed bytes may decompress to other text.
    zstd = zstandard.ZstdCompressor(write_checksum=True).compress
    return {"": bytes, ".gz": gzip.compress, ".zst": zstd}[suffix](content)


ROWS = "".join(f"{13800000000 + row},{os.urandom(8).hex()}\n" for row in range(5000))
CONTENT = f"callee,id\n{ROWS}".encode()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("kept", [0.999, 0.5, 0.01])
def test_compression_that_is_cut_off_is_refused(write, suffix, kept):
    packed = pack(CONTENT, suffix)
    error = refused(write(f"callees.csv{suffix}", packed[: int(len(packed) * kept)]))
    assert error.parameter == "callees"
    assert "cut off or damaged" in error.what


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: CONTENT,
        lambda packed: packed + b"garbage",
        lambda packed: packed[:200] + bytes(2000) + packed[2200:],
    ],
)
def test_compression_that_is_damaged_is_refused(write, suffix, damage):
    error = refused(write(f"callees.csv{suffix}", damage(pack(CONTENT, suffix))))
    assert "cut off or damaged" in error.what


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_pieces_that_follow_each_other_are_one_file(write, suffix):
    pieces = [CONTENT[start : start + 1000] for start in range(0, len(CONTENT), 1000)]
    path = write(f"callees.csv{suffix}", b"".join(pack(piece, suffix) for piece in pieces))
    assert records(path) == records(write("callees.csv", CONTENT))


@given(st.lists(st.binary(max_size=2000), max_size=5), st.integers(1, 400))
def test_zstd_gives_back_what_was_packed(pieces, size):
    packed = b"".join(map(zstandard.compress, pieces))
    stream = ZstdStream(io.BytesIO(packed))
    assert b"".join(iter(lambda: stream.read(size), b"")) == b"".join(pieces)


@given(st.binary(min_size=1, max_size=3000), st.data())
def test_zstd_that_is_cut_off_anywhere_is_noticed(content, data):
    packed = zstandard.compress(content)
    stream = ZstdStream(io.BytesIO(packed[: data.draw(st.integers(1, len(packed) - 1))]))
    with pytest.raises(EOFError):
        stream.read()


def test_zstd_skips_frames_that_hold_no_data():
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"abcd"
    stream = ZstdStream(io.BytesIO(skippable + zstandard.compress(b"x") + skippable))
    assert stream.read() == b"x"


def write_parquet(path: Path, row_group_size: int = 1000, **columns) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=row_group_size)
    return path


def test_parquet_keeps_types(tmp_path):
    day = datetime.datetime(2026, 11, 24, 8, 0, 0, 123456)
    path = write_parquet(
        tmp_path / "callees.parquet",
        callee=pyarrow.array(["13800138000", None]),
        number=[13800138000, None],
        tags=[["a"], []],
        at=pyarrow.array([1_000_000_001, None], pyarrow.timestamp("ns")),
        zone=pyarrow.array([1_000_000_001, None], pyarrow.timestamp("ns", "UTC")),
        took=pyarrow.array([1001, None], pyarrow.duration("ns")),
        clock=pyarrow.array([1001, None], pyarrow.time64("ns")),
        day=[day, None],
    )
    reader = reader_of(path)
    assert reader.columns == ("callee", "number", "tags", "at", "zone", "took", "clock", "day")
    [(value, fields, _), (nothing, _, _)] = reader.records()
    assert (value, nothing) == ("13800138000", None)
    assert fields == {
        "callee": "13800138000",
        "number": 13800138000,
        "tags": ["a"],
        "at": datetime.datetime(1970, 1, 1, 0, 0, 1),
        "zone": datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.UTC),
        "took": datetime.timedelta(microseconds=1),
        "clock": datetime.time(microsecond=1),
        "day": day,
    }
    assert [value for value, _, _ in reader_of(path, column="number").records()] == [13800138000, None]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_broken_parquet_is_refused(write, content):
    error = refused(write("callees.parquet", content))
    assert (error.parameter, "cannot be read as Parquet" in error.what) == ("callees", True)


def test_parquet_that_is_damaged_inside_is_refused(tmp_path):
    path = write_parquet(tmp_path / "callees.parquet", callee=[f"{13800000000 + row}" for row in range(500)])
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(content)
    assert "cannot be read as Parquet" in refused(path).what


def test_parquet_columns_are_checked(tmp_path):
    error = refused(write_parquet(tmp_path / "callees.parquet", phone=["13800138000"]))
    assert (error.parameter, "'phone'" in error.what) == ("callee_column", True)
    pyarrow.parquet.write_table(
        pyarrow.Table.from_arrays([pyarrow.array(["1"])] * 2, names=["callee", "callee"]), tmp_path / "twice.parquet"
    )
    assert "'callee' twice" in refused(tmp_path / "twice.parquet").what


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "callees.parquet", callee=["13800138000"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'airflow-provider-ccc[parquet]'" in refused(path).what


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 30))
def test_parquet_ranges(tmp_path_factory, start, length, row_group_size):
    path = write_parquet(
        tmp_path_factory.mktemp("parquet") / "callees.parquet", row_group_size, callee=[str(row) for row in range(50)]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "_BATCH", 7)
        found = [value for value, _, _ in reader_of(path).records(start, start + length)]
    assert found == [str(row) for row in range(50)[start : start + length]]


@pytest.mark.parametrize("name", ["callees.csv", "callees.ndjson", "callees.parquet"])
def test_a_file_that_changes_is_noticed_at_the_end(tmp_path, name):
    path = tmp_path / name

    def write(rows: int) -> None:
        if name.endswith("parquet"):
            write_parquet(path, callee=["13800138000"] * rows)
        else:
            path.write_text(("callee\n" if name.endswith("csv") else "") + "13800138000\n" * rows)

    write(3)
    reader = reader_of(path)
    assert len(list(reader.records())) == 3
    write(4)
    with pytest.raises(CccParameterError, match=f"{name} changed while it was read"):
        list(reader.records())
    path.unlink()
    with pytest.raises(CccParameterError, match="changed while it was read"):
        list(reader.records())


def test_what_a_change_leads_to_is_told_as_the_change(tmp_path):
    path = tmp_path / "callees.csv"
    path.write_text("callee\n13800138000\n")
    reader = reader_of(path)
    path.write_bytes(b"callee\n\xff\xff\n")
    with pytest.raises(CccParameterError, match="changed while it was read"):
        list(reader.records())


def test_a_pass_that_is_left_early_closes_the_file(write):
    rows = reader_of(write("callees.csv", CONTENT)).records()
    next(rows)
    rows.close()
    assert list(rows) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [("nowhere.csv", "is not there"), ("", "no regular file"), ("file/x.csv", "Not a directory"), ("a\0b.csv", "null")],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name, says):
    (tmp_path / "file").touch()
    with pytest.raises(CccParameterError, match=says) as caught:
        LocalFile(tmp_path / name, "callees.csv")
    assert (caught.value.parameter, "callees.csv" in str(caught.value)) == ("callees", True)


def test_errors_that_may_pass_are_left_alone():
    with pytest.raises(TimeoutError), readable("callees.csv"):
        raise TimeoutError("slow")
    with pytest.raises(CccParameterError, match="cannot be read"), readable("callees.csv"):
        raise PermissionError("no errno, as object storages raise it")


def test_a_list_is_read_as_it_is():
    items = ["13800138000", 13800138000, {"callee": "13900139000", "id": 1}, {"id": 2}, None, 1.5]
    reader = ListReader(iter(items), "callee")
    assert len(reader) == 6
    assert list(reader.records()) == [
        ("13800138000", {"callee": "13800138000"}, ""),
        (13800138000, {"callee": 13800138000}, ""),
        ("13900139000", {"callee": "13900139000", "id": 1}, ""),
        (MISSING, {"id": 2}, ""),
        (None, {"callee": None}, ""),
        (1.5, {"callee": 1.5}, ""),
    ]
    assert list(reader.records(1, 2)) == [(13800138000, {"callee": 13800138000}, "")]


def test_lists_are_told_apart():
    lists = [["1", "2"], ["12"], ["2", "1"], [1, 2], ["1", "2", ""], [{"callee": "1"}, "2"]]
    assert len({ListReader(items, "callee").identity() for items in lists}) == len(lists)
    ordered, other = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert ListReader([ordered], "a").identity() == ListReader([other], "a").identity()


@pytest.mark.parametrize("item", [object(), {1: "13800138000"}, "\ud800", {"a": object()}])
def test_what_could_not_be_written_is_refused(item):
    with pytest.raises(CccParameterError, match="row 2 cannot be written as JSON"):
        ListReader(["13800138000", item], "callee").identity()
