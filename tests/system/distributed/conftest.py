"""One cluster for all tests of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.distributed.cluster import Cluster, running_cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster
