"""What templates make of parameters, read as what it was meant to be."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_ccc.client.errors import CccParameterError


def rendered_integer(value: Any) -> Any:
    """Read an integer that a template rendered as text. Whatever else it is stays, for its own check to refuse."""
    is_text = isinstance(value, str) and len(value) < 20 and value.isascii() and value.strip().isdecimal()
    return int(value) if is_text else value


def is_given(value: Any) -> bool:
    """Say whether a templated field was given: a template renders what is absent to "" or None."""
    return value is not None and value != ""


def rendered_number(value: Any) -> Any:
    """Read an integer or a decimal fraction that a template rendered as text, as :func:`rendered_integer` does."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{0,9}\.[0-9]{1,9}", value.strip()):
        return float(value)
    return rendered_integer(value)


def one_of(candidate_numbers: Any, skill_group_ids: Any) -> str:
    """Say which of the two was given.

    :raises CccParameterError: both were, or none.
    """
    by_candidates, by_groups = is_given(candidate_numbers), is_given(skill_group_ids)
    if by_candidates == by_groups:
        raise CccParameterError(
            "candidate_numbers",
            f"and skill_group_ids are {'both given' if by_groups else 'both missing'}; give one of them",
        )
    return "candidate_numbers" if by_candidates else "skill_group_ids"
