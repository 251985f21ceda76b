"""What takes long to make is made once in a run, and copied by all its workers. And ports that only one of them has."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

#: Below the ports that Linux gives to whoever asks for any.
PORTS = range(15_000, 32_000)
_reserved: list[socket.socket] = []


def free_port() -> int:
    """Give a port that is free, and which no other process gets from here as long as this one runs."""
    while True:
        port = random.choice(PORTS)
        mark = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                mark.bind(f"\0ccc-tests-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                mark.close()
                continue
        _reserved.append(mark)
        return port


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Give a folder that the first worker to ask for it makes, while the others wait; nobody may change it."""
    # Without pytest, as benchmarks are, a process has it for itself.
    shared = Path(os.environ.get("CCC_TESTS_SHARED") or _own())
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = shared / name
        if not made.exists():
            making = shared / f"{name}.making"
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            make(making)
            making.rename(made)
    return made


def _own() -> str:
    if not _folders:
        _folders.append(tempfile.TemporaryDirectory(prefix="ccc-tests-shared-"))
    return _folders[0].name


_folders: list[tempfile.TemporaryDirectory[str]] = []


def migrated_home(home: Path) -> Path:
    """Make an AIRFLOW_HOME with a configuration and an SQLite database as ``airflow db migrate`` makes them.

    :returns: the database.
    """
    made = made_once("airflow", _migrate)
    home.mkdir(parents=True, exist_ok=True)
    for path in made.glob("airflow.db*"):
        shutil.copy(path, home)
    written = (made / "airflow.cfg").read_text(encoding="utf-8")
    (home / "airflow.cfg").write_text(written.replace(str(made.with_name("airflow.making")), str(home)), "utf-8")
    return home / "airflow.db"


def _migrate(home: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    settings = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    migrate(kept | settings)
    # So readers do not hold up whoever writes: else a component can wait for minutes on a busy machine.
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)


def migrate(environment: dict[str, str]) -> None:
    """Run ``airflow db migrate``."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
