from __future__ import annotations

import pytest

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.numbers import key, normalise


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
