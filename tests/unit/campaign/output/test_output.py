from __future__ import annotations

import json

import pytest

from airflow_provider_ccc.campaign.output.output import Identity, Output, fingerprint_of
from airflow_provider_ccc.campaign.output.parts import FailedRow, Part, SkippedRow
from airflow_provider_ccc.campaign.output.storage import LocalFolder, StorageError
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.models import DialNumberPair, PhoneNumber

NUMBER = PhoneNumber("13800138000", "北京", "北京")


def identity(input_fingerprint: str = "i", rows: int = 4, **parameters) -> Identity:
    return Identity.of(input_fingerprint, {"count": 1, "part_size": 2} | parameters, rows)


def opened(path, found: Identity | None = None, on_stale: str = "fail", output_format: str = "ndjson") -> Output:
    return Output(LocalFolder(path), found or identity(), output_format, on_stale, part_size=2)


def part(number: int, *, failed: bool = False) -> Part:
    """Give a part of one row that is resolved, or of one that failed and one skipped."""
    made = Part(number, 2 if failed else 1)
    made.tally.calls = 1
    if failed:
        made.failed(FailedRow(number + 1, "NoPairs", "none", "R", {}))
        made.skipped(SkippedRow(number + 2, "duplicate", {}))
    else:
        made.resolved(number + 1, [DialNumberPair(NUMBER, NUMBER)], "R", {})
    return made


def content(path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_campaign_from_beginning_to_end(tmp_path):
    output = opened(tmp_path)
    assert set(content(tmp_path)) == {"_campaign.json"}
    assert output.manifest() is None
    output.write(part(1, failed=True), None)
    output.write(part(0), None)
    manifest = output.finish({"source": "a list"})
    assert manifest["parts"] == ["part-00000.ndjson", "part-00001.ndjson"]
    assert (manifest["failures"], manifest["skips"]) == (["failures-00001.ndjson"], ["skipped-00001.ndjson"])
    counts = ("callees", "resolved", "failed", "skipped", "pairs", "calls")
    assert [manifest[name] for name in counts] == [3, 1, 1, 1, 1, 2]
    assert (manifest["codes"], manifest["callers"]) == ({"NoPairs": 1}, {NUMBER.number: 1})
    assert (manifest["source"], manifest["input_fingerprint"]) == ("a list", "i")
    assert json.loads((tmp_path / "_manifest.json").read_text(encoding="utf-8")) == manifest
    assert opened(tmp_path).manifest() == manifest


def test_a_later_try_goes_on_with_what_is_complete(tmp_path):
    first = opened(tmp_path)
    first.write(part(1, failed=True), None)
    (tmp_path / "part-00000.ndjson").write_bytes(b"half")
    (tmp_path / "failures-00000.ndjson").write_bytes(b"half")
    (tmp_path / "mine.txt").write_bytes(b"")
    second = opened(tmp_path)
    assert (second.is_complete(0), second.is_complete(1)) == (False, True)
    assert second.total == first.total
    assert second.identity.started == first.identity.started
    second.clean()
    assert {name for name in content(tmp_path) if "/" not in name} == {
        "_campaign.json",
        "mine.txt",
        "part-00001.ndjson",
        "failures-00001.ndjson",
        "skipped-00001.ndjson",
    }
    second.write(part(0), None)
    assert second.finish({})["failures"] == ["failures-00001.ndjson"]


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (identity("j"), "callees"),
        (identity(count=2), "count"),
        (identity("j", count=2, part_size=3), "callees, count, part_size"),
        (identity(more=1), "more"),
    ],
)
def test_what_belongs_to_another_is_refused_untouched_or_replaced(tmp_path, other, differs, logs):
    opened(tmp_path).write(part(0, failed=True), None)
    (tmp_path / "mine.txt").write_bytes(b"")
    before = content(tmp_path)
    with pytest.raises(
        CccParameterError, match=rf"InvalidArgument: output_path: .*it differs in {differs}.*; give.*on_stale_output"
    ) as caught:
        opened(tmp_path, other)
    assert caught.value.parameter == "output_path"
    assert content(tmp_path) == before
    replaced = opened(tmp_path, other, "replace")
    assert (replaced.total.callees, replaced.is_complete(0)) == (0, False)
    assert set(content(tmp_path)) == {"_campaign.json", "mine.txt"}
    assert opened(tmp_path, other).identity.started == replaced.identity.started
    assert any(level == "warning" and differs in text for level, text in logs.records)


def test_its_own_output_is_not_replaced(tmp_path):
    opened(tmp_path).write(part(0), None)
    before = content(tmp_path)
    assert opened(tmp_path, on_stale="replace").is_complete(0)
    assert content(tmp_path) == before


@pytest.mark.parametrize("at", range(4))
def test_a_replacement_that_is_interrupted_is_begun_again(tmp_path, at):
    """Wherever it is interrupted, neither campaign takes what is left for its own."""
    first = opened(tmp_path)
    first.write(part(0, failed=True), None)
    first.finish({})

    class Interrupted(LocalFolder):
        left = at

        def remove(self, name):
            if not self.left:
                raise StorageError(name)
            self.left -= 1
            super().remove(name)

    with pytest.raises(StorageError):
        Output(Interrupted(tmp_path), identity("j"), "ndjson", "replace", part_size=2)
    with pytest.raises(CccParameterError, match="differs in callees"):
        opened(tmp_path, identity("j"))
    old = opened(tmp_path)
    assert at == 0 or old.manifest() is None
    assert at < 2 or not old.is_complete(0)
    assert not opened(tmp_path, identity("j"), "replace").is_complete(0)


@pytest.mark.parametrize(
    "left", ["part-00000.csv", "failures-00000.ndjson", "_manifest.json", "_state/part-00000.json"]
)
def test_output_that_says_not_whose_it_is_is_anothers(tmp_path, left):
    LocalFolder(tmp_path).write(left, b"{}")
    before = content(tmp_path)
    with pytest.raises(CccParameterError, match=r"it has no _campaign\.json"):
        opened(tmp_path)
    assert content(tmp_path) == before
    assert not opened(tmp_path, on_stale="replace").is_complete(0)


def test_a_folder_of_something_else_is_taken(tmp_path):
    (tmp_path / "readme.txt").write_bytes(b"")
    assert opened(tmp_path).total.callees == 0


@pytest.mark.parametrize("damaged", [b"", b"{", b"\xff", b"{}", b'{"input": 1, "parameters": {}, "started": ""}'])
@pytest.mark.parametrize("on_stale", ["fail", "replace"])
def test_an_identity_that_cannot_be_read_is_an_error(tmp_path, damaged, on_stale):
    (tmp_path / "_campaign.json").write_bytes(damaged)
    with pytest.raises(StorageError, match=r"_campaign\.json cannot be read"):
        opened(tmp_path, on_stale=on_stale)
    assert content(tmp_path) == {"_campaign.json": damaged}


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"null", b"{}", b'{"fingerprint": "another"}'])
def test_a_manifest_that_is_not_its_own_is_an_error(tmp_path, damaged):
    output = opened(tmp_path)
    (tmp_path / "_manifest.json").write_bytes(damaged)
    with pytest.raises(StorageError, match=r"_manifest\.json is not this campaign's"):
        output.manifest()


def test_a_part_that_cannot_be_written_does_not_count(tmp_path):
    output = opened(tmp_path)
    (tmp_path / "_state").write_bytes(b"")  # where a folder should be
    with pytest.raises(StorageError):
        output.write(part(0), None)
    assert (output.is_complete(0), output.total.callees) == (False, 0)


def test_the_identity_holds_no_numbers_and_no_order_of_names(tmp_path):
    with_numbers = Identity.of("i", {"candidate_numbers": [NUMBER.number]}, 1)
    opened(tmp_path, with_numbers)
    assert NUMBER.number.encode() not in content(tmp_path)["_campaign.json"]
    assert identity(a=1, b=2).fingerprint == identity(b=2, a=1).fingerprint
    assert identity(a=1).fingerprint != identity("j", a=1).fingerprint
    assert fingerprint_of({"a": 1, "b": 2}) == fingerprint_of({"b": 2, "a": 1}) != fingerprint_of({"a": 1})


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(
        CccParameterError, match=r"InvalidArgument: output_format: 'xml' is none of ndjson, csv, parquet"
    ):
        opened(tmp_path / "out", output_format="xml")
    assert not (tmp_path / "out").exists()
