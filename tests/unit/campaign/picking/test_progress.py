from __future__ import annotations

import asyncio
import re

import pytest
from airflow.providers.common.compat.sdk import Stats

from airflow_provider_ccc.campaign.picking import progress as progress_module
from airflow_provider_ccc.campaign.picking.progress import Progress, duration


class Clock:
    """A clock that only the test moves."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Log:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str, *arguments: object) -> None:
        self.lines.append(text % arguments)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


@pytest.fixture
def sent(monkeypatch):
    """Collect the metrics."""
    sent: list[tuple] = []
    monkeypatch.setattr(Stats, "incr", lambda name, count, tags: sent.append((name, count, tags)), raising=False)
    monkeypatch.setattr(Stats, "timing", lambda name, value, tags: sent.append((name, value, tags)), raising=False)
    return sent


def test_lines_and_metrics(clock, sent):
    log = Log()
    progress = Progress(log, total=1000, done=400, tags={"dag_id": "d"})
    progress.done, progress.resolved, progress.failed = 500, 90, 10
    progress.calls, progress.answered, progress.throttled, progress.seconds_waited = 120, 100, 20, 5.0
    clock.now += 5
    progress.report()
    assert log.lines == [
        "500 of 1000 callees (50 %), 20/s now, 20/s overall; throttled 20 of 120 calls, failed 10; 25 s left"
    ]
    tags = {"dag_id": "d"}
    assert sent == [
        ("ccc.batch.resolved", 90, tags),
        ("ccc.batch.failed", 10, tags),
        ("ccc.batch.throttled", 20, tags),
        ("ccc.batch.latency", 50.0, tags),
    ]
    sent.clear()
    progress.done, progress.resolved, progress.answered, progress.seconds_waited = 800, 390, 400, 305.0
    clock.now += 5
    progress.report()
    assert "60/s now, 40/s overall" in log.lines[1]
    assert log.lines[1].endswith("; 5 s left")
    assert sent == [("ccc.batch.resolved", 300, tags), ("ccc.batch.latency", 1000.0, tags)]
    assert progress.seconds == 10


def test_before_anything_is_done(clock, sent):
    log = Log()
    Progress(log, total=0, done=0, tags={}).report()
    assert re.search(r"^0 of 0 callees \(0 %\), 0/s now, .*; time left unknown$", log.lines[0])
    assert sent == []


def test_it_reports_until_it_is_cancelled(monkeypatch, sent):
    monkeypatch.setattr(progress_module, "SECONDS", 0.0)
    log = Log()

    async def run() -> None:
        reports = asyncio.create_task(Progress(log, 1, 0, {}).report_regularly())
        while len(log.lines) < 3:  # noqa: ASYNC110 - the progress knows no event
            await asyncio.sleep(0)
        reports.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reports

    asyncio.run(run())
    assert len(log.lines) >= 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (90061, "25 h 1 min"),
    ],
)
def testdurations(seconds, text):
    assert duration(seconds) == text
