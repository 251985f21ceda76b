"""The operations of API 2020-07-01: what each requires and what it answers.

An instance is known here by its domain name. Shapes and names are those of the documentation's pages and of the
official SDK's models, which have arrays where the pages' samples show one object. A parameter that is absent is refused
by the gateway (``Missing{Name}``), one that is there and wrong by the service, with the codes that its pages list
(``Parameter.*``, ``NotExists.*``); which operation answers which of them is in part assumed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_ccc.simulator.answers import ENVELOPE, ApiError
from airflow_provider_ccc.simulator.instances import USAGES
from airflow_provider_ccc.simulator.operation import (
    CREATED_TIME,
    OWNER,
    Data,
    Operation,
    Parameters,
    check_service,
    flag,
    is_number,
    pairs,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_ccc.simulator.instances import Account, Instance, PhoneNumber

_T = TypeVar("_T")

GREATEST_PAGE = 100
#: Where GetRealtimeInstanceStates counts an agent, by the state's name in lower case. The names of API 2017-07-05's
#: states are not documented: these are the likely ones. Any other state but offline counts as logged in only.
_AGENTS = {
    "ready": "ReadyAgents",
    "break": "BreakingAgents",
    "breaking": "BreakingAgents",
    "oncall": "TalkingAgents",
    "talking": "TalkingAgents",
    "acw": "WorkingAgents",
    "working": "WorkingAgents",
}


def pick_outbound_numbers(account: Account, parameters: Parameters) -> Data:
    """Pick callers among the outbound numbers that are bound to the skill groups which the request names."""
    _text(parameters, "InstanceId")
    called = _text(parameters, "CalledNumber")
    group_ids = _json_texts(parameters, "SkillGroupIdList")
    count = _integer(parameters, "Count", default="1")
    instance = _instance(account, parameters, serving=True)
    for group_id in group_ids:
        if group_id not in instance.skill_groups:
            message = f"The specified skill group {group_id} does not exist."
            raise ApiError(404, "NotExists.SkillGroupId", message)
    wanted = set(group_ids)
    usable = (
        number.number
        for number in instance.phone_numbers.values()
        if number.usage != "Inbound" and number.active and not wanted.isdisjoint(number.skill_groups)
    )
    return {"Data": pairs(account, called, usable, count)}


def get_instance(account: Account, parameters: Parameters) -> Data:
    """Describe one instance."""
    _text(parameters, "InstanceId")
    instance = _instance(account, parameters)
    numbers = [_describe_number(account, instance, number) for number in instance.phone_numbers.values()]
    return {"Data": {**_describe(instance), "NumberList": numbers}}


def list_phone_numbers(account: Account, parameters: Parameters) -> Data:
    """List a page of an instance's numbers, narrowed by ``Usage``, ``Active`` and ``SearchPattern``.

    Assumed: the pattern is a part of the number, as in the documentation's example, 010.
    """
    _text(parameters, "InstanceId")
    usage = parameters.get("Usage")
    if usage and usage not in USAGES:
        message = f"The parameter Usage must be one of the value of enumeration [{', '.join(USAGES)}]."
        raise ApiError(400, "Parameter.Enumeration", message)
    active = flag(parameters, "Active") if parameters.get("Active") else None
    pattern = parameters.get("SearchPattern", "")
    page_number, page_size = _page(parameters)
    instance = _instance(account, parameters)
    numbers = [
        number
        for number in instance.phone_numbers.values()
        if (not usage or number.usage == usage)
        and (active is None or number.active == active)
        and pattern in number.number
    ]
    listed = [
        {**_describe_number(account, instance, number), "CreateTime": CREATED_TIME, "Provider": "ali"}
        for number in _cut(numbers, page_number, page_size)
    ]
    return {"Data": _paged(listed, page_number, page_size, len(numbers))}


def list_instances(account: Account, parameters: Parameters) -> Data:
    """List a page of the account's instances."""
    page_number, page_size = _page(parameters)
    instances = list(account.instances.values())
    listed = [
        {
            **_describe(instance),
            "CreateTime": CREATED_TIME,
            "NumberList": [{"Number": number} for number in instance.phone_numbers],
        }
        for instance in _cut(instances, page_number, page_size)
    ]
    return {"Data": _paged(listed, page_number, page_size, len(instances))}


def get_realtime_instance_states(account: Account, parameters: Parameters) -> Data:
    """Count an instance's agents by what they do. No call is ever in progress or waiting here."""
    _text(parameters, "InstanceId")
    instance = _instance(account, parameters)
    counts = dict.fromkeys(("ReadyAgents", "BreakingAgents", "TalkingAgents", "WorkingAgents"), 0)
    for state, count in instance.agents.items():
        if group := _AGENTS.get(state.lower()):
            counts[group] += count
    return {
        "Data": {
            "InstanceId": instance.domain_name,
            "TotalAgents": sum(instance.agents.values()),
            "LoggedInAgents": sum(count for state, count in instance.agents.items() if state.lower() != "offline"),
            **counts,
            "BreakCodeDetailList": [],
            "InteractiveCalls": 0,
            "WaitingCalls": 0,
            "LongestWaitingTime": 0,
        }
    }


# There is no Success in this version.
_ENVELOPE = {name: value for name, value in ENVELOPE.items() if name != "Success"}

OPERATIONS = (
    Operation("PickOutboundNumbers", pick_outbound_numbers, envelope=_ENVELOPE),
    Operation("GetInstance", get_instance, envelope=_ENVELOPE),
    Operation("ListPhoneNumbers", list_phone_numbers, envelope=_ENVELOPE),
    Operation("ListInstances", list_instances, envelope=_ENVELOPE),
    Operation("GetRealtimeInstanceStates", get_realtime_instance_states, envelope=_ENVELOPE),
)


def _text(parameters: Parameters, name: str) -> str:
    value = parameters.get(name)
    if value is None:
        raise ApiError.missing(name)
    if not value.strip():
        raise ApiError(400, "Parameter.Blank", f"The parameter {name} may not be null or blank.")
    return value


def _json_texts(parameters: Parameters, name: str) -> list[str]:
    """Read a list of texts, which is a JSON array in a text here."""
    try:
        values = json.loads(_text(parameters, name))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ApiError(400, "Parameter.Format", f"The parameter {name} must be a JSON array of texts.")
    if not values:
        raise ApiError(400, "Parameter.Empty", f"The parameter {name} may not be null or empty.")
    return values


def _integer(parameters: Parameters, name: str, greatest: int | None = None, default: str | None = None) -> int:
    """Read an integer of at least 1; one without a default must be there."""
    value = parameters.get(name) or default
    if value is None:
        raise ApiError.missing(name)
    if not is_number(value.removeprefix("-")):
        raise ApiError.invalid(name, "it must be an integer")
    number = int(value)
    if number < 1:
        raise ApiError(400, "Parameter.Minimum", f"The parameter {name} must be greater than or equal to 1.")
    if greatest is not None and number > greatest:
        message = f"The parameter {name} must be less than or equal to {greatest}."
        raise ApiError(400, "Parameter.Maximum", message)
    return number


def _page(parameters: Parameters) -> tuple[int, int]:
    """Read which page is wanted, and how many entries a page has."""
    return _integer(parameters, "PageNumber"), _integer(parameters, "PageSize", GREATEST_PAGE)


def _cut(everything: Sequence[_T], page_number: int, page_size: int) -> Sequence[_T]:
    start = (page_number - 1) * page_size
    return everything[start : start + page_size]


def _paged(listed: list[Data], page_number: int, page_size: int, total: int) -> Data:
    return {"List": listed, "PageNumber": page_number, "PageSize": page_size, "TotalCount": total}


def _instance(account: Account, parameters: Parameters, *, serving: bool = False) -> Instance:
    """Find the instance that the request names by its domain name."""
    domain_name = parameters["InstanceId"]
    instance = account.domains.get(domain_name)
    if instance is None:
        message = f"The specified instance {domain_name} does not exist."
        raise ApiError(404, "NotExists.InstanceId", message)
    check_service(instance, domain_name, serving=serving)
    return instance


def _describe(instance: Instance) -> Data:
    return {
        "Id": instance.domain_name,
        "Name": instance.name,
        "Description": instance.description,
        "DomainName": instance.domain_name,
        "ConsoleUrl": f"https://ccc-v2.aliyun.com/#/workbench/{instance.domain_name}",
        # Documented are RUNNING, STOPPED, CREATING and RELEASED; a description may have any text.
        "Status": instance.status.upper(),
        "AliyunUid": OWNER,
        "AdminList": [],
    }


def _describe_number(account: Account, instance: Instance, phone_number: PhoneNumber) -> Data:
    region = account.region_of(phone_number.number)
    groups = [
        {
            "SkillGroupId": group_id,
            "Name": instance.skill_groups[group_id],
            "DisplayName": instance.skill_groups[group_id],
            "InstanceId": instance.domain_name,
        }
        for group_id in phone_number.skill_groups
    ]
    return {
        "Number": phone_number.number,
        "InstanceId": instance.domain_name,
        "Usage": phone_number.usage,
        "Active": phone_number.active,
        "City": region.city,
        "Province": region.province,
        "SkillGroups": groups,
    }
