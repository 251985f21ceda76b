"""Neither secrets nor phone numbers come out, whatever goes wrong, with every logger at DEBUG."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, quote, quote_plus

import pytest

from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.support import fixture

SECRET, TOKEN = "s3cr+t/Val ue&=", "tok+en/==with space"
PROXY_AUTHORIZATION = base64.b64encode(f"user:{SECRET}".encode()).decode()
NUMBERS = ["165787876896", "01089767654", "02160664656", "021-6066-4656"]
CODES = [
    entry["code"].replace("{ParameterName}", "CalleeNumber").replace("{Name}", "CalleeNumber")
    for entry in fixture("errors.json")["taxonomy"]
]


class Echo(BaseHTTPRequestHandler):
    """Refuses everything, with a message that repeats all that was sent, raw and decoded."""

    signatures: ClassVar[set[str]] = set()
    codes: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.signatures.add(form["Signature"])
        self.codes.add(form["InstanceId"])
        decoded = " ".join(f"{name}={value}" for name, value in form.items())
        answer = {"Code": form["InstanceId"], "RequestId": "REQ-1", "Message": f"no: {decoded} own 02589767650"}
        if form["InstanceId"] == "SignatureDoesNotMatch":
            answer["Message"] = f"server string to sign is:POST&%2F&{quote(body, safe='')} {decoded}"
        sent = json.dumps(answer).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def output() -> Iterator[str]:
    """What a process prints that runs everything."""
    echo = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    settings = SimulatorSettings(access_key_secret=SECRET, security_token=TOKEN)
    with running(settings) as simulator:
        url = f"http://127.0.0.1:{echo.server_address[1]}"
        script = Path(__file__).with_name("leaky_run.py")
        done = subprocess.run(
            [sys.executable, str(script), url, simulator.url, SECRET, TOKEN, *CODES],
            env=os.environ | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        echo.shutdown()
        echo.server_close()
        assert done.returncode == 0, done.stderr[-3000:]
        yield done.stdout + done.stderr, {record.parameters["Signature"] for record in simulator.journal}


def forms(text: str) -> set[str]:
    """A text as it may appear: as it is, and encoded once or twice in each way."""
    once = {text, quote(text, safe=""), quote(text), quote_plus(text), json.dumps(text)[1:-1]}
    return once | {quote(form, safe="") for form in once}


@pytest.mark.parametrize("hidden", [SECRET, TOKEN, PROXY_AUTHORIZATION, *NUMBERS, "2589767650"])
def test_nothing_hidden_is_printed(output, hidden):
    text, _ = output
    for form in forms(hidden):
        assert form not in text, text[max(0, text.index(form) - 500) :][:1000]


def test_no_signature_is_printed(output):
    text, signatures = output
    assert len(signatures | Echo.signatures) > 100
    for signature in signatures | Echo.signatures:
        for form in forms(signature):
            assert form not in text


def test_what_is_printed_is_worth_searching(output):
    text, _ = output
    assert Echo.codes == set(CODES)  # every one was asked for over the wire
    for code in CODES:
        assert f"=== {code}: operator" in text
        assert f"=== {code}: asynchronous" in text
    for expected in (
        "165****6896",  # shortened, as logs show it
        "021****4656",
        "025****7650",  # one that only the service knew
        "REQ-1",
        "POST /?Action=PickOutboundNumbers&Version=2017-07-05",  # urllib3, at DEBUG
        "Sending 'POST' to url",
        "Callee 165****6896 is called from",
        "Connection refused",
        "Using selector: ",  # asyncio, at DEBUG
        "result=PickedNumbers",  # a task that asyncio logged, with what it returned
        "Task exception was never retrieved",
        "the proxy could not be reached, or refused",
        "host or proxy: is not a valid address",
        "Traceback (most recent call last)",
        "accepts the AccessKey",
        "check the AccessKey Secret (password) first",
    ):
        assert expected in text, expected
