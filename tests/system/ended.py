"""Has a real Airflow end campaigns in every way that it has, whatever its executor.

A task notes its process, and whether ``on_kill`` was heard, next to its output folder.
"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from airflow_provider_ccc.campaign.output.parts import completed
from airflow_provider_ccc.campaign.output.storage import LocalFolder
from tests.system.components import RunningAirflow

CALLEES = 600
#: The timeout of a run; a busy machine takes long until its task has begun.
RUN_SECONDS = 65
DAGS = """
import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator


class Noted(CccPickOutboundNumbersBatchOperator):
    def execute(self, context):
        Path(f"{{self.output_path}}.pid").write_text(str(os.getpid()))
        return super().execute(context)

    def on_kill(self):
        Path(f"{{self.output_path}}.heard").touch()
        super().on_kill()


def campaign(seconds=None, qps=20):
    Noted(
        task_id="pick",
        callees="{folder}/callees.csv",
        output_path="{folder}/{{{{ run_id }}}}",
        candidate_numbers=["01089767654", "02160664656"],
        part_size=10,
        max_qps=qps,
        execution_timeout=seconds and timedelta(seconds=seconds),
    )


with DAG("ended", schedule=None):
    campaign()
with DAG("ended_by_run_timeout", schedule=None, dagrun_timeout=timedelta(seconds={run_seconds})):
    campaign(qps=6)  # a busy machine takes long until it begins; it must not be done before
with DAG("ended_by_task_timeout", schedule=None):
    campaign(seconds=8)
"""
#: What ends a campaign, by the run's id, and what state it then has; ``None``: another try completes it.
WAYS = {
    "marked_failed": "failed",
    "marked_success": "success",
    "cleared": None,
    "run_failed": "failed",
    "run_timeout": "skipped",
    "task_timeout": "failed",
    "supervisor_lost": "failed",
}
#: Airflow notices at a heartbeat, which comes every few seconds, and kills a task five seconds after the signal.
SOON = 30.0


def write_dags(folder: Path) -> Path:
    """Write the DAGs and what they read; the campaigns' folders lie beside these."""
    callees = "".join(f"{13800000000 + 37 * index}\n" for index in range(CALLEES))
    (folder / "callees.csv").write_text(f"callee\n{callees}", encoding="utf-8")
    dags = folder / "dags"
    dags.mkdir()
    (dags / "ended.py").write_text(DAGS.format(folder=folder, run_seconds=RUN_SECONDS), encoding="utf-8")
    return dags


def end_in_every_way(airflow: RunningAirflow, folder: Path) -> None:
    """Start a campaign for each way, all at once, and end each after its first part."""
    for way in WAYS:
        airflow.trigger(_dag(way), way)
    for way in WAYS:
        _until(lambda way=way: (folder / way / "_state").exists(), f"{way} has a part", airflow)
    for way in WAYS:
        _end(airflow, folder, way)
    tasks = {way: int(_beside(folder, way, "pid").read_text()) for way in WAYS if way != "cleared"}
    last = tasks.pop("run_timeout")
    _until(lambda: not any(map(lives, tasks.values())), "all but one have ended", airflow, SOON)
    _until(lambda: not lives(last), "the run's timeout has ended the last", airflow, RUN_SECONDS)
    assert [way for way in WAYS if not _beside(folder, way, "heard").exists()] == []
    for way, state in WAYS.items():
        if state is not None:
            _until(lambda way=way, state=state: _state(airflow, way) == state, f"{way} is {state}", airflow)
            assert_parts_are_whole(folder / way)
    _until(lambda: _state(airflow, "cleared") == "success", "what was cleared is complete", airflow)
    for way in WAYS:
        if way == "cleared":
            assert_complete(folder / way)
        else:
            assert not (folder / way / "_manifest.json").exists()
    # What was ended goes on when it is cleared, and does not begin again.
    kept = {path: path.read_bytes() for path in (folder / "marked_failed").glob("part-*")}
    assert kept
    _clear(airflow, "marked_failed")
    _until(lambda: _state(airflow, "marked_failed") == "success", "the cleared one is complete", airflow)
    assert_complete(folder / "marked_failed")
    assert {path: path.read_bytes() for path in kept} == kept


def assert_parts_are_whole(folder: Path) -> None:
    """What is complete has all its files, whole."""
    for state in completed(LocalFolder(folder)).values():
        for name, size in state.files.items():
            assert (folder / name).stat().st_size == size


def assert_complete(folder: Path) -> None:
    manifest = json.loads((folder / "_manifest.json").read_text(encoding="utf-8"))
    lines = [line for name in manifest["parts"] for line in (folder / name).read_text(encoding="utf-8").splitlines()]
    assert [json.loads(line)["row"] for line in lines] == list(range(1, CALLEES + 1))


def _dag(way: str) -> str:
    return f"ended_by_{way}" if way.endswith("_timeout") else "ended"


def _end(airflow: RunningAirflow, folder: Path, way: str) -> None:
    run = f"dags/{_dag(way)}/dagRuns/{way}"
    if way in ("marked_failed", "marked_success"):
        airflow.insist(f"{run}/taskInstances/pick", {"new_state": way.removeprefix("marked_")}, "PATCH")
    elif way == "run_failed":
        airflow.insist(run, {"state": "failed"}, "PATCH")
    elif way == "cleared":
        _clear(airflow, way)
    elif way == "supervisor_lost":
        supervisor = psutil.Process(int(_beside(folder, way, "pid").read_text())).parent()
        assert supervisor is not None
        os.kill(supervisor.pid, signal.SIGKILL)


def _clear(airflow: RunningAirflow, way: str) -> None:
    what = {"dry_run": False, "dag_run_id": way, "task_ids": ["pick"], "only_failed": False, "reset_dag_runs": True}
    airflow.insist(f"dags/{_dag(way)}/clearTaskInstances", what)


def _state(airflow: RunningAirflow, way: str) -> str | None:
    return airflow.ask(f"dags/{_dag(way)}/dagRuns/{way}/taskInstances/pick")["state"]


def _beside(folder: Path, way: str, what: str) -> Path:
    return folder / f"{way}.{what}"


def lives(process: int) -> bool:
    """Say whether a process runs; one that nobody has waited for does not."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(true: Callable[[], Any], what: str, airflow: RunningAirflow, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except urllib.error.URLError as error:
            what = f"{what} ({error})"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}\n{airflow.tails()}"
        time.sleep(0.3)
