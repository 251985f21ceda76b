"""The rows of a query, kept with the output, so that each try of a campaign has the same callees.

They go to ``_callees/00000.ndjson`` and so on, and then ``_callees/_complete.json`` names them. The first request is
sent after that.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import msgspec

from airflow_provider_ccc.campaign.output.formats import encode_lines
from airflow_provider_ccc.campaign.output.layout import CALLEES, batches_in, discard, holds_parts
from airflow_provider_ccc.campaign.output.output import OnStaleOutput, fingerprint_of
from airflow_provider_ccc.campaign.output.storage import Folder, StorageError
from airflow_provider_ccc.campaign.source.paths import Pieces
from airflow_provider_ccc.campaign.source.queries import Query
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import counted

log = logging.getLogger(__name__)

_MARK = "_complete.json"
_ROWS = 10_000


class _Kept(msgspec.Struct):
    """Which query's rows these are, and their files."""

    query: str
    files: list[str]
    rows: int


def keep(folder: Folder, query: Query, column: str, on_stale: OnStaleOutput) -> Pieces:
    """Give the rows that a query had when the campaign was begun; run it if no try has done so to the end.

    :param folder: the campaign's.
    :param column: one that the rows must have.
    :param on_stale: what to do if the folder belongs to another query or to other callees.
    :raises CccParameterError: it does.
    :raises airflow_provider_ccc.campaign.source.queries.QueryError: the database does not answer.
    :raises StorageError: the rows cannot be written or read.
    """
    mark = fingerprint_of([query.sql, query.conn_id, column])
    kept = _read(folder)
    if kept is not None and kept.query == mark:
        log.info("Going on with what the query gave when the campaign was begun: %s", counted(kept.rows, "row"))
        return _pieces(folder, kept)
    if on_stale != "replace" and (kept is not None or holds_parts(folder) or batches_in(folder)):
        whose = "of another query" if kept is not None else "that did not come from a query"
        raise CccParameterError(
            "output_path",
            f"{folder.description} holds the output of another campaign, whose callees are {whose}; give each campaign"
            " a path of its own, or set on_stale_output='replace'",
        )
    forget(folder)
    files: list[str] = []
    rows = 0
    stream = query.rows(column)
    for lines, count in _chunks(encode_lines([row]) for row in stream):
        files.append(f"{CALLEES}/{len(files):05d}.ndjson")
        folder.write(files[-1], lines)
        rows += count
    if not rows:  # nothing to keep: the next try asks again
        return Pieces(folder.description, [], "", "the query gave no rows")
    folder.write(f"{CALLEES}/{_MARK}", msgspec.json.encode(_Kept(mark, files, rows)))
    log.info("The query gave %s, kept with the output", counted(rows, "row"))
    return _pieces(folder, _Kept(mark, files, rows))


def forget(folder: Folder) -> None:
    """Remove the rows of a query, beginning with what says that they are complete."""
    for name in sorted(folder.names(CALLEES), key=lambda name: name != _MARK):
        discard(folder, f"{CALLEES}/{name}")


def _chunks(lines: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    while chunk := list(itertools.islice(lines, _ROWS)):
        yield b"".join(chunk), len(chunk)


def _pieces(folder: Folder, kept: _Kept) -> Pieces:
    return Pieces(folder.description, kept.files, "", "the query's rows")


def _read(folder: Folder) -> _Kept | None:
    data = folder.read(f"{CALLEES}/{_MARK}")
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=_Kept)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{folder.description}/{CALLEES}/{_MARK} cannot be read: {error}") from None
