"""Ranges of a file's rows, small enough for XCom and without phone numbers, and the bitmaps that they carry."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.client.errors import CccParameterError

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Bitmap:
    """A set of row indices, one bit per row.

    :param bits: what :meth:`pack` or :meth:`cut` rest on; bit ``n % 8`` of byte ``n // 8`` stands for index ``n``.
    """

    __slots__ = ("bits",)

    def __init__(self, bits: bytes = b"") -> None:
        self.bits = bytearray(bits)

    def add(self, index: int) -> None:
        """Put an index in."""
        place = index >> 3
        if place >= len(self.bits):
            self.bits.extend(bytes(place + 1 - len(self.bits)))
        self.bits[place] |= 1 << (index & 7)

    def __contains__(self, index: int) -> bool:
        place = index >> 3
        return place < len(self.bits) and bool(self.bits[place] >> (index & 7) & 1)

    def __len__(self) -> int:
        return int.from_bytes(self.bits, "little").bit_count()

    def cut(self, start: int, stop: int) -> Bitmap:
        """Copy the indices from ``start`` up to but without ``stop``, counted from ``start``."""
        bits = int.from_bytes(self.bits[start >> 3 : (stop + 7) >> 3], "little") >> (start & 7)
        bits &= (1 << (stop - start)) - 1
        return Bitmap(bits.to_bytes((bits.bit_length() + 7) // 8, "little"))

    def pack(self) -> str:
        """Write it as text: zlib, then base64; "" if it is empty."""
        return base64.b64encode(zlib.compress(bytes(self.bits))).decode() if any(self.bits) else ""

    @classmethod
    def unpack(cls, text: str, size: int) -> Bitmap:
        """Read what :meth:`pack` wrote.

        :param size: how many indices it may hold.
        :raises ValueError: the text is no bitmap of this size.
        """
        limit = (size + 7) // 8
        decompressor = zlib.decompressobj()
        try:
            bits = decompressor.decompress(base64.b64decode(text, validate=True), limit + 1) if text else b""
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if len(bits) > limit or int.from_bytes(bits, "little") >> size or (text and not decompressor.eof):
            raise ValueError("too long, or cut off")
        return cls(bits)


@dataclass(frozen=True)
class Range:
    """Consecutive rows of a file, as they go through XCom.

    :param path: the file, where every worker can read it.
    :param column: the callees' column.
    :param format: one of the formats; "" if the name says.
    :param encoding: of text.
    :param delimiter: of CSV; "" for the usual one.
    :param sheet: of a workbook; "" for the first.
    :param only_possible_numbers: whether a number that China does not have is malformed.
    :param start: the index of the first row, from 0.
    :param stop: the index after the last row.
    :param batch: which of the ranges this is, from 0.
    :param batches: how many there are.
    :param rows_total: rows of the whole file.
    :param empty: empty lines of the whole file.
    :param malformed: rows of this range that cannot be called.
    :param fingerprint: of the whole file, as its survey has it.
    :param duplicates: rows of this range whose number appears earlier in the file, as :meth:`Bitmap.pack` writes it.
    :param excluded: which rows of this range are excluded, likewise.
    """

    path: str
    column: str
    format: str
    encoding: str
    delimiter: str
    sheet: str
    only_possible_numbers: bool
    start: int
    stop: int
    batch: int
    batches: int
    rows_total: int
    empty: int
    malformed: int
    fingerprint: str
    duplicates: str
    excluded: str

    def dump(self) -> dict[str, Any]:
        """Return it as a plain dictionary."""
        return asdict(self)

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> Range:
        """Take what :meth:`dump` gave, after a way through XCom.

        :raises CccParameterError: naming what is wrong with it.
        """
        names = [field.name for field in fields(cls)]
        if missing := [name for name in names if name not in value]:
            raise _wrong(f"lacks {', '.join(missing)}")
        if len(value) > len(names):
            raise _wrong("has more keys than a range")
        for field in fields(cls):
            found = value[field.name]
            # Annotations are text here; a bool is an int in Python, but no row's index.
            if type(found).__name__ != field.type:
                raise _wrong(f"has a {type(found).__name__} as {field.name}, where {field.type} belongs")
        taken = cls(**value)
        if not 0 <= taken.start < taken.stop <= taken.rows_total:
            raise _wrong("must have 0 <= start < stop <= rows_total")
        if not 0 <= taken.batch < taken.batches:
            raise _wrong("must have 0 <= batch < batches")
        if taken.empty < 0 or not 0 <= taken.malformed <= taken.stop - taken.start:
            raise _wrong("must have 0 <= empty, and no more malformed rows than rows")
        if not _SHA256.fullmatch(taken.fingerprint):
            raise _wrong("has a fingerprint that is no SHA-256")
        taken.bitmap("duplicates")
        taken.bitmap("excluded")
        return taken

    @property
    def reading(self) -> Reading:
        """How its file is read."""
        return Reading(
            column=self.column,
            format=self.format or None,
            encoding=self.encoding,
            delimiter=self.delimiter or None,
            sheet=self.sheet or None,
            only_possible_numbers=self.only_possible_numbers,
        )

    def bitmap(self, of: str) -> Bitmap:
        """Return its duplicates or excluded rows, as indices from ``start``."""
        try:
            return Bitmap.unpack(getattr(self, of), self.stop - self.start)
        except ValueError as error:
            raise _wrong(f"has {of} that cannot be read: {error}") from None


def cut(rows: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """Give start and stop of each batch; all but the last have ``batch_size`` rows."""
    for start in range(0, rows, batch_size):
        yield start, min(start + batch_size, rows)


def _wrong(what: str) -> CccParameterError:
    return CccParameterError("callees", f"a mapping stands for a range that split_callees made; this one {what}")
