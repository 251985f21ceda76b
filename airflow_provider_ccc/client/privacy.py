"""How phone numbers are shown in logs, errors, reports and Airflow's UI: shortened.

What counts as a phone number in a text is decided here and nowhere else: at least seven digits, with or without blanks,
hyphens and parentheses between them. Next to a letter it takes eleven, as shorter ones are ids there. A UUID, which is
what request ids are, is not a phone number, and neither is a date such as ``2026-11-27`` or ``20261127``.
"""

from __future__ import annotations

import re

_MOST_SHOWN = 80
_BETWEEN = r"[\s\-()\u2010-\u2015\u2212]*"
_IN_TEXT = re.compile(
    r"(?P<id>(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z]))"
    r"|(?P<date>(?<![0-9])(?:19|20)[0-9]{2}(?P<dash>-?)(?:0[1-9]|1[0-2])(?P=dash)(?:0[1-9]|[12][0-9]|3[01])(?![0-9]))"
    rf"|(?<![\dA-Za-z])\+?(?:\d{_BETWEEN}){{6,}}\d(?![\dA-Za-z])"
    rf"|\+?(?:\d{_BETWEEN}){{10,}}\d(?!\d)"
)


def shorten(number: object) -> str:
    """Show a phone number by its first three and last four characters, or by less if it is short.

    What cannot be printed becomes a question mark: it may come from an answer, and go into a log.
    """
    text = str(number)
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "?" for character in text)
    if len(text) > 9:
        return f"{text[:3]}****{text[-4:]}"
    return f"{text[:2]}****" if len(text) > 4 else "****"


def hide_numbers(text: str) -> str:
    """Shorten every phone number in a text."""
    return _IN_TEXT.sub(lambda match: match[0] if match["id"] or match["date"] else shorten(match[0]), text)


def excerpt(text: str) -> str:
    """Shorten every phone number in a text, and cut off what makes it too long for an error."""
    hidden = hide_numbers(text)
    return hidden if len(hidden) <= _MOST_SHOWN else f"{hidden[:_MOST_SHOWN]}..."


def counted(count: int, name: str) -> str:
    """Say how many there are: "1 callee", "2 callees"."""
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
