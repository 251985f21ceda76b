"""A campaign's output folder: what it belongs to, what of it is complete, and its manifest.

::

    part-00000.ndjson        the pairs of the first part_size callees, and so on
    failures-00000.ndjson    those of them that failed, if any, with the error's code, message and request id
    skipped-00000.ndjson     duplicates, if any
    _campaign.json           which input and parameters the folder belongs to; written first
    _state/part-00000.json   counts; a part is complete if this is there
    report.html              what came of it, for people; only where it is asked for
    _manifest.json           written last: the campaign is complete

Readers that take a folder for a table pass over what begins with an underscore.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from airflow_provider_ccc.campaign import parts
from airflow_provider_ccc.campaign.formats import encoder_of
from airflow_provider_ccc.campaign.parts import Part, Tally
from airflow_provider_ccc.campaign.report import REPORT, write_report
from airflow_provider_ccc.campaign.storage import Folder, StorageError
from airflow_provider_ccc.campaign.timeline import Timeline
from airflow_provider_ccc.client.errors import CccParameterError

log = logging.getLogger(__name__)

IDENTITY = "_campaign.json"
MANIFEST = "_manifest.json"

OnStaleOutput = Literal["fail", "replace"]


class Identity(msgspec.Struct, kw_only=True):
    """What an output folder belongs to. It holds no phone numbers, only fingerprints of them.

    :param input: the source's fingerprint.
    :param parameters: the fingerprint of each parameter that decides what the output is.
    :param started: when the campaign was begun, in ISO 8601.
    """

    input: str
    parameters: dict[str, str]
    started: str

    @classmethod
    def of(cls, input_fingerprint: str, parameters: Mapping[str, Any]) -> Identity:
        """Take the fingerprints of a campaign that begins now."""
        marks = {name: fingerprint_of(value) for name, value in parameters.items()}
        return cls(input=input_fingerprint, parameters=marks, started=_now())

    @property
    def fingerprint(self) -> str:
        """One fingerprint of input and parameters."""
        return fingerprint_of([self.input, sorted(self.parameters.items())])

    def differences(self, other: Identity) -> list[str]:
        """Name what differs: the input, and parameters."""
        names = sorted(self.parameters.keys() | other.parameters.keys())
        changed = [name for name in names if self.parameters.get(name) != other.parameters.get(name)]
        return ["callees", *changed] if self.input != other.input else changed


class Output:
    """An output folder that this campaign may write to.

    :param folder: where.
    :param identity: what it should belong to.
    :param output_format: ``ndjson``, ``csv`` or ``parquet``.
    :param on_stale: what to do if it belongs to something else: ``fail`` or ``replace``.
    :param candidates: the callers to choose from, where these are known.
    :raises CccParameterError: ``output_path`` belongs to another campaign.
    :raises StorageError: whether it does cannot be told.
    """

    def __init__(
        self,
        folder: Folder,
        identity: Identity,
        output_format: str,
        on_stale: OnStaleOutput,
        candidates: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.identity = identity
        self._encode = encoder_of(output_format)
        self._suffix = output_format
        self._open(on_stale)
        #: What all complete parts hold together.
        self.total = Tally(callers=dict.fromkeys(candidates, 0))
        self._completed: dict[int, tuple[bool, bool]] = {}  # whether there are failures, and rows skipped
        for number, tally in parts.completed(folder).items():
            self._count(number, tally)

    def _open(self, on_stale: OnStaleOutput) -> None:
        found = self.folder.read(IDENTITY)
        if found is None:
            names = self.folder.names()
            ours = MANIFEST in names or any(parts.part_of(name) is not None for name in names)
            if ours or self.folder.names(parts.STATES):
                self._stale(f"it has no {IDENTITY}", on_stale)
            self._begin()
            return
        try:
            before = msgspec.json.decode(found, type=Identity)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StorageError(
                f"{self.folder.description}/{IDENTITY} cannot be read ({error}); empty the folder to start anew"
            ) from None
        if differences := self.identity.differences(before):
            self._stale(f"it differs in {', '.join(differences)}", on_stale)
            self._begin()
        else:
            self.identity = before

    def _stale(self, why: str, on_stale: OnStaleOutput) -> None:
        what = f"{self.folder.description} holds the output of another campaign: {why}"
        if on_stale == "fail":
            raise CccParameterError(
                "output_path", f"{what}; give each campaign a path of its own, or set on_stale_output='replace'"
            )
        log.warning("%s, which is replaced", what)
        # The identity stays until the new one is written, so that whoever is interrupted here starts here again.
        names = self.folder.names()
        for name in sorted(names & {MANIFEST, REPORT}):
            self.folder.remove(name)
        for name in sorted(self.folder.names(parts.STATES)):
            self.folder.remove(f"{parts.STATES}/{name}")
        for name in sorted(name for name in names if parts.part_of(name) is not None):
            self.folder.remove(name)

    def _begin(self) -> None:
        self.folder.write(IDENTITY, msgspec.json.encode(self.identity))

    def is_complete(self, number: int) -> bool:
        """Say whether a part is complete."""
        return number in self._completed

    def clean(self) -> None:
        """Remove what a killed try left of parts that it did not complete."""
        for name in sorted(self.folder.names()):
            number = parts.part_of(name)
            if number is not None and number not in self._completed:
                self.folder.remove(name)

    def manifest(self) -> dict[str, Any] | None:
        """Read the manifest; ``None`` as long as the campaign is not complete."""
        data = self.folder.read(MANIFEST)
        if data is None:
            return None
        try:
            manifest = msgspec.json.decode(data)
            if manifest["fingerprint"] == self.identity.fingerprint:
                return dict(manifest)
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
            pass
        raise StorageError(f"{self.folder.description}/{MANIFEST} is not this campaign's; remove it to go on")

    def write(self, part: Part, columns: tuple[str, ...] | None) -> None:
        """Write a finished part.

        :param columns: the source's, where they are known.
        :raises StorageError: the part is not complete then.
        """
        self._count(part.number, part.write(self.folder, self._encode, self._suffix, columns))

    def _count(self, number: int, tally: Tally) -> None:
        self.total.add(tally)
        self._completed[number] = (tally.failed > 0, tally.skipped > 0)

    def finish(self, details: Mapping[str, Any], *, report: bool = False) -> dict[str, Any]:
        """Write the manifest, which says that the campaign is complete.

        :param details: what to add to the counts.
        :param report: whether to write a report, too.
        :returns: the manifest.
        """
        numbers = sorted(self._completed)
        manifest = {
            "fingerprint": self.identity.fingerprint,
            "input_fingerprint": self.identity.input,
            "parameters_fingerprint": fingerprint_of(sorted(self.identity.parameters.items())),
            "output_path": self.folder.description,
            "output_format": self._suffix,
            **self.total.counts(),
            "parts": [parts.file_name("part", number, self._suffix) for number in numbers],
            "failures": [
                parts.file_name("failures", number, "ndjson") for number in numbers if self._completed[number][0]
            ],
            "skips": [parts.file_name("skipped", number, "ndjson") for number in numbers if self._completed[number][1]],
            **details,
            "started": self.identity.started,
            "finished": _now(),
        }
        return seal(self.folder, manifest, self.total.timeline if report else None)

    def report(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Write the report of a campaign that is complete, with or without one.

        :returns: the manifest, which names it.
        """
        return seal(self.folder, manifest, self.total.timeline)


def seal(folder: Folder, manifest: Mapping[str, Any], timeline: Timeline | None) -> dict[str, Any]:
    """Write what says that a campaign is complete.

    :param timeline: makes a report, which the manifest then names.
    :returns: the manifest.
    """
    sealed = dict(manifest)
    if timeline is not None:
        write_report(folder, sealed, timeline)
        sealed["report"] = REPORT
    folder.write(MANIFEST, msgspec.json.format(msgspec.json.encode(sealed)))
    return sealed


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def fingerprint_of(value: Any) -> str:
    """Return SHA-256 of a value, in hexadecimal."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
