"""Phone numbers: bringing them into the form that CCC dials, and comparing them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import shorten

#: What people write between digits; removing it cannot change which telephone rings.
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212()]+")
_DIGITS = re.compile(r"[0-9]{3,20}")
_PLAIN = re.compile(r"(?!0086)[0-9]{3,20}")
_CHINA_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_CHINA_SERVICE = re.compile(r"[48]00[0-9]{7}")
#: An area code without its trunk 0, and a number of 7 or 8 digits.
_CHINA_LANDLINE = re.compile(r"(10|2[0-9])[0-9]{8}|[3-9][0-9]{2}[0-9]{7,8}")
#: What is written where there is no value, by templates, pandas and databases.
_NOTHING = frozenset({"none", "null", "nan", "nat", "n/a", "na", "undefined", "<na>", "#n/a"})


def normalise(number: object, parameter: str) -> str:
    """Bring a phone number into the form that CCC takes: digits only, as one would dial it within China.

    - spaces, hyphens and parentheses are removed, full-width digits become plain ones;
    - a leading ``+86`` or ``0086`` is removed: a landline gets its trunk ``0`` (``+86 10 8976 7654`` is
      ``01089767654``), a mobile or 400 number does not (``+86 138 0013 8000`` is ``13800138000``);
    - any other ``+``, and a ``+86`` before something else, is refused: how these are dialled differs;
    - an integer is taken if it is a mobile number (Jinja's native rendering makes these integers) and refused
      otherwise: it may have lost a leading zero.

    :param number: the number as the user gave it.
    :param parameter: the parameter's name, for the error's text.
    :raises CccParameterError: naming the parameter, with the number shortened.
    """
    if isinstance(number, str) and _PLAIN.fullmatch(number):  # as most are
        return number
    if is_mobile(number):
        return str(number)
    if isinstance(number, Iterable) and not isinstance(number, (str, bytes)):
        raise CccParameterError(
            parameter,
            f"must be one phone number, not a {type(number).__name__}; for several, map the task with expand(), or use"
            " CccPickOutboundNumbersBatchOperator",
        )
    if not isinstance(number, str):
        raise CccParameterError(
            parameter,
            f"a phone number is text, not {type(number).__name__}; quote it, or its leading zero is lost",
        )
    digits = _SEPARATORS.sub("", unicodedata.normalize("NFKC", number))
    if not digits:
        raise CccParameterError(parameter, "is empty; give a phone number")
    for prefix in ("+86", "0086", "+"):
        if digits.startswith(prefix):
            national = "" if prefix == "+" else _national(digits.removeprefix(prefix))
            if not national:
                raise CccParameterError(
                    parameter,
                    f"{shorten(number)!r} is not of a form known within China; give it as your instance dials it",
                )
            return national
    if digits.lower() in _NOTHING:
        raise CccParameterError(
            parameter, f"is {digits!r}, so it had no value where it comes from; give a phone number"
        )
    if not _DIGITS.fullmatch(digits):
        raise CccParameterError(parameter, f"{shorten(number)!r} is no phone number, which has 3 to 20 digits")
    return digits


def is_mobile(number: object) -> bool:
    """Say whether an integer is a mobile number, which cannot have lost a leading zero."""
    return isinstance(number, int) and 13 * 10**9 <= number < 20 * 10**9


def _national(digits: str) -> str:
    """Write what follows +86 as it is dialled within China; "" where that is not known."""
    if _CHINA_MOBILE.fullmatch(digits) or _CHINA_SERVICE.fullmatch(digits):
        return digits
    landline = digits.removeprefix("0")
    return f"0{landline}" if _CHINA_LANDLINE.fullmatch(landline) else ""


def key(number: str) -> str:
    """Return what two writings of the same number share: CCC's answers can lose leading zeros."""
    return _SEPARATORS.sub("", number).lstrip("0")
