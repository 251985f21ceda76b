"""The rows of a query are kept, so that each try has the same callees."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

import pytest

from airflow_provider_ccc.campaign.output import kept
from airflow_provider_ccc.campaign.output.kept import keep
from airflow_provider_ccc.campaign.output.storage import StorageError, open_folder
from airflow_provider_ccc.campaign.source import open_source
from airflow_provider_ccc.campaign.source.queries import Query, QueryError
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.campaign.source.records import NoCalleesError
from airflow_provider_ccc.client.errors import CccParameterError


class Table(Query):
    """A query whose rows a test decides."""

    answers: ClassVar[list] = []

    def rows(self, column):
        answer = self.answers.pop(0)
        for row in answer:
            if isinstance(row, Exception):
                raise row
            yield row


def query(*answers, sql="SELECT phone FROM callees") -> Table:
    found = Table(sql, "warehouse")
    object.__setattr__(found, "answers", list(answers))
    return found


def rows_of(*numbers):
    return [{"phone": number, "id": place} for place, number in enumerate(numbers, 1)]


def numbers(pieces):
    with open_source(pieces, Reading(column="phone")) as source:
        return [row.number for row in source.rows()]


@pytest.fixture
def folder(tmp_path):
    return open_folder(tmp_path / "out")


def test_a_retry_has_the_rows_of_the_first_try(folder, monkeypatch):
    monkeypatch.setattr(kept, "_ROWS", 2)
    first = rows_of("13800138000", "010-89767654", "13800138001")
    assert numbers(keep(folder, query(first), "phone", "fail")) == ["13800138000", "01089767654", "13800138001"]
    assert folder.names("_callees") == {"00000.ndjson", "00001.ndjson", "_complete.json"}
    assert numbers(keep(folder, query(), "phone", "fail")) == ["13800138000", "01089767654", "13800138001"]


def test_rows_that_were_not_kept_to_the_end_are_fetched_anew(folder, monkeypatch):
    monkeypatch.setattr(kept, "_ROWS", 1)
    broken = [*rows_of("13800138000", "13800138001"), QueryError("gone")]
    table = query(broken, rows_of("13800138002"))
    with pytest.raises(QueryError):
        keep(folder, table, "phone", "fail")
    assert numbers(keep(folder, table, "phone", "fail")) == ["13800138002"]
    assert folder.names("_callees") == {"00000.ndjson", "_complete.json"}


def test_a_query_without_rows_is_asked_again(folder):
    table = query([], rows_of("13800138000"))
    with pytest.raises(NoCalleesError):
        numbers(keep(folder, table, "phone", "fail"))
    assert numbers(keep(folder, table, "phone", "fail")) == ["13800138000"]


def test_another_query_is_another_campaign(folder):
    keep(folder, query(rows_of("13800138000")), "phone", "fail")
    other = query(rows_of("13800138001"), sql="SELECT phone FROM others")
    with pytest.raises(CccParameterError, match=r"output_path: .* whose callees are of another query"):
        keep(folder, other, "phone", "fail")
    assert numbers(keep(folder, other, "phone", "replace")) == ["13800138001"]


def test_the_output_of_callees_that_came_from_no_query_is_not_touched(folder):
    folder.write("_campaign.json", b"{}")
    with pytest.raises(CccParameterError, match="did not come from a query"):
        keep(folder, query(rows_of("13800138000")), "phone", "fail")
    assert folder.names("_callees") == set()


def test_what_says_that_rows_are_kept_must_be_readable(folder):
    folder.write("_callees/_complete.json", b"?")
    with pytest.raises(StorageError, match="cannot be read"):
        keep(folder, query(rows_of("13800138000")), "phone", "fail")


def test_numbers_stay_numbers():
    from airflow_provider_ccc.campaign.source.queries import _plain

    assert [_plain(value) for value in (Decimal("13800138000"), Decimal("0.5"), Decimal("Infinity"), "1", None)] == [
        13800138000,
        0.5,
        "Infinity",
        "1",
        None,
    ]
