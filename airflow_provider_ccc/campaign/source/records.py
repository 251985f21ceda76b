"""What a reader of callees gives: a stream of records.

A record is one row before anybody looked at its number: the callee's value, all fields, and what is wrong with the row
itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from airflow_provider_ccc.client.errors import CccParameterError

#: The callee's value (:data:`MISSING` where the row has no such field), the row, and what is wrong with the row or "".
Record = tuple[object, Mapping[str, Any], str]
#: Stands for the value of a row that lacks the column.
MISSING = object()


class NoCalleesError(CccParameterError):
    """There is nobody to call."""


class Reader(Protocol):
    """Reads the callees as often as it is asked to."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names that a header or schema gives."""

    @property
    def empty(self) -> int:
        """How many lines were empty, known after a pass to the end."""

    @property
    def rows(self) -> int | None:
        """How many rows there are, where that is known: from the file itself, or after a pass to the end."""

    def identity(self) -> tuple[str, ...]:
        """Return what makes two inputs the same one: a digest of the content, and how it is read."""

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Read the rows from ``start`` up to but without ``stop``, counted from 0."""


def value_of(row: Mapping[str, Any], column: str) -> object:
    """Take the callee out of a row whose names may have blanks around them."""
    value = row.get(column, MISSING)
    if value is MISSING:
        return next((row[name] for name in row if isinstance(name, str) and name.strip() == column), MISSING)
    return value
