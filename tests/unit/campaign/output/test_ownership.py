from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest

from airflow_provider_ccc.campaign.output import ownership
from airflow_provider_ccc.campaign.output.ownership import OutputInUseError, OutputTakenError, Owner, owned
from airflow_provider_ccc.campaign.output.storage import LocalFolder


def owner(run: str = "r1", task: str = "pick", tried: int = 1, mapped: int | None = -1) -> Owner:
    return Owner.of(SimpleNamespace(dag_id="nightly", run_id=run, task_id=task, map_index=mapped, try_number=tried))


def newest(folder: LocalFolder) -> Owner:
    data = folder.read(f"_owner/{max(folder.names('_owner'))}")
    return msgspec.json.decode(data, type=Owner)


@pytest.fixture(autouse=True)
def short_watch(monkeypatch):
    monkeypatch.setattr(ownership, "WATCH", 0.1)


def age(folder: LocalFolder, seconds: float) -> None:
    """Have the owner last show life so long ago."""
    found = newest(folder)
    found.seen = datetime.now(UTC) - timedelta(seconds=seconds)
    folder.write(f"_owner/{max(folder.names('_owner'))}", msgspec.json.encode(found))


def test_whoever_comes_later_is_refused_and_told_by_whom_and_since_when(tmp_path):
    folder = LocalFolder(tmp_path)
    with owned(folder, owner()) as mine:
        mine.write("a", b"1")
        with (
            pytest.raises(
                OutputInUseError, match=r"DAG nightly, run r1, task pick has been writing to .* since 20"
            ) as e,
            owned(folder, owner("r2")),
        ):
            pass
        assert e.value.retryable
        mine.write("a", b"2")
    with owned(folder, owner("r2")) as theirs:
        theirs.write("a", b"3")
    assert folder.read("a") == b"3"
    assert len(folder.names("_owner")) == 1


@pytest.mark.parametrize("do", ["write", "create", "remove", "tidy"])
def test_whoever_lost_the_folder_changes_nothing_more(tmp_path, do):
    folder = LocalFolder(tmp_path)
    folder.write("a", b"1")
    with pytest.raises(OutputTakenError, match="run r2"), owned(folder, owner()) as mine:
        age(folder, ownership.LEASE + 1)
        with owned(folder, owner("r2")):
            {
                "write": lambda: mine.write("a", b"2"),
                "create": lambda: mine.create("b", b"2"),
                "remove": lambda: mine.remove("a"),
                "tidy": mine.tidy,
            }[do]()
    assert (folder.read("a"), folder.read("b")) == (b"1", None)


def test_whoever_lost_it_after_the_last_write_does_not_end_well(tmp_path):
    folder = LocalFolder(tmp_path)
    with pytest.raises(OutputTakenError), owned(folder, owner()):
        age(folder, ownership.LEASE + 1)
        with owned(folder, owner("r2")):
            pass


def test_an_owner_is_followed_when_it_shows_no_life(tmp_path):
    folder = LocalFolder(tmp_path)
    with pytest.raises(OutputTakenError), owned(folder, owner()):  # as one does that was killed
        age(folder, ownership.LEASE - 10)
        with pytest.raises(OutputInUseError), owned(folder, owner("r2")):
            pass
        age(folder, ownership.LEASE + 1)
        with owned(folder, owner("r2")):
            pass


def test_a_retry_of_the_same_task_follows_at_once_and_not_the_other_way_round(tmp_path):
    folder = LocalFolder(tmp_path)
    with (
        pytest.raises(OutputTakenError),
        owned(folder, owner()),
        owned(folder, owner(tried=2)),
        pytest.raises(OutputTakenError, match="try 2"),
        owned(folder, owner(tried=1)),
    ):
        pass


def test_an_owner_shows_life_and_hears_that_it_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "HEARTBEAT", 0.02)
    folder, lost = LocalFolder(tmp_path), threading.Event()
    with pytest.raises(OutputTakenError), owned(folder, owner(), on_lost=lost.set):
        before, until = newest(folder).seen, time.monotonic() + 30
        while newest(folder).seen == before and time.monotonic() < until:
            time.sleep(0.01)
        assert newest(folder).seen > before
        with owned(folder, owner(tried=2)):
            assert lost.wait(30)


def test_batches_of_a_run_share_a_folder_that_other_runs_may_not_have(tmp_path):
    folder = LocalFolder(tmp_path)
    with owned(folder, owner(mapped=0), batch="batch-00000"):
        with owned(folder, owner(mapped=1), batch="batch-00001") as mine:
            mine.child("batch-00001").write("a", b"1")
        with pytest.raises(OutputInUseError), owned(folder, owner("r2", mapped=1), batch="batch-00001"):
            pass
    # Between two tasks of a run nobody shows life, and still the folder is the run's.
    with pytest.raises(OutputInUseError), owned(folder, owner("r2"), batch="batch-00000"):
        pass
    with owned(folder, owner(task="merge"), merging=True) as whole:
        whole.write("_manifest.json", b"{}")
    with owned(folder, owner("r2"), batch="batch-00000"):
        pass


def test_of_many_who_come_at_once_one_has_the_folder(tmp_path):
    folder, inside, most = LocalFolder(tmp_path), [], []
    start = threading.Barrier(8)

    def run(number: int) -> None:
        start.wait()
        try:
            with owned(folder, owner(f"r{number}")):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.05)
                inside.remove(number)
        except OutputInUseError:
            pass

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(most) == {1}
