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


def one_of(**values: Any) -> str:
    """Say which of two parameters was given.

    :raises CccParameterError: both were, or none.
    """
    first, second = values
    given = [name for name in values if is_given(values[name])]
    if len(given) != 1:
        raise CccParameterError(
            first, f"and {second} are {'both given' if given else 'both missing'}; give one of them"
        )
    return given[0]
