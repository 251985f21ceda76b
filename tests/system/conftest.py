"""Real HTTP: the simulator, and a connection that points at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_provider_ccc.simulator.server import RunningSimulator, SimulatorSettings, running


@pytest.fixture
def simulate(connection: Any) -> Iterator[Callable[..., RunningSimulator]]:
    """Start a simulator with the settings given, and point the connection ccc_default at it."""
    with ExitStack() as stack:

        def start(**settings: Any) -> RunningSimulator:
            simulator = stack.enter_context(running(SimulatorSettings(**settings)))
            connection(host=simulator.url)
            return simulator

        yield start
