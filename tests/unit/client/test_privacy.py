"""How numbers are shown, and what counts as one in a text."""

import pytest

from airflow_provider_ccc.client.privacy import excerpt, hide_numbers, shorten


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("165787876896", "165****6896"),
        ("0108976765", "010****6765"),
        ("95588123", "95****"),
        ("1234", "****"),
        ("\ufeff10897\n6765", "?10****6765"),
    ],
)
def test_shorten(number, shown):
    assert shorten(number) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CalleeNumber=165787876896, +8613800138000.", "CalleeNumber=165****6896, +86****8000."),
        ("a 138-0013-8000, b", "a 138****8000, b"),
        ("(010) 8976 7654", "(010****7654"),
        ("8976765", "89****"),
        ("１３８００１３８０００", "１３８****８０００"),
        ("138001", "138001"),  # too short for a telephone of one's own
        ("手机13800138000的", "手机138****8000的"),
        ("list_13800138000.csv", "list_138****8000.csv"),
        ("x13800138000y", "x138****8000y"),
        ("test1234567890", "test1234567890"),  # an id
        ("request 9cfad875-6260-4a53-ab6e-b13e3fb31f7d", "request 9cfad875-6260-4a53-ab6e-b13e3fb31f7d"),
        ("12345678-1234-1234-1234-123456789012", "12345678-1234-1234-1234-123456789012"),
        ("callees-2026-11-25.csv", "callees-2026-11-25.csv"),
        ("callees_20261125.csv", "callees_20261125.csv"),
        ("2026-11-25 13800138000", "2026-11-25 138****8000"),
        ("20261325", "20****"),
        ("2026112504", "202****2504"),  # longer than a date
        ("port 8790, row 12", "port 8790, row 12"),
        ("part-00012.ndjson", "part-00012.ndjson"),
    ],
)
def test_what_counts_as_a_number_in_a_text(text, shown):
    assert hide_numbers(text) == shown


def test_an_excerpt_is_cut_off():
    assert excerpt("x" * 81) == "x" * 80 + "..."
    assert excerpt("13800138000") == "138****8000"
