"""How a part's rows are written: NDJSON, CSV or Parquet. One row for each callee and pair.

NDJSON nests: ``{"row", "callee": {"number", "city", "province"}, "caller": {...}, "request_id", "source": {...}}``.
CSV and Parquet are flat: ``row``, ``callee_number``, ``callee_city``, ``callee_province``, the same of the caller,
``request_id``, and then the source row: a column ``source_...`` for each of the source's columns where these are known
from a header or schema, and one column ``source`` with the row as JSON where they are not.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.models import PhoneNumber


class PairRow(msgspec.Struct):
    """One callee with one of its callers.

    :param row: the callee's place in the source, from 1.
    :param source: the source row as it was read.
    """

    row: int
    callee: PhoneNumber
    caller: PhoneNumber
    request_id: str
    source: Mapping[str, Any]


#: Encodes one part: its rows, and the names of the source's columns where these are known.
Encode = Callable[[Sequence[PairRow], "Sequence[str] | None"], bytes]

_encoder = msgspec.json.Encoder(enc_hook=str)  # dates and decimals of a Parquet source as text
_FIXED = (
    "row",
    *(f"{who}_{what}" for who in ("callee", "caller") for what in ("number", "city", "province")),
    "request_id",
)


def encode_lines(rows: Sequence[Any]) -> bytes:
    """Write rows as NDJSON."""
    return _encoder.encode_lines(rows)


def _ndjson(rows: Sequence[PairRow], columns: Sequence[str] | None) -> bytes:
    return encode_lines(rows)


def _csv(rows: Sequence[PairRow], columns: Sequence[str] | None) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_names(columns))
    writer.writerows(_flat(row, columns) for row in rows)
    return text.getvalue().encode("utf-8")


def _parquet(rows: Sequence[PairRow], columns: Sequence[str] | None) -> bytes:
    import pyarrow
    import pyarrow.parquet

    names = _names(columns)
    flat = [_flat(row, columns) for row in rows]
    # The source's columns as text, whatever they were: parts then have one schema, and values keep their leading zeros.
    schema = pyarrow.schema([(name, pyarrow.int64() if name == "row" else pyarrow.string()) for name in names])
    arrays = [pyarrow.array([values[place] for values in flat], type=field.type) for place, field in enumerate(schema)]
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), buffer)
    return buffer.getvalue()


def _names(columns: Sequence[str] | None) -> tuple[str, ...]:
    return (*_FIXED, *(["source"] if columns is None else [f"source_{name}" for name in columns]))


def _flat(row: PairRow, columns: Sequence[str] | None) -> list[Any]:
    callee, caller, source = row.callee, row.caller, row.source
    fixed = [row.row, callee.number, callee.city, callee.province, caller.number, caller.city, caller.province]
    if columns is None:
        return [*fixed, row.request_id, _encoder.encode(source).decode("utf-8")]
    return [*fixed, row.request_id, *(_text(source.get(name)) for name in columns)]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    encoded = _encoder.encode(value).decode("utf-8")
    return encoded[1:-1] if encoded.startswith('"') else encoded


FORMATS: dict[str, Encode] = {"ndjson": _ndjson, "csv": _csv, "parquet": _parquet}


def encoder_of(name: object) -> Encode:
    """Choose how parts are written.

    :raises CccParameterError: naming ``output_format``.
    """
    if not isinstance(name, str) or name not in FORMATS:
        raise CccParameterError("output_format", f"{name!r} is none of {', '.join(FORMATS)}")
    if name == "parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise CccParameterError(
                "output_format", "parquet needs pyarrow: install airflow-provider-ccc[parquet]"
            ) from None
    return FORMATS[name]
