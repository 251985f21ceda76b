"""What the operations of all API versions are made of: the type of one, and the reading of its parameters.

What both versions answer alike is here as well: a number with its region, and pairs of such numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_ccc.simulator.answers import ENVELOPE, ApiError
from airflow_provider_ccc.simulator.instances import Account, Instance
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
    :param envelope: what its answer holds beside the data.
    :param signed: whether a request for it must be signed.
    :param of_ccc: whether it is the call center's own: the quota and the faults are CCC's alone.
    """

    name: str
    answer: Callable[[Account, Parameters], Data]
    envelope: Data = field(default_factory=lambda: dict(ENVELOPE))
    signed: bool = True
    of_ccc: bool = True


def text(parameters: Parameters, name: str) -> str:
    """Read a text that must be there.

    :raises ApiError: it is not, or it is empty.
    """
    value = parameters.get(name)
    if not value:
        raise ApiError.missing(name)
    return value


def texts(parameters: Parameters, name: str) -> list[str]:
    """Gather ``name.1``, ``name.2``, ... in the order of their numbers, which is not that of their spelling."""
    prefix = f"{name}."
    numbered: list[tuple[int, str]] = []
    for key, value in parameters.items():
        index = key.removeprefix(prefix)
        if value and index != key and is_number(index):
            numbered.append((int(index), value))
    if not numbered:
        raise ApiError.missing(name)
    return [value for _, value in sorted(numbered)]


def flag(parameters: Parameters, name: str, default: str | None = None) -> bool:
    """Read true or false; one without a default must be there."""
    value = (parameters.get(name) or default or "").lower()
    if not value:
        raise ApiError.missing(name)
    if value not in ("true", "false"):
        raise ApiError.invalid(name, "it must be true or false")
    return value == "true"


def is_number(value: str) -> bool:
    """Tell whether a text is an integer of 0 or more that no one would call absurd."""
    return value.isascii() and value.isdecimal() and len(value) < 10


def check_service(instance: Instance, name: str, *, serving: bool) -> None:
    """Refuse an instance whose service cannot be used. The codes are documented for 2.x only, and assumed for 1.x.

    :param name: the instance's id in the API version that is spoken.
    :param serving: whether the operation needs an instance that is ready to call, rather than one that exists.
    """
    if instance.state != "normal":
        message = f"Call center instance '{name}' is {instance.state}"
        raise ApiError(403, f"AbnormalService.{instance.state.title()}", message)
    if serving and instance.status.lower() == "creating":
        message = f"Call center instance '{name}' is being created"
        raise ApiError(403, "AbnormalService.Creating", message)


def pairs(account: Account, callee: str, candidates: Iterable[str], count: int) -> list[Data]:
    """Pick callers and put each together with the callee."""
    called = dialled(account, callee)
    return [
        {"Callee": called, "Caller": dialled(account, caller)} for caller in pick(account, callee, candidates, count)
    ]


def dialled(account: Account, number: str) -> Data:
    """Describe a number by its region."""
    region = account.region_of(number)
    return {"Number": number, "City": region.city, "Province": region.province}
