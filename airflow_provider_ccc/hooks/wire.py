"""One HTTP/1.1 connection: ready bytes go out, and a whole reply comes back. httptools (llhttp) does the parsing."""

from __future__ import annotations

import asyncio
import zlib
from typing import NamedTuple

import aiohttp
import httptools

from airflow_provider_ccc.client.protocol import MAX_ANSWER_BYTES

#: No reply's head comes near these; a longer one is refused, as one that never ends is.
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 128
#: Unpacks gzip as well as zlib's own format, which is what HTTP calls deflate.
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_COMPRESSED = ("gzip", "x-gzip", "deflate")


class Reply(NamedTuple):
    """What came back.

    :param headers: names in lower case.
    :param body: unpacked; of one that is longer than :data:`MAX_ANSWER_BYTES`, no more than that and a little.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class Wire(asyncio.Protocol):
    """Takes an open connection over from aiohttp, and makes one exchange at a time over it.

    :param opened: what :meth:`aiohttp.TCPConnector.connect` gave. It stays aiohttp's to close.
    """

    def __init__(self, opened: aiohttp.connector.Connection, loop: asyncio.AbstractEventLoop) -> None:
        handler, transport = opened.protocol, opened.transport
        if handler is None or transport is None:
            raise aiohttp.ClientConnectionResetError("the connection was closed")
        self._opened = opened
        self._handler = handler
        self._transport = transport
        self._loop = loop
        self._waiter: asyncio.Future[Reply] | None = None
        #: Whether another exchange can follow.
        self.reusable = False
        #: When the exchange began, or the last one ended, in seconds of the event loop's clock.
        self.since = 0.0
        # httptools looks the callbacks up once, so they are methods of this object.
        self._parser = httptools.HttpResponseParser(self)
        self._begin()
        transport.set_protocol(self)

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._head_bytes = 0
        self._in_body = False

    def send(self, data: bytes, since: float) -> asyncio.Future[Reply]:
        """Send a request.

        :param since: when it was begun; connecting counts too.
        :returns: the reply that is to come; or ``aiohttp.ClientError`` or ``OSError``, as aiohttp itself would have it.
        """
        self.since = since
        self.reusable = False
        self._waiter = self._loop.create_future()
        self._transport.write(data)
        return self._waiter

    def close(self) -> None:
        """End the connection; what is still awaited fails."""
        self.reusable = False
        self._opened.close()
        self.fail(aiohttp.ServerDisconnectedError())

    def fail(self, error: Exception) -> None:
        """Have the exchange that is under way fail, if there is one."""
        self.reusable = False
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    # --- what the event loop calls ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:  # nothing was asked
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # a reply all the same, but nothing of HTTP can follow
            self.close()
        except httptools.HttpParserError:
            self._break_off("is no HTTP, or has too long a head")
        else:
            if self._waiter is not None and not self._in_body:
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._break_off("has too long a head")

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiter is not None and error is None and self._in_body and not self._is_framed():
            self._finish()  # the connection's end is this reply's end
        else:
            self.fail(aiohttp.ClientOSError(*error.args) if error else aiohttp.ServerDisconnectedError())
        self.reusable = False
        self._handler.connection_lost(error)  # or aiohttp's connector would wait for it when it closes
        self._opened.close()

    # --- what httptools calls -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._waiter is None:  # nothing was asked: what follows must not answer the next request
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # or it is a trailer, which says nothing here
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        headers = self._headers
        if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEAD_BYTES:
            raise ValueError("too long a head")  # which httptools turns into an error of its own
        self._in_body = True

    def on_body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > MAX_ANSWER_BYTES:
            self._finish()
            self.close()

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 and status != 101:  # such as 100 Continue: the reply is still to come
            self._begin()
            return
        self.reusable = self._waiter is not None and self._parser.should_keep_alive()
        self._finish()

    # --- the parts of these -------------------------------------------------------------------------------------------

    def _is_framed(self) -> bool:
        """Say whether the reply itself tells where it ends."""
        return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self._headers)

    def _finish(self) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._headers}
        body = bytes(self._body)
        waiter, self._waiter = self._waiter, None
        self._begin()
        if waiter is None or waiter.done():  # whoever waited was cancelled, or a second reply came
            self.close()
            return
        if headers.get("content-encoding", "").lower() in _COMPRESSED:
            try:
                body = _unpack(body)
            except zlib.error:
                self.reusable = False
                waiter.set_exception(aiohttp.ClientPayloadError("the reply cannot be unpacked"))
                return
        waiter.set_result(Reply(self._parser.get_status_code(), headers, body))

    def _break_off(self, what: str) -> None:
        self.fail(aiohttp.ClientPayloadError(f"the reply {what}"))
        self.close()


def _unpack(body: bytes) -> bytes:
    """Unpack a body, but not more of it than is read of any other."""
    unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
    unpacked = unpacking.decompress(body, MAX_ANSWER_BYTES + 1)
    if body and len(unpacked) <= MAX_ANSWER_BYTES and not unpacking.eof:
        raise zlib.error("cut off")
    return unpacked
