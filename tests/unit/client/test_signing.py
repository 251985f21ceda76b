"""Both signatures against every published and computed vector, and every captured request of an official SDK."""

from __future__ import annotations

import base64
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ccc.client import signing
from tests.support import SECRET, fixture

VECTORS = fixture("signature_v1.json")["vectors"]
VECTORS_V3 = fixture("signature_v3.json")["vectors"]
CAPTURES = [capture | {"name": name} for name, capture in fixture("wire_captures.json")["captures"].items()]
CAPTURES_V1 = [capture for capture in CAPTURES if "Signature=" in capture["path"]]
CAPTURES_V3 = [capture for capture in CAPTURES if "Authorization" in capture["headers"]]


def decoded(encoded: str) -> dict[str, str]:
    return dict(parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded)))


def folded(headers: dict[str, str]) -> dict[str, str]:
    """Lower the names; those that then are the same share a line, their values sorted. This client has none."""
    names = {name.lower() for name in headers}
    return {each: ",".join(sorted(v for name, v in headers.items() if name.lower() == each)) for each in names}


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vector(vector):
    assert signing.canonical_query(vector["params"]) == vector["canonicalized_query_string"]
    text = signing.string_to_sign(vector["method"], vector["params"])
    assert text == vector["string_to_sign"]
    assert signing.signature_v1(text, vector["access_key_secret"]) == vector["signature"]


@pytest.mark.parametrize("capture", CAPTURES_V1, ids=[capture["name"] for capture in CAPTURES_V1])
def test_captured_request_of_an_official_sdk(capture):
    parameters = decoded(urlsplit(capture["path"]).query) | decoded(capture["body"])
    signature = parameters.pop("Signature")
    assert parameters == capture["signed_params"]
    text = signing.string_to_sign(capture["method"], parameters)
    assert text == capture["string_to_sign"]
    assert signing.signature_v1(text, SECRET) == signature == capture["signature"]


@pytest.mark.parametrize("vector", VECTORS_V3, ids=[vector["name"] for vector in VECTORS_V3])
def test_vector_of_signature_3(vector):
    headers, digest = folded(vector["headers"]), vector["hashed_payload"]
    body = vector.get("body")
    if body is not None:  # one of them only tells the digest
        text = body if isinstance(body, str) else signing.canonical_query(body)
        assert signing.sha256_hex(text.encode()) == digest
    assert vector["path"] == "/"
    request = signing.canonical_request(vector["method"], signing.canonical_query(vector["query"]), headers, digest)
    assert request == vector.get("canonical_request", request)
    text = signing.string_to_sign_v3(request)
    assert text == vector.get("string_to_sign", text)
    signature = signing.signature_v3(text, vector["access_key_secret"])
    assert signature == vector.get("signature", signature)
    assert signing.authorization(vector["access_key_id"], headers, signature) == vector["authorization"]


@pytest.mark.parametrize("capture", CAPTURES_V3, ids=[capture["name"] for capture in CAPTURES_V3])
def test_captured_request_of_an_official_sdk_in_signature_3(capture):
    headers = {name.lower(): value for name, value in capture["headers"].items()}
    authorization = headers["authorization"]
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    signed = {name: headers[name] for name in names}
    digest = signing.sha256_hex(capture["body"].encode())
    assert digest == headers["x-acs-content-sha256"]
    query = signing.canonical_query(decoded(urlsplit(capture["path"]).query))
    request = signing.canonical_request(capture["method"], query, signed, digest)
    signature = signing.signature_v3(signing.string_to_sign_v3(request), SECRET)
    assert signing.authorization("testid", signed, signature) == authorization


def test_no_fixture_was_left_out():
    assert len(VECTORS) >= 7
    assert len(VECTORS_V3) >= 4
    # Each is in one of the two lists, and each generation of the SDKs in one list at least.
    assert sorted(capture["name"] for capture in CAPTURES_V1 + CAPTURES_V3) == sorted(c["name"] for c in CAPTURES)
    assert {capture["name"].rsplit("_", 1)[0] for capture in CAPTURES} >= {"tea_2017", "tea_2020", "old_2017"}


def test_signature_3_trims_and_sorts_headers():
    headers = {"x-acs-version": " 2020-07-01\t", "host": "h", "x-acs-action": "A  b"}
    assert signing.canonical_request("POST", "a=b", headers, "00ff") == (
        "POST\n/\na=b\nhost:h\nx-acs-action:A  b\nx-acs-version:2020-07-01\n\nhost;x-acs-action;x-acs-version\n00ff"
    )
    assert signing.authorization("id", headers, "ab") == (
        "ACS3-HMAC-SHA256 Credential=id,SignedHeaders=host;x-acs-action;x-acs-version,Signature=ab"
    )


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("AZaz09-_.~", "AZaz09-_.~"),
        (" +*/&=%:@", "%20%2B%2A%2F%26%3D%25%3A%40"),
        ("é中", "%C3%A9%E4%B8%AD"),
        ("", ""),
    ],
)
def test_percent_encode(text, encoded):
    assert signing.percent_encode(text) == encoded


def test_parameters_are_sorted_by_raw_name_in_byte_order():
    names = ["b", "CandidateNumber.2", "CandidateNumber.10", "CandidateNumber.1", "a", "Z", "é"]
    query = signing.canonical_query(dict.fromkeys(names, ""))
    assert query == "CandidateNumber.1=&CandidateNumber.10=&CandidateNumber.2=&Z=&a=&b=&%C3%A9="


@given(
    st.dictionaries(st.text(), st.text(), max_size=8),
    st.dictionaries(st.text(), st.text(), min_size=1, max_size=4),
)
def test_a_template_writes_what_would_be_written_without_it(fixed, values):
    for write, encode in (
        (signing.canonical_query, signing.percent_encode),
        (
            lambda parameters: signing.string_to_sign("POST", parameters),
            lambda value: signing.percent_encode(signing.percent_encode(value)),
        ),
    ):
        template = signing.Template(write, fixed, values.keys(), encode)
        assert template.fill(values) == write({**fixed, **values})


@given(st.binary(max_size=40))
def test_base64_is_encoded_like_any_text(data):
    text = base64.b64encode(data).decode()
    assert signing.encode_base64(text) == signing.percent_encode(text)
