from __future__ import annotations

import dataclasses
import json
import sys

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_ccc.client.credential_providers import ROLES, _problem
from airflow_provider_ccc.client.credentials import AccessKey, FetchedCredentials, StaticCredentials
from airflow_provider_ccc.client.errors import (
    CccCredentialsError,
    CccParameterError,
    CccPermissionError,
    CccTransientError,
)
from airflow_provider_ccc.get_provider_info import CONNECTION
from airflow_provider_ccc.hooks.credentials import _KINDS, credentials_of


def credentials(conn_type="ccc", key=("id", "secret"), **extra):
    connection = Connection(conn_id="c", conn_type=conn_type, login=key[0], password=key[1], extra=json.dumps(extra))
    return credentials_of(connection, extra)


def test_an_access_key_needs_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials", None)
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials.provider", None)
    assert credentials() == StaticCredentials(AccessKey("id", "secret"))
    assert credentials(credentials="access_key", security_token="t").get() == AccessKey("id", "secret", "t")
    assert credentials(credentials="sts", security_token="t").get() == AccessKey("id", "secret", "t")


def test_the_siblings_connection_works_as_it_is():
    extra = {"access_key_id": "their-id", "access_key_secret": "their-secret"}
    assert credentials("alibaba_cloud", (None, None), **extra).get() == AccessKey("their-id", "their-secret")
    with pytest.raises(CccParameterError, match=r"^InvalidArgument: access_key_secret \(Access Key Secret\): is empty"):
        credentials("alibaba_cloud", (None, None), access_key_id="their-id")
    # Only there: in a connection of type ccc these fields mean nothing.
    assert credentials(**extra).get() == AccessKey("id", "secret")


@pytest.mark.parametrize("kind", ROLES)
def test_each_kind_without_the_library_says_what_to_install(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials.provider", None)
    given = dict.fromkeys(("role_arn", "oidc_provider_arn", "oidc_token_file_path", "credentials_uri"), "x")
    with pytest.raises(CccParameterError, match=r"install airflow-provider-ccc\[credentials\]") as caught:
        credentials(credentials=kind, **given).get()
    assert caught.value.parameter == "credentials"


def test_the_form_offers_every_kind_and_has_every_field():
    fields = CONNECTION["conn-fields"]
    assert tuple(fields["credentials"]["schema"]["enum"]) == _KINDS
    for role in ROLES.values():
        for field in dataclasses.fields(role):
            assert field.name in fields or field.name in ("login", "password")
            # What is secret in a class is secret in the form, and the other way round.
            assert (not field.repr) == (field.name == "password" or _is_secret(field.name)), field.name


def _is_secret(name: str) -> bool:
    return CONNECTION["conn-fields"].get(name, {}).get("schema", {}).get("format") == "password"


def test_a_role_is_made_of_the_connections_fields():
    made = credentials(
        credentials="ram_role_arn",
        role_arn="acs:ram::1:role/r",
        role_session_expiration="900",
        external_id="e",
        security_token="t",
    )
    assert isinstance(made, FetchedCredentials)
    assert not made.current


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        (
            'error refreshing credentials from ram_role_arn, http_code: 403, result: {"Code": "NoPermission", "M": 1}',
            CccPermissionError,
            "NoPermission",
        ),
        (
            'error refreshing credentials from ram_role_arn, http_code: 404, result: {"Code":"EntityNotExist.Role"}',
            CccCredentialsError,
            "EntityNotExist.Role",
        ),
        (
            "error refreshing credentials from credentials_uri, http_code: 401, result: x",
            CccCredentialsError,
            "HTTP 401",
        ),
        (
            "Failed to get RAM session credentials from ECS metadata service. HttpCode=404",
            CccCredentialsError,
            "HTTP 404",
        ),
        ('error, http_code: 400, result: {"Code": "Throttling.User"}', CccTransientError, "Throttling.User"),
        ('error, http_code: 400, result: {"Code": "InternalError"}', CccTransientError, "InternalError"),
        ("error refreshing credentials, http_code: 503, result: secret", CccTransientError, "CredentialsUnavailable"),
        ("error refreshing credentials, http_code: 429, result: secret", CccTransientError, "CredentialsUnavailable"),
        ("HTTPSConnectionPool(host='sts'): url: /?AccessKeyId=secret", CccTransientError, "CredentialsUnavailable"),
        (
            "unable to load credentials from any of the providers in the chain: [...]",
            CccCredentialsError,
            "NoCredentials",
        ),
    ],
)
def test_the_librarys_errors_become_ones_that_can_be_shown(text, kind, code):
    error = _problem("ram_role_arn", RuntimeError(text))
    assert type(error) is kind
    assert error.code == code
    assert "secret" not in str(error)
    assert "ram_role_arn" in str(error)


def test_an_answer_that_is_garbled_may_pass_and_a_field_that_is_wrong_does_not():
    garbled = json.JSONDecodeError("Expecting value", "secret", 0)
    assert type(_problem("credentials_uri", garbled, asked=True)) is CccTransientError
    assert type(_problem("ecs_ram_role", ValueError("disabled"), asked=False)) is CccParameterError


@pytest.mark.parametrize("address", ["http://u:pa55/word@127.0.0.1/x", "http://[::1/x", "ftp://127.0.0.1", "nonsense"])
def test_a_credentials_uri_that_is_none(address):
    with pytest.raises(CccParameterError, match="credentials_uri: is no address") as caught:
        credentials(credentials="credentials_uri", credentials_uri=address).get()
    assert "pa55" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_what_is_fetched_is_masked(monkeypatch):
    masked = []
    monkeypatch.setattr("airflow_provider_ccc.hooks.credentials.mask_secret", masked.append)
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
    made = credentials(credentials="credentials_uri", credentials_uri="http://127.0.0.1:1/")
    made._fetch = lambda refused: _fetched()
    assert made.get().security_token == "a-token"
    assert masked == ["http://127.0.0.1:1/", "a-secret", "a-token"]


def _fetched():
    from airflow_provider_ccc.client.credentials import Fetched

    return Fetched(AccessKey("STS.x", "a-secret", "a-token"), None)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("credentials_uri", "credentials_uri", "http://127.0.0.1:9/credentials/of-somebody"),
        ("ram_role_arn", "external_id", "what-only-we-know"),
    ],
)
def test_what_is_secret_in_the_extra_is_masked(monkeypatch, kind, name, value):
    masked = []
    monkeypatch.setattr("airflow_provider_ccc.hooks.credentials.mask_secret", masked.append)
    extra = {"credentials": kind, name: value, "role_arn": "acs:ram::1:role/r"}
    credentials(**extra)
    assert value in masked
    assert not {"id", "acs:ram::1:role/r"} & set(masked)
