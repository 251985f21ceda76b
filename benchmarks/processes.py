"""Child processes and what is said to them: the server, the peers, the simulator with its counters."""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.child import ACCESS_KEY_ID, ACCESS_KEY_SECRET, INSTANCE_ID, Cost
from benchmarks.environment import ROOT, for_children
from benchmarks.peers import HTTP_CONNECTION

FIRST_CALLEE = 13_000_000_000


class ChildError(Exception):
    """A child process ended instead of answering; holds the end of what it wrote to standard error."""


class Child:
    """A process that answers lines with lines.

    :param command: a module of ours and its arguments.
    :param python: which interpreter.
    :param variables: environment variables.
    """

    def __init__(self, *command: str, python: str = sys.executable, **variables: str) -> None:
        self._name = " ".join(command[:2])
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the child is ended
        self._process = subprocess.Popen(
            [python, "-m", *command],
            cwd=ROOT,
            env=for_children(**variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def read(self) -> str:
        """Wait for a line."""
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip().splitlines()[-15:]
            raise ChildError(f"{self._name} ended with code {self._process.returncode}:\n" + "\n".join(last))
        return line.strip()

    def say(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):  # read() then tells why
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            assert stream is not None  # noqa: S101
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@dataclass(frozen=True)
class Server:
    """The fast server.

    :param ca: the file with its certificate, for https.
    """

    url: str
    ca: str | None

    def stats(self) -> dict[str, float]:
        """Return ``requests``, ``cpu_seconds`` and ``delayed`` (seconds, all requests together) so far."""
        tls = ssl.create_default_context(cafile=self.ca) if self.ca else None
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=tls)] if tls else [])
        )
        with opener.open(f"{self.url}/stats") as answer:
            found: dict[str, float] = json.load(answer)
        return found


@contextlib.contextmanager
def server(*, latency_ms: float = 0, tls: bool = False) -> Iterator[Server]:
    """Run the fast server."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--tls", folder] if tls else []
        child = Child("benchmarks.server", "--latency-ms", str(latency_ms), *options)
        try:
            address = f"127.0.0.1:{child.read()}"
            ca = str(Path(folder) / "certificate.pem") if tls else None
            yield Server(f"https://{address}" if tls else f"http://{address}", ca)
        finally:
            child.end()


class Peer:
    """A process that makes calls when it is told to.

    :param name: one of the module's peers.
    :param server: whom to call.
    :param python: which interpreter; ours by default.
    """

    def __init__(
        self,
        name: str,
        server: Server,
        *,
        module: str = "benchmarks.peers",
        python: str = sys.executable,
        concurrency: int = 64,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory()
        options = ["--url", server.url, "--concurrency", str(concurrency)]
        if server.ca:
            options += ["--ca", server.ca]
        variables = _airflow(server, Path(self._folder.name))
        self._child = Child(module, name, *options, python=python, **variables)
        self._ready = False

    def run(self, count: int, first: int = FIRST_CALLEE) -> Cost:
        """Resolve `count` callees and wait for it.

        :raises ChildError: if it fails, or does not resolve them all.
        """
        self.start(count, first)
        return self.wait()

    def start(self, count: int, first: int = FIRST_CALLEE) -> None:
        self.be_ready()
        self._count = count
        self._child.say(json.dumps({"first": first, "count": count}))

    def wait(self) -> Cost:
        cost = Cost(**json.loads(self._child.read()))
        if cost.resolved != self._count:
            raise ChildError(f"a peer resolved {cost.resolved} of {self._count} callees")
        return cost

    def be_ready(self) -> None:
        """Wait until everything is imported."""
        if not self._ready:
            self._child.read()
            self._ready = True

    def end(self) -> None:
        self._child.end()
        self._folder.cleanup()


def _airflow(server: Server, home: Path) -> dict[str, str]:
    """Describe an Airflow of the peer's own, with connections to the server."""
    tls: dict[str, Any] = {"verify": server.ca} if server.ca else {}
    shared = {"login": ACCESS_KEY_ID, "password": ACCESS_KEY_SECRET, "host": server.url}
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_CCC_DEFAULT": json.dumps(
            {"conn_type": "ccc", **shared, "extra": {"instance_id": INSTANCE_ID, **tls}}
        ),
        f"AIRFLOW_CONN_{HTTP_CONNECTION.upper()}": json.dumps({"conn_type": "http", **shared, "extra": tls}),
        "TMPDIR": str(home),
    }
