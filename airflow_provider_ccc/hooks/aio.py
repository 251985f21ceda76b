"""The asynchronous hook: the same calls as coroutines, on libcurl."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Self, TypeVar

from airflow.providers.common.compat.connection import get_async_connection

from airflow_provider_ccc.client.errors import CccError
from airflow_provider_ccc.client.health import Health, Requirements, examine
from airflow_provider_ccc.client.models import Instance, InstanceNumber, PickedNumbers
from airflow_provider_ccc.client.operation import Operation
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.client.versions import Conversation
from airflow_provider_ccc.compat import BaseHook
from airflow_provider_ccc.hooks.common import CccConnectionMixin
from airflow_provider_ccc.hooks.exchange import Exchange, in_thread
from airflow_provider_ccc.hooks.route import choose_route

Answer = TypeVar("Answer")


class CccAsyncHook(CccConnectionMixin, BaseHook):
    """Call Alibaba Cloud Call Center from coroutines.

    ``async with`` owns the TCP connections: they are kept alive within it, and closed at its end. Airflow's connection
    is looked up on entering without blocking the event loop, or earlier by reading :attr:`settings`::

        async with CccAsyncHook() as hook:
            picked = await hook.pick_outbound_numbers("13800138000", ["01089767654", "02160664656"])

    How many calls are made at once is up to the caller. Proxies, certificates and timeouts are those of
    :class:`~airflow_provider_ccc.hooks.ccc.CccHook`.

    :param ccc_conn_id: the connection, of type ``ccc``.
    :param instance_id: the call centre instance where a call names none; the connection's own by default.
    :param retry: how often a call is attempted.
    """

    def __init__(
        self, ccc_conn_id: str = "ccc_default", *, instance_id: str | None = None, retry: RetryPolicy | None = None
    ) -> None:
        super().__init__()
        self.ccc_conn_id = ccc_conn_id
        self.instance_id = instance_id
        self.retry = retry or RetryPolicy()
        self._exchange: Exchange | None = None
        self._fetching: Future[None] | None = None

    async def __aenter__(self) -> Self:
        if "settings" not in vars(self):
            connection = await get_async_connection(self.ccc_conn_id)
            # In a thread, because masking what is secret in it may speak to Airflow's supervisor, and that blocks.
            vars(self)["settings"] = await asyncio.to_thread(self._checked, connection)
        connect, read = self.settings.timeout
        self._exchange = Exchange(choose_route(self.settings), connect_timeout=connect, timeout=connect + read)
        return self

    async def __aexit__(self, *_: object) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.close()

    # --- operations -------------------------------------------------------------------------------------------------

    async def pick_outbound_numbers(
        self, callee_number: str, candidate_numbers: Sequence[str], count: int = 1, instance_id: str | None = None
    ) -> PickedNumbers:
        """Do what :meth:`CccHook.pick_outbound_numbers` does."""
        return await self.call(self.api.pick(self._instance(instance_id), callee_number, candidate_numbers, count))

    async def pick_global_outbound_numbers(
        self,
        callee_number: str,
        skill_group_ids: Sequence[str],
        count: int = 1,
        is_virtual: bool | None = None,
        instance_id: str | None = None,
    ) -> PickedNumbers:
        """Do what :meth:`CccHook.pick_global_outbound_numbers` does."""
        return await self.call(
            self.api.pick_global(self._instance(instance_id), callee_number, skill_group_ids, count, is_virtual)
        )

    async def get_instance(self, instance_id: str | None = None) -> Instance:
        """Do what :meth:`CccHook.get_instance` does."""
        return await self.call(self.api.get_instance(self._instance(instance_id)))

    async def list_phone_numbers(
        self, outbound_only: bool = True, instance_id: str | None = None
    ) -> list[InstanceNumber]:
        """Do what :meth:`CccHook.list_phone_numbers` does."""
        return await self._converse(self.api.list_phone_numbers(self._instance(instance_id), outbound_only))

    async def list_instances(self) -> list[Instance]:
        """Do what :meth:`CccHook.list_instances` does."""
        return await self._converse(self.api.list_instances())

    async def check_health(
        self,
        instance_id: str | None = None,
        *,
        min_outbound_numbers: int = 1,
        candidate_numbers: Sequence[str] | None = None,
        min_ready_agents: int = 0,
    ) -> Health:
        """Do what :meth:`CccHook.check_health` does."""
        required = Requirements(
            min_outbound_numbers=min_outbound_numbers,
            candidate_numbers=candidate_numbers,
            min_ready_agents=min_ready_agents,
        )
        return await self._converse(examine(self.api, self._instance(instance_id), required))

    async def call(self, operation: Operation[Answer]) -> Answer:
        """Run any operation, one of the user's own included.

        :param operation: see :mod:`airflow_provider_ccc.client.operations_2017`.
        :raises CccError: of the class that says what to do about it.
        """
        return await self.retry.call_async(lambda: self.attempt(operation), self.protocol.remedy)

    async def _converse(self, conversation: Conversation[Answer]) -> Answer:
        """Make the calls that a conversation asks for."""
        try:
            operation = next(conversation)
            while True:
                operation = conversation.send(await self.call(operation))
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    async def _fetch_credentials(self) -> None:
        """Have credentials fetched, once for all calls that wait for them."""
        if self._fetching is None or self._fetching.done():
            self._fetching = in_thread(self.protocol.credentials.get, "ccc-credentials")
        await asyncio.shield(asyncio.wrap_future(self._fetching))

    async def attempt(self, operation: Operation[Answer]) -> Answer:
        """Run an operation once, without trying again, for callers that pace and retry themselves.

        :raises CccError: of the class that says what to do about it.
        """
        try:
            return await self._attempt(operation)
        except CccError as error:
            error.where = self.where
            raise

    async def _attempt(self, operation: Operation[Answer]) -> Answer:
        if self._exchange is None:
            raise RuntimeError("CccAsyncHook makes calls within 'async with CccAsyncHook(...) as hook' only")
        if not self.protocol.credentials.current:
            await self._fetch_credentials()
        sent = self.protocol.prepare(operation)
        status, headers, body = await self._exchange.send(sent)
        return self.protocol.decode(operation, status, headers, body, sent=sent)
