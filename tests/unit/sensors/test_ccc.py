from __future__ import annotations

import inspect
import time

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
    conf,
)

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.models import Instance, InstanceNumber
from airflow_provider_ccc.client.operations_2017 import GetInstanceState, ListPhoneNumbers
from airflow_provider_ccc.client.retry import RetryPolicy
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


# --- deferral -------------------------------------------------------------------------------------------------------


def deferred(**arguments) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        sensor(deferrable=True, **arguments).execute({})
    return caught.value


def test_a_ready_instance_is_not_deferred_for(service):
    service.append("Running")
    assert sensor(deferrable=True, candidate_numbers=[CANDIDATE]).execute({}) == SEEN


def test_what_it_defers_to(service):
    service.append("Creating")
    request = deferred(candidate_numbers=[CANDIDATE], instance_id="i", min_ready_agents=1)
    path, arguments = request.trigger.serialize()
    assert path == "airflow_provider_ccc.triggers.ccc.CccInstanceHealthTrigger"
    assert arguments == {
        "ccc_conn_id": "ccc_default",
        "instance_id": "i",
        "min_outbound_numbers": 1,
        "min_ready_agents": 1,
        "poke_interval": 0.0,
        "first_wait": 0,
        "until": pytest.approx(time.time() + 5, abs=1),
    }
    assert request.method_name == "execute_complete"
    # The trigger's own time is up first, and it says why.
    assert request.timeout.total_seconds() == pytest.approx(5 + 30, abs=1)


@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
def test_what_is_skipped_without_deferral_is_skipped_with_it(service, flag):
    for deferrable in (False, True):
        service.append(errors.CccNotFoundError("m"))
        with pytest.raises(AirflowSkipException):
            sensor(deferrable=deferrable, **{flag: True}).execute({})


def test_the_default_is_airflows(service, monkeypatch):
    assert sensor().deferrable is False
    default = inspect.signature(CccInstanceHealthSensor.__init__).parameters["deferrable"].default
    assert default is conf.getboolean("operators", "default_deferrable", fallback=False)


def test_a_ready_event(service):
    event = {"status": "ready", "seen": SEEN}
    assert sensor(deferrable=True).execute_complete({}, event) == SEEN
    assert service == []


def test_a_ready_event_is_checked_for_candidates(service):
    event = {"status": "ready", "seen": SEEN}
    until = time.time() + 60
    service += ["Running", "Running"]
    one = sensor(deferrable=True, candidate_numbers=[CANDIDATE])
    assert one.execute_complete({}, event, until=until) == SEEN
    one.candidate_numbers = ["02160664656"]
    with pytest.raises(TaskDeferred) as caught:
        one.execute_complete({}, event, until=until)
    assert caught.value.kwargs == {"until": until}
    assert caught.value.timeout.total_seconds() == pytest.approx(60 + 30, abs=2)


def test_its_time_is_up_however_often_it_defers(service):
    service.append("Running")
    one = sensor(deferrable=True, candidate_numbers=["02160664656"])
    with pytest.raises(AirflowSensorTimeout, match="did not become ready within 5 s"):
        one.execute_complete({}, {"status": "ready", "seen": SEEN}, until=time.time() - 1)


def test_a_failed_event_ends_the_task_without_a_retry():
    event = {"status": "failed", "code": "NotExist.Instance", "message": "is not there", "request_id": "R1"}
    with pytest.raises(AirflowFailException, match=r"^NotExist\.Instance: is not there \(RequestId R1\)$"):
        sensor(deferrable=True).execute_complete({}, event)
    with pytest.raises(AirflowSkipException):
        sensor(deferrable=True, soft_fail=True).resume_execution("execute_complete", {"event": event}, {})


@pytest.mark.parametrize(
    "event",
    [
        None,
        "ready",
        [],
        {},
        {"status": "success"},
        {"status": "ready"},
        {"status": "ready", "seen": {}},
        {"seen": SEEN},
    ],
)
def test_any_other_event_fails_loudly(event):
    with pytest.raises(ValueError, match="the trigger fired with"):
        sensor(deferrable=True).execute_complete({}, event)


def test_a_start_from_the_trigger():
    one = sensor(deferrable=True, start_from_trigger=True, instance_id="i", min_outbound_numbers=3)
    assert one.start_from_trigger is True
    started = one.start_trigger_args
    assert started.trigger_kwargs == {
        "ccc_conn_id": "ccc_default",
        "instance_id": "i",
        "min_outbound_numbers": 3,
        "min_ready_agents": 0,
        "poke_interval": 0.0,
    }
    assert (started.next_method, started.timeout.total_seconds()) == ("execute_complete", 5)


def test_mapped_it_starts_on_a_worker_where_what_is_mapped_is_known():
    """Airflow would start each of them from the class's arguments: with the connection's own instance."""
    with DAG("mapped", schedule=None):
        mapped = CccInstanceHealthSensor.partial(task_id="ready", deferrable=True, start_from_trigger=True)
        assert mapped.expand(instance_id=["one", "two"]).start_trigger_args is None


@pytest.mark.parametrize(
    "arguments", [{"candidate_numbers": [CANDIDATE]}, {"deferrable": False}, {"start_from_trigger": False}]
)
def test_no_start_from_the_trigger(arguments):
    one = sensor(**{"deferrable": True, "start_from_trigger": True, **arguments})
    assert one.start_from_trigger is False


@pytest.mark.parametrize("renders", [True, False])
def test_templates_and_a_start_from_the_trigger(monkeypatch, renders):
    monkeypatch.setattr("airflow_provider_ccc.compat.RENDERS_TRIGGER_ARGUMENTS", renders)
    one = sensor(deferrable=True, start_from_trigger=True, instance_id="{{ params.instance }}")
    assert one.start_from_trigger is renders


@pytest.mark.parametrize(("flag", "raised"), [({}, AirflowSensorTimeout), ({"soft_fail": True}, AirflowSkipException)])
def test_a_trigger_whose_time_was_up_says_what_was_missing(flag, raised):
    event = {"status": "timed_out", "reason": "its status is Creating"}
    with pytest.raises(raised, match=r"did not become ready within 5 s. Last seen: its status is Creating"):
        sensor(deferrable=True, **flag).execute_complete({}, event, until=time.time())


def test_its_hook_gives_up_soon():
    """Each look would otherwise take a minute when nobody answers, whatever the sensor's timeout."""
    assert sensor().hook.retry == RetryPolicy(attempts=3, seconds=5.0)
