"""The ASGI application: one request's way from its bytes to its answer.

The request is read, the gateway checks its signature, the operation answers, a fault may come in between, and what
happened goes into the journal before anything is sent, so that a client which has its answer finds it there. Keys that
are given out without a signature (:mod:`.metadata`) have paths of their own, and leave no trace in the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from airflow_provider_ccc.simulator import api_request, faults, page, sts
from airflow_provider_ccc.simulator.answers import CONTENT_TYPES, HOST_ID, Answer, ApiError, failure, success
from airflow_provider_ccc.simulator.faults import Fault, Faults
from airflow_provider_ccc.simulator.gateway import Gateway, answer_format
from airflow_provider_ccc.simulator.keys import Keys
from airflow_provider_ccc.simulator.metadata import CREDENTIALS_PATH, Metadata
from airflow_provider_ccc.simulator.registry import OPERATIONS
from airflow_provider_ccc.simulator.signatures import signature_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from airflow_provider_ccc.simulator.api_request import ApiRequest
    from airflow_provider_ccc.simulator.instances import Account
    from airflow_provider_ccc.simulator.settings import SimulatorSettings
    from airflow_provider_ccc.simulator.signatures import Signature

log = logging.getLogger(__name__)

_TRANSPORT = "airflow_provider_ccc.transport"


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One API request that arrived.

    :param action: its ``Action``, empty if it had none.
    :param nonce: its ``SignatureNonce``, empty if it had none.
    :param parameters: all parameters of query and body, ``Signature`` included. What a request of signature 3 has in
        its headers is not here.
    :param status: the HTTP status that was sent, 0 if the connection was reset instead.
    :param code: the API's code that was sent, ``OK`` or an error's, or the name of the fault that was met.
    """

    action: str
    nonce: str
    parameters: dict[str, str]
    status: int
    code: str


class Simulator:
    """What is served at ``/``: the API, and a page for whoever opens it in a browser.

    :param settings: the settings.
    :param account: the instances.
    """

    def __init__(self, settings: SimulatorSettings, account: Account) -> None:
        self.settings = settings
        self.account = account
        self.journal: deque[JournalRecord] = deque(maxlen=settings.journal_size)
        self.actions: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        #: Set when the server stops: whoever still waits gets the answer at once.
        self.stopping = asyncio.Event()
        self.keys = keys = Keys(settings)
        self.sts = sts.Sts(settings, keys)
        self.metadata = Metadata(settings, self.sts)
        operations = {**OPERATIONS, sts.VERSION: self.sts.operations}
        self._actions = {action for version in operations.values() for action in version}
        self._gateway = Gateway(settings, keys, operations)
        self._faults = Faults(settings.fault_rate, settings.seed)
        self._date = (0, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        try:
            request = await api_request.read(Request(scope, receive))
        except ClientDisconnect:
            return
        if request.method == "GET" and not ("Action" in request.parameters or "authorization" in request.headers):
            shown = page.Shown(self.settings, self.account, self.sts, self.actions, self.codes)
            await self.send(send, page.render(shown, scope))
            return
        signature = signature_of(request)
        answer, fault = self._decide(request, signature)
        self._note(request, signature, answer, fault)
        await self._pause(self.settings.latency_ms / 1000 + (faults.SLOWNESS if fault is Fault.SLOW else 0))
        if fault is Fault.RESET:
            faults.reset(scope[_TRANSPORT])
            await _gone(receive)
        elif fault is Fault.CUT_OFF:
            await self.send(send, answer, cut=True)
            scope[_TRANSPORT].close()
            await _gone(receive)
        else:
            await self.send(send, answer)

    async def send(self, send: Send, answer: Answer, *, cut: bool = False) -> None:
        """Send one answer.

        :param cut: announce the whole body and send half of it.
        """
        headers = [
            (b"content-type", CONTENT_TYPES[answer.kind]),
            (b"content-length", str(len(answer.body)).encode()),
            (b"date", self._http_date()),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = answer.body[: len(answer.body) // 2] if cut else answer.body
        await send({"type": "http.response.body", "body": body, "more_body": cut})

    def _decide(self, request: ApiRequest, signature: Signature) -> tuple[Answer, Fault | None]:
        kind, fault = signature.default_format, None
        host_id = sts.HOST_ID if signature.version == sts.VERSION else HOST_ID
        try:
            kind = answer_format(request, signature)
            if request.method not in ("GET", "POST"):
                raise ApiError(400, "UnsupportedHTTPMethod", "This http method is not supported.")
            operation = self._gateway.admit(signature)
            fault = self._faults.draw() if operation.of_ccc else None
            if fault is Fault.UNAVAILABLE:
                return faults.unavailable(kind), fault
            if fault is Fault.BAD_GATEWAY:
                return faults.bad_gateway(), fault
            data = operation.answer(self.account, request.parameters)
            return success(operation.name, data, kind, operation.envelope), fault
        except ApiError as error:
            return failure(error, kind, host_id), fault
        except Exception:
            # The simulator's own mistake: answered as the service answers its own, and not kept quiet here.
            log.exception("The simulator failed")
            message = "The request processing has failed due to some unknown error."
            return failure(ApiError(500, "InternalError", message), kind, host_id), fault

    def _note(self, request: ApiRequest, signature: Signature, answer: Answer, fault: Fault | None) -> None:
        lost = fault in (Fault.RESET, Fault.CUT_OFF)
        action = signature.action
        record = JournalRecord(
            action=action,
            nonce=signature.nonce,
            parameters=request.parameters,
            status=0 if fault is Fault.RESET else answer.status,
            code=fault.value if fault and lost else answer.code,
        )
        self.journal.append(record)
        # By name only where the name is the API's: a client's inventions must not fill the memory.
        self.actions[action if action in self._actions else "(other)"] += 1
        self.codes[record.code] += 1

    async def _pause(self, seconds: float) -> None:
        if seconds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)

    def _http_date(self) -> bytes:
        # By the server's own clock, which clients with a wrong one correct themselves by.
        now = int(self.settings.clock())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True).encode())
        return self._date[1]


def build(simulator: Simulator) -> Starlette:
    """Give the application that serves `simulator` at ``/`` and temporary keys where clients look for them."""

    class KeysWithoutSignature:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            headers = Headers(scope=scope)
            await simulator.send(send, simulator.metadata.answer(scope["method"], scope["path"], headers))

    class NotFound:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await simulator.send(send, Answer(404, "", b"Not Found", "TEXT"))

    keys = KeysWithoutSignature()
    return Starlette(
        routes=[
            Route("/", simulator),
            Route("/latest/{path:path}", keys),
            Route(CREDENTIALS_PATH, keys),
            Route("/{path:path}", NotFound()),
        ]
    )


def outermost(app: ASGIApp) -> ASGIApp:
    """Wrap `app` so that faults can reach the connection, and so that a client may take this for its HTTP proxy.

    Such a client names the whole address (RFC 9112, 3.2.2). Of that uvicorn gives the path if it has httptools, but all
    of it if it has h11.

    ASGI has no word for breaking a connection. In uvicorn `send` is a method of the request's cycle, which holds the
    transport; but only for whoever is called by uvicorn itself, hence the name.
    """

    async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
        scope[_TRANSPORT] = send.__self__.transport  # type: ignore[attr-defined]
        if not scope["path"].startswith("/"):
            scope["path"] = urlsplit(scope["path"]).path or "/"
        await app(scope, receive, send)

    return with_transport


async def _gone(receive: Receive) -> None:
    """Wait until the server knows that the connection is closed; returning before looks like a mistake to it."""
    while (await receive())["type"] != "http.disconnect":
        pass
