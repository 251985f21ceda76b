"""What must not happen in the moments between two steps of an owner."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_ccc.campaign.output import ownership
from airflow_provider_ccc.campaign.output.ownership import Claim, OutputInUseError, OutputTakenError, owned
from airflow_provider_ccc.campaign.output.storage import LocalFolder, StorageError
from tests.unit.campaign.output.test_ownership import age, newest, owner
from tests.unit.campaign.output.test_storage import objects


@pytest.fixture(autouse=True)
def short_watch(monkeypatch):
    monkeypatch.setattr(ownership, "WATCH", 0.1)


@pytest.mark.parametrize("do", ["write", "create"])
def test_it_is_looked_whose_the_folder_is_after_the_file_was_made_and_not_before(tmp_path, monkeypatch, do):
    """To make a file on a slow disk takes time; to give it its name does not."""
    folder = LocalFolder(tmp_path)
    fsync = os.fsync

    def taken(number):
        monkeypatch.setattr(os, "fsync", fsync)
        Claim(folder, owner(tried=2))

    mine = folder.guarded(Claim(folder, owner()).check)
    monkeypatch.setattr(os, "fsync", taken)
    with pytest.raises(OutputTakenError):
        getattr(mine, do)("a", b"1")
    assert folder.names() == set()


@pytest.mark.parametrize("do", ["write", "create", "remove"])
def test_what_a_storage_refused_is_not_tried_again_by_whoever_lost_the_folder(do, monkeypatch):
    folder, system = objects()
    folder.write("a", b"1")
    name = {"write": "pipe_file", "create": "pipe_file", "remove": "rm_file"}[do]
    real = getattr(system, name)

    def refuse(*_, **__):
        monkeypatch.setattr(system, name, real)
        Claim(folder, owner(tried=2))
        raise ConnectionError

    mine = folder.guarded(Claim(folder, owner()).check)
    monkeypatch.setattr(system, name, refuse)
    act = {
        "write": lambda: mine.write("a", b"2"),
        "create": lambda: mine.create("b", b"2"),
        "remove": lambda: mine.remove("a"),
    }[do]
    with pytest.raises(OutputTakenError):
        act()
    assert (folder.read("a"), folder.read("b")) == (b"1", None)


def test_a_late_sign_of_life_does_not_give_a_folder_back(tmp_path):
    """It stood still while it wrote its claim, and two others had the folder."""
    folder = LocalFolder(tmp_path)
    first = Claim(folder, owner(tried=1))
    name = max(folder.names("_owner"))
    written = folder.read(f"_owner/{name}")
    Claim(folder, owner(tried=2))
    third = Claim(folder, owner(tried=3))
    folder.write(f"_owner/{name}", written)
    assert not first.is_held()
    assert third.is_held()


def test_a_sign_of_life_does_not_undo_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "HEARTBEAT", 0.01)
    folder = LocalFolder(tmp_path)
    write, at_it = LocalFolder.write, threading.Event()

    def slow(self, name, data):
        if threading.current_thread().name == "ccc-owner":
            at_it.set()
            time.sleep(0.2)
        write(self, name, data)

    monkeypatch.setattr(LocalFolder, "write", slow)
    with owned(folder, owner()):
        assert at_it.wait(30)
    time.sleep(0.4)
    assert newest(folder).ended


def test_a_newer_try_that_died_is_followed(tmp_path):
    """A run that was deleted and made again begins with try 1."""
    folder = LocalFolder(tmp_path)
    Claim(folder, owner(tried=3))
    with pytest.raises(OutputTakenError, match="try 3 of this task"):
        Claim(folder, owner(tried=1))
    age(folder, ownership.LEASE + 1)
    assert Claim(folder, owner(tried=1)).is_held()


@pytest.mark.parametrize("ahead", [-10, 10], ids=["behind", "ahead"])
def test_clocks_that_differ_do_not_end_a_run_that_is_alive(tmp_path, monkeypatch, ahead):
    monkeypatch.setattr(ownership, "HEARTBEAT", 0.02)
    monkeypatch.setattr(ownership, "WATCH", 2.0)
    main = threading.current_thread()

    def now():
        return datetime.now(UTC) + timedelta(hours=ahead) * (threading.current_thread() is main)

    folder = LocalFolder(tmp_path)
    with owned(folder, owner()) as mine:
        monkeypatch.setattr(ownership, "_now", now)
        with pytest.raises(OutputInUseError), owned(folder, owner("r2")):
            pass
        mine.write("a", b"1")


def test_a_clock_that_was_ahead_does_not_keep_a_folder_for_long(tmp_path):
    folder = LocalFolder(tmp_path)
    Claim(folder, owner())
    age(folder, -3600)
    assert Claim(folder, owner("r2")).is_held()


@pytest.mark.parametrize("name", ["readme.txt", "000009", "x.json"])
def test_what_is_no_claim_is_passed_over(tmp_path, name):
    folder = LocalFolder(tmp_path)
    folder.write(f"_owner/{name}", b"")
    with owned(folder, owner()) as mine:
        mine.write("a", b"1")
    with owned(folder, owner("r2")) as mine:
        mine.write("a", b"2")
    assert name in folder.names("_owner")


@pytest.mark.parametrize("do", ["write", "create"])
def test_whoever_comes_while_the_owner_tidies_up_is_not_taken_for_rubbish(tmp_path, monkeypatch, do):
    folder = LocalFolder(tmp_path)
    fsync = os.fsync

    def tidied(number):
        monkeypatch.setattr(os, "fsync", fsync)
        folder.tidy()

    monkeypatch.setattr(os, "fsync", tidied)
    getattr(folder, do)("_owner/000001.json", b"1")
    assert folder.read("_owner/000001.json") == b"1"
    assert not list(tmp_path.rglob("*.partial"))


def test_whoever_stood_still_while_it_looked_looks_again(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "HEARTBEAT", 0.05)
    folder = LocalFolder(tmp_path)
    claim = Claim(folder, owner())
    read = LocalFolder.read

    def stopped(self, name):
        monkeypatch.setattr(LocalFolder, "read", read)
        found = read(self, name)
        Claim(folder, owner(tried=2))
        time.sleep(0.1)
        return found

    monkeypatch.setattr(LocalFolder, "read", stopped)
    with pytest.raises(OutputTakenError):
        folder.guarded(claim.check).write("a", b"1")
    assert folder.read("a") is None


def test_an_owner_shows_life_again_when_the_storage_takes_it_again(monkeypatch, logs):
    monkeypatch.setattr(ownership, "HEARTBEAT", 0.02)
    folder, system = objects(seconds=0)
    write, refused = system.pipe_file, threading.Event()

    def refuse(*_, **__):
        refused.set()
        raise ConnectionError

    with owned(folder, owner()):
        monkeypatch.setattr(system, "pipe_file", refuse)
        assert refused.wait(30)
        before = newest(folder).seen
        monkeypatch.setattr(system, "pipe_file", write)
        until = time.monotonic() + 30
        while newest(folder).seen == before and time.monotonic() < until:
            time.sleep(0.01)
        assert newest(folder).seen > before
    assert "Cannot show that this task is alive" in logs.text


@pytest.mark.parametrize("half", [b"", b'{"dag_id":"nightly","run'])
def test_a_claim_that_cannot_be_read_is_no_missing_one(tmp_path, half):
    folder = LocalFolder(tmp_path)
    folder.write("_owner/000001.json", half)
    with pytest.raises(StorageError, match=r"_owner/000001\.json cannot be read .*remove it if no run writes there"):
        Claim(folder, owner())
    assert folder.names("_owner") == {"000001.json"}
