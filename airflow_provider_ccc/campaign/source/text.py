"""Files of text: CSV with any delimiter, NDJSON, and a JSON array; packed or not, in any encoding.

Every pass opens the file again, and holds a few kilobytes of it, whatever its size.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import msgspec

from airflow_provider_ccc.campaign.source.columns import named, place_of
from airflow_provider_ccc.campaign.source.files import LocalFile
from airflow_provider_ccc.campaign.source.packing import DamagedError, unpacked
from airflow_provider_ccc.campaign.source.records import MISSING, NoCalleesError, Record, value_of
from airflow_provider_ccc.client.errors import CccParameterError

#: Byte order marks, which say more than any parameter.
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_CHUNK = 1 << 16
_DELIMITERS = (",", ";", "\t", "|")
#: Tried when text is not in the encoding that it should be in, to say which it seems to be.
_ENCODINGS = ("utf-8", "gb18030")


class TextReader:
    """Bytes to text, and what can be wrong on the way."""

    columns: tuple[str, ...] | None = None
    empty = 0
    rows: int | None = None
    _format = ""

    def __init__(self, file: LocalFile, column: str, compression: str, encoding: str) -> None:
        self._file = file
        self._column = column
        self._compression = compression
        self._encoding = text_encoding(encoding)

    def identity(self) -> tuple[str, ...]:
        return self._format, self._compression, self._encoding, self._file.sha256

    @contextmanager
    def _text(self, newline: str) -> Iterator[io.TextIOWrapper]:
        with self._file.watched():
            try:
                with self._bytes() as (data, encoding):
                    yield io.TextIOWrapper(data, encoding, newline=newline)
            except UnicodeDecodeError:
                raise self._wrong_encoding() from None
            except DamagedError as error:
                raise CccParameterError(
                    "callees", f"{self._file.name} is cut off or damaged: its {self._compression} data say {error}"
                ) from None

    @contextmanager
    def _bytes(self) -> Iterator[tuple[io.BufferedReader, str]]:
        """Open the file, unpack it, and tell its encoding."""
        with self._file.open() as file, unpacked(file, self._compression) as stream:
            data = io.BufferedReader(stream, _CHUNK)
            head = data.peek(100)[:100]
            encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), self._encoding)
            if b"\0" in head and encoding == self._encoding and not encoding.startswith(("utf-16", "utf-32")):
                order = "le" if head[1:2] == b"\0" else "be"
                raise CccParameterError(
                    "callees_encoding", f"{self._file.name} seems to be UTF-16; give callees_encoding='utf-16-{order}'"
                )
            yield data, encoding

    def _wrong_encoding(self) -> CccParameterError:
        line = self._undecodable(self._encoding)
        seems = next((name for name in _ENCODINGS if name != self._encoding and not self._undecodable(name)), "")
        advice = f"it seems to be {seems}: give callees_encoding={seems!r}" if seems else "give the one that it is in"
        return CccParameterError(
            "callees_encoding", f"line {line} of {self._file.name} is not written in {self._encoding}; {advice}"
        )

    def _undecodable(self, encoding: str) -> int:
        """Find the line that cannot be decoded, 0 if all can: text is decoded in blocks of many lines."""
        with self._bytes() as (data, marked):
            decoder = codecs.getincrementaldecoder(encoding if marked == self._encoding else marked)()
            line = 1
            try:
                for part in data:
                    line += decoder.decode(part).count("\n")
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                return line
            return 0


class CsvReader(TextReader):
    """CSV with a header line: double quotes, as RFC 4180 and Excel have it; quoted fields may hold newlines."""

    columns: tuple[str, ...]

    def __init__(self, file: LocalFile, column: str, compression: str, encoding: str, delimiter: str) -> None:
        super().__init__(file, column, compression, encoding)
        self._delimiter = delimiter
        self._format = "csv" if delimiter == "," else f"csv {delimiter}"
        with self._text(newline="") as text:
            names = next(self._rows(text), None)
        if names is None:
            raise NoCalleesError("callees", f"{file.name} is empty; its first line must name the columns")
        self.columns = named(names)
        self._refuse_another_delimiter()
        self._at = place_of(column, self.columns, file.name)
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
        reader = csv.reader(text, strict=True, delimiter=self._delimiter)
        empty = 0
        last = 0
        rows = -1
        try:
            for values in reader:
                if len(values) > 1 or (values and not values[0].isspace()):
                    rows += 1
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
        self.rows = rows

    def _refuse_another_delimiter(self) -> None:
        """Refuse a header that is one column, and would be several with another delimiter."""
        if self._column in self.columns or len(self.columns) != 1:
            return
        for other in _DELIMITERS:
            if other in self.columns[0]:
                raise CccParameterError(
                    "callees_delimiter",
                    f"{self._file.name} seems to have {other!r} between its columns, not {self._delimiter!r}; give"
                    f" callees_delimiter={other!r}",
                )


class NdjsonReader(TextReader):
    """An object, or a bare number, per line.

    :param key: the field that holds the row, where it is not the object itself.
    """

    _format = "ndjson"

    def __init__(self, file: LocalFile, column: str, compression: str, encoding: str, key: str = "") -> None:
        super().__init__(file, column, compression, encoding)
        self._key = key

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        key = self._key
        decode = msgspec.json.Decoder().decode
        with self._text(newline="\n") as text:
            for line in islice(self._lines(text), start, stop):
                try:
                    value = decode(line)
                except (msgspec.DecodeError, RecursionError):
                    value = MISSING
                if key and isinstance(value, dict):
                    value = value.get(key, MISSING)
                yield _record(value, self._column, "line", line)

    def _lines(self, text: Iterable[str]) -> Iterator[str]:
        empty = 0
        rows = 0
        for line in text:
            if line.isspace():
                empty += 1
            else:
                rows += 1
                yield line
        self.empty = empty
        self.rows = rows


class JsonReader(TextReader):
    """A JSON array of objects or bare numbers."""

    _format = "json"

    def is_array(self) -> bool:
        """Say whether it is an array, by its first character."""
        with self._text(newline="\n") as text:
            return next((char for char in iter(lambda: text.read(1), "") if not char.isspace()), "") == "["

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        import ijson

        with self._text(newline="\n") as text:
            try:
                place = -1
                for place, value in enumerate(ijson.items(_Bytes(text), "item", use_float=True)):
                    if place == stop:
                        return
                    if start <= place:
                        yield _record(value, self._column, "item", str(value))
                self.rows = place + 1
            except ijson.JSONError as error:
                raise CccParameterError(
                    "callees", f"{self._file.name} is not a whole JSON array: {str(error).splitlines()[0]}"
                ) from None


class _Bytes:
    """Text as a file of UTF-8, whatever it was written in."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text

    def read(self, size: int = -1) -> bytes:
        return self._text.read(size).encode()


def _record(value: Any, column: str, what: str, shown: str) -> Record:
    """Make a record of what JSON has in a row."""
    if isinstance(value, dict):
        return value_of(value, column), value, ""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return value, {column: value}, ""
    return None, {what: shown.rstrip("\r\n")}, f"the {what} is no JSON object"


def text_encoding(name: str) -> str:
    """Return the encoding's own name.

    :raises CccParameterError: there is no such encoding.
    """
    try:
        io.TextIOWrapper(io.BytesIO(), name)
        return codecs.lookup(name).name
    except (LookupError, TypeError, ValueError):
        raise CccParameterError(
            "callees_encoding", "is no text encoding that Python knows; give utf-8, gb18030 or the like"
        ) from None
