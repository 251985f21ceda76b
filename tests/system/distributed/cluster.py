"""A distributed Airflow on this machine: CeleryExecutor, two workers, PostgreSQL, Redis, S3, and the simulator."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.shared import free_port, made_once, migrate
from tests.support import INSTANCE_ID
from tests.system.components import ROOT, RunningAirflow, environment, running_airflow
from tests.system.distributed.services import ObjectStore, PostgreSQL, Redis, Simulator

DAG_ID = "ccc_big_campaign"
WORKERS = ("worker-1", "worker-2")
#: How many tasks a worker runs at a time.
SLOTS = 2
FIRST_CALLEE = 13_000_000_000
CONFIG = Path(__file__).parent / "config"
#: After so many seconds without a heartbeat a task, or a scheduler, is taken for lost.
TIMEOUT = 20
OUTPUT = f"s3://s3@{ObjectStore.BUCKET}/output"


def deployment(postgresql: str, postgresql_results: str, redis: str, store: str, simulator: str) -> dict[str, str]:
    """Give the settings that any such deployment has; compose.yaml has the same.

    :param postgresql: SQLAlchemy's address of the metadata database.
    :param postgresql_results: Celery's address of it.
    """
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgresql,
        "AIRFLOW__CELERY__RESULT_BACKEND": postgresql_results,
        "AIRFLOW__CELERY__BROKER_URL": redis,
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
        "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True",
        "AIRFLOW_CONN_CCC_DEFAULT": json.dumps(
            {
                "conn_type": "ccc",
                "login": "testid",
                "password": "testsecret",
                "host": simulator,
                "extra": {"instance_id": INSTANCE_ID},
            }
        ),
        "AIRFLOW_CONN_S3": json.dumps(
            {
                "conn_type": "aws",
                "login": "testing",
                "password": "testing",
                "extra": {"endpoint_url": store, "region_name": "us-east-1"},
            }
        ),
    }


#: What only tests want: that nobody waits long before he takes another for dead.
IMPATIENCE = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(TIMEOUT),
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "40",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": str(TIMEOUT),
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
}


class Cluster:
    """A cluster that runs.

    :param airflow: its components and workers.
    """

    def __init__(
        self,
        folder: Path,
        airflow: RunningAirflow,
        postgresql: PostgreSQL,
        redis: Redis,
        store: ObjectStore,
        simulator: Simulator,
    ) -> None:
        self.folder = folder
        self.airflow = airflow
        self.postgresql = postgresql
        self.redis = redis
        self.store = store
        self.simulator = simulator
        #: How often a component that had ended was started again.
        self.revived: Counter[str] = Counter()

    def start(self, name: str) -> None:
        """Start a component; a worker with a name, a working directory and a port for its logs of its own."""
        if name not in WORKERS:
            self.airflow.start(name)
            return
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        self.airflow.start(
            name,
            *("celery", "worker", "--celery-hostname", name),
            folder=folder,
            settings={"CCC_HOSTNAME": name, "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port())},
        )

    def kill(self, name: str) -> None:
        """End a component and all that it started with SIGKILL, as if its machine were gone for good."""
        process = self.airflow.processes.pop(name, None)
        if process is None or process.poll() is not None:
            return
        everything = [psutil.Process(process.pid)]
        everything += everything[0].children(recursive=True)
        for each in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait(10)

    def revive(self) -> None:
        """Start again what has ended, as a deployment's supervisor does."""
        for name, process in list(self.airflow.processes.items()):
            if process.poll() is None:
                continue
            self.revived[name] += 1
            self.start(name)

    def processes(self) -> dict[str, int]:
        """Give the ids of all processes that were started, by name."""
        services = (self.postgresql, self.redis, self.store, self.simulator)
        found = {**self.airflow.processes, **{each.name: each.process for each in services if each.process}}
        return {name: process.pid for name, process in found.items()}

    # --- campaigns ----------------------------------------------------------------------------------------------------

    @staticmethod
    def callees(count: int, first: int = FIRST_CALLEE) -> list[str]:
        """Make up numbers, one after the other."""
        return [str(number) for number in range(first, first + count)]

    def trigger(self, run: str, callees: Sequence[str], *, batch_size: int, output: str = OUTPUT) -> None:
        """Start a campaign, whose callees are in the object store."""
        source = self.store.put(f"input/{run}.csv", "\n".join(["callee", *callees]).encode())
        self.airflow.trigger(DAG_ID, run, {"callees": source, "output_path": output, "batch_size": batch_size})

    def clear(self, run: str) -> None:
        """Have the tasks of a run that failed tried anew."""
        self.airflow.ask(f"dags/{DAG_ID}/dagRuns/{run}/clear", {"dry_run": False, "only_failed": True})

    def tasks(self, run: str, task: str = "pick") -> list[dict[str, Any]]:
        """Give the task instances of a run, as the REST API describes them."""
        found = self.airflow.ask(f"dags/{DAG_ID}/dagRuns/{run}/taskInstances?task_id={task}&limit=100")
        return [each for each in found["task_instances"] if each["task_id"] == task]

    def tries(self, run: str) -> list[dict[str, Any]]:
        """Give every try of every batch of a run."""
        found = []
        for each in self.tasks(run):
            path = f"dags/{DAG_ID}/dagRuns/{run}/taskInstances/pick/{each['map_index']}/tries"
            found += self.airflow.ask(path)["task_instances"]
        return found

    def wait_for(self, run: str, seconds: float = 240) -> str:
        """Wait until a run has ended, whatever ends meanwhile, and give its state."""
        return str(self.wait_until(lambda: self._ended(run), f"{run} ends", seconds))

    def _ended(self, run: str) -> str | None:
        state = str(self.airflow.ask(f"dags/{DAG_ID}/dagRuns/{run}")["state"])
        return state if state in ("success", "failed") else None

    def wait_until(self, true: Callable[[], Any], what: str, seconds: float = 120) -> Any:
        """Wait until something is true, and give what it is.

        The API may not answer for a while, as long as it does in the end.

        :raises TimeoutError: with the logs' ends.
        """
        deadline = time.monotonic() + seconds
        problem: Exception | None = None
        while time.monotonic() < deadline:
            self.revive()
            try:
                if found := true():
                    return found
                problem = None
            except OSError as error:  # refused, or a status that is no success
                problem = error
            time.sleep(0.5)
        raise TimeoutError(f"not within {seconds:.0f} seconds: {what} ({problem})\n{self.airflow.tails()}")

    def parts(self, run: str) -> int:
        """Count the parts that a run, or one of its batches, has completed so far."""
        return sum("/_state/part-" in name for name in self.store.names(f"output/{run}/"))

    def manifest(self, run: str) -> dict[str, Any]:
        """Read the merged manifest."""
        return dict(json.loads(self.store.get(f"output/{run}/_manifest.json")))

    def resolved(self, run: str) -> Counter[str]:
        """Count how often each callee stands in the merged output."""
        names = self.manifest(run)["parts"]
        return numbers(self.store.get(f"output/{run}/{name}") for name in names)

    def forget(self, run: str) -> None:
        """Remove what a run has put into the object store."""
        self.store.remove(f"input/{run}.csv")
        self.store.remove(f"output/{run}/")

    def log_of(self, run: str, task: str = "pick") -> str:
        """Read the logs of all tries of a task."""
        folder = Path(self.airflow.environment["AIRFLOW_HOME"]) / "logs" / f"dag_id={DAG_ID}" / f"run_id={run}"
        return "\n".join(log.read_text(errors="replace") for log in sorted(folder.glob(f"task_id={task}/**/*.log")))


def numbers(parts: Any) -> Counter[str]:
    """Count the callees in the part files given."""
    return Counter(
        json.loads(line)["callee"]["number"] for part in parts for line in part.decode().splitlines() if line
    )


def _migrated(folder: Path) -> None:
    """Keep the data of a PostgreSQL that has Airflow's tables."""
    postgresql = PostgreSQL(folder)
    try:
        postgresql.start()
        address = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgresql.address("postgresql+psycopg2")}
        migrate(environment(folder, "http://127.0.0.1:80", folder) | address)
        postgresql.stop()
        postgresql.keep(folder / "data")
    finally:
        postgresql.stop()
        shutil.rmtree(postgresql.folder)


@contextlib.contextmanager
def running_cluster(
    folder: Path, *, dags: Path = ROOT / "example_dags", dag_id: str = DAG_ID, slots: int = SLOTS
) -> Iterator[Cluster]:
    """Start everything, and end it at the end.

    :param folder: where all of it goes, but for the database.
    :param dags: the folder of its DAGs.
    :param dag_id: the DAG that is waited for.
    :param slots: how many tasks a worker runs at a time.
    """
    logs = folder / "services"
    logs.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        postgresql = PostgreSQL(logs, made_once("postgresql", _migrated) / "data")
        stack.callback(shutil.rmtree, postgresql.folder)
        services = postgresql, Redis(logs, folder / "redis"), ObjectStore(logs), Simulator(logs)
        for service in services:
            stack.callback(service.stop)
            service.start()
        _, redis, store, simulator = services
        settings = {
            **deployment(
                postgresql.address("postgresql+psycopg2"),
                postgresql.address("db+postgresql"),
                redis.url,
                store.url,
                simulator.url,
            ),
            **IMPATIENCE,
            # What a worker was about to report when it was killed holds one of these for long.
            "AIRFLOW__CORE__PARALLELISM": "32",
            # Two more than the workers have slots, so that some are always queued, but none of them for long.
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(slots * len(WORKERS) + 2),
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(slots),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "airflow_local_settings.hostname",
            "PYTHONPATH": str(CONFIG),
        }
        airflow = stack.enter_context(running_airflow(folder / "home", dags=dags, dag_id=dag_id, settings=settings))
        cluster = Cluster(folder, airflow, *services)
        try:
            for worker in WORKERS:
                cluster.start(worker)
            yield cluster
        finally:
            for worker in WORKERS:  # their tasks are in sessions of their own
                cluster.kill(worker)
