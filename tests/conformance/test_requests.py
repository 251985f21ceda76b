"""What is sent is what the official SDKs send for the same call, at the same moment and with the same nonce.

Three SDKs are asked, each thousands of times. They may differ from this client in what is said here, and in nothing
else: it sends the operation's parameters in the body, and leaves out what the service does not need.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from airflow_provider_ccc.client import signing
from airflow_provider_ccc.client.credentials import StaticCredentials
from airflow_provider_ccc.client.endpoint import parse_endpoint
from airflow_provider_ccc.client.protocol import CccProtocol
from airflow_provider_ccc.client.signers import CONTENT_TYPE, SignedRequest
from tests.conformance.cases import PLAIN, PUNCTUATION, Case, random_cases
from tests.conformance.witnesses import (
    HOST,
    NEWER_2017,
    NEWER_2020,
    OLDER_2017,
    Caught,
    Witness,
    official_authorizations_v3,
    official_signatures_v1,
    official_string_to_sign,
)

CASES = 2500
SEED = 20170705

#: The older SDK sends these too. The service's documentation knows neither.
ONLY_THEIRS_V1 = {"RegionId", "SignatureType"}
COMMON_V1 = {
    *("Action", "Version", "Format", "AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce"),
    *("Timestamp", "SecurityToken"),
}
#: The SDK signs these too; a proxy may rewrite the first two, and the others say what is said elsewhere.
ONLY_THEIRS_V3 = {"user-agent", "accept", "x-acs-credentials-provider", "x-acs-accesskey-id"}


def prepare(case: Case, signature: str) -> SignedRequest:
    protocol = CccProtocol(
        parse_endpoint(""),
        StaticCredentials(case.key),
        signature=signature,
        clock=lambda: float(case.second),
        nonce=lambda: case.nonce,
    )
    return protocol.prepare(case.operation)


def decoded(encoded: str) -> dict[str, str]:
    """Decode a query or a form, in which no name comes twice."""
    pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def as_service_has_it(arguments: dict[str, str]) -> dict[str, str]:
    """Write booleans as the service's documentation does: the SDKs print Python's."""
    booleans = {"IsVirtual", "OutboundOnly"}
    return {name: value.lower() if name in booleans else value for name, value in arguments.items()}


def without(mapping: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}


# --- signature 1.0 ----------------------------------------------------------------------------------------------------


def check_v1(case: Case, theirs: Caught) -> None:
    ours = prepare(case, "v1")
    parts, form = urlsplit(ours.url), decoded(ours.body.decode("ascii"))
    # As the SDK does, but for the place.
    assert (ours.method, parts.netloc, parts.path, ours.headers) == (theirs.method, HOST, theirs.path, {})
    query = decoded(parts.query)
    assert query == {"Action": case.operation.action, "Version": case.operation.version}
    signature = form.pop("Signature")
    sent = query | form

    their_signature = theirs.parameters["Signature"]
    their_sent = without(theirs.parameters, "Signature")
    own = without(sent, *COMMON_V1)
    assert own == case.operation.parameters()
    assert own == as_service_has_it(without(their_sent, *COMMON_V1, *ONLY_THEIRS_V1))
    assert sent.keys() == their_sent.keys() - ONLY_THEIRS_V1
    assert "SecurityToken" in sent or case.key.security_token is None
    for name in COMMON_V1 & sent.keys():
        if name == "Format":  # the newer SDK writes it in lower case
            assert (sent[name], their_sent[name].upper()) == ("JSON", "JSON")
        else:
            assert sent[name] == their_sent[name]

    # They sign what we sent, ...
    secret = case.key.access_key_secret
    assert ours.string_to_sign == official_string_to_sign("POST", sent)
    assert set(official_signatures_v1("POST", sent, secret)) == {signature}
    # ... and we what they sent.
    text = signing.string_to_sign(theirs.method, their_sent)
    assert theirs.string_to_sign in (None, text)
    assert signing.signature_v1(text, secret) == their_signature


@pytest.mark.parametrize(
    ("witness", "seed"), [(NEWER_2017, SEED), (OLDER_2017, SEED + 1)], ids=["the newer SDK", "the older SDK"]
)
def test_requests_of_2017_are_those_of(witness: Witness, seed: int) -> None:
    for case in random_cases("2017-07-05", CASES, seed):
        check_v1(case, witness.send(case))


# --- signature 3 ------------------------------------------------------------------------------------------------------


def check_our_v3(case: Case) -> tuple[dict[str, str], dict[str, str]]:
    """Have the official signers sign what we send.

    :returns: the headers that are signed, and the form.
    """
    ours = prepare(case, "v3")
    assert (ours.method, ours.url) == ("POST", f"https://{HOST}/")
    signed = without(dict(ours.headers), "Authorization") | {"host": HOST, "content-type": CONTENT_TYPE}
    authorizations = official_authorizations_v3(
        "POST", {}, signed, ours.body, case.key.access_key_id, case.key.access_key_secret
    )
    assert set(authorizations) == {ours.headers["Authorization"]}
    return signed, decoded(ours.body.decode("ascii"))


def test_requests_of_2020_are_those_of_the_sdk() -> None:
    for case in random_cases("2020-07-01", CASES, SEED, (PLAIN, PUNCTUATION)):
        theirs = NEWER_2020.send(case)
        signed, form = check_our_v3(case)
        assert (theirs.method, theirs.path, theirs.form) == ("POST", "/", {})
        assert form == case.operation.parameters() == theirs.query

        authorization = theirs.headers["authorization"]
        their_signed = without(theirs.headers, "authorization")
        assert signed.keys() - {"content-type"} == their_signed.keys() - ONLY_THEIRS_V3
        for name in signed.keys() - {"content-type", "x-acs-content-sha256"}:  # these two are those of the body
            assert signed[name] == their_signed[name]
        assert their_signed["x-acs-content-sha256"] == signing.sha256_hex(b"")

        request = signing.canonical_request(
            theirs.method, signing.canonical_query(theirs.query), their_signed, signing.sha256_hex(b"")
        )
        signature = signing.signature_v3(signing.string_to_sign_v3(request), case.key.access_key_secret)
        assert signing.authorization(case.key.access_key_id, their_signed, signature) == authorization


def test_requests_of_2017_in_the_other_signature() -> None:
    """No SDK sends these; what there is to compare with is how the SDKs sign."""
    for case in random_cases("2017-07-05", CASES, SEED, (PLAIN, PUNCTUATION)):
        signed, form = check_our_v3(case)
        assert form == case.operation.parameters()
        assert (signed["x-acs-action"], signed["x-acs-version"]) == (case.operation.action, "2017-07-05")


# --- what was compared ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2017-07-05", "2020-07-01"])
def test_the_calls_are_worth_comparing(version: str) -> None:
    cases = random_cases(version, CASES, SEED)
    assert CASES >= 2000
    assert CASES / 3 < sum(case.key.security_token is not None for case in cases) < CASES * 2 / 3
    actions = {case.operation.action for case in cases}
    assert len(actions) == {"2017-07-05": 9, "2020-07-01": 5}[version]
    text = "".join(value for case in cases for value in case.operation.parameters().values())
    assert set(PLAIN + PUNCTUATION + "é中😀") <= set(text)
    names = {name for case in cases for name in case.operation.parameters()}
    if version == "2017-07-05":
        assert {"CandidateNumber.10", "SkillGroupId.10", "IsVirtual", "OutboundOnly", "Caller", "Number"} <= names
    else:
        assert {"CalledNumber", "SkillGroupIdList", "PageNumber", "PageSize"} <= names
