"""What OpenLineage is told of a campaign: the file that callees come from, and the folder that pairs go to.

OpenLineage's provider asks the operators, where it is installed; nothing of it is imported before it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

#: What OpenLineage's naming calls a protocol that goes by several names.
_SCHEMES = {"": "file", "local": "file", "s3a": "s3", "s3n": "s3", "gcs": "gs"}


class CccLineageMixin:
    """A task that makes a campaign's files, with the two methods that OpenLineage's provider looks for."""

    output_path: Any
    #: Kept for OpenLineage, which asks about a finished task in the process that ran it.
    _manifest: Mapping[str, Any] | None = None

    def _source_path(self) -> Any:
        """Give the path of the file that callees come from; whatever is no path stands for none."""
        raise NotImplementedError

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Name the datasets of a task that begins."""
        return _lineage(self._source_path(), self.output_path)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Name the datasets of a task that ended, with the manifest's counts if it made one."""
        return _lineage(self._source_path(), self.output_path, self._manifest)


def dataset(path: Any) -> tuple[str, str] | None:
    """Name a file or folder as OpenLineage does.

    Connection ids and other user information of an address are left out, and so are queries, which may be signed.

    :param path: a path, or an address that :class:`ObjectStoragePath` knows.
    :returns: namespace and name, such as ``("s3://bucket", "a/b.csv")`` or ``("file", "/a/b.csv")``; ``None`` for what
        is no path.
    """
    from airflow_provider_ccc.campaign.source import is_path

    text = str(path) if is_path(path) else ""
    if not text.strip():
        return None
    if "://" not in text:
        return "file", str(Path(text).absolute())
    parts = urlsplit(text, allow_fragments=False)
    scheme = _SCHEMES.get(parts.scheme, parts.scheme)
    if scheme == "file":
        return scheme, parts.path
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}", parts.path.strip("/")


def _lineage(source: Any, output_path: Any, manifest: Mapping[str, Any] | None = None) -> OperatorLineage[Any, Any]:
    from airflow.providers.common.compat.openlineage.facet import (
        InputDataset,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.facet_v2 import input_statistics_input_dataset

    read: dict[str, Any] = {}
    written: dict[str, Any] = {}
    if manifest is not None:
        read["inputStatistics"] = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            rowCount=manifest["callees"]
        )
        written["outputStatistics"] = OutputStatisticsOutputDatasetFacet(
            rowCount=manifest["pairs"], fileCount=len(manifest["parts"])
        )
    inputs, outputs = dataset(source), dataset(output_path)
    return OperatorLineage(
        inputs=[InputDataset(*inputs, inputFacets=read)] if inputs else [],
        outputs=[OutputDataset(*outputs, outputFacets=written)] if outputs else [],
    )
