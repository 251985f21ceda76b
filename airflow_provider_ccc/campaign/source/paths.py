"""Paths of callees' files: what can be one, how the file is written, and the file on this machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_ccc.campaign.source.files import FORMATS, Layout, LocalFile, readable
from airflow_provider_ccc.campaign.source.readers import Reader, open_reader
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import excerpt

_COPIED_AT_ONCE = 1 << 20


def is_path(value: object) -> bool:
    """Say whether something is a path, or text."""
    # ObjectStoragePath is an os.PathLike in some versions of Airflow only.
    return isinstance(value, (str, os.PathLike)) or hasattr(value, "protocol")


def names_a_file(callees: object) -> bool:
    """Say whether callees are certainly the path of a file, which can be shown, and no numbers written as text."""
    text = str(callees) if is_path(callees) else ""
    is_address = "://" in text and text.partition("://")[0].isalnum()
    try:
        return text.startswith("/") or is_address or Layout.of(text, None) is not None
    except CccParameterError:  # it is one, if of a kind that cannot be read
        return True


def address_of(path: Any) -> str:
    """Write a path so that another worker finds the same file."""
    text = str(path)
    return text if "://" in text else str(Path(text).absolute())


def layout_of(path: Any, format: str | None) -> Layout:
    """Tell how a file is written, and refuse text that is no path."""
    text = str(path)
    if text and "://" not in text and Path(text).is_dir():
        raise CccParameterError("callees", f"{text} is a folder; give the path of a file")
    if not any(character.isalpha() or character in "/\\" for character in text):
        raise CccParameterError("callees", "is text but no path; give a list of numbers, or the path of a file")
    if layout := Layout.of(text, format):
        return layout
    if text.lstrip().startswith(("[", "(", "{")):
        raise CccParameterError(
            "callees",
            "is a list written as text; a template that makes one needs render_template_as_native_obj=True on its DAG",
        )
    raise CccParameterError(
        "callees_format", f"is needed, as the name {excerpt(text)!r} does not say: {', '.join(FORMATS)}"
    )


@contextmanager
def open_file(path: Any, column: str, format: str | None, encoding: str) -> Iterator[tuple[Reader, str]]:
    """Open a file here or elsewhere; give its reader, and its name without folders, for logs."""
    layout = layout_of(path, format)
    # A text with a suffix that says what it is can be shown; any other may be numbers.
    shown = str(path) if Layout.of(str(path), None) else excerpt(str(path))
    with _on_this_machine(path, shown) as local:
        yield open_reader(LocalFile(local, shown), layout, column, encoding), shown.rpartition("/")[2]


@contextmanager
def _on_this_machine(path: Any, shown: str) -> Iterator[Path]:
    """Give a local file's path, or that of a copy."""
    if not hasattr(path, "protocol"):
        if "://" not in str(path):
            yield Path(path)
            return
        from airflow_provider_ccc.compat import ObjectStoragePath

        with readable(shown):
            path = ObjectStoragePath(str(path))
    if path.protocol in ("", "file", "local"):
        yield Path(path.path)
        return
    # A file without a name: phone numbers must not stay behind, not even where the process is killed.
    with tempfile.TemporaryFile() as copy:
        # An open download could not be held for as long as a campaign runs.
        with readable(shown), path.fs.open(path.path, "rb") as there:
            shutil.copyfileobj(there, copy, _COPIED_AT_ONCE)
            copy.flush()
        yield Path(f"/proc/self/fd/{copy.fileno()}")  # each opening of it begins at its start
