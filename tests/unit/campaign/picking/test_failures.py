"""How many callees may fail, and what an error says if more do."""

from collections import Counter

import pytest

from airflow_provider_ccc.campaign.output.parts import FailedRow
from airflow_provider_ccc.campaign.output.storage import open_folder
from airflow_provider_ccc.campaign.picking.failures import Failures, MaxFailures, TooManyFailuresError, check_total
from airflow_provider_ccc.campaign.source import open_source
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.rendered import rendered_number


@pytest.mark.parametrize(
    ("given", "most"),
    [(0, 0), (7, 7), ("7", 7), (0.0, 0), (0.01, 2), ("0.01", 2), (".5", 125), (1.0, 250), ("1.0", 250), (1, 1)],
)
def test_max_failures_is_a_number_or_a_fraction(given, most):
    assert MaxFailures.of(rendered_number(given), 250).most == most


def test_a_fraction_is_taken_as_it_is_written():
    """0.29 * 100 is a little less than 29 as a float."""
    for hundredths in range(101):
        assert MaxFailures.of(hundredths / 100, 100).most == hundredths


@pytest.mark.parametrize("given", [-1, -0.1, 1.5, True, None, "", "few", "-1", "1e-2", float("nan"), float("inf"), [1]])
def test_max_failures_is_refused(given):
    with pytest.raises(CccParameterError, match="max_failures: must be an integer of at least 0, or a fraction"):
        MaxFailures.of(rendered_number(given), 250)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (1, "max_failures=1 allows 1"),
        (1.0, "max_failures=1.0 allows 250 of the campaign's 250"),
        (0.01, "max_failures=0.01 allows 2 of the campaign's 250"),
    ],
)
def test_what_was_given_is_said(given, said):
    assert MaxFailures.of(given, 250).said == said


def failures(folder, most, before=()):
    return Failures(MaxFailures.of(most, 10), 10, Counter(before), open_folder(str(folder)))


def row(place, code="InvalidParameter"):
    return FailedRow(place, code, f"reason {place}", "", {})


def test_the_first_three_are_described(tmp_path):
    counted = failures(tmp_path, 4, {"NoPairs": 1})
    for place in (2, 5, 7):
        counted.add(row(place))
    with pytest.raises(TooManyFailuresError) as caught:
        counted.add(row(8))
    assert caught.value.message == (
        "5 of 10 callees failed, and max_failures=4 allows 4. By code: InvalidParameter 4, NoPairs 1."
        " In this try: row 2: reason 2; row 5: reason 5; row 7: reason 7."
        " To go on after the parts that are complete, set a higher max_failures and clear the task."
    )


def test_malformed_rows_are_written_to_a_file(tmp_path):
    with open_source(["1380013800x", "", "13800138000", "none", "02+"]) as source:
        counted = failures(tmp_path, 3)
        with pytest.raises(TooManyFailuresError) as caught:
            counted.refuse_malformed(source)
        failures(tmp_path, 4).refuse_malformed(source)
    assert caught.value.message == (
        "4 of 10 callees are malformed, and max_failures=3 allows 3:"
        " row 1: callee: '138****800x' is no phone number, which has 3 to 20 digits;"
        " row 2: callee: is empty; give a phone number;"
        " row 4: callee: is 'none', so it had no value where it comes from; give a phone number; and 1 more."
        f" All of them are in {tmp_path}/malformed.ndjson. No request was sent."
    )
    lines = (tmp_path / "malformed.ndjson").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4
    assert '"row":1' in lines[0]
    assert '"callee":"1380013800x"' in lines[0]


def test_the_total_of_batches():
    check_total(3, 100, [3, 3])
    check_total(4, 100, [3, 4])  # one was cleared with a higher number
    check_total(4, 100, [None, None])  # of an earlier version
    with pytest.raises(
        TooManyFailuresError, match=r"4 of the campaign's 100 callees failed, and max_failures allows 3\."
    ):
        check_total(4, 100, [3, 3, None])
