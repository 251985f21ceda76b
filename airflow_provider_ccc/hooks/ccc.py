"""From an Airflow connection of type ``ccc`` to calls of CCC."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import requests
import urllib3
from airflow.providers.http.hooks.http import HttpHook
from requests.auth import AuthBase

from airflow_provider_ccc.client.errors import (
    CccCertificateError,
    CccConnectionError,
    CccError,
    CccParameterError,
)
from airflow_provider_ccc.client.health import Health, Requirements, examine
from airflow_provider_ccc.client.models import Instance, InstanceNumber, PickedNumbers
from airflow_provider_ccc.client.operation import Operation
from airflow_provider_ccc.client.protocol import MAX_ANSWER_BYTES, CccProtocol
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.client.signers import CONTENT_TYPE, SignedRequest
from airflow_provider_ccc.client.versions import Conversation
from airflow_provider_ccc.get_provider_info import CONNECTION
from airflow_provider_ccc.hooks.aio import CccAsyncHook
from airflow_provider_ccc.hooks.common import CccConnectionMixin
from airflow_provider_ccc.hooks.diagnosis import diagnose
from airflow_provider_ccc.hooks.route import BAD_ADDRESS

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

__all__ = ["CccAsyncHook", "CccHook"]

Answer = TypeVar("Answer")

#: The button in the connection form should not leave anybody waiting, and Airflow gives it 60 seconds: one attempt, and
#: another one with a corrected clock or after a moment.
_TEST_RETRY = RetryPolicy(attempts=2, seconds=5.0, longest_wait=1.0)
_TEST_TIMEOUT = (3.0, 8.0)


_ADDRESS_ERRORS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    urllib3.exceptions.LocationValueError,
)


class _Signed(AuthBase):
    """Writes a freshly signed operation into a request: ``requests`` calls it once for every attempt."""

    def __init__(self, protocol: CccProtocol, operation: Operation[Any]) -> None:
        self._protocol = protocol
        self._operation = operation
        self.sent: SignedRequest | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self.sent = self._protocol.prepare(self._operation)
        request.url = self.sent.url
        request.headers.update({"Content-Type": CONTENT_TYPE, "Accept": "application/json", **self.sent.headers})
        request.prepare_body(self.sent.body, None)
        return request


class _Session(requests.Session):
    """Follows no redirect: one would carry the signed form to another host. Nor is a redirect's body read unasked."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class CccHook(CccConnectionMixin, HttpHook):
    """Call Alibaba Cloud Call Center.

    Each attempt is signed by itself, and what a moment's patience can fix is tried again by ``retry``.
    One hook looks its connection up once and keeps one session.

    :param ccc_conn_id: the connection, of type ``ccc``.
    :param instance_id: the call centre instance where a call names none; the connection's own by default.
    :param retry: how often a call is attempted.
    :param adapter: a ``requests`` adapter to mount instead of the one that keeps TCP connections alive.
    :param http_options: further arguments of
        :class:`~airflow.providers.http.hooks.http.HttpHook`, such as ``tcp_keep_alive_idle``.
    """

    conn_name_attr = "ccc_conn_id"
    default_conn_name = "ccc_default"
    conn_type = CONNECTION["connection-type"]
    hook_name = CONNECTION["hook-name"]

    def __init__(
        self,
        ccc_conn_id: str = default_conn_name,
        *,
        instance_id: str | None = None,
        retry: RetryPolicy | None = None,
        adapter: HTTPAdapter | None = None,
        **http_options: Any,
    ) -> None:
        super().__init__(method="POST", http_conn_id=ccc_conn_id, adapter=adapter, **http_options)
        self.ccc_conn_id = ccc_conn_id
        self.instance_id = instance_id
        self.retry = retry or RetryPolicy()
        self._timeout: tuple[float, float] | None = None  # the connection's

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the connection form to Airflow before 3.2; newer ones read it from the provider information."""
        behaviour = CONNECTION["ui-field-behaviour"]
        return {name.replace("-", "_"): value for name, value in behaviour.items()}

    # --- operations -------------------------------------------------------------------------------------------------

    def pick_outbound_numbers(
        self,
        callee_number: str,
        candidate_numbers: Sequence[str],
        count: int = 1,
        instance_id: str | None = None,
    ) -> PickedNumbers:
        """Pick which of the candidates to show to a callee (PickOutboundNumbers of 2017-07-05 only).

        :param callee_number: the number to call.
        :param candidate_numbers: the company's own numbers to choose from.
        :param count: how many pairs to ask for.
        :param instance_id: the call centre instance; the hook's or the connection's by default.
        :returns: ``request_id`` and ``pairs``, which may be fewer than ``count``.
        :raises CccParameterError: before any request, naming the parameter.
        :raises CccError: of the class that says what to do about it.
        """
        return self.call(self.api.pick(self._instance(instance_id), callee_number, candidate_numbers, count))

    def pick_global_outbound_numbers(
        self,
        callee_number: str,
        skill_group_ids: Sequence[str],
        count: int = 1,
        is_virtual: bool | None = None,
        instance_id: str | None = None,
    ) -> PickedNumbers:
        """Pick which of the skill groups' numbers to show to a callee.

        PickGlobalOutboundNumbers of 2017-07-05, PickOutboundNumbers of 2020-07-01.

        :param callee_number: the number to call.
        :param skill_group_ids: whose numbers to choose from.
        :param count: how many pairs to ask for.
        :param is_virtual: the service's parameter ``IsVirtual``, where it is to be sent.
        :param instance_id: the call centre instance; the hook's or the connection's by default.
        :returns: ``request_id`` and ``pairs``, which may be fewer than ``count``.
        :raises CccParameterError: before any request, naming the parameter.
        :raises CccError: of the class that says what to do about it.
        """
        return self.call(
            self.api.pick_global(self._instance(instance_id), callee_number, skill_group_ids, count, is_virtual)
        )

    def get_instance(self, instance_id: str | None = None) -> Instance:
        """Describe the instance (GetInstance).

        :raises CccError: of the class that says what to do about it.
        """
        return self.call(self.api.get_instance(self._instance(instance_id)))

    def list_phone_numbers(self, outbound_only: bool = True, instance_id: str | None = None) -> list[InstanceNumber]:
        """List the instance's own numbers (ListPhoneNumbers, all its pages).

        :param outbound_only: only those that may call out.
        :raises CccError: of the class that says what to do about it.
        """
        return self._converse(self.api.list_phone_numbers(self._instance(instance_id), outbound_only))

    def list_instances(self) -> list[Instance]:
        """List the instances that the credentials can see (ListInstancesOfUser, or ListInstances with all its pages).

        :raises CccError: of the class that says what to do about it.
        """
        return self._converse(self.api.list_instances())

    def check_health(
        self,
        instance_id: str | None = None,
        *,
        min_outbound_numbers: int = 1,
        candidate_numbers: Sequence[str] | None = None,
        min_ready_agents: int = 0,
    ) -> Health:
        """Ask whether the instance is ready for a campaign.

        GetInstance and ListPhoneNumbers; for agents also GetInstanceState or GetRealtimeInstanceStates.

        :param min_outbound_numbers: how many numbers must be able to call out.
        :param candidate_numbers: numbers that must be able to call out.
        :param min_ready_agents: how many agents must be ready to take calls.
        :raises CccError: one that is ``retryable`` while the instance may still become ready.
        """
        required = Requirements(
            min_outbound_numbers=min_outbound_numbers,
            candidate_numbers=candidate_numbers,
            min_ready_agents=min_ready_agents,
        )
        return self._converse(examine(self.api, self._instance(instance_id), required))

    def call(self, operation: Operation[Answer]) -> Answer:
        """Run any operation, one of the user's own included.

        :param operation: see :mod:`airflow_provider_ccc.client.operations_2017`.
        :raises CccError: of the class that says what to do about it.
        """
        return self.retry.call(lambda: self._attempt(operation), self.protocol.remedy)

    def _converse(self, conversation: Conversation[Answer]) -> Answer:
        """Make the calls that a conversation asks for."""
        try:
            operation = next(conversation)
            while True:
                operation = conversation.send(self.call(operation))
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    def test_connection(self) -> tuple[bool, str]:
        """Make one cheap signed call: GetInstance of the connection's instance, or without one a list of instances.

        :returns: whether it worked, and what worked or which field is wrong.
        """
        patience = self.retry
        self.retry, self._timeout = _TEST_RETRY, _TEST_TIMEOUT
        try:
            address = self.settings.endpoint.url
            if not (self.instance_id or self.settings.instance_id):
                found = len(self.list_instances())
                seen = f"{address} accepts the AccessKey, which can see {found} instance(s)."
                return True, f"{seen} This connection has no instance_id, so every task must name one."
            instance = self.get_instance()
            return True, f"{address} accepts the AccessKey; instance {instance.name!r} has status {instance.status!r}."
        except CccError as error:
            return False, diagnose(error)
        finally:
            self.retry, self._timeout = patience, None

    # --- connection and transport -----------------------------------------------------------------------------------

    @cached_property
    def _session(self) -> requests.Session:
        settings = self.settings
        self.base_url = settings.endpoint.url
        session = _Session()
        session.proxies = dict(settings.proxies)
        session.verify = settings.verify
        session.cert = settings.cert
        session.trust_env = settings.trust_env
        return self._configure_session_from_mount_adapters(session)

    def get_conn(self, headers: dict[Any, Any] | None = None, extra_options: dict[str, Any] | None = None) -> Any:
        """Return the hook's one session. Unlike HttpHook's it sends nothing of the connection's extra as a header."""
        return self._session

    def run_and_check(
        self, session: requests.Session, prepped_request: requests.PreparedRequest, extra_options: dict[Any, Any]
    ) -> requests.Response:
        """Send a request and read the reply, without logging an address or a body.

        :raises CccConnectionError: if no whole reply came.
        """
        settings = session.merge_environment_settings(
            prepped_request.url, proxies=dict(session.proxies), stream=True, verify=session.verify, cert=session.cert
        )
        timeout = self._timeout or self.settings.timeout
        problem: CccError
        try:
            with session.send(prepped_request, timeout=timeout, **settings) as response:
                response._content = _read(response, deadline=time.monotonic() + timeout[1])
                return response
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            problem = _transport_error(error)
        except OSError as error:  # a file of certificates that cannot be used
            problem = CccParameterError("verify or cert", f"cannot be used: {error.strerror or type(error).__name__}")
        # Outside of the handler, so that the library's own text, which has addresses in it, is not chained to it.
        raise problem

    def _attempt(self, operation: Operation[Answer]) -> Answer:
        try:
            signed = _Signed(self.protocol, operation)
            response = self.run("/", auth=signed)
            return self.protocol.decode(
                operation, response.status_code, response.headers, response.content, sent=signed.sent
            )
        except CccError as error:
            error.where = self.where
            raise


def _read(response: requests.Response, deadline: float) -> bytes:
    """Read a body that is neither endless in size nor in time; decoding refuses what is beyond the size."""
    body = bytearray()
    # read1 gives what is there; iter_content waits until its chunk is full, which a slow server can make last for ever.
    while len(body) <= MAX_ANSWER_BYTES and (chunk := response.raw.read1(65536, decode_content=True)):
        body += chunk
        if time.monotonic() > deadline:
            raise CccConnectionError("the answer did not end in time", code="Timeout")
    return bytes(body)


def _transport_error(error: Exception) -> CccError:
    """Say what went wrong below HTTP, in words of our own: the library's contain addresses, proxies' passwords too."""
    causes = _causes(error)
    names = {type(cause).__name__ for cause in causes}
    if "SSLCertVerificationError" in names:
        return CccCertificateError("the server's TLS certificate is not trusted; check host and verify")
    if any(isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER" for cause in causes):
        return CccParameterError("host", "does not speak TLS; if plain http is meant, write http:// before it")
    if isinstance(error, _ADDRESS_ERRORS):
        return CccParameterError("host or proxy", BAD_ADDRESS)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return CccConnectionError("could not connect in time", code="Timeout")
    if isinstance(error, requests.exceptions.Timeout) or "ReadTimeoutError" in names:
        return CccConnectionError("no answer in time", code="Timeout")
    if isinstance(error, requests.exceptions.ProxyError):
        return CccConnectionError("the proxy could not be reached, or refused")
    if "NameResolutionError" in names:
        return CccConnectionError("the host's name could not be resolved")
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.errno and cause.strerror]
    what = reasons[-1] if reasons else type(error).__name__
    return CccConnectionError(f"no whole answer came: {what}")


def _causes(error: BaseException) -> list[BaseException]:
    """Unwrap what requests and urllib3 wrap: causes, contexts, and exceptions given as arguments or as ``reason``."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or cause in found:
            continue
        found.append(cause)
        waiting += [*cause.args, getattr(cause, "reason", None), cause.__context__, cause.__cause__]
    return found
