"""CCC's operations, one small frozen type each: its parameters, its checks, and how its answer is read.

An operation checks and normalises its parameters when it is made, so whatever is wrong with them is found before any
request. Documentation of 2017-07-05: https://help.aliyun.com/document_detail/70126.html and its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Self, TypeVar

from airflow_provider_ccc.client import answers, checks, numbers
from airflow_provider_ccc.client.answers import Tree
from airflow_provider_ccc.client.errors import CccUnexpectedAnswerError
from airflow_provider_ccc.client.models import (
    DialNumberPair,
    Instance,
    InstanceNumber,
    PhoneNumber,
    PickedNumbers,
)

Answer_co = TypeVar("Answer_co", covariant=True)


class Operation(Generic[Answer_co]):
    """What :func:`~airflow_provider_ccc.client.protocol.CccProtocol.prepare` sends and ``decode`` reads.

    To reach an operation that is not here, derive from this: name ``action``, give ``parameters`` and ``read``.
    """

    action: ClassVar[str]
    version: ClassVar[str] = "2017-07-05"

    def parameters(self) -> dict[str, str]:
        """Return the operation's own parameters as they are sent, all text."""
        raise NotImplementedError

    def read(self, tree: Tree, request_id: str) -> Answer_co:
        """Make the answer of a successful reply.

        :param tree: the reply's JSON or XML as dictionaries, lists and text.
        :param request_id: the reply's RequestId.
        :raises CccUnexpectedAnswerError: if it cannot be the answer to this operation.
        """
        raise NotImplementedError

    def read_usual(self, body: bytes) -> Answer_co | None:
        """Make the answer of a good reply if it is just as it should be; ``None`` leaves it to :meth:`read`.

        It saves operations that are called very often most of what tolerance costs, and changes no answer.
        """
        return None

    def phone_numbers(self) -> tuple[str, ...]:
        """Return the phone numbers that are sent, so that texts which echo them can be shortened."""
        return ()

    def shape(self) -> object:
        """Return an object that only operations share which send the same, but for what is :meth:`varying`.

        Such operations are signed at a fraction of the cost. ``None`` says that nothing is known to be the same.
        """
        return None

    def varying(self) -> Mapping[str, str]:
        """Return those of the parameters whose values differ between operations of the same shape."""
        return {}


@dataclass(frozen=True, kw_only=True)
class PickOperation(Operation[PickedNumbers]):
    """What the operations that pick numbers for a callee have in common.

    :param instance_id: the call centre instance.
    :param callee_number: whom to call; normalised by :func:`~airflow_provider_ccc.client.numbers.normalise`.
    :param count: how many pairs to ask for, at least 1. The service may answer with fewer.
    :raises CccParameterError: naming the parameter.
    """

    instance_id: str
    callee_number: str = field(repr=False)
    count: int = 1
    _shape: object = field(default_factory=object, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checks.instance_id(self.instance_id)
        _set(self, "callee_number", numbers.normalise(self.callee_number, "callee_number"))
        checks.integer("count", self.count, at_least=1)

    def for_callee(self, callee_number: str) -> Self:
        """Ask the same about another callee; what was checked already is not checked again.

        :raises CccParameterError: naming ``callee_number``.
        """
        other = object.__new__(type(self))
        fields = other.__dict__
        fields.update(self.__dict__)
        fields["callee_number"] = numbers.normalise(callee_number, "callee_number")
        return other

    def parameters(self) -> dict[str, str]:
        return {"InstanceId": self.instance_id, "Count": str(self.count), **self.varying()}

    def varying(self) -> dict[str, str]:
        return {"CalleeNumber": self.callee_number}

    def shape(self) -> object:
        return self._shape

    def phone_numbers(self) -> tuple[str, ...]:
        return (self.callee_number,)

    def read_usual(self, body: bytes) -> PickedNumbers | None:
        usual = answers.usual_pairs(body)
        if usual is None:
            return None
        request_id, pairs = usual
        for pair in pairs:
            if pair.callee.number != self.callee_number or not self._is_known(pair.caller.number):
                return None
        return PickedNumbers(request_id, pairs)

    def _is_known(self, caller: str) -> bool:
        """Say whether a caller is, as it stands, one that may be picked."""
        return True


@dataclass(frozen=True, kw_only=True)
class PickOutboundNumbers(PickOperation):
    """Pick which of the candidates to show to a callee: one of the callee's city first, then of its province.

    Alibaba Cloud recommends :class:`PickGlobalOutboundNumbers` over it.

    :param candidate_numbers: the company's own numbers to choose from, at least one, none twice; normalised too.

    The other parameters are those of :class:`PickOperation`.
    """

    action: ClassVar[str] = "PickOutboundNumbers"

    candidate_numbers: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        _set(self, "candidate_numbers", checks.candidate_numbers(self.candidate_numbers))

    def parameters(self) -> dict[str, str]:
        return {**super().parameters(), **_repeated("CandidateNumber", self.candidate_numbers)}

    def read(self, tree: Tree, request_id: str) -> PickedNumbers:
        """Read the pairs, each caller written as the candidate that it is.

        :raises CccUnexpectedAnswerError: also if a caller is none of the candidates.
        """
        pairs = _read_pairs(tree)
        return PickedNumbers(request_id, tuple(self._as_sent(pair) for pair in pairs))

    def _is_known(self, caller: str) -> bool:
        return caller in self.candidate_numbers

    def _as_sent(self, pair: DialNumberPair) -> DialNumberPair:
        caller = _with_zeros(pair.caller.number, self.candidate_numbers)
        if caller is None:
            raise CccUnexpectedAnswerError(
                f"the answer's caller {numbers.shorten(pair.caller.number)} is none of the candidate_numbers"
            )
        return _pair_of(pair, self.callee_number, caller)

    def phone_numbers(self) -> tuple[str, ...]:
        return (self.callee_number, *self.candidate_numbers)


@dataclass(frozen=True, kw_only=True)
class PickGlobalOutboundNumbers(PickOperation):
    """Pick which of the skill groups' numbers to show to a callee.

    :param skill_group_ids: whose numbers to choose from, at least one, none twice.
    :param is_virtual: sent as ``IsVirtual`` where given.

    The other parameters are those of :class:`PickOperation`.
    """

    action: ClassVar[str] = "PickGlobalOutboundNumbers"

    skill_group_ids: Sequence[str]
    is_virtual: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _set(self, "skill_group_ids", checks.skill_group_ids(self.skill_group_ids))
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
        pairs = _read_pairs(tree)
        return PickedNumbers(
            request_id, tuple(_pair_of(pair, self.callee_number, pair.caller.number) for pair in pairs)
        )


@dataclass(frozen=True, kw_only=True)
class GetInstance(Operation[Instance]):
    """Describe an instance: its status and its numbers.

    :param instance_id: the call centre instance.
    """

    action: ClassVar[str] = "GetInstance"

    instance_id: str

    def __post_init__(self) -> None:
        checks.instance_id(self.instance_id)

    def parameters(self) -> dict[str, str]:
        return {"InstanceId": self.instance_id}

    def read(self, tree: Tree, request_id: str) -> Instance:
        instance = answers.mapping(tree, "Instance")
        if not instance:
            raise CccUnexpectedAnswerError("the answer has no Instance")
        return _read_instance(instance, request_id)


@dataclass(frozen=True, kw_only=True)
class ListPhoneNumbers(Operation[list[InstanceNumber]]):
    """List an instance's numbers, all in one answer.

    :param instance_id: the call centre instance.
    :param outbound_only: only those that may call out.
    """

    action: ClassVar[str] = "ListPhoneNumbers"

    instance_id: str
    outbound_only: bool = True

    def __post_init__(self) -> None:
        checks.instance_id(self.instance_id)
        checks.boolean("outbound_only", self.outbound_only)

    def parameters(self) -> dict[str, str]:
        return {"InstanceId": self.instance_id, "OutboundOnly": _boolean(self.outbound_only)}

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


def _set(operation: object, name: str, value: object) -> None:
    """Set a field of a frozen operation, while it is being made."""
    object.__setattr__(operation, name, value)


def _repeated(name: str, values: Sequence[str]) -> dict[str, str]:
    return {f"{name}.{place}": value for place, value in enumerate(values, start=1)}


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _read_pairs(tree: Tree) -> list[DialNumberPair]:
    return [answers.pair(item) for item in answers.pairs(tree)]


def _with_zeros(number: str, sent: Sequence[str]) -> str | None:
    """Find the one number that was sent and that the answer means.

    :returns: the number as it was sent; as it came where two match; ``None`` where none does.
    """
    if number in sent:
        return number
    matches = [candidate for candidate in sent if numbers.key(candidate) == numbers.key(number)]
    if not matches:
        return None
    return matches[0] if len(matches) == 1 else number


def _pair_of(pair: DialNumberPair, callee: str, caller: str) -> DialNumberPair:
    """Write a pair's numbers with the zeros that the answer lost; a callee that differs stays as it came."""
    written_callee = _with_zeros(pair.callee.number, (callee,)) or pair.callee.number
    if written_callee == pair.callee.number and caller == pair.caller.number:
        return pair
    return DialNumberPair(_renumber(pair.callee, written_callee), _renumber(pair.caller, caller))


def _renumber(number: PhoneNumber, written: str) -> PhoneNumber:
    return PhoneNumber(written, number.city, number.province)


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
