from __future__ import annotations

import json

import pytest

from airflow_provider_ccc.campaign.output import layout, parts
from airflow_provider_ccc.campaign.output.formats import encoder_of
from airflow_provider_ccc.campaign.output.parts import Cuts, FailedRow, Part, SkippedRow, Tally
from airflow_provider_ccc.campaign.output.storage import LocalFolder, StorageError
from airflow_provider_ccc.campaign.output.timeline import Timeline
from airflow_provider_ccc.client.models import DialNumberPair, PhoneNumber

BEIJING = PhoneNumber("01089767654", "北京", "北京")
SUZHOU, NANJING = PhoneNumber("051212345678", "苏州", "江苏"), PhoneNumber("02512345678", "南京", "江苏")
NOWHERE = PhoneNumber("4001234567")


class Recording(LocalFolder):
    """Notes which files are written; refuses one.

    :param refused: its name.
    """

    def __init__(self, path, refused: str = "") -> None:
        super().__init__(path)
        self.written: list[str] = []
        self.refused = refused

    def create(self, name: str, data: bytes) -> bool:
        if name == self.refused:
            raise StorageError(name)
        self.written.append(name)
        return super().create(name, data)


def a_part() -> Part:
    """Give part 3, of five rows that came in disorder: two resolved, two failed, and one skipped."""
    part = Part(3, 5)
    part.tally.calls, part.tally.throttled = 7, 2
    for event, now in ((part.tally.timeline.finish, (1.5, 2.5)), (part.tally.timeline.throttle, (2.0, 2.1))):
        for moment in now:
            event(moment)
    part.failed(FailedRow(20, "InvalidArgument", "malformed", "", {"callee": "x"}), asked=False)
    part.resolved(19, [DialNumberPair(SUZHOU, NANJING), DialNumberPair(SUZHOU, SUZHOU)], "R-19", {"id": 19})
    part.skipped(SkippedRow(18, "duplicate", {"id": 18}))
    assert not part.finished
    part.failed(FailedRow(17, "NoPairs", "none", "R-17", {"id": 17}))
    part.resolved(16, [DialNumberPair(NOWHERE, NOWHERE)], "R-16", {"id": 16})
    return part


def read(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_part_is_written_in_the_sources_order_and_its_state_last(tmp_path):
    part, folder = a_part(), Recording(tmp_path)
    assert part.finished
    state = part.write(folder, "c", encoder_of("ndjson"), "ndjson", None)
    assert folder.written[-1] == "_state/part-00003.json"
    assert set(folder.written[:-1]) == {"part-00003.ndjson", "failures-00003.ndjson", "skipped-00003.ndjson"}
    assert [row["row"] for row in read(tmp_path / "part-00003.ndjson")] == [16, 19, 19]
    assert read(tmp_path / "failures-00003.ndjson") == [
        {"row": 17, "code": "NoPairs", "message": "none", "request_id": "R-17", "source": {"id": 17}},
        {"row": 20, "code": "InvalidArgument", "message": "malformed", "request_id": "", "source": {"callee": "x"}},
    ]
    assert read(tmp_path / "skipped-00003.ndjson") == [{"row": 18, "reason": "duplicate", "source": {"id": 18}}]
    assert parts.completed(folder) == {3: state}
    sizes = {name: (tmp_path / name).stat().st_size for name in folder.written[:-1]}
    assert (state.campaign, state.files) == ("c", sizes)
    assert state.tally == Tally(
        callees=5,
        resolved=2,
        failed=2,
        skipped=1,
        pairs=3,
        same_city=1,
        same_province=2,
        calls=7,
        throttled=2,
        retried=2,
        callers={NANJING.number: 1, SUZHOU.number: 1, NOWHERE.number: 1},
        codes={"NoPairs": 1, "InvalidArgument": 1},
        provinces={"": 1, "江苏": 2},
        own_province={"江苏": 2},
        timeline=Timeline(finished={1: 1, 2: 1}, since={1: 1.5, 2: 2.5}, until={1: 1.5, 2: 2.5}, throttled={2: 2}),
    )


def test_what_nobody_failed_or_skipped_has_no_file(tmp_path):
    part, folder = Part(0, 1), Recording(tmp_path)
    part.resolved(1, [DialNumberPair(BEIJING, BEIJING)], "R", {})
    part.write(folder, "c", encoder_of("csv"), "csv", ())
    assert folder.written == ["part-00000.csv", "_state/part-00000.json"]


def test_a_part_of_failures_alone_has_an_empty_file(tmp_path):
    part = Part(0, 1)
    part.failed(FailedRow(1, "NoPairs", "none", "R", {}))
    part.write(Recording(tmp_path), "c", encoder_of("ndjson"), "ndjson", None)
    assert (tmp_path / "part-00000.ndjson").read_bytes() == b""


@pytest.mark.parametrize("refused", ["part-00003.ndjson", "failures-00003.ndjson", "skipped-00003.ndjson"])
def test_a_part_that_is_not_whole_is_not_complete(tmp_path, refused):
    folder = Recording(tmp_path, refused)
    with pytest.raises(StorageError):
        a_part().write(folder, "c", encoder_of("ndjson"), "ndjson", None)
    assert parts.completed(folder) == {}


def test_tallies_are_added():
    total = Tally(callees=3, calls=4, callers={"a": 1, "never": 0}, codes={"x": 2}, timeline=Timeline(finished={1: 1}))
    total.add(Tally(callees=2, calls=1, retried=1, callers={"a": 2, "b": 1}, timeline=Timeline(finished={1: 2})))
    expected = Tally(callees=5, calls=5, retried=1, callers={"a": 3, "never": 0, "b": 1}, codes={"x": 2})
    expected.timeline.finished = {1: 3}
    assert total == expected
    assert Tally() == Tally(callers={}, codes={})  # none shares another's


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("part-00000.json", b"{"),
        ("part-00000.json", b""),
        ("part-00000.json", b"\xff"),
        ("part-00000.json", b'{"callees": "1"}'),
        ("part-none.json", b"{}"),
        ("other.txt", b"{}"),
    ],
)
def test_a_state_that_is_none_is_an_error(tmp_path, name, content):
    folder = LocalFolder(tmp_path)
    folder.write(f"_state/{name}", content)
    with pytest.raises(StorageError, match=f"{name} is not the state of a part"):
        parts.completed(folder)


def test_file_names():
    assert layout.file_name("part", 7, "csv") == "part-00007.csv"
    assert layout.file_name("part", 123456, "csv") == "part-123456.csv"
    names = ["part-00007.csv", "failures-00007.ndjson", "skipped-123456.ndjson"]
    assert [layout.part_of(name) for name in names] == [7, 7, 123456]
    for other in ("part-7.csv", "part-00007", "_manifest.json", "apart-00007.csv", "part-00007.csv.gz"):
        assert layout.part_of(other) is None


@pytest.mark.parametrize(
    ("ends", "numbers", "sizes"),
    [
        ([5], [0, 0, 1, 1, 2], [2, 2, 1]),
        ([4], [0, 0, 1, 1], [2, 2]),
        # What was a short part at the end stays one when rows are appended.
        ([3, 4, 7], [0, 0, 1, 2, 3, 3, 4], [2, 1, 1, 2, 1]),
    ],
)
def test_a_source_is_cut_every_so_many_rows_and_where_it_once_ended(ends, numbers, sizes):
    cuts = Cuts(2, ends)
    assert [cuts.part_of(index) for index in range(ends[-1])] == numbers
    assert [cuts.size_of(number) for number in range(len(sizes))] == sizes


def test_rows_have_a_fingerprint_of_place_fields_and_whether_they_are_duplicates(tmp_path):
    def fingerprint(source: dict, row: int = 1, *, skipped: bool = False) -> str:
        part = Part(0, 1)
        if skipped:
            part.skipped(SkippedRow(row, "duplicate", source))
        else:
            part.resolved(row, [DialNumberPair(BEIJING, BEIJING)] * 2, "R", source)
        name = f"{row}{skipped}{len(source)}"
        return part.write(LocalFolder(tmp_path / name), "c", encoder_of("ndjson"), "ndjson", None).rows

    same = {"callee": "1", "name": None}
    assert fingerprint(same) == parts.fingerprint_of_rows([(1, same, False)])
    assert len({fingerprint(same), fingerprint(same, 2), fingerprint(same, skipped=True), fingerprint({})}) == 4


def test_a_file_that_another_try_left_is_replaced(tmp_path):
    folder = LocalFolder(tmp_path)
    folder.write("part-00000.ndjson", b"another's")
    parts.write_new(folder, "part-00000.ndjson", b"ours")
    assert folder.read("part-00000.ndjson") == b"ours"
