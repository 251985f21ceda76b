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
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_ccc.campaign.source.columns import listed, suggestion
from airflow_provider_ccc.campaign.source.exclusion import EXCLUDED, Exclusion
from airflow_provider_ccc.campaign.source.files import Layout
from airflow_provider_ccc.campaign.source.opening import open_callees
from airflow_provider_ccc.campaign.source.paths import address_of, is_path, open_path
from airflow_provider_ccc.campaign.source.ranges import Bitmap, Range, cut
from airflow_provider_ccc.campaign.source.reading import PARAMETERS, Reading
from airflow_provider_ccc.campaign.source.records import MISSING, NoCalleesError, Reader
from airflow_provider_ccc.client.checks import integer
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import excerpt


@dataclass(slots=True)
class Row:
    """One row of a source.

    :param place: which data row of the whole source it is, from 1.
    :param number: the callee, normalised; "" if there is a problem.
    :param fields: all columns of the row as they were read.
    :param problem: why it cannot be called, with numbers shortened; "" if it can.
    :param duplicate: whether the same number appears earlier.
    :param excluded: whether the number is one to exclude.
    """

    place: int
    number: str
    fields: Mapping[str, Any]
    problem: str = ""
    duplicate: bool = False
    excluded: bool = False


@dataclass(frozen=True)
class Survey:
    """What the first pass found.

    :param rows: data rows of this source or range.
    :param empty: empty lines skipped; of a range, those of the whole file.
    :param malformed: rows with a problem.
    :param duplicates: rows whose number appears earlier.
    :param excluded: rows whose number is one to exclude; further rows of it are duplicates.
    :param fingerprint: SHA-256, in hexadecimal, of the content and of how it is read.
    :param columns: the columns' names where a header or schema gives them, else ``None``.
    """

    rows: int
    empty: int
    malformed: int
    duplicates: int
    fingerprint: str
    columns: tuple[str, ...] | None
    excluded: int = 0


class Source:
    """Callees that were surveyed; :func:`open_source` makes them.

    :param description: what logs call it; it holds no phone numbers.
    """

    def __init__(
        self,
        reader: Reader,
        reading: Reading,
        description: str,
        survey: Survey,
        duplicates: Bitmap,
        excluded: Bitmap,
        start: int = 0,
    ) -> None:
        self.description = description
        self.survey = survey
        self._reader = reader
        self._reading = reading
        self._duplicates = duplicates
        self._excluded = excluded
        self._start = start

    def rows(self) -> Iterator[Row]:
        """Read the rows, from the first one at each call.

        :raises CccParameterError: the file is not what it was at the survey.
        """
        start, take, duplicates, excluded = self._start, self._reading.number, self._duplicates, self._excluded
        some, left_out = len(duplicates) > 0, len(excluded) > 0
        records = self._reader.records(start, start + self.survey.rows)
        for index, (value, fields, problem) in enumerate(records):
            number = ""
            if not problem:
                number, problem = take(value)
            yield Row(
                start + index + 1,
                number,
                fields,
                problem,
                some and not problem and index in duplicates,
                left_out and not problem and index in excluded,
            )


@contextmanager
def open_source(callees: Any, reading: Reading | None = None, *, exclude: Exclusion | None = None) -> Iterator[Source]:
    """Open and survey a source; copies of remote objects go when the block is left.

    :param callees: a list, a path, or a range; see the module's description.
    :param reading: how they are read; by default as its own defaults say.
    :param exclude: the callees to exclude.
    :raises CccParameterError: naming ``callees``, ``exclude``, ``callee_column`` or another of the settings.
    """
    reading = reading or Reading()
    if isinstance(callees, Mapping) and reading.only is None:
        part = Range.load(callees)
        if exclude is not None:
            raise CccParameterError("exclude", "belongs to split_callees, which made this range; give it there")
        _refuse_other_settings(part, reading)
        with open_path(part.path, part.reading) as (reader, name):
            yield _ranged(part, reader, name)
        return
    with open_callees(callees, reading) as (reader, name):
        yield _surveyed(reader, reading, name, exclude)


def split_callees(
    callees: Any,
    *,
    batch_size: int = 10_000,
    column: str = "callee",
    format: str | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    sheet: str | None = None,
    only_possible_numbers: bool = False,
    exclude: Any = None,
    exclude_column: str | None = None,
    exclude_sql: str | None = None,
    sql_conn_id: str | None = None,
    on_empty: str = "fail",
) -> list[dict[str, Any]]:
    """Split the rows of a file, a folder or a pattern into ranges, for ``.expand(callees=...)``.

    A range names rows and copies none. Airflow maps at most ``[core] max_map_length`` of them, 1024 by default.

    :param callees: a path that every worker can read.
    :param batch_size: rows in a range.
    :param column: the column or field that holds the number; the other settings are those of
        :class:`~airflow_provider_ccc.operators.batch.CccPickOutboundNumbersBatchOperator`.
    :param exclude: the callees to exclude; ranges carry which rows these are.
    :param on_empty: what to do if there are no rows: ``fail``, or ``skip``, which gives no range, so that Airflow skips
        the mapped task.
    :raises CccParameterError: as :func:`open_source` does, and for lists.
    """
    integer("batch_size", batch_size, at_least=1)
    reading = Reading(column, format, encoding, delimiter, sheet, None, only_possible_numbers)
    leave_out = Exclusion.of(exclude, exclude_sql, sql_conn_id, exclude_column, reading)
    check_on_empty(on_empty)
    if not is_path(callees):
        raise CccParameterError(
            "callees", "only a file can be split; write the callees to one, or give the list to the operator as it is"
        )
    try:
        with open_path(callees, reading) as (reader, name):
            found = _examine(reader, reading, name, leave_out)
            fingerprint = _fingerprint(reader, reading)
    except NoCalleesError:
        if on_empty == "skip":
            return []
        raise
    spans = list(cut(found.rows, batch_size))
    return [
        Range(
            path=address_of(callees),
            column=column,
            format=format or "",
            encoding=encoding,
            delimiter=delimiter or "",
            sheet=sheet or "",
            only_possible_numbers=only_possible_numbers,
            start=start,
            stop=stop,
            batch=batch,
            batches=len(spans),
            rows_total=found.rows,
            empty=reader.empty,
            malformed=len(found.malformed.cut(start, stop)),
            fingerprint=fingerprint,
            duplicates=found.duplicates.cut(start, stop).pack(),
            excluded=found.excluded.cut(start, stop).pack(),
        ).dump()
        for batch, (start, stop) in enumerate(spans)
    ]


def check_on_empty(on_empty: object) -> None:
    """Refuse what ``on_empty`` cannot be."""
    if on_empty not in ("fail", "skip"):
        raise CccParameterError("on_empty", f"must be 'fail' or 'skip', not {on_empty!r}")


@dataclass(slots=True)
class _Findings:
    """What a pass over all rows finds; indices count from 0."""

    rows: int = 0
    malformed: Bitmap = field(default_factory=Bitmap)
    duplicates: Bitmap = field(default_factory=Bitmap)
    excluded: Bitmap = field(default_factory=Bitmap)


def _surveyed(reader: Reader, reading: Reading, name: str, exclude: Exclusion | None) -> Source:
    found = _examine(reader, reading, name, exclude)
    survey = Survey(
        rows=found.rows,
        empty=reader.empty,
        malformed=len(found.malformed),
        duplicates=len(found.duplicates),
        fingerprint=_fingerprint(reader, reading),
        columns=reader.columns,
        excluded=len(found.excluded),
    )
    return Source(reader, reading, name, survey, found.duplicates, found.excluded)


def _ranged(part: Range, reader: Reader, name: str) -> Source:
    """Take from the range what splitting found, as long as the file is the same."""
    if _fingerprint(reader, part.reading) != part.fingerprint:
        raise CccParameterError("callees", f"{name} changed since it was split; run the splitting task again")
    duplicates, excluded = part.bitmap("duplicates"), part.bitmap("excluded")
    survey = Survey(
        rows=part.stop - part.start,
        empty=part.empty,
        malformed=part.malformed,
        duplicates=len(duplicates),
        fingerprint=_digest(part.fingerprint, str(part.start), str(part.stop), part.column),
        columns=reader.columns,
        excluded=len(excluded),
    )
    description = f"{name}, rows {part.start + 1:,} to {part.stop:,}"
    return Source(reader, part.reading, description, survey, duplicates, excluded, part.start)


def _examine(reader: Reader, reading: Reading, name: str, exclude: Exclusion | None) -> _Findings:
    """Read everything once. Numbers go to a database on disk, which sorts them in bounded memory."""
    found = _Findings()
    lacking: Mapping[str, Any] | None = None
    intact = 0
    take = reading.number

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
                number, problem = take(value)
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
        if exclude is not None:
            database.executemany("INSERT INTO seen VALUES (?, ?)", ((number, EXCLUDED) for number in exclude.numbers()))
        above, left_out = "", ""
        for number, index in database.execute("SELECT number, place FROM seen ORDER BY number, place"):
            if index == EXCLUDED:  # which comes before the places
                left_out = number
                continue
            if number == above:
                found.duplicates.add(index)
            elif number == left_out:
                found.excluded.add(index)
            above = number
    if not found.rows:
        raise NoCalleesError("callees", f"{name} has no rows; give at least one callee")
    if lacking is not None and not intact:
        raise CccParameterError(
            "callee_column",
            f"no row of {name} has {excerpt(reading.column)!r}; the first one has"
            f" {listed(lacking)}{suggestion(reading.column, lacking)}",
        )
    return found


def _fingerprint(reader: Reader, reading: Reading) -> str:
    # Settings that were added later are named only where they are given, so that earlier output stays valid.
    later = ["only possible numbers"] if reading.only_possible_numbers else []
    return _digest(*reader.identity(), reading.column, *later)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _refuse_other_settings(part: Range, given: Reading) -> None:
    """Refuse settings that are neither the default nor those that the file was split with."""
    usual, split = Reading(), part.reading
    if split.format is None and (named := Layout.of(part.path, None)) and named.format:
        split = replace(split, format=named.format)  # as the name says
    for name, parameter in PARAMETERS.items():
        if getattr(given, name) not in (getattr(usual, name), getattr(split, name)):
            raise CccParameterError(parameter, "is not what the file was split with; give it to split_callees")
