from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ccc import compat
from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.hooks.ccc import CccHook
from airflow_provider_ccc.links import ccc as links
from airflow_provider_ccc.links.ccc import CccConsoleLink, CccErrorCenterLink, console_url, report_url
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator, CccPickOutboundNumbersOperator
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from airflow_provider_ccc.tasks import CONSOLE_URL, ERROR_CODE
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID

GROUP = "3f3ceb0d-d6b6-4c97-af20-f3daf04f90e0"


@pytest.fixture(params=[True, False], ids=["links by the task", "links by the web server"])
def context(request, monkeypatch):
    """A task's context, in which it notes what the links lead to: on the operator, or in XCom."""
    xcoms: dict[str, object] = {}
    monkeypatch.setattr(compat, "TASKS_MAKE_LINKS", request.param)
    monkeypatch.setattr(links.XCom, "get_value", lambda *, key, ti_key: xcoms.get(key))
    ti = SimpleNamespace(xcom_push=lambda key, value: xcoms.__setitem__(key, value), task=SimpleNamespace())
    return {"ti": ti}


@pytest.fixture
def shown(context):
    return lambda link: link.get_link(context["ti"].task, ti_key=None)


@pytest.fixture
def simulator():
    with running(SimulatorSettings()) as started:
        yield started


def test_a_task_that_noted_nothing_has_no_links(shown):
    assert [shown(CccConsoleLink()), shown(CccErrorCenterLink())] == ["", ""]


@pytest.mark.parametrize(
    ("described", "url"),
    [
        ("ccc.aliyun.com/workbench/111", "https://ccc.aliyun.com/workbench/111"),
        ("https://ccc-v2.aliyun.com/#/workbench/ccc-test", "https://ccc-v2.aliyun.com/#/workbench/ccc-test"),
        ("", ""),
        ("javascript://alert(1)", ""),
        ("https://", ""),
    ],
)
def test_the_consoles_address(described, url):
    assert console_url(described) == url


def test_the_sensor_knows_the_instances_page(simulator, connection, context, shown):
    connection(host=simulator.url)
    CccInstanceHealthSensor(task_id="s", poke_interval=0, timeout=1).execute(context)
    assert shown(CccConsoleLink()) == "https://ccc.aliyun.com/workbench/ccc-demo"
    assert shown(CccErrorCenterLink()) == ""


def test_so_does_an_event(context, shown):
    seen = {"instance_id": "i"}
    event = {"status": "ready", "seen": seen, "console_url": "ccc.aliyun.com/workbench/x"}
    CccInstanceHealthSensor(task_id="s", deferrable=True).execute_complete(context, event)
    assert shown(CccConsoleLink()) == "https://ccc.aliyun.com/workbench/x"
    event = {"status": "failed", "code": "NotExist.Instance", "message": "m", "request_id": "R"}
    with pytest.raises(AirflowFailException):
        CccInstanceHealthSensor(task_id="s", deferrable=True).execute_complete(context, event)
    assert shown(CccErrorCenterLink()).endswith("Keyword=NotExist.Instance&source=PopGw")


@pytest.mark.parametrize(
    ("version", "instance_id", "url"),
    [
        ("2020-07-01", "ccc-demo", "https://ccc-v2.aliyun.com/#/workbench/ccc-demo"),
        ("2017-07-05", INSTANCE_ID, ""),  # only the instance itself could tell
    ],
)
def test_operators_know_it_where_it_follows_from_the_id(
    simulator, connection, context, shown, tmp_path, version, instance_id, url
):
    connection(host=simulator.url, extra={"instance_id": instance_id, "api_version": version})
    CccPickOutboundNumbersOperator(task_id="p", callee_number=CALLEE, skill_group_ids=[GROUP]).execute(context)
    assert shown(CccConsoleLink()) == url
    CccPickOutboundNumbersBatchOperator(
        task_id="b", callees=[CALLEE], output_path=str(tmp_path), skill_group_ids=[GROUP]
    ).execute(context)
    assert shown(CccConsoleLink()) == url


def test_a_failed_calls_code(simulator, connection, context, shown):
    connection(host=simulator.url, extra={"instance_id": "nowhere"})
    with pytest.raises(AirflowFailException):
        CccPickOutboundNumbersOperator(task_id="p", callee_number=CALLEE, candidate_numbers=[CANDIDATE]).execute(
            context
        )
    assert shown(CccErrorCenterLink()) == (
        "https://error-center.aliyun.com/status/search?Keyword=NotExist.Instance&source=PopGw"
    )


def test_the_error_center_knows_nothing_of_what_is_found_here(connection, context, shown):
    with pytest.raises(AirflowFailException, match="InvalidArgument"):
        CccPickOutboundNumbersOperator(task_id="p", callee_number="x", candidate_numbers=[CANDIDATE]).execute(context)
    assert shown(CccErrorCenterLink()) == ""


@pytest.mark.parametrize(("by_the_task", "problem"), [(True, "AttributeError"), (False, "RuntimeError")])
def test_a_note_that_cannot_be_made_hides_nothing(monkeypatch, connection, logs, by_the_task, problem):
    def refuse(**_):
        raise RuntimeError("no XCom")

    def fail(hook, operation):
        raise errors.CccNotFoundError("m", code="NotExist.Instance", http_status=404, request_id="R")

    monkeypatch.setattr(compat, "TASKS_MAKE_LINKS", by_the_task)
    monkeypatch.setattr(CccHook, "call", fail)
    operator = CccPickOutboundNumbersOperator(task_id="p", callee_number=CALLEE, candidate_numbers=[CANDIDATE])
    with pytest.raises(AirflowFailException, match=r"NotExist\.Instance"):
        operator.execute({"ti": SimpleNamespace(xcom_push=refuse)})
    assert f"Cannot note {ERROR_CODE} for the task's links: {problem}" in logs.text
    assert CONSOLE_URL not in logs.text


@pytest.mark.parametrize(
    ("report", "output_url", "below", "link"),
    [
        (True, "https://files.example.com/c/", "", "https://files.example.com/c/report.html"),
        (True, "http://files:8000", "batch-00001", "http://files:8000/batch-00001/report.html"),
        (False, "https://files.example.com/c", "", ""),
        (True, None, "", ""),
        (True, "", "", ""),  # what a template renders nothing to
    ],
)
def test_where_the_report_is_served(report, output_url, below, link):
    assert report_url(report, output_url, below) == link


@pytest.mark.parametrize(
    ("report", "output_url", "says"),
    [
        (True, "ftp://example.com", "output_url: must be an address"),
        (True, "/data/campaigns", "output_url: must be an address"),
        (True, "https://", "output_url: must be an address"),
        (True, "http://[", "output_url: must be an address"),
        (True, 1, "output_url: must be an address"),
        (True, "javascript:alert(1)", "output_url: must be an address"),
        (False, "nowhere", "output_url: must be an address"),
        (True, "https://user:secret@example.com", "output_url: must have no user"),
        (True, "https://example.com/?signature=secret", "output_url: must have no user, password, query"),
    ],
)
def test_what_is_no_address_of_a_report(report, output_url, says):
    with pytest.raises(CccParameterError, match=says) as caught:
        report_url(report, output_url)
    assert "secret" not in str(caught.value)
