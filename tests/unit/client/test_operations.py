"""What each operation sends and refuses. How answers are read is in test_protocol.py."""

from __future__ import annotations

import dataclasses

import pytest

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.operations import (
    GetInstance,
    ListInstancesOfUser,
    ListPhoneNumbers,
    PickGlobalOutboundNumbers,
    PickOutboundNumbers,
)
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID

PICK = {"instance_id": INSTANCE_ID, "callee_number": CALLEE, "candidate_numbers": [CANDIDATE]}
GLOBAL = {"instance_id": INSTANCE_ID, "callee_number": CALLEE, "skill_group_ids": ["g1"]}


def test_pick_outbound_numbers_sends():
    operation = PickOutboundNumbers(**PICK | {"candidate_numbers": (CANDIDATE, "+86 21 6066 4656"), "count": 2})
    assert operation.parameters() == {
        "InstanceId": INSTANCE_ID,
        "CalleeNumber": CALLEE,
        "Count": "2",
        "CandidateNumber.1": CANDIDATE,
        "CandidateNumber.2": "02160664656",
    }


def test_pick_global_outbound_numbers_sends():
    sent = {"InstanceId": INSTANCE_ID, "CalleeNumber": CALLEE, "Count": "1", "SkillGroupId.1": "g1"}
    assert PickGlobalOutboundNumbers(**GLOBAL).parameters() == sent
    assert PickGlobalOutboundNumbers(**GLOBAL, is_virtual=False).parameters() == sent | {"IsVirtual": "false"}


def test_the_others_send():
    assert GetInstance(instance_id="i").parameters() == {"InstanceId": "i"}
    assert ListPhoneNumbers(instance_id="i").parameters() == {"InstanceId": "i", "OutboundOnly": "true"}
    assert ListPhoneNumbers(instance_id="i", outbound_only=False).parameters()["OutboundOnly"] == "false"
    assert ListInstancesOfUser().parameters() == {}


@pytest.mark.parametrize(
    ("change", "parameter", "says"),
    [
        ({"callee_number": ""}, "callee_number", "is empty"),
        ({"callee_number": "  "}, "callee_number", "is empty"),
        ({"callee_number": None}, "callee_number", "not NoneType"),
        ({"candidate_numbers": CANDIDATE}, "candidate_numbers", "not a bare str"),
        ({"candidate_numbers": CANDIDATE.encode()}, "candidate_numbers", "not a bare bytes"),
        ({"candidate_numbers": {CANDIDATE: 1}}, "candidate_numbers", "not a bare dict"),
        ({"candidate_numbers": None}, "candidate_numbers", "not a bare NoneType"),
        ({"candidate_numbers": []}, "candidate_numbers", "empty list"),
        ({"candidate_numbers": [CANDIDATE, " "]}, "candidate_numbers[1]", "is empty"),
        ({"candidate_numbers": [CANDIDATE, 1089767654]}, "candidate_numbers[1]", "leading zero"),
        ({"candidate_numbers": [CANDIDATE, "010-89767654"]}, "candidate_numbers", "twice, at places 0 and 1"),
        ({"count": 0}, "count", "at least 1"),
        ({"count": -1}, "count", "at least 1"),
        ({"count": "1"}, "count", "integer"),
        ({"count": 1.0}, "count", "integer"),
        ({"count": True}, "count", "integer"),
        ({"count": None}, "count", "integer"),
        ({"count": 2**31}, "count", "below"),
        ({"count": 10**5000}, "count", "below"),
        ({"count": -(10**5000)}, "count", "at least 1"),
        ({"instance_id": ""}, "instance_id", "is not given"),
        ({"instance_id": None}, "instance_id", "is not given"),
        ({"instance_id": " "}, "instance_id", "is empty"),
        ({"instance_id": "a\nb"}, "instance_id", "cannot be printed"),
        ({"instance_id": "\ud800"}, "instance_id", "cannot be printed"),
        ({"instance_id": 7}, "instance_id", "no text"),
    ],
)
def test_pick_outbound_numbers_refuses(change, parameter, says):
    with pytest.raises(CccParameterError, match=says) as caught:
        PickOutboundNumbers(**PICK | change)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"skill_group_ids": "g1"}, "skill_group_ids"),
        ({"skill_group_ids": []}, "skill_group_ids"),
        ({"skill_group_ids": ["g1", "g1"]}, "skill_group_ids"),
        ({"skill_group_ids": ["g1", ""]}, "skill_group_ids[1]"),
        ({"skill_group_ids": [1]}, "skill_group_ids[0]"),
        ({"is_virtual": "yes"}, "is_virtual"),
        ({"count": 0}, "count"),
        ({"callee_number": "x"}, "callee_number"),
    ],
)
def test_pick_global_outbound_numbers_refuses(change, parameter):
    with pytest.raises(CccParameterError) as caught:
        PickGlobalOutboundNumbers(**GLOBAL | change)
    assert caught.value.parameter == parameter


def test_list_phone_numbers_takes_no_text_for_a_flag():
    with pytest.raises(CccParameterError, match="outbound_only: must be True or False"):
        ListPhoneNumbers(instance_id="i", outbound_only="false")


def test_printing_an_operation_shows_no_numbers():
    for operation in (PickOutboundNumbers(**PICK), PickGlobalOutboundNumbers(**GLOBAL)):
        assert CALLEE not in repr(operation)
        assert CANDIDATE not in repr(operation)


@pytest.mark.parametrize("operation", [PickOutboundNumbers(**PICK), PickGlobalOutboundNumbers(**GLOBAL, count=3)])
def test_the_same_about_another_callee(operation):
    other = operation.for_callee("+86 138 0013 8000")
    assert other == dataclasses.replace(operation, callee_number="13800138000")
    assert other.parameters() == operation.parameters() | {"CalleeNumber": "13800138000"}
    assert other.shape() is operation.shape()
    assert dataclasses.replace(operation, count=2).shape() is not operation.shape()
    assert operation.callee_number == CALLEE
    with pytest.raises(CccParameterError, match="callee_number"):
        operation.for_callee("")
