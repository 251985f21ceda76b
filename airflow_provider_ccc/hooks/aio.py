"""The asynchronous hook: the same calls as coroutines, on aiohttp."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import aiohttp
import requests
from airflow.providers.common.compat.connection import get_async_connection
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy
from yarl import URL

from airflow_provider_ccc.client.errors import (
    CccCertificateError,
    CccConnectionError,
    CccError,
    CccParameterError,
)
from airflow_provider_ccc.client.health import Health, Requirements, examine
from airflow_provider_ccc.client.models import Instance, InstanceNumber, PickedNumbers
from airflow_provider_ccc.client.operation import Operation
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.client.versions import Conversation
from airflow_provider_ccc.compat import BaseHook
from airflow_provider_ccc.hooks.common import CccConnectionMixin
from airflow_provider_ccc.hooks.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_ccc.hooks.settings import ConnectionSettings

Answer = TypeVar("Answer")

_BAD_ADDRESS = "is no address that can be used"


class CccAsyncHook(CccConnectionMixin, BaseHook):
    """Call Alibaba Cloud Call Center from coroutines.

    ``async with`` owns the TCP connections: they are kept alive within it, and closed at its end. Airflow's connection
    is looked up on entering without blocking the event loop, or earlier by reading :attr:`settings`::

        async with CccAsyncHook() as hook:
            picked = await hook.pick_outbound_numbers("13800138000", ["01089767654", "02160664656"])

    How many calls are made at once is up to the caller. Proxies, certificates and timeouts are those of
    :class:`~airflow_provider_ccc.hooks.ccc.CccHook`; a proxy must be an HTTP one.

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
        self._proxied = False
        self._fetching: Future[None] | None = None

    async def __aenter__(self) -> Self:
        if "settings" not in vars(self):
            connection = await get_async_connection(self.ccc_conn_id)
            # In a thread, because masking what is secret in it may speak to Airflow's supervisor, and that blocks.
            vars(self)["settings"] = await asyncio.to_thread(self._checked, connection)
        tls, proxy = await asyncio.to_thread(_prepare_transport, self.settings)
        connect, read = self.settings.timeout
        self._proxied = proxy is not None
        self._exchange = Exchange(
            self.settings.endpoint, tls=tls, proxy=proxy, connect_timeout=connect, timeout=connect + read
        )
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
            self._fetching = _in_thread(self.protocol.credentials.get)
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
        problem: CccError
        try:
            status, headers, body = await self._exchange.send(sent)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            problem = _transport_error(error, proxied=self._proxied)
        else:
            return self.protocol.decode(operation, status, headers, body, sent=sent)
        # Outside of the handler, so that the library's own text, which has addresses in it, is not chained to it.
        raise problem


def _in_thread(call: Callable[[], object]) -> Future[None]:
    """Call something that blocks, in a thread that nobody waits for: the loop's own would be joined when it closes."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            call()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, name="ccc-credentials", daemon=True).start()
    return done


def _prepare_transport(settings: ConnectionSettings) -> tuple[ssl.SSLContext | bool, str | None]:
    """Choose what certificates to trust and which proxy to use, as ``requests`` chooses for the other hook.

    :returns: a TLS context, or ``False`` for no check; and the proxy's URL.
    """
    url = settings.endpoint.url
    session = requests.Session()
    session.trust_env = settings.trust_env
    chosen = session.merge_environment_settings(url, dict(settings.proxies), False, settings.verify, settings.cert)
    proxy = _http_proxy(url, chosen["proxies"])
    if settings.endpoint.scheme == "http":
        return False, proxy
    verify = DEFAULT_CA_BUNDLE_PATH if chosen["verify"] is True else chosen["verify"]
    try:
        if not isinstance(verify, str):
            context = ssl.create_default_context()
        elif Path(verify).is_dir():
            context = ssl.create_default_context(capath=verify)
        else:
            context = ssl.create_default_context(cafile=verify)
        if settings.cert is not None:
            certificate, key = (settings.cert, None) if isinstance(settings.cert, str) else settings.cert
            context.load_cert_chain(certificate, key, password="")  # without one OpenSSL asks on the terminal
    except OSError as error:  # ssl.SSLError is one
        what = f"cannot be used: {error.strerror or type(error).__name__}"
        raise CccParameterError("verify or cert", what) from None
    if not isinstance(verify, str):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context, proxy


def _http_proxy(url: str, proxies: Mapping[str, str]) -> str | None:
    """Choose the proxy's URL; ``requests`` takes one without a scheme, and the environment's often have none."""
    proxy = select_proxy(url, proxies)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    scheme, _, address = proxy.partition("://")
    if scheme.lower() not in ("http", "https"):
        raise CccParameterError("proxy", "is no HTTP proxy, and the asynchronous hook can use no other")
    if not address.strip("/") or not _is_url(proxy):  # without an address aiohttp would go without a proxy
        raise CccParameterError("host or proxy", _BAD_ADDRESS)
    return proxy


def _is_url(text: str) -> bool:
    try:
        return bool(URL(text).host)
    except ValueError:
        return False


def _transport_error(error: Exception, *, proxied: bool) -> CccError:
    """Say what went wrong below HTTP, in words of our own: the library's contain addresses, proxies' passwords too."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return CccCertificateError("the server's TLS certificate is not trusted; check host and verify")
    cause = getattr(error, "os_error", error)
    if isinstance(cause, ssl.SSLError) and cause.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return CccParameterError("host", "does not speak TLS; if plain http is meant, write http:// before it")
    if isinstance(error, ValueError):
        return CccParameterError("host or proxy", _BAD_ADDRESS)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return CccConnectionError("could not connect in time", code="Timeout")
    if isinstance(error, TimeoutError):
        return CccConnectionError("no answer in time", code="Timeout")
    unresolved = isinstance(error, aiohttp.ClientConnectorDNSError)
    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)) or (
        unresolved and proxied  # only the proxy resolves the host's name
    ):
        return CccConnectionError("the proxy could not be reached, or refused")
    if unresolved:
        return CccConnectionError("the host's name could not be resolved")
    if isinstance(cause, ssl.SSLError):
        what = cause.strerror
    elif isinstance(cause, OSError) and cause.errno:
        what = os.strerror(cause.errno)  # its own text has the address in it
    else:
        what = type(error).__name__
    return CccConnectionError(f"no whole answer came: {what}")
