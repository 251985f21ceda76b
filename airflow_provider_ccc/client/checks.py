"""Checks of parameters before any request. Each error names the parameter and says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_ccc.client import numbers
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import shorten


def instance_id(value: object) -> None:
    """Require a call centre instance."""
    if value is None or value == "":
        raise CccParameterError(
            "instance_id", "is not given; pass it, or set it in the connection's extra as instance_id"
        )
    _id("instance_id", value)


def integer(name: str, value: object, *, at_least: int, at_most: int = 2**31 - 1) -> int:
    """Require an integer within bounds, by default those of the service's type, 32 bits."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise CccParameterError(name, f"must be an integer of at least {at_least}, not {type(value).__name__}")
    if not at_least <= value <= at_most:
        bound = "below 2**31" if at_most == 2**31 - 1 else f"at most {at_most}"
        raise CccParameterError(name, f"must be an integer of at least {at_least}, and {bound}")
    return value


def boolean(name: str, value: object) -> bool:
    """Require True or False: a text such as "false" would count as true."""
    if not isinstance(value, bool):
        raise CccParameterError(name, f"must be True or False, not {type(value).__name__}")
    return value


def candidate_numbers(values: object) -> tuple[str, ...]:
    """Require at least one phone number, without duplicates, and normalise them."""
    name = "candidate_numbers"
    candidates = tuple(
        numbers.normalise(candidate, f"{name}[{place}]")
        for place, candidate in enumerate(_list(name, values, "phone numbers"))
    )
    _refuse_duplicates(name, candidates, shorten)
    return candidates


def skill_group_ids(values: object) -> tuple[str, ...]:
    """Require at least one skill group, without duplicates."""
    name = "skill_group_ids"
    groups = _list(name, values, "skill group ids")
    for place, group in enumerate(groups):
        _id(f"{name}[{place}]", group)
    _refuse_duplicates(name, groups, str)
    return groups


def _id(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise CccParameterError(name, "is empty or no text; give its id as text")
    if value != value.strip() or not value.isprintable():
        raise CccParameterError(name, "has spaces around it or characters that cannot be printed")


def _list(name: str, values: object, what: str) -> tuple[Any, ...]:
    """Take any list but a bare string, which would be taken apart into its characters."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise CccParameterError(
            name,
            f"must be a list of {what}, not a bare {type(values).__name__}"
            " (a template that makes a list needs render_template_as_native_obj=True on its DAG)",
        )
    if not (taken := tuple(values)):
        raise CccParameterError(name, f"is an empty list; give at least one of the {what}")
    return taken


def _refuse_duplicates(name: str, values: Sequence[str], show: Callable[[str], str]) -> None:
    seen: dict[str, int] = {}
    for place, value in enumerate(values):
        first = seen.setdefault(value, place)
        if first != place:
            raise CccParameterError(name, f"has {show(value)} twice, at places {first} and {place}; give each once")
