"""The operations of API 2017-07-05: what each requires and what it answers.

Shapes and names are those of the documentation's pages on each operation and of the API's metadata. Lists are arrays
and phone numbers are texts, as the metadata types them and the official SDKs expect them; the documentation's own JSON
sample of PickOutboundNumbers has an object and integers there, which the official SDK cannot read.
"""

from __future__ import annotations

import re
import uuid

from airflow_provider_ccc.simulator.answers import ENVELOPE, ApiError
from airflow_provider_ccc.simulator.instances import Account, Instance, PhoneNumber
from airflow_provider_ccc.simulator.operation import (
    CREATED_TIME,
    OWNER,
    Data,
    Operation,
    Parameters,
    check_service,
    dialled,
    flag,
    is_number,
    pairs,
    text,
    texts,
)

#: What a telephone can dial: enough digits for a number, perhaps with a country code.
_DIALLABLE = re.compile(r"\+?\d{3,20}", re.ASCII)


def pick_outbound_numbers(account: Account, parameters: Parameters) -> Data:
    """Pick callers among the candidates that the request names.

    A candidate that the instance lists as not able to call out is never picked. One that it does not list at all is
    taken as it is: the documentation does not say what the service does with it.
    """
    text(parameters, "InstanceId")
    callee = text(parameters, "CalleeNumber")
    candidates = texts(parameters, "CandidateNumber")
    text(parameters, "Count")
    count = _count(parameters)
    usable = _usable(_instance(account, parameters, serving=True), candidates)
    return _dial(pairs(account, callee, usable, count))


def pick_global_outbound_numbers(account: Account, parameters: Parameters) -> Data:
    """Pick callers among the outbound numbers that are bound to the skill groups which the request names.

    ``IsVirtual`` must be true or false and makes no difference: a described number is not known to be virtual.
    """
    text(parameters, "InstanceId")
    callee = text(parameters, "CalleeNumber")
    group_ids = texts(parameters, "SkillGroupId")
    count = _count(parameters)
    flag(parameters, "IsVirtual", default="false")
    instance = _instance(account, parameters, serving=True)
    for group_id in group_ids:
        if group_id not in instance.skill_groups:
            # Assumed, after the code of 2.x: the documentation of 1.x names none for this.
            raise ApiError(404, "NotExists.SkillGroupId", f"Skill group '{group_id}' does not exist")
    wanted = set(group_ids)
    usable = (
        phone_number.number
        for phone_number in instance.phone_numbers.values()
        if phone_number.allow_outbound and not wanted.isdisjoint(phone_number.skill_groups)
    )
    return _dial(pairs(account, callee, usable, count))


def pick_local_number(account: Account, parameters: Parameters) -> Data:
    """Pick the one candidate that is nearest to the callee.

    Without a usable candidate there is no ``Caller``; what the service answers then is not documented.
    """
    text(parameters, "InstanceId")
    callee = text(parameters, "CalleeNumber")
    candidates = texts(parameters, "CandidateNumber")
    instance = _instance(account, parameters, serving=True)
    picked = pairs(account, callee, _usable(instance, candidates), 1)
    return {"Data": picked[0] if picked else {"Callee": dialled(account, callee)}}


def get_instance(account: Account, parameters: Parameters) -> Data:
    """Describe one instance."""
    text(parameters, "InstanceId")
    return {"Instance": _describe(_instance(account, parameters))}


def get_instance_state(account: Account, parameters: Parameters) -> Data:
    """Count an instance's agents by state."""
    text(parameters, "InstanceId")
    agents = _instance(account, parameters).agents
    counts = [{"State": state, "Count": count} for state, count in agents.items()]
    return {"RealTimeInstanceState": {"AgentStateDistributions": {"AgentStateCount": counts}}}


def list_phone_numbers(account: Account, parameters: Parameters) -> Data:
    """List an instance's numbers, with ``OutboundOnly`` those that can call out."""
    text(parameters, "InstanceId")
    outbound_only = flag(parameters, "OutboundOnly")
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


def get_number_region_info(account: Account, parameters: Parameters) -> Data:
    """Tell where a number is from."""
    text(parameters, "InstanceId")
    number = text(parameters, "Number")
    _instance(account, parameters)
    return {"PhoneNumber": dialled(account, number)}


def check_number_available(account: Account, parameters: Parameters) -> Data:
    """Tell whether a callee can be called and, if one is named, whether a caller can call.

    What makes a number unavailable, and the texts of ``Reason``, are not documented. Assumed: a callee must be a number
    that can be dialled; a caller must be one of the instance's numbers that can call out.
    """
    text(parameters, "InstanceId")
    callee = text(parameters, "Callee")
    caller = parameters.get("Caller")
    listed = _instance(account, parameters).phone_numbers
    data = {"CalleeAvaliable": _available("" if _DIALLABLE.fullmatch(callee) else "The number cannot be dialled.")}
    if caller:
        if caller not in listed:
            reason = "The number does not belong to the instance."
        else:
            reason = "" if listed[caller].allow_outbound else "The number cannot call out."
        data["CallerAvaliable"] = _available(reason)
    return data


# Two operations answer without HttpStatusCode, by the official SDK's models.
_WITHOUT_STATUS = {name: value for name, value in ENVELOPE.items() if name != "HttpStatusCode"}

OPERATIONS = (
    Operation("PickOutboundNumbers", pick_outbound_numbers),
    Operation("PickGlobalOutboundNumbers", pick_global_outbound_numbers),
    Operation("PickLocalNumber", pick_local_number, envelope=_WITHOUT_STATUS),
    Operation("GetInstance", get_instance),
    Operation("GetInstanceState", get_instance_state),
    Operation("ListPhoneNumbers", list_phone_numbers),
    Operation("ListInstancesOfUser", list_instances_of_user),
    Operation("GetNumberRegionInfo", get_number_region_info, envelope=_WITHOUT_STATUS),
    Operation("CheckNumberAvaliable", check_number_available),
)


def _count(parameters: Parameters) -> int:
    value = parameters.get("Count") or "1"
    if not (is_number(value) and int(value) >= 1):
        raise ApiError.invalid("Count", "it must be an integer of at least 1")
    return int(value)


def _instance(account: Account, parameters: Parameters, *, serving: bool = False) -> Instance:
    """Find the instance that the request names.

    :param serving: whether the operation needs an instance that is ready to call, rather than one that exists.
    """
    instance_id = parameters["InstanceId"]
    instance = account.instances.get(instance_id)
    if instance is None:
        message = f"Call center instance '{instance_id}' does not exist"
        raise ApiError(404, "NotExist.Instance", message)
    check_service(instance, instance_id, serving=serving)
    return instance


def _usable(instance: Instance, candidates: list[str]) -> list[str]:
    listed = instance.phone_numbers
    return [number for number in candidates if number not in listed or listed[number].allow_outbound]


def _dial(dialled_pairs: list[Data]) -> Data:
    return {"DialNumberPairs": {"DialNumberPair": dialled_pairs}}


def _available(reason: str) -> Data:
    return {"Avaliable": not reason, "Reason": reason}


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
