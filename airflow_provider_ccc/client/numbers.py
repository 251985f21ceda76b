"""Phone numbers: bringing them into the form that CCC dials, and comparing them."""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from numbers import Integral
from typing import Any, NoReturn

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import shorten

#: What people write between digits; removing it cannot change which telephone rings.
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212()]+")
#: Marks that cannot be seen, such as those that telephones put around a number to have it read from left to right.
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
#: What Excel and programs that write for it put around a number that is to stay text.
_QUOTES = "'\"`\u2018\u2019\u201c\u201d"
_FORMULA = re.compile(r'=\s*("[^"]*")')
_SCHEME = re.compile(r"tel:(?://)?", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]{3,20}")
#: Most numbers, which need no further look: a mobile number, and a landline with its trunk 0.
_PLAIN = re.compile(r"1[3-9][0-9]{9}|0(?:10|2[0-9])[0-9]{8}|0[3-9][0-9]{9,10}")
#: A mobile number as most people write it.
_USUAL = re.compile(r"(?:(?:\+|00)?86[ -]?)?(1[3-9][0-9])[ -]?([0-9]{4})[ -]?([0-9]{4})")
_CHINA_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_CHINA_SERVICE = re.compile(r"[48]00[0-9]{7}")
#: An area code without its trunk 0, and a number of 7 or 8 digits.
_CHINA_LANDLINE = re.compile(r"(10|2[0-9])[0-9]{8}|[3-9][0-9]{2}[0-9]{7,8}")
#: A landline's number without its area code, and an extension.
_LOCAL_EXTENSION = re.compile(r"[2-8][0-9]{6,7}\s*[-\u2010-\u2015\u2212]\s*[0-9]{1,5}")
_EXTENSION = re.compile(
    r"(?<=[0-9)])\s*(?:;?\s*ext(?:ension|n)?\b\.?\s*[:=]?|x|#|\*|,+|转接?|轉接?|分机号?|分機號?)\s*[:.]?\s*[0-9]{1,6}\s*\)?",
    re.IGNORECASE,
)
_BETWEEN_NUMBERS = re.compile(r"[/\\|&;,、\r\n]|或|和|及|(?i:\bor\b)")
#: A number as databases, pandas and Excel write it: with decimals, thousands separators, or an exponent.
_NUMERIC = re.compile(r"[0-9]+\.0+|[0-9]{1,3}(?:,[0-9]{3})+(?:\.0+)?")
_SCIENTIFIC = re.compile(r"([0-9])(?:\.([0-9]+))?[eE]\+?[0-9]{1,2}")
#: Excel shows no more decimals than these before an exponent, however many digits the number has.
_EXCEL_DECIMALS = 5
#: What is written where there is no value, by templates, pandas and databases.
_NOTHING = frozenset({"none", "null", "nan", "nat", "n/a", "na", "undefined", "<na>", "#n/a"})


def normalise(number: object, parameter: str) -> str:
    """Bring a phone number into the form that CCC takes: digits only, as one would dial it within China.

    - what is written between digits or around them is removed: spaces, hyphens and parentheses; quotes, ``="..."``,
      ``tel:`` and invisible marks; full-width digits become plain ones;
    - ``+86``, ``0086``, ``086`` or ``86`` before a whole Chinese number is removed: a landline gets its trunk ``0``
      (``+86 10 8976 7654`` is ``01089767654``), a mobile or 400 number does not (``8613800138000`` is
      ``13800138000``). A mobile number's own ``0`` is removed, too;
    - any other ``+``, and a ``+86`` before something else, is refused: how these are dialled differs;
    - an integer, or a decimal number without a fraction, is taken if it is a mobile number and refused otherwise: it
      may have lost a leading zero. So is text that was made from one, such as ``13800138000.0``;
    - an extension, and more than one number, is refused.

    :param number: the number as the user gave it.
    :param parameter: the parameter's name, for the error's text.
    :raises CccParameterError: naming the parameter, with the number shortened.
    """
    if not isinstance(number, str):
        return _from_value(number, parameter)
    if _PLAIN.fullmatch(number):
        return number
    if usual := _USUAL.fullmatch(number):
        return "".join(usual.groups())
    text = _unwrapped(number)
    if not _SEPARATORS.sub("", text):
        raise CccParameterError(parameter, "is empty; give a phone number")
    if text.lower() in _NOTHING:
        raise CccParameterError(parameter, f"is {text!r}, so it had no value where it comes from; give a phone number")
    if numeric := _numeric(text, parameter):
        if mobile := _mobile(numeric):
            return mobile
        raise CccParameterError(
            parameter,
            f"{shorten(text)!r} was a number before it became text, and may have lost its leading zero; keep phone"
            " numbers as text where they come from",
        )
    _refuse_more_than_a_number(text, parameter)
    return _dialled(_SEPARATORS.sub("", text), parameter)


def is_mobile(number: object) -> bool:
    """Say whether an integer is a mobile number, which cannot have lost a leading zero."""
    return isinstance(number, int) and 13 * 10**9 <= number < 20 * 10**9


def as_landline(digits: str) -> str:
    """Return the landline that these digits are without its trunk ``0``; "" if they are none."""
    return f"0{digits}" if _CHINA_LANDLINE.fullmatch(digits) and not _CHINA_SERVICE.fullmatch(digits) else ""


def load_rules() -> None:
    """Load Google's rules, which :func:`is_possible` needs.

    :raises CccParameterError: they are not installed.
    """
    try:
        importlib.import_module("phonenumbers")
    except ImportError:
        raise CccParameterError(
            "only_possible_numbers", "needs phonenumbers; pip install 'airflow-provider-ccc[phonenumbers]'"
        ) from None


def is_possible(number: str) -> bool:
    """Say whether China has such a number, by the rules of Google's libphonenumber.

    They know mobile numbers, landlines with their area code, and 400 and 800 numbers. Short numbers such as 95588, and
    a number behind a carrier's code such as 17909, are refused.

    :param number: normalised.
    """
    rules = importlib.import_module("phonenumbers")
    try:
        parsed = rules.parse(number, "CN")
    except rules.NumberParseException:
        return False
    if key(number) != str(parsed.national_number) or as_landline(number):
        return False  # a carrier's code was taken off, or a landline lacks its 0
    return bool(rules.is_valid_number_for_region(parsed, "CN"))


def key(number: str) -> str:
    """Return what two writings of the same number share: CCC's answers can lose leading zeros."""
    return _SEPARATORS.sub("", number).lstrip("0")


def _from_value(number: object, parameter: str) -> str:
    """Take a number that is no text; only a mobile number has all its digits for certain."""
    if type(number) is int and is_mobile(number):
        return str(number)
    if isinstance(number, (Integral, float, Decimal)) and not isinstance(number, bool):
        value: Any = int(number) if isinstance(number, Integral) else number
        if value != value:
            raise CccParameterError(parameter, "is nan, so it had no value where it comes from; give a phone number")
        digits = str(int(value)) if abs(value) < 10**20 and value == int(value) else ""
        if mobile := _mobile(digits):
            return mobile
        raise CccParameterError(
            parameter,
            f"a phone number is text, not {type(number).__name__}; this one may have lost its leading zero. Quote it,"
            " or make its column one of text",
        )
    if isinstance(number, Iterable) and not isinstance(number, bytes):
        raise CccParameterError(
            parameter,
            f"must be one phone number, not a {type(number).__name__}; for several, map the task with expand(), or use"
            " CccPickOutboundNumbersBatchOperator",
        )
    raise CccParameterError(parameter, f"a phone number is text, not {type(number).__name__}; quote it")


def _unwrapped(number: str) -> str:
    """Remove what Excel and telephones put around a number."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", number)).strip()
    if formula := _FORMULA.fullmatch(text):
        text = formula[1]
    text = text.strip(_QUOTES).strip()
    return _SCHEME.sub("", text, count=1).strip() if _SCHEME.match(text) else text


def _numeric(text: str, parameter: str) -> str:
    """Return the digits of text that was made from a number; "" if it was not."""
    if _NUMERIC.fullmatch(text):
        return text.partition(".")[0].replace(",", "")
    scientific = _SCIENTIFIC.fullmatch(text)
    if scientific is None:
        return ""
    if len(scientific[2] or "") <= _EXCEL_DECIMALS:
        raise CccParameterError(
            parameter,
            "is written with an exponent, such as 1.38E+10, so Excel has lost its last digits; format the column as"
            " text and export it again",
        )
    value = Decimal(text)
    return str(int(value)) if value < 10**20 and value == int(value) else "?"


def _mobile(digits: str) -> str:
    """Return the mobile number that these digits are, with or without the country's code; "" if they are none."""
    national = digits.removeprefix("86") if len(digits) == 13 else digits
    return national if _CHINA_MOBILE.fullmatch(national) else ""


def _refuse_more_than_a_number(text: str, parameter: str) -> None:
    """Refuse extensions and further numbers: run together with the first they would make another number."""
    parts = [part for part in _BETWEEN_NUMBERS.split(text) if any(character.isdigit() for character in part)]
    if extension := _EXTENSION.search(text):
        if extension.end() == len(text):
            _refuse_extension(text, parameter)
    elif len(parts) > 1 or re.search(r"[0-9][0-9()\s-]{6,}\+", text):
        _refuse_several(text, parameter)
    if _LOCAL_EXTENSION.fullmatch(text) and not _CHINA_SERVICE.fullmatch(_SEPARATORS.sub("", text)):
        _refuse_extension(text, parameter)
    groups = re.findall(r"[0-9]+", text)
    if len(groups) == sum(map(len, groups)):
        return  # a blank between any two digits says nothing
    for place in range(1, len(groups)):
        if _is_whole("".join(groups[:place])):
            rest = "".join(groups[place:])
            (_refuse_several if len(rest) > 6 else _refuse_extension)(text, parameter)


def _is_whole(digits: str) -> bool:
    """Say whether nothing can follow these digits within China."""
    return bool(
        (digits.startswith("0") and _CHINA_LANDLINE.fullmatch(digits[1:]))
        or _CHINA_MOBILE.fullmatch(digits.removeprefix("0"))
        or _CHINA_SERVICE.fullmatch(digits)
        or ((match := re.match(r"0{0,2}86", digits)) and _national(digits[match.end() :]))
    )


def _refuse_extension(text: str, parameter: str) -> NoReturn:
    raise CccParameterError(
        parameter, f"{shorten(text)!r} has an extension, which CCC cannot dial; give the number without it"
    )


def _refuse_several(text: str, parameter: str) -> NoReturn:
    raise CccParameterError(parameter, f"{shorten(text)!r} holds more than one number; give each its own row")


def _dialled(digits: str, parameter: str) -> str:
    """Write digits, with or without the country's code, as they are dialled within China."""
    for prefix in ("+86", "0086", "+"):
        if digits.startswith(prefix):
            national = "" if prefix == "+" else _national(digits.removeprefix(prefix))
            if not national:
                raise CccParameterError(
                    parameter,
                    f"{shorten(digits)!r} is not of a form known within China; give it as your instance dials it",
                )
            return national
    if not _DIGITS.fullmatch(digits):
        raise CccParameterError(parameter, f"{shorten(digits)!r} is no phone number, which has 3 to 20 digits")
    for prefix in ("86", "086"):  # no Chinese number of this length begins so
        if digits.startswith(prefix) and len(digits) > 11 and (national := _national(digits.removeprefix(prefix))):
            return national
    return digits[1:] if digits.startswith("0") and _CHINA_MOBILE.fullmatch(digits[1:]) else digits


def _national(digits: str) -> str:
    """Write what follows +86 as it is dialled within China; "" where that is not known."""
    if _CHINA_MOBILE.fullmatch(digits) or _CHINA_SERVICE.fullmatch(digits):
        return digits
    national = digits.removeprefix("0")
    if _CHINA_MOBILE.fullmatch(national):
        return national
    return f"0{national}" if _CHINA_LANDLINE.fullmatch(national) else ""
