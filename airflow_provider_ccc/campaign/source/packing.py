"""Compressed files of callees, unpacked as they are read."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

#: By the suffix of a file's name.
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}
#: Compressed bytes that are unpacked at a time: text may become a hundred times as long.
_PACKED_CHUNK = 1 << 13


class DamagedError(Exception):
    """Compressed bytes that cannot be unpacked; the text says why."""


@contextmanager
def unpacked(file: BinaryIO, compression: str) -> Iterator[Any]:
    """Give what is in a compressed file, as a stream.

    :raises DamagedError: inside the block too, where it is found as the stream is read.
    """
    try:
        if compression == "gzip":
            yield gzip.GzipFile(fileobj=file)
        elif compression == "zstd":
            yield ZstdStream(file)
        elif compression == "zip":
            with zipfile.ZipFile(file) as archive, archive.open(only_file(archive)) as inner:
                yield inner
        else:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DamagedError(str(error)) from None
    except (RuntimeError, NotImplementedError) as error:
        if compression != "zip":
            raise
        raise DamagedError(str(error)) from None  # it needs a password, or a method that Python lacks


def only_file(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Give the one file of an archive.

    :raises DamagedError: it has none, or several.
    """
    files = [info for info in archive.infolist() if not info.is_dir() and not _is_noise(info.filename)]
    if len(files) != 1:
        raise DamagedError(f"it holds {len(files)} files, where there must be one")
    return files[0]


def _is_noise(name: str) -> bool:
    """Say whether it is what macOS puts into every archive."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"


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
            raise DamagedError(str(error)) from None
        self._frame, self._input = (None, frame.unused_data) if frame.eof else (frame, b"")
        return True
