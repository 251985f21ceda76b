"""Requests as clients sign them, by the code of the other official SDK, not by that which the simulator checks with."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import requests
from aliyunsdkcore.auth.algorithm import sha_hmac1
from aliyunsdkcore.auth.composer import rpc_signature_composer

from airflow_provider_ccc.simulator.server import RunningSimulator, SimulatorSettings, running

INSTANCE_ID = "9cfad875-6260-4a53-ab6e-b13e3fb31f7d"
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


@pytest.fixture(scope="session")
def sign() -> Callable[..., Parameters]:
    return sign_request


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    with running(SimulatorSettings()) as one:
        yield one


@pytest.fixture
def ask(simulator: RunningSimulator) -> Callable[..., requests.Response]:
    """Sign parameters and post them; to the default simulator, or another one's `url`."""

    def post(own: dict[str, str | None] | None = None, url: str = simulator.url) -> requests.Response:
        return requests.post(url, data=sign_request(own), timeout=10)

    return post
