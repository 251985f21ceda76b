from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from starlette.datastructures import Headers

from airflow_provider_ccc.simulator.answers import ApiError
from airflow_provider_ccc.simulator.api_request import ApiRequest
from airflow_provider_ccc.simulator.gateway import WINDOW
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from airflow_provider_ccc.simulator.signatures import Signature1, Signature3, signature_of

INSTANCE_ID = "9cfad875-6260-4a53-ab6e-b13e3fb31f7d"
FIXTURES = Path(__file__).parents[2] / "fixtures"
CAPTURES = json.loads((FIXTURES / "wire_captures.json").read_text(encoding="utf-8"))["captures"]
VECTORS = json.loads((FIXTURES / "signature_v3.json").read_text(encoding="utf-8"))["vectors"]


def timestamp(offset: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=offset)).strftime("%Y-%m-%dT%H:%M:%SZ")


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["Code"]


def captured(name: str) -> ApiRequest:
    """A request that an official SDK sent."""
    capture = CAPTURES[name]
    query = dict(parse_qsl(urlsplit(capture["path"]).query, keep_blank_values=True))
    body = capture["body"]
    parameters = {**query, **dict(parse_qsl(body, keep_blank_values=True))}
    return ApiRequest(capture["method"], Headers(capture["headers"]), query, body.encode(), parameters)


@pytest.mark.parametrize("name", sorted(CAPTURES))
def test_what_the_official_sdks_sent_is_accepted_with_the_right_secret_only(name):
    signature = signature_of(captured(name))
    assert isinstance(signature, Signature3 if "_2020_" in name else Signature1)
    signature.check_form()
    signature.check("testsecret")
    with pytest.raises(ApiError) as refusal:
        signature.check("wrong")
    assert refusal.value.code == "SignatureDoesNotMatch"
    assert signature.action == "PickOutboundNumbers"
    assert signature.version == ("2020-07-01" if "_2020_" in name else "2017-07-05")
    assert signature.access_key_id == "testid"
    assert signature.security_token == ("tok+en/==" if name.endswith("sts") else "")
    assert signature.nonce == "0123456789abcdef0123456789abcdef"
    assert signature.timestamp == "2024-01-02T03:04:05Z"


@pytest.mark.parametrize("vector", [one for one in VECTORS if "host" in one["headers"]], ids=lambda one: one["name"])
def test_published_vectors(vector):
    headers = Headers({**vector["headers"], "authorization": vector["authorization"]})
    signature = Signature3(ApiRequest(vector["method"], headers, vector["query"], b"", {}))
    signature.check_form()
    signature.check(vector["access_key_secret"])
    with pytest.raises(ApiError, match="server string to sign is:ACS3-HMAC-SHA256") as refusal:
        signature.check("wrong")
    # The text tells the very string that the client should have signed.
    assert refusal.value.message.endswith(vector["string_to_sign"])


def test_both_signatures_for_both_versions(ask, ask2020, ask3):
    own = {"InstanceId": INSTANCE_ID, "CalleeNumber": "1", "CandidateNumber.1": "01089767654", "Count": "1"}
    assert code(ask(own)) == (200, "OK")
    assert code(ask3(own, {"x-acs-version": "2017-07-05"})) == (200, "OK")
    assert code(ask2020("GetInstance")) == (200, "OK")
    assert code(ask3({}, {"x-acs-action": "GetInstance"})) == (200, "OK")


REFUSALS = [
    ({}, {"x-acs-action": None}, 400, "MissingAction"),
    ({}, {"x-acs-version": None}, 400, "MissingVersion"),
    ({}, {"x-acs-version": "2016-01-01"}, 400, "InvalidVersion"),
    ({}, {"x-acs-action": "HangUpEverybody"}, 404, "InvalidAction.NotFound"),
    ({}, {"x-acs-signature-nonce": None}, 400, "MissingSignatureNonce"),
    ({}, {"x-acs-date": None}, 400, "MissingTimestamp"),
    ({}, {"x-acs-date": "Tue, 02 Jan 2024 03:04:05 GMT"}, 400, "InvalidTimeStamp.Format"),
    ({}, {"x-acs-date": "2024-01-02T03:04:05Z"}, 400, "InvalidTimeStamp.Expired"),
    ({}, {"x-acs-content-sha256": None}, 400, "IncompleteSignature"),
    ({}, {"x-acs-content-sha256": hashlib.sha256(b"another").hexdigest()}, 400, "SignatureDoesNotMatch"),
    ({}, {"x-acs-security-token": "token"}, 400, "InvalidSecurityToken.MismatchWithAccessKey"),
    ({"InstanceId": None}, {}, 400, "MissingInstanceId"),
    ({"InstanceId": "nowhere"}, {}, 404, "NotExists.InstanceId"),
    ({"Format": "YAML"}, {}, 400, "InvalidParameter.Format"),
]


@pytest.mark.parametrize(("own", "headers", "status", "expected"), REFUSALS)
def test_refusals_of_signature_3(ask3, own, headers, status, expected):
    answer = ask3(own, headers)
    assert code(answer) == (status, expected)
    assert set(answer.json()) == {"RequestId", "HostId", "Code", "Message", "Recommend"}


def test_wrong_key_and_wrong_secret(ask3):
    assert code(ask3(access_key_id="someone")) == (404, "InvalidAccessKeyId.NotFound")
    wrong = ask3(secret="wrong")
    assert code(wrong) == (400, "SignatureDoesNotMatch")
    assert "server string to sign is:ACS3-HMAC-SHA256\n" in wrong.json()["Message"]


@pytest.mark.parametrize("name", ["host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-extra"])
def test_header_that_is_not_signed(ask3, name):
    answer = ask3(headers={"x-acs-extra": "1"}, unsigned=[name])
    assert code(answer) == (400, "IncompleteSignature")
    assert f"the header {name} is not signed" in answer.json()["Message"]
    assert code(ask3(headers={"x-acs-extra": "1"})) == (200, "OK")


def test_content_type_is_signed_where_it_is_sent(ask3):
    body = urlencode({"Count": "2"})
    assert code(ask3(body=body)) == (200, "OK")
    assert code(ask3(body=body, unsigned=["content-type"])) == (400, "IncompleteSignature")


def test_header_of_no_interest_may_stay_unsigned(ask3):
    assert code(ask3(headers={"user-agent": "me"}, unsigned=["user-agent"])) == (200, "OK")
    assert code(ask3(headers={"user-agent": "me"})) == (200, "OK")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("ACS3-HMAC-SHA256 ", "ACS3-HMAC-SM3 ", "InvalidSignatureMethod"),
        ("ACS3-HMAC-SHA256 ", "Bearer ", "IncompleteSignature"),
        ("SignedHeaders=", "SignedHeaders=x-acs-absent;", "IncompleteSignature"),
        (",Signature=", ",Signatur=", "IncompleteSignature"),
        ("Signature=", "Signature=0", "SignatureDoesNotMatch"),
    ],
)
def test_authorization_header_that_was_changed(simulator, sign3, send, before, after, expected):
    prepared = sign3(simulator.url)
    changed = prepared.headers["Authorization"].replace(before, after)
    assert changed != prepared.headers["Authorization"]
    prepared.headers["Authorization"] = changed
    assert code(send(prepared)) == (400, expected)


def test_what_was_changed_after_signing_does_not_pass(simulator, sign3, send):
    query = sign3(simulator.url)
    query.url = query.url.replace("13888888888", "13888888889")
    assert code(send(query)) == (400, "SignatureDoesNotMatch")

    body = sign3(simulator.url, body="Count=2")
    body.body = "Count=3"
    answer = send(body)
    assert code(answer) == (400, "SignatureDoesNotMatch")
    assert hashlib.sha256(b"Count=3").hexdigest() in answer.json()["Message"]

    header = sign3(simulator.url)
    header.headers["x-acs-action"] = "GetInstance"
    assert code(send(header)) == (400, "SignatureDoesNotMatch")

    method = sign3(simulator.url)
    method.method = "GET"
    assert code(send(method)) == (400, "SignatureDoesNotMatch")
    assert code(send(sign3(simulator.url, method="GET"))) == (200, "OK")


def test_nonce_cannot_be_used_twice_by_either_signature(simulator, sign, sign3, send):
    first, again = (sign3(simulator.url, headers={"x-acs-signature-nonce": "one-for-all"}) for _ in range(2))
    assert code(send(first)) == (200, "OK")
    assert code(send(again)) == (400, "SignatureNonceUsed")
    by_another = requests.post(simulator.url, data=sign({"SignatureNonce": "one-for-all"}), timeout=10)
    assert code(by_another) == (400, "SignatureNonceUsed")


@pytest.mark.parametrize(("offset", "expected"), [(-WINDOW + 60, "OK"), (WINDOW + 60, "InvalidTimeStamp.Expired")])
def test_window_of_time(ask3, offset, expected):
    assert code(ask3(headers={"x-acs-date": timestamp(offset)}))[1] == expected


def test_throttled(ask3):
    with running(SimulatorSettings(qps=1)) as limited:
        codes = [code(ask3(url=limited.url)) for _ in range(20)]
    assert codes[0] == (200, "OK")
    assert (400, "Throttling.User") in codes


@pytest.mark.parametrize("place", ["query", "body"])
def test_parameters_of_any_text_in_query_or_body(ask3, place):
    callee = "+86 10*~/é中&="
    own = dict.fromkeys(("CalledNumber", "SkillGroupIdList"))
    own |= {"InstanceId": INSTANCE_ID}
    sent = {"CalleeNumber": callee, "CandidateNumber.1": callee, "Count": "1", "a name": ""}
    headers = {"x-acs-version": "2017-07-05"}
    answer = ask3({**own, **sent}, headers) if place == "query" else ask3(own, headers, body=urlencode(sent))
    assert code(answer) == (200, "OK")
    assert answer.json()["DialNumberPairs"]["DialNumberPair"][0]["Callee"]["Number"] == callee


@pytest.mark.parametrize(
    ("own", "headers", "kind"),
    [
        ({}, {}, "application/json;charset=utf-8"),
        ({}, {"accept": "application/json"}, "application/json;charset=utf-8"),
        ({}, {"accept": "application/xml"}, "text/xml;charset=utf-8"),
        ({"Format": "xml"}, {}, "text/xml;charset=utf-8"),
        ({"Format": "json"}, {"accept": "application/xml"}, "application/json;charset=utf-8"),
        ({"InstanceId": None}, {"accept": "application/xml"}, "text/xml;charset=utf-8"),
    ],
)
def test_format_is_json_where_nothing_else_is_asked_for(ask3, own, headers, kind):
    assert ask3(own, headers).headers["Content-Type"] == kind


def test_journal_tells_action_and_nonce_of_the_headers(ask3):
    with running() as simulator:
        ask3({"Count": "2"}, {"x-acs-signature-nonce": "n1"}, url=simulator.url)
        ask3(secret="wrong", headers={"x-acs-signature-nonce": "n2"}, url=simulator.url)
        records = simulator.journal
    assert [(one.action, one.nonce, one.status, one.code) for one in records] == [
        ("PickOutboundNumbers", "n1", 200, "OK"),
        ("PickOutboundNumbers", "n2", 400, "SignatureDoesNotMatch"),
    ]
    assert set(records[0].parameters) == {"InstanceId", "CalledNumber", "SkillGroupIdList", "Count"}


def test_security_token_of_the_static_key(ask3):
    with running(SimulatorSettings(security_token="tok+en/==")) as sts:
        assert code(ask3(headers={"x-acs-security-token": "tok+en/=="}, url=sts.url)) == (200, "OK")
        assert code(ask3(url=sts.url)) == (400, "MissingSecurityToken")


def test_a_shifted_clock_counts(ask3):
    with running(SimulatorSettings(clock=lambda: time.time() + WINDOW + 60)) as ahead:
        assert code(ask3(url=ahead.url)) == (400, "InvalidTimeStamp.Expired")
        assert code(ask3(headers={"x-acs-date": timestamp(WINDOW)}, url=ahead.url)) == (200, "OK")
