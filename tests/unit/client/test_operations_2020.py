"""What each operation of 2020-07-01 sends, refuses and reads."""

from __future__ import annotations

import dataclasses
import json

import pytest

from airflow_provider_ccc.client.errors import CccError, CccParameterError, CccThrottledError, CccUnexpectedAnswerError
from airflow_provider_ccc.client.operation import Operation
from airflow_provider_ccc.client.operations_2020 import (
    GetInstance,
    GetRealtimeInstanceStates,
    ListInstances,
    ListPhoneNumbers,
    PickOutboundNumbers,
)
from tests.fuzz import protocol
from tests.support import fixture

RESPONSES = fixture("responses.json")["2020-07-01"]
CALLEE = "13888888888"
PICK = {"instance_id": "ccc-test", "callee_number": CALLEE, "skill_group_ids": ["test@ccc-test"]}


def decode(body: object, operation: Operation):
    text = body if isinstance(body, str) else json.dumps(body)
    return protocol().decode(operation, 200, {}, text.encode())


def pair(caller: object = "01089898989", callee: object = CALLEE) -> dict:
    place = {"City": "北京", "Province": "北京"}
    return {"Callee": place | {"Number": callee}, "Caller": place | {"Number": caller}}


def answer(data: object, **envelope: object) -> dict:
    return {"RequestId": "R-1", "HttpStatusCode": 200, "Code": "OK", "Data": data} | envelope


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_pick_outbound_numbers_sends():
    operation = PickOutboundNumbers(**PICK | {"skill_group_ids": ("a@ccc-test", '组"b'), "count": 2})
    assert operation.parameters() == {
        "InstanceId": "ccc-test",
        "CalledNumber": CALLEE,
        "Count": "2",
        "SkillGroupIdList": '["a@ccc-test","组\\"b"]',
    }


def test_the_others_send():
    assert GetInstance(instance_id="i").parameters() == {"InstanceId": "i"}
    assert GetRealtimeInstanceStates(instance_id="i").parameters() == {"InstanceId": "i"}
    assert ListInstances().parameters() == {"PageNumber": "1", "PageSize": "100"}
    assert ListPhoneNumbers(instance_id="i", page_number=3, page_size=20).parameters() == {
        "InstanceId": "i",
        "PageNumber": "3",
        "PageSize": "20",
    }


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"skill_group_ids": "g1"}, "skill_group_ids"),
        ({"skill_group_ids": []}, "skill_group_ids"),
        ({"skill_group_ids": ["g1", "g1"]}, "skill_group_ids"),
        ({"skill_group_ids": ["g1", " "]}, "skill_group_ids[1]"),
        ({"count": 0}, "count"),
        ({"callee_number": "x"}, "callee_number"),
        ({"instance_id": ""}, "instance_id"),
    ],
)
def test_pick_outbound_numbers_refuses(change, parameter):
    with pytest.raises(CccParameterError) as caught:
        PickOutboundNumbers(**PICK | change)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("make", [ListInstances, lambda **page: ListPhoneNumbers(instance_id="i", **page)])
@pytest.mark.parametrize(
    "page", [{"page_number": 0}, {"page_number": "1"}, {"page_size": 0}, {"page_size": 101}, {"page_size": True}]
)
def test_lists_refuse_a_page_that_cannot_be(make, page):
    with pytest.raises(CccParameterError) as caught:
        make(**page)
    assert caught.value.parameter == next(iter(page))


@pytest.mark.parametrize("kind", [GetInstance, ListPhoneNumbers, GetRealtimeInstanceStates])
def test_an_instance_is_needed(kind):
    with pytest.raises(CccParameterError, match="instance_id"):
        kind(instance_id=None)


def test_the_same_about_another_callee():
    operation = PickOutboundNumbers(**PICK)
    other = operation.for_callee("+86 138 0013 8000")
    assert other == dataclasses.replace(operation, callee_number="13800138000")
    assert other.parameters() == operation.parameters() | {"CalledNumber": "13800138000"}
    assert other.shape() is operation.shape()
    assert CALLEE not in repr(operation)


# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json_text", "xml"])
def test_the_documented_pick(form):
    picked = decode(RESPONSES["PickOutboundNumbers"][form], PickOutboundNumbers(**PICK))
    assert picked.request_id == "EEEE671A-3E24-4A04-81E6-6C4F5B39DF75"
    (read,) = picked.pairs
    assert (read.callee.number, read.callee.city) == (CALLEE, "北京")
    # Whose number it is is not known here, so its lost zero stays lost.
    assert read.caller.number == "1089898989"


@pytest.mark.parametrize("form", ["json_text", "xml"])
def test_the_documented_instance(form):
    instance = decode(RESPONSES["GetInstance"][form], GetInstance(instance_id="ccc-test"))
    assert (instance.instance_id, instance.name, instance.status) == ("ccc-test", "云呼测试实例", "RUNNING")
    assert (instance.domain_name, instance.description) == ("ccc-test", "测试实例")
    assert instance.console_url == "https://ccc-v2.aliyun.com/#/workbench/ccc-test"
    (number,) = instance.phone_numbers
    assert (number.number, number.usage, number.allow_outbound) == ("083xxxx0011", "Bidirection", True)


@pytest.mark.parametrize("form", ["json_text", "xml"])
def test_the_documented_numbers(form):
    page = decode(RESPONSES["ListPhoneNumbers"][form], ListPhoneNumbers(instance_id="ccc-test"))
    (number,) = page.items
    assert (page.total, number.number, number.city, number.allow_outbound) == (1, "083xxxx0011", "乐山", True)


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        ({"Usage": "Outbound", "Active": True}, True),
        ({"Usage": "Bidirection"}, True),
        ({"Usage": "Outbound", "Active": "false"}, False),
        ({"Usage": "Inbound", "Active": True}, False),
        ({"Active": True}, False),
    ],
)
def test_whether_a_number_may_call_out(number, allowed):
    page = decode(answer({"List": [number], "TotalCount": 1}), ListPhoneNumbers(instance_id="i"))
    assert page.items[0].allow_outbound is allowed


def test_a_page_of_instances():
    page = decode(answer({"List": [{"Id": "a"}, {"Id": "b"}], "TotalCount": "7"}), ListInstances())
    assert [instance.instance_id for instance in page.items] == ["a", "b"]
    assert page.total == 7
    assert decode(answer({"List": [], "TotalCount": 0}), ListInstances()).items == ()


def test_agents_by_state():
    data = {"ReadyAgents": 3, "TalkingAgents": "1", "InstanceId": "ccc-test", "TotalAgents": None}
    counts = decode(answer(data), GetRealtimeInstanceStates(instance_id="i"))
    assert counts == {"Ready": 3, "Talking": 1, "Total": 0}


@pytest.mark.parametrize(("data", "count"), [([pair(), pair()], 2), (pair(), 1), ([], 0), (None, 0), ("", 0), ({}, 0)])
def test_shapes_of_a_pick(data, count):
    assert len(decode(answer(data), PickOutboundNumbers(**PICK)).pairs) == count


@pytest.mark.parametrize(
    ("data", "operation"),
    [
        ("x", PickOutboundNumbers(**PICK)),
        ([{"Callee": {"Number": CALLEE}}], PickOutboundNumbers(**PICK)),
        (None, GetInstance(instance_id="i")),
        ({"List": "x"}, ListInstances()),
        ({"List": [], "TotalCount": "many"}, ListInstances()),
        ({"List": [], "TotalCount": -1}, ListInstances()),
        ({"ReadyAgents": "x"}, GetRealtimeInstanceStates(instance_id="i")),
    ],
)
def test_what_cannot_be_right_is_refused(data, operation):
    with pytest.raises(CccUnexpectedAnswerError) as caught:
        decode(answer(data), operation)
    assert caught.value.request_id == "R-1"


def test_success_is_not_documented_but_if_it_says_no_it_means_it():
    for said in ({"Success": False}, {"Code": "Throttling.User"}):
        body = answer([pair()], **said)
        operation = PickOutboundNumbers(**PICK)
        assert operation.read_usual(json.dumps(body).encode()) is None
        with pytest.raises(CccError, match=r"gave no reason|no error code") as caught:
            decode(body, operation)
        assert isinstance(caught.value, CccThrottledError) == ("Code" in said)


def test_the_short_way_gives_what_the_long_way_gives():
    operation, body = PickOutboundNumbers(**PICK), answer([pair(), pair("02160664656")])
    usual = operation.read_usual(json.dumps(body).encode())
    assert usual is not None
    assert usual == operation.read(body, "R-1")
    for unusual in (answer([pair(callee="1")]), answer(pair()), answer([pair(caller=1)]), answer([pair(caller="")])):
        assert operation.read_usual(json.dumps(unusual).encode()) is None
