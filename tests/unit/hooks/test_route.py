"""The way to the host: the proxy and the certificates that requests would use. That they are used: tests/system."""

from __future__ import annotations

import asyncio
import datetime
import os

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.hooks.ccc import CccAsyncHook
from airflow_provider_ccc.hooks.route import choose_route


def route(connection, host="", **extra):
    connection(host=host, extra={"instance_id": "i"} | extra)
    return choose_route(CccAsyncHook().settings)


@pytest.mark.parametrize(
    ("host", "extra", "environment", "expected"),
    [
        ("", {}, {}, ""),
        ("", {"proxy": "http://u:p@p:1"}, {}, "http://u:p@p:1"),
        ("", {"proxy": "HTTPS://p"}, {}, "HTTPS://p"),
        ("", {"proxy": "socks5h://u:p@p:1"}, {}, "socks5h://u:p@p:1"),
        ("", {"proxy": {"http": "http://p:1"}}, {}, ""),
        ("http://h", {"proxy": {"http": "http://p:1", "https": "http://p:2"}}, {}, "http://p:1"),
        ("", {}, {"HTTPS_PROXY": "http://e:2"}, "http://e:2"),
        ("http://h", {}, {"HTTPS_PROXY": "http://e:2"}, ""),
        ("http://h", {}, {"http_proxy": "u:p@e:2"}, "http://u:p@e:2"),
        ("", {}, {"ALL_PROXY": "e:2"}, "http://e:2"),
        ("", {}, {"HTTPS_PROXY": "http://e:2", "NO_PROXY": "x,.aliyuncs.com"}, ""),
        ("", {"trust_env": False}, {"HTTPS_PROXY": "http://e:2"}, ""),
        ("", {"proxy": "http://p:1"}, {"HTTPS_PROXY": "http://e:2"}, "http://p:1"),
    ],
)
def test_the_proxy_is_the_one_that_requests_would_use(connection, monkeypatch, host, extra, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert route(connection, host, **extra).proxy == expected


@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ("ftp://u:secret@p", "proxy: must be the URL of a proxy: http, https, socks4"),
        ("http://", "host or proxy: is not a valid address"),
        ("http://u:secret@", "host or proxy: is not a valid address"),
        ("http://[::1", "host or proxy: is not a valid address"),
        ("http://u:secret@p:1\r\nX: y", "host or proxy: is not a valid address"),
    ],
)
def test_a_proxy_that_cannot_be_used(connection, proxy, says):
    async def main():
        async with hook:
            pytest.fail("entered")

    connection(extra={"proxy": proxy})
    hook = CccAsyncHook()
    with pytest.raises(errors.CccParameterError, match=says) as caught:
        asyncio.run(main())
    assert "secret" not in str(caught.value)
    assert hook._exchange is None


@pytest.fixture
def own_certificate(tmp_path):
    """Write a certificate with its key, and with its key encrypted."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "own")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    for file, encryption in (
        ("own.pem", serialization.NoEncryption()),
        ("encrypted.pem", serialization.BestAvailableEncryption(b"password")),
    ):
        (tmp_path / file).write_bytes(pem + key.private_bytes(*form, encryption))
    return str(tmp_path / "own.pem")


def test_certificates_are_checked_against_those_that_requests_trusts(connection, own_certificate, monkeypatch):
    assert route(connection).trusted == certifi.where()
    assert route(connection, verify=own_certificate).trusted == own_certificate
    folder = os.path.dirname(own_certificate)  # noqa: PTH120
    assert route(connection, verify=folder).trusted == folder
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):  # the later one counts more
        monkeypatch.setenv(name, own_certificate + name)
        assert route(connection).trusted == own_certificate + name
    assert route(connection, trust_env=False).trusted == certifi.where()
    assert route(connection, verify=own_certificate).trusted == own_certificate


def test_no_check_of_certificates(connection):
    for verify in (False, "false"):
        assert route(connection, verify=verify).trusted is None


def test_client_certificates(connection, own_certificate):
    assert route(connection).cert is None
    for cert in (own_certificate, [own_certificate], [own_certificate, own_certificate]):
        assert route(connection, cert=cert).cert == (own_certificate, own_certificate)


@pytest.mark.parametrize("unusable", ["bundle", "certificate", "encrypted key"])
def test_certificates_that_cannot_be_used(connection, own_certificate, monkeypatch, unusable):
    extra = {}
    if unusable == "bundle":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", own_certificate + ".missing")
    elif unusable == "certificate":
        extra["cert"] = __file__
    else:  # nobody is there to type its password
        extra["cert"] = own_certificate.replace("own.pem", "encrypted.pem")

    async def main():
        async with CccAsyncHook(retry=RetryPolicy(attempts=1)) as hook:
            await hook.get_instance()

    async def hang_up(_, writer):
        writer.close()

    async def beside_a_server():
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            connection(host=f"https://127.0.0.1:{port}", extra={"instance_id": "i"} | extra)
            await main()

    with pytest.raises(errors.CccParameterError, match="verify or cert: cannot be used") as caught:
        asyncio.run(beside_a_server())
    assert own_certificate not in str(caught.value)
