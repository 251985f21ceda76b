"""Triggers of Alibaba Cloud Call Center: they wait in the triggerer, on its event loop, and hold no worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_ccc.client.errors import CccError
from airflow_provider_ccc.client.health import Health
from airflow_provider_ccc.rendered import rendered_integer

READY, FAILED, TIMED_OUT = "ready", "failed", "timed_out"


class CccInstanceHealthTrigger(BaseTrigger):
    """Wait until a call centre instance is ready, as far as that can be told without phone numbers.

    Airflow stores a trigger's arguments and shows them, so candidate numbers are none of these: the sensor looks at
    them itself once everything else is ready.

    It fires once: ``{"status": "ready", "seen": {...}, "console_url"}`` with what the sensor puts through XCom;
    ``{"status": "failed", "code", "message", "request_id"}`` for an error that waiting cannot fix; or
    ``{"status": "timed_out", "reason"}`` with what was missing last. Throttling, outages and an instance that is still
    being created are waited for.

    :param ccc_conn_id: the connection, of type ``ccc``.
    :param instance_id: the call centre instance; the connection's own by default.
    :param min_outbound_numbers: how many numbers must be able to call out.
    :param min_ready_agents: how many agents must be ready to take calls.
    :param poke_interval: seconds between two looks.
    :param first_wait: seconds before the first look.
    :param until: when to give up, in seconds since the epoch; ``None`` leaves that to Airflow, which gives no reason.
    """

    def __init__(
        self,
        ccc_conn_id: str = "ccc_default",
        instance_id: str | None = None,
        min_outbound_numbers: int | str = 1,
        min_ready_agents: int | str = 0,
        poke_interval: float = 60.0,
        first_wait: float = 0.0,
        until: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ccc_conn_id = ccc_conn_id
        self.instance_id = instance_id
        self.min_outbound_numbers = min_outbound_numbers
        self.min_ready_agents = min_ready_agents
        self.poke_interval = poke_interval
        self.first_wait = first_wait
        self.until = until
        self._reason = ""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments: ids, counts and seconds."""
        names = (
            *("ccc_conn_id", "instance_id", "min_outbound_numbers", "min_ready_agents"),
            *("poke_interval", "first_wait", "until"),
        )
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the instance again and again; fire once."""
        # Imported here, because DAG files that only name the trigger are parsed often; and in a thread, because that
        # takes longer than the triggerer's loop may be held up.
        hooks = await asyncio.to_thread(import_module, "airflow_provider_ccc.hooks.ccc")
        await asyncio.sleep(self.first_wait)
        try:
            async with hooks.CccAsyncHook(self.ccc_conn_id) as hook:
                while True:
                    seen = await self._look(hook)
                    if seen is not None:
                        break
                    if self.until is not None and time.time() + self.poke_interval > self.until:
                        await asyncio.sleep(max(self.until - time.time(), 0))
                        yield _event(TIMED_OUT, reason=self._reason)
                        return
                    await asyncio.sleep(self.poke_interval)
        except CccError as error:
            yield _event(FAILED, code=error.code, message=error.message, request_id=error.request_id)
            return
        # Only now, with the connections closed: whoever takes the event need not come back.
        yield _event(READY, seen=seen.as_dict(), console_url=seen.console_url)

    async def _look(self, hook: Any) -> Health | None:
        """Return what was seen if the instance is ready."""
        try:
            health: Health = await hook.check_health(
                self.instance_id or None,
                min_outbound_numbers=rendered_integer(self.min_outbound_numbers),
                min_ready_agents=rendered_integer(self.min_ready_agents),
            )
        except CccError as error:
            if not error.retryable:
                raise
            self._reason = str(error)
        else:
            if health.ready:
                return health
            self._reason = f"instance {health.instance_id}: {health.missing}"
        self.log.info("Not ready yet: %s", self._reason)
        return None


def _event(status: str, **details: Any) -> TriggerEvent:
    return TriggerEvent({"status": status, **details})  # type: ignore[no-untyped-call]
