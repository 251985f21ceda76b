"""A campaign that two workers share: one of them lost on the way, and one quota for both."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.processes import Child
from benchmarks.quota import Try
from tests.system.distributed.cluster import FIRST_CALLEE, SLOTS, WORKERS, Cluster
from tests.system.distributed.services import skip_where_missing

skip_where_missing()

LOST = WORKERS[1]


@pytest.fixture
def service(cluster: Cluster) -> Iterator[None]:
    """A quota that has each batch last some ten seconds at least."""
    cluster.simulator.restart("--qps", "1500")
    yield
    cluster.simulator.restart()


@pytest.mark.usefixtures("service")
def test_50_000_callees_over_two_workers_one_of_which_is_killed(cluster: Cluster) -> None:
    callees = cluster.callees(50_000)
    cluster.trigger("many", callees, batch_size=5_000)
    cluster.wait_until(lambda: _amid_a_batch(cluster, "many"), f"{LOST} is amid a batch")
    cluster.kill(LOST)
    assert cluster.wait_for("many", 400) == "success"

    assert cluster.resolved("many") == Counter(callees)
    manifest = cluster.manifest("many")
    assert (manifest["resolved"], manifest["failed"], manifest["skipped"]) == (50_000, 0, 0)
    tries = cluster.tries("many")
    assert {each["hostname"] for each in tries if each["state"] == "success"} == set(WORKERS)
    lost = {each["map_index"] for each in tries if each["state"] != "success"}
    assert lost
    assert {each["hostname"] for each in tries if each["map_index"] in lost and each["state"] == "success"} == {
        WORKERS[0]
    }
    # What the lost worker had finished was not done again.
    assert "Resuming: earlier tries have finished" in cluster.log_of("many")
    assert cluster.tasks("many", "report")[0]["state"] == "success"


def _amid_a_batch(cluster: Cluster, run: str) -> bool:
    """Say whether the worker has finished a batch, and has some of the five parts of another one."""
    its = [each for each in cluster.tasks(run) if each["hostname"] == LOST]
    running = [each["map_index"] for each in its if each["state"] == "running"]
    parts = [cluster.parts(f"{run}/batch-{batch:05d}") for batch in running]
    return any(each["state"] == "success" for each in its) and any(0 < count < 4 for count in parts)


@pytest.mark.alone
def test_two_workers_share_one_quota(cluster: Cluster) -> None:
    qps, batch_size, settling = 400, 8_000, 15.0
    # A batch for each slot, so that all run at once; the simulator knows them by their callees' first digits.
    prefixes = [str(130 + number) for number in range(SLOTS * len(WORKERS))]
    callees = [number for prefix in prefixes for number in cluster.callees(batch_size, int(prefix) * 10**8)]
    assert int(callees[0]) == FIRST_CALLEE
    cluster.simulator.stop()
    counting = Child("benchmarks.counting_simulator", "--qps", str(qps), "--port", str(cluster.simulator.port))
    try:
        counting.read()
        cluster.trigger("quota", callees, batch_size=batch_size)
        assert cluster.wait_for("quota") == "success"
        counting.say("report")
        seen = _settled(qps, counting.read(), prefixes, settling)
    finally:
        counting.end()
        cluster.simulator.start()
    assert cluster.resolved("quota") == Counter(callees)

    assert seen.end - seen.begin >= 10, "the batches did not run at the same time for long enough"
    of_worker: dict[str, int] = defaultdict(int)
    for each in cluster.tasks("quota"):
        of_worker[each["hostname"]] += seen.count("accepted", prefixes[each["map_index"]])
    shares = {worker: count / seen.count("accepted") for worker, count in of_worker.items()}
    print(f"{seen.end - seen.begin:.0f} s settled: {seen.goodput:.3f} of the quota, shares {shares}")  # noqa: T201
    assert seen.goodput >= 0.95
    assert shares.keys() == set(WORKERS)
    assert max(shares.values()) <= 0.6


def _settled(qps: int, report: str, prefixes: list[str], settling: float) -> Try:
    """Cut out the time in which all batches have settled and none is at its end."""
    events: list[Any] = [(at, who, what) for at, who, what in json.loads(report) if who in prefixes]
    times = [[at for at, who, _ in events if who == prefix] for prefix in prefixes]
    begin = max(of_one[0] for of_one in times) + settling
    return Try(qps, events, begin, min(of_one[-1] for of_one in times) - 1.0)
