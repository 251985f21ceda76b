"""Gives every test run an Airflow of its own."""

from __future__ import annotations

import json
import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

# Before anything imports Airflow: it reads its configuration when it is imported.
for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
_HOME = tempfile.TemporaryDirectory(prefix="ccc-tests-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] = "False"
# Tests talk to loopback only; a proxy of this machine must not come between, nor its certificates.
for _name in ("http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle", "curl_ca_bundle"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.upper(), None)

import hypothesis  # noqa: E402
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side (pytest-xdist), keep the tests of a file in one process, for they share what is slow to start."""
    for item in items:
        path = item.path.relative_to(Path(__file__).parent)
        together = path.parts[1] if path.parts[:2] == ("system", "distributed") else str(path)
        item.add_marker(pytest.mark.xdist_group(together))


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
