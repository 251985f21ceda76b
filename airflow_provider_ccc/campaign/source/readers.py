"""Which reader reads which file, and several files as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_provider_ccc.campaign.source.files import Layout, LocalFile
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.campaign.source.records import Reader, Record
from airflow_provider_ccc.campaign.source.tables import ExcelReader, ParquetReader
from airflow_provider_ccc.campaign.source.text import CsvReader, JsonReader, NdjsonReader
from airflow_provider_ccc.client.errors import CccParameterError


def open_reader(file: LocalFile, layout: Layout, reading: Reading, key: str = "") -> Reader:
    """Make the reader of a file.

    :param key: the field of each object that holds the row, in NDJSON.
    :raises CccParameterError: the file lacks the column, or is not what ``layout`` and ``reading`` say.
    """
    layout.check(file)
    layout = layout.inside(file)
    column, how = reading.column, (layout.compression, reading.encoding)
    match layout.format:
        case "parquet":
            return ParquetReader(file, column)
        case "xlsx":
            return ExcelReader(file, column, reading.sheet or "")
        case "ndjson":
            return NdjsonReader(file, column, *how, key)
        case "json":
            array = JsonReader(file, column, *how)
            return array if array.is_array() else NdjsonReader(file, column, *how)  # as Spark writes .json
    return CsvReader(file, column, *how, reading.delimiter or ("\t" if layout.format == "tsv" else ","))


class FilesReader:
    """Several files, one after the other, as if they were one.

    :param readers: of at least one file.
    :param names: what errors call the files.
    :raises CccParameterError: the files do not have the same columns.
    """

    def __init__(self, readers: Sequence[Reader], names: Sequence[str]) -> None:
        self._readers = readers
        self.columns = readers[0].columns
        for reader, name in zip(readers, names, strict=True):
            if reader.columns != self.columns:
                raise CccParameterError(
                    "callees", f"{name} does not have the same columns as {names[0]}; files of a folder must agree"
                )

    @property
    def empty(self) -> int:
        return sum(reader.empty for reader in self._readers)

    @property
    def rows(self) -> int | None:
        counts = [reader.rows for reader in self._readers]
        return None if None in counts else sum(filter(None, counts))

    def identity(self) -> tuple[str, ...]:
        return tuple(part for reader in self._readers for part in ("file", *reader.identity()))

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        before = 0
        for reader in self._readers:
            if stop is not None and before >= stop:
                return
            rows = reader.rows
            if rows is not None:
                if start < before + rows:
                    yield from reader.records(max(start - before, 0), None if stop is None else stop - before)
                before += rows
                continue
            for place, record in enumerate(reader.records(), before):
                if stop is not None and place >= stop:
                    return
                if place >= start:
                    yield record
            before += reader.rows or 0
