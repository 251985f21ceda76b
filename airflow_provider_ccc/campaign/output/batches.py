"""The output folder that several tasks share: each has a batch of the rows, and a sub-folder for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from airflow_provider_ccc.campaign.output.layout import (
    IDENTITY,
    MANIFEST,
    REPORT,
    batches_in,
    discard,
    holds_parts,
    remove_batch,
    remove_parts,
)
from airflow_provider_ccc.campaign.output.output import OnStaleOutput
from airflow_provider_ccc.campaign.output.storage import Folder
from airflow_provider_ccc.campaign.source.ranges import Range
from airflow_provider_ccc.client.errors import CccParameterError

log = logging.getLogger(__name__)


def make_room(folder: Folder, batch: Range, parameters_fingerprint: str, on_stale: OnStaleOutput) -> None:
    """Look for what is not of this campaign in the folder that its batches share; refuse or remove it.

    :param folder: the campaign's.
    :param batch: one of its ranges.
    :param parameters_fingerprint: of its parameters.
    :param on_stale: what to do: ``fail``, ``replace``, or ``extend``, which is a campaign that had fewer rows.
    :raises CccParameterError: the folder holds the output of another campaign.
    """
    if on_stale == "fail" and _is_of_another(folder, batch, parameters_fingerprint):
        raise CccParameterError(
            "output_path",
            f"{folder.description} holds the output of another campaign, as its {MANIFEST} says; give each campaign a"
            " path of its own, or set on_stale_output='replace'",
        )
    beyond = [name for number, name in batches_in(folder).items() if number >= batch.batches]
    whole = holds_parts(folder)
    if beyond or whole:
        found = f"it has the sub-folder {beyond[0]}" if beyond else "it was not split into batches"
        what = f"{folder.description} holds the output of another campaign: {found}"
        if on_stale != "replace":
            raise CccParameterError(
                "output_path", f"{what}; give each campaign a path of its own, or set on_stale_output='replace'"
            )
        log.warning("%s, which is replaced", what)
        if whole:
            remove_parts(folder)
            discard(folder, IDENTITY)
        for name in beyond:
            remove_batch(folder, name)


def remove_stale_manifest(folder: Folder, batch: Range, parameters_fingerprint: str) -> None:
    """Remove the manifest of another campaign, of which a batch is about to change, and its report."""
    if _is_of_another(folder, batch, parameters_fingerprint):
        for name in sorted(folder.names() & {MANIFEST, REPORT}):
            discard(folder, name)


def _is_of_another(folder: Folder, batch: Range, parameters_fingerprint: str) -> bool:
    data = folder.read(MANIFEST)
    if data is None:
        return False
    try:
        found = msgspec.json.decode(data)
        ours = (batch.fingerprint, parameters_fingerprint)
        return (found["input_fingerprint"], found["parameters_fingerprint"]) != ours
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return True


def rows_of(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Name the rows of a range, as a batch's manifest has them: of which file, and from where to where."""
    return {name: batch[name] for name in ("fingerprint", "start", "stop")}
