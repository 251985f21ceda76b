"""What CCC's answers are made of.

Numbers, cities and provinces are text, as the service sent them; "" where it sent none. Printing any of these shows
phone numbers shortened.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from airflow_provider_ccc.client.privacy import shorten

Item = TypeVar("Item")


class PhoneNumber(msgspec.Struct, frozen=True):
    """A number and where it is registered.

    :param number: digits as dialled within China, such as ``01089767654``.
    :param city: in Chinese, such as ``北京``.
    :param province: in Chinese, such as ``北京``.
    """

    number: str
    city: str = ""
    province: str = ""

    def __repr__(self) -> str:
        return f"PhoneNumber({shorten(self.number)}, {self.city}, {self.province})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("number", shorten(self.number)), ("city", self.city), ("province", self.province)]

    def as_dict(self) -> dict[str, str]:
        """Return ``{"number", "city", "province"}``."""
        return {"number": self.number, "city": self.city, "province": self.province}


class DialNumberPair(msgspec.Struct, frozen=True):
    """Whom to call, and which of the company's own numbers to show."""

    callee: PhoneNumber
    caller: PhoneNumber

    def as_dict(self) -> dict[str, dict[str, str]]:
        """Return ``{"callee": {...}, "caller": {...}}``, the shape that goes through XCom."""
        return {"callee": self.callee.as_dict(), "caller": self.caller.as_dict()}


class PickedNumbers(msgspec.Struct, frozen=True):
    """The answer of the picking operations.

    :param request_id: the service's id of the request.
    :param pairs: at most as many as were asked for.
    """

    request_id: str
    pairs: tuple[DialNumberPair, ...]


class InstanceNumber(msgspec.Struct, frozen=True):
    """One of an instance's own numbers.

    :param number: digits as dialled within China.
    :param usage: ``Inbound``, ``Outbound`` or ``Bidirection``.
    :param allow_outbound: whether it may call out.
    """

    number: str
    usage: str = ""
    allow_outbound: bool = False
    city: str = ""
    province: str = ""

    def __repr__(self) -> str:
        return f"InstanceNumber({shorten(self.number)}, {self.usage}, allow_outbound={self.allow_outbound})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("number", shorten(self.number)), ("usage", self.usage), ("allow_outbound", self.allow_outbound)]


class Instance(msgspec.Struct, frozen=True):
    """A call centre instance.

    :param status: a free text in 2017-07-05, of which only ``Creating`` is documented.
    """

    instance_id: str
    name: str = ""
    status: str = ""
    domain_name: str = ""
    console_url: str = ""
    description: str = ""
    phone_numbers: tuple[InstanceNumber, ...] = ()
    request_id: str = ""


class Available(msgspec.Struct, frozen=True):
    """Whether a number can be used, and why not; "" where the service gave no reason."""

    available: bool
    reason: str = ""


class NumbersAvailable(msgspec.Struct, frozen=True):
    """The answer of CheckNumberAvaliable."""

    callee: Available
    caller: Available


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """A part of a long list.

    :param items: those of this page.
    :param total: how many there are on all pages.
    """

    items: tuple[Item, ...]
    total: int
