"""Operators of Alibaba Cloud Call Center."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_ccc.client.privacy import shorten
from airflow_provider_ccc.compat import BaseOperator
from airflow_provider_ccc.hiding import reveal
from airflow_provider_ccc.links.ccc import CccConsoleLink, CccErrorCenterLink, console_url_of
from airflow_provider_ccc.operators.batch import CccPickOutboundNumbersBatchOperator
from airflow_provider_ccc.operators.merge import CccMergeManifestsOperator
from airflow_provider_ccc.rendered import one_of, rendered_integer
from airflow_provider_ccc.tasks import CONSOLE_URL, CccTaskMixin, note, permanent_errors_end_the_task

if TYPE_CHECKING:
    from airflow_provider_ccc.compat import Context


__all__ = ["CccMergeManifestsOperator", "CccPickOutboundNumbersBatchOperator", "CccPickOutboundNumbersOperator"]


class CccPickOutboundNumbersOperator(CccTaskMixin, BaseOperator):
    """Resolve a callee: pick which of the company's own numbers to show on the callee's phone.

    Uses PickOutboundNumbers with candidate numbers, and PickGlobalOutboundNumbers with skill groups. Works with
    ``.partial(...).expand(callee_number=...)``. An error that no retry can fix ends the task without one.

    XCom ``return_value``: a list of
    ``{"callee": {"number", "city", "province"}, "caller": {"number", "city", "province"}}``, all text, at most
    ``count`` of them; the service may answer with fewer, or with none, which is logged as a warning. XCom
    ``request_id``: the service's id of the request.

    Airflow's UI and logs show the callee as ``***``, and of the candidates how many there are.

    :param callee_number: the number to call (templated). Spaces, hyphens and +86 are normalised, see
        :func:`airflow_provider_ccc.client.numbers.normalise`.
    :param candidate_numbers: the company's own numbers to choose from (templated), without duplicates.
    :param skill_group_ids: the skill groups whose numbers to choose from (templated), without duplicates. Give either
        ``candidate_numbers`` or ``skill_group_ids``, not both.
    :param count: how many pairs to ask for, at least 1 (templated).
    :param instance_id: the call centre instance (templated); the connection's own by default.
    :param ccc_conn_id: the connection, of type ``ccc`` (templated).

    API: https://help.aliyun.com/document_detail/70126.html and its neighbour on PickOutboundNumbers.
    """

    template_fields: Sequence[str] = (
        "callee_number",
        "candidate_numbers",
        "skill_group_ids",
        "count",
        "instance_id",
        "ccc_conn_id",
    )
    phone_number_fields: Sequence[str] = ("callee_number", "candidate_numbers")
    operator_extra_links = (CccConsoleLink(), CccErrorCenterLink())
    ui_color = "#ff9a5c"
    ui_fgcolor = "#000000"

    def __init__(
        self,
        *,
        callee_number: str,
        candidate_numbers: Sequence[str] | None = None,
        skill_group_ids: Sequence[str] | None = None,
        count: int | str = 1,
        instance_id: str | None = None,
        ccc_conn_id: str = "ccc_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.callee_number = callee_number
        self.candidate_numbers = candidate_numbers
        self.skill_group_ids = skill_group_ids
        self.count = count
        self.instance_id = instance_id
        self.ccc_conn_id = ccc_conn_id

    def execute(self, context: Context) -> list[dict[str, dict[str, str]]]:
        """Resolve the callee.

        :returns: the pairs, see the class.
        :raises AirflowFailException: for an error that no retry can fix.
        :raises airflow_provider_ccc.client.errors.CccError: for one that a retry may fix.
        """
        self.refuse_to_show_numbers(context)
        callee, candidates = reveal(self.callee_number), reveal(self.candidate_numbers)
        with permanent_errors_end_the_task(context):
            count = rendered_integer(self.count)
            if one_of(candidate_numbers=candidates, skill_group_ids=self.skill_group_ids) == "candidate_numbers":
                picked = self.hook.pick_outbound_numbers(callee, candidates, count, self.instance_id)
            else:
                picked = self.hook.pick_global_outbound_numbers(
                    callee, self.skill_group_ids or (), count, instance_id=self.instance_id
                )
        note(context, CONSOLE_URL, console_url_of(self.hook, self.instance_id))
        if len(picked.pairs) < count:
            self.log.warning("%d pair(s) came for a count of %d", len(picked.pairs), count)
        for pair in picked.pairs:
            self.log.info("Callee %s is called from %s", shorten(pair.callee.number), shorten(pair.caller.number))
        self.log.info("RequestId %s", picked.request_id)
        if self.do_xcom_push:
            context["ti"].xcom_push(key="request_id", value=picked.request_id)
        return [pair.as_dict() for pair in picked.pairs]
