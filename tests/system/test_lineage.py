"""What a real Airflow tells OpenLineage of a campaign."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.shared import migrated_home
from tests.support import INSTANCE_ID, SECRET

NUMBERS = ("13800138000", "13800138001", "02163914848", "01089767654", "02160664656")


def airflow(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lineage")


@pytest.fixture(scope="module")
def events(folder: Path) -> list[dict[str, Any]]:
    """Run the DAG, and give what was emitted."""
    (folder / "dags").mkdir()
    shutil.copy(Path(__file__).with_name("lineage_dag.py"), folder / "dags")
    (folder / "callees.csv").write_text(
        "callee\n13800138000\n13800138001\n13800138000\nnone\n02163914848\n", encoding="utf-8"
    )
    with running(SimulatorSettings()) as simulator:
        connection = {
            "conn_type": "ccc",
            "login": "testid",
            "password": SECRET,
            "host": simulator.url,
            "extra": {"instance_id": INSTANCE_ID},
        }
        transport = {"type": "file", "log_file_path": str(folder / "events.ndjson"), "append": True}
        environment = os.environ | {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW_CONN_CCC_DEFAULT": json.dumps(connection),
            "CCC_LINEAGE": str(folder),
        }
        migrated_home(folder / "airflow")
        airflow(environment, "dags", "test", "lineage")
    return [json.loads(line) for line in (folder / "events.ndjson").read_text(encoding="utf-8").splitlines()]


def told(events: list[dict[str, Any]], task: str, kind: str) -> list[tuple[Any, ...]]:
    """Give, of each event of a task, the inputs and outputs: name, and rows if they are told."""

    def of(datasets: list[dict[str, Any]], facets: str, name: str) -> list[tuple[str, str, int | None]]:
        return [
            (each["namespace"], each["name"], each.get(facets, {}).get(name, {}).get("rowCount")) for each in datasets
        ]

    return [
        (
            of(event["inputs"], "inputFacets", "inputStatistics"),
            of(event["outputs"], "outputFacets", "outputStatistics"),
        )
        for event in events
        if (event["job"]["name"], event["eventType"]) == (f"lineage.{task}", kind)
    ]


def test_datasets_when_it_begins_and_counts_when_it_ends(events, folder):
    source, whole, shared, listed = (str(folder / name) for name in ("callees.csv", "whole", "shared", "listed"))
    for task, out, times in (("whole", whole, 1), ("shared", shared, 2), ("merge", shared, 1)):
        begun = ([("file", source, None)], [("file", out, None)])
        assert told(events, task, "START") == [begun] * times
    assert told(events, "whole", "COMPLETE") == [([("file", source, 5)], [("file", whole, 3)])]
    assert told(events, "merge", "COMPLETE") == [([("file", source, 5)], [("file", shared, 3)])]
    assert sorted(told(events, "shared", "COMPLETE")) == [
        ([("file", source, 2)], [("file", shared, 1)]),
        ([("file", source, 3)], [("file", shared, 2)]),
    ]
    assert told(events, "function", "COMPLETE") == [([], [("file", str(folder / "function"), 2)])]
    assert told(events, "listed", "START") == [([], [("file", listed, None)])]
    assert told(events, "listed", "COMPLETE") == [([], [("file", listed, 2)])]


def test_no_event_has_a_number_or_a_secret(events):
    assert {event["eventType"] for event in events} == {"START", "COMPLETE"}
    text = json.dumps(events)
    for number in (*NUMBERS, SECRET):
        assert number not in text


def test_airflow_stores_no_callee(events, folder):
    with closing(sqlite3.connect(folder / "airflow" / "airflow.db")) as database:
        rendered = database.execute("select task_id, rendered_fields from rendered_task_instance_fields").fetchall()
        xcoms = database.execute("select task_id, value from xcom").fetchall()
    assert {task for task, _ in rendered} >= {task for task, _ in xcoms} >= {"whole", "listed", "function", "merge"}
    for task, value in rendered + xcoms:
        for number in NUMBERS[:3]:
            assert number not in str(value), task
