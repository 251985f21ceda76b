"""Random calls to compare with the official SDKs, the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_ccc.client import operations_2017 as v2017
from airflow_provider_ccc.client import operations_2020 as v2020
from airflow_provider_ccc.client.credentials import AccessKey
from airflow_provider_ccc.client.operation import Operation

PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
PUNCTUATION = "-_.~ +*/&=%?#@:;,'\"()[]{}<>|\\^`!$"
FOREIGN = "é中文座席组外呼Ωж\u00a0😀"
ALPHABETS = (PLAIN, PUNCTUATION, FOREIGN)


@dataclass(frozen=True)
class Case:
    """One call.

    :param operation: as our client makes it.
    :param arguments: the same for an SDK, by the parameters' names on the wire; a list where one is repeated.
    """

    operation: Operation[Any]
    arguments: dict[str, Any]
    key: AccessKey
    second: int
    nonce: str


def random_text(source: random.Random, longest: int = 30, alphabets: tuple[str, ...] = ALPHABETS) -> str:
    alphabet = "".join(source.sample(alphabets, source.randint(1, len(alphabets))))
    return "".join(source.choices(alphabet, k=source.randint(1, longest)))


def random_number(source: random.Random) -> str:
    # Not 0, nor 86, which would be normalised.
    number = source.choice("123456789") + "".join(source.choices("0123456789", k=source.randint(2, 19)))
    return number.replace("86", "87", 1) if number.startswith("86") else number


def random_id(source: random.Random) -> str:
    """Make an id of whatever an id may have: no spaces around it, and nothing that cannot be printed."""
    text = random_text(source).replace("\u00a0", "").strip()
    return text or "g"


def random_ids(source: random.Random, most: int = 12) -> list[str]:
    return list(dict.fromkeys(random_id(source) for _ in range(source.randint(1, most))))


def _pick(source: random.Random) -> tuple[Operation[Any], dict[str, Any]]:
    instance, callee, count = source.randbytes(16).hex(), random_number(source), source.randint(1, 2**31 - 1)
    candidates = list(dict.fromkeys(random_number(source) for _ in range(source.randint(1, 15))))
    return (
        v2017.PickOutboundNumbers(
            instance_id=instance, callee_number=callee, candidate_numbers=candidates, count=count
        ).for_callee(callee),
        {"InstanceId": instance, "CalleeNumber": callee, "CandidateNumber": candidates, "Count": count},
    )


def _pick_global(source: random.Random) -> tuple[Operation[Any], dict[str, Any]]:
    instance, callee, count = random_id(source), random_number(source), source.randint(1, 1000)
    groups, virtual = random_ids(source), source.choice([None, True, False])
    arguments = {"InstanceId": instance, "CalleeNumber": callee, "SkillGroupId": groups, "Count": count}
    return (
        v2017.PickGlobalOutboundNumbers(
            instance_id=instance, callee_number=callee, skill_group_ids=groups, count=count, is_virtual=virtual
        ),
        arguments if virtual is None else arguments | {"IsVirtual": virtual},
    )


def _pick_local(source: random.Random) -> tuple[Operation[Any], dict[str, Any]]:
    instance, callee, candidates = random_id(source), random_number(source), [random_number(source)]
    return (
        v2017.PickLocalNumber(instance_id=instance, callee_number=callee, candidate_numbers=candidates),
        {"InstanceId": instance, "CalleeNumber": callee, "CandidateNumber": candidates},
    )


def _region_info(source: random.Random) -> tuple[Operation[Any], dict[str, Any]]:
    instance, number = random_id(source), random_number(source)
    return v2017.GetNumberRegionInfo(instance_id=instance, number=number), {"InstanceId": instance, "Number": number}


def _check_number(source: random.Random) -> tuple[Operation[Any], dict[str, Any]]:
    instance, callee = random_id(source), random_number(source)
    caller = source.choice([None, random_number(source)])
    arguments = {"InstanceId": instance, "Callee": callee}
    return (
        v2017.CheckNumberAvaliable(instance_id=instance, callee=callee, caller=caller),
        arguments if caller is None else arguments | {"Caller": caller},
    )


def _list_numbers(source: random.Random) -> tuple[Operation[Any], dict[str, Any]]:
    instance, outbound = random_id(source), source.choice([True, False])
    return (
        v2017.ListPhoneNumbers(instance_id=instance, outbound_only=outbound),
        {"InstanceId": instance, "OutboundOnly": outbound},
    )


def _of_an_instance(make: Callable[..., Operation[Any]]) -> Callable[[random.Random], Any]:
    def one(source: random.Random) -> tuple[Operation[Any], dict[str, Any]]:
        instance = random_id(source)
        return make(instance_id=instance), {"InstanceId": instance}

    return one


def _pick_2020(source: random.Random) -> tuple[Operation[Any], dict[str, Any]]:
    instance, callee, count = random_id(source), random_number(source), source.randint(1, 1000)
    groups = random_ids(source)
    return (
        v2020.PickOutboundNumbers(instance_id=instance, callee_number=callee, skill_group_ids=groups, count=count),
        {
            "InstanceId": instance,
            "CalledNumber": callee,
            "Count": count,
            # As the SDK's own helper would write it; its users may write it in any way.
            "SkillGroupIdList": json.dumps(groups, ensure_ascii=False, separators=(",", ":")),
        },
    )


def _list_numbers_2020(source: random.Random) -> tuple[Operation[Any], dict[str, Any]]:
    instance, number, size = random_id(source), source.randint(1, 2**31 - 1), source.randint(1, 100)
    return (
        v2020.ListPhoneNumbers(instance_id=instance, page_number=number, page_size=size),
        {"InstanceId": instance, "PageNumber": number, "PageSize": size},
    )


def _list_instances_2020(source: random.Random) -> tuple[Operation[Any], dict[str, Any]]:
    number, size = source.randint(1, 2**31 - 1), source.randint(1, 100)
    return v2020.ListInstances(page_number=number, page_size=size), {"PageNumber": number, "PageSize": size}


#: Those that campaigns call come often, each of the others now and then.
MAKERS: dict[str, list[Callable[[random.Random], tuple[Operation[Any], dict[str, Any]]]]] = {
    "2017-07-05": [
        *[_pick] * 8,
        *[_pick_global] * 8,
        *(_pick_local, _region_info, _check_number, _list_numbers),
        _of_an_instance(v2017.GetInstance),
        _of_an_instance(v2017.GetInstanceState),
        lambda source: (v2017.ListInstancesOfUser(), {}),
    ],
    "2020-07-01": [
        *[_pick_2020] * 6,
        *(_list_numbers_2020, _list_instances_2020) * 2,
        _of_an_instance(v2020.GetInstance),
        _of_an_instance(v2020.GetRealtimeInstanceStates),
    ],
}


def random_cases(version: str, count: int, seed: int, alphabets: tuple[str, ...] = ALPHABETS) -> list[Case]:
    """Make calls of one version of the API.

    :param alphabets: what AccessKey ids, STS tokens and nonces are made of; only ASCII can stand in a header.
    """
    source = random.Random(seed)
    cases = []
    for _ in range(count):
        operation, arguments = source.choice(MAKERS[version])(source)
        token = source.choice([None, random_text(source, 200, alphabets)])
        key = AccessKey(random_text(source, 30, alphabets), random_text(source), token)
        # Until the year 9999, which is the last that a timestamp can name.
        second = int(source.choice([source.uniform(0, 4e9), source.uniform(0, 253402300799)]))
        cases.append(Case(operation, arguments, key, second, random_text(source, 40, alphabets)))
    return cases
