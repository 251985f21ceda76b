"""Exchanges of requests for replies with one host: which connection each takes, and how long it may.

``aiohttp.ClientSession.request`` makes some thirty objects for each call, which costs two thirds of what a campaign's
call does. Here the requests are ready bytes, all to the same host; so aiohttp opens the connections, with all that may
take (names, TLS, proxies), and what is sent over them is up to :class:`~airflow_provider_ccc.hooks.wire.Wire`.
"""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
from yarl import URL

from airflow_provider_ccc import __version__
from airflow_provider_ccc.client.endpoint import Endpoint
from airflow_provider_ccc.client.signers import CONTENT_TYPE, SignedRequest
from airflow_provider_ccc.hooks.wire import Reply, Wire

#: An idle connection is not used again after so many seconds: the server may be about to close it.
_KEEP_ALIVE = 15.0


class Exchange:
    """Sends requests to one host, each over a connection that no other uses meanwhile.

    Belongs to the event loop that it is made on; :meth:`close` closes its connections.

    :param endpoint: the host.
    :param tls: which certificates to trust, or ``False`` for no check.
    :param proxy: an HTTP proxy's URL.
    :param connect_timeout: seconds for a connection to be opened.
    :param timeout: seconds for an exchange, opening a connection included; it can take up to a tenth, and at most a
        second, more.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        tls: ssl.SSLContext | bool,
        proxy: str | None,
        connect_timeout: float,
        timeout: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connector = aiohttp.TCPConnector(limit=0, ssl=tls)
        self._connect_timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        # Tells the connector whom to connect to and through which proxy; it is never sent itself.
        via = URL(proxy) if proxy else None
        self._to = aiohttp.ClientRequest("POST", URL(endpoint.url), proxy=via, loop=self._loop)
        # With TLS the connector has the proxy make a tunnel, and what goes through it is none of the proxy's.
        self._proxy = None if self._to.is_ssl() else via
        self._authority = endpoint.authority
        self._heads: dict[str, bytes] = {}
        self._timeout = timeout
        self._idle: list[Wire] = []
        self._busy: set[Wire] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def close(self) -> None:
        """Close all connections; exchanges that are under way fail."""
        if self._timer is not None:
            self._timer.cancel()
        for wire in (*self._idle, *self._busy):
            wire.close()
        await self._connector.close()

    async def send(self, request: SignedRequest) -> Reply:
        """Make one exchange. Redirects are not followed: one would carry the signed form to another host.

        :raises aiohttp.ClientError: as a session of aiohttp would, or one of ``OSError`` and ``ValueError``.
        :raises TimeoutError: it took too long.
        """
        data = self._head(request) + request.body
        begun = self._loop.time()
        wire = self._take(begun) or await self._open()
        self._busy.add(wire)
        if self._timer is None:
            self._look()
        try:
            reply = await wire.send(data, begun)
        finally:
            self._busy.discard(wire)
            if wire.reusable:
                wire.since = self._loop.time()
                self._idle.append(wire)
            else:
                wire.close()
        return reply

    def _take(self, now: float) -> Wire | None:
        """Take the connection that was used last; of those that stand idle for long, most are closed by the server."""
        while self._idle:
            wire = self._idle.pop()
            if wire.reusable and now - wire.since < _KEEP_ALIVE:
                return wire
            wire.close()
        return None

    async def _open(self) -> Wire:
        async with asyncio.timeout(self._timeout):
            return Wire(await self._connector.connect(self._to, [], self._connect_timeout), self._loop)

    def _look(self) -> None:
        """Look at all exchanges once in a while, and end those that are overdue: a timer for each costs far more."""
        overdue = self._loop.time() - self._timeout
        for wire in tuple(self._busy):
            if wire.since < overdue:
                wire.fail(TimeoutError())
        self._timer = self._loop.call_later(min(1.0, self._timeout / 10), self._look) if self._busy else None

    def _head(self, request: SignedRequest) -> bytes:
        """Write the request's head; what all requests to one URL begin with is made once."""
        start = self._heads.get(request.url)
        if start is None:
            start = self._heads[request.url] = self._start(request)
        own = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items()).encode("ascii")
        return b"%b%bContent-Length: %d\r\n\r\n" % (start, own, len(request.body))

    def _start(self, request: SignedRequest) -> bytes:
        headers = {
            "Host": self._authority,
            "User-Agent": f"airflow-provider-ccc/{__version__} aiohttp/{aiohttp.__version__}",
            "Accept": "application/json",  # as the other hook asks; signature 3 has no parameter for it
            "Content-Type": CONTENT_TYPE,
        }
        if self._proxy is not None and (auth := aiohttp.BasicAuth.from_url(self._proxy)):
            headers["Proxy-Authorization"] = auth.encode()
        target = request.url if self._proxy is not None else URL(request.url, encoded=True).raw_path_qs
        lines = (f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "")
        return "\r\n".join(lines).encode("ascii")
