"""Paths of callees: a file, a folder or a pattern, here or in an object storage; and the files on this machine."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from airflow_provider_ccc.campaign.source.addresses import object_storage
from airflow_provider_ccc.campaign.source.files import FORMATS, Layout, LocalFile, readable
from airflow_provider_ccc.campaign.source.readers import FilesReader, open_reader
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.campaign.source.records import NoCalleesError, Reader
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import counted, excerpt

_COPIED_AT_ONCE = 1 << 20
_MAGIC = ("*", "?", "[")
#: What tools put beside their files, such as _SUCCESS, .crc, and Excel's ~$ while a workbook is open.
_HIDDEN = (".", "_", "~$")


@dataclass(frozen=True)
class Pieces:
    """Some NDJSON files of an output folder, as callees.

    :param folder: the folder's path or address.
    :param names: the files in it.
    :param key: the field of each object that holds the row; "" if the object is the row.
    :param description: what logs call it.
    """

    folder: str
    names: Sequence[str]
    key: str
    description: str


def is_path(value: object) -> bool:
    """Say whether something is a path, or text."""
    # ObjectStoragePath is an os.PathLike in some versions of Airflow only.
    return isinstance(value, (str, os.PathLike)) or hasattr(value, "protocol")


def names_a_file(callees: object) -> bool:
    """Say whether callees are certainly a path, which can be shown, and no numbers written as text."""
    text = str(callees) if is_path(callees) else ""
    is_address = "://" in text and text.partition("://")[0].isalnum()
    is_folder = text.endswith("/") and any(character.isalpha() for character in text)
    try:
        return text.startswith("/") or is_address or is_folder or Layout.of(text, None) is not None
    except CccParameterError:  # it is one, if of a kind that cannot be read
        return True


def address_of(path: Any) -> str:
    """Write a path so that another worker finds the same file."""
    text = str(path)
    return text if "://" in text else str(Path(text).absolute())


def layout_of(path: Any, format: str | None) -> Layout:
    """Tell how a file is written, and refuse text that is no path."""
    text = str(path)
    refuse_text(text)
    if layout := Layout.of(text, format):
        return layout
    raise CccParameterError(
        "callees_format", f"is needed, as the name {excerpt(text)!r} does not say: {', '.join(FORMATS)}"
    )


def refuse_text(text: str) -> None:
    """Refuse text that is no path."""
    if text.lstrip().startswith(("[", "(", "{")) and Layout.of(text, None) is None:
        raise CccParameterError(
            "callees",
            "is a list written as text; a template that makes one needs render_template_as_native_obj=True on its DAG",
        )
    if not any(character.isalpha() or character in "/\\" for character in text):
        raise CccParameterError("callees", "is text but no path; give a list of numbers, or the path of a file")


@contextmanager
def open_path(path: Any, reading: Reading) -> Iterator[tuple[Reader, str]]:
    """Open a file, or all files of a folder or pattern; give their reader, and what logs call them."""
    # A text with a suffix that says what it is can be shown; any other may be numbers.
    shown = str(path) if _is_known(path) else excerpt(str(path))
    refuse_text(str(path))
    place = _Place(path, shown)
    found = place.files()
    if found is None:
        layout_of(path, reading.format)  # before it is fetched
        found = [place.path]
        names = [shown]
    else:
        folder = shown.rpartition("/")[0] if place.is_pattern else shown.rstrip("/")
        names = [f"{folder}/{_name(one)}" for one in found]
    with place.fetched(found, names) as files:
        chosen = list(zip(files, found, strict=True))
        if len(chosen) > 1:  # Spark leaves some without anything in them
            chosen = [pair for pair in chosen if pair[0].size] or chosen[:1]
        readers = [open_reader(file, layout_of(one, reading.format), reading) for file, one in chosen]
        names = [file.name for file, _ in chosen]
        if len(readers) == 1:
            yield readers[0], names[0].rpartition("/")[2]
        else:
            yield FilesReader(readers, names), f"{shown} ({counted(len(readers), 'file')})"


@contextmanager
def open_pieces(pieces: Pieces, reading: Reading) -> Iterator[tuple[Reader, str]]:
    """Open files of an output folder."""
    place = _Place(pieces.folder, pieces.folder)
    paths = [place.below(name) for name in pieces.names]
    layout = Layout("ndjson", "")
    with place.fetched(paths, [f"{pieces.folder}/{name}" for name in pieces.names]) as files:
        readers = [open_reader(file, layout, reading, pieces.key) for file in files]
        yield FilesReader(readers, pieces.names), pieces.description


def read_whole(path: Any) -> bytes:
    """Read a small file, such as a manifest."""
    place = _Place(path, str(path))
    with place.fetched([place.path], [str(path)]) as (file,), file.open() as opened:
        return opened.read()


class _Place:
    """A path, here or elsewhere.

    :param path: as users give it.
    :param shown: what errors call it.
    :raises CccParameterError: nothing on this machine knows such an address.
    """

    def __init__(self, path: Any, shown: str) -> None:
        self._shown = shown
        self.fs: Any = None
        if not hasattr(path, "protocol") and "://" in str(path):
            with readable(shown):
                path = object_storage(str(path), "callees")
        if hasattr(path, "protocol"):
            if path.protocol not in ("", "file", "local"):
                with readable(shown):
                    self.fs = path.fs
            path = path.path
        self.path = str(path)
        self.is_pattern = any(character in self.path for character in _MAGIC) and not (
            self.fs is None and Path(self.path).exists()
        )

    def below(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"

    def files(self) -> list[str] | None:
        """List the files of a folder or pattern by their names; ``None`` if it is a file itself.

        :raises NoCalleesError: there are none.
        """
        with readable(self._shown):
            if self.is_pattern:
                # Path.glob knows no absolute patterns.
                found = self.fs.glob(self.path) if self.fs else glob.glob(self.path, recursive=True)  # noqa: PTH207
                found = [one for one in found if self.fs or Path(one).is_file()]
                what = f"no file matches {self._shown}"
            elif self.fs:
                if not self.fs.isdir(self.path):
                    return None
                found = [one["name"] for one in self.fs.ls(self.path, detail=True) if one["type"] == "file"]
                what = f"{self._shown} is a folder without files of its own"
            else:
                if not Path(self.path).is_dir():
                    return None
                found = [str(one) for one in Path(self.path).iterdir() if one.is_file()]
                what = f"{self._shown} is a folder without files of its own"
        found = sorted(one for one in found if not _name(one).startswith(_HIDDEN))
        if not found:
            raise NoCalleesError("callees", what)
        return found

    @contextmanager
    def fetched(self, paths: Sequence[str], names: Sequence[str]) -> Iterator[list[LocalFile]]:
        """Give files on this machine: the local ones themselves, copies of others."""
        if self.fs is None:
            yield [LocalFile(Path(path), name) for path, name in zip(paths, names, strict=True)]
            return
        # A file without a name: phone numbers must not stay behind, not even where the process is killed. An open
        # download could not be held for as long as a campaign runs.
        with tempfile.TemporaryFile() as copy:
            windows = []
            for path, name in zip(paths, names, strict=True):
                start = copy.tell()
                with readable(name), self.fs.open(path, "rb") as there:
                    _copy(there, copy)
                windows.append((copy.fileno(), start, copy.tell() - start))
            copy.flush()
            yield [LocalFile(window, name) for window, name in zip(windows, names, strict=True)]


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while data := source.read(_COPIED_AT_ONCE):
        target.write(data)


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _is_known(path: Any) -> bool:
    try:
        return Layout.of(str(path), None) is not None
    except CccParameterError:
        return True
