"""Files of callees on this machine: what their names and first bytes say, and what keeps them from being read."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from airflow_provider_ccc.campaign.source.packing import COMPRESSIONS, DamagedError, only_file
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import excerpt

FORMATS = ("csv", "tsv", "ndjson", "json", "parquet", "xlsx")
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "tsv",  # as Excel's "Unicode text"
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xlsx",  # which it is not: Layout.check says so
}
#: Formats that are not text.
_TABLES = ("parquet", "xlsx")
#: What files of other kinds begin with, and what they are.
_MAGIC = {
    b"PAR1": "parquet",
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xd0\xcf\x11\xe0": "xls",
}
_KINDS = {
    "parquet": "a Parquet file; name it so, or set callees_format='parquet'",
    "xlsx": "an Excel workbook; name it so, or set callees_format='xlsx'",
    "xls": "an old Excel workbook, or one with a password; save it as .xlsx without one",
    "zip": "a ZIP archive; name it .zip",
    "gzip": "compressed with gzip; name it .gz",
    "zstd": "compressed with Zstandard; name it .zst",
}
#: What no retry can help, so that it is an error of the parameter; any other failure to read may pass.
_PERMANENT = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EINVAL,
}


def check_format(format: str | None) -> None:
    """Refuse a format that is unknown."""
    if format is not None and format not in FORMATS:
        raise CccParameterError("callees_format", f"must be one of {', '.join(FORMATS)}, or not be given")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written.

    :param format: one of :data:`FORMATS`.
    :param compression: "gzip", "zstd", "zip", or "".
    """

    format: str
    compression: str

    @classmethod
    def of(cls, name: str, format: str | None) -> Layout | None:
        """Tell by the file's name; ``None`` where neither it nor ``format`` says.

        :raises CccParameterError: the format is unknown, or the file is compressed in a way that it cannot be.
        """
        check_format(format)
        suffixes = [suffix.lower() for suffix in Path(name).suffixes]
        compression = COMPRESSIONS.get(suffixes.pop(), "") if suffixes and suffixes[-1] in COMPRESSIONS else ""
        found = format or _SUFFIXES.get(suffixes[-1] if suffixes else "")
        if found in _TABLES and compression:
            raise CccParameterError(
                "callees", f"{excerpt(name)} is {found}, which compresses itself; give it without {compression}"
            )
        if found or compression == "zip":  # what is in it has a name of its own
            return cls(found or "", compression)
        return None

    def inside(self, file: LocalFile) -> Layout:
        """Complete what the name of an archive did not say with what the name of its file says."""
        if self.format:
            return self
        try:
            with file.open() as archive, zipfile.ZipFile(archive) as opened:
                inner = Layout.of(f"{only_file(opened).filename}.zip", None)
        except (zipfile.BadZipFile, DamagedError) as error:
            raise CccParameterError("callees", f"{file.name} cannot be read as a ZIP archive: {error}") from None
        if inner is None or not inner.format:
            raise CccParameterError(
                "callees_format", f"is needed, as the name of what is in {file.name} does not say: {', '.join(FORMATS)}"
            )
        return inner

    def check(self, file: LocalFile) -> None:
        """Refuse a file of another kind than its name says.

        :raises CccParameterError: saying what it is.
        """
        found = file.kind()
        expected = self.compression or (self.format if self.format in _TABLES else "")
        if found and found != expected:
            parameter = "callees_format" if found in FORMATS else "callees"
            raise CccParameterError(parameter, f"{file.name} is {_KINDS[found]}")


class Window(io.RawIOBase):
    """A part of an open file, as a file of its own.

    :param descriptor: of the open file.
    :param start: where the part begins.
    :param size: how many bytes it has.
    """

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor = descriptor
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), max(0, self._size - self._at))
        data = os.pread(self._descriptor, wanted, self._start + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class LocalFile:
    """A file on this machine that must stay as it is while it is used.

    :param place: where it is: its path, or a window of a copy, as (descriptor, start, size).
    :param name: what errors call it.
    :raises CccParameterError: it is not there, is no regular file, or may not be read.
    """

    def __init__(self, place: Path | tuple[int, int, int], name: str) -> None:
        self._place = place
        self.name = name
        with readable(name):
            self._state = self._look()
            if isinstance(place, Path) and not stat.S_ISREG(place.stat().st_mode):
                raise CccParameterError("callees", f"{name} is no regular file")
            with self.open() as file:
                #: SHA-256 of its bytes as they are, in hexadecimal.
                self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]

    def open(self) -> BinaryIO:
        """Open it at its start."""
        if isinstance(self._place, Path):
            return self._place.open("rb")
        return io.BufferedReader(Window(*self._place), 1 << 16)

    @property
    def size(self) -> int:
        """How many bytes it had."""
        return self._state[0]

    def kind(self) -> str:
        """Tell by its first bytes what it is, if it is not text: a key of what is known, or ""."""
        with readable(self.name), self.open() as file:
            head = file.read(4)
            found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
            if found == "zip":
                file.seek(0)
                try:
                    with zipfile.ZipFile(file) as archive:
                        names = archive.namelist()
                except zipfile.BadZipFile:
                    return found
                return "xlsx" if any(name.startswith("xl/workbook") for name in names) else found
            return found

    def _look(self) -> tuple[int, int]:
        if not isinstance(self._place, Path):
            return self._place[2], 0
        found = self._place.stat()
        return found.st_size, found.st_mtime_ns

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Raise if the file is another one after the block, whatever else that led to."""
        try:
            yield
        except Exception:
            self._check()
            raise
        self._check()

    def _check(self) -> None:
        try:
            unchanged = self._look() == self._state
        except OSError:
            unchanged = False
        if not unchanged:
            raise CccParameterError(
                "callees", f"{self.name} changed while it was read; start again when nobody writes to it any more"
            )


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn errors of the file system that no retry can help into one that names the file."""
    try:
        yield
    except CccParameterError:
        raise
    except FileNotFoundError:
        raise CccParameterError("callees", f"{name} is not there") from None
    except OSError as error:
        if not isinstance(error, PermissionError) and error.errno not in _PERMANENT:
            raise
        raise CccParameterError("callees", f"{name} cannot be read: {error.strerror or type(error).__name__}") from None
    except ValueError as error:  # a null byte in the name, or a protocol that Airflow does not know
        raise CccParameterError("callees", f"{name} cannot be read: {excerpt(str(error))}") from None
