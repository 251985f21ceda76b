"""What an operation is, and what those that pick numbers have in common.

An operation checks and normalises its parameters when it is made, so whatever is wrong with them is found before any
request. The operations themselves are in a module for each version of the API:
:mod:`~airflow_provider_ccc.client.operations_2017` and :mod:`~airflow_provider_ccc.client.operations_2020`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Self, TypeVar

from airflow_provider_ccc.client import answers, checks, numbers
from airflow_provider_ccc.client.answers import Tree
from airflow_provider_ccc.client.models import DialNumberPair, PhoneNumber, PickedNumbers

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

    def phone_numbers(self) -> tuple[str, ...]:
        """Return the phone numbers that are sent, so that texts which echo them can be shortened."""
        return ()


class RepeatedOperation(Operation[Answer_co]):
    """An operation that is made very often, with little that differs: most of what each costs is then saved."""

    def shape(self) -> object:
        """Return an object that only operations share which send the same, but for what is :meth:`varying`."""
        raise NotImplementedError

    def varying(self) -> Mapping[str, str]:
        """Return those of the parameters whose values differ between operations of the same shape."""
        raise NotImplementedError

    def read_usual(self, body: bytes) -> Answer_co | None:
        """Make the answer of a good reply that is just as it should be; ``None`` leaves it to :meth:`read`.

        It saves most of what tolerance costs, and changes no answer.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class InstanceOperation(Operation[Answer_co]):
    """An operation about one instance; what has more parameters adds them.

    :param instance_id: the call centre instance.
    :raises CccParameterError: naming ``instance_id``.
    """

    instance_id: str

    def __post_init__(self) -> None:
        checks.instance_id(self.instance_id)

    def parameters(self) -> dict[str, str]:
        return {"InstanceId": self.instance_id}


@dataclass(frozen=True, kw_only=True)
class PickOperation(InstanceOperation[PickedNumbers], RepeatedOperation[PickedNumbers]):
    """What the operations that pick numbers for a callee have in common.

    :param instance_id: the call centre instance.
    :param callee_number: the number to call; normalised by :func:`~airflow_provider_ccc.client.numbers.normalise`.
    :param count: how many pairs to ask for, at least 1. The service may answer with fewer.
    :raises CccParameterError: naming the parameter.
    """

    #: What the callee's number is called on the wire.
    callee_parameter: ClassVar[str] = "CalleeNumber"

    callee_number: str = field(repr=False)
    count: int = 1
    _shape: object = field(default_factory=object, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "callee_number", numbers.normalise(self.callee_number, "callee_number"))
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
        return {**super().parameters(), "Count": str(self.count), **self.varying()}

    def varying(self) -> dict[str, str]:
        return {self.callee_parameter: self.callee_number}

    def shape(self) -> object:
        return self._shape

    def phone_numbers(self) -> tuple[str, ...]:
        return (self.callee_number,)

    def read_usual(self, body: bytes) -> PickedNumbers | None:
        usual = self._usual_pairs(body)
        if usual is None:
            return None
        request_id, pairs = usual
        for pair in pairs:
            if pair.callee.number != self.callee_number or not self._is_known(pair.caller.number):
                return None
        return PickedNumbers(request_id, pairs)

    def _usual_pairs(self, body: bytes) -> answers.RequestedPairs | None:
        """Read an answer as it usually is; which that is depends on the version."""
        return answers.usual_pairs(body)

    def _is_known(self, caller: str) -> bool:
        """Say whether a caller is, as it stands, one that may be picked."""
        return True

    def _as_asked(self, request_id: str, pairs: Iterable[DialNumberPair]) -> PickedNumbers:
        """Write the callee with the zeros that the answer lost. Whose numbers the callers are is not known here."""
        return PickedNumbers(request_id, tuple(pair_of(pair, self.callee_number, pair.caller.number) for pair in pairs))


def set_field(operation: object, name: str, value: object) -> None:
    """Set a field of a frozen operation, while it is being made."""
    object.__setattr__(operation, name, value)


def with_zeros(number: str, sent: Sequence[str]) -> str | None:
    """Find the one number that was sent and that the answer means.

    :returns: the number as it was sent; as it came where two match; ``None`` where none does.
    """
    if number in sent:
        return number
    matches = [candidate for candidate in sent if numbers.key(candidate) == numbers.key(number)]
    if not matches:
        return None
    return matches[0] if len(matches) == 1 else number


def pair_of(pair: DialNumberPair, callee: str, caller: str) -> DialNumberPair:
    """Write a pair's numbers with the zeros that the answer lost; a callee that differs stays as it came."""
    written_callee = with_zeros(pair.callee.number, (callee,)) or pair.callee.number
    if written_callee == pair.callee.number and caller == pair.caller.number:
        return pair
    return DialNumberPair(renumber(pair.callee, written_callee), renumber(pair.caller, caller))


def renumber(number: PhoneNumber, written: str) -> PhoneNumber:
    return PhoneNumber(written, number.city, number.province)
