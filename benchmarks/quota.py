"""How much of an account's quota campaigns get, and how they share it."""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.processes import Child, Peer, Server
from benchmarks.report import Part, Setting, Table

#: Callees of each campaign begin with digits of their own, by which the simulator's record tells them apart.
CLIENTS = ("130", "135")

Event = tuple[float, str, str]


@dataclass(frozen=True)
class Try:
    """What a simulator with a quota saw of one or more campaigns.

    :param qps: the quota.
    :param events: seconds, client, outcome.
    :param begin: of the window that counts, in the events' seconds: all campaigns have settled.
    :param end: of it: none of them is at its last callees yet.
    """

    qps: int
    events: Sequence[Event]
    begin: float
    end: float

    def count(self, outcome: str, client: str = "") -> int:
        """Count what happened within the window, of one client or of all."""
        return sum(
            self.begin <= seconds < self.end and outcome == what and who.startswith(client)
            for seconds, who, what in self.events
        )

    @property
    def goodput(self) -> float:
        return self.count("accepted") / (self.end - self.begin) / self.qps

    @property
    def throttled(self) -> float:
        return self.count("throttled") / (self.count("throttled") + self.count("accepted"))

    def larger_share(self) -> float:
        return max(self.count("accepted", client) for client in CLIENTS) / self.count("accepted")

    def series(self, outcome: str, client: str = "") -> str:
        """Write how often it happened in each second since the first request."""
        first = self.events[0][0]
        seconds = Counter(
            math.floor(at - first) for at, who, what in self.events if what == outcome and who.startswith(client)
        )
        return " ".join(str(seconds[second]) for second in range(math.floor(self.events[-1][0] - first) + 1))


def measure(setting: Setting, show: Callable[[Table], None]) -> Mapping[str, float]:
    # Callees for some 40 and 50 seconds: the one that gets less of the quota must not be alone at the end.
    qps, alone, each, settling = (100, 200, 150, 0.3) if setting.quick else (200, 8_000, 5_000, 10.0)
    one = attempt(qps, 1, alone, settling)
    two = attempt(qps, 2, each, settling)
    rows, notes = [], []
    for label, seen in (("one campaign", one), ("two at once", two)):
        share = f"{seen.larger_share():.3f}" if seen is two else ""
        window = f"{seen.end - seen.begin:.0f}"
        rows.append((label, window, f"{seen.goodput:.4f}", f"{seen.throttled:.4f}", share))
        notes += [f"Per second, {label}, {outcome}: {seen.series(outcome)}" for outcome in ("accepted", "throttled")]
    notes += [
        f"Per second, two at once, campaign {client}, accepted: {two.series('accepted', client)}" for client in CLIENTS
    ]
    notes.append(
        f"A simulator with `--qps {qps}`; the window begins {settling:g} s after the last campaign's first request and"
        " ends a second before the first campaign's last one. Throttled is of all requests."
    )
    columns = ("campaigns", "window s", "accepted of the quota", "throttled", "larger share")
    show(Table(f"A quota of {qps} requests per second", columns, rows, notes))
    return {
        "quota_goodput": one.goodput,
        "quota_throttled": one.throttled,
        "quota_two_together": two.goodput,
        "quota_two_larger_share": two.larger_share(),
    }


def attempt(qps: int, campaigns: int, callees: int, settling: float) -> Try:
    """Run campaigns at once against one simulator.

    :param qps: its quota.
    :param callees: of each campaign.
    :param settling: seconds that do not count.
    """
    with contextlib.ExitStack() as stack:
        simulator = Child("benchmarks.counting_simulator", "--qps", str(qps))
        stack.callback(simulator.end)
        at = Server(simulator.read(), None)
        peers = [Peer("batch", at, concurrency=64) for _ in range(campaigns)]
        for peer in peers:
            stack.callback(peer.end)
        for peer in peers:
            peer.be_ready()
        for peer, client in zip(peers, CLIENTS, strict=False):
            peer.start(callees, first=int(client) * 10**8)
        for peer in peers:
            peer.wait()
        simulator.say("report")
        events: list[Event] = [(at, who, what) for at, who, what in json.loads(simulator.read())]
    times = [[at for at, who, _ in events if who == client] for client in CLIENTS[:campaigns]]
    begin = max(of_client[0] for of_client in times) + settling
    end = min(of_client[-1] for of_client in times) - min(1.0, settling)
    if end <= begin:
        raise RuntimeError("the campaigns ended before they had settled")
    return Try(qps, events, begin, end)


QUOTA = Part("quota", ("quota_goodput", "quota_throttled", "quota_two_together", "quota_two_larger_share"), measure)
