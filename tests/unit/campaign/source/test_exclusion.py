"""Whom to leave out: what is compared, and what is said of rows that are no numbers."""

from __future__ import annotations

import pytest

from airflow_provider_ccc.campaign.source import open_source, split_callees
from airflow_provider_ccc.campaign.source.exclusion import Exclusion
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.client.errors import CccParameterError

CALLEES = ["13800138000", "010-89767654", "13800138000", "13800138001", "none"]


def exclusion(given, column=None, **settings) -> Exclusion:
    found = Exclusion.of(given, None, None, column, Reading(**settings))
    assert found is not None
    return found


def left_out(given, column=None, **settings) -> list[int]:
    with open_source(CALLEES, exclude=exclusion(given, column, **settings)) as source:
        rows = list(source.rows())
        assert source.survey.excluded == sum(row.excluded for row in rows)
        assert [row.place for row in rows if row.duplicate] == [3]
    return [row.place for row in rows if row.excluded]


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ([], []),
        (["13900139000"], []),
        (["+86 138 0013 8000"], [1]),  # row 3 is its duplicate
        (["01089767654", 13800138001], [2, 4]),
        ([1089767654], [2]),  # a column of numbers, which lost the zero
        ([1089767654.0, "13800138001.0"], [2, 4]),
        (["1089767654"], [2]),
        ([None, "", "no number", "13800138001"], [4]),
        ([{"callee": "13800138001", "why": "complained"}], [4]),
        ([("13800138001",)], [4]),
    ],
)
def test_whoever_is_given_is_left_out(given, places):
    assert left_out(given) == places


def test_a_file_with_a_column_of_its_own(tmp_path):
    path = tmp_path / "never.csv"
    path.write_text("phone,since\n13800138001,2026\n")
    assert left_out(str(path), "phone") == [4]
    with pytest.raises(CccParameterError, match=r"exclude_column: .*never.csv has no column 'callee'; .*mean 'phone'"):
        left_out(str(path))


def test_a_file_with_the_callees_delimiter_or_its_own(tmp_path):
    for name, text in (("its.csv", "callee,why\n13800138001,x\n"), ("ours.csv", "callee;why\n13800138001;x\n")):
        (tmp_path / name).write_text(text)
        assert left_out(str(tmp_path / name), delimiter=";") == [4]
    (tmp_path / "other.csv").write_text("callee|why\n13800138001|x\n")
    with pytest.raises(CccParameterError, match="callees_delimiter"):
        left_out(str(tmp_path / "other.csv"), delimiter=";")


def test_an_exclusion_that_is_not_there(tmp_path):
    with pytest.raises(CccParameterError, match=r"exclude: .*never.csv is not there"):
        left_out(str(tmp_path / "never.csv"))
    with pytest.raises(CccParameterError, match="exclude: must be a list"):
        left_out(13800138000)


def test_an_empty_exclusion_leaves_nobody_out(tmp_path):
    (tmp_path / "never.csv").write_text("callee\n")
    (tmp_path / "nothing.csv").touch()
    (tmp_path / "folder").mkdir()
    assert left_out(str(tmp_path / "never.csv")) == []
    assert left_out(str(tmp_path / "nothing.csv")) == []
    assert left_out(f"{tmp_path}/folder/") == []


def test_rows_that_are_no_numbers_are_reported(logs):
    found = exclusion(["13800138000", "13800138001x", "010-89767654-802", "12"])
    assert list(found.numbers()) == ["13800138000"]
    assert found.malformed == 3
    [warning] = [text for level, text in logs.records if level == "warning"]
    assert warning.startswith("exclude: 3 rows without a phone number, for which nobody is left out: row 2: ")
    assert "13800138001" not in warning


def test_ranges_carry_whom_to_leave_out(tmp_path):
    path = tmp_path / "callees.csv"
    path.write_text("callee\n" + "".join(f"1380013800{place}\n" for place in range(10)))
    parts = split_callees(path, batch_size=4, exclude=["13800138001", "13800138007"])
    seen = []
    for part in parts:
        with open_source(part) as source:
            seen += [row.place for row in source.rows() if row.excluded]
            assert source.survey.excluded == sum(row.excluded for row in source.rows())
    assert seen == [2, 8]
    assert not any("1380013800" in str(part) for part in parts)
    with (
        pytest.raises(CccParameterError, match="exclude: belongs to split_callees"),
        open_source(parts[0], exclude=exclusion([])),
    ):
        pass


@pytest.mark.parametrize(
    ("given", "sql", "says"),
    [
        (["1"], "SELECT 1", "exclude: and exclude_sql are both given"),
        (None, "", "exclude_sql: must be a query"),
        (None, "SELECT 1", "sql_conn_id: is needed for exclude_sql"),
    ],
)
def test_wrong_parameters(given, sql, says):
    with pytest.raises(CccParameterError, match=says):
        Exclusion.of(given, sql, None, None, Reading())
