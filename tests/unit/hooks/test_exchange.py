"""What comes of the bytes that a server sends, however they are cut. Through the hook: tests/system."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import threading
import time
import zlib

import pytest
import uvloop

from airflow_provider_ccc.client.errors import CccConnectionError, CccError
from airflow_provider_ccc.client.protocol import MAX_ANSWER_BYTES
from airflow_provider_ccc.client.signers import SignedRequest
from airflow_provider_ccc.hooks import exchange
from airflow_provider_ccc.hooks.exchange import Exchange
from airflow_provider_ccc.hooks.route import Route
from airflow_provider_ccc.hooks.transfer import MAX_HEAD_BYTES, MAX_HEADERS, Reply
from tests.raw_servers import receive, server

HEAD = b"HTTP/1.1 200 OK\r\nX-Name: value\r\n"
BODY = b'{"Code": "OK"}'
PLAIN = Route(None, None, "")


def request(address: str, body: bytes = b"a=b", **headers: str) -> SignedRequest:
    return SignedRequest("POST", f"http://{address}/", headers, body, "")


async def exchanges(address: str, times: int = 1) -> list[Reply | BaseException]:
    """Make exchanges one after another, and give what came of each."""
    mine, outcomes = Exchange(PLAIN, connect_timeout=10, timeout=10), []
    try:
        for _ in range(times):
            (outcome,) = await asyncio.gather(mine.send(request(address)), return_exceptions=True)
            outcomes.append(outcome)
    finally:
        await mine.close()
    return outcomes


def received(*pieces: bytes, times: int = 1) -> tuple[Reply, int]:
    """Have each request answered with these pieces, and the connection be kept.

    :returns: the last reply, and how many connections were opened for all.
    """
    connections = []

    def handle(peer) -> None:
        connections.append(peer)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while receive(peer):
            for piece in pieces:
                peer.sendall(piece)

    with server(handle) as address:
        *_, last = asyncio.run(exchanges(address, times))
    if isinstance(last, BaseException):
        raise last
    return last, len(connections)


def ended(*pieces: bytes) -> Reply:
    """As above, but that the connection ends after the pieces."""

    def handle(peer) -> None:
        receive(peer)
        for piece in pieces:
            peer.sendall(piece)

    with server(handle) as address:
        (outcome,) = asyncio.run(exchanges(address))
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def framed(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(header + b"\r\n" for header in headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    half = len(body) // 2
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:half], body[half:], b""))
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + pieces


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
@pytest.mark.parametrize("answer", [framed(BODY), chunked(BODY), b"HTTP/1.1 100 Continue\r\n\r\n" + framed(BODY)])
def test_it_does_not_matter_how_a_reply_is_cut(answer, size):
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    reply, connections = received(*pieces, times=2)
    assert (reply.status, reply.body, reply.headers["x-name"]) == (200, BODY, "value")
    assert connections == 1


def test_a_reply_without_a_length_ends_with_the_connection():
    assert ended(HEAD + b"\r\n" + BODY[:5], BODY[5:]).body == BODY


def test_a_server_that_closes_is_not_asked_again():
    reply, connections = received(framed(BODY, b"Connection: close"), times=2)
    assert (reply.body, connections) == (BODY, 2)


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"GZIP"])
def test_packed_bodies(encoding):
    packed = zlib.compress(BODY) if encoding == b"deflate" else gzip.compress(BODY)
    assert received(framed(packed, b"Content-Encoding: " + encoding))[0].body == BODY


@pytest.mark.parametrize(
    ("piece", "says"),
    [
        (b"", "the server closed the connection"),
        (HEAD, "its head was cut off"),
        (framed(BODY)[:-1], "it was cut off"),
        (chunked(BODY)[:-9], "it was cut off"),
        (b"nonsense\r\n\r\n", "what came is no HTTP"),
        (HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "what came is no HTTP|more than one length"),
        (HEAD + b"Content-Length: -1\r\n\r\nabcd", "what came is no HTTP"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{", "the connection broke, or it is no HTTP"),
        (framed(b"no gzip", b"Content-Encoding: gzip"), "it cannot be unpacked"),
        (framed(gzip.compress(BODY, mtime=0)[:-9], b"Content-Encoding: gzip"), "it cannot be unpacked"),
        (HEAD + b"Transfer-Encoding: secret\r\n\r\nwhat?", "it is encoded in an unknown way"),
        (HEAD + b"X: y\r\n" * (MAX_HEADERS + 1) + b"\r\n", "its head is too long"),
        (HEAD + b"X: " + b"y" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n", "its head is too long"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 4000 + framed(BODY), "its head is too long"),
    ],
)
def test_what_is_no_whole_reply(piece, says):
    with pytest.raises(CccConnectionError, match=f"no whole answer came: .*({says})") as caught:
        ended(piece)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("framing", [b"Content-Length: %d" % (1 << 40), b"X: to the end"])
def test_no_more_is_kept_of_a_long_body_than_is_read(framing):
    chunk = b"x" * (1 << 20)
    reply = ended(HEAD + framing + b"\r\n\r\n", *[chunk] * (MAX_ANSWER_BYTES // len(chunk) + 1))
    assert MAX_ANSWER_BYTES < len(reply.body) < MAX_ANSWER_BYTES + len(chunk)


def test_no_more_is_unpacked_than_is_read():
    reply, _ = received(framed(gzip.compress(b"0" * (4 * MAX_ANSWER_BYTES)), b"Content-Encoding: gzip"))
    assert len(reply.body) == MAX_ANSWER_BYTES + 1


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    "more", [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother", b"HTTP/1.1 200 OK\r\nContent-Le", b"nonsense", b"H"]
)
def test_what_nobody_asked_for_answers_no_later_request(more, at_once, loop):
    connections, sent = [], threading.Event()

    def handle(peer) -> None:
        connections.append(peer)
        while receive(peer):
            if at_once:
                peer.sendall(framed(BODY) + more)
            else:
                peer.sendall(framed(BODY))
                time.sleep(0.02)  # the reply is read
                peer.sendall(more)
            sent.set()

    async def main():
        mine = Exchange(PLAIN, connect_timeout=10, timeout=10)
        replies = []
        for _ in range(3):
            sent.clear()
            replies.append(await mine.send(request(address)))
            await asyncio.to_thread(sent.wait, 10)
        await mine.close()
        return replies

    with (
        server(handle) as address,
        asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as r,
    ):
        assert [reply.body for reply in r.run(main())] == [BODY] * 3
    assert len(connections) == 3


@pytest.mark.parametrize("cut", range(1, 45))
def test_the_beginning_of_what_nobody_asked_for_is_not_left_for_the_next_request(cut):
    more = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"[:cut]
    reply, connections = received(framed(BODY) + more, times=2)
    assert (reply.body, connections) == (BODY, 2)


def test_trailers_say_nothing():
    trailed = chunked(BODY)[:-2] + b"Content-Encoding: gzip\r\n" + b"X: y\r\n" * 500 + b"\r\n"
    reply, _ = received(trailed)
    assert reply.body == BODY
    assert "content-encoding" not in reply.headers


def test_headers_of_one_request_are_not_the_next_ones():
    seen = []

    def handle(peer) -> None:
        while got := receive(peer):
            seen.append(got)
            peer.sendall(framed(BODY))

    async def main():
        mine = Exchange(PLAIN, connect_timeout=10, timeout=10)
        await mine.send(request(address, b"one=1", **{"x-acs-action": "One"}))
        await mine.send(request(address, b"two=2", **{"x-acs-action": "Two"}))
        await mine.send(request(address, b"three=3"))
        await mine.close()

    with server(handle) as address:
        asyncio.run(main())
    heads = [got.partition(b"\r\n\r\n") for got in seen]
    assert [body for _, _, body in heads] == [b"one=1", b"two=2", b"three=3"]
    assert [b"x-acs-action: One" in head for head, _, _ in heads] == [True, False, False]
    assert [b"x-acs-action: Two" in head for head, _, _ in heads] == [False, True, False]
    assert all(b"Content-Type: application/x-www-form-urlencoded\r\n" in head for head, _, _ in heads)
    assert not any(word in head.lower() for head, _, _ in heads for word in (b"expect", b"accept-encoding", b"cookie"))


def test_a_request_is_never_sent_a_second_time():
    """A server that takes a request over a kept connection, and closes without an answer: who knows what it did?"""
    seen = []

    def handle(peer) -> None:
        seen.append(receive(peer))
        peer.sendall(framed(BODY))
        seen.append(receive(peer))

    with server(handle) as address:
        first, second, third = asyncio.run(exchanges(address, 3))
    assert (first.body, third.body) == (BODY, BODY)
    assert isinstance(second, CccConnectionError)
    assert second.message == "no whole answer came: the server closed the connection"
    assert len([one for one in seen if one]) == 3


def test_closing_ends_what_is_under_way_and_every_connection():
    asked, gone = threading.Event(), threading.Event()

    def handle(peer) -> None:
        receive(peer)
        asked.set()
        while peer.recv(1):
            pass
        gone.set()

    async def main():
        mine = Exchange(PLAIN, connect_timeout=10, timeout=10)
        waiting = asyncio.create_task(mine.send(request(address)))
        assert await asyncio.to_thread(asked.wait, 10)
        await mine.close()
        with pytest.raises(CccConnectionError, match="the hook was closed before an answer came"):
            await waiting
        assert await asyncio.to_thread(gone.wait, 10)

    with server(handle) as address:
        asyncio.run(main())


def test_closing_does_not_wait_for_a_name_server(monkeypatch):
    """libcurl waits when it is closed; the event loop must not."""
    monkeypatch.setattr(exchange, "_LAST_MOMENT", 0.05)
    let_go = threading.Event()

    async def main():
        mine = Exchange(PLAIN, connect_timeout=10, timeout=10)
        close, ticks = mine._multi.close, 0
        mine._multi = type("Slow", (), {"close": lambda _: (let_go.wait(10), close())})()
        closing = asyncio.create_task(mine.close())
        while not closing.done():
            await asyncio.sleep(0.005)
            ticks += 1
        let_go.set()
        return ticks

    assert asyncio.run(main()) > 2


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_whoever_is_cancelled_takes_no_one_with_it(loop):
    """Many calls, of which each third is given up at some moment, some just as their reply comes."""

    def handle(peer) -> None:
        while got := receive(peer):
            peer.sendall(framed(got.partition(b"\r\n\r\n")[2]))

    async def main():
        mine = Exchange(PLAIN, connect_timeout=10, timeout=10)

        async def one(number: int) -> None:
            body = b"number=%d" % number
            call = asyncio.create_task(mine.send(request(address, body)))
            if number % 3 == 0:
                await asyncio.sleep(number % 7 / 5000)
                call.cancel()
            try:
                assert (await call).body == body
            except asyncio.CancelledError:
                assert number % 3 == 0

        places = asyncio.Semaphore(16)

        async def placed(number: int) -> None:
            async with places:
                await one(number)

        await asyncio.gather(*map(placed, range(600)))
        await mine.close()

    with (
        server(handle) as address,
        asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as r,
    ):
        r.run(asyncio.wait_for(main(), 60))


def test_a_process_that_was_forked_makes_calls_of_its_own():
    assert received(framed(BODY))[0].body == BODY
    with server(lambda peer: receive(peer) and peer.sendall(framed(BODY))) as address:
        child = os.fork()
        if not child:
            try:
                (outcome,) = asyncio.run(exchanges(address))
                os._exit(0 if outcome.body == BODY else 1)
            except BaseException:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_neither_the_environment_nor_a_file_at_home_says_where_to_go(monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("default login me password secret")
    (tmp_path / ".curlrc").write_text("proxy = http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert received(framed(BODY))[0].body == BODY


def test_an_address_is_in_no_error():
    (outcome,) = asyncio.run(exchanges("127.0.0.1:1"))
    assert isinstance(outcome, CccError)
    assert "127.0.0.1" not in str(outcome)
    assert outcome.message == "no whole answer came: Connection refused"
