"""The operations, by API version and name: what each requires and what it answers.

2017-07-05 only. 2020-07-01 will be a second entry in :data:`OPERATIONS`.

Shapes and names are those of the documentation's pages on each operation and of the API's metadata. Lists are arrays
and phone numbers are texts, as the metadata types them and the official SDKs expect them; the documentation's own JSON
sample of PickOutboundNumbers has an object and integers there, which the official SDK cannot read.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_ccc.simulator.answers import ApiError
from airflow_provider_ccc.simulator.instances import Account, Instance, PhoneNumber
from airflow_provider_ccc.simulator.picking import pick

Parameters = Mapping[str, str]
Data = dict[str, Any]

OWNER = "1059803544828509"
CREATED_TIME = 1537867125000


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    :param name: its name, the request's ``Action``.
    :param answer: takes the account and the request's parameters, and gives the answer's data.
    """

    name: str
    answer: Callable[[Account, Parameters], Data]


def pick_outbound_numbers(account: Account, parameters: Parameters) -> Data:
    """Pick callers among the candidates that the request names.

    A candidate that the instance lists as not able to call out is never picked. One that it does not list at all is
    taken as it is: the documentation does not say what the service does with it.
    """
    _text(parameters, "InstanceId")
    callee = _text(parameters, "CalleeNumber")
    candidates = _texts(parameters, "CandidateNumber")
    _text(parameters, "Count")
    count = _count(parameters)
    listed = _instance(account, parameters, serving=True).phone_numbers
    usable = (number for number in candidates if number not in listed or listed[number].allow_outbound)
    return _pairs(account, callee, usable, count)


def pick_global_outbound_numbers(account: Account, parameters: Parameters) -> Data:
    """Pick callers among the outbound numbers that are bound to the skill groups which the request names.

    ``IsVirtual`` must be true or false and makes no difference: a described number is not known to be virtual.
    """
    _text(parameters, "InstanceId")
    callee = _text(parameters, "CalleeNumber")
    group_ids = _texts(parameters, "SkillGroupId")
    count = _count(parameters)
    _flag(parameters, "IsVirtual", default="false")
    instance = _instance(account, parameters, serving=True)
    for group_id in group_ids:
        if group_id not in instance.skill_groups:
            # Assumed, after NotExist.Instance: the documentation of 1.x names no code for this.
            raise ApiError(404, "NotExist.SkillGroup", f"Skill group '{group_id}' does not exist")
    wanted = set(group_ids)
    usable = (
        phone_number.number
        for phone_number in instance.phone_numbers.values()
        if phone_number.allow_outbound and not wanted.isdisjoint(phone_number.skill_groups)
    )
    return _pairs(account, callee, usable, count)


def get_instance(account: Account, parameters: Parameters) -> Data:
    """Describe one instance."""
    _text(parameters, "InstanceId")
    return {"Instance": _describe(_instance(account, parameters))}


def list_phone_numbers(account: Account, parameters: Parameters) -> Data:
    """List an instance's numbers, with ``OutboundOnly`` those that can call out."""
    _text(parameters, "InstanceId")
    outbound_only = _flag(parameters, "OutboundOnly")
    instance = _instance(account, parameters)
    numbers = [
        _describe_listed_number(account, instance, phone_number)
        for phone_number in instance.phone_numbers.values()
        if phone_number.allow_outbound or not outbound_only
    ]
    return {"PhoneNumbers": {"PhoneNumber": numbers}}


def list_instances_of_user(account: Account, _: Parameters) -> Data:
    """List the account's instances."""
    instances = [_describe(instance) for instance in account.instances.values()]
    return {"Instances": {"CallCenterInstance": instances}}


OPERATIONS: dict[str, dict[str, Operation]] = {
    "2017-07-05": {
        operation.name: operation
        for operation in (
            Operation("PickOutboundNumbers", pick_outbound_numbers),
            Operation("PickGlobalOutboundNumbers", pick_global_outbound_numbers),
            Operation("GetInstance", get_instance),
            Operation("ListPhoneNumbers", list_phone_numbers),
            Operation("ListInstancesOfUser", list_instances_of_user),
        )
    },
}


def _text(parameters: Parameters, name: str) -> str:
    value = parameters.get(name)
    if not value:
        raise ApiError.missing(name)
    return value


def _texts(parameters: Parameters, name: str) -> list[str]:
    """Gather ``name.1``, ``name.2``, ... in the order of their numbers, which is not that of their spelling."""
    prefix = f"{name}."
    numbered: list[tuple[int, str]] = []
    for key, value in parameters.items():
        index = key.removeprefix(prefix)
        if value and index != key and index.isascii() and index.isdecimal() and len(index) < 10:
            numbered.append((int(index), value))
    if not numbered:
        raise ApiError.missing(name)
    return [value for _, value in sorted(numbered)]


def _count(parameters: Parameters) -> int:
    value = parameters.get("Count") or "1"
    if not (value.isascii() and value.isdecimal() and len(value) < 10 and int(value) >= 1):
        raise ApiError.invalid("Count", "it must be an integer of at least 1")
    return int(value)


def _flag(parameters: Parameters, name: str, default: str | None = None) -> bool:
    value = (parameters.get(name) or default or "").lower()
    if not value:
        raise ApiError.missing(name)
    if value not in ("true", "false"):
        raise ApiError.invalid(name, "it must be true or false")
    return value == "true"


def _instance(account: Account, parameters: Parameters, *, serving: bool = False) -> Instance:
    """Find the instance that the request names.

    :param serving: whether the operation needs an instance that is ready to call, rather than one that exists.
    """
    instance_id = parameters["InstanceId"]
    instance = account.instances.get(instance_id)
    if instance is None:
        message = f"Call center instance '{instance_id}' does not exist"
        raise ApiError(404, "NotExist.Instance", message)
    if instance.state != "normal":
        message = f"Call center instance '{instance_id}' is {instance.state}"
        raise ApiError(403, f"AbnormalService.{instance.state.title()}", message)
    if serving and instance.status == "Creating":
        message = f"Call center instance '{instance_id}' is being created"
        raise ApiError(403, "AbnormalService.Creating", message)
    return instance


def _pairs(account: Account, callee: str, candidates: Iterable[str], count: int) -> Data:
    called = _dialled(account, callee)
    pairs = [
        {"Callee": called, "Caller": _dialled(account, caller)} for caller in pick(account, callee, candidates, count)
    ]
    return {"DialNumberPairs": {"DialNumberPair": pairs}}


def _dialled(account: Account, number: str) -> Data:
    region = account.region_of(number)
    return {"Number": number, "City": region.city, "Province": region.province}


def _describe(instance: Instance) -> Data:
    numbers = [_describe_number(instance, number) for number in instance.phone_numbers.values()]
    return {
        "InstanceId": instance.instance_id,
        "InstanceName": instance.name,
        "InstanceDescription": instance.description,
        "DomainName": instance.domain_name,
        "ConsoleUrl": f"ccc.aliyun.com/workbench/{instance.domain_name}",
        "Status": instance.status,
        "Owner": OWNER,
        "CreatedTime": CREATED_TIME,
        "MaxOnlineAgents": 100,
        "StorageBucket": "cloudcallcenter-online",
        "StorageMaxDays": 0,
        "StorageMaxSize": 100,
        "Admin": {"User": []},
        "PhoneNumbers": {"PhoneNumber": numbers},
    }


def _describe_number(instance: Instance, phone_number: PhoneNumber) -> Data:
    return {
        # The service makes these up; here they must only be stable and unlike each other.
        "PhoneNumberId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{instance.instance_id}/{phone_number.number}")),
        "InstanceId": instance.instance_id,
        "Number": phone_number.number,
        "PhoneNumberDescription": phone_number.description,
        "Usage": phone_number.usage,
        "AllowOutbound": phone_number.allow_outbound,
        "TestOnly": False,
        "Trunks": 1,
        "RemainingTime": 0,
    }


def _describe_listed_number(account: Account, instance: Instance, phone_number: PhoneNumber) -> Data:
    region = account.region_of(phone_number.number)
    groups = [
        {"SkillGroupId": group_id, "SkillGroupName": instance.skill_groups[group_id]}
        for group_id in phone_number.skill_groups
    ]
    return {
        **_describe_number(instance, phone_number),
        "City": region.city,
        "Province": region.province,
        "SkillGroups": {"SkillGroup": groups},
    }
