"""Callees that are in memory already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from airflow_provider_ccc.campaign.source.records import Record, value_of
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import excerpt


class ListReader:
    """Numbers, mappings that have the column, or tuples of one number.

    Databases give tuples, one for each row, whatever it has.
    """

    columns: tuple[str, ...] | None = None
    empty = 0

    def __init__(self, items: Iterable[Any], column: str) -> None:
        self._items: Sequence[Any] = items if isinstance(items, (list, tuple)) else list(items)
        self._column = column

    def __len__(self) -> int:
        return len(self._items)

    @property
    def rows(self) -> int:
        return len(self._items)

    def identity(self) -> tuple[str, ...]:
        digest = hashlib.sha256()
        encode = msgspec.json.Encoder(order="deterministic").encode
        for place, item in enumerate(self._items, 1):
            try:
                digest.update(encode(_plain(item)))
            except (TypeError, ValueError, RecursionError):
                raise CccParameterError(
                    "callees", f"row {place} cannot be written as JSON; give text, numbers, and mappings with text keys"
                ) from None
            digest.update(b"\n")
        return "list", digest.hexdigest()

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        column = self._column
        for item in islice(self._items, start, stop):
            if isinstance(item, (str, int)):
                yield item, {column: item}, ""
            elif isinstance(item, Mapping):
                yield value_of(item, column), item, ""
            elif not isinstance(item, (tuple, list)):
                yield item, {column: item}, ""
            elif len(item) == 1:
                yield item[0], {column: item[0]}, ""
            else:
                what = f"is a {type(item).__name__} of {len(item)} values; give the number alone, or a mapping"
                yield None, {"values": list(item)}, f"the row {what} that has {excerpt(column)!r}"


def _plain(item: Any) -> Any:
    """Turn a row of a list into what JSON has."""
    if isinstance(item, Mapping):
        return dict(item)
    return list(item) if isinstance(item, tuple) else item
