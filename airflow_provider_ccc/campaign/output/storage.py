"""Where a campaign's output goes: a local folder, or one of an object storage. A file is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import tenacity

from airflow_provider_ccc.campaign.source.addresses import object_storage
from airflow_provider_ccc.client.errors import CccError, CccParameterError

if TYPE_CHECKING:
    from airflow_provider_ccc.compat import ObjectStoragePath

log = logging.getLogger(__name__)

_ASIDE = ".partial"
#: What a file system without hard links says.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class StorageError(Exception):
    """The output path cannot be read or written. A retry of the task can help, and picks up where this one ended."""


_NOT_WAITED_FOR = (PermissionError, FileNotFoundError, FileExistsError, StorageError, CccError)


def _always() -> None:
    """Let a file be written or removed."""


class Folder(Protocol):
    """A folder of small files, by name; a name may have one sub-folder in front (``_state/part-00000.json``).

    Every method raises :class:`StorageError` if the storage does not answer as it should: "cannot be read" is never
    taken for "is not there".
    """

    description: str

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all, over the one that is there."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Write a file, whole or not at all, unless one is there; say whether it was written."""
        ...

    def read(self, name: str) -> bytes | None:
        """Read a file; ``None`` if there is none."""
        ...

    def sizes(self, under: str = "") -> dict[str, int]:
        """List the files in the folder, or in one of its sub-folders, with their sizes in bytes."""
        ...

    def names(self, under: str = "") -> set[str]:
        """List the same without their sizes."""
        ...

    def folders(self) -> set[str]:
        """List the sub-folders that hold files."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file that is there, and local folders that are empty then."""
        ...

    def tidy(self) -> None:
        """Remove what a killed process left half-written. Only the folder's owner may."""
        ...

    def child(self, name: str) -> Folder:
        """Give one of its sub-folders."""
        ...

    def guarded(self, guard: Callable[[], None]) -> Folder:
        """Give the same folder, which calls a guard right before each attempt to write or remove something.

        :param guard: prevents it with an exception.
        """
        ...

    def give_up(self) -> None:
        """Have whatever is being tried again fail now."""
        ...


def open_folder(path: Any, parameter: str = "output_path") -> Folder:
    """Make a folder of a path.

    :param path: a local path, or an address that :class:`ObjectStoragePath` knows, such as ``s3://aws_default@bucket/key``.
    :param parameter: what the path is called, for errors.
    :raises CccParameterError: naming the parameter.
    """
    text = str(path) if isinstance(path, (str, os.PathLike)) or hasattr(path, "protocol") else ""
    if not text.strip():
        raise CccParameterError(parameter, "is no path; give a folder, or an address such as s3://conn@bucket/folder")
    if "://" not in text:
        if not Path(text).is_absolute():
            raise CccParameterError(
                parameter, f"{text!r} is relative, so another worker would not find it; give an absolute path"
            )
        if Path(text).is_file():
            raise CccParameterError(parameter, f"{text} is a file; give a folder")
        return LocalFolder(Path(text))
    try:
        stored = path if hasattr(path, "protocol") else object_storage(text, parameter)
        if stored.protocol in ("", "file", "local"):
            return LocalFolder(Path(stored.path))
        _ = stored.fs  # whether there is a provider for it
        return ObjectFolder(stored)
    except (ImportError, ValueError) as error:
        raise CccParameterError(parameter, f"cannot be used: {error}") from error


class LocalFolder:
    """A local folder; what is written stands aside until it is whole, and is then renamed.

    :param path: made with the first file.
    :param guard: see :meth:`Folder.guarded`.
    """

    def __init__(self, path: Path, guard: Callable[[], None] = _always) -> None:
        self.description = str(path)
        self._path = path
        self._guard = guard

    def write(self, name: str, data: bytes) -> None:
        self._put(name, data, lambda aside, target: bool(aside.replace(target)))

    def create(self, name: str, data: bytes) -> bool:
        def link(aside: Path, target: Path) -> bool:
            try:
                target.hardlink_to(aside)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if target.exists():
                    return False
                aside.replace(target)
            return True

        return self._put(name, data, link)

    def _put(self, name: str, data: bytes, place: Callable[[Path, Path], bool]) -> bool:
        """Make a file aside, and put it into its place."""
        with self._explained("write", name):
            for _ in range(3):
                # The owner, who tidies up, may take it for what a killed process left.
                with contextlib.suppress(FileNotFoundError), self._aside(name, data) as (aside, target):
                    self._guard()
                    return place(aside, target)
            with self._aside(name, data) as (aside, target):
                self._guard()
                return place(aside, target)

    def read(self, name: str) -> bytes | None:
        with self._explained("read", name):
            try:
                return (self._path / name).read_bytes()
            except FileNotFoundError:
                return None

    def sizes(self, under: str = "") -> dict[str, int]:
        with self._explained("list", under):
            return {
                entry.name: entry.stat().st_size
                for entry in self._entries(under)
                if not entry.name.startswith(".") and entry.is_file()
            }

    def names(self, under: str = "") -> set[str]:
        return set(self.sizes(under))

    def folders(self) -> set[str]:
        with self._explained("list", ""):
            return {
                entry.name
                for entry in self._entries()
                if entry.is_dir() and any(not each.name.startswith(".") and each.is_file() for each in entry.rglob("*"))
            }

    def remove(self, name: str) -> None:
        with self._explained("remove", name):
            self._guard()
            path = self._path / name
            path.unlink()
            with contextlib.suppress(OSError):  # others are in it
                path.parent.rmdir()
                self._path.rmdir()

    def tidy(self) -> None:
        self._guard()
        for under in ("", "_state", "_owner", "_callees"):
            for entry in self._entries(under):
                if entry.name.startswith(".") and entry.name.endswith(_ASIDE):
                    entry.unlink(missing_ok=True)

    def _entries(self, under: str = "") -> list[Path]:
        with self._explained("list", under):
            try:
                return list((self._path / under).iterdir())
            except FileNotFoundError:
                return []

    @contextlib.contextmanager
    def _aside(self, name: str, data: bytes) -> Iterator[tuple[Path, Path]]:
        """Write a file beside where it is to be, and remove it if it is still there at the end."""
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}{_ASIDE}")
        try:
            with aside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield aside, target
        finally:
            aside.unlink(missing_ok=True)

    def child(self, name: str) -> LocalFolder:
        return LocalFolder(self._path / name, self._guard)

    def guarded(self, guard: Callable[[], None]) -> LocalFolder:
        return LocalFolder(self._path, guard)

    def give_up(self) -> None:
        """Nothing is tried again here."""

    @contextlib.contextmanager
    def _explained(self, what: str, name: str) -> Any:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"cannot {what} {self._path / name}: {error.strerror or type(error).__name__}"
            ) from error


class ObjectFolder:
    """A folder of an object storage; one PUT writes a file. What the storage refuses is tried again for a while.

    :param path: an :class:`ObjectStoragePath`.
    :param seconds: for how long.
    :param guard: see :meth:`Folder.guarded`.
    """

    def __init__(
        self,
        path: ObjectStoragePath,
        seconds: float = 60.0,
        given_up: threading.Event | None = None,
        guard: Callable[[], None] = _always,
    ) -> None:
        self.description = str(path)
        self._path = path
        self._seconds = seconds
        self._given_up = given_up or threading.Event()
        self._guard = guard

    def write(self, name: str, data: bytes) -> None:
        def write(fs: Any, path: str) -> None:
            self._guard()
            fs.pipe_file(path, data)

        self._try("write", name, write)

    def create(self, name: str, data: bytes) -> bool:
        def create(fs: Any, path: str) -> None:
            self._guard()
            try:
                fs.pipe_file(path, data, mode="create")
            except _NOT_WAITED_FOR:
                raise
            except Exception as error:
                # Not every storage calls it that it is there already.
                fs.invalidate_cache()
                with contextlib.suppress(FileNotFoundError):
                    fs.info(path)
                    raise FileExistsError from None
                if (
                    not isinstance(error, (TypeError, NotImplementedError))
                    and getattr(error, "errno", None) != errno.ENOSYS
                ):
                    raise
                # A storage without conditional writes: those who wrote at the same moment read who was the last.
                fs.pipe_file(path, data)

        try:
            self._try("write", name, create)
        except StorageError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
            return self.read(name) == data  # an earlier attempt, whose answer was lost
        return True

    def read(self, name: str) -> bytes | None:
        def read(fs: Any, path: str) -> bytes | None:
            try:
                return bytes(fs.cat_file(path))
            except FileNotFoundError:
                return None

        found: bytes | None = self._try("read", name, read)
        return found

    def sizes(self, under: str = "") -> dict[str, int]:
        return {name: size for name, size, kind in self._entries(under) if kind == "file"}

    def names(self, under: str = "") -> set[str]:
        return set(self.sizes(under))

    def folders(self) -> set[str]:
        return {name for name, _, kind in self._entries() if kind == "directory"}

    def _entries(self, under: str = "") -> list[tuple[str, int, str]]:
        def listing(fs: Any, path: str) -> list[tuple[str, int, str]]:
            fs.invalidate_cache()  # another task may have written meanwhile
            try:
                entries = fs.ls(path, detail=True)
            except FileNotFoundError:
                return []
            return [
                (entry["name"].rstrip("/").rpartition("/")[2], entry.get("size") or 0, entry["type"])
                for entry in entries
            ]

        found: list[tuple[str, int, str]] = self._try("list", under, listing)
        return found

    def remove(self, name: str) -> None:
        def remove(fs: Any, path: str) -> None:
            self._guard()
            fs.rm_file(path)

        self._try("remove", name, remove)

    def child(self, name: str) -> ObjectFolder:
        return ObjectFolder(self._path / name, self._seconds, self._given_up, self._guard)

    def guarded(self, guard: Callable[[], None]) -> ObjectFolder:
        return ObjectFolder(self._path, self._seconds, self._given_up, guard)

    def tidy(self) -> None:
        """Nothing is there before it is whole."""

    def give_up(self) -> None:
        self._given_up.set()

    def _try(self, what: str, name: str, do: Any) -> Any:
        address = f"{self.description}/{name}".rstrip("/")
        retrying = tenacity.Retrying(
            # Every library has errors of its own; a wrong name or a missing right is not fixed by waiting.
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, Exception) and not isinstance(error, _NOT_WAITED_FOR)
            ),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=8),
            stop=tenacity.stop_any(
                tenacity.stop_before_delay(self._seconds), tenacity.stop_when_event_set(self._given_up)
            ),
            sleep=tenacity.sleep_using_event(self._given_up),
            before_sleep=lambda state: log.warning(
                "Cannot %s %s, trying again: %s",
                what,
                address,
                type(state.outcome.exception()).__name__,  # type: ignore[union-attr]
            ),
            reraise=True,
        )
        try:
            path = self._path / name if name else self._path
            return retrying(do, path.fs, path.path)
        except (StorageError, CccError):
            raise  # the guard's
        except Exception as error:
            raise StorageError(f"cannot {what} {address}: {type(error).__name__}: {error}") from error
