"""A part: so many consecutive callees of the source, and everything that came of them.

Parts are cut by the source's order, not by when calls end, so the same campaign always has the same parts, however
often it was interrupted. A part's files are written in an order that ends with its state, which names the others with
their sizes: a part is complete if, and only if, its state is there, and the files are as it says.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from airflow_provider_ccc.campaign.output.formats import Encode, PairRow, encode_lines
from airflow_provider_ccc.campaign.output.layout import STATES, file_name
from airflow_provider_ccc.campaign.output.storage import Folder, StorageError
from airflow_provider_ccc.campaign.output.timeline import Timeline
from airflow_provider_ccc.client.models import DialNumberPair

#: Why a callee was skipped: its number appears earlier, or is one to exclude.
DUPLICATE, EXCLUDED = "duplicate", "excluded"


class FailedRow(msgspec.Struct):
    """A callee that cannot be resolved, and why.

    :param code: the service's error code, or the provider's own: ``InvalidArgument`` for a number that is none.
    :param message: free of secrets, numbers shortened.
    """

    row: int
    code: str
    message: str
    request_id: str
    source: Mapping[str, Any]


class SkippedRow(msgspec.Struct):
    """A callee that is not asked about.

    :param reason: :data:`DUPLICATE` or :data:`EXCLUDED`.
    """

    row: int
    reason: str
    source: Mapping[str, Any]


class Tally(msgspec.Struct):
    """What is counted, of one part or of many.

    :param callees: data rows: resolved, failed or skipped.
    :param excluded: those skipped because they were excluded.
    :param pairs: rows of the output; with a ``count`` above 1 more than those resolved.
    :param calls: requests sent, of which ``throttled`` were refused for the quota and ``retried`` were repetitions.
    :param same_city: pairs whose caller is of the callee's city; ``same_province`` likewise.
    :param callers: how often each caller was chosen, by its number; a campaign's candidates that never were, 0.
    :param codes: the failures, by their code.
    :param provinces: pairs by the callee's province, "" where the service named none; ``own_province`` those of them
        whose caller is of that province.
    :param timeline: when its callees were finished; a manifest does not have it.
    """

    callees: int = 0
    resolved: int = 0
    failed: int = 0
    skipped: int = 0
    excluded: int = 0
    pairs: int = 0
    same_city: int = 0
    same_province: int = 0
    calls: int = 0
    throttled: int = 0
    retried: int = 0
    callers: dict[str, int] = {}
    codes: dict[str, int] = {}
    provinces: dict[str, int] = {}
    own_province: dict[str, int] = {}
    timeline: Timeline = msgspec.field(default_factory=Timeline)

    def counts(self) -> dict[str, Any]:
        """Return what a manifest says of it."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "timeline"}

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.timeline.add(other.timeline)
        for name in self.counts():
            ours, theirs = getattr(self, name), getattr(other, name)
            if isinstance(ours, dict):
                for key, count in theirs.items():
                    ours[key] = ours.get(key, 0) + count
            else:
                setattr(self, name, ours + theirs)


class State(msgspec.Struct, kw_only=True):
    """What says that a part is complete.

    :param campaign: the id of the campaign that it belongs to.
    :param rows: the fingerprint of the source's rows in it.
    :param files: the sizes of its files in bytes, by their names.
    :param tally: what they hold.
    """

    campaign: str
    rows: str
    files: dict[str, int]
    tally: Tally


class Cuts:
    """Where a source is cut into parts: every so many rows, and where it ended before rows were appended to it.

    :param size: rows in a part.
    :param ends: how many rows the source had, each time that it was seen longer; the last is how many it has.
    """

    def __init__(self, size: int, ends: Sequence[int]) -> None:
        self._size = size
        self._ends = ends
        self._starts = [0, *ends[:-1]]
        self._first = [0]
        for start, end in zip(self._starts, ends, strict=True):
            self._first.append(self._first[-1] - (start - end) // size)

    def part_of(self, index: int) -> int:
        """Say which part a row belongs to, by its index from 0."""
        segment = bisect_right(self._starts, index) - 1
        return self._first[segment] + (index - self._starts[segment]) // self._size

    def size_of(self, number: int) -> int:
        """Say how many rows a part has."""
        segment = bisect_right(self._first, number) - 1
        start = self._starts[segment] + (number - self._first[segment]) * self._size
        return min(self._size, self._ends[segment] - start)


class Part:
    """The rows of one part, as they are finished, in whatever order.

    :param number: from 0.
    :param size: how many rows it has.
    """

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.tally = Tally()
        self._missing = size
        self._asked = 0
        self._pairs: list[PairRow] = []
        self._failed: list[FailedRow] = []
        self._skipped: list[SkippedRow] = []

    @property
    def finished(self) -> bool:
        """Whether nothing is missing any more."""
        return self._missing == 0

    def resolved(self, place: int, pairs: Sequence[DialNumberPair], request_id: str, source: Mapping[str, Any]) -> None:
        """Take a callee's pairs, at least one."""
        self._missing -= 1
        self._asked += 1
        self.tally.resolved += 1
        for pair in pairs:
            self._pairs.append(PairRow(place, pair.callee, pair.caller, request_id, source))

    def failed(self, row: FailedRow, *, asked: bool = True) -> None:
        """Take a callee that cannot be resolved.

        :param asked: whether the service was asked about it.
        """
        self._missing -= 1
        self._asked += asked
        self.tally.failed += 1
        self._failed.append(row)

    def skipped(self, row: SkippedRow) -> None:
        """Take a callee that is not to be resolved."""
        self._missing -= 1
        self.tally.skipped += 1
        self.tally.excluded += row.reason == EXCLUDED
        self._skipped.append(row)

    def write(self, folder: Folder, campaign: str, encode: Encode, suffix: str, columns: Sequence[str] | None) -> State:
        """Write the finished part, in the source's order.

        :param campaign: the id of the campaign that it belongs to.
        :param encode: writes the pairs.
        :param suffix: the format's.
        :param columns: the source's columns where these are known.
        :returns: what it holds.
        :raises StorageError: the part is then not complete, and the next try writes it again.
        """
        for rows in (self._pairs, self._failed, self._skipped):
            rows.sort(key=lambda row: row.row)
        self._count()
        files = {
            file_name(kind, self.number, "ndjson"): encode_lines(lines)
            for kind, lines in (("failures", self._failed), ("skipped", self._skipped))
            if lines
        }
        files[file_name("part", self.number, suffix)] = encode(self._pairs, columns)
        for name, data in files.items():
            write_new(folder, name, data)
        sizes = {name: len(data) for name, data in files.items()}
        state = State(campaign=campaign, rows=self._fingerprint(), files=sizes, tally=self.tally)
        # Last, because it says that the others are there.
        write_new(folder, f"{STATES}/{file_name('part', self.number, 'json')}", msgspec.json.encode(state))
        return state

    def _fingerprint(self) -> str:
        rows = {row.row: (row.source, False) for row in self._pairs}
        rows |= {row.row: (row.source, False) for row in self._failed}
        rows |= {row.row: (row.source, row.reason == DUPLICATE) for row in self._skipped}
        return fingerprint_of_rows((place, *rows[place]) for place in sorted(rows))

    def _count(self) -> None:
        tally = self.tally
        tally.callees = tally.resolved + tally.failed + tally.skipped
        tally.pairs = len(self._pairs)
        tally.retried = tally.calls - tally.throttled - self._asked
        for row in self._pairs:
            callee, caller = row.callee, row.caller
            tally.same_city += bool(callee.city) and callee.city == caller.city
        # Few provinces, many pairs: what is alike is compared once.
        routes = Counter((row.callee.province, row.caller.province) for row in self._pairs)
        for (callees, callers), pairs in routes.items():
            tally.provinces[callees] = tally.provinces.get(callees, 0) + pairs
            if callees and callees == callers:
                tally.own_province[callees] = pairs
        tally.same_province = sum(tally.own_province.values())
        tally.callers = dict(Counter(row.caller.number for row in self._pairs))
        tally.codes = dict(Counter(row.code for row in self._failed))


def write_new(folder: Folder, name: str, data: bytes) -> None:
    """Write a file that should not be there; one that is, a try left that lost the folder."""
    while not folder.create(name, data):
        folder.remove(name)


def fingerprint_of_rows(rows: Iterable[tuple[int, Mapping[str, Any], bool]]) -> str:
    """Return SHA-256, in hexadecimal, of rows: place, fields, and whether the number is a duplicate."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(encode_lines([row]))
    return digest.hexdigest()


def completed(folder: Folder) -> dict[int, State]:
    """Read what is said of parts that are complete.

    :raises StorageError: if that cannot be told.
    """

    def read(name: str) -> tuple[int, State]:
        try:
            number = int(name.removeprefix("part-").removesuffix(".json"))
            return number, msgspec.json.decode(folder.read(f"{STATES}/{name}") or b"", type=State)
        except (ValueError, msgspec.DecodeError) as error:
            raise StorageError(
                f"{folder.description}/{STATES}/{name} is not the state of a part ({error}); empty the folder to start"
                " again"
            ) from None

    pool = ThreadPoolExecutor(8)  # an object storage takes its time for each
    try:
        return dict(pool.map(read, sorted(folder.names(STATES))))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # a task that is ended does not wait for them
