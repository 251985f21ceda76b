"""Columns: their names, as a header or schema gives them, and which of them holds the callees."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import excerpt

#: What columns of phone numbers are called, in small letters without blanks and underscores.
_USUAL = (
    *("callee", "calleenumber", "phone", "phonenumber", "mobile", "mobilephone", "mobilenumber", "cellphone", "cell"),
    *("tel", "telephone", "telephonenumber", "number", "msisdn", "contactnumber", "手机号", "手机号码", "手机", "电话"),
    *("电话号码", "联系电话", "被叫", "被叫号码", "号码", "客户电话"),
)
_BLANKS = " \t\r\n\u00a0\u200b\u3000\ufeff"


def named(names: Iterable[object]) -> tuple[str, ...]:
    """Clean names of columns: without blanks around them, and with a name for those that have none."""
    cleaned = [str("" if name is None else name).strip(_BLANKS) for name in names]
    return tuple(name or f"(column {place})" for place, name in enumerate(cleaned, 1))


def place_of(column: str, names: Sequence[str], file: str) -> int:
    """Find the callees' column among names that must differ.

    :raises CccParameterError: it is not there, or two columns share a name.
    """
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise CccParameterError("callees", f"{file} has the column {excerpt(twice)!r} twice; give each its own name")
    if column not in names:
        raise CccParameterError(
            "callee_column",
            f"{file} has no column {excerpt(column)!r}; it has {listed(names)}{suggestion(column, names)}",
        )
    return names.index(column)


def suggestion(column: str, names: Iterable[object]) -> str:
    """Suggest the likeliest of the names for an error's text; "" if none is likely."""
    given = [str(name) for name in names]
    plain = {_plain(name): name for name in reversed(given)}
    likely = plain.get(_plain(column)) or next((plain[usual] for usual in _USUAL if usual in plain), "")
    if not likely:
        near = difflib.get_close_matches(_plain(column), plain, n=1)
        likely = plain[near[0]] if near else ""
    if likely:
        return f". Did you mean {excerpt(likely)!r}?"
    if any(sum(character.isdigit() for character in name) > 6 for name in given):
        return ". The first line must name the columns"
    return ""


def listed(names: Iterable[object]) -> str:
    """Show names of columns for an error's text."""
    shown = [repr(excerpt(str(name))) for name in names]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")
