from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_ccc.campaign.output.storage import LocalFolder, ObjectFolder, StorageError, open_folder
from airflow_provider_ccc.client.errors import CccParameterError
from tests.versions import attach


class Unreliable(MemoryFileSystem):
    """A storage of its own that refuses the first ``left`` operations.

    :param error: with what.
    """

    cachable = False

    def __init__(self, error: Exception | None = None, left: float = 0) -> None:
        super().__init__()
        self.store: dict = {}
        self.pseudo_dirs: list = [""]  # these are the class's otherwise
        self.error, self.left, self.asked = error, left, 0

    def _refuse(self) -> None:
        self.asked += 1
        if self.left > 0:
            self.left -= 1
            raise self.error

    def pipe_file(self, path, value, **kwargs):
        self._refuse()
        super().pipe_file(path, value, **kwargs)

    def cat_file(self, path, **kwargs):
        self._refuse()
        return super().cat_file(path, **kwargs)

    def ls(self, path, detail=True, **kwargs):
        self._refuse()
        return super().ls(path, detail=detail, **kwargs)

    def rm_file(self, path):
        self._refuse()
        super().rm_file(path)


@dataclass(frozen=True)
class StoredPath:
    """What of an ``ObjectStoragePath`` is used; Airflow's registry would give a storage attached earlier."""

    fs: Unreliable
    path: str

    def __truediv__(self, name: str) -> StoredPath:
        return StoredPath(self.fs, f"{self.path}/{name}")

    def __str__(self) -> str:
        return f"memory:/{self.path}"


def objects(error: Exception | None = None, left: float = 0, seconds: float = 60.0) -> tuple[ObjectFolder, Unreliable]:
    system = Unreliable(error, left)
    return ObjectFolder(StoredPath(system, "/bucket/out"), seconds), system


@pytest.fixture(params=["local", "object"])
def folder(request, tmp_path):
    return LocalFolder(tmp_path / "out") if request.param == "local" else objects()[0]


def test_files_are_written_read_listed_and_removed(folder):
    assert folder.read("a.json") is None
    assert folder.names() == folder.names("_state") == set()
    folder.write("a.json", b"1")
    folder.write("a.json", b"22")
    folder.write("_state/b.json", b"")
    assert (folder.read("a.json"), folder.read("_state/b.json"), folder.read("b.json")) == (b"22", b"", None)
    assert (folder.names(), folder.names("_state")) == ({"a.json"}, {"b.json"})
    folder.remove("a.json")
    assert folder.names() == set()
    with pytest.raises(StorageError, match=r"cannot remove .*a\.json"):
        folder.remove("a.json")


def test_a_child_is_a_folder_below(folder):
    folder.child("batch-00001").write("_state/b.json", b"1")
    assert folder.names() == set()
    assert folder.read("batch-00001/_state/b.json") == b"1"
    assert folder.child("batch-00001").description == f"{folder.description}/batch-00001"


def test_a_folder_that_holds_no_file_is_none(tmp_path):
    """A batch that was claimed and never begun, after its claim was removed, or while one comes late to it."""
    folder = LocalFolder(tmp_path / "out")
    batch = folder.child("batch-00001")
    batch.write("_owner/000001.json", b"1")
    assert folder.folders() == {"batch-00001"}
    batch.remove("_owner/000001.json")
    assert not (tmp_path / "out" / "batch-00001").exists()
    (tmp_path / "out" / "batch-00001" / "_owner").mkdir(parents=True)
    (tmp_path / "out" / "batch-00001" / "_owner" / ".000001.json.partial").touch()
    assert folder.folders() == set()


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
def test_a_local_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch, fails):
    folder = LocalFolder(tmp_path)
    folder.write("a.json", b"before")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    data: object = b"after"
    if fails == "write":
        data = "no bytes"  # the file is open by then
    elif fails == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    else:
        monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(TypeError if fails == "write" else StorageError) as caught:
        folder.write("a.json", data)
    if fails != "write":
        assert str(caught.value) == f"cannot write {tmp_path}/a.json: No space left on device"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert folder.read("a.json") == b"before"


def test_a_file_is_not_there_before_it_is_whole(tmp_path, monkeypatch):
    seen: list[list[str]] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda number: (seen.append([path.name for path in tmp_path.iterdir()]), fsync(number))
    )
    LocalFolder(tmp_path).write("a.json", b"1")
    ((aside,),) = seen
    assert aside.startswith(".a.json.")
    assert aside.endswith(".partial")


def test_what_a_killed_process_left_is_removed_and_not_listed(tmp_path):
    folder = LocalFolder(tmp_path)
    folder.write("a.json", b"1")
    (tmp_path / ".part-00000.ndjson.0123.partial").write_bytes(b"half")
    (tmp_path / ".hidden").write_bytes(b"")
    assert folder.names() == {"a.json"}
    folder.tidy()
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", ".hidden"}


@pytest.mark.parametrize("name", ["read_bytes", "iterdir", "unlink"])
def test_what_cannot_be_read_is_not_taken_for_absent(tmp_path, monkeypatch, name):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    folder = LocalFolder(tmp_path)
    folder.write("a.json", b"1")
    monkeypatch.setattr(Path, name, refuse)
    do = {
        "read_bytes": lambda: folder.read("a.json"),
        "iterdir": folder.names,
        "unlink": lambda: folder.remove("a.json"),
    }
    with pytest.raises(StorageError, match="Permission denied"):
        do[name]()


def test_a_file_where_the_folder_should_be_is_no_empty_folder(tmp_path):
    (tmp_path / "out").write_bytes(b"")
    folder = LocalFolder(tmp_path / "out")
    for do in (folder.names, lambda: folder.read("a"), lambda: folder.write("a", b"")):
        with pytest.raises(StorageError, match=r"cannot (list|read|write) .*out"):
            do()


DO = {
    "write": lambda folder: folder.write("a.json", b"2"),
    "read": lambda folder: folder.read("a.json"),
    "list": lambda folder: folder.names(),
    "remove": lambda folder: folder.remove("a.json"),
}


@pytest.fixture
def no_waits(monkeypatch):
    monkeypatch.setattr(threading.Event, "wait", lambda event, timeout=None: event.is_set())


@pytest.mark.parametrize("what", DO)
def test_an_object_storage_that_hiccups_is_asked_again(no_waits, what, logs):
    folder, system = objects()
    folder.write("a.json", b"1")
    system.error, system.left, system.asked = OSError("with secrets"), 2, 0
    result = DO[what](folder)
    assert system.asked == 3
    assert result == {"write": None, "read": b"1", "list": {"a.json"}, "remove": None}[what]
    warnings = [text for level, text in logs.records if level == "warning"]
    assert len(warnings) == 2
    assert "OSError" in warnings[0]
    assert "secrets" not in logs.text


@pytest.mark.parametrize("what", DO)
@pytest.mark.parametrize("error", [PermissionError("no"), ConnectionError("down"), RuntimeError("odd")])
def test_an_object_storage_that_refuses_is_not_taken_for_empty(what, error):
    folder, system = objects(error, left=float("inf"), seconds=0.0)
    with pytest.raises(StorageError, match=rf"^cannot {what} memory://bucket/out.*: {type(error).__name__}: "):
        DO[what](folder)
    assert system.asked == 1


def test_a_missing_right_is_not_waited_for():
    folder, system = objects(PermissionError("no"), left=float("inf"))
    with pytest.raises(StorageError):
        folder.write("a.json", b"")
    assert system.asked == 1


def test_giving_up_ends_a_wait():
    folder, system = objects(OSError("down"), left=float("inf"), seconds=3600.0)
    failed: list[Exception] = []

    def write() -> None:
        try:
            folder.write("a.json", b"")
        except StorageError as error:
            failed.append(error)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    while not system.asked and thread.is_alive():
        time.sleep(0.01)
    folder.give_up()
    thread.join(60)
    assert len(failed) == 1


def test_what_another_task_wrote_meanwhile_is_listed(monkeypatch):
    folder, system = objects()
    invalidated: list[object] = []
    monkeypatch.setattr(system, "invalidate_cache", lambda *args: invalidated.append(args))
    folder.names()
    assert invalidated


@pytest.mark.parametrize("path", ["", "  ", None, 5, ["a"]])
def test_no_path_is_named(path):
    with pytest.raises(CccParameterError, match=r"InvalidArgument: output_path: is no path"):
        open_folder(path)


def test_an_unknown_scheme_is_named():
    with pytest.raises(CccParameterError, match=r"InvalidArgument: where: cannot be used"):
        open_folder("nosuchscheme://bucket/key", "where")


def test_paths_and_addresses(tmp_path):
    for path in (tmp_path, str(tmp_path), tmp_path.as_uri(), ObjectStoragePath(tmp_path.as_uri())):
        folder = open_folder(path)
        assert isinstance(folder, LocalFolder)
        assert folder.description == str(tmp_path)
    attach("memory", fs=fsspec.filesystem("memory"))
    assert isinstance(open_folder("memory://bucket/out"), ObjectFolder)


class Conditional(Unreliable):
    """A storage whose refusal to write over an object is an error of its own."""

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        if mode == "create":
            raise self.error
        super().pipe_file(path, value)

    def exists(self, path, **kwargs):
        return False  # as fsspec says if it cannot tell


@pytest.mark.parametrize(
    "error", [OSError(22, "precondition"), OSError(38, "not implemented"), TypeError("mode"), NotImplementedError()]
)
def test_an_object_that_is_there_is_not_created_whatever_the_storage_says(error):
    system = Conditional(error)
    folder = ObjectFolder(StoredPath(system, "/bucket/out"), 0.1)
    folder.write("a.json", b"1")
    assert not folder.create("a.json", b"2")
    assert folder.read("a.json") == b"1"


@pytest.mark.parametrize("error", [OSError(38, "not implemented"), TypeError("mode"), NotImplementedError()])
def test_an_object_is_created_where_the_storage_has_no_conditional_writes(error):
    folder = ObjectFolder(StoredPath(Conditional(error), "/bucket/out"), 0.1)
    assert folder.create("a.json", b"1")
    assert folder.read("a.json") == b"1"
