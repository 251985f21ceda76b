"""What a distributed Airflow stands on, as processes of the test's own: PostgreSQL, Redis, an S3 server, the simulator.

Each can be ended, killed and started again, at the same address.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.shared import free_port
from tests.system.components import ROOT
from tests.versions import IS_NEWEST

PATIENCE = 60.0


def skip_where_missing() -> None:
    """Leave a module's tests out where they cannot run, in one line for all modules; CI requires all, and fails."""
    programs = {"PostgreSQL": postgres_program("postgres"), "Redis": _redis()}
    missing = [name for name, found in programs.items() if not found]
    if not IS_NEWEST:
        pytest.skip(
            "the distributed deployment is not tested: it takes minutes, on the newest Airflow only",
            allow_module_level=True,
        )
    if missing and os.environ.get("CCC_REQUIRE_ALL") != "1":
        pytest.skip(
            f"the distributed deployment is not tested: there is no {' and no '.join(missing)}"
            " (Debian: apt-get install postgresql redis-server)",
            allow_module_level=True,
        )


def postgres_program(name: str) -> str | None:
    """Find a program of PostgreSQL; Debian has those of the server beside the path."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(newest[-1]) if newest else shutil.which(name)


def _redis() -> str | None:
    return shutil.which("redis-server")


class Service:
    """A process that listens on a port of its own.

    :param name: of its log.
    :param logs: the folder of logs.
    """

    #: The signal that asks it to end.
    ends_by = signal.SIGTERM
    #: Whom it runs as, where it refuses to be root's.
    user: str | None = None

    def __init__(self, name: str, logs: Path) -> None:
        self.name = name
        self.port = free_port()
        self._log = logs / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
                extra_groups=[] if self.user else None,
            )
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start\n{self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def stop(self, number: int | None = None) -> None:
        """End it, by default as it likes to be ended, and wait until it has."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(number or self.ends_by)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)

    def environment(self) -> Mapping[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS"))}

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class PostgreSQL(Service):
    """PostgreSQL; it is not asked to survive a power failure.

    :param template: what :meth:`keep` has kept of another one; by default the database is empty.
    """

    ends_by = signal.SIGINT  # without waiting for those who are connected

    def __init__(self, logs: Path, template: Path | None = None) -> None:
        super().__init__("postgresql", logs)
        # Not in the test's folder, into which nobody else may look.
        self.folder = Path(tempfile.mkdtemp(prefix="ccc-postgresql-"))
        if os.geteuid() == 0:
            self.user = "nobody"
            shutil.chown(self.folder, self.user)
        self._data = self.folder / "data"
        if template is not None:
            _copy(template, self._data)
            return
        subprocess.run(
            [
                *(str(postgres_program("initdb")), "--pgdata", str(self._data), "--username", "airflow"),
                *("--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
            ],
            cwd=self.folder,
            user=self.user,
            extra_groups=[] if self.user else None,
            capture_output=True,
            check=True,
        )

    def keep(self, folder: Path) -> None:
        """Keep a copy of its data; it must have been stopped."""
        _copy(self._data, folder)

    def address(self, scheme: str) -> str:
        """Give SQLAlchemy's address of the database."""
        return f"{scheme}://airflow@127.0.0.1:{self.port}/postgres"

    def command(self) -> Sequence[str]:
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(postgres_program("postgres")), "-D", str(self._data), "-p", str(self.port), *flags]

    def answers(self) -> bool:
        ask = [str(postgres_program("pg_isready")), "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(ask, check=False).returncode == 0


def _copy(source: Path, target: Path) -> None:
    """Copy a folder with its owners."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)  # noqa: S607


class Redis(Service):
    """Redis, which keeps what is queued when it is restarted.

    :param folder: where it keeps it.
    """

    def __init__(self, logs: Path, folder: Path) -> None:
        super().__init__("redis", logs)
        self._folder = folder
        folder.mkdir()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        settings = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self._folder), "appendonly": "yes"}
        return [str(_redis()), *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def answers(self) -> bool:
        import redis

        try:
            return bool(redis.Redis.from_url(self.url).ping())
        except redis.RedisError:
            return False


class ObjectStore(Service):
    """moto's S3 server, which can be told to refuse writes; see :mod:`tests.system.distributed.object_store`."""

    BUCKET = "campaigns"

    def __init__(self, logs: Path) -> None:
        super().__init__("object-store", logs)
        self._client: Any = None

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "tests.system.distributed.object_store", str(self.port)]

    def start(self) -> None:
        super().start()
        self.client().create_bucket(Bucket=self.BUCKET)

    def client(self) -> Any:
        """Give boto3's own client of it; to make one takes long."""
        import boto3

        if self._client is None:
            self._client = boto3.client(
                "s3",
                endpoint_url=self.url,
                region_name="us-east-1",
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
        return self._client

    def put(self, key: str, data: bytes) -> str:
        """Write an object, and give its address in Airflow."""
        self.client().put_object(Bucket=self.BUCKET, Key=key, Body=data)
        return f"s3://s3@{self.BUCKET}/{key}"

    def get(self, key: str) -> bytes:
        return bytes(self.client().get_object(Bucket=self.BUCKET, Key=key)["Body"].read())

    def names(self, prefix: str) -> list[str]:
        """List the objects whose names begin like this."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.BUCKET, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def remove(self, prefix: str) -> None:
        """Remove the objects whose names begin like this."""
        for name in self.names(prefix):
            self.client().delete_object(Bucket=self.BUCKET, Key=name)

    def requests(self) -> int:
        """Tell how many it answered so far."""
        return self._log.read_text(encoding="utf-8", errors="replace").count(" HTTP/1.1")

    def refuse_writes(self, refuse: bool) -> int:
        """Begin or cease to refuse writes with a 503, and tell how many were refused so far."""
        with urllib.request.urlopen(f"{self.url}/refuse?{int(refuse)}", data=b"", timeout=30) as answer:  # noqa: S310
            return int(answer.read())


class Simulator(Service):
    """``python -m airflow_provider_ccc.simulator``.

    :param options: of its command line.
    """

    def __init__(self, logs: Path, *options: str) -> None:
        super().__init__("simulator", logs)
        self._options = options

    def restart(self, *options: str) -> None:
        """Have it run with other options."""
        self.stop()
        self._options = options
        self.start()

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "airflow_provider_ccc.simulator", "--port", str(self.port), *self._options]
