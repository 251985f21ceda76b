"""Peak resident memory of the batch operator, at 10,000 and at 1,000,000 callees: each in a fresh process."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.child import Cost
from benchmarks.processes import Peer, Server, server
from benchmarks.report import Part, Setting, Table


def measure(setting: Setting, show: Callable[[Table], None]) -> Mapping[str, float]:
    few, many = (200, 2_000) if setting.quick else (10_000, 1_000_000)
    with server() as at:
        costs = {count: _cost(at, count) for count in (few, many)}
    rows = [
        (f"{count:,}", f"{cost.peak_rss_kib / 1024:.1f}", f"{count / cost.seconds:.0f}", f"{cost.seconds:.1f}")
        for count, cost in costs.items()
    ]
    notes = [
        "From a CSV file to part files of 1000 callees, 64 in flight; the process has done nothing else, and Airflow"
        " is part of it."
    ]
    show(Table("Peak memory", ("callees", "peak RSS MiB", "calls/s", "seconds"), rows, notes))
    return {"rss_1m_over_10k": costs[many].peak_rss_kib / costs[few].peak_rss_kib}


def _cost(at: Server, count: int) -> Cost:
    peer = Peer("batch", at)
    try:
        return peer.run(count)
    finally:
        peer.end()


MEMORY = Part("memory", ("rss_1m_over_10k",), measure)
