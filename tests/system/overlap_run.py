"""A run of a campaign in a process of its own, to be overlapped by another, killed and stopped; see test_overlap.py.

It notes what it does and when in a file, a line at a time, so that what a killed one did is known as well.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import airflow_provider_ccc.campaign.merging
import airflow_provider_ccc.campaign.picking.runner
import airflow_provider_ccc.hooks.ccc  # noqa: F401 - what execute imports is here before it is forked
from airflow_provider_ccc.campaign.output import ownership
from airflow_provider_ccc.campaign.output.layout import MANIFEST, batches_in, part_of
from airflow_provider_ccc.campaign.output.ownership import OutputInUseError
from airflow_provider_ccc.campaign.output.storage import Folder, open_folder
from airflow_provider_ccc.campaign.source import split_callees
from airflow_provider_ccc.operators.ccc import CccMergeManifestsOperator, CccPickOutboundNumbersBatchOperator

CANDIDATES = ["01089767654", "02160664656", "02083332222"]
PART_SIZE = 8
Note = Callable[..., None]


def run(environment: dict[str, str], plan: dict[str, Any], notes: Path) -> None:
    """Run a campaign.

    :param environment: with the connections.
    :param plan: ``callees`` (a file), ``output``, ``split``, ``on_stale_output``, ``run_id``, ``try_number``,
        ``patience`` (for how many seconds a folder in use is tried again), ``cleared`` (a file: once it is there, no
        further task begins), ``order`` (of the batches), ``lease`` and ``heartbeat``.
    :param notes: the file for its notes; beside it is its log.
    """
    os.environ.update(environment)
    with notes.with_suffix(".log").open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    ownership.LEASE, ownership.HEARTBEAT = plan["lease"], plan["heartbeat"]
    ownership.WATCH = 2.5 * plan["heartbeat"]
    with notes.open("a", encoding="utf-8") as file:

        def note(what: str, **details: Any) -> None:
            file.write(json.dumps({"what": what, "at": time.time(), **details}) + "\n")
            file.flush()

        expected = Path(plan["callees"]).read_text(encoding="utf-8").split()[1:]
        ownership.owned = _witnessed(ownership.owned, expected, note)
        try:
            (_split if plan["split"] else _whole)(plan, note)
        except BaseException as error:
            note("failed", type=type(error.__cause__ or error).__name__, message=str(error))
        else:
            note("done")


class ClearedError(Exception):
    """A retry of the run began, so its tasks that had not begun do not."""


def _task(operator: Any, map_index: int, plan: dict[str, Any], note: Note) -> None:
    ids = {"dag_id": "nightly", "run_id": plan["run_id"], "try_number": plan["try_number"]}
    until = time.monotonic() + plan["patience"]
    operator.render_template_fields({})
    while True:
        if plan["cleared"] and Path(plan["cleared"]).exists():
            raise ClearedError
        try:
            operator.execute({"ti": SimpleNamespace(**ids, task_id=operator.task_id, map_index=map_index)})
            return
        except OutputInUseError:
            if time.monotonic() > until:
                raise
            note("refused")
            time.sleep(0.1)


def _whole(plan: dict[str, Any], note: Note) -> None:
    _task(_pick(plan, plan["callees"]), -1, plan, note)


def _split(plan: dict[str, Any], note: Note) -> None:
    """Run the batches, each whatever becomes of the others, and then merge them if all ended well."""
    batches = split_callees(plan["callees"], batch_size=3 * PART_SIZE)
    errors = []
    for number in random.Random(plan["order"]).sample(range(len(batches)), len(batches)):
        try:
            _task(_pick(plan, batches[number]), number, plan, note)
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
    merge = CccMergeManifestsOperator(task_id="merge", output_path=plan["output"], batches=batches)
    _task(merge, -1, plan, note)


def _pick(plan: dict[str, Any], callees: Any) -> CccPickOutboundNumbersBatchOperator:
    return CccPickOutboundNumbersBatchOperator(
        task_id="pick",
        callees=callees,
        output_path=plan["output"],
        candidate_numbers=CANDIDATES,
        part_size=PART_SIZE,
        concurrency=4,
        max_qps=150,
        on_stale_output=plan["on_stale_output"],
    )


def _witnessed(owned: Any, expected: list[str], note: Note) -> Any:
    """Note when the folder is the run's, and what is in it while it still is."""

    @contextmanager
    def witnessed(folder: Folder, owner: Any, *, batch: str = "", **arguments: Any) -> Iterator[Any]:
        with owned(folder, owner, batch=batch, **arguments) as mine:
            note("claimed", batch=batch)
            yield mine
            found = [] if batch else faults(folder, expected)
        note("left", batch=batch, faults=found)

    return witnessed


def faults(folder: Folder, expected: list[str]) -> list[str]:
    """Say what keeps a folder from being the complete output of a campaign, and of no other.

    :param expected: its callees.
    """
    data = folder.read(MANIFEST)
    if data is None:
        return ["there is no manifest"]
    manifest = json.loads(data)
    found = []
    there = {f"{below}{name}": size for below, each in _folders(folder) for name, size in each.sizes().items()}
    parts = {name for name in there if part_of(re.sub(r"^batch-\d+/", "", name)) is not None}
    listed = {name for kind in ("parts", "failures", "skips") for name in manifest[kind]}
    found += [f"{name} is listed and not there" for name in sorted(listed - parts)]
    found += [f"{name} is there and not listed" for name in sorted(parts - listed)]
    rows = [json.loads(line) for name in manifest["parts"] for line in (folder.read(name) or b"").splitlines()]
    callees = Counter(row["callee"]["number"] for row in rows)
    for what, numbers in (
        ("missing", set(expected) - set(callees)),
        ("strangers", set(callees) - set(expected)),
        ("repeated", {number for number, times in callees.items() if times > 1}),
    ):
        if numbers:
            found.append(f"{len(numbers)} callees are {what}")
    callers = Counter(row["caller"]["number"] for row in rows)
    if +Counter(manifest["callers"]) != callers or manifest["callees"] != len(expected):
        found.append("the manifest's tally is not that of its files")
    return found


def _folders(folder: Folder) -> list[tuple[str, Folder]]:
    return [("", folder), *((f"{name}/", folder.child(name)) for name in batches_in(folder).values())]


def folder_of(plan: dict[str, Any]) -> Folder:
    """Open the folder that a run writes to."""
    return open_folder(plan["output"])
