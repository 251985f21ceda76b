"""The operator that resolves a whole campaign in one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_ccc.client.privacy import counted, excerpt
from airflow_provider_ccc.compat import AirflowSkipException, BaseOperator
from airflow_provider_ccc.endings import EndingsMixin
from airflow_provider_ccc.hiding import Hidden, reveal
from airflow_provider_ccc.lineage import CccLineageMixin
from airflow_provider_ccc.links.ccc import CccConsoleLink, CccErrorCenterLink, CccReportLink, console_url_of, report_url
from airflow_provider_ccc.rendered import is_given, one_of, rendered_integer, rendered_number
from airflow_provider_ccc.tasks import CONSOLE_URL, REPORT_URL, CccTaskMixin, note, permanent_errors_end_the_task

if TYPE_CHECKING:
    from airflow_provider_ccc.campaign.campaign import Campaign
    from airflow_provider_ccc.campaign.output.output import OnStaleOutput
    from airflow_provider_ccc.campaign.source.exclusion import Exclusion
    from airflow_provider_ccc.campaign.source.reading import Reading
    from airflow_provider_ccc.client.operations_2017 import PickOperation
    from airflow_provider_ccc.compat import Context
    from airflow_provider_ccc.hooks.ccc import CccAsyncHook


class CccPickOutboundNumbersBatchOperator(EndingsMixin, CccTaskMixin, CccLineageMixin, BaseOperator):
    """Resolve many callees in one task: pick which of the company's own numbers to show on each callee's phone.

    The pairs go to part files below ``output_path``, and through XCom goes a manifest of counts and names. A retry,
    or the task cleared, goes on after the parts that are complete; a campaign that is complete is not repeated. See
    :mod:`airflow_provider_ccc.campaign.output.output` for the files, and
    :mod:`airflow_provider_ccc.campaign.source.rows` for what is made of empty lines, malformed numbers and duplicates.

    The events of assets among the task's ``outlets`` carry the manifest's counts and the output path as extra.

    :param callees: the callees (templated): a list of numbers or of rows that have ``callee_column``; the path or
        ``ObjectStoragePath`` address of a file, a folder, or a pattern such as ``/data/part-*.parquet``; or a range
        made by :func:`~airflow_provider_ccc.campaign.source.split_callees`, whose output goes to a sub-folder of its
        own. Files are CSV, TSV, NDJSON, JSON, Parquet or Excel; text may be packed as ``.gz``, ``.zst`` or ``.zip``.
    :param output_path: an absolute local path or an address such as ``s3://aws_default@bucket/campaigns/tonight``
        (templated). Each campaign needs one of its own, and one run at a time owns it: see
        :mod:`airflow_provider_ccc.campaign.output.ownership`.
    :param candidate_numbers: the company's own numbers to choose from (templated), without duplicates.
    :param skill_group_ids: the skill groups whose numbers to choose from (templated), without duplicates. Give either
        ``candidate_numbers`` or ``skill_group_ids``, not both.
    :param count: how many pairs to ask for, for each callee (templated).
    :param part_size: how many callees a part has, 1 to 100,000.
    :param concurrency: how many calls are in flight at most, 1 to 1,000.
    :param max_qps: how many calls are made per second at most (templated). ``None``: as many as the account's quota
        allows, which is found out by trying; tasks on other workers get equal shares.
    :param max_failures: how many callees may fail (templated): a number, or a fraction of them such as 0.01. One more
        fails the task early, and without a retry. A malformed number is a failure, a duplicate is none.
    :param output_format: ``ndjson``, ``csv`` or ``parquet``.
    :param on_stale_output: what to do if ``output_path`` holds the output of other callees or parameters: ``fail``;
        ``replace``; or ``extend``, which goes on where callees were only appended since, and fails otherwise.
    :param report: whether to write ``report.html`` next to the manifest: what came of the campaign, for people. It
        needs the extra ``airflow-provider-ccc[report]``.
    :param output_url: where ``output_path`` is served over http or https (templated), for a link to the report in
        Airflow's UI.
    :param callees_sql: a query whose rows are the callees, instead of ``callees`` (templated; a name that ends in
        ``.sql`` is a file beside the DAG). Its rows are kept with the output, so that a retry goes on with the same.
    :param sql_conn_id: the connection of ``callees_sql`` and ``exclude_sql``, of any database that Airflow's common-sql
        provider knows (templated).
    :param callee_column: the column or field that holds the callee's number (templated).
    :param callees_format: ``csv``, ``tsv``, ``ndjson``, ``json``, ``parquet`` or ``xlsx``, where the file's name does
        not say.
    :param callees_encoding: of files of text, such as ``gb18030``; a byte order mark says more.
    :param callees_delimiter: what stands between the columns of CSV, such as ``;``.
    :param callees_sheet: the sheet of a workbook; by default the first.
    :param only: ``failed`` takes the callees that failed in an earlier campaign; ``callees`` is then its manifest, as
        its task returned it, or its output folder.
    :param only_possible_numbers: whether a number that China does not have is a failure, without a request. It needs
        the extra ``airflow-provider-ccc[phonenumbers]``.
    :param exclude: the callees to exclude: a list, a file, a folder or a pattern, as for ``callees`` (templated). Each
        try reads it again.
    :param exclude_column: the column of ``exclude`` or ``exclude_sql`` that holds the number (templated); by default
        the same as ``callee_column``.
    :param exclude_sql: a query of the numbers to exclude, instead of ``exclude`` (templated).
    :param on_empty: what to do if there are no callees: ``fail``, or ``skip``, which skips the task.
    :param instance_id: the call centre instance (templated); the connection's own by default.
    :param ccc_conn_id: the connection, of type ``ccc`` (templated).
    """

    template_fields: Sequence[str] = (
        "callees",
        "output_path",
        "candidate_numbers",
        "skill_group_ids",
        "count",
        "max_qps",
        "max_failures",
        "output_url",
        "callees_sql",
        "sql_conn_id",
        "callee_column",
        "exclude",
        "exclude_column",
        "exclude_sql",
        "instance_id",
        "ccc_conn_id",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"callees_sql": "sql", "exclude_sql": "sql"}
    phone_number_fields: Sequence[str] = ("candidate_numbers",)
    operator_extra_links = (CccConsoleLink(), CccErrorCenterLink(), CccReportLink())
    ui_color = "#ff9a5c"
    ui_fgcolor = "#000000"

    def __init__(
        self,
        *,
        callees: Any = None,
        output_path: Any,
        candidate_numbers: Sequence[str] | None = None,
        skill_group_ids: Sequence[str] | None = None,
        count: int | str = 1,
        part_size: int = 1000,
        concurrency: int = 64,
        max_qps: float | str | None = None,
        max_failures: float | str = 0,
        output_format: str = "ndjson",
        on_stale_output: OnStaleOutput = "fail",
        report: bool = False,
        output_url: str | None = None,
        callees_sql: str | None = None,
        sql_conn_id: str | None = None,
        callee_column: str = "callee",
        callees_format: str | None = None,
        callees_encoding: str = "utf-8",
        callees_delimiter: str | None = None,
        callees_sheet: str | None = None,
        only: Literal["failed"] | None = None,
        only_possible_numbers: bool = False,
        exclude: Any = None,
        exclude_column: str | None = None,
        exclude_sql: str | None = None,
        on_empty: Literal["fail", "skip"] = "fail",
        instance_id: str | None = None,
        ccc_conn_id: str = "ccc_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.callees = callees
        self.output_path = output_path
        self.candidate_numbers = candidate_numbers
        self.skill_group_ids = skill_group_ids
        self.count = count
        self.part_size = part_size
        self.concurrency = concurrency
        self.max_qps = max_qps
        self.max_failures = max_failures
        self.output_format = output_format
        self.on_stale_output = on_stale_output
        self.report = report
        self.output_url = output_url
        self.callees_sql = callees_sql
        self.sql_conn_id = sql_conn_id
        self.callee_column = callee_column
        self.callees_format = callees_format
        self.callees_encoding = callees_encoding
        self.callees_delimiter = callees_delimiter
        self.callees_sheet = callees_sheet
        self.only = only
        self.only_possible_numbers = only_possible_numbers
        self.exclude = exclude
        self.exclude_column = exclude_column
        self.exclude_sql = exclude_sql
        self.on_empty = on_empty
        self.instance_id = instance_id
        self.ccc_conn_id = ccc_conn_id
        self._campaign: Campaign | None = None
        self._killed = False

    def hide_numbers(self) -> None:
        """Hide candidates and callees; the path of a file is shown, and so is a range."""
        super().hide_numbers()
        self.callees = _hidden(self.callees, "callee")
        self.exclude = _hidden(self.exclude, "number")

    def execute(self, context: Context) -> dict[str, Any]:
        """Resolve all callees that were not resolved before.

        :returns: the manifest.
        :raises AirflowFailException: for an error that no retry can fix.
        :raises airflow_provider_ccc.client.errors.CccError: for one that a retry may fix; it goes on where this try
            ended.
        :raises airflow_provider_ccc.campaign.output.storage.StorageError: the output cannot be read or written.
        """
        # Imported here, because DAG files are parsed often.
        from airflow_provider_ccc.campaign.campaign import Campaign
        from airflow_provider_ccc.campaign.output.ownership import Owner
        from airflow_provider_ccc.campaign.picking.progress import outcome
        from airflow_provider_ccc.campaign.source.records import NoCalleesError
        from airflow_provider_ccc.campaign.source.rows import check_on_empty
        from airflow_provider_ccc.hooks.ccc import CccAsyncHook

        self.refuse_to_show_numbers(context)
        task_instance = (context or {}).get("ti")
        with self.ends_with_airflow(), permanent_errors_end_the_task(context):
            hook = CccAsyncHook(self.ccc_conn_id)
            operation = self._operation(hook)
            note(context, CONSOLE_URL, console_url_of(hook, self.instance_id))
            self._campaign = campaign = Campaign(
                self._callees(),
                operation,
                hook,
                self.output_path,
                output_format=self.output_format,
                on_stale_output=self.on_stale_output,
                part_size=self.part_size,
                concurrency=self.concurrency,
                max_qps=rendered_number(self.max_qps) if is_given(self.max_qps) else None,
                max_failures=rendered_number(self.max_failures),
                report=self.report,
                reading=(reading := self._reading()),
                exclude=self._exclusion(reading),
                tags=_tags(task_instance),
            )
            link = report_url(self.report, self.output_url, campaign.below)
            if self._killed:
                campaign.stop()
            check_on_empty(self.on_empty)
            try:
                manifest = campaign.run(Owner.of(task_instance))
            except NoCalleesError as error:
                if self.on_empty == "fail":
                    raise
                raise AirflowSkipException(f"nobody to call: {error.what}") from None
        self.log.info("%s", outcome(manifest))
        note(context, REPORT_URL, link)
        self._tell_assets(context, manifest)
        self._manifest = manifest
        return manifest

    def dry_run(self) -> None:
        """Look at the callees, log what would become of them, and send no request. Templates are not rendered.

        :raises AirflowFailException: they cannot be read.
        """
        from airflow_provider_ccc.campaign.checking import check_callees

        super().dry_run()
        with permanent_errors_end_the_task():
            reading = self._reading()
            checked = check_callees(
                self._callees(),
                reading,
                exclude=self._exclusion(reading),
                qps=rendered_number(self.max_qps) if is_given(self.max_qps) else None,
            )
        self.log.info("%s", checked.text)
        for place, problem in checked.examples:
            self.log.info("row %d: %s", place, problem)

    def _reading(self) -> Reading:
        from airflow_provider_ccc.campaign.source.reading import PARAMETERS, Reading

        return Reading(**{name: getattr(self, parameter) for name, parameter in PARAMETERS.items()})

    def _callees(self) -> Any:
        """Give the callees, or the query that has them."""
        from airflow_provider_ccc.campaign.source.queries import Query

        callees = reveal(self.callees)
        if one_of(callees=callees, callees_sql=self.callees_sql) == "callees":
            return callees
        return Query(self.callees_sql or "", self.sql_conn_id or "")

    def _exclusion(self, reading: Reading) -> Exclusion | None:
        from airflow_provider_ccc.campaign.source.exclusion import Exclusion

        given = reveal(self.exclude)
        return Exclusion.of(
            given if is_given(given) else None,
            self.exclude_sql if is_given(self.exclude_sql) else None,
            self.sql_conn_id,
            self.exclude_column,
            reading,
        )

    def _tell_assets(self, context: Context, manifest: Mapping[str, Any]) -> None:
        """Give the events of the task's outlets the counts as their extra, for DAGs that are scheduled by them."""
        if not self.outlets:
            return
        counts = {name: value for name, value in manifest.items() if type(value) is int}
        for outlet in self.outlets:
            try:
                event = context["outlet_events"][outlet]
            except (KeyError, TypeError):
                continue  # no asset: lineage knows other kinds of outlets
            event.extra.update(counts, output_path=manifest["output_path"])

    def _source_path(self) -> Any:
        from airflow_provider_ccc.campaign.source import names_a_file

        if isinstance(self.callees, Mapping):
            return self.callees.get("path")
        return self.callees if names_a_file(self.callees) else None

    def on_kill(self) -> None:
        """Stop; finished parts are kept."""
        self._killed = True
        if self._campaign is not None:
            self._campaign.stop()
        self.raise_if_ended()

    def _operation(self, hook: CccAsyncHook) -> PickOperation:
        """Make what is asked about each callee, and look the connection up."""
        count = rendered_integer(self.count)
        candidates = reveal(self.candidate_numbers)
        if one_of(candidate_numbers=candidates, skill_group_ids=self.skill_group_ids) == "candidate_numbers":
            return hook.pick_operation(candidate_numbers=candidates, count=count, instance_id=self.instance_id)
        return hook.pick_operation(skill_group_ids=self.skill_group_ids, count=count, instance_id=self.instance_id)


def _hidden(value: Any, name: str) -> Any:
    """Hide numbers from Airflow's UI; the path of a file is shown, and so is a range."""
    from airflow_provider_ccc.campaign.source import names_a_file

    is_range = isinstance(value, Mapping) and "path" in value
    if not hasattr(value, "__len__") or is_range or names_a_file(value):
        return value
    if isinstance(value, Mapping) and "output_path" in value:
        return Hidden(value, f"the manifest of {value['output_path']}")
    if isinstance(value, (str, Mapping)):  # no list: it will be refused
        return Hidden(value, excerpt(str(value)))
    return Hidden(value, counted(len(value), name))


def _tags(task_instance: Any) -> dict[str, str]:
    """Take from the task what metrics are told apart by."""
    return {name: str(getattr(task_instance, name)) for name in ("dag_id", "task_id") if hasattr(task_instance, name)}
