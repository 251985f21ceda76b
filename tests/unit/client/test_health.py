from __future__ import annotations

import logging

import pytest

from airflow_provider_ccc.client.errors import CccInstanceUnavailableError
from airflow_provider_ccc.client.health import Requirements, assess
from airflow_provider_ccc.client.models import Instance, InstanceNumber

NUMBERS = [
    InstanceNumber("01089767654", "Bidirection", True),
    InstanceNumber("2160664656", "Outbound", True),  # a lost zero
    InstanceNumber("4008123456", "Inbound", False),
]


def instance(status: str) -> Instance:
    return Instance(instance_id="i", name="n", status=status, request_id="R")


@pytest.mark.parametrize("status", ["Running", "RUNNING", "running", "Whatever", ""])
def test_ready(status):
    health = assess(instance(status), NUMBERS, Requirements(min_outbound_numbers=2, candidate_numbers=["02160664656"]))
    assert health.ready
    assert health.as_dict() == {
        "instance_id": "i",
        "name": "n",
        "status": status,
        "outbound_numbers": 2,
        "request_id": "R",
    }


@pytest.mark.parametrize("status", ["Creating", "CREATING", " creating ", "STOPPED"])
def test_not_yet_by_status(status):
    health = assess(instance(status), NUMBERS, Requirements())
    assert not health.ready
    assert status in health.missing


def test_not_yet_by_numbers():
    health = assess(instance("Running"), NUMBERS, Requirements(min_outbound_numbers=3))
    assert health.missing == "2 of its numbers may call out, 3 are needed"
    assert assess(instance("Running"), [], Requirements(min_outbound_numbers=0)).ready


def test_not_yet_by_candidates_names_them_shortened():
    health = assess(
        instance("Running"), NUMBERS, Requirements(candidate_numbers=["01089767654", "4008123456", "057112345678"])
    )
    assert health.missing == "these candidates may not call out: 400****3456, 057****5678"


@pytest.mark.parametrize("status", ["RELEASED", "Released"])
def test_never(status):
    with pytest.raises(CccInstanceUnavailableError) as caught:
        assess(instance(status), NUMBERS, Requirements())
    assert not caught.value.retryable
    assert caught.value.request_id == "R"


@pytest.mark.parametrize(("status", "logged"), [("Whatever", 1), ("Running", 0), ("Creating", 0)])
def test_an_unknown_status_is_logged(status, logged, caplog):
    with caplog.at_level(logging.INFO, logger="airflow_provider_ccc"):
        assess(instance(status), NUMBERS, Requirements())
    assert len(caplog.records) == logged
