from __future__ import annotations

import functools
import time
from datetime import datetime

import pytest
import requests
import uvicorn

from airflow_provider_ccc.simulator.metadata import ROLE
from airflow_provider_ccc.simulator.server import SimulatorSettings, running

TTL = "X-aliyun-ecs-metadata-token-ttl-seconds"
TOKEN = "X-aliyun-ecs-metadata-token"
ROLES = "/latest/meta-data/ram/security-credentials/"


def get(url, token=None):
    return requests.get(url, headers={TOKEN: token} if token is not None else {}, timeout=10)


def put(url, ttl):
    return requests.put(f"{url}/latest/api/token", headers={TTL: ttl} if ttl is not None else {}, timeout=10)


def assert_is_good(answer, ask, simulator):
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json;charset=utf-8"
    key = answer.json()
    assert set(key) == {"Code", "AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration", "LastUpdated"}
    assert key["Code"] == "Success"
    updated, expires = (datetime.fromisoformat(key[name]).timestamp() for name in ("LastUpdated", "Expiration"))
    assert abs(updated - time.time()) < 5
    assert expires - updated == pytest.approx(3600, abs=1)
    own = {"AccessKeyId": key["AccessKeyId"], "SecurityToken": key["SecurityToken"]}
    assert ask(own, url=simulator.url, secret=key["AccessKeySecret"]).json()["Code"] == "OK"


def test_second_version(simulator, ask):
    token = put(simulator.url, "21600")
    assert (token.status_code, token.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert len(token.text) > 20
    role = get(f"{simulator.url}{ROLES}", token.text)
    assert (role.status_code, role.text) == (200, ROLE)
    assert_is_good(get(f"{simulator.url}{ROLES}{role.text}", token.text), ask, simulator)


def test_first_version(simulator, ask):
    role = get(f"{simulator.url}{ROLES}")
    assert (role.status_code, role.text) == (200, ROLE)
    assert_is_good(get(f"{simulator.url}{ROLES}{role.text}"), ask, simulator)


def test_credentials_uri(simulator, ask):
    assert_is_good(get(f"{simulator.url}/credentials"), ask, simulator)
    assert_is_good(get(f"{simulator.url}/credentials?any=query"), ask, simulator)


@pytest.mark.parametrize("ttl", [None, "", "0", "21601", "long", "-1"])
def test_token_without_a_life(simulator, ttl):
    assert put(simulator.url, ttl).status_code == 400


@pytest.mark.parametrize("token", ["", "made-up"])
def test_unknown_token(simulator, token):
    assert get(f"{simulator.url}{ROLES}", token).status_code == 401
    assert get(f"{simulator.url}{ROLES}{ROLE}", token).status_code == 401


def test_expired_token():
    now = [time.time()]
    with running(SimulatorSettings(clock=lambda: now[0])) as simulator:
        token = put(simulator.url, "10").text
        now[0] += 9
        assert get(f"{simulator.url}{ROLES}", token).status_code == 200
        now[0] += 1
        assert get(f"{simulator.url}{ROLES}", token).status_code == 401
        assert get(f"{simulator.url}{ROLES}", put(simulator.url, "10").text).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{ROLES}another-role", 404),
        ("GET", "/latest/meta-data/instance-id", 404),
        ("GET", "/latest/api/token", 405),
        ("POST", f"{ROLES}{ROLE}", 405),
        ("POST", "/credentials", 405),
        ("GET", "/credentials/more", 404),
    ],
)
def test_what_is_not_served(simulator, method, path, status):
    before = simulator.sts.issued
    assert requests.request(method, f"{simulator.url}{path}", timeout=10).status_code == status
    assert simulator.sts.issued == before


def test_keys_are_counted_and_leave_no_trace_in_the_journal():
    with running(SimulatorSettings(qps=1, fault_rate=1.0, sts_seconds=30)) as simulator:
        keys = [get(f"{simulator.url}{path}").json() for path in (f"{ROLES}{ROLE}", "/credentials", "/credentials")]
        assert len({key["AccessKeyId"] for key in keys}) == 3
        assert simulator.sts.issued == 3
        assert simulator.journal == []
        for key in keys:
            expires = datetime.fromisoformat(key["Expiration"]).timestamp()
            assert expires - datetime.fromisoformat(key["LastUpdated"]).timestamp() == pytest.approx(30, abs=1)


@pytest.mark.parametrize("http", ["auto", "h11"])
def test_as_the_http_proxy_of_a_client_that_asks_the_fixed_address(ask, monkeypatch, http):
    """Alibaba's credentials library cannot be told another address than 100.100.100.200, but a proxy it can."""
    monkeypatch.setattr(uvicorn, "Config", functools.partial(uvicorn.Config, http=http))
    with running(SimulatorSettings()) as simulator, requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"http://100.100.100.200{ROLES}{ROLE}", proxies={"http": simulator.url}, timeout=10)
        assert_is_good(answer, ask, simulator)
