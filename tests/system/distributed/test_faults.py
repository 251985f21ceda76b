"""What a campaign withstands. That a worker is killed is in test_two_workers.py."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_ccc.simulator import instances
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.system.distributed.cluster import Cluster, numbers
from tests.system.distributed.services import Service, skip_where_missing

skip_where_missing()

CALLEES, BATCH = 4_500, 500
DEFAULT_INSTANCE = Path(instances.__file__).with_name("default_instance.json")


def begin(cluster: Cluster, run: str) -> list[str]:
    """Start a campaign, and wait until some of its batches are complete, some are running, and some still wait.

    :returns: its callees.
    """
    callees = cluster.callees(CALLEES)
    cluster.trigger(run, callees, batch_size=BATCH)

    def is_under_way() -> bool:
        states = [each["state"] for each in cluster.tasks(run)]
        return cluster.parts(run) > 0 and states.count("running") > 1

    cluster.wait_until(is_under_way, f"{run} is under way")
    assert_under_way(cluster, run)
    return callees


def assert_under_way(cluster: Cluster, run: str) -> None:
    assert 0 < cluster.parts(run) < CALLEES / BATCH


def assert_complete(cluster: Cluster, run: str, callees: list[str]) -> None:
    assert cluster.resolved(run) == Counter(callees)
    manifest = cluster.manifest(run)
    assert (manifest["resolved"], manifest["failed"], manifest["skipped"]) == (len(callees), 0, 0)


@pytest.mark.usefixtures("slow_service")
@pytest.mark.parametrize(("service", "seconds"), [("redis", 5), ("postgresql", 5), ("simulator", 30)])
def test_a_service_is_down_and_comes_back(cluster: Cluster, service: str, seconds: float) -> None:
    callees = begin(cluster, service)
    which: Service = getattr(cluster, service)
    which.stop()
    time.sleep(seconds)
    assert_under_way(cluster, service)
    which.start()
    assert cluster.wait_for(service) == "success"
    assert_complete(cluster, service, callees)


def test_the_triggerer_is_killed_while_a_sensor_is_deferred(cluster: Cluster, tmp_path: Path) -> None:
    callees = cluster.callees(100)
    run = "deferred"
    description = json.loads(DEFAULT_INSTANCE.read_text(encoding="utf-8"))
    description["instances"][0]["status"] = "Creating"
    creating = tmp_path / "creating.json"
    creating.write_text(json.dumps(description), encoding="utf-8")
    cluster.simulator.restart("--instance", str(creating))
    try:
        cluster.trigger(run, callees, batch_size=50)
        cluster.wait_until(
            lambda: cluster.tasks(run, "instance_ready")[0]["state"] == "deferred", "the sensor is deferred"
        )
        assert cluster.tasks(run, "own_numbers")[0]["state"] is None  # nobody is asked before
        cluster.kill("triggerer")
    finally:
        cluster.simulator.restart()
    cluster.start("triggerer")
    assert cluster.wait_for(run) == "success"
    assert_complete(cluster, run, callees)


@pytest.mark.usefixtures("slow_service")
def test_the_object_store_refuses_writes_for_20_seconds(cluster: Cluster) -> None:
    callees = begin(cluster, "store")
    cluster.store.refuse_writes(True)
    time.sleep(20)
    refused = cluster.store.refuse_writes(False)
    assert cluster.wait_for("store") == "success"
    assert refused > 0
    assert_complete(cluster, "store", callees)


def mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)  # noqa: S607


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is soon full."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk))
    if done.returncode and os.environ.get("CCC_REQUIRE_ALL") != "1":
        pytest.skip(f"a full disk is not tested: nothing can be mounted here ({done.stderr.strip()})")
    assert done.returncode == 0, done.stderr
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607


def test_the_disk_under_a_local_output_path_is_full(cluster: Cluster, small_disk: Path) -> None:
    callees = cluster.callees(4_000)
    cluster.trigger("disk", callees, batch_size=2_000, output=str(small_disk))
    assert cluster.wait_for("disk") == "failed"
    assert "No space left on device" in cluster.log_of("disk")
    assert mount("-o", "remount,size=64m", str(small_disk)).returncode == 0
    cluster.clear("disk")
    assert cluster.wait_for("disk") == "success"
    assert numbers(path.read_bytes() for path in small_disk.glob("disk/batch-*/part-*.ndjson")) == Counter(callees)


def test_the_clock_is_20_minutes_off(cluster: Cluster) -> None:
    callees = cluster.callees(1_000)
    cluster.simulator.stop()
    try:
        with running(SimulatorSettings(port=cluster.simulator.port, clock=lambda: time.time() + 1200)) as ahead:
            cluster.trigger("clock", callees, batch_size=250)
            assert cluster.wait_for("clock") == "success"
            refused = [record.code for record in ahead.journal if record.code == "InvalidTimeStamp.Expired"]
    finally:
        cluster.simulator.start()
    assert refused
    assert_complete(cluster, "clock", callees)
