from __future__ import annotations

import contextlib
import functools
import socket
import time
from collections import Counter

import pytest
import requests
import uvicorn

from airflow_provider_ccc.simulator import app, faults
from airflow_provider_ccc.simulator.faults import Fault, Faults
from airflow_provider_ccc.simulator.server import SimulatorSettings, running


@pytest.fixture(scope="module", params=["auto", "h11"])
def faulty(request):
    """A simulator whose next faults are put into a list, on each of uvicorn's implementations of HTTP."""
    lots = []

    class Chosen:
        def __init__(self, rate, seed):
            pass

        def draw(self):
            return lots.pop(0) if lots else None

    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # only while it is built
            loop = "asyncio" if request.param == "h11" else "auto"
            patch.setattr(uvicorn, "Config", functools.partial(uvicorn.Config, http=request.param, loop=loop))
            patch.setattr(app, "Faults", Chosen)
            simulator = stack.enter_context(running(SimulatorSettings()))
        yield simulator, lots


def raw_exchange(url, parameters):
    """Send a request and read until the connection ends: what requests makes of it hides what happened."""
    prepared = requests.Request("POST", url, data=parameters).prepare()
    head = "".join(f"{name}: {value}\r\n" for name, value in prepared.headers.items())
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: {host}\r\n{head}\r\n{prepared.body}".encode())
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


def test_unavailable(faulty, ask):
    simulator, lots = faulty
    lots.append(Fault.UNAVAILABLE)
    answer = ask(url=simulator.url)
    assert (answer.status_code, answer.json()["Code"]) == (503, "ServiceUnavailable")
    assert (simulator.journal[-1].status, simulator.journal[-1].code) == (503, "ServiceUnavailable")


def test_bad_gateway(faulty, ask):
    simulator, lots = faulty
    lots.append(Fault.BAD_GATEWAY)
    answer = ask(url=simulator.url)
    assert (answer.status_code, answer.text) == (502, "<html><body>502 Bad Gateway</body></html>")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert simulator.journal[-1].code == "BadGateway"


def test_reset(faulty, sign, ask):
    simulator, lots = faulty
    lots.append(Fault.RESET)
    with pytest.raises(ConnectionResetError):
        raw_exchange(simulator.url, sign())
    assert (simulator.journal[-1].status, simulator.journal[-1].code) == (0, "ConnectionReset")
    lots.append(Fault.RESET)
    with pytest.raises(requests.ConnectionError):
        ask(url=simulator.url)
    assert ask(url=simulator.url).status_code == 200


def test_cut_off(faulty, sign, ask):
    simulator, lots = faulty
    whole = ask(url=simulator.url).content
    lots.append(Fault.CUT_OFF)
    head, _, body = raw_exchange(simulator.url, sign()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert f"content-length: {len(whole)}".encode() in head.lower()
    assert len(body) == len(whole) // 2
    assert body.startswith(b'{"RequestId":"')
    assert (simulator.journal[-1].status, simulator.journal[-1].code) == (200, "CutOff")
    lots.append(Fault.CUT_OFF)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        ask(url=simulator.url)


def test_slow(faulty, ask):
    simulator, lots = faulty
    lots.append(Fault.SLOW)
    started = time.monotonic()
    answer = ask(url=simulator.url)
    assert time.monotonic() - started >= faults.SLOWNESS
    assert answer.json()["Code"] == "OK"
    assert simulator.journal[-1].code == "OK"


def test_fault_comes_after_the_nonce_was_used(faulty, sign):
    simulator, lots = faulty
    parameters = sign()
    lots.append(Fault.BAD_GATEWAY)
    assert requests.post(simulator.url, data=parameters, timeout=10).status_code == 502
    again = requests.post(simulator.url, data=parameters, timeout=10)
    assert again.json()["Code"] == "SignatureNonceUsed"


def test_refused_requests_meet_no_fault(faulty, ask):
    simulator, lots = faulty
    lots.append(Fault.BAD_GATEWAY)
    assert ask({"AccessKeyId": "someone"}, url=simulator.url).status_code == 404
    assert lots == [Fault.BAD_GATEWAY]
    lots.clear()


def test_the_same_seed_draws_the_same_lots():
    def drawn(rate, seed):
        source = Faults(rate, seed)
        return [source.draw() for _ in range(2000)]

    assert drawn(0.2, 7) == drawn(0.2, 7)
    assert drawn(0.2, 7) != drawn(0.2, 8)
    counts = Counter(drawn(0.2, 7))
    assert 1500 < counts.pop(None) < 1700
    assert set(counts) == set(Fault)
    assert all(50 < count < 110 for count in counts.values())
    assert drawn(0, 7) == [None] * 2000
    assert None not in drawn(1, 7)


def test_rate_one_spares_nobody_over_the_wire(ask, monkeypatch, capfd):
    monkeypatch.setattr(faults, "SLOWNESS", 0.01)
    with running(SimulatorSettings(fault_rate=1.0, seed=3)) as simulator:
        for _ in range(40):
            try:
                ask(url=simulator.url)
            except requests.RequestException:
                continue
        codes = {record.code for record in simulator.journal}
        assert len(simulator.journal) == 40
    assert codes == {"ServiceUnavailable", "BadGateway", "ConnectionReset", "CutOff", "OK"}
    assert capfd.readouterr().err == ""
