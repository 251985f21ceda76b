"""Running a simulator: in the foreground for the command line, in a thread for tests.

Tests write::

    with running(SimulatorSettings(qps=5)) as simulator:
        requests.get(simulator.url, params=...)
        assert [record.code for record in simulator.journal] == ["OK"]
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

from airflow_provider_ccc.simulator import instances
from airflow_provider_ccc.simulator.app import JournalRecord, Simulator, build, outermost
from airflow_provider_ccc.simulator.regions import region_of
from airflow_provider_ccc.simulator.settings import SimulatorSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from starlette.types import ASGIApp

    from airflow_provider_ccc.simulator.sts import Sts

__all__ = ["JournalRecord", "RunningSimulator", "SimulatorSettings", "running", "serve"]

#: A long keep-alive, so that a client's pooled connection is not closed under the request it is just sending.
KEEP_ALIVE = 75


class RunningSimulator:
    """A simulator that accepts connections.

    :param url: where, without a slash at the end.
    :param simulator: what is served there.
    """

    def __init__(self, url: str, simulator: Simulator) -> None:
        self.url = url
        self._simulator = simulator

    @property
    def journal(self) -> list[JournalRecord]:
        """The requests that arrived, oldest first, as of now."""
        return list(self._simulator.journal)

    @property
    def sts(self) -> Sts:
        """The service that gives out temporary keys: ``simulator.sts.issued`` tells how many."""
        return self._simulator.sts

    def expire_keys(self) -> None:
        """Let all temporary keys that were given out expire now."""
        self._simulator.keys.expire()


@contextlib.contextmanager
def running(
    settings: SimulatorSettings | None = None, wrap: Callable[[ASGIApp], ASGIApp] | None = None
) -> Iterator[RunningSimulator]:
    """Run a simulator in a thread of its own, over real HTTP, and stop it at the end.

    :param settings: its settings; the default ones have it pick a free port.
    :param wrap: takes the ASGI application and gives one to run in its place, to watch or change what passes.
    """
    settings = settings or SimulatorSettings()
    listener, url = _listen(settings)
    simulator = Simulator(settings, instances.load(settings.instance))
    started = threading.Event()
    server = _Server(simulator, wrap, on_started=started.set)
    # A daemon: a server that does not stop is reported below, and must not keep the process as well.
    thread = threading.Thread(target=server.run, args=([listener],), name="ccc-simulator", daemon=True)
    thread.start()
    try:
        while not started.wait(0.05):
            if not thread.is_alive():
                raise RuntimeError("The simulator did not start; its thread's error was printed above.")
        yield RunningSimulator(url, simulator)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
    if thread.is_alive():
        raise RuntimeError("The simulator did not stop within 10 seconds.")


def serve(settings: SimulatorSettings, on_started: Callable[[str], None]) -> None:
    """Run a simulator here until SIGTERM or SIGINT.

    :param settings: its settings.
    :param on_started: called with the URL once connections are accepted.
    :raises OSError: the address cannot be listened on.
    :raises instances.DescriptionError: the instance description cannot be used.
    """
    account = instances.load(settings.instance)
    listener, url = _listen(settings)
    server = _Server(Simulator(settings, account), None, on_started=lambda: on_started(url))
    server.run([listener])


def _listen(settings: SimulatorSettings) -> tuple[socket.socket, str]:
    """Bind before anything else starts, so that a port that is taken is known at once, and a picked one too."""
    resolved = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    listener = socket.create_server(resolved[4], family=resolved[0], backlog=2048)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return listener, f"http://{host}:{listener.getsockname()[1]}"


class _Server(uvicorn.Server):
    """uvicorn, with our own ends: it tells when it accepts connections, and a signal ends it without an error.

    :param simulator: what to serve.
    :param wrap: see :func:`running`.
    :param on_started: called once, in the server's thread.
    """

    def __init__(
        self,
        simulator: Simulator,
        wrap: Callable[[ASGIApp], ASGIApp] | None,
        on_started: Callable[[], None],
    ) -> None:
        app: ASGIApp = build(simulator)
        config = uvicorn.Config(
            outermost(wrap(app) if wrap else app),
            lifespan="off",
            ws="none",
            # No log of requests, as URLs may hold phone numbers; and none of broken connections, which are made here
            # on purpose. The application reports its own mistakes itself.
            access_log=False,
            log_config=None,
            log_level="critical",
            date_header=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._simulator = simulator
        self._on_started = on_started
        region_of("02160664656")  # loads the numbering plan, which is not the first request's to pay

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send what is still waiting to be sent, then stop."""
        self._simulator.stopping.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT as a wish to end. uvicorn's own version dies of them once it has stopped."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread can have signal handlers
            return

        def stop(_number: int, _frame: FrameType | None) -> None:
            self.should_exit = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
