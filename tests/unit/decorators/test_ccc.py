from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task

from airflow_provider_ccc.decorators.ccc import _CccPickDecoratedOperator
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.support import CANDIDATE

CALLEES = ["13800138000", "+86 21 6391 4848"]


@pytest.fixture
def simulator(connection):
    with running(SimulatorSettings()) as started:
        connection(host=started.url)
        yield started


def made(function, **parameters):
    """Make the task of a function, as a DAG does."""
    with DAG("d", schedule=None) as dag:
        task.ccc_pick(**parameters)(function)()
    (operator,) = dag.tasks
    return operator


def rows(tmp_path):
    return [json.loads(line) for line in (tmp_path / "part-00000.ndjson").read_text(encoding="utf-8").splitlines()]


def test_a_function_that_returns_callees(simulator, tmp_path):
    def tonight():
        return CALLEES

    operator = made(tonight, output_path=str(tmp_path), candidate_numbers=[CANDIDATE])
    assert isinstance(operator, _CccPickDecoratedOperator)
    assert operator.task_id == "tonight"
    assert "callees" not in operator.template_fields
    manifest = operator.execute({})
    assert (manifest["resolved"], manifest["failed"]) == (2, 0)
    assert [row["callee"]["number"] for row in rows(tmp_path)] == ["13800138000", "02163914848"]
    assert str(operator.callees) == "2 callees"


def test_a_function_that_returns_candidates_too(simulator, tmp_path):
    def tonight():
        return {"callees": CALLEES, "candidate_numbers": ["02160664656"]}

    assert made(tonight, output_path=str(tmp_path)).execute({})["resolved"] == 2
    assert {row["caller"]["number"] for row in rows(tmp_path)} == {"02160664656"}


def test_arguments_and_the_context_reach_the_function(simulator, tmp_path):
    def tonight(first, params=None):
        return [first, params["second"]]

    with DAG("d", schedule=None) as dag:
        task.ccc_pick(output_path=str(tmp_path), candidate_numbers=[CANDIDATE])(tonight)("13800138000")
    (operator,) = dag.tasks
    assert operator.execute({"params": {"second": "13800138001"}})["resolved"] == 2


def test_arguments_are_shown_without_numbers(simulator, tmp_path):
    def tonight(mobiles, *more, wave, rows, limit=None):
        assert (wave, rows, limit) == ("first", {"callee": "13800138001"}, 5)
        return [*mobiles, *more, rows["callee"]]

    with DAG("d", schedule=None) as dag:
        decorated = task.ccc_pick(output_path=str(tmp_path), candidate_numbers=[CANDIDATE])(tonight)
        decorated(["{{ number }}"], "02163914848", wave="{{ wave }}", rows={"callee": "13800138001"}, limit=5)
    (operator,) = dag.tasks
    for _ in range(2):
        operator.render_template_fields({"number": "13800138000", "wave": "first"})
        assert str(operator.op_args) == "[list of 1, 021****4848]"
        assert str(operator.op_kwargs) == "{'wave': first, 'rows': dict of 1, 'limit': 5}"
    assert operator.execute({"params": {}})["resolved"] == 3


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (None, "callees: the function returned nothing"),
        ("13800138000", "callees: is text but no path"),
        ({"callees": CALLEES, "candidates": []}, "returned a dictionary with candidates, and may return callees"),
        ([], "has no rows"),
    ],
)
def test_what_a_function_may_not_return(simulator, tmp_path, returned, says):
    def tonight():
        return returned

    operator = made(tonight, output_path=str(tmp_path), candidate_numbers=[CANDIDATE])
    with pytest.raises(AirflowFailException, match=says):
        operator.execute({})
    assert simulator.journal == []


def test_callees_are_the_functions_business():
    def tonight():
        return CALLEES

    with pytest.raises(TypeError, match="the decorated function returns the callees; do not give callees to"):
        made(tonight, callees=CALLEES, output_path="o")
