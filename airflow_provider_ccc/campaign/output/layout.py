"""The names in an output folder, and the removal of what an earlier campaign left there."""

from __future__ import annotations

import re

from airflow_provider_ccc.campaign.output.storage import Folder, StorageError

IDENTITY = "_campaign.json"
MANIFEST = "_manifest.json"
REPORT = "report.html"
STATES = "_state"
#: The rows of a source that was refused for them.
MALFORMED = "malformed.ndjson"
OWNERS = "_owner"
#: The rows of a query.
CALLEES = "_callees"

_OF_A_PART = re.compile(r"(?:part|failures|skipped)-([0-9]{5,})\.[a-z]+")
_OF_A_BATCH = re.compile(r"batch-([0-9]{5,})")


def file_name(kind: str, number: int, suffix: str) -> str:
    """Name a part's file: ``part-00000.ndjson``, ``failures-00000.ndjson``, ``skipped-00000.ndjson``."""
    return f"{kind}-{number:05d}.{suffix}"


def part_of(name: str) -> int | None:
    """Say which part a file in the folder belongs to, if to any."""
    match = _OF_A_PART.fullmatch(name)
    return int(match[1]) if match else None


def batch_folder(batch: int) -> str:
    """Name the sub-folder of one batch."""
    return f"batch-{batch:05d}"


def batches_in(folder: Folder) -> dict[int, str]:
    """List the sub-folders of batches, by the batch's number."""
    matches = ((name, _OF_A_BATCH.fullmatch(name)) for name in folder.folders())
    return {int(match[1]): name for name, match in sorted(matches) if match}


def holds_parts(folder: Folder) -> bool:
    """Say whether the folder itself holds a campaign's parts or its identity."""
    names = folder.names()
    return IDENTITY in names or any(part_of(name) is not None for name in names) or bool(folder.names(STATES))


def remove_parts(folder: Folder) -> None:
    """Remove a campaign's files but its identity, beginning with what says that they are complete."""
    names = folder.names()
    for name in sorted(names & {MANIFEST, REPORT, MALFORMED}):
        discard(folder, name)
    for name in sorted(folder.names(STATES)):
        discard(folder, f"{STATES}/{name}")
    for name in sorted(name for name in names if part_of(name) is not None):
        discard(folder, name)


def remove_batch(folder: Folder, name: str) -> None:
    """Remove a batch's files, its identity too."""
    batch = folder.child(name)
    remove_parts(batch)
    for owner in sorted(batch.names(OWNERS)):
        discard(batch, f"{OWNERS}/{owner}")
    if IDENTITY in batch.names():
        discard(batch, IDENTITY)


def discard(folder: Folder, name: str) -> None:
    """Remove a file, unless another task of the same run was quicker."""
    try:
        folder.remove(name)
    except StorageError:
        if folder.read(name) is not None:
            raise
