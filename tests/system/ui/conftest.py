"""A real Airflow, a simulator and a headless Chromium, one of each for all tests of the web UI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_ccc.simulator.server import RunningSimulator, SimulatorSettings, running
from tests.system.components import ROOT, RunningAirflow, running_airflow

IMAGES = ROOT / "docs" / "images"
CHROMIUM_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running(SimulatorSettings()) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    with running_airflow(tmp_path_factory.mktemp("ui") / "home") as airflow:
        yield airflow


# For the module, not for the session: as long as playwright runs, no other test can run an event loop in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, airflow: RunningAirflow, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page whose addresses are Airflow's; a failed test reports the ends of the components' logs."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE_MS)
    failed_before = request.session.testsfailed
    context = browser.new_context(
        base_url=airflow.url, viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    if request.session.testsfailed > failed_before:
        print(airflow.tails())  # noqa: T201 - pytest shows it with the failure
    context.close()


@pytest.fixture
def keep() -> Callable[..., None]:
    """Keep a picture in docs/images if CCC_SCREENSHOTS=1 asks for it; a plain test run writes nothing there."""

    def take(page: Any, name: str, *, full_page: bool = False) -> None:
        if os.environ.get("CCC_SCREENSHOTS") == "1":
            IMAGES.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(IMAGES / f"{name}.png"), animations="disabled", full_page=full_page)

    return take


@pytest.fixture
def screenshot(page: Any, keep: Callable[..., None]) -> Callable[[str], None]:
    """Do so with Airflow's page."""
    return lambda name: keep(page, name)
