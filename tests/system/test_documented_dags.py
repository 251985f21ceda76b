"""Every DAG of README, documentation and examples, on a real Airflow, started in each way that there is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.documented import CALLEES, LEFT_OUT, write_database, write_numbers
from tests.pages import snippets
from tests.support import connection_to
from tests.system.components import ROOT, RunningAirflow, running_airflow
from tests.versions import IS_NEWEST

pytestmark = pytest.mark.skipif(
    not IS_NEWEST, reason="every documented DAG in every way takes minutes, on the newest Airflow only"
)

#: ``airflow dags trigger`` for many DAGs in one process: each start of the command takes seconds.
TRIGGER = """
import sys
from airflow.cli.cli_parser import get_parser
for dag_id in sys.argv[1:]:
    arguments = get_parser().parse_args(["dags", "trigger", dag_id, "--run-id", "cli"])
    arguments.func(arguments)
"""
WAYS = ("cli", "scheduled", "rest", "ui")
#: The way in which Airflow 3 gives no logical date finds the faults; all ways for each DAG take minutes more.
ORDINARY = ("cli",)
SECONDS = 600
SCHEDULE = re.compile(r"schedule=None|schedule=\"0 4 \* \* \*\", start_date=datetime\(2026, 1, 1\), catchup=False")
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
START = '__import__("datetime").datetime(2026, 1, 1)'


def write_dags(folder: Path, data: Path) -> dict[str, tuple[str, ...]]:
    """Write the DAGs to a folder, each once and under a name of its own; only their paths and schedules are changed.

    :returns: in which ways each is to be started.
    """
    folder.mkdir()
    shutil.copytree(ROOT / "example_dags" / "data", folder / "data")
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "example_dags").glob("*.py"))}
    for text in dict.fromkeys(snippet.text for snippet in snippets("python") if "with DAG(" in snippet.text):
        name = f"documented_{len(texts)}"
        texts[name] = re.sub(r'with DAG\(\s*"(\w+)"', rf'with DAG("{name}"', text)
    ways = {}
    for name, text in texts.items():
        own = f"{data}/{name}"
        changed = text.replace("s3://aws_default@campaigns", f"file://{own}").replace("/data/", f"{own}/")
        ways[name] = WAYS if os.environ.get("CCC_FULL") or "0 4 * * *" in text else ORDINARY
        schedule = f'schedule="@once", start_date={START}' if "scheduled" in ways[name] else "schedule=None"
        changed, count = SCHEDULE.subn(schedule, changed)
        assert count == 1, text
        (folder / f"{name}.py").write_text(changed, encoding="utf-8")
    return ways


def write_callees(data: Path) -> None:
    """Write what a DAG reads: for the day of a scheduled run, and for the days on which the test may run."""
    today = datetime.now(UTC)
    for day in (STARTED, today, today + timedelta(days=1)):
        folder = data / "campaigns" / f"{day:%Y-%m-%d}"
        write_numbers(folder / "callees.csv", "callee")
        write_numbers(folder / "callees.csv.gz", "callee")
        write_numbers(folder / "callees.xlsx", "手机号", (*CALLEES, LEFT_OUT), "名单")
    write_numbers(data / "campaigns" / "do-not-call.csv", "phone", [LEFT_OUT])
    table = pyarrow.table({"callee": ["13800138000", "02163914848"]})
    pyarrow.parquet.write_table(table, data / "callees.parquet")
    (data / "exported").mkdir()
    pyarrow.parquet.write_table(table, data / "exported" / "part-00000.parquet")


@pytest.fixture(scope="module")
def dags(tmp_path_factory) -> Iterator[tuple[RunningAirflow, dict[str, tuple[str, ...]]]]:
    folder = tmp_path_factory.mktemp("documented")
    ways = write_dags(folder / "dags", folder / "files")
    for dag_id in ways:
        write_callees(folder / "files" / dag_id)
    with running(SimulatorSettings()) as simulator:
        settings = {
            "AIRFLOW_CONN_CCC_DEFAULT": connection_to(simulator.url),
            "AIRFLOW_CONN_WAREHOUSE": write_database(folder / "warehouse.db"),
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
        }
        with running_airflow(
            folder / "home", dags=folder / "dags", dag_id="ccc_campaign", settings=settings
        ) as airflow:
            yield airflow, ways


def states(airflow: RunningAirflow) -> dict[tuple[str, str], str]:
    """The state of each run, by its DAG and by the way in which it was started."""
    found = airflow.ask("dags/~/dagRuns?limit=200")["dag_runs"]
    return {
        (run["dag_id"], run["dag_run_id"] if run["dag_run_id"] in WAYS else run["run_type"]): run["state"]
        for run in found
    }


def test_each_dag_runs_however_it_is_started(dags):
    airflow, ways = dags
    assert len(ways) > 15
    assert WAYS in ways.values()
    deadline = time.monotonic() + SECONDS
    while {dag["dag_id"] for dag in airflow.ask("dags?limit=200")["dags"]} < set(ways):
        assert time.monotonic() < deadline, airflow.ask("importErrors")
        time.sleep(1)
    for dag_id, its in ways.items():
        for run_id, logical_date in (("rest", None), ("ui", datetime.now(UTC).isoformat())):  # which the button sends
            run = {"dag_run_id": run_id, "logical_date": logical_date, "conf": {}}
            if run_id in its:
                airflow.insist(f"dags/{dag_id}/dagRuns", run)
    done = subprocess.run(
        [sys.executable, "-c", TRIGGER, *ways], env=airflow.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = {(dag_id, way) for dag_id, its in ways.items() for way in its}
    while True:
        seen = states(airflow)
        if expected <= {run for run, state in seen.items() if state in ("success", "failed")}:
            break
        assert time.monotonic() < deadline, {run: seen.get(run) for run in expected if seen.get(run) != "success"}
        time.sleep(1)
    assert {run: seen[run] for run in expected if seen[run] != "success"} == {}
