"""``python -m benchmarks.soak``: campaigns back to back on a distributed Airflow, under random faults.

It prints what becomes of the callees, and by how much each process grows: in the second half of the time, in which no
fault ends a process of Airflow or its connections, so that all live long enough. It ends with exit code 1 if a callee
was lost or doubled, a campaign could not be brought to its end, or a process of Airflow grew.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.system.distributed.cluster import WORKERS, Cluster, running_cluster
from tests.system.distributed.services import Service

CALLEES, BATCH, QPS = 8_000, 1_000, 400
#: A campaign takes half a minute without faults.
PATIENCE = 900.0
#: By how much a process may grow, as a fraction and at least in bytes, and in open files.
GROWTH, BYTES, FILES = 0.1, 16 << 20, 8


# --- faults -----------------------------------------------------------------------------------------------------------


def _down(service: Service, seconds: float) -> None:
    service.stop()
    time.sleep(seconds)
    service.start()


def _lose(cluster: Cluster, name: str, seconds: float) -> None:
    cluster.kill(name)
    time.sleep(seconds)
    cluster.start(name)


def _refuse(cluster: Cluster, seconds: float) -> None:
    cluster.store.refuse_writes(True)
    time.sleep(seconds)
    cluster.store.refuse_writes(False)


Faults = dict[str, tuple[float, Callable[[Cluster, float], None]]]
#: Each with how many seconds it may last.
OUTAGES: Faults = {
    "the service is down": (30, lambda cluster, seconds: _down(cluster.simulator, seconds)),
    "the object store refuses writes": (20, _refuse),
}
#: Those that end processes of Airflow, PostgreSQL's because schedulers and others do not outlive its absence; and
#: Redis's, after each of whose restarts a Celery worker keeps three dead sockets, whether campaigns run or not.
ENDS: Faults = {
    "Redis is down": (5, lambda cluster, seconds: _down(cluster.redis, seconds)),
    "worker-1 is killed": (10, lambda cluster, seconds: _lose(cluster, WORKERS[0], seconds)),
    "worker-2 is killed": (10, lambda cluster, seconds: _lose(cluster, WORKERS[1], seconds)),
    "the triggerer is killed": (10, lambda cluster, seconds: _lose(cluster, "triggerer", seconds)),
    "PostgreSQL is down": (5, lambda cluster, seconds: _down(cluster.postgresql, seconds)),
}


# --- growth -----------------------------------------------------------------------------------------------------------


class Grown(NamedTuple):
    """How much more a process holds in the last third of its samples than in the first, by their medians.

    :param memory: bytes at first.
    :param grown: bytes more.
    :param files: open files at first.
    :param opened: open files more.
    :param much: whether that is too much.
    """

    name: str
    samples: int
    memory: float
    grown: float
    files: float
    opened: float
    much: bool


@dataclass
class Growth:
    """What processes hold, at quiet moments; a process that was started again is another one."""

    samples: dict[tuple[str, int], list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def sample(self, processes: Mapping[str, int]) -> None:
        """Look at the processes given by name and id, each with its children."""
        for name, pid in processes.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                # Some have children that come and go.
                self.samples[name, pid].append(min(_held(psutil.Process(pid)) for _ in range(3)))

    def rows(self) -> list[Grown]:
        """Judge the longest-lived process of each name, by its samples but the first: what it holds once it is warm.

        Those that did not live for four samples are left out.
        """
        longest: dict[str, Sequence[tuple[int, int]]] = {}
        for (name, _), samples in self.samples.items():
            if len(samples) > max(3, len(longest.get(name, ()))):
                longest[name] = samples
        rows = []
        for name, samples in longest.items():
            third = (len(samples) - 1) // 3
            memory, files = _median(samples[1 : 1 + third])
            memory_after, files_after = _median(samples[-third:])
            grown, opened = memory_after - memory, files_after - files
            much = grown > max(GROWTH * memory, BYTES) or opened > FILES
            rows.append(Grown(name, len(samples), memory, grown, files, opened, much))
        return rows


def _held(process: psutil.Process) -> tuple[int, int]:
    """Give the bytes that a process and its children have for themselves, and how many files they have open."""
    memory, files = 0, 0
    for member in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            memory += member.memory_full_info().uss
            files += member.num_fds()
    return memory, files


def _median(samples: Sequence[tuple[int, int]]) -> tuple[float, float]:
    return statistics.median(each[0] for each in samples), statistics.median(each[1] for each in samples)


# --- campaigns --------------------------------------------------------------------------------------------------------


@dataclass
class Totals:
    """What became of all campaigns so far, and whether one could not be brought to its end."""

    campaigns: int = 0
    cleared: int = 0
    resolved: int = 0
    failed: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: bool = False
    faults: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.campaigns} campaigns ({self.cleared} failed and were cleared), {self.faults.total()} faults;"
            f" callees resolved {self.resolved:,}, failed {self.failed}, lost {self.lost}, doubled {self.doubled}"
        )


def campaign(cluster: Cluster, run: str, faults: Faults, chance: random.Random, totals: Totals) -> None:
    """Run a campaign under some of the faults, have it go on if it fails, and count.

    :raises TimeoutError: it does not come to an end.
    :raises RuntimeError: it failed for good.
    """
    callees = cluster.callees(CALLEES)
    cluster.trigger(run, callees, batch_size=BATCH)
    deadline = time.monotonic() + PATIENCE
    while (state := _state(cluster, run, chance.uniform(8, 20))) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{run} does not end\n{cluster.airflow.tails()}")
        name, (longest, fault) = chance.choice(list(faults.items()))
        seconds = chance.uniform(1, longest)
        _say(f"{run}: {name}, {seconds:.0f} s")
        totals.faults[name] += 1
        fault(cluster, seconds)
    if state == "failed":
        totals.cleared += 1
        cluster.clear(run)
        state = cluster.wait_for(run, PATIENCE)
    if state != "success":
        raise RuntimeError(f"{run} failed, and failed again when it was cleared\n{cluster.log_of(run)[-5000:]}")
    found, manifest = cluster.resolved(run), cluster.manifest(run)
    totals.campaigns += 1
    totals.failed += manifest["failed"]
    totals.resolved += len(found)
    totals.lost += len(set(callees) - found.keys()) - manifest["failed"]
    totals.doubled += found.total() - len(found)
    cluster.forget(run)


def _state(cluster: Cluster, run: str, seconds: float) -> str | None:
    with contextlib.suppress(TimeoutError):
        return cluster.wait_for(run, seconds)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="what the faults are drawn from")
    arguments = parser.parse_args()
    totals, growth = Totals(), Growth()
    chance = random.Random(arguments.seed)  # noqa: S311 - it must be repeatable, not secret
    _say(f"seed {arguments.seed}")
    with (
        tempfile.TemporaryDirectory(prefix="ccc-soak-") as folder,
        running_cluster(Path(folder) / "cluster") as cluster,
    ):
        cluster.simulator.restart("--qps", str(QPS))
        begin = time.monotonic()
        while (minutes := (time.monotonic() - begin) / 60) < arguments.minutes:
            rough = minutes < arguments.minutes / 2
            try:
                campaign(cluster, f"soak-{totals.campaigns}", ENDS | OUTAGES if rough else OUTAGES, chance, totals)
            except (RuntimeError, OSError) as error:
                _say(str(error))
                totals.stuck = True
                break
            _say(str(totals))
            if not rough:
                growth.sample(cluster.processes())
        revived = dict(cluster.revived)
    return _report(totals, growth, revived)


def _report(totals: Totals, growth: Growth, revived: Mapping[str, int]) -> int:
    print(f"\n{totals}")
    print("faults: " + ", ".join(f"{name} {count}" for name, count in totals.faults.most_common()))
    print(f"components that ended by themselves and were started again: {revived or 'none'}\n")
    grew, rows = [], growth.rows()
    if rows:
        print(f"{'process':<16}{'samples':>8}{'MB':>8}{'grown by':>10}{'files':>8}{'grown by':>10}")
    else:
        print("growth was not judged: that takes four campaigns in the second half of the time")
    for each in rows:
        # The services keep what they are there to keep: rows, objects, and the nonces of half an hour.
        much = each.much and each.name not in ("postgresql", "redis", "object-store", "simulator")
        grew += [each.name] if much else []
        print(
            f"{each.name:<16}{each.samples:>8}{each.memory / 1e6:>8.0f}{each.grown / 1e6:>10.1f}"
            f"{each.files:>8.0f}{each.opened:>10.0f}{'  much' if much else ''}"
        )
    good = not (totals.lost or totals.doubled or totals.stuck or grew) and totals.campaigns > 0
    print(
        f"\n{'good' if good else 'NOT GOOD'}: lost {totals.lost}, doubled {totals.doubled}, grew: {grew or 'none'}"
        f"{', and the last campaign did not come to its end' if totals.stuck else ''}"
    )
    return 0 if good else 1


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
