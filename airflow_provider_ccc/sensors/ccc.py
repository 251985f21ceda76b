"""Sensors of Alibaba Cloud Call Center."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_ccc.client.errors import CccError
from airflow_provider_ccc.tasks import CccTaskMixin, is_given, permanent_errors_end_the_task, rendered_integer

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class CccInstanceHealthSensor(CccTaskMixin, BaseSensorOperator):
    """Wait until a call centre instance is ready for a campaign.

    It is ready when it answers, its status is none of those documented as not ready (``Creating``, ``STOPPED``; an
    unknown one counts as ready and is logged), at least ``min_outbound_numbers`` of its numbers may call out, every
    one of ``candidate_numbers`` is among those, and at least ``min_ready_agents`` of its agents are ready.

    Not ready yet, throttled or out of reach for the moment: it keeps waiting. Never ready (no such instance, ceased or
    released, refused credentials, wrong parameters): it fails at once, without retries.

    XCom ``return_value``: what was seen, ``{"instance_id", "name", "status", "outbound_numbers", "request_id"}``, where
    ``outbound_numbers`` is how many numbers may call out; and ``ready_agents`` if these were asked for.

    :param instance_id: the call centre instance (templated); the connection's own by default.
    :param candidate_numbers: numbers that must be able to call out (templated).
    :param min_outbound_numbers: how many numbers must be able to call out, at least 0 (templated).
    :param min_ready_agents: how many agents must be ready to take calls; 0 does not ask about them (templated).
    :param ccc_conn_id: the connection, of type ``ccc`` (templated).
    :param kwargs: what every sensor takes: ``mode`` (``poke``, or ``reschedule`` to free the worker in between),
        ``poke_interval``, ``timeout`` and so on.

    API: GetInstance and ListPhoneNumbers of the connection's ``api_version``, and about agents GetInstanceState
    (2017-07-05) or GetRealtimeInstanceStates (2020-07-01).
    """

    template_fields: Sequence[str] = (
        "instance_id",
        "candidate_numbers",
        "min_outbound_numbers",
        "min_ready_agents",
        "ccc_conn_id",
    )
    phone_number_fields: Sequence[str] = ("candidate_numbers",)
    ui_color = "#ffc69e"
    ui_fgcolor = "#000000"

    def __init__(
        self,
        *,
        instance_id: str | None = None,
        candidate_numbers: Sequence[str] | None = None,
        min_outbound_numbers: int | str = 1,
        min_ready_agents: int | str = 0,
        ccc_conn_id: str = "ccc_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.instance_id = instance_id
        self.candidate_numbers = candidate_numbers
        self.min_outbound_numbers = min_outbound_numbers
        self.min_ready_agents = min_ready_agents
        self.ccc_conn_id = ccc_conn_id

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the instance once.

        :raises AirflowFailException: if it will never be ready.
        """
        with permanent_errors_end_the_task():
            try:
                health = self.hook.check_health(
                    self.instance_id,
                    min_outbound_numbers=rendered_integer(self.min_outbound_numbers),
                    min_ready_agents=rendered_integer(self.min_ready_agents),
                    candidate_numbers=self.candidate_numbers if is_given(self.candidate_numbers) else None,
                )
            except CccError as error:
                if not error.retryable:
                    raise
                self.log.info("Not ready yet: %s", error)
                return PokeReturnValue(is_done=False)
        if not health.ready:
            self.log.info("Instance %s is not ready yet: %s", health.instance_id, health.missing)
            return PokeReturnValue(is_done=False)
        self.log.info("Instance %s is ready, %d numbers may call out", health.instance_id, health.outbound_numbers)
        return PokeReturnValue(is_done=True, xcom_value=health.as_dict())
