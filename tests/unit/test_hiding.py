"""What Airflow shows of rendered fields, and what it does not."""

import json
import time

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_ccc.decorators.ccc import ccc_pick_task
from airflow_provider_ccc.hiding import Hidden, HidesNumbersMixin, reveal
from airflow_provider_ccc.hooks.ccc import CccHook
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator, CccPickOutboundNumbersOperator
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor
from tests.support import CALLEE, CANDIDATE


class TaskInstance:
    def __init__(self, task_id="pick"):
        self.task_id = task_id

    def xcom_push(self, **_):
        pass


@pytest.fixture
def secrets(monkeypatch):
    registered = []
    monkeypatch.setattr("airflow_provider_ccc.hiding.mask_secret", registered.append)
    return registered


def rendered(kind=CccPickOutboundNumbersOperator, **arguments):
    with DAG("d", schedule=None, render_template_as_native_obj=True) as dag:
        task = kind(task_id="pick", **arguments)
    task.render_template_fields({"many": many(1000)}, dag.get_template_env())
    return task


def many(count):
    return [f"0216066{number:04d}" for number in range(count)]


def test_a_single_number_is_a_secret_and_a_list_is_shown_by_its_length(secrets):
    task = rendered(callee_number="+86 138 0013 8000", candidate_numbers=[CANDIDATE, 13800138001])
    assert task.callee_number == "+86 138 0013 8000"
    assert set(secrets) == {"+86 138 0013 8000", "13800138000"}
    assert str(task.candidate_numbers) == "2 numbers"
    assert str(rendered(callee_number=CALLEE, candidate_numbers=(CANDIDATE,)).candidate_numbers) == "1 number"
    with pytest.raises(TypeError):
        json.dumps(task.candidate_numbers)  # which is why Airflow takes its text


@pytest.mark.parametrize("written", ["+1 415 555 0123", "1380013800O", f"{CANDIDATE},13800138001"])
def test_a_number_that_is_wrong_is_a_secret_too(secrets, written):
    rendered(callee_number=written, candidate_numbers=[written])
    assert set(secrets) == {written}


def test_integers_are_hidden_or_taken(secrets):
    assert rendered(callee_number=13800138000, candidate_numbers=[CANDIDATE]).callee_number == "13800138000"
    assert str(rendered(callee_number=1089767654, candidate_numbers=[CANDIDATE]).callee_number) == "***"
    assert secrets == ["13800138000"]


@pytest.mark.parametrize("value", [{"a": CANDIDATE}, {CANDIDATE}, iter([CANDIDATE]), 1089767654, object()])
def test_whatever_else_is_given_is_not_shown(secrets, value):
    task = rendered(callee_number=CALLEE, candidate_numbers=value)
    assert isinstance(task.candidate_numbers, Hidden)
    assert CANDIDATE not in str(task.candidate_numbers)


@pytest.mark.parametrize("kind", [CccInstanceHealthSensor, CccPickOutboundNumbersBatchOperator])
def test_registrations_do_not_grow_with_a_list(secrets, kind):
    more = {"callees": many(500), "output_path": "/o"} if kind is CccPickOutboundNumbersBatchOperator else {}
    task = rendered(kind, candidate_numbers="{{ many }}", **more)
    assert reveal(task.candidate_numbers) == many(1000)
    assert str(task.candidate_numbers) == "1000 numbers"
    assert secrets == []


def test_to_hide_a_list_costs_less_than_to_render_it(monkeypatch):
    """Airflow's masker is the real one: 1,000 candidates took it ten seconds once."""

    def seconds():
        begun = time.perf_counter()
        rendered(callee_number=CALLEE, candidate_numbers=many(1000))
        return time.perf_counter() - begun

    hidden, shown = [], []
    for _ in range(10):  # in turns, so that whatever else the machine does slows both down
        hidden.append(seconds())
        with monkeypatch.context() as patch:
            patch.delattr(HidesNumbersMixin, "_do_render_template_fields")
            shown.append(seconds())
    assert min(hidden) < 2 * min(shown)


TASKS = [
    (CccPickOutboundNumbersOperator, {"callee_number": CALLEE, "candidate_numbers": [CANDIDATE]}),
    (CccInstanceHealthSensor, {"candidate_numbers": [CANDIDATE]}),
    (CccPickOutboundNumbersBatchOperator, {"callees": [CALLEE], "output_path": "/o", "candidate_numbers": [CANDIDATE]}),
]


@pytest.fixture
def renamed(monkeypatch):
    """Play a release of Airflow that renders templates by a method of another name."""
    monkeypatch.delattr(HidesNumbersMixin, "_do_render_template_fields")
    monkeypatch.setattr(CccHook, "__init__", lambda *_: pytest.fail("the connection was used"))


@pytest.mark.usefixtures("renamed")
@pytest.mark.parametrize(("kind", "arguments"), TASKS)
def test_a_task_whose_numbers_are_shown_does_not_run(kind, arguments):
    task = rendered(kind, **arguments)
    with pytest.raises(AirflowFailException, match=r"cannot hide phone numbers from the UI of Airflow .* before any"):
        task.execute({"ti": TaskInstance()})


@pytest.mark.usefixtures("renamed")
def test_neither_does_the_function_of_a_task_nor_a_sensor_that_comes_back():
    with DAG("d", schedule=None):

        @ccc_pick_task(output_path="/o", candidate_numbers=[CANDIDATE])
        def tonight():
            pytest.fail("called")

        task = tonight().operator
    with pytest.raises(AirflowFailException, match="cannot hide phone numbers"):
        task.execute({"ti": TaskInstance(task.task_id)})
    sensor = rendered(CccInstanceHealthSensor, candidate_numbers=[CANDIDATE])
    with pytest.raises(AirflowFailException, match="cannot hide phone numbers"):
        sensor.execute_complete({"ti": TaskInstance()}, {})


@pytest.mark.usefixtures("secrets", "connection")
def test_an_operator_that_airflow_did_not_render_runs():
    """Within another task, or in a script: Airflow stores nothing of it."""
    task = CccPickOutboundNumbersOperator(task_id="pick", callee_number="x", candidate_numbers=[CANDIDATE])
    for context in ({}, {"ti": TaskInstance("another")}):
        with pytest.raises(AirflowFailException, match="callee_number: "):
            task.execute(context)


def test_the_templates_of_a_value_do_not_hide_what_is_not_rendered_yet(secrets):
    class Value:
        template_fields = ("text",)
        text = "{{ many[0] }}"

    with DAG("d", schedule=None, render_template_as_native_obj=True) as dag:
        task = CccPickOutboundNumbersOperator(task_id="pick", callee_number=Value(), candidate_numbers="{{ many }}")
    task.render_template_fields({"many": many(3)}, dag.get_template_env())
    assert reveal(task.candidate_numbers) == many(3)
