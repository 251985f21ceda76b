from __future__ import annotations

import time
from datetime import datetime
from xml.etree import ElementTree as ET

import pytest
import requests

from airflow_provider_ccc.simulator.server import SimulatorSettings, running

ROLE = "acs:ram::1234567890123456:role/caller"
PROVIDER = "acs:ram::1234567890123456:oidc-provider/ack"
OWN = {"RoleArn": ROLE, "RoleSessionName": "airflow"}
OIDC = {
    "Action": "AssumeRoleWithOIDC",
    "Format": "JSON",
    "Version": "2015-04-01",
    "OIDCProviderArn": PROVIDER,
    "OIDCToken": "header.payload.signature",
    **OWN,
}


@pytest.fixture
def assume(ask):
    """Ask for a role, signed by signature 1.0 and in the way of Alibaba's credentials library."""

    def one(own=None, url=None, **options):
        names = ("InstanceId", "CalleeNumber", "CandidateNumber.1", "Count")
        parameters = {"Action": "AssumeRole", "Version": "2015-04-01", **dict.fromkeys(names), **OWN, **(own or {})}
        return ask(parameters, **({"url": url} if url else {}), **options)

    return one


@pytest.fixture
def assume_by_oidc():
    """Show an OIDC token, as the library does: everything in the query of a GET, unsigned."""

    def one(url, own=None):
        sent = {name: value for name, value in {**OIDC, **(own or {})}.items() if value is not None}
        return requests.get(url, params=sent, timeout=10)

    return one


def seconds_left(answer) -> float:
    expiration = answer.json()["Credentials"]["Expiration"]
    assert expiration.endswith("Z")
    return datetime.fromisoformat(expiration).timestamp() - time.time()


def test_assumed_role_can_call(assume, ask):
    answer = assume()
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"RequestId", "AssumedRoleUser", "Credentials"}
    assert body["AssumedRoleUser"] == {
        "AssumedRoleId": "1234567890123456:airflow",
        "Arn": f"{ROLE}/airflow",
    }
    key = body["Credentials"]
    assert set(key) == {"AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration"}
    own = {"AccessKeyId": key["AccessKeyId"], "SecurityToken": key["SecurityToken"]}
    assert ask(own, secret=key["AccessKeySecret"]).json()["Code"] == "OK"
    # A temporary key may take a role in its turn.
    assert "Credentials" in assume(own, secret=key["AccessKeySecret"]).json()


def test_in_xml(assume):
    root = ET.fromstring(assume({"Format": "XML"}).content)  # noqa: S314 - our own
    assert root.tag == "AssumeRoleResponse"
    assert root.findtext("Credentials/AccessKeyId").startswith("STS.")


def test_signature_3(ask3):
    own = {**dict.fromkeys(("InstanceId", "CalledNumber", "SkillGroupIdList")), **OWN}
    headers = {"x-acs-action": "AssumeRole", "x-acs-version": "2015-04-01"}
    assert ask3(own, headers).json()["Credentials"]["AccessKeyId"].startswith("STS.")
    assert ask3(own, headers, secret="wrong").json()["Code"] == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("own", "status", "code"),
    [
        ({"RoleArn": None}, 400, "MissingRoleArn"),
        ({"RoleSessionName": None}, 400, "MissingRoleSessionName"),
        ({"RoleArn": "role"}, 400, "InvalidParameter.RoleArn"),
        ({"RoleSessionName": "a b"}, 400, "InvalidParameter.RoleSessionName"),
        ({"DurationSeconds": "899"}, 400, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": "43201"}, 400, "InvalidParameter.DurationSeconds"),
        ({"DurationSeconds": "long"}, 400, "InvalidParameter.DurationSeconds"),
        ({"Action": "PickOutboundNumbers"}, 404, "InvalidAction.NotFound"),
        ({"Version": "2017-07-05"}, 404, "InvalidAction.NotFound"),
        ({"AccessKeyId": "someone"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"AccessKeyId": None}, 400, "MissingAccessKeyId"),
        ({"Timestamp": "2024-01-02T03:04:05Z"}, 400, "InvalidTimeStamp.Expired"),
    ],
)
def test_refusals(assume, own, status, code):
    answer = assume(own)
    assert (answer.status_code, answer.json()["Code"]) == (status, code)
    host_id = "ccc.cn-shanghai.aliyuncs.com" if "Version" in own else "sts.aliyuncs.com"
    assert answer.json()["HostId"] == host_id


def test_wrong_secret_and_used_nonce(assume):
    assert assume(secret="wrong").json()["Code"] == "SignatureDoesNotMatch"
    assert "Credentials" in assume({"SignatureNonce": "sts-nonce"}).json()
    assert assume({"SignatureNonce": "sts-nonce"}).json()["Code"] == "SignatureNonceUsed"


@pytest.mark.parametrize(
    ("limit", "asked", "lives"),
    [(None, None, 3600), (None, "900", 900), (None, "7200", 7200), (60, "3600", 60), (5000, "900", 900)],
)
def test_how_long_a_key_lives(assume, limit, asked, lives):
    with running(SimulatorSettings(sts_seconds=limit)) as simulator:
        assert lives - 5 < seconds_left(assume({"DurationSeconds": asked}, url=simulator.url)) <= lives


def test_keys_are_counted(assume, assume_by_oidc):
    with running() as simulator:
        assert simulator.sts.issued == 0
        assume(url=simulator.url)
        assume_by_oidc(simulator.url)
        assume({"RoleArn": None}, url=simulator.url)
        assert simulator.sts.issued == 2


def test_quota_and_faults_are_not_of_sts(assume):
    with running(SimulatorSettings(qps=1, fault_rate=1.0)) as simulator:
        answers = [assume(url=simulator.url) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert [record.action for record in simulator.journal] == ["AssumeRole"] * 3


def test_oidc_token_is_enough(simulator, assume_by_oidc, ask):
    # A token that was read from a file ends in a newline.
    answer = assume_by_oidc(simulator.url, {"OIDCToken": "token\n"})
    assert answer.status_code == 200
    key = answer.json()["Credentials"]
    own = {"AccessKeyId": key["AccessKeyId"], "SecurityToken": key["SecurityToken"]}
    assert ask(own, secret=key["AccessKeySecret"]).json()["Code"] == "OK"


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ({"OIDCProviderArn": None}, "MissingOIDCProviderArn"),
        ({"OIDCToken": None}, "MissingOIDCToken"),
        ({"OIDCToken": "\n"}, "AuthenticationFail.OIDCToken.Invalid"),
        ({"RoleArn": None}, "MissingRoleArn"),
        ({"RoleSessionName": None}, "MissingRoleSessionName"),
        ({"Timestamp": "2024-01-02T03:04:05Z"}, "InvalidTimeStamp.Expired"),
    ],
)
def test_refusals_of_oidc(simulator, assume_by_oidc, own, code):
    answer = assume_by_oidc(simulator.url, own)
    assert (answer.status_code, answer.json()["Code"]) == (400, code)


def test_the_one_oidc_token(assume_by_oidc):
    with running(SimulatorSettings(oidc_token="right")) as simulator:
        assert "Credentials" in assume_by_oidc(simulator.url, {"OIDCToken": "right"}).json()
        wrong = assume_by_oidc(simulator.url, {"OIDCToken": "wrong"})
        assert (wrong.status_code, wrong.json()["Code"]) == (400, "AuthenticationFail.OIDCToken.Invalid")
        assert simulator.sts.issued == 1
