"""Byte for byte what the official SDKs sign: 10,000 random requests, against both of them.

What the SDKs themselves send for a call is in test_requests.py; here are also parameters that no operation has.
"""

from __future__ import annotations

import random
from urllib.parse import parse_qs, urlsplit

import pytest
from alibabacloud_openapi_util.client import Client as OpenApiUtil
from aliyunsdkcore.auth.algorithm import sha_hmac1
from aliyunsdkcore.auth.composer import rpc_signature_composer

from airflow_provider_ccc.client.credentials import AccessKey, StaticCredentials
from airflow_provider_ccc.client.endpoint import parse_endpoint
from airflow_provider_ccc.client.operation import Operation
from airflow_provider_ccc.client.protocol import CccProtocol
from tests.conformance.cases import ALPHABETS, MAKERS, random_text

REQUESTS = 10_000
SEED = 20170705


class RawOperation(Operation[None]):
    """Sends any parameters at all."""

    action = "Raw"

    def __init__(self, parameters: dict[str, str]) -> None:
        self._parameters = parameters

    def parameters(self) -> dict[str, str]:
        return self._parameters


def random_operation(source: random.Random) -> Operation:
    if source.randrange(3):
        return source.choice(MAKERS["2017-07-05"])(source)[0]
    return RawOperation({random_text(source): random_text(source) * source.randint(0, 3) for _ in range(8)})


@pytest.fixture(scope="module")
def requests() -> list[tuple[str, dict[str, str], str, str]]:
    """Secret, signed parameters, our string to sign and our signature of each request."""
    source = random.Random(SEED)
    made = []
    for _ in range(REQUESTS):
        secret = random_text(source)
        token = source.choice([None, random_text(source, 200)])
        moment = source.uniform(0, 4e9)
        protocol = CccProtocol(
            parse_endpoint(""),
            StaticCredentials(AccessKey(random_text(source), secret, token)),
            clock=lambda moment=moment: moment,
            nonce=lambda: random_text(source),
        )
        sent = protocol.prepare(random_operation(source))
        parameters = {
            name: values[0]
            for part in (urlsplit(sent.url).query, sent.body.decode("ascii"))
            for name, values in parse_qs(part, keep_blank_values=True, strict_parsing=True).items()
        }
        signature = parameters.pop("Signature")
        made.append((secret, parameters, sent.string_to_sign, signature))
    return made


def test_the_newer_sdk_signs_the_same(requests):
    for secret, parameters, _, signature in requests:
        assert OpenApiUtil.get_rpcsignature(dict(parameters), "POST", secret) == signature


def test_the_older_sdk_signs_the_same_text_to_the_same_signature(requests):
    compose = getattr(rpc_signature_composer, "__compose_string_to_sign")
    for secret, parameters, text, signature in requests:
        assert compose("POST", parameters) == text
        assert sha_hmac1.get_sign_string(text, secret + "&") == signature


def test_the_requests_are_worth_comparing(requests):
    assert len({signature for *_, signature in requests}) == REQUESTS
    assert sum("SecurityToken" in parameters for _, parameters, *_ in requests) > REQUESTS / 3
    names = {name for _, parameters, *_ in requests for name in parameters}
    assert {"CandidateNumber.10", "SkillGroupId.10", "IsVirtual"} <= names
    values = "".join(value for _, parameters, *_ in requests for value in parameters.values())
    assert set("".join(ALPHABETS)) <= set(values)
