"""The hook against the simulator, over real HTTP."""

from __future__ import annotations

import gzip
import html
import re
import shlex
import socket
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.protocol import MAX_ANSWER_BYTES
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.hooks.ccc import CccHook
from tests.raw_servers import server
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID, fixture

#: As the default, but for waits that a test can afford.
QUICK = RetryPolicy(first_wait=0.01, longest_wait=0.2)


def instance_file(**changes):
    return {
        "instances": [
            {
                "instance_id": INSTANCE_ID,
                "name": "n",
                "status": "Running",
                "phone_numbers": [{"number": CANDIDATE, "usage": "Bidirection"}],
            }
            | changes
        ]
    }


def test_the_seeds_own_example(simulate):
    simulate()
    picked = CccHook().pick_outbound_numbers(CALLEE, [CANDIDATE])
    assert [pair.as_dict() for pair in picked.pairs] == [
        {
            "callee": {"number": CALLEE, "city": "北京", "province": "北京"},
            "caller": {"number": CANDIDATE, "city": "北京", "province": "北京"},
        }
    ]
    assert picked.request_id


def test_every_operation(simulate):
    simulate()
    hook = CccHook()
    assert hook.get_instance().instance_id == INSTANCE_ID
    numbers = hook.list_phone_numbers()
    assert CANDIDATE in [number.number for number in numbers]
    assert all(number.allow_outbound for number in numbers)
    assert len(hook.list_phone_numbers(outbound_only=False)) > len(numbers)
    health = hook.check_health(candidate_numbers=[CANDIDATE], min_outbound_numbers=3)
    assert health.ready
    assert health.outbound_numbers == len(numbers)
    works, message = hook.test_connection()
    assert (works, "accepts the AccessKey" in message) == (True, True)


def test_the_callers_city_is_the_callees(simulate):
    simulate()
    hook = CccHook()
    candidates = [number.number for number in hook.list_phone_numbers()]
    for callee, city in {"13800138000": "北京", "+86 21 6391 4848": "上海", "0571-8515-0000": "杭州"}.items():
        (pair,) = hook.pick_outbound_numbers(callee, candidates).pairs
        assert (pair.callee.city, pair.caller.city) == (city, city)
    assert len(hook.pick_outbound_numbers("13800138000", candidates, count=3).pairs) == 3


def test_the_connections_on_the_simulators_page_work(simulate, monkeypatch):
    # A token with everything in it that a URI writes in another way.
    simulator = simulate(access_key_secret="a/b:c@d?e=f&g", security_token="tok+en/==")
    page = html.unescape(requests.get(simulator.url, timeout=10).text)
    lines = re.findall(r"<pre>(export .*?)</pre>", page)
    assert len(lines) == 2
    for line in lines:
        name, _, value = shlex.split(line)[1].partition("=")
        monkeypatch.setenv(name, value)
        assert CccHook().get_instance().instance_id == INSTANCE_ID


def test_five_hundred_picks_survive_faults(simulate):
    simulator = simulate(fault_rate=0.3, seed=7)
    hooks = threading.local()

    def pick(callee: int) -> str:
        if not hasattr(hooks, "own"):
            hooks.own = CccHook(retry=QUICK)
        (pair,) = hooks.own.pick_outbound_numbers(str(callee), [CANDIDATE]).pairs
        return pair.callee.number

    callees = range(13800000000, 13800000500)
    with ThreadPoolExecutor(8) as pool:
        resolved = list(pool.map(pick, callees))
    assert resolved == [str(callee) for callee in callees]
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
def test_what_is_refused_for_good_makes_one_request(simulate, connection, fields, kind, code):
    simulator = simulate()
    connection(host=simulator.url, **fields)
    with pytest.raises(kind) as caught:
        CccHook().pick_outbound_numbers(CALLEE, [CANDIDATE])
    assert caught.value.code == code
    assert caught.value.request_id
    assert not caught.value.retryable
    assert [record.code for record in simulator.journal] == [code]


def test_a_wrong_secret_is_told_from_a_wrong_encoding(simulate, connection):
    connection(host=simulate().url, password="wrong-secret")
    with pytest.raises(errors.CccCredentialsError, match="does not belong to the AccessKey ID"):
        CccHook().get_instance()
    works, message = CccHook().test_connection()
    assert not works
    assert "Check password (AccessKey Secret)." in message


@pytest.mark.parametrize(
    ("changes", "kind", "retryable"),
    [
        ({"status": "Creating"}, errors.CccInstanceCreatingError, True),
        ({"state": "ceased"}, errors.CccInstanceUnavailableError, False),
        ({"state": "disabled"}, errors.CccInstanceUnavailableError, False),
    ],
)
def test_an_instance_that_is_not_normal(simulate, changes, kind, retryable):
    simulate(instance=instance_file(**changes))
    with pytest.raises(kind) as caught:
        CccHook(retry=QUICK).pick_outbound_numbers(CALLEE, [CANDIDATE])
    assert caught.value.retryable is retryable


def test_an_sts_token(simulate, connection):
    simulator = simulate(security_token="tok+en/==")
    connection(host=simulator.url, extra={"instance_id": INSTANCE_ID, "security_token": "tok+en/=="})
    assert CccHook().pick_outbound_numbers(CALLEE, [CANDIDATE]).pairs
    connection(host=simulator.url)
    with pytest.raises(errors.CccCredentialsError):
        CccHook().get_instance()


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_off_is_corrected_once(simulate, seconds):
    simulator = simulate(clock=lambda: time.time() + seconds)
    hook = CccHook()
    assert hook.get_instance().instance_id == INSTANCE_ID
    assert hook.get_instance().instance_id == INSTANCE_ID
    assert [record.code for record in simulator.journal] == ["InvalidTimeStamp.Expired", "OK", "OK"]
    assert abs(hook.protocol.clock_offset - seconds) < 5


def test_the_quota_is_waited_for(simulate):
    simulator = simulate(qps=5)
    hook = CccHook(retry=RetryPolicy(first_wait=0.1))
    for _ in range(12):
        assert hook.get_instance()
    codes = [record.code for record in simulator.journal]
    assert codes.count("OK") == 12
    assert "Throttling.User" in codes


# --- servers that are none ------------------------------------------------------------------------------------------


def refused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_nobody_listens(connection):
    connection(host=f"http://127.0.0.1:{refused_port()}")
    with pytest.raises(errors.CccConnectionError, match="Connection refused"):
        CccHook(retry=RetryPolicy(attempts=2, first_wait=0.01)).get_instance()
    works, message = CccHook().test_connection()
    assert not works
    assert "Check host (Endpoint), port and region_id" in message


def test_the_host_is_unknown(connection):
    connection(host="nowhere.invalid")
    with pytest.raises(errors.CccConnectionError):
        CccHook(retry=RetryPolicy(attempts=1)).get_instance()


def test_tls_is_spoken_by_default(simulate, connection):
    connection(host=simulate().url.removeprefix("http://"))
    with pytest.raises(errors.CccParameterError, match="host: does not speak TLS"):
        CccHook().get_instance()


def test_a_server_that_never_answers(connection):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        extra = {"instance_id": INSTANCE_ID, "timeout": 0.2}
        connection(host=f"http://127.0.0.1:{listener.getsockname()[1]}", extra=extra)
        with pytest.raises(errors.CccConnectionError, match="no answer in time") as caught:
            CccHook(retry=RetryPolicy(attempts=2, first_wait=0.01)).get_instance()
        assert caught.value.code == "Timeout"


@contextmanager
def raw_server(respond):
    """Read a request of each connection, and let `respond` write what it likes."""

    def handle(peer: socket.socket) -> None:
        peer.recv(65536)
        respond(peer)

    with server(handle) as address:
        yield f"http://{address}"


@pytest.mark.parametrize("length", [b"Content-Length: 1000", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_an_answer_that_never_ends(connection, length):
    """A server that sends a byte now and then: each arrives in time, their sum does not."""

    def respond(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n")
        for _ in range(1000):
            peer.sendall(b"1\r\n \r\n" if b"chunked" in length else b" ")
            time.sleep(0.05)

    with raw_server(respond) as url:
        connection(host=url, extra={"instance_id": INSTANCE_ID, "timeout": 0.4})
        with pytest.raises(errors.CccConnectionError, match="did not end in time"):
            CccHook(retry=RetryPolicy(attempts=1)).get_instance()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_an_answer_that_is_broken_off_or_garbled(connection, answer):
    with raw_server(lambda peer: peer.sendall(answer)) as url:
        connection(host=url)
        with pytest.raises(errors.CccTransientError):
            CccHook(retry=RetryPolicy(attempts=2, first_wait=0.01)).get_instance()


def test_a_compressed_answer_in_small_pieces(connection):
    packed = gzip.compress(fixture("responses.json")["2017-07-05"]["GetInstance"]["json_text"].encode())

    def respond(peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed))
        for byte in packed:
            peer.sendall(bytes([byte]))
            time.sleep(0.0005)

    with raw_server(respond) as url:
        connection(host=url)
        assert CccHook(retry=RetryPolicy(attempts=1)).get_instance().status == "Creating"


@pytest.mark.parametrize("location", [b"/elsewhere", b"http://[::1", b"https://elsewhere.invalid/"])
def test_neither_a_redirect_nor_its_body_is_followed(connection, location):
    sent = []

    def respond(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 307 Moved\r\nLocation: " + location + b"\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(100):
            peer.sendall(b" " * 1_000_000)
            sent.append(1_000_000)

    with raw_server(respond) as url:
        connection(host=url)
        with pytest.raises(errors.CccError):
            CccHook(retry=RetryPolicy(attempts=1)).get_instance()
    assert sum(sent) < 50_000_000


def test_a_hundred_megabytes_are_not_read(connection):
    sent = []

    def respond(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(100):
            peer.sendall(b" " * 1_000_000)
            sent.append(1_000_000)

    with raw_server(respond) as url:
        connection(host=url)
        with pytest.raises(errors.CccUnexpectedAnswerError, match="larger than"):
            CccHook().get_instance()
    assert MAX_ANSWER_BYTES - 1_000_000 < sum(sent) < 50_000_000  # and what sockets buffer


def test_a_large_answer_that_is_packed_small_is_not_unpacked(connection):
    """A server that answers with blanks, compressed a thousandfold."""
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(200)) + packer.flush()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    with raw_server(lambda peer: peer.sendall(head + packed)) as url:
        connection(host=url)
        with pytest.raises(errors.CccUnexpectedAnswerError, match="larger than"):
            CccHook().get_instance()
