"""The main job on a real Airflow: its DAG runs, its XComs, what it stores, and the demo around it."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID, connection_to
from tests.versions import stored_text

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, str(ROOT / "scripts" / "demo.py")]


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, "--folder", str(folder), *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def rows(folder: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(folder / "airflow" / "airflow.db")) as database:
        found = database.execute(query).fetchall()
    return [tuple(map(stored_text, row)) for row in found]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("campaign") / "demo"


@pytest.fixture(scope="module")
def campaign(folder) -> subprocess.CompletedProcess[str]:
    """The demo with callees of its own, one of which cannot be dialled."""
    callees = folder.parent / "callees.csv"
    callees.write_text(
        f"name,callee\na,138-0013-8000\nb,+86 21 6391 4848\nc,1380013800O\nd,{CALLEE}\n", encoding="utf-8"
    )
    return demo(folder, "--callees", str(callees), "--candidates", f"{CANDIDATE},021-6066-4656")


def test_the_campaigns_table_and_sum(campaign):
    table = [re.split(r"\s{2,}", line) for line in campaign.stdout.splitlines()]
    assert ["13800138000", "北京", CANDIDATE, "北京"] in table
    assert ["02163914848", "上海", "02160664656", "上海"] in table
    why = "callee 3 failed: InvalidArgument: callee_number"
    assert any(row[0] == "1380013800O" and why in row[1] for row in table)
    assert "resolved 3, failed 1, same city 2, same province 2" in campaign.stdout
    assert campaign.returncode == 1
    assert campaign.stderr.splitlines() == ["error: 1 of 4 callees were not resolved, see the table"]


def test_what_goes_through_xcom(campaign, folder):
    values = dict(rows(folder, "select map_index, value from xcom where task_id = 'pick' and key = 'return_value'"))
    assert values.keys() == {0, 1, 3}
    (pair,) = json.loads(values[0])
    assert pair == {
        "callee": {"number": "13800138000", "city": "北京", "province": "北京"},
        "caller": {"number": CANDIDATE, "city": "北京", "province": "北京"},
    }
    ids = dict(rows(folder, "select map_index, value from xcom where task_id = 'pick' and key = 'request_id'"))
    assert ids.keys() == {0, 1, 3}
    assert all(re.fullmatch(r'"[0-9A-F-]{36}"', value) for value in ids.values())
    ((seen,),) = rows(folder, "select value from xcom where task_id = 'instance_ready' and key = 'return_value'")
    assert json.loads(seen) | {"request_id": ""} == {
        "instance_id": INSTANCE_ID,
        "name": "demo",
        "status": "Running",
        "outbound_numbers": 2,
        "request_id": "",
    }


def test_links_ask_for_no_xcom_that_is_not_there(campaign, folder):
    logged = (folder / "airflow.log").read_text(encoding="utf-8")
    # Airflow 3 itself finds out so that there are no more callees' results.
    assert [line for line in logged.splitlines() if "XCom not found" in line and "key=return_value" not in line] == []
    values = rows(folder, "select value from xcom where task_id = 'instance_ready' and key != 'return_value'")
    assert (f'"https://ccc.aliyun.com/workbench/{INSTANCE_ID}"',) in values


def test_a_callee_that_cannot_be_resolved_fails_its_own_task_only(campaign, folder):
    states = dict(rows(folder, "select map_index, state from task_instance where task_id = 'pick'"))
    assert states == {0: "success", 1: "success", 2: "failed", 3: "success"}


def test_airflow_neither_stores_nor_logs_a_number(campaign, folder):
    rendered = rows(folder, "select rendered_fields from rendered_task_instance_fields where task_id = 'pick'")
    assert len(rendered) == 4
    logged = (folder / "airflow.log").read_text(encoding="utf-8")
    assert "138****8000" in logged
    stored = " ".join(fields for (fields,) in rendered)
    assert "***" in stored
    for number in ("138-0013-8000", "1380013800", "+86 21 6391 4848", "02163914848", CALLEE, CANDIDATE, "02160664656"):
        assert number not in stored
        assert number not in logged


@pytest.mark.parametrize(
    ("dag", "task", "pairs"),
    [("ccc_pick_one", "pick", 1), ("ccc_health_gate", "pick", 2)],
)
def test_the_other_examples_run(campaign, folder, dag, task, pairs):
    home = folder / "airflow"  # its database is ready
    with running(SimulatorSettings()) as simulator:
        environment = os.environ | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
            "AIRFLOW_CONN_CCC_DEFAULT": connection_to(simulator.url),
        }
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "dags", "test", dag],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout[-3000:]
    query = f"select value from xcom where dag_id = '{dag}' and task_id = '{task}' and key = 'return_value'"  # noqa: S608
    ((value,),) = rows(folder, query)
    assert len(json.loads(value)) == pairs


def test_a_campaign_that_resolves_nobody_fails_and_keeps_the_dial_list(tmp_path):
    callees = tmp_path / "callees.csv"
    callees.write_text("callee\nnobody\n", encoding="utf-8")
    done = demo(tmp_path / "demo", "--callees", str(callees))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert not (tmp_path / "demo" / "dial_list.csv").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_ends_everything_that_it_started(tmp_path, number):
    process = subprocess.Popen(
        [*DEMO, "--folder", str(tmp_path / "demo")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().startswith("simulator: http://127.0.0.1:")
    assert process.stdout.readline().startswith("Airflow:")
    time.sleep(1)
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) >= 2
    for _ in range(3):  # an impatient user
        process.send_signal(number)
        time.sleep(0.3)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else 143)
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(started, timeout=5)
    assert alive == []


@pytest.mark.parametrize(
    ("content", "arguments", "says"),
    [
        (None, [], "cannot be read: No such file"),
        ("", [], "no column named callee"),
        ("phone\n138\n", [], "no column named callee"),
        ("callee\n", [], "has 0 callees"),
        ("callee\n" + "13800138000\n" * 1025, [], "has 1025 callees"),
        ("callee\n13800138000\n", ["--candidates", "010x"], "CANDIDATES"),
        ("callee\n13800138000\n", ["--candidates", ","], "CANDIDATES"),
    ],
)
def test_the_demo_says_in_one_line_what_is_wrong(tmp_path, content, arguments, says):
    callees = tmp_path / "callees.csv"
    if content is not None:
        callees.write_text(content, encoding="utf-8")
    done = demo(tmp_path / "demo", "--callees", str(callees), *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "demo").exists()


def test_the_demo_removes_no_folder_but_its_own(tmp_path):
    (tmp_path / "precious").touch()
    done = demo(tmp_path)
    assert (done.returncode, "is no demo's" in done.stderr) == (1, True)
    assert (tmp_path / "precious").exists()
