"""Calls per second and CPU time per call: the batch operator, and what else could make the calls, in turns."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_ccc.hooks.transfer import USER_AGENT
from benchmarks.child import Cost
from benchmarks.processes import Peer, Server, server
from benchmarks.report import Part, Setting, Table

THREADS = (8, 16, 64)
#: How long a run takes, in seconds; and one of the batch operator and of bare aiohttp, which without latency is then a
#: campaign of about 100,000 callees: what it costs to begin one counts as much as it does in life.
RUN, CAMPAIGN = 2.5, 7.0
NEWER, OLDER = "alibabacloud-ccc20170705", "aliyun-python-sdk-ccc"


@dataclass(frozen=True)
class Kind:
    """A peer, as the tables show it.

    :param name: as its module calls it.
    :param sdk: whether it runs in the official SDKs' environment.
    :param concurrency: calls in flight, or the numbers of threads of which the fastest is taken.
    :param used: how it is used, for the reader.
    """

    name: str
    label: str
    used: str
    sdk: bool = False
    concurrency: Sequence[int] = (1,)

    def start(self, at: Server, setting: Setting, concurrency: int) -> Peer:
        if not self.sdk:
            return Peer(self.name, at, concurrency=concurrency)
        assert setting.sdk is not None  # noqa: S101 - chosen() leaves these out otherwise
        return Peer(self.name, at, module="benchmarks.sdk_peers", python=setting.sdk, concurrency=concurrency)


BATCH = Kind(
    "batch",
    "batch operator",
    "CSV file in, part files out, 64 in flight; everything inside `execute` is measured: reading, signing, calling, "
    "decoding, pacing with its gentle start, writing. Connections are opened anew in each run",
    concurrency=(64,),
)
BARE = Kind(
    "bare-aiohttp",
    "bare aiohttp",
    "one session, 64 workers on uvloop, as the batch operator's loop; the same ready bytes sent each time with "
    "`async with session.post(...)`, the answer read and dropped. Its connections are open before the run",
    concurrency=(64,),
)
NEW = [
    Kind("new-sequential", f"{NEWER}, sequential", "one client, `pick_outbound_numbers` in a loop", True),
    Kind(
        "new-threads",
        f"{NEWER}, threads",
        "one client for all threads, which is documented as safe; its connection pool (`max_idle_conns`) as large as "
        "there are threads",
        True,
        THREADS,
    ),
    Kind(
        "new-asyncio",
        f"{NEWER}, asyncio",
        "`pick_outbound_numbers_async`, 64 in flight; the SDK opens a session, a connection and, with TLS, a context "
        "for each call by itself",
        True,
        (64,),
    ),
]
HTTP_HOOK = Kind(
    "http-hook",
    "HttpHook",
    "one hook with a connection, `hook.run` for each call, which makes a session for each call and keeps its adapter "
    "and thereby its connection; signed by hand through its auth type",
)
KINDS = [
    BATCH,
    BARE,
    Kind("hook", "CccHook, single calls", "one hook, `pick_outbound_numbers` in a loop over its one session"),
    *NEW,
    Kind("old-sequential", f"{OLDER}, sequential", "one `AcsClient` in a loop; it has no asyncio", True),
    Kind(
        "old-threads",
        f"{OLDER}, threads",
        "one `AcsClient` with `pool_size` as many as there are threads",
        True,
        THREADS,
    ),
    Kind("requests", "requests, signed by hand", "one `requests.Session`, the signature by the standard library"),
    HTTP_HOOK,
]


@dataclass(frozen=True)
class Case:
    """Under which circumstances the peers run."""

    latency_ms: int
    tls: bool
    rounds: int

    def __str__(self) -> str:
        return f"{'TLS' if self.tls else 'Plain HTTP'}, {self.latency_ms} ms latency"


#: The ratios of results.json are those of the first, which therefore runs more often.
CASES = [Case(0, False, 5), Case(20, False, 3), Case(0, True, 3), Case(20, True, 3)]


@dataclass(eq=False)
class Contestant:
    """A peer that runs, and what its runs have cost.

    :param calls: in each run, so that it takes some seconds.
    """

    kind: Kind
    concurrency: int
    peer: Peer
    calls: int = 1
    costs: list[Cost] = field(default_factory=list)
    server_cpu: list[float] = field(default_factory=list)  # seconds per call

    @property
    def label(self) -> str:
        return f"{self.kind.label} ({self.concurrency})" if self.concurrency > 1 else self.kind.label

    @property
    def rates(self) -> list[float]:
        return [cost.resolved / cost.seconds for cost in self.costs]

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def cpu_us(self) -> float:
        return statistics.median(cost.cpu_seconds / cost.resolved for cost in self.costs) * 1e6

    def warm_up(self, seconds: float) -> float:
        """Make some calls, until it is known how many take `seconds`; sets ``calls``.

        :returns: calls per second.
        """
        self.peer.run(self.concurrency)
        if self.kind is BATCH:
            return 0.0  # it makes as many as bare aiohttp, and its gentle start would make this long
        calls = 2 * self.concurrency
        while (cost := self.peer.run(calls)).seconds < seconds / 8:
            calls *= 4
        rate = calls / cost.seconds
        self.calls = max(self.concurrency, round(rate * seconds))
        return rate

    def run(self, at: Server) -> None:
        before = at.stats()
        cost = self.peer.run(self.calls)
        after = at.stats()
        if after["requests"] - before["requests"] < self.calls:
            raise RuntimeError(f"{self.label} made fewer calls than it resolved callees")
        self.costs.append(cost)
        self.server_cpu.append((after["cpu_seconds"] - before["cpu_seconds"]) / self.calls)


def ratio(one: Contestant, other: Contestant) -> float:
    """Compare their calls per second, round by round."""
    return statistics.median(a / b for a, b in zip(one.rates, other.rates, strict=True))


@contextlib.contextmanager
def contest(
    kinds: Sequence[Kind], at: Server, setting: Setting, seconds: float
) -> Iterator[tuple[list[Contestant], list[str]]]:
    """Start the peers, warm them up, and let each with several numbers of threads keep the fastest.

    :param seconds: how long a run shall take.
    :returns: them, and what the numbers of threads did.
    """
    with contextlib.ExitStack() as stack:
        candidates = []
        for kind in kinds:
            for concurrency in kind.concurrency:
                peer = kind.start(at, setting, concurrency)
                stack.callback(peer.end)
                candidates.append(Contestant(kind, concurrency, peer))
        rates = {candidate: candidate.warm_up(seconds) for candidate in candidates}
        contestants, trials = [], []
        for kind in kinds:
            of_kind = [candidate for candidate in candidates if candidate.kind is kind]
            contestants.append(max(of_kind, key=lambda candidate: rates[candidate]))
            if len(of_kind) > 1:
                tried = ", ".join(f"{candidate.concurrency}: {rates[candidate]:.0f}/s" for candidate in of_kind)
                trials.append(f"Numbers of threads tried, {kind.label}: {tried}.")
        alike = [contestant for contestant in contestants if contestant.kind in (BATCH, BARE)]
        campaign = round(max(other.calls for other in alike) * (CAMPAIGN / RUN))
        for contestant in alike:
            contestant.calls = campaign
        yield contestants, trials


def rounds(contestants: Sequence[Contestant], at: Server, number: int) -> None:
    """Let everybody run once in each round, each time in the other direction: what disturbs, disturbs all alike."""
    for place in range(number):
        for contestant in contestants[:: -1 if place % 2 else 1]:
            contestant.run(at)


def measure(setting: Setting, show: Callable[[Table], None]) -> Mapping[str, float | str]:
    kinds = [kind for kind in KINDS if setting.sdk or not kind.sdk]
    missing = [] if setting.sdk else [f"The official SDKs are missing: {setting.why_no_sdk}."]
    keys: dict[str, float | str] = {"transport": USER_AGENT.split()[-1].partition("/")[0]}
    for case in [Case(0, False, 1), Case(0, True, 1)] if setting.quick else CASES:
        with (
            server(latency_ms=case.latency_ms, tls=case.tls) as at,
            contest(kinds, at, setting, seconds=0.1 if setting.quick else RUN) as (contestants, trials),
        ):
            rounds(contestants, at, case.rounds)
            show(_table(str(case), contestants, [*missing, *trials]))
            if not case.latency_ms:
                keys |= _ratios(case, contestants, at, setting)
    show(Table("How each was used", (), (), [f"- **{kind.label}**: {kind.used}." for kind in kinds]))
    return keys


def _ratios(case: Case, all_: Sequence[Contestant], at: Server, setting: Setting) -> dict[str, float]:
    by_kind = {contestant.kind: contestant for contestant in all_}
    batch, bare = by_kind[BATCH], by_kind[BARE]
    keys = {}
    if not case.tls:
        keys["batch_vs_httphook"] = ratio(batch, by_kind[HTTP_HOOK])
        sdk = [by_kind[kind] for kind in NEW if kind in by_kind]
        if sdk:
            keys["batch_vs_sdk_best"] = ratio(batch, max(sdk, key=lambda contestant: contestant.rate))
    # These two are close together, so they run side by side for some more rounds.
    rounds((batch, bare), at, 1 if setting.quick else 8)
    return keys | {f"{'tls_' if case.tls else ''}batch_vs_bare_aiohttp": ratio(batch, bare)}


def _table(title: str, all_: Sequence[Contestant], notes: Sequence[str]) -> Table:
    batch = next(contestant for contestant in all_ if contestant.kind is BATCH)
    rows = []
    for contestant in all_:
        spread = f"{min(contestant.rates):.0f}-{max(contestant.rates):.0f}"
        server_us = statistics.median(contestant.server_cpu) * 1e6
        figures = (f"{contestant.rate:.0f}", spread, f"{contestant.cpu_us:.0f}", f"{server_us:.0f}")
        rows.append((contestant.label, *figures, f"{ratio(batch, contestant):.2f}", str(contestant.calls)))
    columns = (
        "peer (in flight)",
        "calls/s",
        "spread",
        "CPU us/call",
        "server CPU us/call",
        "batch is x times",
        "calls/run",
    )
    return Table(title, columns, rows, notes)


def measure_latency(setting: Setting, show: Callable[[Table], None]) -> Mapping[str, float]:
    """Compare with the most that 128 calls in flight can be at 20 ms each."""
    in_flight, latency = 128, 0.02
    most = in_flight / latency
    with server(latency_ms=latency * 1000) as at, contextlib.ExitStack() as stack:
        contestants = []
        for kind in (BATCH, BARE):
            peer = kind.start(at, setting, in_flight)
            stack.callback(peer.end)
            contestants.append(Contestant(kind, in_flight, peer, 2 * in_flight))
            peer.run(in_flight)
        before = at.stats()
        for contestant in contestants:
            contestant.calls = 2 * in_flight if setting.quick else 100_000
        rounds(contestants, at, 1 if setting.quick else 3)
        after = at.stats()
    delay = 1000 * (after["delayed"] - before["delayed"]) / (after["requests"] - before["requests"])
    rows = [
        (
            contestant.label,
            f"{contestant.rate:.0f}",
            f"{contestant.rate / most:.3f}",
            f"{contestant.cpu_us:.0f}",
            str(contestant.calls),
        )
        for contestant in contestants
    ]
    note = (
        f"The server held answers back for {delay:.2f} ms in the mean; bare aiohttp is what it and the machine permit."
    )
    columns = ("peer (in flight)", "calls/s", f"of {most:.0f}", "CPU us/call", "calls/run")
    show(Table("128 in flight at 20 ms", columns, rows, [note]))
    return {"latency20_fraction": contestants[0].rate / most}


SPEED = Part(
    "speed",
    ("transport", "batch_vs_bare_aiohttp", "tls_batch_vs_bare_aiohttp", "batch_vs_sdk_best", "batch_vs_httphook"),
    measure,
)
LATENCY = Part("latency", ("latency20_fraction",), measure_latency)
