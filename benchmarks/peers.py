"""The peers that live in Airflow's own environment: the batch operator, and whatever else can call CCC from there."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import shutil
import ssl
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

from benchmarks.child import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    CANDIDATES,
    INSTANCE_ID,
    Prepare,
    Run,
    Target,
    main,
    resolves,
)

if TYPE_CHECKING:
    from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator

#: An Airflow connection; the parent sets it, with the server's address, in the environment.
HTTP_CONNECTION = "ccc_over_http"

FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


def parameters(callee: str) -> dict[str, str]:
    """Return what is sent to pick a number, but for the signature."""
    numbered = {f"CandidateNumber.{place}": number for place, number in enumerate(CANDIDATES, start=1)}
    return {"InstanceId": INSTANCE_ID, "CalleeNumber": callee, "Count": "1", **numbered}


# --- the provider -----------------------------------------------------------------------------------------------------


def batch(target: Target) -> Prepare:
    """Run the batch operator from a CSV file to part files: everything inside ``execute``."""
    from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator

    runs = tempfile.TemporaryDirectory()

    def prepare(callees: range) -> Run:
        for before in Path(runs.name).iterdir():
            shutil.rmtree(before)
        place = Path(tempfile.mkdtemp(dir=runs.name))
        source = place / "callees.csv"
        with source.open("w", encoding="ascii") as file:
            file.write("callee\n")
            file.writelines(f"{callee}\n" for callee in callees)
        operator = CccPickOutboundNumbersBatchOperator(
            task_id="pick",
            callees=str(source),
            output_path=str(place / "output"),
            candidate_numbers=CANDIDATES,
            concurrency=target.concurrency,
        )
        return lambda: _executed(operator)

    return prepare


def _executed(operator: CccPickOutboundNumbersBatchOperator) -> tuple[int, dict[str, object]]:
    manifest: dict[str, Any] = operator.execute({})
    return manifest["resolved"], {"manifest": {name: count for name, count in manifest.items() if type(count) is int}}


def hook(target: Target) -> Prepare:
    """Call the hook in a loop: one hook, which keeps one session."""
    from airflow_provider_ccc.hooks.ccc import CccHook

    one = CccHook()

    def resolve(callees: range) -> int:
        return sum(len(one.pick_outbound_numbers(str(callee), CANDIDATES).pairs) for callee in callees)

    return lambda callees: resolves(lambda: resolve(callees))


# --- what one would write without it ----------------------------------------------------------------------------------


def _encode(text: str) -> str:
    return quote(text, safe="~")


def signed(method: str, form: dict[str, str]) -> dict[str, str]:
    """Sign parameters by hand (signature 1.0), as Alibaba Cloud's documentation describes it."""
    whole = {
        **form,
        "Action": "PickOutboundNumbers",
        "Version": "2017-07-05",
        "Format": "JSON",
        "AccessKeyId": ACCESS_KEY_ID,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    query = "&".join(f"{_encode(name)}={_encode(value)}" for name, value in sorted(whole.items()))
    text = f"{method}&{_encode('/')}&{_encode(query)}"
    digest = hmac.new(f"{ACCESS_KEY_SECRET}&".encode(), text.encode(), hashlib.sha1).digest()
    return {**whole, "Signature": base64.b64encode(digest).decode()}


def requests_by_hand(target: Target) -> Prepare:
    """Use a requests session, signing by hand."""
    import requests

    session = requests.Session()
    session.verify = target.ca or True

    def call(callee: str) -> int:
        answer = session.post(target.url, data=signed("POST", parameters(callee)), timeout=10)
        answer.raise_for_status()
        return len(answer.json()["DialNumberPairs"]["DialNumberPair"])

    return lambda callees: resolves(lambda: sum(call(str(callee)) for callee in callees))


def http_hook(target: Target) -> Prepare:
    """Use providers-http's HttpHook: ``run`` for each call, with a connection, and an auth type that signs."""
    from airflow.providers.http.hooks.http import HttpHook
    from requests import PreparedRequest
    from requests.auth import AuthBase

    class Signature(AuthBase):
        """Is made by the hook, with the connection's login and password, for each call."""

        def __init__(self, login: str, password: str) -> None:
            pass

        def __call__(self, request: PreparedRequest) -> PreparedRequest:
            body = request.body.decode() if isinstance(request.body, bytes) else request.body
            request.prepare_body(urlencode(signed("POST", dict(parse_qsl(body)))), None)
            return request

    one = HttpHook("POST", HTTP_CONNECTION, auth_type=Signature)

    def call(callee: str) -> int:
        answer = one.run("/", data=parameters(callee), headers=FORM_HEADERS)
        return len(answer.json()["DialNumberPairs"]["DialNumberPair"])

    return lambda callees: resolves(lambda: sum(call(str(callee)) for callee in callees))


def bare_aiohttp(target: Target) -> Prepare:
    """Send the same bytes again and again, sign nothing, parse nothing: what aiohttp itself costs, on uvloop."""
    import aiohttp
    import uvloop

    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    tls: ssl.SSLContext | bool = ssl.create_default_context(cafile=target.ca) if target.ca else True
    body = urlencode(signed("POST", parameters("13800138000"))).encode()

    async def open_session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=target.concurrency, ssl=tls))

    session = runner.run(open_session())

    async def work(callees: Iterator[int]) -> int:
        answered = 0
        for _ in callees:
            async with session.post(target.url, data=body, headers=FORM_HEADERS) as response:
                await response.read()
                answered += response.status == 200
        return answered

    async def all_of(callees: range) -> int:
        shared = iter(callees)
        return sum(await asyncio.gather(*(work(shared) for _ in range(target.concurrency))))

    return lambda callees: resolves(lambda: runner.run(all_of(callees)))


PEERS: dict[str, Callable[[Target], Prepare]] = {
    "batch": batch,
    "hook": hook,
    "requests": requests_by_hand,
    "http-hook": http_hook,
    "bare-aiohttp": bare_aiohttp,
}

if __name__ == "__main__":
    main(PEERS)
