from __future__ import annotations

import json
from pathlib import Path

import certifi
import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.hooks.ccc import CccHook
from airflow_provider_ccc.hooks.settings import ConnectionSettings


def settings(**fields) -> ConnectionSettings:
    fields = {"conn_id": "c", "conn_type": "ccc", "login": "testid", "password": "testsecret"} | fields
    if isinstance(fields.get("extra"), dict):
        fields["extra"] = json.dumps(fields["extra"])
    return ConnectionSettings.of(Connection(**fields))


def test_defaults():
    read = settings()
    assert read.endpoint.url == "https://ccc.cn-shanghai.aliyuncs.com"
    assert read.instance_id is None
    assert read.timeout == (5.0, 30.0)
    assert read.proxies == {}
    assert (read.verify, read.cert, read.trust_env) == (True, None, True)
    key = read.credentials.get()
    assert (key.access_key_id, key.access_key_secret, key.security_token) == ("testid", "testsecret", None)


@pytest.fixture
def pem(tmp_path) -> str:
    """A file with a certificate."""
    path = tmp_path / "ca.pem"
    path.write_bytes(Path(certifi.where()).read_bytes())
    return str(path)


def test_everything_set(pem):
    read = settings(
        host="http://127.0.0.1:8790",
        extra={
            "region_id": "cn-hangzhou",
            "instance_id": " i ",
            "api_version": "2017-07-05",
            "signature": "v1",
            "credentials": "sts",
            "security_token": "token",
            "timeout": "2.5",
            "proxy": "http://proxy:3128",
            "verify": pem,
            "cert": [pem, pem],
            "trust_env": False,
        },
    )
    assert read.endpoint.url == "http://127.0.0.1:8790"
    assert read.instance_id == "i"
    assert read.credentials.get().security_token == "token"
    assert read.timeout == (2.5, 2.5)
    assert read.proxies == {"http": "http://proxy:3128", "https": "http://proxy:3128"}
    assert (read.verify, read.cert, read.trust_env) == (pem, (pem, pem), False)


def test_from_a_uri(monkeypatch):
    uri = "ccc://testid:test%2Fsecret@http%3A%2F%2F127.0.0.1:8790/?instance_id=i&timeout=9&verify=false"
    monkeypatch.setenv("AIRFLOW_CONN_CCC_DEFAULT", uri)
    read = CccHook().settings
    assert read.endpoint.url == "http://127.0.0.1:8790"
    assert read.credentials.get().access_key_secret == "test/secret"
    assert (read.instance_id, read.timeout, read.verify) == ("i", (5.0, 9.0), False)


@pytest.mark.parametrize(
    ("value", "verify"),
    [
        (None, True),
        (True, True),
        (False, False),
        ("true", True),
        ("False", False),
        ("", True),
        ("no", False),
        (0, False),
    ],
)
def test_verify(value, verify):
    assert settings(extra={"verify": value}).verify is verify


def test_proxies_by_scheme_as_providers_http_takes_them():
    assert settings(extra={"proxies": {"https": "http://p:1"}}).proxies == {"https": "http://p:1"}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"login": None}, "login (AccessKey ID): is empty"),
        ({"login": " "}, "login (AccessKey ID): is empty"),
        ({"password": None}, "password (AccessKey Secret): is empty"),
        ({"password": "testsecret\n"}, "password (AccessKey Secret): has spaces"),
        ({"host": "h/path"}, "host: has a path"),
        ({"port": 99999}, "port: 99999"),
        ({"schema": "ftp"}, "schema: 'ftp'"),
        ({"extra": "{"}, "extra: is no JSON"),
        ({"extra": "[1]"}, "extra: must be a JSON object"),
        ({"extra": {"region_id": "no region"}}, "region_id: 'no region'"),
        ({"extra": {"region_id": 1}}, "region_id: must be text"),
        ({"extra": {"instance_id": 1}}, "instance_id: must be text"),
        ({"extra": {"security_token": ["x"]}}, "security_token: must be text"),
        ({"extra": {"timeout": 0}}, "timeout: must be a number"),
        ({"extra": {"timeout": "soon"}}, "timeout: must be a number"),
        ({"extra": {"timeout": float("nan")}}, "timeout: must be a number"),
        ({"extra": {"timeout": [1, 2]}}, "timeout: must be a number"),
        ({"extra": {"proxy": 7}}, "proxy: must be a URL"),
        ({"extra": {"proxy": "proxy:3128"}}, "proxy: must be a URL"),
        ({"extra": {"verify": 7}}, "verify: 7 is neither true nor false nor a file"),
        ({"extra": {"verify": "/nope.pem"}}, "verify: '/nope.pem' is neither"),
        ({"extra": {"verify": __file__}}, f"verify: {__file__!r} is neither"),
        ({"extra": {"cert": 1}}, "cert: must be"),
        ({"extra": {"cert": "/nope.pem"}}, "cert: must be"),
        ({"extra": {"cert": [__file__, __file__, __file__]}}, "cert: must be"),
        ({"extra": {"api_version": "2019-01-01"}}, "api_version: is '2019-01-01', and must be one of 2017-07-05, 2020"),
        ({"extra": {"signature": "v2"}}, "signature: is 'v2', and must be one of v1, v3"),
        ({"extra": {"credentials": "magic"}}, "credentials: is 'magic', and must be one of access_key, sts, ram_role"),
        ({"extra": {"credentials": "sts"}}, "security_token (STS token): is empty"),
        ({"extra": {"credentials": "ram_role_arn"}}, "role_arn (Role ARN): is empty"),
        ({"extra": {"credentials": "ram_role_arn", "role_arn": "r"}, "login": ""}, "login (AccessKey ID): is empty"),
        ({"extra": {"credentials": "oidc_role_arn", "role_arn": "r"}}, "oidc_provider_arn (OIDC provider ARN): is"),
        ({"extra": {"credentials": "credentials_uri"}}, "credentials_uri (Credentials URI): is empty"),
        (
            {"extra": {"credentials": "ram_role_arn", "role_arn": "r", "role_session_expiration": 60}},
            "role_session_expiration (Role session expiration (seconds)): must be a number of seconds from 900",
        ),
        ({"conn_type": "alibaba_cloud", "login": "", "extra": {}}, "access_key_id (Access Key ID): is empty"),
    ],
)
def test_an_error_names_connection_and_field(fields, names):
    with pytest.raises(CccParameterError) as caught:
        settings(**fields)
    assert str(caught.value).startswith(f"InvalidArgument: connection 'c', {names}")
    assert "testsecret" not in str(caught.value)


def test_printing_shows_no_secret():
    text = repr(settings(extra={"security_token": "sts-token", "proxy": "http://user:pass-word@p:1"}))
    for hidden in ("testsecret", "sts-token", "pass-word"):
        assert hidden not in text
