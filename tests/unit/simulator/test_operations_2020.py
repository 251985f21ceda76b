from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from airflow_provider_ccc.simulator.registry import OPERATIONS
from airflow_provider_ccc.simulator.server import SimulatorSettings, running

DOMAIN_NAME = "ccc-demo"
OUTBOUND_GROUP = "3f3ceb0d-d6b6-4c97-af20-f3daf04f90e0"
SERVICE_GROUP = "014a9696-931d-49db-ae96-111d2098a548"
PICK = {"CalledNumber": "13888888888", "SkillGroupIdList": json.dumps([OUTBOUND_GROUP])}
PAGE = {"PageNumber": "1", "PageSize": "100"}


def data(answer):
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert len(body.pop("RequestId")) == 36
    result = body.pop("Data")
    # There is no Success in this version.
    assert body == {"HttpStatusCode": 200, "Code": "OK"}
    return result


def test_pick(ask2020):
    called = {"Number": "057187654321", "City": "杭州", "Province": "浙江"}
    nearest = {"Number": "057187654303", "City": "杭州", "Province": "浙江"}
    own = {**PICK, "CalledNumber": "057187654321"}
    assert data(ask2020("PickOutboundNumbers", own)) == [{"Callee": called, "Caller": nearest}]
    groups = json.dumps([SERVICE_GROUP])
    picked = data(ask2020("PickOutboundNumbers", {**own, "SkillGroupIdList": groups, "Count": "50"}))
    # The group's 400 number is for calls that come in.
    assert sorted(pair["Caller"]["Number"] for pair in picked) == ["01089767654", "02160664656", "057187654303"]


def test_get_instance(ask2020):
    instance = data(ask2020("GetInstance"))
    numbers = instance.pop("NumberList")
    assert instance == {
        "Id": DOMAIN_NAME,
        "Name": "演示呼叫中心",
        "Description": "The simulator's default instance; its id is the one of the documentation's example.",
        "DomainName": DOMAIN_NAME,
        "ConsoleUrl": f"https://ccc-v2.aliyun.com/#/workbench/{DOMAIN_NAME}",
        "Status": "RUNNING",
        "AliyunUid": "1059803544828509",
        "AdminList": [],
    }
    assert len(numbers) == 13
    assert numbers[-1] == {
        "Number": "4001234567",
        "InstanceId": DOMAIN_NAME,
        "Usage": "Inbound",
        "Active": True,
        "City": "",
        "Province": "",
        "SkillGroups": [
            {
                "SkillGroupId": SERVICE_GROUP,
                "Name": "客服技能组",
                "DisplayName": "客服技能组",
                "InstanceId": DOMAIN_NAME,
            }
        ],
    }


def test_one_instance_is_known_in_both_versions(ask, ask2020):
    old = ask({"Action": "GetInstance"}).json()["Instance"]
    new = data(ask2020("GetInstance", {"InstanceId": old["DomainName"]}))
    assert (new["Name"], new["DomainName"]) == (old["InstanceName"], old["DomainName"])
    assert [one["Number"] for one in new["NumberList"]] == [one["Number"] for one in old["PhoneNumbers"]["PhoneNumber"]]
    assert ask({"Action": "GetInstance", "InstanceId": DOMAIN_NAME}).json()["Code"] == "NotExist.Instance"
    assert ask2020("GetInstance", {"InstanceId": old["InstanceId"]}).json()["Code"] == "NotExists.InstanceId"


def test_list_phone_numbers_page_by_page(ask2020):
    pages = [
        data(ask2020("ListPhoneNumbers", {"PageNumber": number, "PageSize": "5"})) for number in ("1", "2", "3", "4")
    ]
    assert [len(page["List"]) for page in pages] == [5, 5, 3, 0]
    assert [page["PageNumber"] for page in pages] == [1, 2, 3, 4]
    assert {(page["PageSize"], page["TotalCount"]) for page in pages} == {(5, 13)}
    numbers = [one["Number"] for page in pages for one in page["List"]]
    assert numbers == [one["Number"] for one in data(ask2020("GetInstance"))["NumberList"]]


@pytest.mark.parametrize(
    ("own", "count"),
    [
        ({}, 13),
        ({"Usage": "Bidirection"}, 4),
        ({"Usage": "Inbound"}, 1),
        ({"SearchPattern": "010"}, 2),
        ({"SearchPattern": "no number"}, 0),
        ({"Active": "true"}, 13),
        ({"Active": "false"}, 0),
        ({"Active": "", "Usage": "", "SearchPattern": ""}, 13),
    ],
)
def test_list_phone_numbers_narrowed(ask2020, own, count):
    page = data(ask2020("ListPhoneNumbers", {**PAGE, **own}))
    assert (len(page["List"]), page["TotalCount"]) == (count, count)


def test_number_that_may_not_call_out_is_not_active(ask2020):
    numbers = [
        {"number": "01012345678", "usage": "Outbound", "allow_outbound": False, "skill_groups": ["g"]},
        {"number": "01012345679", "usage": "Outbound", "skill_groups": ["g"]},
    ]
    described = {"instance_id": "i", "phone_numbers": numbers, "skill_groups": [{"skill_group_id": "g"}]}
    with running(SimulatorSettings(instance=described)) as one:
        own = {"InstanceId": "i", **PAGE, "Active": "false"}
        inactive = data(ask2020("ListPhoneNumbers", own, url=one.url))["List"]
        picked = data(
            ask2020(
                "PickOutboundNumbers",
                {**PICK, "InstanceId": "i", "SkillGroupIdList": '["g"]', "Count": "9"},
                url=one.url,
            )
        )
    assert [number["Number"] for number in inactive] == ["01012345678"]
    assert [pair["Caller"]["Number"] for pair in picked] == ["01012345679"]


def test_list_instances(ask2020):
    described = {"instances": [{"instance_id": str(number), "domain_name": f"d{number}"} for number in range(3)]}
    with running(SimulatorSettings(instance=described)) as three:
        page = data(ask2020("ListInstances", {"PageNumber": "2", "PageSize": "2", "InstanceId": None}, url=three.url))
    assert [one["Id"] for one in page["List"]] == ["d2"]
    assert (page["PageNumber"], page["PageSize"], page["TotalCount"]) == (2, 2, 3)
    listed = data(ask2020("ListInstances", PAGE))["List"][0]
    assert listed["NumberList"][0] == {"Number": "01089767654"}
    assert listed["Status"] == "RUNNING"


def test_realtime_states(ask2020):
    agents = {"Ready": 3, "OnCall": 2, "break": 4, "ACW": 5, "Offline": 6, "Dialing": 7}
    with running(SimulatorSettings(instance={"instance_id": "i", "agents": agents})) as one:
        states = data(ask2020("GetRealtimeInstanceStates", {"InstanceId": "i"}, url=one.url))
    assert states == {
        "InstanceId": "i",
        "TotalAgents": 27,
        "LoggedInAgents": 21,
        "ReadyAgents": 3,
        "TalkingAgents": 2,
        "BreakingAgents": 4,
        "WorkingAgents": 5,
        "BreakCodeDetailList": [],
        "InteractiveCalls": 0,
        "WaitingCalls": 0,
        "LongestWaitingTime": 0,
    }


REFUSALS = [
    *((action, {"InstanceId": None}, 400, "MissingInstanceId") for action in ("GetInstance", "PickOutboundNumbers")),
    *(
        (action, {"InstanceId": "x", **PAGE, **PICK}, 404, "NotExists.InstanceId")
        for action in OPERATIONS["2020-07-01"]
        if action != "ListInstances"
    ),
    ("GetInstance", {"InstanceId": " "}, 400, "Parameter.Blank"),
    ("PickOutboundNumbers", {**PICK, "CalledNumber": None}, 400, "MissingCalledNumber"),
    ("PickOutboundNumbers", {**PICK, "CalledNumber": ""}, 400, "Parameter.Blank"),
    ("PickOutboundNumbers", {**PICK, "SkillGroupIdList": None}, 400, "MissingSkillGroupIdList"),
    ("PickOutboundNumbers", {**PICK, "SkillGroupIdList": "[]"}, 400, "Parameter.Empty"),
    *(
        ("PickOutboundNumbers", {**PICK, "SkillGroupIdList": groups}, 400, "Parameter.Format")
        for groups in ("g", '"g"', "[1]", "{}", "[" * 100_000)
    ),
    ("PickOutboundNumbers", {**PICK, "SkillGroupIdList": '["x"]'}, 404, "NotExists.SkillGroupId"),
    ("PickOutboundNumbers", {**PICK, "Count": "0"}, 400, "Parameter.Minimum"),
    ("PickOutboundNumbers", {**PICK, "Count": "-1"}, 400, "Parameter.Minimum"),
    ("PickOutboundNumbers", {**PICK, "Count": "many"}, 400, "InvalidCount"),
    ("ListPhoneNumbers", {"PageSize": "1"}, 400, "MissingPageNumber"),
    ("ListPhoneNumbers", {"PageNumber": "1"}, 400, "MissingPageSize"),
    ("ListPhoneNumbers", {**PAGE, "PageSize": "101"}, 400, "Parameter.Maximum"),
    ("ListPhoneNumbers", {**PAGE, "PageSize": "0"}, 400, "Parameter.Minimum"),
    ("ListPhoneNumbers", {**PAGE, "PageNumber": "0"}, 400, "Parameter.Minimum"),
    ("ListPhoneNumbers", {**PAGE, "Usage": "Both"}, 400, "Parameter.Enumeration"),
    ("ListPhoneNumbers", {**PAGE, "Active": "1"}, 400, "InvalidActive"),
    ("ListInstances", {"PageSize": "1"}, 400, "MissingPageNumber"),
    ("PickGlobalOutboundNumbers", {}, 404, "InvalidAction.NotFound"),
]


@pytest.mark.parametrize(("action", "own", "status", "code"), REFUSALS)
def test_refusals(ask2020, action, own, status, code):
    answer = ask2020(action, own)
    assert (answer.status_code, answer.json()["Code"]) == (status, code)


def test_text_of_an_unknown_instance(ask2020):
    message = ask2020("GetInstance", {"InstanceId": "nowhere"}).json()["Message"]
    assert message == "The specified instance nowhere does not exist."


def test_states_of_instances(ask2020):
    instances = [
        {"instance_id": "new", "status": "Creating"},
        {"instance_id": "over", "state": "ceased"},
        {"instance_id": "stopped", "status": "Stopped", "skill_groups": [{"skill_group_id": "g"}]},
    ]
    with running(SimulatorSettings(instance={"instances": instances})) as states:

        def ask(action, instance_id):
            own = {"InstanceId": instance_id, **PICK, "SkillGroupIdList": '["g"]'}
            return ask2020(action, own, url=states.url)

        assert ask("PickOutboundNumbers", "new").json()["Code"] == "AbnormalService.Creating"
        assert data(ask("GetInstance", "new"))["Status"] == "CREATING"
        assert ask("GetInstance", "over").status_code == 403
        assert ask("GetInstance", "over").json()["Code"] == "AbnormalService.Ceased"
        assert data(ask("GetInstance", "stopped"))["Status"] == "STOPPED"
        assert data(ask("PickOutboundNumbers", "stopped")) == []


@pytest.mark.parametrize("action", list(OPERATIONS["2020-07-01"]))
def test_every_operation_answers_the_same_in_xml(ask2020, action):
    own = {**PAGE, **PICK, "Count": "3"}
    in_json = ask2020(action, own).json()
    root = ET.fromstring(ask2020(action, {**own, "Format": "XML"}).content)  # noqa: S314 - our own
    assert root.tag == f"{action}Response"

    def leaves(value, name=""):
        if isinstance(value, dict):
            return [leaf for key, item in value.items() for leaf in leaves(item, key)]
        if isinstance(value, list):
            return [leaf for item in value for leaf in leaves(item, name)]
        return [(name, str(value).lower() if isinstance(value, bool) else str(value))]

    values = [(e.tag, e.text or "") for e in root.iter() if not len(e) and e.tag != "RequestId"]
    assert values == [leaf for leaf in leaves(in_json) if leaf[0] != "RequestId"]
