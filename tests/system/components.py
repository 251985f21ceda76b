"""A whole Airflow of the test's own: its four components as processes, which end with the test."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.shared import free_port, migrated_home

ROOT = Path(__file__).parents[2]
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
START_SECONDS = 240


class RunningAirflow:
    """An Airflow that answers.

    :param url: where its web UI is.
    :param logs: the folder with a log of each component.
    :param environment: what its processes, and others that are to see the same Airflow, run with.
    """

    def __init__(self, url: str, logs: Path, environment: Mapping[str, str]) -> None:
        self.url = url
        self.logs = logs
        self.environment = environment
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, *arguments: str, folder: Path | None = None, settings: Mapping[str, str] = {}
    ) -> subprocess.Popen[bytes]:
        """Start a component, in a session of its own, so that what it starts can be ended with it.

        :param name: what it is called here, and its log.
        :param arguments: of the command ``airflow``; by default the name.
        :param folder: its working directory; by default this process's.
        :param settings: further environment variables.
        """
        with (self.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *(arguments or (name,))],
                cwd=folder,
                env={**self.environment, **settings},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.processes[name]

    def ask(self, path: str, send: Mapping[str, Any] | None = None, method: str | None = None) -> Any:
        """Ask the REST API, whose every caller is an administrator.

        :param path: below ``/api/v2/``.
        :param send: what to send; by default nothing.
        :param method: by default POST if something is sent, and otherwise GET.
        """
        request = urllib.request.Request(f"{self.url}/api/v2/{path}", method=method)  # noqa: S310
        if send is not None:
            request.data = json.dumps(send).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)

    def insist(self, path: str, send: Mapping[str, Any], method: str | None = None) -> Any:
        """Ask again while SQLite is locked, as it is when many things happen at once.

        :returns: the answer; None if an earlier request did what this one asks for, though its answer came too late.
        """
        late = False
        for _ in range(20):
            try:
                return self.ask(path, send, method)
            except urllib.error.HTTPError as error:
                if late and error.code == 409:
                    return None
                if error.code != 500:
                    raise
            except TimeoutError:
                late = True
            time.sleep(1)
        return self.ask(path, send, method)

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any] = {}) -> None:
        """Start a run of a DAG."""
        self.ask(f"dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)})

    def wait_for(self, dag_id: str, run_id: str, seconds: float) -> str:
        """Wait until a run has ended, and give its state.

        :raises TimeoutError: if it has not within the time.
        """
        deadline = time.monotonic() + seconds
        while (state := str(self.ask(f"dags/{dag_id}/dagRuns/{run_id}")["state"])) not in ("success", "failed"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{dag_id}, {run_id} is {state} after {seconds:.0f} seconds\n{self.tails()}")
            time.sleep(0.5)
        return state

    def tails(self, lines: int = 25) -> str:
        """The end of each component's log, for a failure's report."""
        parts = []
        for log in sorted(self.logs.glob("*.log")):
            text = log.read_text(encoding="utf-8", errors="replace")
            parts += [f"--- {log.stem}", *text.splitlines()[-lines:]]
        return "\n".join(parts)


@contextmanager
def running_airflow(
    folder: Path, *, dags: Path = ROOT / "example_dags", dag_id: str = "ccc_campaign", settings: Mapping[str, str] = {}
) -> Iterator[RunningAirflow]:
    """Start all components, wait until the API server knows a DAG, and end them at the end.

    :param folder: where everything of it goes.
    :param dags: the folder of its DAGs.
    :param dag_id: the DAG that is waited for.
    :param settings: further environment variables of all its processes. A database that they name must be ready.
    """
    (folder / "logs").mkdir(parents=True)
    url = f"http://127.0.0.1:{free_port()}"
    airflow = RunningAirflow(url, folder / "logs", environment(folder, url, dags) | settings)
    migrated_home(folder / "airflow")
    try:
        for component in COMPONENTS:
            airflow.start(component)
        _wait_until_it_knows(airflow, dag_id)
        yield airflow
    finally:
        _end(list(airflow.processes.values()))


def environment(folder: Path, url: str, dags: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return kept | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        # By default SQLite gives up after five seconds, and then the scheduler ends: too soon on a busy machine.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow' / 'airflow.db'}?timeout=60",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": url.rpartition(":")[2],
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        # All components must share these.
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        # The triggerer and the executor serve logs at fixed ports, unless they are told others.
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def _wait_until_it_knows(airflow: RunningAirflow, dag_id: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for component, process in airflow.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{component} ended with {process.returncode}\n{airflow.tails()}")
        try:
            with urllib.request.urlopen(f"{airflow.url}/api/v2/dags/{dag_id}", timeout=20):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):  # not listening yet, or the DAG is not parsed yet
            time.sleep(0.5)
    raise RuntimeError(f"Airflow did not start within {START_SECONDS} seconds\n{airflow.tails()}")


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        for process in processes:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
