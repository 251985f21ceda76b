"""When a campaign's callees were finished: counts by stretches of time, of which there are never many.

All that is counted can be added up: the timelines of parts make that of a task, and those of tasks that of a campaign
which several workers shared, however they overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

#: So many buckets are kept at most; with more, each covers twice the time.
MOST_BUCKETS = 256
#: Nothing for so many seconds is a pause, in which the campaign did not run: the service asks for a minute at most.
PAUSE = 120.0
#: What lasted less says nothing of a speed.
_LEAST = 0.2


@dataclass(frozen=True)
class Span:
    """What happened in a while.

    :param start: in seconds since 1970.
    :param seconds: how long it lasted.
    :param finished: callees.
    :param throttled: calls that were refused for the quota.
    :param allowed: calls that ``max_qps`` and the quota allowed; ``None`` where that is not known.
    """

    start: float
    seconds: float
    finished: int
    throttled: int
    allowed: float | None

    def joined(self, other: Span) -> Span:
        """Join it with the one that follows."""
        allowed = None if self.allowed is None or other.allowed is None else self.allowed + other.allowed
        return Span(
            self.start,
            self.seconds + other.seconds,
            self.finished + other.finished,
            self.throttled + other.throttled,
            allowed,
        )


class Timeline(msgspec.Struct):
    """Counts by buckets of time; bucket ``n`` begins ``n * width`` seconds after 1970.

    :param width: in seconds, a power of two.
    :param begun: when the first callee was finished, in seconds since 1970; ``ended`` the last. 0 if none was.
    :param finished: callees that the service was asked about; ``throttled`` the calls refused for the quota.
    :param allowed: how many calls ``max_qps`` and the quota allowed, as far as pacing found out.
    """

    width: int = 1
    begun: float = 0.0
    ended: float = 0.0
    finished: dict[int, int] = {}
    throttled: dict[int, int] = {}
    allowed: dict[int, float] = {}

    def finish(self, now: float) -> None:
        """Count a callee."""
        bucket = int(now) // self.width
        count = self.finished.get(bucket)
        if count is None:
            self.begun = self.begun or now
            self.finished[bucket] = 1
            self._bound()
        else:
            self.finished[bucket] = count + 1
        self.ended = now

    def throttle(self, now: float) -> None:
        """Count a call that was refused for the quota."""
        bucket = int(now) // self.width
        self.throttled[bucket] = self.throttled.get(bucket, 0) + 1
        self._bound()

    def allow(self, now: float, calls: float) -> None:
        """Count the calls that were allowed since this was counted last."""
        bucket = int(now) // self.width
        self.allowed[bucket] = self.allowed.get(bucket, 0.0) + calls
        self._bound()

    def add(self, other: Timeline) -> None:
        """Add another timeline to this one."""
        while self.width < other.width:
            self._coarsen()
        for ours, theirs in zip(self._counts(), other._counts(), strict=True):
            for bucket, count in theirs.items():
                wider = bucket * other.width // self.width
                ours[wider] = ours.get(wider, 0) + count
        self.begun = min(self.begun or other.begun, other.begun or self.begun)
        self.ended = max(self.ended, other.ended)
        self._bound()

    def runs(self, most: int) -> list[list[Span]]:
        """Cut it at its pauses.

        :param most: how many spans there may be in all; wider ones are then made.
        :returns: the runs, each without gaps.
        """
        wider = Timeline()
        wider.add(self)
        while True:
            runs = [wider._spans(first, last) for first, last in wider._stretches()]
            if sum(map(len, runs)) <= most:
                return runs
            wider._coarsen()

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Give the first and the last bucket between pauses."""
        first = last = None
        for bucket in sorted(self.finished):
            if first is None or last is None:
                first = bucket
            elif (bucket - last - 1) * self.width > PAUSE:
                yield first, last
                first = bucket
            last = bucket
        if first is not None and last is not None:
            yield first, last

    def _spans(self, first: int, last: int) -> list[Span]:
        # The quota was found out within the first of these, so that one does not have all of it.
        known = sorted(bucket for bucket in self.allowed if first <= bucket <= last)[1:]
        spans = []
        for bucket in range(first, last + 1):
            start = max(bucket * self.width, self.begun)
            seconds = max(min((bucket + 1) * self.width, self.ended) - start, _LEAST)
            finished, throttled = self.finished.get(bucket, 0), self.throttled.get(bucket, 0)
            spans.append(Span(start, seconds, finished, throttled, self.allowed[bucket] if bucket in known else None))
        # The campaign's first and last bucket are not filled, and a burst of a moment is no speed.
        if len(spans) > 2 and spans[0].seconds < self.width:
            spans[:2] = [spans[0].joined(spans[1])]
        if len(spans) > 2 and spans[-1].seconds < self.width:
            spans[-2:] = [spans[-2].joined(spans[-1])]
        return spans

    def _counts(self) -> tuple[dict[int, Any], ...]:
        return self.finished, self.throttled, self.allowed

    def _bound(self) -> None:
        while any(len(counts) > MOST_BUCKETS for counts in self._counts()):
            self._coarsen()

    def _coarsen(self) -> None:
        for counts in self._counts():
            before = dict(counts)
            counts.clear()
            for bucket, count in before.items():
                counts[bucket // 2] = counts.get(bucket // 2, 0) + count
        self.width *= 2
