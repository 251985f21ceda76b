"""Requests as clients sign them, not by the code that the simulator checks with.

Signature 1.0 is made by the other official SDK, signature 3 by hand after the documentation ("V3 request structure and
signature").
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import pytest
import requests
from aliyunsdkcore.auth.algorithm import sha_hmac1
from aliyunsdkcore.auth.composer import rpc_signature_composer

from airflow_provider_ccc.simulator.server import RunningSimulator, SimulatorSettings, running

INSTANCE_ID = "9cfad875-6260-4a53-ab6e-b13e3fb31f7d"
DOMAIN_NAME = "ccc-demo"
OUTBOUND_GROUP = "3f3ceb0d-d6b6-4c97-af20-f3daf04f90e0"
SECRET = "testsecret"
Parameters = dict[str, str]

compose_string_to_sign = getattr(rpc_signature_composer, "__compose_string_to_sign")


def sign_request(own: dict[str, str | None] | None = None, *, method: str = "POST", secret: str = SECRET) -> Parameters:
    """Complete and sign parameters; None leaves one out that would be there."""
    parameters = {
        "Action": "PickOutboundNumbers",
        "Version": "2017-07-05",
        "Format": "JSON",
        "AccessKeyId": "testid",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "InstanceId": INSTANCE_ID,
        "CalleeNumber": "165787876896",
        "CandidateNumber.1": "01089767654",
        "Count": "1",
        **(own or {}),
    }
    sent = {name: value for name, value in parameters.items() if value is not None}
    string_to_sign = compose_string_to_sign(method, sent)
    return {"Signature": sha_hmac1.get_sign_string(string_to_sign, f"{secret}&"), **sent}


def sign_request_3(
    url: str,
    own: dict[str, str | None] | None = None,
    headers: dict[str, str | None] | None = None,
    *,
    body: str = "",
    method: str = "POST",
    secret: str = SECRET,
    access_key_id: str = "testid",
    unsigned: Sequence[str] = (),
) -> requests.PreparedRequest:
    """Complete and sign a request for 2020-07-01's PickOutboundNumbers, its parameters in the query.

    :param own: parameters; None leaves one out that would be there.
    :param headers: headers; None leaves one out that would be there.
    :param unsigned: headers that are sent and not signed.
    """
    parameters = {
        "InstanceId": DOMAIN_NAME,
        "CalledNumber": "13888888888",
        "SkillGroupIdList": f'["{OUTBOUND_GROUP}"]',
        **(own or {}),
    }
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(parameters.items())
        if value is not None
    )
    payload = hashlib.sha256(body.encode()).hexdigest()
    given = {
        "host": urlsplit(url).netloc,
        "x-acs-action": "PickOutboundNumbers",
        "x-acs-version": "2020-07-01",
        "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-content-sha256": payload,
        **({"content-type": "application/x-www-form-urlencoded"} if body else {}),
        **(headers or {}),
    }
    sent = {name: value for name, value in sorted(given.items()) if value is not None}
    signed = [name for name in sent if name not in unsigned]
    canonical_headers = "".join(f"{name}:{sent[name].strip()}\n" for name in signed)
    canonical = "\n".join((method, "/", query, canonical_headers, ";".join(signed), payload))
    string_to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), string_to_sign.encode(), hashlib.sha256).hexdigest()
    authorization = (
        f"ACS3-HMAC-SHA256 Credential={access_key_id},SignedHeaders={';'.join(signed)},Signature={signature}"
    )
    request = requests.Request(method, f"{url}/?{query}", {"Authorization": authorization, **sent}, data=body or None)
    return request.prepare()


@pytest.fixture(scope="session")
def sign() -> Callable[..., Parameters]:
    return sign_request


@pytest.fixture(scope="session")
def sign3() -> Callable[..., requests.PreparedRequest]:
    return sign_request_3


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    with running(SimulatorSettings()) as one:
        yield one


@pytest.fixture
def ask(simulator: RunningSimulator) -> Callable[..., requests.Response]:
    """Sign parameters and post them; to the default simulator, or another one's `url`."""

    def post(
        own: dict[str, str | None] | None = None, url: str = simulator.url, secret: str = SECRET
    ) -> requests.Response:
        return requests.post(url, data=sign_request(own, secret=secret), timeout=10)

    return post


@pytest.fixture
def send() -> Iterator[Callable[[requests.PreparedRequest], requests.Response]]:
    """Send a request as it is."""
    with requests.Session() as session:
        session.trust_env = False
        yield lambda prepared: session.send(prepared, timeout=10)


@pytest.fixture
def ask3(
    simulator: RunningSimulator, send: Callable[[requests.PreparedRequest], requests.Response]
) -> Callable[..., requests.Response]:
    """Sign a request by signature 3 and send it; to the default simulator, or another one's `url`."""

    def ask(
        own: dict[str, str | None] | None = None,
        headers: dict[str, str | None] | None = None,
        url: str = simulator.url,
        **options: object,
    ) -> requests.Response:
        return send(sign_request_3(url, own, headers, **options))

    return ask


@pytest.fixture
def ask2020(ask: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
    """Ask for an operation of 2020-07-01, signed by signature 1.0."""

    def post(action: str, own: dict[str, str | None] | None = None, **options: str) -> requests.Response:
        parameters: dict[str, str | None] = dict.fromkeys(("CalleeNumber", "CandidateNumber.1", "Count"))
        parameters |= {"Action": action, "Version": "2020-07-01", "InstanceId": DOMAIN_NAME}
        return ask({**parameters, **(own or {})}, **options)

    return post
