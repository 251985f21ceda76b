"""Sensors of Alibaba Cloud Call Center."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import StartTriggerArgs

from airflow_provider_ccc.client.errors import CccError
from airflow_provider_ccc.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)
from airflow_provider_ccc.hiding import reveal
from airflow_provider_ccc.links.ccc import CccConsoleLink, CccErrorCenterLink, console_url
from airflow_provider_ccc.rendered import is_given, rendered_integer
from airflow_provider_ccc.tasks import CONSOLE_URL, ERROR_CODE, CccTaskMixin, note, permanent_errors_end_the_task

if TYPE_CHECKING:
    from airflow_provider_ccc.compat import Context
    from airflow_provider_ccc.hooks.ccc import CccHook
    from airflow_provider_ccc.triggers.ccc import CccInstanceHealthTrigger

#: So much later than the trigger Airflow gives up: the trigger says what was missing.
_GRACE = 30.0
_TRIGGER = "airflow_provider_ccc.triggers.ccc.CccInstanceHealthTrigger"


class CccInstanceHealthSensor(CccTaskMixin, BaseSensorOperator):
    """Wait until a call centre instance is ready for a campaign.

    It is ready when it answers, its status is none of those documented as not ready (``Creating``, ``STOPPED``; an
    unknown one counts as ready and is logged), at least ``min_outbound_numbers`` of its numbers may call out, every
    one of ``candidate_numbers`` is among those, and at least ``min_ready_agents`` of its agents are ready.

    Not ready yet, throttled or out of reach for the moment: it keeps waiting. Never ready (no such instance, ceased or
    released, refused credentials, wrong parameters): it fails at once, without retries.

    XCom ``return_value``: what was seen, ``{"instance_id", "name", "status", "outbound_numbers", "request_id"}``, where
    ``outbound_numbers`` is how many numbers may call out; and ``ready_agents`` if these were asked for.

    With ``deferrable`` it waits in the triggerer and holds no worker. Airflow stores a trigger's arguments and shows
    them, so ``candidate_numbers`` are not among these: with candidates the sensor comes back to a worker for a moment,
    once everything else is ready, and again every ``poke_interval`` as long as one of them is missing.

    :param instance_id: the call centre instance (templated); the connection's own by default.
    :param candidate_numbers: numbers that must be able to call out (templated).
    :param min_outbound_numbers: how many numbers must be able to call out, at least 0 (templated).
    :param min_ready_agents: how many agents must be ready to take calls; 0 does not ask about them (templated).
    :param ccc_conn_id: the connection, of type ``ccc`` (templated).
    :param deferrable: whether to wait in the triggerer; by default what ``[operators] default_deferrable`` says.
    :param start_from_trigger: begin in the triggerer too, so that no worker is needed to begin with. Not with
        ``candidate_numbers``, not if the task is mapped, and with templates only from Airflow 3.3 on; otherwise it
        begins on a worker.
    :param kwargs: what every sensor takes: ``mode`` (``poke``, or ``reschedule`` to free the worker in between),
        ``poke_interval``, ``timeout`` and so on. The triggerer heeds no ``exponential_backoff``.

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
    operator_extra_links = (CccConsoleLink(), CccErrorCenterLink())
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
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        start_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.instance_id = instance_id
        self.candidate_numbers = candidate_numbers
        self.min_outbound_numbers = min_outbound_numbers
        self.min_ready_agents = min_ready_agents
        self.ccc_conn_id = ccc_conn_id
        self.deferrable = deferrable
        self._reason = ""
        # The class has no arguments to start from: Airflow would take those for mapped tasks, whatever is mapped.
        self.start_from_trigger = start_from_trigger and deferrable and self._can_start_from_trigger()
        if self.start_from_trigger:
            self.start_trigger_args = StartTriggerArgs(
                trigger_cls=_TRIGGER,
                trigger_kwargs=self._trigger_arguments(),
                next_method="execute_complete",
                next_kwargs=None,
                timeout=timedelta(seconds=self.timeout),
            )

    @cached_property
    def hook(self) -> CccHook:
        """The hook of the task's connection. It gives up soon: a sensor looks again by itself, and has a timeout."""
        from airflow_provider_ccc.client.retry import RetryPolicy
        from airflow_provider_ccc.hooks.ccc import CccHook

        return CccHook(self.ccc_conn_id, retry=RetryPolicy(attempts=3, seconds=5.0))

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the instance once.

        :raises AirflowFailException: if it will never be ready.
        """
        with permanent_errors_end_the_task(context):
            try:
                health = self.hook.check_health(
                    self.instance_id,
                    min_outbound_numbers=rendered_integer(self.min_outbound_numbers),
                    min_ready_agents=rendered_integer(self.min_ready_agents),
                    candidate_numbers=reveal(self.candidate_numbers) if is_given(self.candidate_numbers) else None,
                )
            except CccError as error:
                if not error.retryable:
                    raise
                return self._not_yet(str(error))
        if not health.ready:
            return self._not_yet(f"instance {health.instance_id}: {health.missing}")
        note(context, CONSOLE_URL, console_url(health.console_url))
        self.log.info("Instance %s is ready, %d numbers may call out", health.instance_id, health.outbound_numbers)
        return PokeReturnValue(is_done=True, xcom_value=health.as_dict())

    def _not_yet(self, reason: str) -> PokeReturnValue:
        self._reason = reason
        self.log.info("Not ready yet: %s", reason)
        return PokeReturnValue(is_done=False)

    # --- deferral -----------------------------------------------------------------------------------------------------

    def execute(self, context: Context) -> Any:
        """Wait here, or look once and wait in the triggerer.

        :returns: what was seen, see the class.
        :raises AirflowFailException: if it will never be ready.
        """
        self.refuse_to_show_numbers(context)
        if not self.deferrable:
            return super().execute(context)
        try:
            return self._look_and_defer(context, until=time.time() + self.timeout)
        except AirflowFailException as error:
            # As every sensor does in the methods that this one does not pass through.
            if self.soft_fail or getattr(self, "never_fail", False):
                raise AirflowSkipException("Skipping, as soft_fail or never_fail is set.") from error
            raise

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, until: float | None = None
    ) -> Any:
        """Take the trigger's event.

        :param until: when the time is up, in seconds since the epoch; ``None`` after a start from the trigger.
        :raises AirflowFailException: if the instance will never be ready.
        :raises ValueError: the event is none of this trigger's.
        """
        from airflow_provider_ccc.triggers.ccc import FAILED, READY, TIMED_OUT

        self.refuse_to_show_numbers(context)
        fired: Mapping[str, Any] = event if isinstance(event, Mapping) else {}
        status = fired.get("status")
        if status == FAILED:
            request = f" (RequestId {fired['request_id']})" if fired.get("request_id") else ""
            if request:
                note(context, ERROR_CODE, str(fired.get("code")))
            raise AirflowFailException(f"{fired.get('code')}: {fired.get('message')}{request}")
        if status == TIMED_OUT:
            self._time_is_up(str(fired.get("reason")))
        seen = fired.get("seen") if status == READY else None
        if not isinstance(seen, Mapping) or "instance_id" not in seen:
            raise ValueError(
                f"the trigger fired with {type(event).__name__} and status {status!r}, which means nothing"
            )
        if is_given(self.candidate_numbers):
            return self._look_and_defer(context, until=time.time() + self.timeout if until is None else until)
        note(context, CONSOLE_URL, console_url(str(fired.get("console_url") or "")))
        self.log.info("Instance %s is ready", seen["instance_id"])
        return dict(seen)

    def _look_and_defer(self, context: Context, until: float) -> Any:
        looked = self.poke(context)
        if looked.is_done:
            return looked.xcom_value
        left = until - time.time()
        if left <= 0:
            self._time_is_up(self._reason)
        # A worker has just looked, so the triggerer need not at once.
        return self.defer(  # which raises
            trigger=self._trigger(first_wait=self.poke_interval, until=until),
            method_name="execute_complete",
            kwargs={"until": until},
            timeout=timedelta(seconds=left + _GRACE),
        )

    def _time_is_up(self, reason: str) -> None:
        """Fail, or skip, as every sensor does whose time is up."""
        what = f"The instance did not become ready within {self.timeout:.0f} s. Last seen: {reason}"
        if self.soft_fail or getattr(self, "never_fail", False):
            raise AirflowSkipException(what)
        raise AirflowSensorTimeout(what)

    def _trigger(self, first_wait: float, until: float) -> CccInstanceHealthTrigger:
        from airflow_provider_ccc.triggers.ccc import CccInstanceHealthTrigger

        return CccInstanceHealthTrigger(**self._trigger_arguments(), first_wait=first_wait, until=until)

    def _trigger_arguments(self) -> dict[str, Any]:
        return {
            "ccc_conn_id": self.ccc_conn_id,
            "instance_id": self.instance_id,
            "min_outbound_numbers": self.min_outbound_numbers,
            "min_ready_agents": self.min_ready_agents,
            "poke_interval": float(self.poke_interval),
        }

    def _can_start_from_trigger(self) -> bool:
        if is_given(self.candidate_numbers):
            return False
        from airflow_provider_ccc.compat import RENDERS_TRIGGER_ARGUMENTS

        templated = any("{{" in str(value) or "{%" in str(value) for value in self._trigger_arguments().values())
        return RENDERS_TRIGGER_ARGUMENTS or not templated
