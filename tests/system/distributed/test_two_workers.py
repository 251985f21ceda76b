"""A campaign that two workers share."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.system.distributed.cluster import WORKERS


def test_both_workers_share_a_campaign(cluster: Any) -> None:
    callees = cluster.callees(8_000)
    cluster.trigger("shared", callees, batch_size=1_000)
    assert cluster.wait_for("shared") == "success", cluster.airflow.tails()
    assert cluster.resolved("shared") == Counter(callees)
    assert {each["hostname"] for each in cluster.tasks("shared")} == set(WORKERS)
