from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.models import DialNumberPair, PhoneNumber, PickedNumbers
from airflow_provider_ccc.hiding import reveal
from airflow_provider_ccc.hooks.ccc import CccHook
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersOperator
from tests.support import CALLEE, CANDIDATE

PAIR = DialNumberPair(PhoneNumber(CALLEE, "北京", "北京"), PhoneNumber(CANDIDATE, "北京", "北京"))
PICKED = PickedNumbers("R-1", (PAIR,))


class TaskInstance:
    """Takes XComs."""

    def __init__(self) -> None:
        self.pushed: dict[str, object] = {}

    def xcom_push(self, key: str, value: object) -> None:
        self.pushed[key] = value


@pytest.fixture
def calls(monkeypatch, connection):
    """Answer the hook's picks, and record how they were called."""
    made: list[tuple] = []

    def record(name):
        def pick(hook, *args, **kwargs):
            made.append((name, hook.ccc_conn_id, args, kwargs))
            return PICKED

        monkeypatch.setattr(CccHook, name, pick)

    record("pick_outbound_numbers")
    record("pick_global_outbound_numbers")
    return made


def execute(**arguments):
    instance = TaskInstance()
    operator = CccPickOutboundNumbersOperator(task_id="pick", **arguments)
    return operator.execute({"ti": instance}), instance.pushed


def test_by_candidates(calls):
    value, pushed = execute(callee_number=CALLEE, candidate_numbers=[CANDIDATE], instance_id="i", ccc_conn_id="c")
    assert value == [
        {
            "callee": {"number": CALLEE, "city": "北京", "province": "北京"},
            "caller": {"number": CANDIDATE, "city": "北京", "province": "北京"},
        }
    ]
    assert pushed == {"request_id": "R-1"}
    assert calls == [("pick_outbound_numbers", "c", (CALLEE, [CANDIDATE], 1, "i"), {})]


def test_by_skill_groups(calls):
    execute(callee_number=CALLEE, skill_group_ids=["g"], candidate_numbers="", count="2")
    assert calls == [("pick_global_outbound_numbers", "ccc_default", (CALLEE, ["g"], 2), {"instance_id": None})]


def test_without_xcom(calls):
    _, pushed = execute(callee_number=CALLEE, candidate_numbers=[CANDIDATE], do_xcom_push=False)
    assert pushed == {}


def test_fewer_pairs_than_asked_for_are_returned_with_a_warning(calls, logs):
    value, _ = execute(callee_number=CALLEE, candidate_numbers=[CANDIDATE], count=3)
    assert len(value) == 1
    warnings = [text for level, text in logs.records if level == "warning" and "count of 3" in text]
    assert len(warnings) == 1


def test_logs_show_numbers_shortened(calls, logs):
    execute(callee_number=CALLEE, candidate_numbers=[CANDIDATE])
    assert "165****6896" in logs.text
    assert CALLEE not in logs.text
    assert CANDIDATE not in logs.text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "candidate_numbers: and skill_group_ids are both missing"),
        ({"candidate_numbers": "", "skill_group_ids": None}, "both missing"),
        ({"candidate_numbers": [CANDIDATE], "skill_group_ids": ["g"]}, "both given"),
        ({"candidate_numbers": []}, "candidate_numbers: is an empty list"),
        ({"candidate_numbers": CANDIDATE}, "candidate_numbers: must be a list"),
        ({"candidate_numbers": [CANDIDATE, CANDIDATE]}, "candidate_numbers: has 010"),
        ({"candidate_numbers": [CANDIDATE], "count": 0}, "count: must be an integer"),
        ({"candidate_numbers": [CANDIDATE], "count": "two"}, "count: must be an integer"),
        ({"candidate_numbers": [CANDIDATE], "callee_number": " "}, "callee_number: is empty"),
        ({"skill_group_ids": "g"}, "skill_group_ids: must be a list"),
    ],
)
def test_wrong_parameters_end_the_task(connection, arguments, says):
    with pytest.raises(AirflowFailException, match=says) as caught:
        execute(**{"callee_number": CALLEE} | arguments)
    assert isinstance(caught.value.__cause__, errors.CccParameterError)


def test_a_missing_instance_ends_the_task(connection):
    connection(extra={})
    with pytest.raises(AirflowFailException, match="instance_id: is not given"):
        execute(callee_number=CALLEE, candidate_numbers=[CANDIDATE])


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (errors.CccThrottledError("m"), errors.CccThrottledError),
        (errors.CccInstanceCreatingError("m"), errors.CccInstanceCreatingError),
        (errors.CccCredentialsError("m", code="SignatureDoesNotMatch"), AirflowFailException),
        (errors.CccNotFoundError("m"), AirflowFailException),
    ],
)
def test_only_what_may_succeed_later_is_left_to_airflows_retries(monkeypatch, connection, error, raised):
    def pick(*args, **kwargs):
        raise error

    monkeypatch.setattr(CccHook, "pick_outbound_numbers", pick)
    with pytest.raises(raised) as caught:
        execute(callee_number=CALLEE, candidate_numbers=[CANDIDATE])
    assert type(caught.value) is raised
    assert str(caught.value) == str(error)


def render(**arguments) -> CccPickOutboundNumbersOperator:
    native = arguments.pop("native", False)
    with DAG("d", schedule=None, render_template_as_native_obj=native) as dag:
        operator = CccPickOutboundNumbersOperator(task_id="pick", **arguments)
    values = {"callee": "13800138000", "candidates": [CANDIDATE, "+86 21 6066 4656"], "count": 2, "id": "i"}
    operator.render_template_fields({"v": values}, dag.get_template_env())
    return operator


TEMPLATED = {
    "callee_number": "{{ v.callee }}",
    "candidate_numbers": ["{{ v.candidates[0] }}", "{{ v.candidates[1] }}"],
    "count": "{{ v.count }}",
    "instance_id": "{{ v.id }}",
    "ccc_conn_id": "conn_{{ v.id }}",
}


@pytest.mark.parametrize("native", [False, True])
def test_templates(native):
    operator = render(native=native, **TEMPLATED)
    assert operator.callee_number == "13800138000"  # native rendering makes an integer of it
    assert reveal(operator.candidate_numbers) == [CANDIDATE, "+86 21 6066 4656"]
    assert str(operator.count) == "2"
    assert (operator.instance_id, operator.ccc_conn_id) == ("i", "conn_i")


def test_a_template_that_makes_a_list_needs_native_rendering():
    operator = render(native=True, **TEMPLATED | {"candidate_numbers": "{{ v.candidates }}"})
    assert reveal(operator.candidate_numbers) == [CANDIDATE, "+86 21 6066 4656"]


def test_mapped():
    with DAG("d", schedule=None):
        mapped = CccPickOutboundNumbersOperator.partial(task_id="pick", candidate_numbers=[CANDIDATE]).expand(
            callee_number=[CALLEE, "13800138000"]
        )
    assert mapped.operator_class is CccPickOutboundNumbersOperator
    assert "callee_number" in mapped.template_fields
