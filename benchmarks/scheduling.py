"""What a callee costs on a whole Airflow: in campaigns of two sizes, and by a mapped task of its own."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.child import ACCESS_KEY_ID, ACCESS_KEY_SECRET, INSTANCE_ID
from benchmarks.environment import ROOT
from benchmarks.processes import FIRST_CALLEE, Peer, Server, server
from benchmarks.report import Part, Setting, Table
from tests.system.components import RunningAirflow, running_airflow

MAPPED, BATCHES = "one_task_per_callee", "batches"
PATIENCE = 1800.0


@dataclass(frozen=True)
class Run:
    """A DAG run.

    :param scheduler: CPU seconds of the scheduler's own process, without the tasks that it starts.
    :param everything: CPU seconds of all of Airflow's processes, the tasks too.
    """

    dag: str
    callees: int
    seconds: float
    scheduler: float
    everything: float


def measure(setting: Setting, show: Callable[[Table], None]) -> Mapping[str, float]:
    # As many mapped tasks as end within some minutes; Airflow maps 1024 at most.
    mapped, few, many = (4, 200, 2_000) if setting.quick else (200, 10_000, 200_000)
    with server() as at:
        growth = _growth(at, few, many, 1 if setting.quick else 5)
        with _airflow(at) as airflow:
            _run(airflow, BATCHES, 100)  # what is imported or made once is not measured
            runs = [_run(airflow, MAPPED, mapped), _run(airflow, BATCHES, few), _run(airflow, BATCHES, many)]
    rows = [
        (
            run.dag,
            f"{run.callees:,}",
            f"{run.seconds:.0f}",
            f"{run.scheduler / run.callees * 1e6:,.1f}",
            f"{run.everything / run.callees * 1e6:,.1f}",
        )
        for run in runs
    ]
    notes = [
        "One Airflow with the LocalExecutor and SQLite, four tasks at a time; `batches` splits a file into batches of"
        " 10,000 callees, a mapped task each, and merges them. From the trigger to the run's end, what the components"
        " do while they wait counts too.",
        f"The batch operator alone, in one process: a callee in a campaign of {many:,} takes {growth:.3f} of the CPU"
        f" time that it takes in one of {few:,}.",
    ]
    columns = ("DAG", "callees", "seconds", "scheduler CPU us/callee", "Airflow's CPU us/callee")
    show(Table("A callee on a whole Airflow", columns, rows, notes))
    per_callee = {(run.dag, run.callees): run.scheduler / run.callees for run in runs}
    return {
        "cpu_200k_over_10k": growth,
        "airflow_cpu_200k_over_10k": (runs[2].everything / many) / (runs[1].everything / few),
        "scheduler_cpu_mapped_over_batches": per_callee[MAPPED, mapped] / per_callee[BATCHES, many],
    }


def _growth(at: Server, few: int, many: int, rounds: int) -> float:
    """Compare what a callee costs in a large and in a small campaign, in one process by turns.

    :returns: the median of the rounds' ratios.
    """
    peer = Peer("batch", at)
    try:
        peer.run(few)
        ratios = []
        for _ in range(rounds):
            small = statistics.median(peer.run(few).cpu_seconds for _ in range(3)) / few
            ratios.append(peer.run(many).cpu_seconds / many / small)
    finally:
        peer.end()
    return statistics.median(ratios)


@contextlib.contextmanager
def _airflow(at: Server) -> Iterator[RunningAirflow]:
    connection = {
        "conn_type": "ccc",
        "login": ACCESS_KEY_ID,
        "password": ACCESS_KEY_SECRET,
        "host": at.url,
        "extra": {"instance_id": INSTANCE_ID},
    }
    settings = {"AIRFLOW_CONN_CCC_DEFAULT": json.dumps(connection)}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_airflow(
            Path(folder) / "home", dags=ROOT / "benchmarks" / "dags", dag_id=BATCHES, settings=settings
        ) as airflow,
    ):
        yield airflow


def _run(airflow: RunningAirflow, dag: str, callees: int) -> Run:
    """Trigger a DAG and wait for its end.

    :raises RuntimeError: if it fails, or takes too long.
    """
    folder = airflow.logs.parent
    name = f"{dag}-{callees}"
    file = folder / f"{name}.csv"
    file.write_text("\n".join(["callee", *map(str, range(FIRST_CALLEE, FIRST_CALLEE + callees))]), encoding="utf-8")
    scheduler = psutil.Process(airflow.processes["scheduler"].pid)
    components = [psutil.Process(process.pid) for process in airflow.processes.values()]
    before = _own(scheduler), _with_children(components)
    begin = time.monotonic()
    airflow.trigger(dag, name, {"callees": str(file), "output_path": str(folder / name)})
    if airflow.wait_for(dag, name, PATIENCE) != "success":
        raise RuntimeError(f"the DAG run {name} failed\n{airflow.tails()}")
    after = _own(scheduler), _with_children(components)
    return Run(dag, callees, time.monotonic() - begin, after[0] - before[0], after[1] - before[1])


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _with_children(processes: Sequence[psutil.Process]) -> float:
    """Add what processes, their children and those that have ended have used."""
    total = 0.0
    for process in processes:
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


SCHEDULING = Part(
    "scheduling",
    ("cpu_200k_over_10k", "airflow_cpu_200k_over_10k", "scheduler_cpu_mapped_over_batches"),
    measure,
)
