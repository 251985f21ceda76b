"""What a running campaign says of itself: a log line every few seconds, and Airflow's metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from airflow_provider_ccc.client.privacy import counted

SECONDS = 5.0


class Progress:
    """Counts what happens, and reports it.

    Metrics, through Airflow's ``Stats``: the counters ``ccc.batch.resolved``, ``ccc.batch.failed`` and
    ``ccc.batch.throttled``, and the timing ``ccc.batch.latency``, the mean of the calls since the report before.

    :param log: where the lines go.
    :param total: how many callees there are.
    :param done: how many of them earlier tries finished.
    :param tags: of the metrics.
    """

    def __init__(self, log: Any, total: int, done: int, tags: Mapping[str, str]) -> None:
        self.done = done
        self.resolved = 0
        self.failed = 0
        self.calls = 0
        self.answered = 0
        self.throttled = 0
        self.seconds_waited = 0.0
        self.log = log
        self._total = total
        self._done_before = done
        self._tags = dict(tags)
        self._begun = time.monotonic()
        self._reported = (self._begun, 0, 0, 0, 0, 0.0)

    @property
    def seconds(self) -> float:
        """How long this try has run."""
        return time.monotonic() - self._begun

    async def report_regularly(self) -> None:
        """Report every few seconds until cancelled."""
        while True:
            await asyncio.sleep(SECONDS)
            self.report()

    def report(self) -> None:
        """Log one line, and count on Airflow's metrics."""
        now = time.monotonic()
        before, resolved, failed, throttled, answered, waited = self._reported
        self._reported = (now, self.resolved, self.failed, self.throttled, self.answered, self.seconds_waited)
        here = self.done - self._done_before
        overall = here / max(now - self._begun, 1e-9)
        finished = self.resolved + self.failed - resolved - failed
        self.log.info(
            "%d of %d callees (%d %%), %.0f/s now, %.0f/s overall; throttled %d of %d calls, failed %d; %s",
            self.done,
            self._total,
            100 * self.done // max(self._total, 1),
            finished / max(now - before, 1e-9),
            overall,
            self.throttled,
            self.calls,
            self.failed,
            f"{duration((self._total - self.done) / overall)} left" if overall else "time left unknown",
        )
        from airflow_provider_ccc.compat import Stats

        for name, count in (
            ("resolved", self.resolved - resolved),
            ("failed", self.failed - failed),
            ("throttled", self.throttled - throttled),
        ):
            if count:
                Stats.incr(f"ccc.batch.{name}", count, tags=self._tags)
        if self.answered > answered:
            mean = (self.seconds_waited - waited) / (self.answered - answered)
            Stats.timing("ccc.batch.latency", mean * 1000, tags=self._tags)


def duration(seconds: float) -> str:
    """Write a time for people."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def outcome(manifest: Mapping[str, Any]) -> str:
    """Say in one line what came out of a campaign, and where it is."""
    pairs = manifest["pairs"]
    local = f", {100 * manifest['same_city'] // pairs} % with a caller of the same city" if pairs else ""
    return (
        f"{counted(manifest['callees'], 'callee')}: {manifest['resolved']} resolved, {manifest['failed']} failed,"
        f" {manifest['skipped']} skipped. {counted(pairs, 'pair')}{local}, in"
        f" {counted(len(manifest['parts']), 'file')} part-* with _manifest.json in {manifest['output_path']}"
    )
