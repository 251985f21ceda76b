"""Reads callees as a stream of records: from a list, or from a CSV, NDJSON or Parquet file on this machine.

A record is one row before anybody looked at its number: the callee's value, all fields, and what is wrong with the row
itself. Every pass opens the file anew and holds a few kilobytes of it, whatever its size.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import importlib
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol

import msgspec

from airflow_provider_ccc.campaign.source.files import BrokenZstdError, Layout, LocalFile, ZstdStream
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import excerpt

#: The callee's value (:data:`MISSING` where the row has no such field), the row, and what is wrong with the row or "".
Record = tuple[object, Mapping[str, Any], str]
#: Stands for the value of a row that lacks the column.
MISSING = object()

_UTF8_BOM = codecs.BOM_UTF8
_CHUNK = 1 << 16
#: Rows of a Parquet file that are held at a time.
_BATCH = 1024


class Reader(Protocol):
    """Reads the callees as often as it is asked to."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names that a header or schema gives."""

    @property
    def empty(self) -> int:
        """How many lines were empty, known after a pass to the end."""

    def identity(self) -> tuple[str, ...]:
        """Return what makes two inputs the same one: a digest of the content, and how it is read."""

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Read the rows from ``start`` up to but without ``stop``, counted from 0."""


def open_reader(file: LocalFile, layout: Layout, column: str, encoding: str) -> Reader:
    """Make the reader of a file.

    :raises CccParameterError: the file lacks the column, or is not what ``layout`` and ``encoding`` say.
    """
    if layout.format == "parquet":
        return ParquetReader(file, column)
    reader = CsvReader if layout.format == "csv" else NdjsonReader
    return reader(file, column, layout.compression, encoding)


class ListReader:
    """Callees that are in memory already: numbers, mappings that have the column, or tuples of one number.

    Databases give tuples, one for each row, whatever it has.
    """

    columns: tuple[str, ...] | None = None
    empty = 0

    def __init__(self, items: Iterable[Any], column: str) -> None:
        self._items: Sequence[Any] = items if isinstance(items, (list, tuple)) else list(items)
        self._column = column

    def __len__(self) -> int:
        return len(self._items)

    def identity(self) -> tuple[str, ...]:
        digest = hashlib.sha256()
        encode = msgspec.json.Encoder(order="deterministic").encode
        for place, item in enumerate(self._items, 1):
            try:
                digest.update(encode(_plain(item)))
            except (TypeError, ValueError, RecursionError):
                raise CccParameterError(
                    "callees", f"row {place} cannot be written as JSON; give text, numbers, and mappings with text keys"
                ) from None
            digest.update(b"\n")
        return "list", digest.hexdigest()

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        column = self._column
        for item in islice(self._items, start, stop):
            if isinstance(item, (str, int)):
                yield item, {column: item}, ""
            elif isinstance(item, Mapping):
                yield item.get(column, MISSING), item, ""
            elif not isinstance(item, (tuple, list)):
                yield item, {column: item}, ""
            elif len(item) == 1:
                yield item[0], {column: item[0]}, ""
            else:
                what = f"is a {type(item).__name__} of {len(item)} values; give the number alone, or a mapping"
                yield None, {"values": list(item)}, f"the row {what} that has {excerpt(column)!r}"


class TextReader:
    """What CSV and NDJSON share: bytes to text, and what can be wrong on the way."""

    columns: tuple[str, ...] | None = None
    empty = 0
    _format = ""

    def __init__(self, file: LocalFile, column: str, compression: str, encoding: str) -> None:
        self._file = file
        self._column = column
        self._compression = compression
        self._encoding = _text_encoding(encoding)

    def identity(self) -> tuple[str, ...]:
        return self._format, self._compression, self._encoding, self._file.sha256

    @contextmanager
    def _text(self, newline: str) -> Iterator[io.TextIOWrapper]:
        with self._file.watched():
            try:
                with self._bytes() as (data, encoding):
                    yield io.TextIOWrapper(data, encoding, newline=newline)
            except UnicodeDecodeError:
                raise CccParameterError(
                    "callees_encoding",
                    f"line {self._undecodable()} of {self._file.name} is not written in {self._encoding};"
                    " give the encoding that it is written in, such as gb18030",
                ) from None
            except (EOFError, zlib.error, gzip.BadGzipFile, BrokenZstdError) as error:
                raise CccParameterError(
                    "callees", f"{self._file.name} is cut off or damaged: its {self._compression} data say {error}"
                ) from None

    @contextmanager
    def _bytes(self) -> Iterator[tuple[io.BufferedReader, str]]:
        """Open the file, decompress it, and tell its encoding: a UTF-8 byte order mark says more than any parameter."""
        with self._file.path.open("rb") as file:
            stream: Any = file
            if self._compression == "gzip":
                stream = gzip.GzipFile(fileobj=file)
            elif self._compression == "zstd":
                stream = ZstdStream(file)
            data = io.BufferedReader(stream, _CHUNK)
            if data.peek(len(_UTF8_BOM)).startswith(_UTF8_BOM):
                data.read(len(_UTF8_BOM))
                yield data, "utf-8"
            else:
                yield data, self._encoding

    def _undecodable(self) -> int:
        """Find the line that cannot be decoded: text is decoded in blocks of many lines."""
        with self._bytes() as (data, encoding):
            decoder = codecs.getincrementaldecoder(encoding)()
            line = 1
            try:
                for part in data:
                    line += decoder.decode(part).count("\n")
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                pass
            return line


class CsvReader(TextReader):
    """CSV with a header line: comma, double quotes, as RFC 4180 and Excel have it; quoted fields may hold newlines."""

    _format = "csv"
    columns: tuple[str, ...]

    def __init__(self, file: LocalFile, column: str, compression: str, encoding: str) -> None:
        super().__init__(file, column, compression, encoding)
        with self._text(newline="") as text:
            names = next(self._rows(text), None)
        if names is None:
            raise CccParameterError("callees", f"{file.name} is empty; its first line must name the columns")
        self.columns = tuple(names)
        self._at = _place_of(column, self.columns, file.name)
        self._surplus = "(surplus)"
        while self._surplus in self.columns:
            self._surplus = f"({self._surplus})"

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        names, at = self.columns, self._at
        width = len(names)
        with self._text(newline="") as text:
            rows = self._rows(text)
            next(rows, None)
            for values in islice(rows, start, stop):
                if len(values) == width:
                    yield values[at], dict(zip(names, values, strict=True)), ""
                elif len(values) < width:
                    values += [""] * (width - len(values))
                    yield values[at], dict(zip(names, values, strict=True)), ""
                else:
                    fields: dict[str, Any] = dict(zip(names, values, strict=False))
                    fields[self._surplus] = values[width:]
                    yield values[at], fields, f"the row has {len(values)} fields where the header has {width}"

    def _rows(self, text: Iterable[str]) -> Iterator[list[str]]:
        """Read the rows that are not empty, the header too."""
        # Strict, or a quotation mark that is never closed would swallow the rows below it without a word.
        reader = csv.reader(text, strict=True)
        empty = 0
        last = 0
        try:
            for values in reader:
                if len(values) > 1 or (values and not values[0].isspace()):
                    yield values
                else:
                    empty += 1
                last = reader.line_num
        except csv.Error as error:
            raise CccParameterError(
                "callees",
                f"the row in line {last + 1} of {self._file.name} is no CSV, check its quotation marks: {error}",
            ) from None
        self.empty = empty


class NdjsonReader(TextReader):
    """An object, or a bare number, per line."""

    _format = "ndjson"

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        column = self._column
        decode = msgspec.json.Decoder().decode
        with self._text(newline="\n") as text:
            for line in islice(self._lines(text), start, stop):
                try:
                    value = decode(line)
                except (msgspec.DecodeError, RecursionError):
                    value = None
                if isinstance(value, dict):
                    yield value.get(column, MISSING), value, ""
                elif isinstance(value, (str, int)) and not isinstance(value, bool):
                    yield value, {column: value}, ""
                else:
                    yield None, {"line": line.rstrip("\r\n")}, "the line is no JSON object"

    def _lines(self, text: Iterable[str]) -> Iterator[str]:
        empty = 0
        for line in text:
            if line.isspace():
                empty += 1
            else:
                yield line
        self.empty = empty


class ParquetReader:
    """A Parquet file, one column of which holds the callees; times finer than microseconds are cut off to these."""

    columns: tuple[str, ...]
    empty = 0

    def __init__(self, file: LocalFile, column: str) -> None:
        self._file = file
        with file.watched(), self._opened() as parquet:
            self.columns = tuple(parquet.schema_arrow.names)
        self._at = _place_of(column, self.columns, file.name)

    def identity(self) -> tuple[str, ...]:
        return "parquet", self._file.sha256

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        names, at = self.columns, self._at
        with self._file.watched(), self._opened() as parquet:
            stop = parquet.metadata.num_rows if stop is None else min(stop, parquet.metadata.num_rows)
            for batch in self._batches(parquet, start, stop):
                for values in zip(*map(_python_values, batch.columns), strict=True):
                    yield values[at], dict(zip(names, values, strict=True)), ""

    @staticmethod
    def _batches(parquet: Any, start: int, stop: int) -> Iterator[Any]:
        """Read these rows and no row group that holds none of them."""
        groups: list[int] = []
        first = before = 0
        for group in range(parquet.num_row_groups):
            after = before + parquet.metadata.row_group(group).num_rows
            if before < stop and start < after:
                first = first if groups else before
                groups.append(group)
            before = after
        position = first
        for batch in parquet.iter_batches(_BATCH, row_groups=groups, use_threads=False) if groups else ():
            after = position + batch.num_rows
            if start < after:
                skipped = max(start - position, 0)
                yield batch.slice(skipped, stop - position - skipped)
            if after >= stop:
                return
            position = after

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            pyarrow = importlib.import_module("pyarrow")
            parquet = importlib.import_module("pyarrow.parquet")
        except ImportError:
            raise CccParameterError(
                "callees",
                f"{self._file.name} is Parquet, which needs pyarrow; pip install 'airflow-provider-ccc[parquet]'",
            ) from None
        try:
            # Buffered, or a row group, which may be the whole file, would be read into memory at once.
            with parquet.ParquetFile(self._file.path, buffer_size=_CHUNK, pre_buffer=False) as opened:
                yield opened
        except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
            raise CccParameterError(
                "callees", f"{self._file.name} cannot be read as Parquet: {excerpt(str(error))}"
            ) from None


def _plain(item: Any) -> Any:
    """Turn a row of a list into what JSON has."""
    if isinstance(item, Mapping):
        return dict(item)
    return list(item) if isinstance(item, tuple) else item


def _text_encoding(name: str) -> str:
    """Return the encoding's own name."""
    try:
        io.TextIOWrapper(io.BytesIO(), name)
        return codecs.lookup(name).name
    except (LookupError, TypeError, ValueError):
        raise CccParameterError(
            "callees_encoding", "is no text encoding that Python knows; give utf-8, gb18030 or the like"
        ) from None


def _place_of(column: str, names: Sequence[str], file: str) -> int:
    """Find the callees' column among names that must differ."""
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise CccParameterError("callees", f"{file} has the column {excerpt(twice)!r} twice; give each its own name")
    if column not in names:
        raise CccParameterError("callee_column", f"{file} has no column {excerpt(column)!r}; it has {listed(names)}")
    return names.index(column)


def listed(names: Iterable[object]) -> str:
    """Show names of columns for an error's text."""
    shown = [repr(excerpt(str(name))) for name in names]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")


def _python_values(array: Any) -> list[Any]:
    """Turn a Parquet column into Python's types, whose times have microseconds."""
    if getattr(array.type, "unit", "") == "ns":
        pyarrow = importlib.import_module("pyarrow")
        if pyarrow.types.is_timestamp(array.type):
            target = pyarrow.timestamp("us", array.type.tz)
        else:
            target = pyarrow.duration("us") if pyarrow.types.is_duration(array.type) else pyarrow.time64("us")
        array = array.cast(target, safe=False)
    values: list[Any] = array.to_pylist()
    return values
