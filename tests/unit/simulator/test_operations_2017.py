from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from airflow_provider_ccc.simulator.registry import OPERATIONS
from airflow_provider_ccc.simulator.server import SimulatorSettings, running

INSTANCE_ID = "9cfad875-6260-4a53-ab6e-b13e3fb31f7d"
OUTBOUND_GROUP = "3f3ceb0d-d6b6-4c97-af20-f3daf04f90e0"
SERVICE_GROUP = "014a9696-931d-49db-ae96-111d2098a548"


def callers(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [pair["Caller"]["Number"] for pair in answer.json()["DialNumberPairs"]["DialNumberPair"]]


def test_example_of_the_documentation(ask):
    body = ask().json()
    request_id = body.pop("RequestId")
    assert len(request_id) == 36
    assert request_id == request_id.upper()
    assert body == {
        "HttpStatusCode": 200,
        "Code": "OK",
        "Success": True,
        "DialNumberPairs": {
            "DialNumberPair": [
                {
                    "Callee": {"Number": "165787876896", "City": "北京", "Province": "北京"},
                    "Caller": {"Number": "01089767654", "City": "北京", "Province": "北京"},
                }
            ]
        },
    }


def test_example_of_the_documentation_in_xml(ask):
    answer = ask({"Format": "xml", "CandidateNumber.2": "02160664656", "Count": "2"})
    root = ET.fromstring(answer.content)  # noqa: S314 - our own
    assert root.tag == "PickOutboundNumbersResponse"
    assert root.findtext("Success") == "true"
    assert root.findtext("HttpStatusCode") == "200"
    pairs = root.findall("DialNumberPairs/DialNumberPair")
    assert [pair.findtext("Caller/Number") for pair in pairs] == ["01089767654", "02160664656"]
    assert [pair.findtext("Caller/City") for pair in pairs] == ["北京", "上海"]
    assert {pair.findtext("Callee/Province") for pair in pairs} == {"北京"}


def test_xml_escapes(ask):
    candidate = "<1>&\"'\x00]]>"
    answer = ask({"Format": "XML", "CandidateNumber.1": candidate})
    root = ET.fromstring(answer.content)  # noqa: S314 - our own
    # A NUL cannot be in XML at all.
    assert root.findtext(".//Caller/Number") == candidate.replace("\0", "�")


def test_empty_list_in_both_formats(ask):
    own = {"CandidateNumber.1": "4001234567"}
    assert ask(own).json()["DialNumberPairs"] == {"DialNumberPair": []}
    assert "<DialNumberPairs></DialNumberPairs>" in ask({**own, "Format": "XML"}).text


def test_same_city_before_same_province_before_any(ask):
    numbers = {"CandidateNumber.1": "02160664656", "CandidateNumber.2": "075586543202"}
    numbers |= {"CandidateNumber.10": "02083456701", "CalleeNumber": "02012345678", "Count": "3"}
    assert callers(ask(numbers)) == ["02083456701", "075586543202", "02160664656"]
    assert callers(ask({**numbers, "Count": "2"})) == ["02083456701", "075586543202"]
    assert callers(ask({**numbers, "Count": "9"})) == ["02083456701", "075586543202", "02160664656"]


def test_candidates_that_repeat_count_once(ask):
    own = {"CandidateNumber.2": "01089767654", "CandidateNumber.3": "01089767654", "Count": "3"}
    assert callers(ask(own)) == ["01089767654"]


def test_candidate_that_cannot_call_out_is_never_picked(ask):
    assert callers(ask({"CandidateNumber.2": "4001234567", "Count": "2"})) == ["01089767654"]


def test_candidate_that_is_not_listed_is_taken_as_it_is(ask):
    assert callers(ask({"CandidateNumber.1": "01055556666"})) == ["01055556666"]


def test_pick_global(ask):
    own = {"Action": "PickGlobalOutboundNumbers", "CandidateNumber.1": None, "CalleeNumber": "057187654321"}
    assert callers(ask({**own, "Count": None, "SkillGroupId.1": OUTBOUND_GROUP})) == ["057187654303"]
    bound = callers(ask({**own, "Count": "50", "SkillGroupId.1": SERVICE_GROUP, "IsVirtual": "False"}))
    # The group's 400 number cannot call out.
    assert sorted(bound) == ["01089767654", "02160664656", "057187654303"]
    both = {"SkillGroupId.1": SERVICE_GROUP, "SkillGroupId.2": OUTBOUND_GROUP}
    assert len(callers(ask({**own, "Count": "50", **both}))) == 12


def test_get_instance(ask):
    instance = ask({"Action": "GetInstance"}).json()["Instance"]
    assert (instance["InstanceId"], instance["Status"]) == (INSTANCE_ID, "Running")
    numbers = instance["PhoneNumbers"]["PhoneNumber"]
    assert len(numbers) == 13
    assert numbers[0]["Number"] == "01089767654"
    assert numbers[0]["AllowOutbound"] is True
    assert numbers[-1]["Usage"] == "Inbound"
    assert numbers[-1]["AllowOutbound"] is False
    assert len({number["PhoneNumberId"] for number in numbers}) == 13
    assert instance == ask({"Action": "GetInstance"}).json()["Instance"]


def test_list_phone_numbers(ask):
    def listed(outbound_only: str) -> list[dict[str, object]]:
        body = ask({"Action": "ListPhoneNumbers", "OutboundOnly": outbound_only}).json()
        return body["PhoneNumbers"]["PhoneNumber"]

    everything, outbound = listed("false"), listed("True")
    assert len(everything) == 13
    assert [number for number in everything if number["AllowOutbound"]] == outbound
    assert (everything[4]["City"], everything[4]["Province"]) == ("杭州", "浙江")
    assert everything[-1]["SkillGroups"] == {
        "SkillGroup": [{"SkillGroupId": SERVICE_GROUP, "SkillGroupName": "客服技能组"}]
    }


def test_list_instances_of_user(ask):
    body = ask({"Action": "ListInstancesOfUser", "InstanceId": None}).json()
    instances = body["Instances"]["CallCenterInstance"]
    assert instances == [ask({"Action": "GetInstance"}).json()["Instance"]]


def test_pick_local_number(ask):
    own = {"Action": "PickLocalNumber", "CalleeNumber": "057187654321", "Count": None}
    answer = ask({**own, "CandidateNumber.1": "02160664656", "CandidateNumber.2": "057187654303"})
    body = answer.json()
    assert len(body.pop("RequestId")) == 36
    assert body == {
        "Code": "OK",
        "Success": True,
        "Data": {
            "Callee": {"Number": "057187654321", "City": "杭州", "Province": "浙江"},
            "Caller": {"Number": "057187654303", "City": "杭州", "Province": "浙江"},
        },
    }
    without = ask({**own, "CandidateNumber.1": "4001234567"}).json()
    assert without["Data"] == {"Callee": {"Number": "057187654321", "City": "杭州", "Province": "浙江"}}


def test_get_instance_state(ask):
    with running(SimulatorSettings(instance={"instance_id": "i", "agents": {"Ready": 3, "OnCall": 0}})) as one:
        state = ask({"Action": "GetInstanceState", "InstanceId": "i"}, url=one.url).json()["RealTimeInstanceState"]
    counts = [{"State": "Ready", "Count": 3}, {"State": "OnCall", "Count": 0}]
    assert state == {"AgentStateDistributions": {"AgentStateCount": counts}}


def test_get_number_region_info(ask):
    body = ask({"Action": "GetNumberRegionInfo", "Number": "02083456701"}).json()
    del body["RequestId"]
    assert body == {
        "Code": "OK",
        "Success": True,
        "PhoneNumber": {"Number": "02083456701", "City": "广州", "Province": "广东"},
    }


@pytest.mark.parametrize(
    ("callee", "caller", "callee_available", "caller_available"),
    [
        ("13888888888", "01089767654", True, True),
        ("+8613888888888", "4001234567", True, False),
        ("nobody", "01055556666", False, False),
        ("13888888888", None, True, None),
    ],
)
def test_check_number_available(ask, callee, caller, callee_available, caller_available):
    body = ask({"Action": "CheckNumberAvaliable", "Callee": callee, "Caller": caller}).json()
    assert (body["HttpStatusCode"], body["Success"]) == (200, True)
    assert body["CalleeAvaliable"]["Avaliable"] is callee_available
    assert bool(body["CalleeAvaliable"]["Reason"]) is not callee_available
    if caller_available is None:
        assert "CallerAvaliable" not in body
    else:
        assert body["CallerAvaliable"]["Avaliable"] is caller_available
        assert bool(body["CallerAvaliable"]["Reason"]) is not caller_available


@pytest.mark.parametrize(
    ("own", "status", "code"),
    [
        ({"Action": "PickLocalNumber", "CandidateNumber.1": None}, 400, "MissingCandidateNumber"),
        ({"Action": "PickLocalNumber", "InstanceId": "x"}, 404, "NotExist.Instance"),
        ({"Action": "GetInstanceState", "InstanceId": None}, 400, "MissingInstanceId"),
        ({"Action": "GetNumberRegionInfo"}, 400, "MissingNumber"),
        ({"Action": "CheckNumberAvaliable"}, 400, "MissingCallee"),
        ({"Action": "CheckNumberAvaliable", "Callee": "1", "InstanceId": "x"}, 404, "NotExist.Instance"),
    ],
)
def test_refusals(ask, own, status, code):
    answer = ask(own)
    assert (answer.status_code, answer.json()["Code"]) == (status, code)


@pytest.mark.parametrize("action", list(OPERATIONS["2017-07-05"]))
def test_every_operation_answers_the_same_in_xml(ask, action):
    own = {"Action": action, "SkillGroupId.1": OUTBOUND_GROUP, "OutboundOnly": "true", "Count": "3"}
    own |= {"Number": "02083456701", "Callee": "02083456701"}
    in_json = ask(own).json()
    root = ET.fromstring(ask({**own, "Format": "XML"}).content)  # noqa: S314 - our own
    assert root.tag == f"{action}Response"

    def leaves(value, name=""):
        if isinstance(value, dict):
            return [leaf for key, item in value.items() for leaf in leaves(item, key)]
        if isinstance(value, list):
            return [leaf for item in value for leaf in leaves(item, name)]
        return [(name, str(value).lower() if isinstance(value, bool) else str(value))]

    values = [(e.tag, e.text or "") for e in root.iter() if not len(e) and e.tag != "RequestId"]
    # An empty list has no element in JSON's sense, and an empty one in XML's.
    values = [leaf for leaf in values if leaf[0] != "Admin"]
    assert values == [leaf for leaf in leaves(in_json) if leaf[0] != "RequestId"]


def test_states_of_instances(ask):
    instances = [
        {"instance_id": "new", "status": "Creating"},
        {"instance_id": "over", "state": "ceased"},
        {"instance_id": "off", "state": "disabled"},
        {"instance_id": "odd", "status": "Any free text"},
    ]
    with running(SimulatorSettings(instance={"instances": instances})) as states:

        def code(action: str, instance_id: str) -> tuple[int, str]:
            own = {"Action": action, "InstanceId": instance_id, "SkillGroupId.1": "g", "OutboundOnly": "true"}
            answer = ask(own, url=states.url)
            return answer.status_code, answer.json()["Code"]

        for action in ("PickOutboundNumbers", "PickGlobalOutboundNumbers"):
            assert code(action, "new") == (403, "AbnormalService.Creating")
        for action in ("PickOutboundNumbers", "GetInstance", "ListPhoneNumbers"):
            assert code(action, "over") == (403, "AbnormalService.Ceased")
            assert code(action, "off") == (403, "AbnormalService.Disabled")
            assert code(action, "odd") == (200, "OK")
        creating = ask({"Action": "GetInstance", "InstanceId": "new"}, url=states.url).json()
        assert creating["Instance"]["Status"] == "Creating"
        listed = ask({"Action": "ListInstancesOfUser"}, url=states.url).json()["Instances"]
        assert [one["InstanceId"] for one in listed["CallCenterInstance"]] == ["new", "over", "off", "odd"]
