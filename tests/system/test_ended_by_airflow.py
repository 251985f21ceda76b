"""A real Airflow with LocalExecutor ends campaigns. The same with Celery is in tests/system/distributed."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.support import connection_to
from tests.system.components import running_airflow
from tests.system.ended import WAYS, end_in_every_way, write_dags
from tests.versions import IS_NEWEST

pytestmark = pytest.mark.skipif(not IS_NEWEST, reason="to end campaigns takes a minute, on the newest Airflow only")


def test_however_airflow_ends_a_task(tmp_path: Path) -> None:
    dags = write_dags(tmp_path)
    with running(SimulatorSettings()) as simulator:
        settings = {
            "AIRFLOW_CONN_CCC_DEFAULT": connection_to(simulator.url),
            "AIRFLOW__CORE__PARALLELISM": str(len(WAYS) + 1),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        }
        with running_airflow(tmp_path / "home", dags=dags, dag_id="ended", settings=settings) as airflow:
            end_in_every_way(airflow, tmp_path)
