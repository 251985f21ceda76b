"""What goes wrong on the way, for clients that must live with it: drawn from a seed, so that a run can be repeated.

Four of the five answer something else than the operation would; a reset or cut connection can only be made at the
transport, which uvicorn's server keeps behind ASGI's `send` (see :func:`airflow_provider_ccc.simulator.app.outermost`).
"""

from __future__ import annotations

import random
import socket
import struct
from enum import Enum

from airflow_provider_ccc.simulator.answers import Answer, ApiError, failure

#: How much later a slow answer comes, in seconds.
SLOWNESS = 0.5


class Fault(Enum):
    """One way to fail; the value is what the journal and the page's counters call it."""

    UNAVAILABLE = "ServiceUnavailable"
    BAD_GATEWAY = "BadGateway"
    RESET = "ConnectionReset"
    CUT_OFF = "CutOff"
    SLOW = "SlowAnswer"


class Faults:
    """Decides which request meets which fault.

    :param rate: the probability of any, 0 to 1.
    :param seed: the same seed gives the same sequence.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._random = random.Random(seed)  # noqa: S311 - it must be repeatable, not secret

    def draw(self) -> Fault | None:
        """Draw the next request's lot."""
        if self._rate and self._random.random() < self._rate:
            return self._random.choice(tuple(Fault))
        return None


def unavailable(kind: str) -> Answer:
    """Answer as the service does when it is overloaded, in the format `kind`."""
    message = "The request has failed due to a temporary failure of the server."
    return failure(ApiError(503, Fault.UNAVAILABLE.value, message), kind)


def bad_gateway() -> Answer:
    """Answer as a proxy in between does: no JSON, no XML, whatever the request asked for."""
    return Answer(502, Fault.BAD_GATEWAY.value, b"<html><body>502 Bad Gateway</body></html>", "HTML")


def reset(transport: object) -> None:
    """Drop a connection with RST instead of FIN: the client sees a reset, not an end.

    :param transport: an ``asyncio.Transport``, or another event loop's.
    """
    connection = transport.get_extra_info("socket")  # type: ignore[attr-defined]
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()  # type: ignore[attr-defined]
