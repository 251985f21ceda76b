"""Gives every test run an Airflow of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

# Before anything imports Airflow: it reads its configuration when it is imported.
for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
_HOME = tempfile.TemporaryDirectory(prefix="ccc-tests-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME.name
# What takes long is made once for all workers of a run: tests/shared.py. The first process here gives the place.
if "CCC_TESTS_SHARED" not in os.environ:
    _SHARED = tempfile.TemporaryDirectory(prefix="ccc-tests-shared-")
    os.environ["CCC_TESTS_SHARED"] = _SHARED.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] = "False"
# Tests talk to loopback only; a proxy of this machine must not come between, nor its certificates.
for _name in ("http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle", "curl_ca_bundle"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.upper(), None)

import hypothesis  # noqa: E402
import psutil  # noqa: E402
import pytest  # noqa: E402

from tests.support import INSTANCE_ID  # noqa: E402
from tests.versions import DEPRECATIONS, IS_NEWEST, structlog_testing  # noqa: E402

# How long an example takes says nothing on a busy machine.
hypothesis.settings.register_profile("ccc", deadline=None)
hypothesis.settings.load_profile("ccc")


def pytest_configure(config: pytest.Config) -> None:
    """Let deprecations fail tests on the newest Airflow, and SIGTERM end a run as Ctrl-C does: with its fixtures.

    In pyproject.toml deprecations would be resolved before the lines above, and import an Airflow without a home of its
    own.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if IS_NEWEST:
        for line in DEPRECATIONS:
            config.addinivalue_line("filterwarnings", line)


# --- side by side -----------------------------------------------------------------------------------------------------

_DISTRIBUTED = "tests/system/distributed/test_"
#: The tests of a file go to one worker, for what they share. A distributed Airflow has both cores busy while it starts,
#: so no more than two run at a time: by the beginnings of their names, these tests go to one worker, those to another.
TOGETHER = {
    "clusters 1": (f"{_DISTRIBUTED}two_workers.py", f"{_DISTRIBUTED}faults.py::test_a_service"),
    "clusters 2": (f"{_DISTRIBUTED}faults.py", f"{_DISTRIBUTED}endings.py"),
}
#: What takes longest, to begin with it: groups, files, and folders.
LONGEST = (
    "clusters",
    "tests/system/test_deferred_sensors.py",
    "tests/system/test_documented_dags.py",
    "tests/system/test_cli.py",
    "tests/system/test_ended_by_airflow.py",
    "tests/system/ui/test_ui.py",
    "tests/system/test_airflow.py",
    "tests/system/test_campaign.py",
    "tests/system/ui",
    "tests/system",
)
_workers: list[Any] = []


def group_of(nodeid: str) -> str:
    together = (name for name, beginnings in TOGETHER.items() if nodeid.startswith(beginnings))
    return next(together, nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep groups together. (xdist's own marker for that has no effect with pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest.

    A worker gets its next group while the last tests of the one before run, so after the first groups, one for each
    worker, come some of the shortest: else a long one would wait behind another.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0"))
    if not workers:
        return
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group_of(item.nodeid), []).append(item)
    order = sorted(groups, key=lambda name: [not name.startswith(each) for each in LONGEST])
    if len(order) > 2 * workers:
        order = order[:workers] + order[-workers:] + order[workers:-workers]
    items[:] = [item for name in order for item in groups[name]]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodeready(node: Any) -> None:
    _workers.append(node)


def pytest_keyboard_interrupt() -> None:
    """Have each worker end its tests, with their fixtures; xdist gives them a few seconds, and then kills them."""
    if _workers:
        for process in psutil.Process().children():  # this one starts nothing else
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
    for worker in _workers:
        with contextlib.suppress(Exception):
            worker.channel.waitclose(60)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the connection ccc_default from its fields; call it again to change them."""

    def set_connection(**fields: Any) -> None:
        described = {
            "conn_type": "ccc",
            "login": "testid",
            "password": "testsecret",
            "extra": {"instance_id": INSTANCE_ID},
        } | fields
        monkeypatch.setenv("AIRFLOW_CONN_CCC_DEFAULT", json.dumps(described))

    set_connection()
    return set_connection


class Logs(logging.Handler):
    """Everything that was logged, through the standard library and through structlog, which Airflow 3's hooks use."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._records: list[tuple[str, str]] = []
        self.structured: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append((record.levelname.lower(), self.format(record)))

    @property
    def records(self) -> list[tuple[str, str]]:
        """Level and text of each record, tracebacks included."""
        return self._records + [(entry["log_level"], str(entry)) for entry in self.structured]

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.records)


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Capture every log record, those of loggers that do not propagate too."""
    handler = Logs()
    apart = [
        logger
        for logger in logging.Logger.manager.loggerDict.values()
        if isinstance(logger, logging.Logger) and not logger.propagate
    ]
    levels = {}
    for logger in (logging.getLogger(), logging.getLogger("airflow_provider_ccc"), *apart):
        levels[logger] = logger.level
        logger.setLevel(logging.DEBUG)
        if logger in apart or logger is logging.getLogger():
            logger.addHandler(handler)
    with ExitStack() as stack:
        if structlog_testing is not None:
            handler.structured = stack.enter_context(structlog_testing.capture_logs())
        yield handler
    for logger, level in levels.items():
        logger.setLevel(level)
        logger.removeHandler(handler)
