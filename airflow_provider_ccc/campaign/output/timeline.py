"""When a campaign's callees were finished: counts by stretches of time, of which there are never many.

All that is counted can be added up: the timelines of parts make that of a task, and those of tasks that of a campaign
which several workers shared, however they overlap.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
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


#: How one bucket is made of two.
_JOINED: dict[str, Callable[[Any, Any], Any]] = {
    "finished": operator.add,
    "since": min,
    "until": max,
    "throttled": operator.add,
    "allowed": operator.add,
}


class Timeline(msgspec.Struct):
    """Counts by buckets of time; bucket ``n`` begins ``n * width`` seconds after 1970.

    :param width: in seconds, a power of two.
    :param finished: callees that the service was asked about.
    :param since: when the first of these was finished, in seconds since 1970; ``until`` the last.
    :param throttled: calls that were refused for the quota.
    :param allowed: how many calls ``max_qps`` and the quota allowed, as far as pacing found out.
    """

    width: int = 1
    finished: dict[int, int] = {}
    since: dict[int, float] = {}
    until: dict[int, float] = {}
    throttled: dict[int, int] = {}
    allowed: dict[int, float] = {}

    def finish(self, now: float) -> None:
        """Count a callee."""
        bucket = int(now) // self.width
        count = self.finished.get(bucket, 0)
        self.finished[bucket] = count + 1
        self.until[bucket] = now
        if not count:
            self.since[bucket] = now
            self._bound()

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
        for name, join in _JOINED.items():
            ours = getattr(self, name)
            for bucket, theirs in getattr(other, name).items():
                wider = bucket * other.width // self.width
                ours[wider] = join(ours[wider], theirs) if wider in ours else theirs
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
        """Give the first and the last bucket between pauses; a campaign that is throttled all the while has none."""
        first = last = None
        reached = 0.0
        for bucket in sorted(self.finished.keys() | self.throttled.keys()):
            if bucket not in self.finished:
                if bucket * self.width - reached <= PAUSE:
                    reached = (bucket + 1.0) * self.width
                continue
            if first is None or last is None:
                first = bucket
            elif self.since[bucket] - reached > PAUSE:
                yield first, last
                first = bucket
            last, reached = bucket, self.until[bucket]
        if first is not None and last is not None:
            yield first, last

    def _spans(self, first: int, last: int) -> list[Span]:
        # The quota was found out within the first of these, so that one does not have all of it.
        known = sorted(bucket for bucket in self.allowed if first <= bucket <= last)[1:]
        spans = []
        for bucket in range(first, last + 1):
            # The first and the last bucket are not filled.
            start = self.since[first] if bucket == first else bucket * self.width
            end = self.until[last] if bucket == last else (bucket + 1) * self.width
            seconds = max(end - start, _LEAST)
            finished, throttled = self.finished.get(bucket, 0), self.throttled.get(bucket, 0)
            spans.append(Span(start, seconds, finished, throttled, self.allowed[bucket] if bucket in known else None))
        # A burst of a moment is no speed.
        if len(spans) > 2 and spans[0].seconds < self.width:
            spans[:2] = [spans[0].joined(spans[1])]
        if len(spans) > 2 and spans[-1].seconds < self.width:
            spans[-2:] = [spans[-2].joined(spans[-1])]
        return spans

    def _bound(self) -> None:
        while any(len(getattr(self, name)) > MOST_BUCKETS for name in _JOINED):
            self._coarsen()

    def _coarsen(self) -> None:
        wider = Timeline(2 * self.width)
        wider.add(self)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(wider, name))
