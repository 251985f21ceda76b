"""The ASGI application: one request's way from its bytes to its answer.

Parameters are gathered from query and form body, the gateway checks them, the operation answers, a fault may come in
between, and what happened goes into the journal before anything is sent, so that a client which has its answer finds
it there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from airflow_provider_ccc.simulator import faults, page
from airflow_provider_ccc.simulator.answers import CONTENT_TYPES, Answer, ApiError, failure, success
from airflow_provider_ccc.simulator.faults import Fault, Faults
from airflow_provider_ccc.simulator.gateway import Gateway, answer_format
from airflow_provider_ccc.simulator.operations import OPERATIONS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from airflow_provider_ccc.simulator.instances import Account
    from airflow_provider_ccc.simulator.settings import SimulatorSettings

log = logging.getLogger(__name__)

_ACTIONS = {action for operations in OPERATIONS.values() for action in operations}
_TRANSPORT = "airflow_provider_ccc.transport"


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One API request that arrived.

    :param action: its ``Action``, empty if it had none.
    :param nonce: its ``SignatureNonce``, empty if it had none.
    :param parameters: all parameters of query and body, ``Signature`` included.
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
        self._gateway = Gateway(settings)
        self._faults = Faults(settings.fault_rate, settings.seed)
        self._date = (0, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        method: str = scope["method"]
        try:
            parameters = await _parameters(Request(scope, receive))
        except ClientDisconnect:
            return
        if method == "GET" and "Action" not in parameters:
            await self.send(send, page.render(self, scope))
            return
        answer, fault = self._decide(method, parameters)
        self._note(parameters, answer, fault)
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

    def _decide(self, method: str, parameters: dict[str, str]) -> tuple[Answer, Fault | None]:
        kind, fault = "XML", None
        try:
            kind = answer_format(parameters)
            if method not in ("GET", "POST"):
                raise ApiError(400, "UnsupportedHTTPMethod", "This http method is not supported.")
            operation = self._gateway.admit(method, parameters)
            fault = self._faults.draw()
            if fault is Fault.UNAVAILABLE:
                return faults.unavailable(kind), fault
            if fault is Fault.BAD_GATEWAY:
                return faults.bad_gateway(), fault
            return success(operation.name, operation.answer(self.account, parameters), kind), fault
        except ApiError as error:
            return failure(error, kind), fault
        except Exception:
            # The simulator's own mistake: answered as the service answers its own, and not kept quiet here.
            log.exception("The simulator failed")
            message = "The request processing has failed due to some unknown error."
            return failure(ApiError(500, "InternalError", message), kind), fault

    def _note(self, parameters: dict[str, str], answer: Answer, fault: Fault | None) -> None:
        lost = fault in (Fault.RESET, Fault.CUT_OFF)
        action = parameters.get("Action", "")
        record = JournalRecord(
            action=action,
            nonce=parameters.get("SignatureNonce", ""),
            parameters=parameters,
            status=0 if fault is Fault.RESET else answer.status,
            code=fault.value if fault and lost else answer.code,
        )
        self.journal.append(record)
        # By name only where the name is the API's: a client's inventions must not fill the memory.
        self.actions[action if action in _ACTIONS else "(other)"] += 1
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
    """Give the application that serves `simulator` at ``/`` and nothing anywhere else."""

    class NotFound:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await simulator.send(send, Answer(404, "", b"Not Found", "TEXT"))

    return Starlette(routes=[Route("/", simulator), Route("/{path:path}", NotFound())])


def outermost(app: ASGIApp) -> ASGIApp:
    """Wrap `app` so that faults can reach the connection.

    ASGI has no word for breaking a connection. In uvicorn `send` is a method of the request's cycle, which holds the
    transport; but only for whoever is called by uvicorn itself, hence the name.
    """

    async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
        scope[_TRANSPORT] = send.__self__.transport  # type: ignore[attr-defined]
        await app(scope, receive, send)

    return with_transport


async def _parameters(request: Request) -> dict[str, str]:
    """Gather the parameters; it does not matter whether one comes in the query or in the body."""
    pairs = _decode(request.scope["query_string"])
    body = await request.body()
    if body and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        pairs += _decode(body)
    return dict(pairs)


def _decode(form: bytes) -> list[tuple[str, str]]:
    return parse_qsl(form.decode(errors="replace"), keep_blank_values=True, errors="replace")


async def _gone(receive: Receive) -> None:
    """Wait until the server knows that the connection is closed; returning before looks like a mistake to it."""
    while (await receive())["type"] != "http.disconnect":
        pass
