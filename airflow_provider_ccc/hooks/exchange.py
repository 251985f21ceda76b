"""Sends a signed request over a connection of aiohttp's, and reads the reply.

``ClientSession.request`` makes some thirty objects for each call, which costs two thirds of the time that a campaign's
call takes. What is sent here is ready bytes, and always to the same host; so aiohttp opens the connections, keeps them
alive and parses what comes back, and its session is left out.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy
from yarl import URL

from airflow_provider_ccc import __version__
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.protocol import CONTENT_TYPE, MAX_ANSWER_BYTES, SignedRequest

_USER_AGENT = f"airflow-provider-ccc/{__version__} aiohttp/{aiohttp.__version__}"


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class Exchange:
    """Sends requests to one host, each over a connection that no other uses meanwhile.

    Belongs to the event loop that it is made on; :meth:`close` closes its connections.

    :param url: of the host.
    :param tls: which certificates to trust, or ``False`` for no check.
    :param proxy: an HTTP proxy's URL.
    :param connect_timeout: for a connection to be opened, in seconds.
    """

    def __init__(self, url: str, *, tls: ssl.SSLContext | bool, proxy: str | None, connect_timeout: float) -> None:
        self._connector = aiohttp.TCPConnector(limit=0, ssl=tls)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        # Tells the connector whom to connect to and through which proxy; it is never sent itself.
        self._to = aiohttp.ClientRequest(
            "POST", URL(url), proxy=URL(proxy) if proxy else None, loop=asyncio.get_running_loop()
        )
        self._through_proxy = proxy is not None and not self._to.is_ssl()
        self._heads: dict[str, bytes] = {}

    async def close(self) -> None:
        await self._connector.close()

    async def send(self, request: SignedRequest) -> Reply:
        """Make one exchange. Redirects are not followed: one would carry the signed form to another host.

        :returns: the reply; of one that is longer than :data:`MAX_ANSWER_BYTES` no more than that and a little.
        :raises aiohttp.ClientError: as a session does, or any of ``OSError``, ``TimeoutError`` and ``ValueError``.
        """
        connection = await self._connector.connect(self._to, [], self._timeout)
        try:
            protocol, transport = connection.protocol, connection.transport
            if protocol is None or transport is None or transport.is_closing():
                raise aiohttp.ClientConnectionResetError("the connection was closed")
            protocol.set_response_params(read_until_eof=True)
            transport.write(self._head(request) + request.body)
            message, payload = await protocol.read()
            while message.code < 200 and message.code != 101:  # such as 100 Continue: the answer is still to come
                message, payload = await protocol.read()
            body = await payload.readany()
            if not payload.at_eof():
                body = await _rest(payload, body)
        except HttpProcessingError:
            connection.close()
            raise aiohttp.ClientPayloadError("the reply is no HTTP") from None
        except BaseException:
            connection.close()
            raise
        if payload.is_eof():
            connection.release()
        else:
            connection.close()
        return Reply(message.code, message.headers, body)

    def _head(self, request: SignedRequest) -> bytes:
        start = self._heads.get(request.url)
        if start is None:
            start = self._heads[request.url] = self._start(request)
        own = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        if own.count("\n") != len(request.headers):
            raise CccParameterError("security_token", "has a line break in it")
        return b"%b%bContent-Length: %d\r\n\r\n" % (start, own.encode("ascii"), len(request.body))

    def _start(self, request: SignedRequest) -> bytes:
        """Write what all requests to a URL begin with."""
        url = URL(request.url, encoded=True)
        target = request.url if self._through_proxy else url.raw_path_qs
        headers = {
            "Host": self._to.headers["Host"],
            "User-Agent": _USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            "Content-Type": CONTENT_TYPE,
        }
        if self._through_proxy and "Proxy-Authorization" in self._to.headers:
            headers["Proxy-Authorization"] = self._to.headers["Proxy-Authorization"]
        lines = (f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "")
        return "\r\n".join(lines).encode("ascii")


async def _rest(payload: aiohttp.StreamReader, begun: bytes) -> bytes:
    """Read the rest of a body that is not endless; decoding refuses what is beyond the size."""
    body = bytearray(begun)
    while not payload.at_eof() and len(body) <= MAX_ANSWER_BYTES:
        body += await payload.readany()
    return bytes(body)
