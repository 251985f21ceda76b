"""Whatever callees can be, opened as a reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

import msgspec

from airflow_provider_ccc.campaign.source.lists import ListReader
from airflow_provider_ccc.campaign.source.paths import (
    Pieces,
    is_path,
    open_path,
    open_pieces,
    read_whole,
    refuse_text,
)
from airflow_provider_ccc.campaign.source.queries import Query, QueryReader
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.campaign.source.records import NoCalleesError, Reader
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import counted

_MANIFEST = "_manifest.json"


@contextmanager
def open_callees(callees: Any, reading: Reading) -> Iterator[tuple[Reader, str]]:
    """Open callees that are no range; give their reader, and what logs call them.

    :raises NoCalleesError: there are none, and no file that could have them.
    :raises CccParameterError: naming ``callees`` or one of the settings.
    """
    if reading.only == "failed":
        callees = failures_of(callees)
    if isinstance(callees, Pieces):
        if not callees.names:
            raise NoCalleesError("callees", f"there are none: {callees.description}")
        with open_pieces(callees, reading) as opened:
            yield opened
    elif is_path(callees):
        with open_path(callees, reading) as opened:
            yield opened
    elif isinstance(callees, Query):
        yield QueryReader(callees, reading.column), callees.parameter
    elif isinstance(callees, (bytes, Set, Mapping)) or not isinstance(callees, Iterable):
        raise CccParameterError("callees", f"must be a list, a path or a range, not {type(callees).__name__}")
    else:
        items = ListReader(callees, reading.column)
        yield items, counted(len(items), "callee") if len(items) else "the list"


def failures_of(manifest: Any) -> Pieces:
    """Find the failures of an earlier campaign by its manifest: as a task returned it, its file, or its folder.

    :param manifest: whatever was found already stays as it is.
    """
    if isinstance(manifest, Pieces):
        return manifest
    if is_path(manifest):
        refuse_text(str(manifest))
        text = str(manifest).rstrip("/")
        path = text if text.endswith(_MANIFEST) else f"{text}/{_MANIFEST}"
        try:
            manifest = msgspec.json.decode(read_whole(path))
        except msgspec.DecodeError:
            manifest = None
    try:
        folder, names = str(manifest["output_path"]), list(manifest["failures"])
    except (KeyError, TypeError):
        raise CccParameterError(
            "callees", f"with only='failed' must be the manifest of an earlier campaign, or its {_MANIFEST}"
        ) from None
    return Pieces(folder, names, "source", f"failures of {folder}")
