"""The campaign operator's fields; whole campaigns are in tests/system."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.hiding import Hidden
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator
from airflow_provider_ccc.rendered import rendered_number
from tests.support import CALLEE, CANDIDATE

VALUES = {
    "callees": ["13800138000", {"callee": "13800138001", "id": 7}],
    "path": "/tmp/callees.csv",  # noqa: S108 - only rendered
    "candidates": [CANDIDATE, "+86 21 6066 4656"],
    "qps": "12.5",
    "failures": "0.01",
}
BASIC = {"callees": [CALLEE], "output_path": "out", "candidate_numbers": [CANDIDATE]}


def render(*, native: bool = False, **arguments) -> CccPickOutboundNumbersBatchOperator:
    with DAG("d", schedule=None, render_template_as_native_obj=native) as dag:
        operator = CccPickOutboundNumbersBatchOperator(task_id="pick", **BASIC | arguments)
    operator.render_template_fields({"v": VALUES, "ds": "2026-01-02"}, dag.get_template_env())
    return operator


def test_a_list_of_callees_is_shown_as_how_many():
    operator = render(native=True, callees="{{ v.callees }}")
    assert isinstance(operator.callees, Hidden)
    assert str(operator.callees) == repr(operator.callees) == "2 callees"
    assert operator.callees.value == VALUES["callees"]
    assert str(render(callees=["{{ v.candidates[0] }}"]).callees) == "1 callee"


@pytest.mark.parametrize("callees", ["{{ v.path }}", {"batch": 1, "path": "{{ v.path }}"}])
def test_a_path_and_a_range_are_shown_as_they_are(callees):
    expected = VALUES["path"] if isinstance(callees, str) else {"batch": 1, "path": VALUES["path"]}
    assert render(callees=callees).callees == expected


@pytest.mark.parametrize("callees", ["{{ v.callees }}", "{{ v.callees[0] }}", {"callee": "{{ v.callees[0] }}"}])
def test_numbers_where_no_list_is_are_not_shown_either(callees, connection, tmp_path):
    """Each is refused by name when the task runs; before, Airflow has stored what was rendered."""
    operator = render(callees=callees, output_path=str(tmp_path))
    assert isinstance(operator.callees, Hidden)
    assert "138****8000" in str(operator.callees)
    assert "1380013800" not in str(operator.callees)
    with pytest.raises(AirflowFailException, match="callees"):
        operator.execute({})


@pytest.mark.parametrize("native", [False, True])
def test_templates(native):
    operator = render(
        native=native,
        output_path="s3://bucket/{{ ds }}",
        count="{{ 2 }}",
        max_qps="{{ v.qps }}",
        max_failures="{{ v.failures }}",
        callee_column="{{ 'phone' }}",
        instance_id="{{ 'i' }}",
        ccc_conn_id="conn_{{ ds }}",
    )
    assert (operator.output_path, operator.callee_column) == ("s3://bucket/2026-01-02", "phone")
    assert (operator.instance_id, operator.ccc_conn_id) == ("i", "conn_2026-01-02")
    assert (str(operator.count), rendered_number(operator.max_qps)) == ("2", 12.5)
    assert rendered_number(operator.max_failures) == 0.01


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"on_stale_output": "ignore"}, "on_stale_output: must be 'fail', 'replace' or 'extend', not 'ignore'"),
        ({"part_size": 0}, "part_size: must be an integer of at least 1"),
        ({"part_size": 100_001}, "part_size: must be .* at most 100000"),
        ({"part_size": "100"}, "part_size: must be an integer"),
        ({"concurrency": 0}, "concurrency: must be an integer of at least 1"),
        ({"concurrency": 1001}, "concurrency: must be .* at most 1000"),
        ({"concurrency": True}, "concurrency: must be an integer"),
        ({"count": 0}, "count: must be an integer"),
        ({"count": "two"}, "count: must be an integer"),
        ({"max_qps": 0}, "max_qps: "),
        ({"max_qps": -1}, "max_qps: "),
        ({"max_qps": "fast"}, "max_qps: "),
        ({"max_qps": float("nan")}, "max_qps: "),
        ({"max_failures": -1}, "max_failures: "),
        ({"max_failures": "some"}, "max_failures: "),
        ({"output_format": "xml"}, "output_format: 'xml' is none of"),
        ({"output_path": ""}, "output_path: is no path"),
        ({"output_path": "nosuchscheme://bucket"}, "output_path: cannot be used"),
        ({"candidate_numbers": None}, "candidate_numbers: and skill_group_ids are both missing"),
        ({"skill_group_ids": ["g"]}, "both given"),
        ({"candidate_numbers": [CANDIDATE, CANDIDATE]}, "candidate_numbers: has 010"),
        ({"candidate_numbers": CANDIDATE}, "candidate_numbers: must be a list"),
        ({"callees": []}, "callees: "),
        ({"callees": None}, "callees: "),
        ({"callees": CALLEE}, "callees: "),
        ({"callees": {"batch": 1}}, "callees: "),
        ({"callees": [{"phone": CALLEE}]}, "callee_column: "),
        ({"callees": "nowhere.csv"}, "callees: "),
        ({"callees": "nowhere.docx"}, "callees_format: "),
        ({"instance_id": " "}, "instance_id: "),
    ],
)
def test_wrong_parameters_end_the_task_and_leave_nothing(connection, tmp_path, arguments, says):
    connection(host="http://127.0.0.1:9")  # nobody is asked
    out = tmp_path / "out"
    with pytest.raises(AirflowFailException, match=says) as caught:
        CccPickOutboundNumbersBatchOperator(task_id="pick", **BASIC | {"output_path": out} | arguments).execute({})
    assert isinstance(caught.value.__cause__, CccParameterError)
    assert CALLEE not in str(caught.value)
    assert CANDIDATE not in str(caught.value)
    assert not list(out.rglob("*"))


def test_mapped():
    with DAG("d", schedule=None):
        mapped = CccPickOutboundNumbersBatchOperator.partial(
            task_id="pick", output_path="out", candidate_numbers=[CANDIDATE]
        ).expand(callees=[{"batch": 0}, {"batch": 1}])
    assert mapped.operator_class is CccPickOutboundNumbersBatchOperator
    assert "callees" in mapped.template_fields
