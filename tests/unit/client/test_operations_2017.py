"""What each operation sends and refuses. How answers are read is in test_protocol.py."""

from __future__ import annotations

import contextlib
import dataclasses
import json

import pytest

from airflow_provider_ccc.client.errors import CccParameterError, CccUnexpectedAnswerError, CccUnreadableAnswerError
from airflow_provider_ccc.client.models import Available, NumbersAvailable, PhoneNumber
from airflow_provider_ccc.client.operations_2017 import (
    CheckNumberAvaliable,
    GetInstance,
    GetInstanceState,
    GetNumberRegionInfo,
    ListInstancesOfUser,
    ListPhoneNumbers,
    PickGlobalOutboundNumbers,
    PickLocalNumber,
    PickOutboundNumbers,
)
from tests.fuzz import protocol
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


# --- PickLocalNumber, GetInstanceState, GetNumberRegionInfo, CheckNumberAvaliable -------------------------------------

LOCAL = PickLocalNumber(**PICK)
REGION = GetNumberRegionInfo(instance_id="i", number=CANDIDATE)
CHECK = CheckNumberAvaliable(instance_id="i", callee=CALLEE, caller=CANDIDATE)
STATE = GetInstanceState(instance_id="i")


def decode(operation, **answer):
    body = {"RequestId": "R-1", "Code": "OK", "Success": True} | answer
    return protocol().decode(operation, 200, {}, json.dumps(body).encode())


def test_they_send():
    sent = {"InstanceId": INSTANCE_ID, "CalleeNumber": CALLEE, "CandidateNumber.1": CANDIDATE}
    assert LOCAL.parameters() == sent
    assert STATE.parameters() == {"InstanceId": "i"}
    assert GetNumberRegionInfo(instance_id="i", number="+86 10 8976 7654").parameters() == {
        "InstanceId": "i",
        "Number": CANDIDATE,
    }
    assert CHECK.parameters() == {"InstanceId": "i", "Callee": CALLEE, "Caller": CANDIDATE}
    assert CheckNumberAvaliable(instance_id="i", callee=CALLEE).parameters() == {"InstanceId": "i", "Callee": CALLEE}


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (lambda: PickLocalNumber(**PICK | {"candidate_numbers": CANDIDATE}), "candidate_numbers"),
        (lambda: PickLocalNumber(**PICK | {"candidate_numbers": [CANDIDATE, "x"]}), "candidate_numbers[1]"),
        (lambda: PickLocalNumber(**PICK | {"callee_number": None}), "callee_number"),
        (lambda: PickLocalNumber(**PICK | {"instance_id": ""}), "instance_id"),
        (lambda: GetInstanceState(instance_id=None), "instance_id"),
        (lambda: GetNumberRegionInfo(instance_id=None, number=CALLEE), "instance_id"),
        (lambda: GetNumberRegionInfo(instance_id="i", number=1089767654), "number"),
        (lambda: CheckNumberAvaliable(instance_id="", callee=CALLEE), "instance_id"),
        (lambda: CheckNumberAvaliable(instance_id="i", callee=""), "callee"),
        (lambda: CheckNumberAvaliable(instance_id="i", callee=CALLEE, caller=""), "caller"),
    ],
)
def test_they_refuse(make, parameter):
    with pytest.raises(CccParameterError) as caught:
        make()
    assert caught.value.parameter == parameter


def test_printing_them_shows_no_numbers():
    for operation in (LOCAL, REGION, CHECK):
        assert not any(number in repr(operation) for number in operation.phone_numbers())
        assert operation.phone_numbers()
    assert LOCAL.phone_numbers() == CHECK.phone_numbers() == (CALLEE, CANDIDATE)
    assert CheckNumberAvaliable(instance_id="i", callee=CALLEE).phone_numbers() == (CALLEE,)


def test_the_local_number_is_the_candidate_that_it_is():
    data = {"Callee": {"Number": int(CALLEE), "City": "北京"}, "Caller": {"Number": int(CANDIDATE)}}
    pair = decode(LOCAL, Data=data)
    assert (pair.callee, pair.caller) == (PhoneNumber(CALLEE, "北京"), PhoneNumber(CANDIDATE))
    with pytest.raises(CccUnexpectedAnswerError, match="none of the candidate"):
        decode(LOCAL, Data=data | {"Caller": {"Number": "02160664656"}})
    with pytest.raises(CccUnexpectedAnswerError, match="without a callee"):
        decode(LOCAL)


def test_agents_are_counted_by_state():
    def state(counts):
        return {"AgentStateDistributions": {"AgentStateCount": counts}}

    counts = [{"State": "Ready", "Count": 3}, {"State": "Break", "Count": "1"}, {"State": "Dialing"}]
    assert decode(STATE, RealTimeInstanceState=state(counts)) == {"Ready": 3, "Break": 1, "Dialing": 0}
    assert decode(STATE, RealTimeInstanceState=state(counts[0])) == {"Ready": 3}
    assert decode(STATE) == {}
    with pytest.raises(CccUnexpectedAnswerError, match="Count that is no count"):
        decode(STATE, RealTimeInstanceState=state([{"State": "Ready", "Count": "x"}]))


def test_where_a_number_is_registered():
    found = {"Number": int(CANDIDATE), "City": "北京", "Province": "北京"}
    assert decode(REGION, PhoneNumber=found) == PhoneNumber(CANDIDATE, "北京", "北京")
    assert decode(REGION, PhoneNumber={"Number": "7"}) == PhoneNumber("7")


def test_whether_numbers_are_available():
    answer = {"CallerAvaliable": {"Avaliable": "false", "Reason": "no"}, "CalleeAvaliable": {"Avaliable": True}}
    assert decode(CHECK, **answer) == NumbersAvailable(callee=Available(True), caller=Available(False, "no"))
    assert decode(CHECK) == NumbersAvailable(callee=Available(False), caller=Available(False))


def test_no_depth_of_a_flag_is_too_deep():
    """An object that is nested as deep as JSON is read cannot be written as text, so a flag must not try."""
    for depth in range(940, 1000):
        body = b'{"Code":"OK","CallerAvaliable":{"Avaliable":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}}"
        with contextlib.suppress(CccUnreadableAnswerError):  # deeper than JSON is read
            checked = protocol().decode(CheckNumberAvaliable(instance_id="i", callee=CALLEE), 200, {}, body)
            assert checked.caller.available is False
