"""Signature 1.0 against every published and computed vector."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ccc.client import signing
from tests.support import fixture

VECTORS = fixture("signature_v1.json")["vectors"]
CAPTURES = [
    capture | {"name": name}
    for name, capture in fixture("wire_captures.json")["captures"].items()
    if "signed_params" in capture
]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vector(vector):
    assert signing.canonical_query(vector["params"]) == vector["canonicalized_query_string"]
    text = signing.string_to_sign(vector["method"], vector["params"])
    assert text == vector["string_to_sign"]
    assert signing.signature_v1(text, vector["access_key_secret"]) == vector["signature"]


@pytest.mark.parametrize("capture", CAPTURES, ids=[capture["name"] for capture in CAPTURES])
def test_captured_request_of_an_official_sdk(capture):
    text = signing.string_to_sign(capture["method"], capture["signed_params"])
    assert text == capture["string_to_sign"]
    assert signing.signature_v1(text, "testsecret") == capture["signature"]


def test_no_fixture_was_left_out():
    assert len(VECTORS) == 7
    assert len(CAPTURES) == 4


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
