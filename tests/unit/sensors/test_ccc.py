from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.models import Instance, InstanceNumber
from airflow_provider_ccc.client.operations import GetInstanceState, ListPhoneNumbers
from airflow_provider_ccc.hooks.ccc import CccHook
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor
from tests.support import CANDIDATE, INSTANCE_ID

NUMBERS = [InstanceNumber(CANDIDATE, "Bidirection", True)]


@pytest.fixture
def service(monkeypatch, connection):
    """Answer GetInstance by what is in the list, one at a time, and ListPhoneNumbers always."""
    outcomes: list[object] = []

    def call(hook, operation):
        if isinstance(operation, ListPhoneNumbers):
            return NUMBERS
        if isinstance(operation, GetInstanceState):
            return {"Ready": 2, "OnCall": 5}
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return Instance(instance_id=operation.instance_id, name="n", status=outcome, request_id="R")

    monkeypatch.setattr(CccHook, "call", call)
    return outcomes


def sensor(**arguments) -> CccInstanceHealthSensor:
    return CccInstanceHealthSensor(task_id="ready", poke_interval=0, timeout=5, **arguments)


SEEN = {"instance_id": INSTANCE_ID, "name": "n", "status": "Running", "outbound_numbers": 1, "request_id": "R"}


def test_ready(service):
    service.append("Running")
    assert sensor(candidate_numbers=["010-8976-7654"]).execute({}) == SEEN


def test_ready_by_its_agents(service):
    service.append("Running")
    assert sensor(min_ready_agents=2).execute({}) == {**SEEN, "ready_agents": 2}


def test_waits_until_ready(service):
    service += [
        "Creating",
        errors.CccInstanceCreatingError("m"),
        errors.CccThrottledError("m"),
        errors.CccConnectionError("m"),
        "Running",
    ]
    assert sensor().execute({}) == SEEN
    assert service == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"candidate_numbers": ["02160664656"]},
        {"min_outbound_numbers": 2},
        {"min_outbound_numbers": "2"},
        {"min_ready_agents": 3},
        {"min_ready_agents": "3"},
    ],
)
def test_waits_for_numbers_and_agents(service, arguments):
    service.append("Running")
    result = sensor(**arguments).poke({})
    assert not result
    assert result.xcom_value is None


@pytest.mark.parametrize(
    "outcome",
    [
        errors.CccNotFoundError("m", code="NotExist.Instance"),
        errors.CccInstanceUnavailableError("m"),
        errors.CccCredentialsError("m"),
        errors.CccPermissionError("m"),
        "RELEASED",
    ],
)
def test_never_fails_at_once(service, outcome):
    service += [outcome, "Running"]
    with pytest.raises(AirflowFailException) as caught:
        sensor().execute({})
    assert isinstance(caught.value.__cause__, errors.CccError)
    assert service == ["Running"]


def test_never_with_soft_fail_skips(service):
    service.append(errors.CccNotFoundError("m"))
    with pytest.raises(AirflowSkipException):
        sensor(soft_fail=True).execute({})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"candidate_numbers": CANDIDATE}, "candidate_numbers: must be a list"),
        ({"candidate_numbers": []}, "candidate_numbers: is an empty list"),
        ({"min_outbound_numbers": -1}, "min_outbound_numbers: must be an integer of at least 0"),
        ({"min_outbound_numbers": "x"}, "min_outbound_numbers: must be an integer of at least 0"),
        ({"min_ready_agents": -1}, "min_ready_agents: must be an integer of at least 0"),
    ],
)
def test_wrong_parameters_fail_at_once(service, arguments, says):
    with pytest.raises(AirflowFailException, match=says):
        sensor(**arguments).execute({})


def test_logs_show_numbers_shortened(service, logs):
    service.append("Running")
    sensor(candidate_numbers=["02160664656"]).poke({})
    assert "021****4656" in logs.text
    assert "02160664656" not in logs.text


def test_modes_and_templates():
    assert sensor(mode="reschedule").reschedule
    assert set(CccInstanceHealthSensor.template_fields) == {
        *("instance_id", "candidate_numbers", "min_outbound_numbers", "min_ready_agents", "ccc_conn_id"),
    }
