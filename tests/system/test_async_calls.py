"""The asynchronous hook over real HTTP: the same answers, and the same errors for the same faults, as the other one."""

from __future__ import annotations

import asyncio
import base64
import datetime
import gc
import gzip
import ipaddress
import re
import socket
import ssl
import threading
import time
import tracemalloc
import warnings
import zlib
from contextlib import suppress

import msgspec
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.operations_2017 import ListInstancesOfUser
from airflow_provider_ccc.client.protocol import MAX_ANSWER_BYTES
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.hooks.ccc import CccAsyncHook, CccHook
from tests.raw_servers import receive, server
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID, fixture
from tests.system.test_calls import QUICK, refused_port

ONCE = RetryPolicy(attempts=1)
QUICK_TWICE = RetryPolicy(attempts=2, first_wait=0.01)
#: The documented GetInstance, whose instance is being created.
BODY = fixture("responses.json")["2017-07-05"]["GetInstance"]["json_text"].encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
LOOPS = ["asyncio", "uvloop"]


def run(coroutine, loop="asyncio"):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as runner:
        return runner.run(coroutine)


@pytest.fixture(params=["CccHook", *LOOPS])
def call(request):
    """Make one call with a hook of its own: of either kind, and the asynchronous one on either event loop."""

    def synchronously(method="get_instance", *arguments, retry=ONCE):
        return getattr(CccHook(retry=retry), method)(*arguments)

    def asynchronously(method="get_instance", *arguments, retry=ONCE):
        async def main():
            async with CccAsyncHook(retry=retry) as hook:
                return await getattr(hook, method)(*arguments)

        return run(main(), request.param)

    return synchronously if request.param == "CccHook" else asynchronously


@pytest.fixture
def nothing_left_open():
    """Refuse warnings of connections that nobody closed."""
    gc.freeze()  # what Airflow consists of would make the collection slow
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    gc.unfreeze()
    assert [str(warning.message) for warning in caught if "Unclosed" in str(warning.message)] == []


# --- against the simulator ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_every_method_gives_the_same_answer(simulate, loop):
    simulate()
    calls = [
        ("pick_outbound_numbers", CALLEE, [CANDIDATE]),
        ("pick_outbound_numbers", "+86 21 6391 4848", ["02160664656", CANDIDATE], 2),
        ("pick_global_outbound_numbers", CALLEE, ["skillgroup"]),
        ("get_instance",),
        ("get_instance", "nowhere"),
        ("list_phone_numbers",),
        ("list_phone_numbers", False),
        ("check_health",),
        ("call", ListInstancesOfUser()),
    ]

    def told(answer):
        return re.sub(r"'request_id': '[^']+'", "", str(msgspec.to_builtins(answer)))

    async def main():
        seen = []
        async with CccAsyncHook() as hook:
            for method, *arguments in calls:
                try:
                    seen.append(told(await getattr(hook, method)(*arguments)))
                except errors.CccError as error:
                    seen.append((type(error), error.code, error.message))
        return seen

    expected, hook = [], CccHook()
    for method, *arguments in calls:
        try:
            expected.append(told(getattr(hook, method)(*arguments)))
        except errors.CccError as error:
            expected.append((type(error), error.code, error.message))
    assert run(main(), loop) == expected
    assert "北京" in expected[0]
    assert CANDIDATE in expected[5]


@pytest.mark.parametrize("loop", LOOPS)
def test_five_hundred_picks_survive_faults(simulate, nothing_left_open, loop):
    simulator = simulate(fault_rate=0.3, seed=7)
    callees = [str(callee) for callee in range(13800000000, 13800000500)]

    async def main():
        waiting, resolved = iter(callees), {}

        async def work(hook):
            for callee in waiting:
                (pair,) = (await hook.pick_outbound_numbers(callee, [CANDIDATE])).pairs
                resolved[callee] = pair.callee.number

        async with CccAsyncHook(retry=QUICK) as hook:
            await asyncio.gather(*(work(hook) for _ in range(16)))
        return resolved

    assert run(main(), loop) == {callee: callee for callee in callees}
    nonces = [record.nonce for record in simulator.journal]
    assert len(nonces) > 550
    assert len(set(nonces)) == len(nonces)
    codes = {record.code for record in simulator.journal}
    assert codes == {"OK", "ServiceUnavailable", "BadGateway", "ConnectionReset", "CutOff"}


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        ({"password": "wrong-secret"}, errors.CccCredentialsError, "SignatureDoesNotMatch"),
        ({"login": "nobody"}, errors.CccCredentialsError, "InvalidAccessKeyId.NotFound"),
        (
            {"extra": {"instance_id": INSTANCE_ID, "security_token": "t"}},
            errors.CccTokenError,
            "InvalidSecurityToken.MismatchWithAccessKey",
        ),
        ({"extra": {"instance_id": "nowhere"}}, errors.CccNotFoundError, "NotExist.Instance"),
    ],
)
def test_what_is_refused_for_good_makes_one_request(simulate, connection, call, fields, kind, code):
    simulator = simulate()
    connection(host=simulator.url, **fields)
    with pytest.raises(kind) as caught:
        call("pick_outbound_numbers", CALLEE, [CANDIDATE], retry=QUICK)
    assert caught.value.code == code
    assert caught.value.request_id
    assert not caught.value.retryable
    assert [record.code for record in simulator.journal] == [code]


def test_a_wrong_secret_is_told_from_a_wrong_encoding(simulate, connection, call):
    connection(host=simulate().url, password="wrong-secret")
    with pytest.raises(errors.CccCredentialsError, match="does not belong to the AccessKey ID"):
        call()


def test_an_sts_token(simulate, connection, call):
    simulator = simulate(security_token="tok+en/==")
    connection(host=simulator.url, extra={"instance_id": INSTANCE_ID, "security_token": "tok+en/=="})
    assert call("pick_outbound_numbers", CALLEE, [CANDIDATE]).pairs


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_off_is_corrected(simulate, seconds):
    simulator = simulate(clock=lambda: time.time() + seconds)

    async def main():
        async with CccAsyncHook() as hook:
            await asyncio.gather(*(hook.get_instance() for _ in range(5)))
            at_once = len(simulator.journal)
            await hook.get_instance()
            return at_once, hook.protocol.clock_offset

    at_once, offset = run(main())
    assert abs(offset - seconds) < 5
    codes = [record.code for record in simulator.journal]
    assert (codes.count("OK"), codes[at_once:]) == (6, ["OK"])
    assert set(codes[:at_once]) == {"InvalidTimeStamp.Expired", "OK"}


def test_the_quota_is_waited_for(simulate):
    simulator = simulate(qps=5)

    async def main():
        async with CccAsyncHook(retry=RetryPolicy(first_wait=0.1)) as hook:
            return await asyncio.gather(*(hook.get_instance() for _ in range(12)))

    assert len(run(main())) == 12
    codes = [record.code for record in simulator.journal]
    assert codes.count("OK") == 12
    assert "Throttling.User" in codes


# --- against servers that are none ----------------------------------------------------------------------------------


def answering(answer=ANSWER, seen=None):
    """Give every request of a connection the same answer."""

    def handle(peer) -> None:
        while request := receive(peer):
            if seen is not None:
                seen.append(request)
            peer.sendall(answer)
            if answer is not ANSWER:
                return  # it may be told by the connection's end only

    return handle


def silence(peer) -> None:
    while peer.recv(65536):
        pass


def failing(call, kind, *, code=None, says=None, **options):
    with pytest.raises(errors.CccError, match=says) as caught:
        call(**options)
    assert type(caught.value) is kind
    assert code in (None, caught.value.code)
    if kind is not errors.CccUnreadableAnswerError:  # whose context is a parser's error
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None  # the library's error would have addresses in its text
    return caught.value


def test_nobody_listens(connection, call):
    connection(host=f"http://127.0.0.1:{refused_port()}")
    error = failing(call, errors.CccConnectionError, code="ConnectionFailed", retry=QUICK_TWICE)
    assert error.message == "no whole answer came: Connection refused"


def test_the_host_is_unknown(connection, call):
    connection(host="nowhere.invalid")
    failing(call, errors.CccConnectionError, code="ConnectionFailed", says="the host's name could not be resolved")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_answers(connection, call, nothing_left_open, scheme):
    with server(silence) as address:
        connection(host=f"{scheme}://{address}", extra={"instance_id": INSTANCE_ID, "timeout": 0.2})
        failing(call, errors.CccConnectionError, code="Timeout", says="in time", retry=QUICK_TWICE)


@pytest.mark.parametrize("length", [b"Content-Length: 1000", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_an_answer_that_never_ends(connection, call, nothing_left_open, length):
    """A server that sends a byte now and then: each arrives in time, their sum does not."""

    def trickle(peer) -> None:
        receive(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n")
        for _ in range(900):
            peer.sendall(b"1\r\n \r\n" if b"chunked" in length else b" ")
            time.sleep(0.05)

    with server(trickle) as address:
        connection(host=f"http://{address}", extra={"instance_id": INSTANCE_ID, "timeout": 0.4})
        failing(call, errors.CccConnectionError, code="Timeout", says="in time")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_head_that_never_ends(connection, nothing_left_open, loop):
    def trickle(peer) -> None:
        receive(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(900):
            peer.sendall(b"x")
            time.sleep(0.05)

    async def main():
        async with CccAsyncHook(retry=ONCE) as hook:
            await hook.get_instance()

    with server(trickle) as address:
        connection(host=f"http://{address}", extra={"instance_id": INSTANCE_ID, "timeout": 0.4})
        failing(lambda: run(main(), loop), errors.CccConnectionError, code="Timeout", says="no answer in time")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
    ids=lambda answer: repr(answer[:60]),
)
def test_an_answer_that_is_broken_off_or_garbled(connection, call, nothing_left_open, answer):
    with server(answering(answer)) as address:
        connection(host=f"http://{address}")
        failing(call, errors.CccConnectionError, code="ConnectionFailed", says="no whole answer", retry=QUICK_TWICE)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (b"HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + ANSWER, errors.CccError, "HTTP 101"),
        (b"HTTP/1.1 204 Nothing\r\n\r\n", errors.CccUnreadableAnswerError, "UnreadableAnswer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", errors.CccUnreadableAnswerError, "UnreadableAnswer"),
    ],
)
def test_an_answer_without_a_body(connection, call, nothing_left_open, answer, kind, code):
    with server(answering(answer)) as address:
        connection(host=f"http://{address}")
        failing(call, kind, code=code)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("framing", ["length", "chunks", "end"])
def test_an_answer_in_small_pieces(connection, call, nothing_left_open, framing, compressed):
    body = gzip.compress(BODY) if compressed else BODY
    head = b"HTTP/1.1 200 OK\r\n" + (b"Content-Encoding: gzip\r\n" if compressed else b"")
    if framing == "length":
        pieces = [head, b"Content-Length: %d\r\n\r\n" % len(body), *(body[i : i + 7] for i in range(0, len(body), 7))]
    elif framing == "chunks":
        chunks = (body[i : i + 7] for i in range(0, len(body), 7))
        pieces = [head, b"Transfer-Encoding: chunked\r\n\r\n", *(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)]
        pieces.append(b"0\r\n\r\n")
    else:
        pieces = [head, b"\r\n", *(body[i : i + 7] for i in range(0, len(body), 7))]

    def handle(peer) -> None:
        receive(peer)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            peer.sendall(piece)
            time.sleep(0.0002)

    with server(handle) as address:
        connection(host=f"http://{address}")
        assert call().status == "Creating"


@pytest.mark.parametrize("framing", [b"Content-Length: 100000000", b"Transfer-Encoding: chunked", b"X: to the end"])
def test_a_hundred_megabytes_are_not_read(connection, call, nothing_left_open, framing):
    sent = []

    def handle(peer) -> None:
        receive(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        megabyte = b" " * 1_000_000
        for _ in range(100):
            peer.sendall(b"%x\r\n%s\r\n" % (len(megabyte), megabyte) if b"chunked" in framing else megabyte)
            sent.append(len(megabyte))

    with server(handle) as address:
        connection(host=f"http://{address}")
        failing(call, errors.CccUnexpectedAnswerError, says="larger than")
    assert MAX_ANSWER_BYTES - 1_000_000 < sum(sent) < 50_000_000  # and what sockets buffer


@pytest.mark.parametrize("framing", [b"Content-Length: %d", b"X: to the end, %d"])
def test_a_large_answer_that_is_packed_small_is_not_unpacked(connection, call, nothing_left_open, framing):
    """A server that answers with blanks, compressed a thousandfold."""
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(200)) + packer.flush()
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + framing % len(packed) + b"\r\n\r\n"
    with server(answering(head + packed)) as address:
        connection(host=f"http://{address}")
        tracemalloc.start()
        failing(call, errors.CccUnexpectedAnswerError, says="larger than")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert MAX_ANSWER_BYTES < peak < 8 * MAX_ANSWER_BYTES


@pytest.mark.parametrize("loop", LOOPS)
def test_two_lengths_cannot_smuggle_a_large_answer_in(connection, nothing_left_open, loop):
    """A short Content-Length beside chunks without an end: the chunks count, as RFC 9112 has it, and are bounded."""

    def handle(peer) -> None:
        receive(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            peer.sendall(b"f4240\r\n" + b" " * 1_000_000 + b"\r\n")

    async def main():
        async with CccAsyncHook(retry=ONCE) as hook:
            await hook.get_instance()

    with server(handle) as address:
        connection(host=f"http://{address}")
        failing(lambda: run(main(), loop), errors.CccUnexpectedAnswerError, says="larger than")


@pytest.mark.parametrize("location", [b"/elsewhere", b"http://[::1", b"https://elsewhere.invalid/"])
def test_neither_a_redirect_nor_its_body_is_followed(connection, call, nothing_left_open, location):
    seen = []
    answer = b"HTTP/1.1 307 Moved\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    with server(answering(answer, seen)) as address:
        connection(host=f"http://{address}")
        failing(call, errors.CccError, says="redirects are not followed")
    assert len(seen) == 1


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Write a certificate of 127.0.0.1, signed by itself, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "own")])
    hosts = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - datetime.timedelta(1), now.replace(year=2100))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(hosts, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form))
    return str(path)


@pytest.fixture
def tls(certificate):
    """What a server needs for TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_that_is_not_trusted(connection, call, nothing_left_open, tls):
    with server(answering(), tls) as address:
        connection(host=f"https://{address}")
        error = failing(call, errors.CccCertificateError, code="CertificateNotTrusted", retry=QUICK)
    assert "check host and verify" in error.message


def test_a_certificate_that_is_trusted(connection, call, monkeypatch, tls, certificate):
    with server(answering(), tls) as address:
        for extra in ({"verify": certificate}, {"verify": False}):
            connection(host=f"https://{address}", extra={"instance_id": INSTANCE_ID} | extra)
            assert call().status == "Creating"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
        connection(host=f"https://{address}")
        assert call().status == "Creating"


def test_a_certificate_of_another_host(connection, call, tls, certificate):
    with server(answering(), tls) as address:
        host = address.replace("127.0.0.1", "localhost")
        connection(host=f"https://{host}", extra={"instance_id": INSTANCE_ID, "verify": certificate})
        failing(call, errors.CccCertificateError, code="CertificateNotTrusted")


def test_a_server_that_asks_for_a_client_certificate(connection, call, tls, certificate):
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(certificate)
    with server(answering(), tls) as address:
        extra = {"instance_id": INSTANCE_ID, "verify": certificate}
        connection(host=f"https://{address}", extra=extra)
        failing(call, errors.CccConnectionError, code="ConnectionFailed")
        for cert in (certificate, [certificate, certificate]):
            connection(host=f"https://{address}", extra=extra | {"cert": cert})
            assert call().status == "Creating"


def test_tls_against_a_plain_server(connection, call, simulate):
    connection(host=simulate().url.removeprefix("http://"))
    failing(call, errors.CccParameterError, says="host: does not speak TLS; if plain http is meant")


def test_plain_http_against_a_tls_server(connection, call, nothing_left_open, tls):
    with server(answering(), tls) as address:
        connection(host=f"http://{address}")
        failing(call, errors.CccConnectionError, code="ConnectionFailed", says="no whole answer came")


# --- proxies --------------------------------------------------------------------------------------------------------


def forwarding(seen):
    """Be a proxy that asks for no name: wherever it should go, it goes to the port that the request names."""

    def handle(peer) -> None:
        if not (request := receive(peer)):
            return  # the client is gone
        seen.append(request)
        port = int(re.search(rb":(\d+)[ /]", request.split(b"\r\n")[0])[1])
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            if request.startswith(b"CONNECT"):
                peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                upstream.sendall(request)
            back = threading.Thread(target=pump, args=(upstream, peer), daemon=True)
            back.start()
            pump(peer, upstream)
            back.join()

    return handle


def socks(asked):
    """Be a SOCKS 5 proxy (RFC 1928, RFC 1929) that goes to this machine, whatever the host's name."""

    def handle(peer) -> None:
        _, methods = peer.recv(2)
        peer.recv(methods)
        peer.sendall(b"\x05\x02")
        user = peer.recv(peer.recv(2)[1])
        password = peer.recv(peer.recv(1)[0])
        peer.sendall(b"\x01\x00")
        kind = peer.recv(4)[3]
        host = socket.inet_ntoa(peer.recv(4)).encode() if kind == 1 else peer.recv(peer.recv(1)[0])
        asked.append((user, password, host))
        port = int.from_bytes(peer.recv(2), "big")
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            peer.sendall(b"\x05\x00\x00\x01" + bytes(6))
            back = threading.Thread(target=pump, args=(upstream, peer), daemon=True)
            back.start()
            pump(peer, upstream)
            back.join()

    return handle


def pump(source, target) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


async def asynchronously():
    async with CccAsyncHook(retry=ONCE) as hook:
        return await hook.get_instance()


def port_of(address):
    return address.rpartition(":")[2]


def test_plain_requests_through_a_proxy(connection, call):
    seen = []
    with server(forwarding(seen)) as proxy, server(answering()) as address:
        extra = {"instance_id": INSTANCE_ID, "proxy": f"http://user:p%40ss@{proxy}"}
        connection(host=f"http://ccc.invalid:{port_of(address)}", extra=extra)
        assert call().status == "Creating"
    (request,) = seen
    assert request.startswith(b"POST http://ccc.invalid:%s/?Action=GetInstance&" % port_of(address).encode())
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:p@ss") in request


def test_tls_through_a_proxy(connection, call, tls, certificate):
    seen, inside = [], []
    with server(forwarding(seen)) as proxy, server(answering(seen=inside), tls) as address:
        extra = {"instance_id": INSTANCE_ID, "proxy": f"http://user:pass@{proxy}", "verify": certificate}
        connection(host=f"https://{address}", extra=extra)
        assert call().status == "Creating"
        connection(host=f"https://ccc.invalid:{port_of(address)}", extra=extra)
        failing(call, errors.CccCertificateError, code="CertificateNotTrusted")
    assert seen[0].startswith(b"CONNECT %s HTTP/1." % address.encode())
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:pass") in seen[0]
    assert len(inside) == 1
    assert b"proxy-authorization" not in inside[0].lower()
    assert b"Signature" not in b"".join(seen)


@pytest.mark.parametrize("loop", LOOPS)
def test_tls_through_a_socks_proxy_that_resolves_the_name(connection, tls, certificate, loop):
    asked, inside = [], []
    with server(socks(asked)) as proxy, server(answering(seen=inside), tls) as address:
        extra = {"instance_id": INSTANCE_ID, "proxy": f"socks5h://user:pass@{proxy}", "verify": certificate}
        connection(host=f"https://{address}", extra=extra)
        assert run(asynchronously(), loop).status == "Creating"
        connection(host=f"https://ccc.invalid:{port_of(address)}", extra=extra)
        failing(lambda: run(asynchronously(), loop), errors.CccCertificateError, code="CertificateNotTrusted")
    assert asked == [(b"user", b"pass", b"127.0.0.1"), (b"user", b"pass", b"ccc.invalid")]
    assert len(inside) == 1


def test_a_socks_proxy_that_refuses(connection):
    with server(lambda peer: peer.recv(100) and peer.sendall(b"\x05\xff")) as proxy:
        connection(extra={"instance_id": INSTANCE_ID, "proxy": f"socks5://user:wrong-pass@{proxy}"})
        error = failing(lambda: run(asynchronously()), errors.CccConnectionError, code="ConnectionFailed")
    assert error.message == "the proxy could not be reached, or refused"


@pytest.mark.parametrize("target", ["plain", "tls"])
def test_through_a_proxy_that_speaks_tls(connection, tls, certificate, target):
    seen, inside = [], []
    with server(forwarding(seen), tls) as proxy, server(answering(seen=inside), tls if target == "tls" else None) as to:
        scheme = "https" if target == "tls" else "http"
        extra = {"instance_id": INSTANCE_ID, "proxy": f"https://user:pass@{proxy}", "verify": certificate}
        connection(host=f"{scheme}://{to}", extra=extra)
        assert run(asynchronously()).status == "Creating"
        connection(host=f"{scheme}://{to}", extra=extra | {"verify": True})
        failing(lambda: run(asynchronously()), errors.CccCertificateError, code="CertificateNotTrusted")
    assert [len(list(filter(None, requests))) for requests in (seen, inside)] == [1, 1]
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:pass") in seen[0]


@pytest.mark.parametrize("status", [b"403 Forbidden", b"407 Proxy Authentication Required", b"502 Bad Gateway"])
def test_a_proxy_that_refuses(connection, call, nothing_left_open, status):
    with server(answering(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")) as proxy:
        extra = {"instance_id": INSTANCE_ID, "proxy": f"http://user:wrong-pass@{proxy}"}
        connection(extra=extra)
        error = failing(call, errors.CccConnectionError, code="ConnectionFailed")
    assert error.message == "the proxy could not be reached, or refused"


@pytest.mark.parametrize("host", ["http://ccc.invalid", "https://ccc.invalid"])
@pytest.mark.parametrize("proxy", ["refused", "unknown"])
def test_a_proxy_that_cannot_be_reached(connection, call, host, proxy):
    address = f"127.0.0.1:{refused_port()}" if proxy == "refused" else "nowhere.invalid:3128"
    connection(host=host, extra={"instance_id": INSTANCE_ID, "proxy": f"http://user:pass@{address}"})
    error = failing(call, errors.CccConnectionError, code="ConnectionFailed")
    assert error.message == "the proxy could not be reached, or refused"


def test_a_proxy_that_never_answers(connection, call, nothing_left_open):
    with server(silence) as proxy:
        connection(extra={"instance_id": INSTANCE_ID, "proxy": f"http://{proxy}", "timeout": 0.2})
        failing(call, errors.CccConnectionError, code="Timeout", says="in time")


@pytest.mark.parametrize("proxy", ["http://", "http://[::1", "http://user:pass@127.0.0.1:99999"])
def test_a_proxy_that_is_no_address(connection, call, proxy):
    connection(extra={"instance_id": INSTANCE_ID, "proxy": proxy})
    failing(call, errors.CccParameterError, says="host or proxy: is not a valid address")


def test_the_environments_proxies(connection, call, monkeypatch):
    seen = []
    with server(forwarding(seen)) as proxy, server(answering()) as address:
        host = f"http://ccc.invalid:{port_of(address)}"
        connection(host=host)
        for value in (f"http://{proxy}", proxy):
            monkeypatch.setenv("http_proxy", value)
            assert call().status == "Creating"
        assert len(seen) == 2
        monkeypatch.setenv("no_proxy", "ccc.invalid")
        failing(call, errors.CccConnectionError, says="name could not be resolved")
        monkeypatch.delenv("no_proxy")
        connection(host=host, extra={"instance_id": INSTANCE_ID, "trust_env": False})
        failing(call, errors.CccConnectionError, says="name could not be resolved")
    assert len(seen) == 2


# --- many calls, and calls that are given up ------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_many_calls_share_connections(connection, nothing_left_open, loop):
    connections, most = [], 8

    def handle(peer) -> None:
        connections.append(peer)
        while receive(peer):
            time.sleep(0.002)  # so that others are asked meanwhile
            peer.sendall(ANSWER)

    async def main():
        async with CccAsyncHook(retry=ONCE) as hook:
            for _ in range(20):
                await hook.get_instance()
            one_by_one = len(connections)
            places = asyncio.Semaphore(most)

            async def one():
                async with places:
                    return (await hook.get_instance()).status

            return one_by_one, set(await asyncio.gather(*(one() for _ in range(200))))

    with server(handle) as address:
        connection(host=f"http://{address}")
        one_by_one, statuses = run(main(), loop)
    assert (one_by_one, statuses) == (1, {"Creating"})
    assert 1 < len(connections) <= most


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 200 OK\r\n\r\n{"])
def test_a_call_that_is_cancelled(connection, nothing_left_open, loop, begun):
    """It ends at once and closes its connection; other calls of the hook, before and after, do not notice."""
    asked, gone = threading.Event(), threading.Event()

    def handle(peer) -> None:
        while request := receive(peer):
            if b"InstanceId=slow" not in request:
                peer.sendall(ANSWER)
                continue
            peer.sendall(begun)
            asked.set()
            while peer.recv(65536):
                pass
            gone.set()
            return

    async def main():
        async with CccAsyncHook(retry=QUICK) as hook:
            await hook.get_instance()
            slow = asyncio.create_task(hook.get_instance("slow"))
            assert await asyncio.to_thread(asked.wait, 30)
            beside = await hook.get_instance()
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            assert slow.cancelled()
            assert await asyncio.to_thread(gone.wait, 30), "its connection is still open"
            after = await hook.get_instance()
            return beside.status, after.status

    with server(handle) as address:
        connection(host=f"http://{address}")
        assert run(main(), loop) == ("Creating", "Creating")


def test_a_callers_own_time_limit(connection, nothing_left_open):
    async def main():
        async with CccAsyncHook() as hook, asyncio.timeout(0.2):
            await hook.get_instance()

    with server(silence) as address:
        connection(host=f"http://{address}")
        with pytest.raises(TimeoutError) as caught:
            run(main())
    assert not isinstance(caught.value, errors.CccError)


def test_a_call_that_is_cancelled_while_it_waits_to_try_again(simulate):
    simulator = simulate(fault_rate=1.0, seed=1)

    async def main():
        patient = RetryPolicy(seconds=1e9, first_wait=1e6, longest_wait=1e6)
        async with CccAsyncHook(retry=patient) as hook, asyncio.timeout(2):
            await hook.get_instance()

    with pytest.raises(TimeoutError):
        run(main())
    assert len(simulator.journal) == 1


@pytest.mark.parametrize("loop", LOOPS)
def test_one_calls_fault_is_no_others(connection, nothing_left_open, loop):
    def handle(peer) -> None:
        while request := receive(peer):
            if b"InstanceId=bad" in request:
                return
            peer.sendall(ANSWER)

    async def main():
        async with CccAsyncHook(retry=ONCE) as hook:
            names = ["bad" if number % 3 == 0 else "good" for number in range(60)]
            calls = (hook.get_instance(name) for name in names)
            return names, await asyncio.gather(*calls, return_exceptions=True)

    with server(handle) as address:
        connection(host=f"http://{address}")
        names, ended = run(main(), loop)
    for name, one in zip(names, ended, strict=True):
        assert isinstance(one, errors.CccConnectionError) == (name == "bad"), (name, one)


def test_an_idle_connection_that_the_server_closed_is_replaced(connection):
    """The call that finds out fails over to a new attempt, signed anew."""
    seen = []

    def handle(peer) -> None:
        seen.append(receive(peer))
        peer.sendall(ANSWER)

    async def main():
        async with CccAsyncHook(retry=QUICK) as hook:
            return [(await hook.get_instance()).status for _ in range(10)]

    with server(handle) as address:
        connection(host=f"http://{address}")
        assert run(main()) == ["Creating"] * 10
    nonces = {re.search(rb"SignatureNonce=(\w+)", request)[1] for request in seen if request}
    assert len(nonces) == len([request for request in seen if request]) == 10
