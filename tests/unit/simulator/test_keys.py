from __future__ import annotations

import time
from itertools import product

import pytest
import requests

from airflow_provider_ccc.simulator import keys
from airflow_provider_ccc.simulator.answers import ApiError
from airflow_provider_ccc.simulator.keys import Keys, iso
from airflow_provider_ccc.simulator.server import SimulatorSettings, running


@pytest.fixture
def clock():
    return [time.time()]


@pytest.fixture
def issuer(clock):
    """A simulator whose clock can be set, and whose temporary keys live for a minute."""
    with running(SimulatorSettings(sts_seconds=60, clock=lambda: clock[0])) as simulator:
        yield simulator


@pytest.fixture(params=["1.0", "3"])
def use(request, issuer, ask, ask3):
    """Use a key by one of the two signatures; gives status and code."""

    def by_signature_1(key, token):
        own = {"AccessKeyId": key.access_key_id, "SecurityToken": token}
        return ask(own, url=issuer.url, secret=key.access_key_secret)

    def by_signature_3(key, token):
        return ask3(
            headers={"x-acs-security-token": token},
            url=issuer.url,
            access_key_id=key.access_key_id,
            secret=key.access_key_secret,
        )

    def one(key, token):
        answer = (by_signature_1 if request.param == "1.0" else by_signature_3)(key, token)
        return answer.status_code, answer.json()["Code"]

    return one


def test_temporary_key_with_its_token(issuer, use):
    key = issuer.sts.issue()
    assert use(key, key.security_token) == (200, "OK")


def test_token_that_is_missing_or_not_the_keys(issuer, use):
    key, other = issuer.sts.issue(), issuer.sts.issue()
    assert use(key, None) == (400, "MissingSecurityToken")
    assert use(key, other.security_token) == (400, "InvalidSecurityToken.MismatchWithAccessKey")
    assert use(key, "garbage") == (400, "InvalidSecurityToken.Malformed")


def test_expired_key(issuer, use, clock):
    key = issuer.sts.issue()
    clock[0] = key.expires_at - 0.01
    assert use(key, key.security_token) == (200, "OK")
    clock[0] = key.expires_at
    assert use(key, key.security_token) == (400, "InvalidSecurityToken.Expired")
    fresh = issuer.sts.issue()
    assert use(fresh, fresh.security_token) == (200, "OK")


def test_temporary_key_with_a_wrong_secret(issuer, ask):
    key = issuer.sts.issue()
    own = {"AccessKeyId": key.access_key_id, "SecurityToken": key.security_token}
    assert ask(own, url=issuer.url).json()["Code"] == "SignatureDoesNotMatch"


def test_keys_have_the_services_form_and_are_unlike_each_other(clock):
    store = Keys(SimulatorSettings(clock=lambda: clock[0]))
    issued = [store.issue(90.7) for _ in range(50)]
    assert store.issued == 50
    assert len({key.security_token for key in issued} | {key.access_key_secret for key in issued}) == 100
    for key in issued:
        assert key.access_key_id.startswith("STS.")
        assert store.find(key.access_key_id) is key
        assert key.expires_at == int(clock[0] + 90.7)
        assert key.expiration == iso(key.expires_at)
    assert iso(1704164645.9) == "2024-01-02T03:04:05Z"


def test_the_oldest_keys_are_forgotten(monkeypatch):
    monkeypatch.setattr(keys, "GREATEST_NUMBER", 2)
    store = Keys(SimulatorSettings())
    first, second, third = (store.issue(60) for _ in range(3))
    with pytest.raises(ApiError) as refusal:
        store.find(first.access_key_id)
    assert refusal.value.code == "InvalidAccessKeyId.NotFound"
    assert store.find(second.access_key_id) is second
    assert store.find(third.access_key_id) is third
    assert store.issued == 3


def test_static_key_with_a_token_of_a_temporary_one(issuer, ask):
    token = issuer.sts.issue().security_token
    answer = ask({"SecurityToken": token}, url=issuer.url)
    assert answer.json()["Code"] == "InvalidSecurityToken.MismatchWithAccessKey"


def test_every_order_of_keys_works(issuer, sign):
    """Keys do not disturb one another."""
    known = [issuer.sts.issue() for _ in range(2)]
    for key, _ in product(known, range(2)):
        own = {"AccessKeyId": key.access_key_id, "SecurityToken": key.security_token}
        answer = requests.post(issuer.url, data=sign(own, secret=key.access_key_secret), timeout=10)
        assert answer.json()["Code"] == "OK"
