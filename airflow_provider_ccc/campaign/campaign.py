"""One campaign, from its callees to its manifest: source, then picking, then output, and the report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any

from airflow_provider_ccc.campaign.output.batches import make_room, remove_stale_manifest, rows_of
from airflow_provider_ccc.campaign.output.formats import encoder_of
from airflow_provider_ccc.campaign.output.kept import forget, keep
from airflow_provider_ccc.campaign.output.layout import batch_folder
from airflow_provider_ccc.campaign.output.output import Identity, OnStaleOutput, Output
from airflow_provider_ccc.campaign.output.ownership import Owner, owned
from airflow_provider_ccc.campaign.output.storage import Folder, open_folder
from airflow_provider_ccc.campaign.picking.failures import MaxFailures
from airflow_provider_ccc.campaign.picking.progress import Progress
from airflow_provider_ccc.campaign.picking.runner import Hook, Limits, Runner
from airflow_provider_ccc.campaign.report.report import add_report, check_report
from airflow_provider_ccc.campaign.source import Source, open_source
from airflow_provider_ccc.campaign.source.exclusion import Exclusion
from airflow_provider_ccc.campaign.source.opening import failures_of
from airflow_provider_ccc.campaign.source.paths import Pieces
from airflow_provider_ccc.campaign.source.queries import Query
from airflow_provider_ccc.campaign.source.ranges import Range
from airflow_provider_ccc.campaign.source.reading import Reading
from airflow_provider_ccc.client import checks
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.operation import PickOperation
from airflow_provider_ccc.client.pacing import Pacer
from airflow_provider_ccc.client.privacy import counted

log = logging.getLogger(__name__)


@dataclass
class Campaign:
    """A campaign that can be run. Making one checks what it is told, and touches nothing.

    The parameters are those of :class:`~airflow_provider_ccc.operators.batch.CccPickOutboundNumbersBatchOperator`, but:

    :param callees: as :func:`~airflow_provider_ccc.campaign.source.open_source` takes them, or a query.
    :param operation: what is asked about each callee.
    :param hook: makes the calls; its connection was looked up already.
    :param reading: how the callees are read.
    :param exclude: the callees to exclude.
    :param tags: of the metrics.
    :raises CccParameterError: naming the parameter.
    """

    callees: Any
    operation: PickOperation
    hook: Hook
    output_path: Any
    _: KW_ONLY
    output_format: str = "ndjson"
    on_stale_output: OnStaleOutput = "fail"
    part_size: int = 1000
    concurrency: int = 64
    max_qps: float | None = None
    max_failures: float = 0
    report: bool = False
    reading: Reading = field(default_factory=Reading)
    exclude: Exclusion | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.on_stale_output not in ("fail", "replace", "extend"):
            raise CccParameterError(
                "on_stale_output", f"must be 'fail', 'replace' or 'extend', not {self.on_stale_output!r}"
            )
        encoder_of(self.output_format)
        checks.integer("part_size", self.part_size, at_least=1, at_most=100_000)
        checks.integer("concurrency", self.concurrency, at_least=1, at_most=1000)
        check_report(self.report)
        self._folder = open_folder(self.output_path)
        is_range = isinstance(self.callees, Mapping) and self.reading.only is None
        self._batch = Range.load(self.callees) if is_range else None
        # What can be refused is refused before a query is asked.
        Pacer(self.max_qps)
        MaxFailures.of(self.max_failures, 0)
        if isinstance(self.callees, Query):
            if self.on_stale_output == "extend":
                raise CccParameterError("on_stale_output", "cannot be 'extend' with callees_sql, whose rows are kept")
            if self.reading.only is not None:
                raise CccParameterError("only", "goes with callees, not with callees_sql")
        #: The sub-folder of the output path that this campaign's files go to, if it is one of several tasks' batches.
        self.below = "" if self._batch is None else batch_folder(self._batch.batch)
        self._runner: Runner | None = None
        self._stopped = False

    def run(self, owner: Owner) -> dict[str, Any]:
        """Resolve all callees that were not resolved before.

        :param owner: whose the output is meanwhile.
        :returns: the manifest.
        :raises CccError: one that is ``retryable`` where another try goes on from here.
        :raises StorageError: the output cannot be read or written.
        """
        with ExitStack() as stack:
            callees = self.callees
            is_query = isinstance(callees, Query)
            if is_query:  # its rows are kept with the output
                folder = stack.enter_context(self._owned(owner))
                callees = keep(folder, callees, self.reading.column, self.on_stale_output)
            elif self.reading.only == "failed":
                callees = self._failures()
            source = stack.enter_context(open_source(callees, self.reading, exclude=self.exclude))
            survey = source.survey
            log.info(
                "%s: %s, %d malformed, %s, %d excluded; %s",
                source.description,
                counted(survey.rows, "row"),
                survey.malformed,
                counted(survey.duplicates, "duplicate"),
                survey.excluded,
                counted(survey.empty, "empty line"),
            )
            limits = Limits(
                part_size=self.part_size,
                concurrency=self.concurrency,
                max_qps=self.max_qps,
                max_failures=MaxFailures.of(
                    self.max_failures, survey.rows if self._batch is None else self._batch.rows_total
                ),
            )
            if not is_query:
                folder = stack.enter_context(self._owned(owner))
            output = self._open_output(folder, source)
            if not is_query:
                forget(folder)  # the rows of a query whose campaign this one replaced
            manifest = self._finished_before(output, limits) or self._resolve(source, output, limits)
            if self.report:
                manifest = add_report(output.folder, manifest, output.total.timeline)
        return manifest

    def _owned(self, owner: Owner) -> AbstractContextManager[Folder]:
        return owned(self._folder, owner, batch=self.below, on_lost=self.stop)

    def _failures(self) -> Pieces:
        """Find the failures of an earlier campaign, which must not be replaced by this one."""
        failures = failures_of(self.callees)
        if failures.folder == self._folder.description:
            raise CccParameterError("output_path", "is that of the campaign whose failures are taken; give another")
        return failures

    def stop(self) -> None:
        """End a run from a signal handler or another thread, or before it began; finished parts are kept."""
        self._stopped = True
        if runner := self._runner:
            runner.stop()

    def _open_output(self, folder: Folder, source: Source) -> Output:
        identity = Identity.of(source.survey.fingerprint, self._deciding(), source.survey.rows)
        batch, marks = self._batch, identity.parameters_fingerprint
        if batch is not None:
            make_room(folder, batch, marks, self.on_stale_output)
        return Output(
            folder.child(self.below) if self.below else folder,
            identity,
            self.output_format,
            self.on_stale_output,
            part_size=self.part_size,
            rows=source.rows,
            candidates=getattr(self.operation, "candidate_numbers", ()),
            on_change=(lambda: None) if batch is None else partial(remove_stale_manifest, folder, batch, marks),
        )

    def _finished_before(self, output: Output, limits: Limits) -> dict[str, Any] | None:
        """Give the manifest of a campaign that is complete."""
        manifest = output.manifest()
        if manifest is None:
            return None
        log.warning(
            "%s has been complete since %s; nobody is resolved again. For new pairs, give another output_path",
            output.folder.description,
            manifest["finished"],
        )
        return output.amend(manifest, self._details(limits))

    def _resolve(self, source: Source, output: Output, limits: Limits) -> dict[str, Any]:
        output.clean()
        if output.total.callees:
            log.info("Resuming: earlier tries have finished %d callees", output.total.callees)
        progress = Progress(log, source.survey.rows, output.total.callees, self.tags)
        self._runner = Runner(source, output, self.operation, self.hook, limits, progress)
        if self._stopped:
            self._runner.stop()
        try:
            self._runner.run()
        finally:
            self._runner = None
        manifest = output.finish(
            {
                "source": source.description,
                "empty_lines": source.survey.empty,
                "malformed": source.survey.malformed,
                "seconds": round(progress.seconds, 3),
                **self._details(limits),
            }
        )
        duplicates = manifest["skipped"] - manifest["excluded"]
        skipped = f"skipped ({counted(duplicates, 'duplicate')}, {manifest['excluded']} excluded)"
        for name, what, file in (("failed", "failed", "failures"), ("skipped", skipped, "skipped")):
            if manifest[name]:
                count, path = counted(manifest[name], "callee"), manifest["output_path"]
                log.warning("%s %s; see %s-*.ndjson in %s", count, what, file, path)
        return manifest

    def _details(self, limits: Limits) -> dict[str, Any]:
        """What the manifest of a batch says for the merge."""
        if self._batch is None:
            return {}
        return {"rows": rows_of(self._batch.dump()), "max_failures": limits.max_failures.most}

    def _deciding(self) -> dict[str, Any]:
        """Name what decides the output, by the operator's parameters."""
        sent = self.operation.parameters()
        for name in self.operation.varying():
            del sent[name]
        return {
            "instance_id": sent.pop("InstanceId"),
            "count": sent.pop("Count"),
            "candidate_numbers or skill_group_ids": [self.operation.action, self.operation.version, sent],
            "part_size": self.part_size,
            "output_format": self.output_format,
        }
