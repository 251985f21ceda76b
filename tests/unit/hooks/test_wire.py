"""What a connection makes of the bytes that come, however they are cut. Over real sockets: tests/system."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from types import SimpleNamespace

import aiohttp
import pytest

from airflow_provider_ccc.client.protocol import MAX_ANSWER_BYTES
from airflow_provider_ccc.hooks import wire
from airflow_provider_ccc.hooks.wire import Reply, Wire

HEAD = b"HTTP/1.1 200 OK\r\nX-Name: value\r\n"
BODY = b'{"Code": "OK"}'


class Transport:
    def __init__(self) -> None:
        self.written = b""
        self.protocol = None

    def set_protocol(self, protocol) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.written += data


class Opened(SimpleNamespace):
    """A connection of aiohttp's."""

    def __init__(self) -> None:
        self.lost: list[BaseException | None] = []
        self.closes = 0
        super().__init__(transport=Transport(), protocol=SimpleNamespace(connection_lost=self.lost.append))

    def close(self) -> None:
        self.closes += 1


def received(*pieces: bytes | BaseException | None) -> tuple[Reply, Wire, Opened]:
    """Send something, have these pieces arrive (None or an error ends the connection), and give what came of it."""

    async def main():
        opened = Opened()
        connection = Wire(opened, asyncio.get_running_loop())
        reply = connection.send(b"request", 0.0)
        assert opened.transport.written == b"request"
        for piece in pieces:
            if isinstance(piece, bytes):
                connection.data_received(piece)
            else:
                connection.connection_lost(piece)
        return await asyncio.wait_for(reply, 1), connection, opened

    return asyncio.run(main())


def framed(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(header + b"\r\n" for header in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    half = len(body) // 2
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:half], body[half:], b""))
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + pieces


@pytest.mark.parametrize("answer", [framed(BODY), chunked(BODY), b"HTTP/1.1 100 Continue\r\n\r\n" + framed(BODY)])
def test_it_does_not_matter_how_a_reply_is_cut(answer):
    for size in (1, 2, 3, 7, 50, len(answer)):
        reply, connection, opened = received(*(answer[at : at + size] for at in range(0, len(answer), size)))
        assert (reply.status, reply.body, reply.headers["x-name"]) == (200, BODY, "value")
        assert connection.reusable
        assert opened.closes == 0


def test_a_reply_without_a_length_ends_with_the_connection():
    reply, connection, _ = received(HEAD + b"\r\n" + BODY[:5], BODY[5:], None)
    assert reply.body == BODY
    assert not connection.reusable


def test_a_server_that_closes_is_not_asked_again():
    reply, connection, _ = received(framed(BODY, b"Connection: close"))
    assert reply.body == BODY
    assert not connection.reusable


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"GZIP"])
def test_packed_bodies(encoding):
    packed = zlib.compress(BODY) if encoding == b"deflate" else gzip.compress(BODY)
    assert received(framed(packed, b"Content-Encoding: " + encoding))[0].body == BODY


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ((framed(BODY)[:-1], None), aiohttp.ServerDisconnectedError),
        ((framed(BODY)[:-1], OSError(104, "reset")), aiohttp.ClientOSError),
        ((HEAD, None), aiohttp.ServerDisconnectedError),
        ((b"nonsense\r\n\r\n",), aiohttp.ClientPayloadError),
        ((HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",), aiohttp.ClientPayloadError),
        ((HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",), aiohttp.ClientPayloadError),
        ((framed(b"no gzip", b"Content-Encoding: gzip"),), aiohttp.ClientPayloadError),
        ((framed(gzip.compress(BODY)[:-9], b"Content-Encoding: gzip"),), aiohttp.ClientPayloadError),
        ((HEAD + b"X: y\r\n" * (wire.MAX_HEADERS + 1) + b"\r\n",), aiohttp.ClientPayloadError),
        ((HEAD + b"X: " + b"y" * (wire.MAX_HEAD_BYTES + 1),), aiohttp.ClientPayloadError),
        ((HEAD + b"X: " + b"y" * (wire.MAX_HEAD_BYTES + 1) + b"\r\n\r\n",), aiohttp.ClientPayloadError),
    ],
)
def test_what_is_no_whole_reply(pieces, error):
    with pytest.raises(error):
        received(*pieces)


def test_no_more_is_kept_of_a_long_body_than_is_read():
    chunk = b"x" * (1 << 20)
    pieces = [chunk] * (MAX_ANSWER_BYTES // len(chunk) + 1)
    reply, connection, opened = received(HEAD + b"Content-Length: %d\r\n\r\n" % (1 << 40), *pieces)
    assert len(reply.body) == MAX_ANSWER_BYTES + len(chunk)
    assert not connection.reusable
    assert opened.closes == 1


def test_no_more_is_unpacked_than_is_read():
    reply, _, _ = received(framed(gzip.compress(b"0" * (4 * MAX_ANSWER_BYTES)), b"Content-Encoding: gzip"))
    assert len(reply.body) == MAX_ANSWER_BYTES + 1


@pytest.mark.parametrize("more", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"nonsense"])
def test_what_nobody_asked_for_ends_the_connection(more):
    _, connection, opened = received(framed(BODY), more)
    assert not connection.reusable
    assert opened.closes == 1
    _, connection, opened = received(framed(BODY) + more)
    assert not connection.reusable


@pytest.mark.parametrize("cut", range(1, 45))
def test_the_beginning_of_what_nobody_asked_for_is_not_left_for_the_next_request(cut):
    more = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"[:cut]
    reply, connection, _ = received(framed(BODY) + more)
    assert reply.body == BODY
    assert not connection.reusable


def test_trailers_say_nothing():
    trailed = chunked(BODY)[:-2] + b"Content-Encoding: gzip\r\n" + b"X: y\r\n" * 500 + b"\r\n"
    reply, _, _ = received(trailed)
    assert reply.body == BODY
    assert "content-encoding" not in reply.headers


def test_whoever_is_cancelled_leaves_nothing_behind():
    async def main():
        opened = Opened()
        connection = Wire(opened, asyncio.get_running_loop())
        connection.send(b"request", 0.0).cancel()
        connection.data_received(framed(BODY))
        assert not connection.reusable
        assert opened.closes == 1

    asyncio.run(main())


def test_the_end_is_told_to_aiohttp_and_to_who_waits():
    async def main():
        opened = Opened()
        connection = Wire(opened, asyncio.get_running_loop())
        waiting = connection.send(b"request", 0.0)
        connection.connection_lost(None)
        assert opened.lost == [None]
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await waiting

    asyncio.run(main())
