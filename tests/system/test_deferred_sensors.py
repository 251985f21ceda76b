"""200 sensors wait in one triggerer of a whole Airflow: all fire, nothing stays open, memory settles."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_provider_ccc.simulator.instances import DEFAULT_FILE
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.shared import free_port
from tests.support import INSTANCE_ID
from tests.system.components import RunningAirflow, running_airflow
from tests.versions import IS_NEWEST

if not IS_NEWEST:
    pytest.skip("200 sensors in one triggerer take minutes, on the newest Airflow only", allow_module_level=True)

SENSORS = 200
DAG = f"""
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor

with DAG(dag_id="waiting", schedule=None, max_active_tasks={SENSORS}):
    for number in range({SENSORS}):
        CccInstanceHealthSensor(
            task_id=f"ready_{{number}}", deferrable=True, start_from_trigger=True, poke_interval=2, timeout=1800
        )
"""
PATIENCE = 400


def until(true: Callable[[], bool], what: str, airflow: RunningAirflow) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} seconds\n{airflow.tails()}"
        time.sleep(0.5)


def resident(airflow: RunningAirflow) -> int:
    """Bytes of the triggerer's processes."""
    triggerer = psutil.Process(airflow.processes["triggerer"].pid)
    return sum(process.memory_info().rss for process in (triggerer, *triggerer.children(recursive=True)))


def not_ready() -> dict[str, Any]:
    description = json.loads(DEFAULT_FILE.read_text(encoding="utf-8"))
    for instance in description["instances"]:
        instance["status"] = "Creating"
    return description


def test_200_on_one_triggerer(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "waiting.py").write_text(DAG, encoding="utf-8")
    port = free_port()
    connection = {"conn_type": "ccc", "login": "testid", "password": "testsecret", "host": f"http://127.0.0.1:{port}"}
    settings = {"AIRFLOW_CONN_CCC_DEFAULT": json.dumps(connection | {"extra": {"instance_id": INSTANCE_ID}})}
    (tmp_path / "instance.json").write_text(json.dumps(not_ready()), encoding="utf-8")
    with running_airflow(tmp_path / "home", dags=tmp_path / "dags", dag_id="waiting", settings=settings) as airflow:

        def are(state: str) -> int:
            found = airflow.ask(f"dags/waiting/dagRuns/one/taskInstances?limit=1&state={state}")
            return int(found["total_entries"])

        with running(SimulatorSettings(port=port, instance=str(tmp_path / "instance.json"))) as simulator:
            airflow.trigger("waiting", "one")
            until(lambda: are("deferred") == SENSORS, "all deferred", airflow)
            looked = len(simulator.journal)
            until(lambda: len(simulator.journal) > looked + 3 * SENSORS, "each has looked some times", airflow)
            settled, looked = resident(airflow), len(simulator.journal)
            until(lambda: len(simulator.journal) > looked + 8 * SENSORS, "each has looked more often", airflow)
            grown = resident(airflow) / settled
            assert are("deferred") == SENSORS
        # Between the two nobody answers, which is waited for as well.
        with running(SimulatorSettings(port=port)):
            state = airflow.wait_for("waiting", "one", PATIENCE)
        assert (state, are("success")) == ("success", SENSORS)
        assert grown < 1.05
        log = (airflow.logs / "triggerer.log").read_text(encoding="utf-8")
    # The trigger's own log goes to the tasks' files; warnings of what is left open come to the triggerer's.
    tasks = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "home").rglob("*.trigger.*.log"))
    assert "Not ready yet: instance" in tasks
    for complaint in ("nclosed", "was never retrieved", "Traceback"):
        assert complaint not in log + tasks
