"""Where a campaign's callees come from: a list, a file, or a range of a file's rows, as a stream in bounded memory.

A source is read twice. The first pass, the *survey*, is over before any request is sent: it counts, finds duplicates,
and takes a fingerprint of the content. The second, :meth:`Source.rows`, gives the rows.

What is a source:

- a list, or anything that can be gone through but text, mappings and sets: each item is a number, as text or a mobile
  number as an integer; a mapping that has the column; or a tuple or list of one number, as databases give rows;
- a path, local or an ``ObjectStoragePath`` or its URI, to CSV (``.csv``, with a header line), NDJSON (``.ndjson`` or
  ``.jsonl``: an object, or a bare number, per line) or Parquet (``.parquet``); CSV and NDJSON may be compressed
  (``.gz``, ``.zst``). ``format`` says what a name does not. An object that is not on this machine is copied to a
  temporary file without a name first;
- a range, one of the dictionaries that :func:`split_callees` makes of such a file.

What becomes of each row:

- empty lines, of nothing or of white space, are skipped and counted; they and the header have no place;
- a row whose number is blank or malformed, or that is malformed itself, comes with a ``problem``. A line that is no
  JSON object has the fields ``{"line": text}``; a CSV row with too many fields keeps the surplus as a list under
  ``"(surplus)"``; one with too few is no problem in itself, the missing ones are "";
- a row whose normalised number appears earlier, in the whole file even if only a range is read, comes with
  ``duplicate=True``. Rows with a problem have no number and are nobody's duplicates.

What refuses the source as a whole, with a :class:`~airflow_provider_ccc.client.errors.CccParameterError`: a file that
is not there, may not be read, is cut off or damaged, or has no rows; text in another encoding; quotation marks that are
not closed; columns that share a name; a column that no row has; a file that changes under the run; a phone number, or a
list written as text, where a list belongs. Anything else that goes wrong in reading, such as an object storage that
does not answer, is raised as it came: a retry may help.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_ccc.campaign.source.paths import address_of, is_path, layout_of, open_file
from airflow_provider_ccc.campaign.source.ranges import Bitmap, Range, cut
from airflow_provider_ccc.campaign.source.readers import MISSING, ListReader, Reader, listed
from airflow_provider_ccc.client.checks import integer
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.numbers import normalise
from airflow_provider_ccc.client.privacy import excerpt


@dataclass(slots=True)
class Row:
    """One row of a source.

    :param place: which data row of the whole source it is, from 1.
    :param number: the callee, normalised; "" if there is a problem.
    :param fields: all columns of the row as they were read.
    :param problem: why it cannot be called, with numbers shortened; "" if it can.
    :param duplicate: whether the same number appears earlier.
    """

    place: int
    number: str
    fields: Mapping[str, Any]
    problem: str = ""
    duplicate: bool = False


@dataclass(frozen=True)
class Survey:
    """What the first pass found.

    :param rows: data rows of this source or range.
    :param empty: empty lines skipped; of a range, those of the whole file.
    :param malformed: rows with a problem.
    :param duplicates: rows whose number appears earlier.
    :param fingerprint: SHA-256, in hexadecimal, of the content and of how it is read.
    :param columns: the columns' names where a header or schema gives them, else ``None``.
    """

    rows: int
    empty: int
    malformed: int
    duplicates: int
    fingerprint: str
    columns: tuple[str, ...] | None


class Source:
    """Callees that were surveyed; :func:`open_source` makes them.

    :param description: what logs call it; it holds no phone numbers.
    """

    def __init__(
        self, reader: Reader, column: str, description: str, survey: Survey, duplicates: Bitmap, start: int = 0
    ) -> None:
        self.description = description
        self.survey = survey
        self._reader = reader
        self._column = excerpt(column)
        self._duplicates = duplicates
        self._start = start

    def rows(self) -> Iterator[Row]:
        """Read the rows, from the first one at each call.

        :raises CccParameterError: the file is not what it was at the survey.
        """
        start, column, duplicates = self._start, self._column, self._duplicates
        some = len(duplicates) > 0
        records = self._reader.records(start, start + self.survey.rows)
        for index, (value, fields, problem) in enumerate(records):
            number = ""
            if not problem:
                number, problem = _number(value, column)
            yield Row(start + index + 1, number, fields, problem, some and not problem and index in duplicates)


@contextmanager
def open_source(
    callees: Any, *, column: str = "callee", format: str | None = None, encoding: str = "utf-8"
) -> Iterator[Source]:
    """Open and survey a source; copies of remote objects go when the block is left.

    :param callees: a list, a path, or a range; see the module's description.
    :param column: the callees' column.
    :param format: ``csv``, ``ndjson`` or ``parquet``, where the file's name does not say.
    :param encoding: of CSV and NDJSON; a UTF-8 byte order mark overrides it.
    :raises CccParameterError: naming ``callees``, ``callee_column``, ``callees_format`` or ``callees_encoding``.
    """
    if isinstance(callees, Mapping):
        part = Range.load(callees)
        _refuse_other_settings(part, column=column, format=format, encoding=encoding)
        with open_file(part.path, part.column, part.format, part.encoding) as (reader, name):
            yield _ranged(part, reader, name)
        return
    _check_column(column)
    if is_path(callees):
        with open_file(callees, column, format, encoding) as (reader, name):
            yield _surveyed(reader, column, name)
        return
    if isinstance(callees, (bytes, Set)) or not isinstance(callees, Iterable):
        raise CccParameterError("callees", f"must be a list, a path or a range, not {type(callees).__name__}")
    items = ListReader(callees, column)
    yield _surveyed(items, column, "1 callee" if len(items) == 1 else f"{len(items)} callees")


def split_callees(
    callees: Any,
    *,
    batch_size: int = 10_000,
    column: str = "callee",
    format: str | None = None,
    encoding: str = "utf-8",
) -> list[dict[str, Any]]:
    """Split a file's rows into ranges, for ``.expand(callees=...)``. A range names rows and copies none.

    Airflow maps at most ``[core] max_map_length`` of them, 1024 by default.

    :param callees: a path that every worker can read.
    :param batch_size: rows in a range.
    :param column: as for :func:`open_source`, and so are the others.
    :raises CccParameterError: as :func:`open_source` does, and for lists.
    """
    integer("batch_size", batch_size, at_least=1)
    _check_column(column)
    if not is_path(callees):
        raise CccParameterError(
            "callees", "only a file can be split; write the callees to one, or give the list to the operator as it is"
        )
    with open_file(callees, column, format, encoding) as (reader, name):
        found = _examine(reader, column, name)
        fingerprint = _fingerprint(reader, column)
    spans = list(cut(found.rows, batch_size))
    return [
        Range(
            path=address_of(callees),
            column=column,
            format=layout_of(callees, format).format,
            encoding=encoding,
            start=start,
            stop=stop,
            batch=batch,
            batches=len(spans),
            rows_total=found.rows,
            empty=reader.empty,
            malformed=len(found.malformed.cut(start, stop)),
            fingerprint=fingerprint,
            duplicates=found.duplicates.cut(start, stop).pack(),
        ).dump()
        for batch, (start, stop) in enumerate(spans)
    ]


@dataclass(slots=True)
class _Findings:
    """What a pass over all rows finds; indices count from 0."""

    rows: int = 0
    malformed: Bitmap = field(default_factory=Bitmap)
    duplicates: Bitmap = field(default_factory=Bitmap)


def _surveyed(reader: Reader, column: str, name: str) -> Source:
    found = _examine(reader, column, name)
    survey = Survey(
        rows=found.rows,
        empty=reader.empty,
        malformed=len(found.malformed),
        duplicates=len(found.duplicates),
        fingerprint=_fingerprint(reader, column),
        columns=reader.columns,
    )
    return Source(reader, column, name, survey, found.duplicates)


def _ranged(part: Range, reader: Reader, name: str) -> Source:
    """Take from the range what splitting found, as long as the file is the same."""
    if _fingerprint(reader, part.column) != part.fingerprint:
        raise CccParameterError("callees", f"{name} changed since it was split; run the splitting task again")
    duplicates = part.bitmap()
    survey = Survey(
        rows=part.stop - part.start,
        empty=part.empty,
        malformed=part.malformed,
        duplicates=len(duplicates),
        fingerprint=_digest(part.fingerprint, str(part.start), str(part.stop), part.column),
        columns=reader.columns,
    )
    return Source(
        reader, part.column, f"{name}, rows {part.start + 1:,} to {part.stop:,}", survey, duplicates, part.start
    )


def _examine(reader: Reader, column: str, name: str) -> _Findings:
    """Read everything once. Numbers go to a database on disk, which sorts them in bounded memory."""
    found = _Findings()
    lacking: Mapping[str, Any] | None = None
    intact = 0
    shown = excerpt(column)

    def numbers() -> Iterator[tuple[str, int]]:
        nonlocal lacking, intact
        index = -1
        for index, (value, fields, problem) in enumerate(reader.records()):
            number = ""
            if not problem:
                if value is MISSING:
                    lacking = lacking or fields
                else:
                    intact += 1
                number, problem = _number(value, shown)
            if problem:
                found.malformed.add(index)
            else:
                yield number, index
        found.rows = index + 1

    # Without a name it is a temporary file that has no name in the file system either, so that nothing is left of it
    # even if the process is killed.
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2048")
        database.execute("CREATE TABLE seen (number TEXT, place INTEGER)")
        database.execute("BEGIN")
        database.executemany("INSERT INTO seen VALUES (?, ?)", numbers())
        above = ""
        for number, index in database.execute("SELECT number, place FROM seen ORDER BY number, place"):
            if number == above:
                found.duplicates.add(index)
            above = number
    if not found.rows:
        raise CccParameterError("callees", f"{name} has no rows; give at least one callee")
    if lacking is not None and not intact:
        raise CccParameterError("callee_column", f"no row of {name} has {shown!r}; the first one has {listed(lacking)}")
    return found


def _number(value: object, column: str) -> tuple[str, str]:
    """Return the number and what is wrong with it, one of them ""."""
    if value is MISSING:
        return "", f"the row has no {column!r}"
    try:
        return normalise("" if value is None else value, column), ""
    except CccParameterError as error:
        return "", error.message


def _fingerprint(reader: Reader, column: str) -> str:
    return _digest(*reader.identity(), column)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _check_column(column: object) -> None:
    if not isinstance(column, str) or not column:
        raise CccParameterError("callee_column", "must be the name of a column, as text")


def _refuse_other_settings(part: Range, **given: str | None) -> None:
    """Refuse settings that are neither the default nor those that the file was split with."""
    default = {"column": "callee", "format": None, "encoding": "utf-8"}
    for name, value in given.items():
        if value not in (default[name], getattr(part, name)):
            parameter = "callee_column" if name == "column" else f"callees_{name}"
            raise CccParameterError(parameter, "is not what the file was split with; give it to split_callees")
