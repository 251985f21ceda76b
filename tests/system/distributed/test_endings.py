"""Celery's workers end campaigns in every way that Airflow has; and what a worker does that is told to end itself."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.system.distributed.cluster import WORKERS, running_cluster
from tests.system.distributed.services import skip_where_missing
from tests.system.ended import CALLEES, WAYS, assert_complete, end_in_every_way, write_dags

skip_where_missing()


def test_however_airflow_ends_a_task(tmp_path: Path) -> None:
    dags = write_dags(tmp_path)
    with running_cluster(
        tmp_path / "cluster", dags=dags, dag_id="ended", slots=len(WAYS) // len(WORKERS) + 1
    ) as cluster:
        end_in_every_way(cluster.airflow, tmp_path)

        # A worker that is shut down takes no further task, and lets those that it has go on to their end.
        cluster.kill(WORKERS[1])
        cluster.airflow.trigger("ended", "shutdown")
        cluster.wait_until((tmp_path / "shutdown" / "_state").exists, "the campaign has a part")
        worker = cluster.airflow.processes.pop(WORKERS[0])
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait(120) == 0
        assert_complete(tmp_path / "shutdown")
        assert json.loads((tmp_path / "shutdown" / "_manifest.json").read_text(encoding="utf-8"))["callees"] == CALLEES
