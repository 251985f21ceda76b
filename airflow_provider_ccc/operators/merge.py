"""The operator that finishes a campaign which several tasks shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_ccc.compat import BaseOperator
from airflow_provider_ccc.lineage import CccLineageMixin
from airflow_provider_ccc.links.ccc import CccReportLink, report_url
from airflow_provider_ccc.tasks import REPORT_URL, note, permanent_errors_end_the_task

if TYPE_CHECKING:
    from airflow_provider_ccc.compat import Context


class CccMergeManifestsOperator(CccLineageMixin, BaseOperator):
    """Merge the manifests of a campaign's batches into one, ``output_path/_manifest.json``, and push it through XCom.

    It fails unless every batch is complete and all are of the same campaign.

    :param output_path: the campaign's folder, the same as the batch operator's (templated).
    :param batches: what :func:`~airflow_provider_ccc.campaign.source.split_callees` returned (templated).
    :param report: whether to write ``report.html`` next to the manifest: what came of the campaign, for people. It
        needs the extra ``airflow-provider-ccc[report]``.
    :param output_url: where ``output_path`` is served over http or https (templated), for a link to the report in
        Airflow's UI.
    """

    template_fields: Sequence[str] = ("output_path", "batches", "output_url")
    operator_extra_links = (CccReportLink(),)
    ui_color = "#ff9a5c"
    ui_fgcolor = "#000000"

    def __init__(
        self,
        *,
        output_path: Any,
        batches: Sequence[Mapping[str, Any]],
        report: bool = False,
        output_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_path = output_path
        self.batches = batches
        self.report = report
        self.output_url = output_url

    def execute(self, context: Context) -> dict[str, Any]:
        """Merge.

        :returns: the manifest of the whole campaign.
        :raises AirflowFailException: a batch is missing or is of another campaign, or all batches together have more
            failures than the batch operator's ``max_failures`` allows.
        :raises airflow_provider_ccc.campaign.output.storage.StorageError: a manifest cannot be read or written.
        """
        # Imported here, because DAG files are parsed often.
        from airflow_provider_ccc.campaign.merging import merge_manifests
        from airflow_provider_ccc.campaign.output.ownership import Owner, owned
        from airflow_provider_ccc.campaign.output.storage import open_folder
        from airflow_provider_ccc.campaign.picking.progress import outcome
        from airflow_provider_ccc.campaign.report.report import check_report

        with permanent_errors_end_the_task():
            check_report(self.report)
            link = report_url(self.report, self.output_url)
            owner = Owner.of((context or {}).get("ti"))
            with owned(open_folder(self.output_path), owner, merging=True) as folder:
                manifest = merge_manifests(folder, self.batches, report=self.report)
        note(context, REPORT_URL, link)
        self.log.info("%s", outcome(manifest))
        self._manifest = manifest
        return manifest

    def _source_path(self) -> Any:
        return next((batch.get("path") for batch in self.batches), None)  # all are of the same file
