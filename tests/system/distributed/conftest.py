"""One cluster for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.distributed.cluster import WORKERS, Cluster, running_cluster


# For the module, not for the session: it takes what other tests need.
@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster, whole again after each test; one that failed reports the ends of the logs."""
    failed_before = request.session.testsfailed
    yield running
    if request.session.testsfailed > failed_before:
        print(running.airflow.tails())  # noqa: T201 - pytest shows it with the failure
    for worker in WORKERS:
        if worker not in running.airflow.processes:
            running.start(worker)


@pytest.fixture
def slow_service(cluster: Cluster) -> Iterator[None]:
    """Have campaigns last long enough for something to happen to them."""
    cluster.simulator.restart("--qps", "250")
    yield
    cluster.simulator.restart()
