from __future__ import annotations

import contextlib
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.numbers import is_possible, key, normalise


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("165787876896", "165787876896"),  # the seed's own, 12 digits
        ("01089767654", "01089767654"),
        (" 138 0013-8000 ", "13800138000"),
        ("(010) 8976-7654", "01089767654"),
        ("138\u00a00013\u20118000", "13800138000"),
        ("１３８００１３８０００", "13800138000"),
        ("+86 138 0013 8000", "13800138000"),
        ("0086-138-0013-8000", "13800138000"),
        ("+86 10 8976 7654", "01089767654"),
        ("+86 (0)10 8976 7654", "01089767654"),
        ("+86 400 812 3456", "4008123456"),
        ("+86 512 6512 3456", "051265123456"),
        ("+86 931 888 8888", "09318888888"),
        ("95588", "95588"),
        (13800138000, "13800138000"),
        # with the country's code, and no plus
        ("8613800138002", "13800138002"),
        ("86 138 0013 8003", "13800138003"),
        ("86-138-0013-8003", "13800138003"),
        ("086-13800138000", "13800138000"),
        ("(86)13800138000", "13800138000"),
        ("861089767654", "01089767654"),
        ("86-010-8976 7654", "01089767654"),
        ("86 400 812 3456", "4008123456"),
        (8613800138002, "13800138002"),
        # the zero that some dial before a mobile number of another city
        ("013800138000", "13800138000"),
        ("+86 013800138000", "13800138000"),
        # numbers, as databases, pandas and Excel have them
        (13800138000.0, "13800138000"),
        (Decimal("13800138000"), "13800138000"),
        (Decimal("13800138000.00"), "13800138000"),
        ("13800138000.0", "13800138000"),
        ("13,800,138,000", "13800138000"),
        ("1.3800138E+10", "13800138000"),
        ("1.38001380e10", "13800138000"),
        # what Excel and telephones put around
        ("'13800138001", "13800138001"),
        ("`13800138001`", "13800138001"),
        ('="13800138002"', "13800138002"),
        ('"13800138002"', "13800138002"),
        ("13800138000\t", "13800138000"),
        ("\u202d13800138000\u202c", "13800138000"),
        ("\u200e138\u200b00138000", "13800138000"),
        ("\ufeff13800138000", "13800138000"),
        ("tel:13800138000", "13800138000"),
        ("TEL:+86-10-8976-7654", "01089767654"),
        # as the service decides
        ("1380013800", "1380013800"),
        ("138001380001", "138001380001"),
        ("17909 13800138000", "1790913800138000"),
        ("00852-2345-6789", "0085223456789"),
        ("86123", "86123"),
        # whole, although a part of it could be
        ("4008108-888", "4008108888"),
        ("0755-8888-1234", "075588881234"),
        ("0 7 5 5 8 8 8 8 1 2 3 4", "075588881234"),
    ],
)
def test_normalise(written, sent):
    assert normalise(written, "callee_number") == sent


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "is empty"),
        (" - ", "is empty"),
        (None, "not NoneType"),
        (1089767654, "leading zero"),
        (True, "not bool"),
        (1.5, "not float"),
        (b"13800138000", "not bytes"),
        (
            ["13800138000", "13800138001"],
            r"one phone number, not a list; for several, map the task with expand\(\), or use",
        ),
        ("None", "is 'None', so it had no value"),
        (" nan ", "is 'nan', so it had no value"),
        (10**30, "not int"),
        ("+1 202 555 0100", "known within China"),
        ("+86 165787876896", "known within China"),
        ("+86 95588", "known within China"),
        ("+86 8976 7654", "known within China"),
        ("0086", "known within China"),
        ("1380013800x", "no phone number"),
        ("12", "no phone number"),
        ("1" * 21, "no phone number"),
        ("+86", "known within China"),
        ("٠١٠٨٩٧٦٧٦٥٤", "no phone number"),
        ("138+00138000", "no phone number"),
        ("010-89767654-802", "has an extension"),
        ("010-89767654转802", "has an extension"),
        ("010-89767654 分机 802", "has an extension"),
        ("010-89767654 ext. 802", "has an extension"),
        ("010-89767654;ext=802", "has an extension"),
        ("tel:+86-10-89767654;ext=802", "has an extension"),
        ("(010)89767654(802)", "has an extension"),
        ("01089767654 x802", "has an extension"),
        ("0108976 7654#802", "has an extension"),
        ("13800138000,,802", "has an extension"),
        ("89767654-802", "has an extension"),
        ("+86 10 8976 7654 802", "has an extension"),
        ("0755-8888123-4", "has an extension"),
        ("400-812-3456-1", "has an extension"),
        ("13800138000/13800138001", "more than one number"),
        ("13800138000、13800138001", "more than one number"),
        ("13800138000;13800138001", "more than one number"),
        ("13800138000；13800138001", "more than one number"),
        ("13800138000，13800138001", "more than one number"),
        ("13800138000 13800138001", "more than one number"),
        ("13800138000/1", "more than one number"),
        ("13800138000或13800138001", "more than one number"),
        ("021-63914848 63914849", "more than one number"),
        ("+8613800138000+8613800138001", "more than one number"),
        (1089767654.0, "leading zero"),
        (Decimal("1089767654"), "leading zero"),
        (Decimal("NaN"), "is nan, so it had no value"),
        (float("nan"), "is nan, so it had no value"),
        (float("inf"), "not float"),
        ("1089767654.0", "leading zero"),
        ("1,089,767,654", "leading zero"),
        ("1.38E+10", "Excel has lost its last digits"),
        ("1.38001E+10", "Excel has lost its last digits"),
        ("1.0897676540E+9", "leading zero"),
    ],
)
def test_normalise_refuses(written, says):
    with pytest.raises(CccParameterError, match=says) as caught:
        normalise(written, "callee_number")
    assert caught.value.parameter == "callee_number"
    assert "callee_number" in str(caught.value)
    if isinstance(written, str) and len(written) > 9:
        assert str(written) not in str(caught.value)


def test_numbers_that_lost_zeros_have_the_same_key():
    assert key("01089767654") == key("1089767654") == "1089767654"
    assert key("0108976-7654") == key("01089767654")
    assert key("2089767654") != key("1089767654")


NATIONAL = st.one_of(
    st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    st.from_regex(r"0(10|2[0-9])[2-8][0-9]{7}", fullmatch=True),
    st.from_regex(r"0[3-9][1-9][0-9][2-8][0-9]{6,7}", fullmatch=True),
    st.from_regex(r"[48]00[0-9]{7}", fullmatch=True),
).filter(lambda number: not number.startswith("086"))
BLANK = st.sampled_from(["", "", "", " ", "-", "\u00a0", "\u2011", "\u200b", "(", ") "])
AROUND = st.sampled_from(
    ["{}", " {}\t", "'{}", "`{}`", '="{}"', '"{}"', "\u202d{}\u202c", "\ufeff{}", "tel:{}", "\u200e{}\r\n"]
)


class _ExtensionError(Exception):
    """A number was refused as it seems to have an extension."""


def normalised(written: str) -> str:
    try:
        return normalise(written, "callee")
    except CccParameterError as error:
        if "has an extension" in error.what and re.search(r"[0-9０-９][ \u00a0\u2011()-]", written):
            raise _ExtensionError from None
        raise


@given(NATIONAL, st.sampled_from(["", "+86", "0086", "86", "+86 (0)"]), AROUND, st.booleans(), st.data())
def test_any_writing_gives_the_same_digits_or_is_refused(number, code, around, is_wide, data):
    blanks = data.draw(st.lists(BLANK, min_size=len(number), max_size=len(number)))
    significant = number.removeprefix("0") if code and number.startswith("0") else number
    if code.endswith("(0)") and not number.startswith("0"):
        code = "+86"
    written = around.format(code + "".join(map("".join, zip(blanks, significant, strict=False))))
    if is_wide:
        written = re.sub("[0-9]", lambda digit: chr(ord(digit[0]) + 0xFEE0), written)
    with contextlib.suppress(_ExtensionError):
        # The last digits of a longer landline, written apart, look like an extension.
        assert normalised(written) == number


@given(
    NATIONAL, st.sampled_from(["-", " 转", " ext. ", ";ext=", " x", "#"]), st.from_regex(r"[0-9]{1,5}", fullmatch=True)
)
def test_an_extension_never_makes_a_longer_number(number, between, extension):
    with pytest.raises(CccParameterError, match=r"extension|more than one"):
        normalise(number + between + extension, "callee")


@given(NATIONAL, NATIONAL, st.sampled_from(["/", "、", ";", " ", ",", "|", "\n", "或"]))
def test_two_numbers_never_make_one(first, second, between):
    with pytest.raises(CccParameterError, match="more than one"):
        normalise(first + between + second, "callee")


@given(NATIONAL)
def test_what_was_normalised_stays_as_it_is(number):
    assert normalise(number, "callee") == number


@pytest.mark.parametrize(
    ("number", "possible"),
    [
        ("13800138000", True),
        ("01089767654", True),
        ("4008123456", True),
        ("1380013800", False),
        ("138001380001", False),
        ("1790913800138000", False),
        ("165787876896", False),
        ("95588", False),
        ("1089767654", False),
        ("0085223456789", False),
        ("00", False),
    ],
)
def test_possible_numbers(number, possible):
    assert is_possible(number) is possible
