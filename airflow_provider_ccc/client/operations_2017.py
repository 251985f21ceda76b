"""The operations of API version 2017-07-05, one small frozen type each.

Documentation: https://help.aliyun.com/document_detail/70126.html and its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from airflow_provider_ccc.client import answers, checks, numbers
from airflow_provider_ccc.client.answers import Tree
from airflow_provider_ccc.client.errors import CccUnexpectedAnswerError
from airflow_provider_ccc.client.models import (
    Available,
    DialNumberPair,
    Instance,
    InstanceNumber,
    NumbersAvailable,
    PhoneNumber,
    PickedNumbers,
)
from airflow_provider_ccc.client.operation import (
    InstanceOperation,
    Operation,
    PickOperation,
    pair_of,
    renumber,
    set_field,
    with_zeros,
)
from airflow_provider_ccc.client.privacy import shorten

__all__ = [
    "CheckNumberAvaliable",
    "GetInstance",
    "GetInstanceState",
    "GetNumberRegionInfo",
    "ListInstancesOfUser",
    "ListPhoneNumbers",
    "Operation",
    "PickGlobalOutboundNumbers",
    "PickLocalNumber",
    "PickOperation",
    "PickOutboundNumbers",
]


@dataclass(frozen=True, kw_only=True)
class PickOutboundNumbers(PickOperation):
    """Pick which of the candidates to show to a callee: one of the callee's city first, then of its province.

    Alibaba Cloud recommends :class:`PickGlobalOutboundNumbers` over it.

    :param candidate_numbers: the company's own numbers to choose from, one or more, without duplicates; normalised.

    The other parameters are those of :class:`PickOperation`.
    """

    action: ClassVar[str] = "PickOutboundNumbers"

    candidate_numbers: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "candidate_numbers", checks.candidate_numbers(self.candidate_numbers))

    def parameters(self) -> dict[str, str]:
        return {**super().parameters(), **_repeated("CandidateNumber", self.candidate_numbers)}

    def read(self, tree: Tree, request_id: str) -> PickedNumbers:
        """Read the pairs, each caller written as the candidate that it is.

        :raises CccUnexpectedAnswerError: also if a caller is none of the candidates.
        """
        pairs = map(answers.pair, answers.pairs(tree))
        return PickedNumbers(
            request_id, tuple(_as_sent(pair, self.callee_number, self.candidate_numbers) for pair in pairs)
        )

    def _is_known(self, caller: str) -> bool:
        return caller in self.candidate_numbers

    def phone_numbers(self) -> tuple[str, ...]:
        return (self.callee_number, *self.candidate_numbers)


@dataclass(frozen=True, kw_only=True)
class PickGlobalOutboundNumbers(PickOperation):
    """Pick which of the skill groups' numbers to show to a callee.

    :param skill_group_ids: whose numbers to choose from, at least one, without duplicates.
    :param is_virtual: sent as ``IsVirtual`` where given.

    The other parameters are those of :class:`PickOperation`.
    """

    action: ClassVar[str] = "PickGlobalOutboundNumbers"

    skill_group_ids: Sequence[str]
    is_virtual: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "skill_group_ids", checks.skill_group_ids(self.skill_group_ids))
        if self.is_virtual is not None:
            checks.boolean("is_virtual", self.is_virtual)

    def parameters(self) -> dict[str, str]:
        return {
            **super().parameters(),
            **_repeated("SkillGroupId", self.skill_group_ids),
            **({} if self.is_virtual is None else {"IsVirtual": _boolean(self.is_virtual)}),
        }

    def read(self, tree: Tree, request_id: str) -> PickedNumbers:
        """Read the pairs; which numbers the skill groups have is not known here, so callers stay as they came."""
        return self._as_asked(request_id, map(answers.pair, answers.pairs(tree)))


@dataclass(frozen=True, kw_only=True)
class GetInstance(InstanceOperation[Instance]):
    """Describe an instance: its status and its numbers.

    :param instance_id: the call centre instance.
    """

    action: ClassVar[str] = "GetInstance"

    def read(self, tree: Tree, request_id: str) -> Instance:
        instance = answers.mapping(tree, "Instance")
        if not instance:
            raise CccUnexpectedAnswerError("the answer has no Instance")
        return _read_instance(instance, request_id)


@dataclass(frozen=True, kw_only=True)
class ListPhoneNumbers(InstanceOperation[list[InstanceNumber]]):
    """List an instance's numbers, all in one answer.

    :param instance_id: the call centre instance.
    :param outbound_only: only those that may call out.
    """

    action: ClassVar[str] = "ListPhoneNumbers"

    outbound_only: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.boolean("outbound_only", self.outbound_only)

    def parameters(self) -> dict[str, str]:
        return {**super().parameters(), "OutboundOnly": _boolean(self.outbound_only)}

    def read(self, tree: Tree, request_id: str) -> list[InstanceNumber]:
        return [answers.instance_number(item) for item in answers.items(tree, "PhoneNumbers", "PhoneNumber")]


@dataclass(frozen=True, kw_only=True)
class ListInstancesOfUser(Operation[list[Instance]]):
    """List the instances that the credentials can see. It has no parameters."""

    action: ClassVar[str] = "ListInstancesOfUser"

    def parameters(self) -> dict[str, str]:
        return {}

    def read(self, tree: Tree, request_id: str) -> list[Instance]:
        found = answers.items(tree, "Instances", "CallCenterInstance")
        return [_read_instance(instance, request_id) for instance in found]


@dataclass(frozen=True, kw_only=True)
class PickLocalNumber(InstanceOperation[DialNumberPair]):
    """Pick the one candidate that is of the callee's city, or of its province.

    :param instance_id: the call centre instance.
    :param callee_number: the number to call.
    :param candidate_numbers: the company's own numbers to choose from, at least one, without duplicates.
    """

    action: ClassVar[str] = "PickLocalNumber"

    callee_number: str = field(repr=False)
    candidate_numbers: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "callee_number", numbers.normalise(self.callee_number, "callee_number"))
        set_field(self, "candidate_numbers", checks.candidate_numbers(self.candidate_numbers))

    def parameters(self) -> dict[str, str]:
        return {
            **super().parameters(),
            "CalleeNumber": self.callee_number,
            **_repeated("CandidateNumber", self.candidate_numbers),
        }

    def read(self, tree: Tree, request_id: str) -> DialNumberPair:
        """Read the pair, its caller written as the candidate that it is.

        :raises CccUnexpectedAnswerError: also if the caller is none of the candidates.
        """
        return _as_sent(answers.pair(answers.mapping(tree, "Data")), self.callee_number, self.candidate_numbers)

    def phone_numbers(self) -> tuple[str, ...]:
        return (self.callee_number, *self.candidate_numbers)


@dataclass(frozen=True, kw_only=True)
class GetInstanceState(InstanceOperation[dict[str, int]]):
    """Count an instance's agents by their state. It says nothing about the instance's own.

    The answer is by state as the service names it, such as ``{"Ready": 3}``.

    :param instance_id: the call centre instance.
    """

    action: ClassVar[str] = "GetInstanceState"

    def read(self, tree: Tree, request_id: str) -> dict[str, int]:
        state = answers.mapping(tree, "RealTimeInstanceState")
        counts = answers.items(state, "AgentStateDistributions", "AgentStateCount")
        return {answers.text(item, "State"): answers.integer(item, "Count") for item in counts}


@dataclass(frozen=True, kw_only=True)
class GetNumberRegionInfo(InstanceOperation[PhoneNumber]):
    """Tell where a number is registered.

    :param instance_id: the call centre instance.
    :param number: any number; normalised.
    """

    action: ClassVar[str] = "GetNumberRegionInfo"

    number: str = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "number", numbers.normalise(self.number, "number"))

    def parameters(self) -> dict[str, str]:
        return {**super().parameters(), "Number": self.number}

    def read(self, tree: Tree, request_id: str) -> PhoneNumber:
        found = answers.phone_number(answers.mapping(tree, "PhoneNumber"))
        return renumber(found, with_zeros(found.number, (self.number,)) or found.number)

    def phone_numbers(self) -> tuple[str, ...]:
        return (self.number,)


@dataclass(frozen=True, kw_only=True)
class CheckNumberAvaliable(InstanceOperation[NumbersAvailable]):
    """Ask whether a callee may be called, and a caller may call. The service's own name is spelt like this.

    :param instance_id: the call centre instance.
    :param callee: the number to call.
    :param caller: the company's own number, if it is to be checked too.
    """

    action: ClassVar[str] = "CheckNumberAvaliable"

    callee: str = field(repr=False)
    caller: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "callee", numbers.normalise(self.callee, "callee"))
        if self.caller is not None:
            set_field(self, "caller", numbers.normalise(self.caller, "caller"))

    def parameters(self) -> dict[str, str]:
        sent = {**super().parameters(), "Callee": self.callee}
        return sent if self.caller is None else {**sent, "Caller": self.caller}

    def read(self, tree: Tree, request_id: str) -> NumbersAvailable:
        return NumbersAvailable(*(_available(tree, name) for name in ("CalleeAvaliable", "CallerAvaliable")))

    def phone_numbers(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.callee, self.caller)))


def _repeated(name: str, values: Sequence[str]) -> dict[str, str]:
    return {f"{name}.{place}": value for place, value in enumerate(values, start=1)}


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _as_sent(pair: DialNumberPair, callee: str, candidates: Sequence[str]) -> DialNumberPair:
    """Write a pair's numbers as they were sent.

    :raises CccUnexpectedAnswerError: the caller is none of the candidates.
    """
    caller = with_zeros(pair.caller.number, candidates)
    if caller is None:
        raise CccUnexpectedAnswerError(
            f"the answer's caller {shorten(pair.caller.number)} is none of the candidate_numbers"
        )
    return pair_of(pair, callee, caller)


def _available(tree: Tree, name: str) -> Available:
    found = answers.mapping(tree, name)
    return Available(answers.flag(found, "Avaliable"), answers.text(found, "Reason"))


def _read_instance(tree: Tree, request_id: str) -> Instance:
    return Instance(
        instance_id=answers.text(tree, "InstanceId"),
        name=answers.text(tree, "InstanceName"),
        status=answers.text(tree, "Status"),
        domain_name=answers.text(tree, "DomainName"),
        console_url=answers.text(tree, "ConsoleUrl"),
        description=answers.text(tree, "InstanceDescription"),
        phone_numbers=tuple(
            answers.instance_number(item) for item in answers.items(tree, "PhoneNumbers", "PhoneNumber")
        ),
        request_id=request_id,
    )
