"""Who owns an output folder: one try of one task at a time, so that two runs never mix what they write.

An owner's claim is a file ``_owner/000001.json``; whoever follows writes the next number, and the highest is the owner.
A claim is created only if it is not there, where the storage can do that, so two never get the same number. The owner
looks at the claims again right before everything that it writes or removes, and fails once its own is not the highest.

Who may follow: anybody after an owner that has ended; a later try of the same task instance at once, for the earlier
one is dead or is no longer wanted; anybody else when the owner has shown no life for :data:`LEASE` seconds. Until then
they are refused. Clocks of workers differ, so whoever finds an owner dead by the clock watches it for a while.

The tasks of a split campaign own a batch's folder each, and to the folder above they share a claim of their DAG run.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from airflow_provider_ccc.campaign.output.layout import OWNERS
from airflow_provider_ccc.campaign.output.storage import Folder, StorageError
from airflow_provider_ccc.client.errors import CccError

log = logging.getLogger(__name__)

_CLAIM = re.compile(r"[0-9]{6,}\.json")

#: How often an owner shows life, and after how long without it is taken for dead, in seconds.
HEARTBEAT = 15.0
LEASE = 120.0
#: For how long an owner that seems dead is watched: a few of its heartbeats.
WATCH = 40.0


class OutputInUseError(CccError):
    """Another run is writing to the output path. A retry can help: the path is free when that run has ended."""

    own_code = "OutputInUse"
    retryable = True


class OutputTakenError(CccError):
    """Another try took the output path over, so this one stopped. A retry would only take it back."""

    own_code = "OutputTaken"


class Owner(msgspec.Struct, kw_only=True):
    """A try of a task, or a DAG run whose tasks share a folder.

    :param token: tells it from all others.
    :param task_id: "" for a whole DAG run. Outside Airflow all ids are empty, and each process follows the one before.
    :param since: when it began; ``seen`` when it last showed life.
    :param ended: whether it is done with the folder.
    """

    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 0
    token: str = msgspec.field(default_factory=lambda: uuid.uuid4().hex)
    since: datetime = msgspec.field(default_factory=lambda: _now())
    seen: datetime = msgspec.field(default_factory=lambda: _now())
    ended: bool = False

    @classmethod
    def of(cls, task_instance: Any) -> Owner:
        """Take a task instance's ids; of ``None``, which is outside Airflow, there are none."""
        if task_instance is None:
            return cls()
        mapped, tried = getattr(task_instance, "map_index", None), getattr(task_instance, "try_number", None)
        return cls(
            dag_id=str(getattr(task_instance, "dag_id", "")),
            run_id=str(getattr(task_instance, "run_id", "")),
            task_id=str(getattr(task_instance, "task_id", "")),
            map_index=mapped if isinstance(mapped, int) else -1,
            try_number=tried if isinstance(tried, int) else 0,
        )

    @property
    def run(self) -> Owner:
        """Its DAG run, as the owner of a folder that all of the run's tasks share."""
        return Owner(dag_id=self.dag_id, run_id=self.run_id)

    def is_of(self, other: Owner) -> bool:
        """Say whether both are the same task instance, or the same run."""
        names = ("dag_id", "run_id", "task_id", "map_index")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __str__(self) -> str:
        if not self.dag_id:
            return "a process outside Airflow"
        task = f", task {self.task_id}" if self.task_id else ""
        mapped = f" [{self.map_index}]" if self.map_index >= 0 else ""
        return f"DAG {self.dag_id}, run {self.run_id}{task}{mapped}"


class Claim:
    """An owner's claim to a folder.

    :param shared: whether others of the same DAG run use the same claim.
    :raises OutputInUseError: the folder has another owner.
    """

    def __init__(self, folder: Folder, owner: Owner, *, shared: bool = False) -> None:
        self._folder = folder
        self._owner = owner
        self._showing_life = threading.Lock()
        while True:
            number, found = self._latest()
            if found is not None and not found.ended:
                if shared and found.is_of(owner):
                    self._number, self._owner = number, found
                    return
                if not self._may_follow(number, found):
                    continue
            self._number = number + 1
            owner.since = owner.seen = _now()  # others may have been waited for
            if folder.create(_name(self._number), msgspec.json.encode(owner)) and self.is_held():
                break
        for earlier in self._numbers():
            if earlier < self._number:
                with contextlib.suppress(StorageError):  # it is in nobody's way
                    folder.remove(_name(earlier))

    def _numbers(self) -> list[int]:
        return [int(name.partition(".")[0]) for name in self._folder.names(OWNERS) if _CLAIM.fullmatch(name)]

    def _latest(self) -> tuple[int, Owner | None]:
        number = max(self._numbers(), default=0)
        return number, self._read(number) if number else None

    def _read(self, number: int) -> Owner | None:
        data = self._folder.read(_name(number))
        try:
            return None if data is None else msgspec.json.decode(data, type=Owner)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StorageError(
                f"{self._folder.description}/{_name(number)} cannot be read ({error}); remove it if no run writes there"
            ) from None

    def _may_follow(self, number: int, found: Owner) -> bool:
        """Say whether an owner that has not ended may be followed; not if somebody else was quicker.

        :raises CccError: it may be alive.
        """
        where = self._folder.description
        if found.is_of(self._owner) and found.try_number <= self._owner.try_number:
            log.info("Taking %s over from try %d of this task", where, found.try_number)
            return True
        if abs(_now() - found.seen) < timedelta(seconds=LEASE):
            raise self._in_use(found)
        log.warning("%s showed no life since %s; watching for %.0f s whether it does", found, _clock(found.seen), WATCH)
        time.sleep(WATCH)
        latest, then = self._latest()
        if latest != number or then is None or then.ended:
            return False
        if then != found:
            raise self._in_use(then)
        log.warning("Taking %s over from %s", where, found)
        return True

    def _in_use(self, found: Owner) -> CccError:
        where = self._folder.description
        if found.is_of(self._owner):
            return OutputTakenError(f"try {found.try_number} of this task has {where} already")
        free = _clock(found.seen + timedelta(seconds=LEASE))
        return OutputInUseError(
            f"{found} has been writing to {where} since {_clock(found.since)}. Wait until it ends, or give each run an"
            f" output_path of its own. If it died, the path is free at {free}."
        )

    def is_held(self) -> bool:
        """Say whether it is still the highest, and its owner's."""
        # Not whether there is a next one: whoever follows removes the earlier ones.
        if max(self._numbers(), default=0) != self._number:
            return False
        found = self._read(self._number)
        return found is not None and found.token == self._owner.token

    def check(self) -> None:
        """Make sure that the folder is still the owner's.

        :raises OutputTakenError: it is not.
        """
        begun, held = time.monotonic(), self.is_held()
        while held and time.monotonic() - begun > HEARTBEAT:  # a process that stood still meanwhile looks again
            begun, held = time.monotonic(), self.is_held()
        if not held:
            _, found = self._latest()
            raise OutputTakenError(
                f"{found or 'another try'} took {self._folder.description} over, so this try wrote nothing more to it"
            )

    def show_life(self, *, ended: bool = False) -> None:
        """Note that the owner is alive, or that it has ended, which is the last that is noted.

        :raises OutputTakenError: somebody else has the folder.
        """
        with self._showing_life:
            if self._owner.ended:
                return
            self._owner.seen, self._owner.ended = _now(), ended
            self._folder.guarded(self.check).write(_name(self._number), msgspec.json.encode(self._owner))


@contextlib.contextmanager
def owned(
    folder: Folder,
    owner: Owner,
    *,
    batch: str = "",
    merging: bool = False,
    on_lost: Callable[[], None] = lambda: None,
) -> Iterator[Folder]:
    """Own a folder as long as the block runs, and show life meanwhile.

    :param batch: the one sub-folder that is owned; the folder itself is shared with the other tasks of the run.
    :param merging: whether the block merges the run's batches, after which the run is done with the folder.
    :param on_lost: called from another thread once somebody else has the folder.
    :returns: the folder, not the batch's; it writes and removes only as long as it is the owner's.
    :raises OutputInUseError: it has another owner.
    :raises OutputTakenError: it got another owner meanwhile.
    :raises StorageError: whose it is cannot be told.
    """
    shared = [Claim(folder, owner.run, shared=True)] if batch or merging else []
    own = [] if merging else [Claim(folder.child(batch) if batch else folder, owner)]
    stopping = threading.Event()

    def check() -> None:
        for claim in (*shared, *own):
            claim.check()

    def show_life() -> None:
        while not stopping.wait(HEARTBEAT):
            try:
                for claim in (*shared, *own):
                    claim.show_life()
            except OutputTakenError:
                on_lost()
                return
            except StorageError as error:
                log.warning("Cannot show that this task is alive: %s", error)

    threading.Thread(target=show_life, name="ccc-owner", daemon=True).start()
    ended = own
    try:
        yield folder.guarded(check)
        check()  # or what was written last may be somebody else's
        ended = [*own, *(shared if merging else ())]
    except Exception:
        check()  # whoever lost the folder is told so, whatever that led to
        raise
    except BaseException:
        folder.give_up()  # the task is ended from outside: no time to try anything again
        raise
    finally:
        stopping.set()
        for claim in ended:
            try:
                claim.show_life(ended=True)
            except OutputTakenError:
                continue  # whoever has it may be writing
            except StorageError as error:
                log.warning("Cannot give the output path back: %s", error)


def _name(number: int) -> str:
    return f"{OWNERS}/{number:06d}.json"


def _now() -> datetime:
    return datetime.now(UTC)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
