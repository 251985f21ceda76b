"""A campaign's output folder: what it belongs to, what of it is complete, and its manifest.

::

    part-00000.ndjson        the pairs of the first part_size callees, and so on
    failures-00000.ndjson    those of them that failed, if any, with the error's code, message and request id
    skipped-00000.ndjson     duplicates, and callees that were excluded, if any
    _owner/000001.json       which try of which task may write here; the highest number counts
    _campaign.json           which input and parameters the folder belongs to; written first
    _callees/00000.ndjson    the rows of a query, where the callees came from one
    _state/part-00000.json   counts, and the sizes of its files; a part is complete if all are there
    _manifest.json           the campaign is complete
    malformed.ndjson         malformed rows of a source that was refused for them, until another try
    report.html              what came of it, for people; only where it is asked for

Readers that take a folder for a table pass over what begins with an underscore.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from airflow_provider_ccc.campaign.output.formats import encoder_of
from airflow_provider_ccc.campaign.output.layout import (
    IDENTITY,
    MALFORMED,
    MANIFEST,
    REPORT,
    STATES,
    batches_in,
    file_name,
    holds_parts,
    part_of,
    remove_batch,
    remove_parts,
)
from airflow_provider_ccc.campaign.output.parts import (
    Cuts,
    Part,
    State,
    Tally,
    completed,
    fingerprint_of_rows,
    write_new,
)
from airflow_provider_ccc.campaign.output.storage import Folder, StorageError
from airflow_provider_ccc.campaign.source import Row
from airflow_provider_ccc.client.errors import CccParameterError

log = logging.getLogger(__name__)

OnStaleOutput = Literal["fail", "replace", "extend"]


class Identity(msgspec.Struct, kw_only=True):
    """What an output folder belongs to. It holds no phone numbers, only fingerprints of them.

    :param input: the source's fingerprint.
    :param parameters: the fingerprint of each parameter that decides what the output is.
    :param started: when the campaign was begun, in ISO 8601.
    :param ends: how many rows the source has, after how many it had each time before rows were appended.
    :param campaign: an id that stays the same when rows are appended.
    """

    input: str
    parameters: dict[str, str]
    started: str
    ends: list[int]
    campaign: str

    @classmethod
    def of(cls, input_fingerprint: str, parameters: Mapping[str, Any], rows: int) -> Identity:
        """Take the fingerprints of a campaign that begins now."""
        marks = {name: fingerprint_of(value) for name, value in parameters.items()}
        return cls(input=input_fingerprint, parameters=marks, started=_now(), ends=[rows], campaign=uuid.uuid4().hex)

    @property
    def fingerprint(self) -> str:
        """One fingerprint of input and parameters."""
        return fingerprint_of([self.input, sorted(self.parameters.items())])

    @property
    def parameters_fingerprint(self) -> str:
        """One fingerprint of the parameters."""
        return fingerprint_of(sorted(self.parameters.items()))

    def differences(self, other: Identity) -> list[str]:
        """Name what differs: the input, and parameters."""
        names = sorted(self.parameters.keys() | other.parameters.keys())
        changed = [name for name in names if self.parameters.get(name) != other.parameters.get(name)]
        return ["callees", *changed] if self.input != other.input else changed


class Output:
    """An output folder, opened for one campaign.

    :param folder: where.
    :param identity: what it should belong to.
    :param output_format: ``ndjson``, ``csv`` or ``parquet``.
    :param on_stale: what to do if it belongs to something else: ``fail``, ``replace``, or ``extend`` what has the same
        rows as far as it is done.
    :param part_size: rows in a part.
    :param rows: reads the source's rows, to compare them with what is done.
    :param candidates: the callers to choose from, where these are known.
    :param on_change: called before what the folder belongs to is changed.
    :raises CccParameterError: ``output_path`` belongs to another campaign.
    :raises StorageError: whether it does cannot be told.
    """

    def __init__(
        self,
        folder: Folder,
        identity: Identity,
        output_format: str,
        on_stale: OnStaleOutput,
        *,
        part_size: int,
        rows: Callable[[], Iterable[Row]] = tuple,
        candidates: Sequence[str] = (),
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = folder
        self.identity = identity
        self._encode = encoder_of(output_format)
        self._suffix = output_format
        self._part_size = part_size
        self._on_change = on_change
        self._states: dict[int, State] = {}
        self._open(on_stale, rows)
        #: Which rows each part has.
        self.cuts = Cuts(part_size, self.identity.ends)
        #: What all complete parts hold together.
        self.total = Tally(callers=dict.fromkeys(candidates, 0))
        for state in self._states.values():
            self.total.add(state.tally)

    def _open(self, on_stale: OnStaleOutput, rows: Callable[[], Iterable[Row]]) -> None:
        if batches_in(self.folder):
            self._stale("it was split into batches", on_stale)
        found = self.folder.read(IDENTITY)
        if found is None:
            if holds_parts(self.folder) or MANIFEST in self.folder.names():
                self._stale(f"it has no {IDENTITY}", on_stale)
            self._on_change()
            self._write_identity()
            return
        try:
            before = msgspec.json.decode(found, type=Identity)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StorageError(
                f"{self.folder.description}/{IDENTITY} cannot be read ({error}); empty the folder to start again"
            ) from None
        differences = self.identity.differences(before)
        if differences == ["callees"] and on_stale == "extend":
            self._extend(before, rows)
        elif differences:
            was, now = before.ends[-1], self.identity.ends[-1]
            rows_changed = f" ({was} rows then, {now} now)" if "callees" in differences else ""
            self._stale(f"it differs in {', '.join(differences)}{rows_changed}", on_stale)
            self._write_identity()
        else:
            self.identity = before
            self._states = self._complete()

    def _complete(self) -> dict[int, State]:
        """Read which parts are complete: those of this campaign whose files are as their states say."""
        states = completed(self.folder)
        sizes = self.folder.sizes() if states else {}
        return {
            number: state
            for number, state in states.items()
            if state.campaign == self.identity.campaign and state.files.items() <= sizes.items()
        }

    def _stale(self, why: str, on_stale: OnStaleOutput) -> None:
        what = f"{self.folder.description} holds the output of another campaign: {why}"
        if on_stale != "replace":
            raise CccParameterError(
                "output_path",
                f"{what}; give each campaign a path of its own, or set on_stale_output to 'replace', or to 'extend' if"
                " rows were only appended",
            )
        log.warning("%s, which is replaced", what)
        self._on_change()
        # The identity stays until the new one is written, so that whoever is interrupted here starts here again.
        remove_parts(self.folder)
        for name in batches_in(self.folder).values():
            remove_batch(self.folder, name)

    def _extend(self, before: Identity, rows: Callable[[], Iterable[Row]]) -> None:
        """Take over what is done of a source that has more rows now.

        :raises CccParameterError: rows that are done are not as they were.
        """
        was, now, path = before.ends[-1], self.identity.ends[-1], self.folder.description
        if now < was:
            raise CccParameterError(
                "output_path",
                f"{path} cannot be extended: the source had {was} rows, and has {now} now",
            )
        self.identity, ours = before, self.identity
        self._states, cuts = self._complete(), Cuts(self._part_size, before.ends)
        old = itertools.takewhile(lambda item: item[0] < was, enumerate(rows()))
        for number, items in itertools.groupby(old, lambda item: cuts.part_of(item[0])):
            if number not in self._states:
                continue
            marks = [(row.place, row.fields, row.duplicate) for _, row in items]
            if fingerprint_of_rows(marks) != self._states[number].rows:
                raise CccParameterError(
                    "output_path",
                    f"{path} cannot be extended: a row from {marks[0][0]} to {marks[-1][0]} has changed since it was"
                    " resolved; only rows that are not done may change",
                )
        log.info("Extending %s: the source had %d rows when it was begun, and has %d now", path, was, now)
        self._on_change()
        for name in sorted(self.folder.names() & {MANIFEST, REPORT}):
            self.folder.remove(name)
        ends = before.ends if now == was else [*before.ends, now]
        self.identity = msgspec.structs.replace(before, input=ours.input, ends=ends)
        self._write_identity()

    def _write_identity(self) -> None:
        self.folder.write(IDENTITY, msgspec.json.encode(self.identity))

    def is_complete(self, number: int) -> bool:
        """Say whether a part is complete."""
        return number in self._states

    def clean(self) -> None:
        """Remove what earlier tries left of parts that they did not complete."""
        self.folder.tidy()
        if MALFORMED in self.folder.names():
            self.folder.remove(MALFORMED)
        for name in sorted(self.folder.names()):
            number = part_of(name)
            if number is not None and (number not in self._states or name not in self._states[number].files):
                self.folder.remove(name)
        for name in sorted(self.folder.names(STATES) - {file_name("part", number, "json") for number in self._states}):
            self.folder.remove(f"{STATES}/{name}")

    def manifest(self) -> dict[str, Any] | None:
        """Read the manifest; ``None`` as long as the campaign is not complete."""
        data = self.folder.read(MANIFEST)
        if data is None:
            return None
        try:
            manifest = dict(msgspec.json.decode(data))
            listed = {name for kind in ("parts", "failures", "skips") for name in manifest[kind]}
            if manifest["fingerprint"] != self.identity.fingerprint:
                raise ValueError
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
            raise StorageError(
                f"{self.folder.description}/{MANIFEST} is not this campaign's; remove it to go on"
            ) from None
        missing = sorted(listed - self._files())
        if not missing:
            return manifest
        log.warning(
            "%d files that %s/%s lists are missing or changed, such as %s; their callees are resolved again",
            len(missing),
            self.folder.description,
            MANIFEST,
            missing[0],
        )
        self.folder.remove(MANIFEST)
        return None

    def write(self, part: Part, columns: tuple[str, ...] | None) -> None:
        """Write a finished part.

        :param columns: the source's, where they are known.
        :raises StorageError: the part is not complete then.
        """
        state = part.write(self.folder, self.identity.campaign, self._encode, self._suffix, columns)
        self._states[part.number] = state
        self.total.add(state.tally)

    def _files(self) -> set[str]:
        return {name for state in self._states.values() for name in state.files}

    def finish(self, details: Mapping[str, Any]) -> dict[str, Any]:
        """Write the manifest, which says that the campaign is complete.

        :param details: what to add to the counts.
        :returns: the manifest.
        :raises StorageError: a file is not there as it was written.
        """
        self._look_at_files()
        files = sorted(self._files())
        manifest = {
            "fingerprint": self.identity.fingerprint,
            "input_fingerprint": self.identity.input,
            "parameters_fingerprint": self.identity.parameters_fingerprint,
            "output_path": self.folder.description,
            "output_format": self._suffix,
            **self.total.counts(),
            "parts": [name for name in files if name.startswith("part-")],
            "failures": [name for name in files if name.startswith("failures-")],
            "skips": [name for name in files if name.startswith("skipped-")],
            **details,
            "started": self.identity.started,
            "finished": _now(),
        }
        write_manifest(self.folder, manifest)
        return manifest

    def _look_at_files(self) -> None:
        """Look at what the manifest will list, and remove what it will not."""
        sizes = self.folder.sizes()
        for number, state in self._states.items():
            for name, size in state.files.items():
                if sizes.get(name) != size:
                    self.folder.remove(f"{STATES}/{file_name('part', number, 'json')}")
                    raise StorageError(
                        f"{self.folder.description}/{name} is not as it was written: something else writes to the"
                        " folder. A retry writes it again."
                    )
        for name in sorted(sizes.keys() - self._files()):
            if part_of(name) is not None:  # of a try that lost the folder
                self.folder.remove(name)

    def amend(self, manifest: dict[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
        """Bring details of a manifest up to date, which do not decide what the output is.

        :returns: the manifest.
        """
        amended = {**manifest, **details}
        if amended != manifest:
            replace_manifest(self.folder, amended)
        return amended


def write_manifest(folder: Folder, manifest: Mapping[str, Any]) -> None:
    """Write what says that a campaign is complete."""
    write_new(folder, MANIFEST, _encoded(manifest))


def replace_manifest(folder: Folder, manifest: Mapping[str, Any]) -> None:
    """Bring the manifest of a campaign that is complete up to date."""
    folder.write(MANIFEST, _encoded(manifest))


def _encoded(manifest: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def fingerprint_of(value: Any) -> str:
    """Return SHA-256 of a value, in hexadecimal."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
