"""Services with quotas, and senders that keep to a pacer, in virtual time: nothing here sleeps."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_ccc.client.pacing import Pacer


class Quota(Protocol):
    """Whether a call that arrives at a time is accepted. ``qps`` can be set while it runs."""

    qps: float

    def take(self, now: float) -> bool: ...


class SlidingWindow:
    """At most so many accepted calls in any one second, like the simulator."""

    def __init__(self, qps: float) -> None:
        self.qps = qps
        self._accepted: deque[float] = deque()

    def take(self, now: float) -> bool:
        while self._accepted and self._accepted[0] <= now - 1:
            self._accepted.popleft()
        if len(self._accepted) >= self.qps:
            return False
        self._accepted.append(now)
        return True


class FixedWindows:
    """At most so many accepted calls in each second of a clock."""

    def __init__(self, qps: float) -> None:
        self.qps = qps
        self._second = -1
        self._accepted = 0

    def take(self, now: float) -> bool:
        second = int(now + 0.37)
        if second != self._second:
            self._second, self._accepted = second, 0
        self._accepted += 1
        return self._accepted <= self.qps


class TokenBucket:
    """So many tokens come in per second, and at most ``burst`` are kept."""

    def __init__(self, qps: float, burst: float) -> None:
        self.qps = qps
        self._burst = self._tokens = burst
        self._at = 0.0

    def take(self, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self.qps)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Unlimited:
    qps = float("inf")

    def take(self, now: float) -> bool:
        return True


@dataclass
class Sender:
    """One task: has always more to send, but for its idle times.

    :param latency: seconds to the service and back, without jitter.
    :param window: how many of its calls are in flight at most.
    :param starts: when it begins.
    :param idle: from when to when it has nothing to send.
    """

    pacer: Pacer = field(default_factory=Pacer)
    latency: float = 0.01
    window: int = 1000
    starts: float = 0.0
    idle: tuple[float, float] = (0.0, 0.0)
    sent: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)
    in_flight: int = 0
    asleep: bool = False


def simulate(
    quota: Quota,
    senders: Sequence[Sender],
    until: float,
    *,
    seed: int = 0,
    jitter: float = 0.002,
    retry_after: float | None = None,
    events: Sequence[tuple[float, Callable[[], None]]] = (),
) -> None:
    """Let senders call a service.

    :param until: for how many seconds.
    :param seed: of everything random.
    :param jitter: by how much each way of a call takes longer, and each timer fires later, at most.
    :param retry_after: what throttled answers ask for.
    :param events: what else happens when.
    """
    random.seed(seed)
    order = itertools.count()
    agenda: list[tuple[float, int, Callable[[float], None]]] = []

    def at(when: float, what: Callable[[float], None]) -> None:
        heapq.heappush(agenda, (when, next(order), what))

    def send(sender: Sender, now: float) -> None:
        while not sender.asleep and sender.in_flight < sender.window:
            delay = sender.pacer.delay(now)
            if sender.idle[0] <= now < sender.idle[1]:
                delay = sender.idle[1] - now
            if delay > 0:
                sender.asleep = True
                at(now + delay + jitter * random.random(), lambda now: wake(sender, now))
                return
            sender.pacer.sent(now)
            sender.sent.append(now)
            sender.in_flight += 1
            at(now + sender.latency / 2 + jitter * random.random(), lambda now: arrive(sender, now))

    def wake(sender: Sender, now: float) -> None:
        sender.asleep = False
        send(sender, now)

    def arrive(sender: Sender, now: float) -> None:
        accepted = quota.take(now)
        at(now + sender.latency / 2 + jitter * random.random(), lambda now: answer(sender, accepted, now))

    def answer(sender: Sender, accepted: bool, now: float) -> None:
        sender.in_flight -= 1
        if accepted:
            sender.pacer.succeeded(now)
            sender.accepted.append(now)
        else:
            sender.pacer.throttled(now, retry_after)
            sender.throttled.append(now)
        send(sender, now)

    for sender in senders:
        at(sender.starts, lambda now, sender=sender: send(sender, now))
    for when, what in events:
        at(when, lambda _now, what=what: what())
    while agenda[0][0] < until:
        now, _, what = heapq.heappop(agenda)
        what(now)


@dataclass(frozen=True)
class Outcome:
    """What came of a stretch of time.

    :param goodput: accepted calls per second.
    :param throttled: the throttled share of all answers.
    :param shares: each sender's share of the accepted calls.
    """

    goodput: float
    throttled: float
    shares: list[float]


def outcome(senders: Sequence[Sender], since: float, until: float) -> Outcome:
    """Sum up what senders had answered from `since` to `until`."""
    accepted = [sum(since <= at < until for at in sender.accepted) for sender in senders]
    throttled = sum(since <= at < until for sender in senders for at in sender.throttled)
    total = sum(accepted)
    return Outcome(total / (until - since), throttled / (total + throttled), [one / total for one in accepted])
