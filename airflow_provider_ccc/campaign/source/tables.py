"""Files of tables: Parquet, and sheets of Excel."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from airflow_provider_ccc.campaign.source.columns import listed, named, place_of
from airflow_provider_ccc.campaign.source.files import LocalFile
from airflow_provider_ccc.campaign.source.records import NoCalleesError, Record
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import excerpt

_CHUNK = 1 << 16
#: Rows of a Parquet file that are held at a time.
_BATCH = 1024


class ParquetReader:
    """A Parquet file, one column of which holds the callees; times finer than microseconds are cut off to these."""

    columns: tuple[str, ...]
    empty = 0
    rows: int

    def __init__(self, file: LocalFile, column: str) -> None:
        self._file = file
        with file.watched(), self._opened() as parquet:
            self.columns = named(parquet.schema_arrow.names)
            self.rows = int(parquet.metadata.num_rows)
        self._at = place_of(column, self.columns, file.name)

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
            with (
                self._file.open() as file,
                parquet.ParquetFile(file, buffer_size=_CHUNK, pre_buffer=False) as opened,
            ):
                yield opened
        except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
            raise CccParameterError(
                "callees", f"{self._file.name} cannot be read as Parquet: {excerpt(str(error))}"
            ) from None


class ExcelReader:
    """A sheet of a workbook, whose first row that is not empty names the columns.

    A cell that holds a number becomes text without ``.0``; a callee stays a number, which may have lost a leading zero.
    The library holds the sheet in memory while it is read, some 100 bytes for each cell.

    :param sheet: the sheet's name; the first one if it is "".
    """

    columns: tuple[str, ...]
    empty = 0
    rows: int | None = None

    def __init__(self, file: LocalFile, column: str, sheet: str) -> None:
        self._file = file
        self._sheet = sheet
        with file.watched():
            names = next(self._rows(), None)
        if names is None:
            raise NoCalleesError("callees", f"{file.name} is empty; the sheet's first row must name the columns")
        while names and names[-1] == "":
            names.pop()
        self.columns = named(map(_as_text, names))
        self._at = place_of(column, self.columns, file.name)

    def identity(self) -> tuple[str, ...]:
        return "xlsx", self._sheet, self._file.sha256

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        names, at = self.columns, self._at
        with self._file.watched():
            rows = self._rows()
            next(rows, None)
            for values in islice(rows, start, stop):
                fields = dict(zip(names, map(_as_text, values), strict=False))
                problem = "" if len(values) == len(names) or not any(values[len(names) :]) else "a cell has no header"
                yield values[at], fields, problem

    def _rows(self) -> Iterator[list[Any]]:
        """Read the rows that are not empty, the header too."""
        try:
            calamine = importlib.import_module("python_calamine")
        except ImportError:
            raise CccParameterError(
                "callees",
                f"{self._file.name} is an Excel workbook, which needs python-calamine;"
                " pip install 'airflow-provider-ccc[excel]'",
            ) from None
        try:
            with self._file.open() as file, calamine.CalamineWorkbook.from_filelike(file) as workbook:
                if self._sheet and self._sheet not in workbook.sheet_names:
                    there = listed(workbook.sheet_names)
                    raise CccParameterError(
                        "callees_sheet", f"{self._file.name} has no sheet {excerpt(self._sheet)!r}; it has {there}"
                    )
                sheet = workbook.get_sheet_by_name(self._sheet) if self._sheet else workbook.get_sheet_by_index(0)
                empty = 0
                rows = -1
                for values in sheet.iter_rows():
                    if any(value != "" and not (isinstance(value, str) and value.isspace()) for value in values):
                        rows += 1
                        yield values
                    else:
                        empty += 1
                self.empty, self.rows = empty, rows
        except CccParameterError:
            raise
        except calamine.PasswordError:
            raise CccParameterError("callees", f"{self._file.name} has a password; save it without one") from None
        except (calamine.CalamineError, OSError, ValueError) as error:
            raise CccParameterError(
                "callees",
                f"{self._file.name} cannot be read as an Excel workbook: {excerpt(str(error))}. If it is text, name it"
                " .csv, or give callees_format",
            ) from None


def _as_text(value: Any) -> Any:
    """Write a number as Excel shows it; what else a cell has stays."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


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
