"""Files of callees on this machine: what their names say, what keeps them from being read, how they are unpacked."""

from __future__ import annotations

import errno
import hashlib
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import excerpt

FORMATS = ("csv", "ndjson", "parquet")
_SUFFIXES = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
#: Compressed bytes that are unpacked at a time: text may become a hundred times as long.
_PACKED_CHUNK = 1 << 13
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


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written.

    :param format: one of :data:`FORMATS`.
    :param compression: "gzip", "zstd", or "".
    """

    format: str
    compression: str

    @classmethod
    def of(cls, name: str, format: str | None) -> Layout | None:
        """Tell by the file's name; ``None`` where neither it nor ``format`` says.

        :raises CccParameterError: the format is none, or the file is compressed in a way that it cannot be.
        """
        if format is not None and format not in FORMATS:
            raise CccParameterError("callees_format", f"must be one of {', '.join(FORMATS)}, or not be given")
        suffixes = [suffix.lower() for suffix in Path(name).suffixes]
        compression = _COMPRESSIONS.get(suffixes.pop(), "") if suffixes and suffixes[-1] in _COMPRESSIONS else ""
        found = format or _SUFFIXES.get(suffixes[-1] if suffixes else "")
        if found == "parquet" and compression:
            raise CccParameterError("callees", f"{excerpt(name)} is Parquet, which compresses itself; give it unpacked")
        return cls(found, compression) if found else None


class LocalFile:
    """A file on this machine that must stay as it is while it is used.

    :param path: where it is.
    :param name: what errors call it.
    :raises CccParameterError: it is not there, is no file, or may not be read.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        with readable(name):
            self._state = self._look()
            if not stat.S_ISREG(path.stat().st_mode):
                raise CccParameterError("callees", f"{name} is no regular file")
            with path.open("rb") as file:
                #: SHA-256 of its bytes as they are, in hexadecimal.
                self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()

    def _look(self) -> tuple[int, int]:
        found = self.path.stat()
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


class BrokenZstdError(Exception):
    """Bytes that are no Zstandard frame."""


class ZstdStream(io.RawIOBase):
    """Decompresses Zstandard frames that follow each other.

    The library's own stream reader takes a frame that is cut off for a whole one, and rows would be missing.
    """

    def __init__(self, file: BinaryIO) -> None:
        import zstandard

        self._file = file
        self._decompressor = zstandard.ZstdDecompressor()
        self._error = zstandard.ZstdError
        self._frame: Any = None
        self._input = b""
        self._output = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._output:
            if not self._advance():
                return 0
        size = min(len(buffer), len(self._output))
        buffer[:size] = self._output[:size]
        self._output = self._output[size:]
        return size

    def _advance(self) -> bool:
        """Decompress the next bytes; say whether there were any."""
        data = self._input or self._file.read(_PACKED_CHUNK)
        if not data:
            if self._frame:
                raise EOFError("Compressed file ended before the end of a frame was reached")
            return False
        frame = self._frame or self._decompressor.decompressobj()
        try:
            self._output = memoryview(frame.decompress(data))
        except self._error as error:
            raise BrokenZstdError(str(error)) from None
        self._frame, self._input = (None, frame.unused_data) if frame.eof else (frame, b"")
        return True
