"""Makes one manifest of those of all the batches of a campaign that was split."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import msgspec

from airflow_provider_ccc.campaign.output.batches import rows_of
from airflow_provider_ccc.campaign.output.layout import (
    MANIFEST,
    REPORT,
    batch_folder,
    batches_in,
)
from airflow_provider_ccc.campaign.output.output import fingerprint_of, write_manifest
from airflow_provider_ccc.campaign.output.parts import Tally, completed
from airflow_provider_ccc.campaign.output.storage import Folder, StorageError
from airflow_provider_ccc.campaign.output.timeline import Timeline
from airflow_provider_ccc.campaign.picking.failures import check_total
from airflow_provider_ccc.campaign.report.report import add_report
from airflow_provider_ccc.campaign.source.ranges import Range
from airflow_provider_ccc.client.errors import CccParameterError

log = logging.getLogger(__name__)

_FILES = ("parts", "failures", "skips")


def merge_manifests(folder: Folder, batches: Sequence[Mapping[str, Any]], *, report: bool = False) -> dict[str, Any]:
    """Add the batches' manifests up, and write the result as the campaign's own.

    :param folder: the campaign's; each batch has a sub-folder in it.
    :param batches: the ranges that :func:`~airflow_provider_ccc.campaign.source.split_callees` made, all of them.
    :param report: whether to write a report, too.
    :returns: the manifest, with the batches' files named from ``folder``.
    :raises CccParameterError: a batch is missing, not complete, or not of the same campaign.
    :raises TooManyFailuresError: all batches together have more failures than ``max_failures`` allows.
    :raises StorageError: a manifest cannot be read or written.
    """
    ranges = sorted((Range.load(batch) for batch in batches), key=lambda each: each.batch)
    if not ranges or [each.batch for each in ranges] != list(range(ranges[0].batches)):
        raise CccParameterError("batches", "must be all the ranges that one call of split_callees made, each once")
    if beyond := [name for number, name in batches_in(folder).items() if number >= len(ranges)]:
        raise CccParameterError("batches", f"{folder.description}/{beyond[0]} is of another campaign; remove it")
    manifests = [_read(folder, each) for each in ranges]
    if len({manifest["parameters_fingerprint"] for manifest in manifests}) > 1:
        raise CccParameterError("batches", "were resolved with different parameters; clear the older ones")
    total = Tally()
    for manifest in manifests:
        total.add(msgspec.convert({name: manifest[name] for name in total.counts() if name in manifest}, Tally))
    check_total(total.failed, total.callees, [manifest.get("max_failures") for manifest in manifests])
    merged = {
        "fingerprint": fingerprint_of([manifest["fingerprint"] for manifest in manifests]),
        "input_fingerprint": ranges[0].fingerprint,
        "parameters_fingerprint": manifests[0]["parameters_fingerprint"],
        "output_path": folder.description,
        "output_format": manifests[0]["output_format"],
        **total.counts(),
        **{
            kind: [
                f"{batch_folder(each.batch)}/{name}"
                for each, manifest in zip(ranges, manifests, strict=True)
                for name in manifest[kind]
            ]
            for kind in _FILES
        },
        "batches": len(ranges),
        "source": PurePath(ranges[0].path).name,
        "empty_lines": ranges[0].empty,
        "malformed": sum(manifest["malformed"] for manifest in manifests),
        "seconds": round(sum(manifest["seconds"] for manifest in manifests), 3),
        "started": min(manifest["started"] for manifest in manifests),
        "finished": max(manifest["finished"] for manifest in manifests),
    }
    if not report and REPORT in folder.names():
        folder.remove(REPORT)  # of an earlier merge
    write_manifest(folder, merged)
    return add_report(folder, merged, _timeline(folder, ranges)) if report else merged


def _timeline(folder: Folder, ranges: Sequence[Range]) -> Timeline:
    timeline = Timeline()
    for each in ranges:
        for state in completed(folder.child(batch_folder(each.batch))).values():
            timeline.add(state.tally.timeline)
    return timeline


def _read(folder: Folder, each: Range) -> dict[str, Any]:
    name = f"{batch_folder(each.batch)}/{MANIFEST}"
    data = folder.read(name)
    if data is None:
        raise CccParameterError(
            "batches", f"{folder.description}/{name} is not there: batch {each.batch} is not complete"
        )
    try:
        manifest: dict[str, Any] = msgspec.json.decode(data)
        rows = manifest["rows"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise StorageError(f"{folder.description}/{name} is no manifest of a batch") from None
    if rows != rows_of(each.dump()):
        raise CccParameterError(
            "batches", f"{folder.description}/{name} is of other rows; clear the task of this batch"
        )
    there = folder.child(batch_folder(each.batch)).names()
    if missing := [file for kind in _FILES for file in manifest[kind] if file not in there]:
        raise CccParameterError(
            "batches",
            f"{folder.description}/{name} lists {missing[0]}, which is not there; clear the task of this batch",
        )
    return manifest
