"""The asynchronous hook's own parts. What it does over real HTTP is in tests/system."""

from __future__ import annotations

import asyncio
import datetime
import os
import socket
import ssl
import threading
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import certifi
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.operations_2017 import Operation
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.hooks import aio
from airflow_provider_ccc.hooks.ccc import CccAsyncHook, CccHook
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID, fixture

PICKED = fixture("responses.json")["2017-07-05"]["PickOutboundNumbers"]["json"]
INSTANCE = fixture("responses.json")["2017-07-05"]["GetInstance"]["json"]
NO_RETRY = RetryPolicy(attempts=1)


@asynccontextmanager
async def service(connection, *answers, **fields):
    """Serve these answers one after the other, the last one for ever, and point ccc_default here.

    Gives the requests: their headers, and their forms in ``form``.
    """
    requests, waiting = [], list(answers)

    async def handle(request: web.Request) -> web.Response:
        requests.append(SimpleNamespace(headers=request.headers, query=request.query, form=await request.post()))
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return answer() if callable(answer) else web.json_response(answer)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", handle)
    async with TestServer(application) as server:
        connection(host=str(server.make_url("/")), **fields)
        yield requests


# --- calls ----------------------------------------------------------------------------------------------------------


def test_pick_outbound_numbers(connection):
    async def main():
        async with service(connection, PICKED) as requests, CccAsyncHook() as hook:
            return await hook.pick_outbound_numbers(CALLEE, [CANDIDATE], count=2, instance_id="other"), requests

    picked, (request,) = asyncio.run(main())
    assert picked.request_id == "DE803553-8AA9-4B9D-9E4E-A82BC69EDCEE"
    assert (picked.pairs[0].callee.number, picked.pairs[0].caller.number) == (CALLEE, CANDIDATE)
    assert dict(request.query) == {"Action": "PickOutboundNumbers", "Version": "2017-07-05"}
    sent = request.form
    assert (sent["InstanceId"], sent["Count"], sent["CandidateNumber.1"]) == ("other", "2", CANDIDATE)


def test_the_other_methods(connection):
    class ListUsers(Operation[str]):
        action = "ListUsers"

        def parameters(self):
            return {"InstanceId": "i"}

        def read(self, tree, request_id):
            return f"{tree['Users']} {request_id}"

    numbers = {"Code": "OK", "PhoneNumbers": {"PhoneNumber": [{"Number": 1089767654}]}}
    users = {"Code": "OK", "Users": "u", "RequestId": "R"}

    async def main():
        answers = (PICKED, INSTANCE, numbers, users)
        async with service(connection, *answers) as requests, CccAsyncHook(instance_id="hooks") as hook:
            await hook.pick_global_outbound_numbers(CALLEE, ["g"], is_virtual=True)
            assert (await hook.get_instance()).status == "Creating"
            assert [n.number for n in await hook.list_phone_numbers(outbound_only=False)] == ["1089767654"]
            assert await hook.call(ListUsers()) == "u R"
            return requests

    picking, instance, numbers, users = asyncio.run(main())
    sent = picking.form
    assert (sent["InstanceId"], sent["SkillGroupId.1"], sent["IsVirtual"]) == ("hooks", "g", "true")
    assert instance.form["InstanceId"] == "hooks"
    assert numbers.form["OutboundOnly"] == "false"
    assert users.query["Action"] == "ListUsers"


def test_nothing_is_sent_where_parameters_are_wrong(connection):
    async def main():
        async with service(connection, PICKED, extra={}) as requests, CccAsyncHook() as hook:
            for arguments in ((CALLEE, CANDIDATE), (CALLEE, []), ("", [CANDIDATE]), (CALLEE, [CANDIDATE])):
                with pytest.raises(errors.CccParameterError):
                    await hook.pick_outbound_numbers(*arguments)
            for wrong in ({"candidate_numbers": CANDIDATE}, {"min_outbound_numbers": -1}):
                with pytest.raises(errors.CccParameterError):
                    await hook.check_health("i", **wrong)
            return requests

    assert asyncio.run(main()) == []


def test_nothing_of_the_extra_becomes_a_header(connection):
    extra = {"instance_id": INSTANCE_ID, "security_token": "sts", "x-secret": "v", "timeout": 3}

    async def main():
        async with service(connection, PICKED, extra=extra) as requests, CccAsyncHook() as hook:
            await hook.pick_outbound_numbers(CALLEE, [CANDIDATE])
            return requests

    (request,) = asyncio.run(main())
    assert {name.title() for name in request.headers} <= {
        *("Host", "User-Agent", "Accept-Encoding", "Accept", "Connection", "Content-Type", "Content-Length"),
    }
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.form["SecurityToken"] == "sts"


def test_cookies_are_not_sent_back(connection):
    def with_cookie():
        return web.json_response(PICKED, headers={"Set-Cookie": "who=you; Path=/"})

    async def main():
        async with service(connection, with_cookie) as requests, CccAsyncHook() as hook:
            for _ in range(2):
                await hook.pick_outbound_numbers(CALLEE, [CANDIDATE])
            return requests

    assert ["Cookie" in request.headers for request in asyncio.run(main())] == [False, False]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(connection, status):
    def moved():
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async def main():
        async with service(connection, moved) as requests, CccAsyncHook() as hook:
            with pytest.raises(errors.CccError, match="redirects are not followed"):
                await hook.get_instance()
            return requests

    assert len(asyncio.run(main())) == 1


def test_each_attempt_is_signed_anew_and_attempt_itself_is_one(connection):
    def busy():
        return web.Response(status=503)

    async def main():
        async with service(connection, busy, busy, PICKED, busy) as requests:
            async with CccAsyncHook(retry=RetryPolicy(first_wait=0.001)) as hook:
                assert (await hook.pick_outbound_numbers(CALLEE, [CANDIDATE])).pairs
                with pytest.raises(errors.CccTransientError, match="HTTP 503"):
                    await hook.attempt(hook.api.get_instance(INSTANCE_ID))
            return requests

    requests = asyncio.run(main())
    for name in ("SignatureNonce", "Signature"):
        assert len({request.form[name] for request in requests}) == len(requests) == 4


# --- the connection, and what `async with` owns ---------------------------------------------------------------------


def test_the_connection_is_looked_up_once(connection, monkeypatch):
    looked_up = []
    original = aio.get_async_connection

    async def counted(conn_id):
        looked_up.append(conn_id)
        return await original(conn_id)

    monkeypatch.setattr(aio, "get_async_connection", counted)
    monkeypatch.setattr(CccAsyncHook, "get_connection", lambda *_: pytest.fail("looked up on the event loop"))

    async def main():
        async with service(connection, PICKED):
            hook = CccAsyncHook()
            for _ in range(2):
                async with hook:
                    await asyncio.gather(*(hook.pick_outbound_numbers(CALLEE, [CANDIDATE]) for _ in range(3)))

    asyncio.run(main())
    assert looked_up == ["ccc_default"]


def test_settings_that_were_read_before_are_not_looked_up_again(connection, monkeypatch):
    monkeypatch.setattr(aio, "get_async_connection", lambda *_: pytest.fail("looked up again"))
    hook = CccAsyncHook()
    assert hook.settings.instance_id == INSTANCE_ID

    async def main():
        async with hook:
            return hook.protocol.endpoint

    assert asyncio.run(main()) is hook.settings.endpoint


@pytest.mark.parametrize("blocking", ["_checked", "_prepare_transport"])
def test_entering_does_not_block_the_loop(connection, monkeypatch, blocking):
    owner = CccAsyncHook if blocking == "_checked" else aio
    original = getattr(owner, blocking)
    loop_went_on = threading.Event()

    def slow(*arguments):
        assert loop_went_on.wait(30), "the event loop is blocked"
        return original(*arguments)

    monkeypatch.setattr(owner, blocking, slow)

    async def main():
        asyncio.get_running_loop().call_later(0.05, loop_went_on.set)
        async with CccAsyncHook() as hook:
            return hook.settings.instance_id

    assert asyncio.run(main()) == INSTANCE_ID


def test_warnings_are_the_other_hooks(connection, logs):
    connection(host="http://10.1.2.3", extra={"verify": False, "instanceid": "i"})

    async def main():
        async with CccAsyncHook():
            pass

    def warnings():
        return sorted(text.replace("CccAsyncHook", "CccHook") for level, text in logs.records if level == "warning")

    asyncio.run(main())
    seen = warnings()
    assert len(seen) == 3
    assert CccHook().settings
    assert len(warnings()) == 2 * len(seen)


def test_a_connection_that_is_missing_or_wrong(connection, monkeypatch):
    async def enter(conn_id):
        async with CccAsyncHook(conn_id) as hook:
            pytest.fail(f"entered {hook}")

    with pytest.raises(AirflowNotFoundException):
        asyncio.run(enter("nobody"))
    connection(password="")
    with pytest.raises(errors.CccParameterError) as caught:
        asyncio.run(enter("ccc_default"))
    assert str(caught.value) == "InvalidArgument: connection 'ccc_default', password (AccessKey Secret): is empty"


def test_calls_outside_of_async_with(connection):
    hook = CccAsyncHook()

    async def main():
        with pytest.raises(RuntimeError, match="within 'async with"):
            await hook.get_instance()
        async with hook:
            connector = hook._exchange._connector
            assert not connector.closed
        assert connector.closed
        with pytest.raises(RuntimeError, match="within 'async with"):
            await hook.get_instance()

    asyncio.run(main())


def test_connections_are_closed_after_an_error_too(connection):
    hook = CccAsyncHook()

    connectors = []

    async def main():
        async with hook:
            connectors.append(hook._exchange._connector)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert connectors[0].closed
    assert hook._exchange is None


# --- proxies and certificates ---------------------------------------------------------------------------------------


def transport(connection, host="", **extra):
    connection(host=host, extra={"instance_id": "i"} | extra)
    return aio._prepare_transport(CccAsyncHook().settings)


@pytest.mark.parametrize(
    ("host", "extra", "environment", "expected"),
    [
        ("", {}, {}, None),
        ("", {"proxy": "http://u:p@p:1"}, {}, "http://u:p@p:1"),
        ("", {"proxy": "HTTPS://p"}, {}, "HTTPS://p"),
        ("", {"proxy": {"http": "http://p:1"}}, {}, None),
        ("http://h", {"proxy": {"http": "http://p:1", "https": "http://p:2"}}, {}, "http://p:1"),
        ("", {}, {"HTTPS_PROXY": "http://e:2"}, "http://e:2"),
        ("http://h", {}, {"HTTPS_PROXY": "http://e:2"}, None),
        ("http://h", {}, {"http_proxy": "u:p@e:2"}, "http://u:p@e:2"),
        ("", {}, {"ALL_PROXY": "e:2"}, "http://e:2"),
        ("", {}, {"HTTPS_PROXY": "http://e:2", "NO_PROXY": "x,.aliyuncs.com"}, None),
        ("", {"trust_env": False}, {"HTTPS_PROXY": "http://e:2"}, None),
        ("", {"proxy": "http://p:1"}, {"HTTPS_PROXY": "http://e:2"}, "http://p:1"),
    ],
)
def test_the_proxy_is_the_one_that_requests_would_use(connection, monkeypatch, host, extra, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert transport(connection, host, **extra)[1] == expected


@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ("socks5://u:secret@p:1", "proxy: is no HTTP proxy"),
        ("ftp://p", "proxy: is no HTTP proxy"),
        ("http://", "host or proxy: is no address that can be used"),
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


def trusted(context):
    """Name the authorities that a context trusts."""
    return [dict(part[0] for part in found["subject"]).get("commonName") for found in context.get_ca_certs()]


def test_certificates_are_checked_against_those_that_requests_trusts(connection):
    context, _ = transport(connection)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    bundle = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bundle.load_verify_locations(certifi.where())
    assert context.cert_store_stats() == bundle.cert_store_stats()


def test_certificates_of_ones_own(connection, own_certificate, monkeypatch):
    assert trusted(transport(connection, verify=own_certificate)[0]) == ["own"]
    directory, _ = transport(connection, verify=os.path.dirname(own_certificate))  # noqa: PTH120
    assert (trusted(directory), directory.verify_mode) == ([], ssl.CERT_REQUIRED)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", own_certificate)
    assert trusted(transport(connection)[0]) == ["own"]
    assert len(trusted(transport(connection, trust_env=False)[0])) > 1
    assert transport(connection, verify=False)[0].verify_mode == ssl.CERT_NONE


def test_no_check_of_certificates_and_no_tls_at_all(connection):
    context, _ = transport(connection, verify="false")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)
    assert transport(connection, host="http://h")[0] is False


def test_client_certificates(connection, own_certificate):
    for cert in (own_certificate, [own_certificate], [own_certificate, own_certificate]):
        assert isinstance(transport(connection, cert=cert)[0], ssl.SSLContext)


@pytest.mark.parametrize("unusable", ["bundle", "certificate", "encrypted key"])
def test_certificates_that_cannot_be_used(connection, own_certificate, monkeypatch, unusable):
    extra = {}
    if unusable == "bundle":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", own_certificate + ".missing")
    elif unusable == "certificate":
        extra["cert"] = __file__
    else:  # nobody is there to type its password
        extra["cert"] = own_certificate.replace("own.pem", "encrypted.pem")
    with pytest.raises(errors.CccParameterError, match="verify or cert: cannot be used") as caught:
        transport(connection, **extra)
    assert own_certificate not in str(caught.value)


# --- failures -------------------------------------------------------------------------------------------------------

KEY = SimpleNamespace(host="secret.example.com", port=443, ssl=True, is_ssl=True)
REQUEST = SimpleNamespace(real_url="http://u:secret@p/")


def os_error(kind, number, text="Connect call failed ('secret', 1)"):
    return kind(KEY, OSError(number, text))


def tls_error(reason):
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1)")
    error.reason = reason
    return aiohttp.ClientConnectorSSLError(KEY, error)


CONNECTION, PARAMETER = errors.CccConnectionError, errors.CccParameterError
NO_TLS = "host: does not speak TLS; if plain http is meant, write http:// before it"
BAD_ADDRESS = "host or proxy: is no address that can be used"
PROXY = "the proxy could not be reached, or refused"
UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed: secret")


@pytest.mark.parametrize(
    ("raised", "kind", "code", "says"),
    [
        (aiohttp.ConnectionTimeoutError("secret"), CONNECTION, "Timeout", "could not connect in time"),
        (aiohttp.SocketTimeoutError("secret"), CONNECTION, "Timeout", "no answer in time"),
        (TimeoutError(), CONNECTION, "Timeout", "no answer in time"),
        (os_error(aiohttp.ClientProxyConnectionError, 111), CONNECTION, "ConnectionFailed", PROXY),
        (aiohttp.ClientHttpProxyError(REQUEST, (), status=407), CONNECTION, "ConnectionFailed", PROXY),
        (
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "secret")),
            CONNECTION,
            "ConnectionFailed",
            "the host's name could not be resolved",
        ),
        (
            os_error(aiohttp.ClientConnectorError, 111),
            CONNECTION,
            "ConnectionFailed",
            "no whole answer came: Connection refused",
        ),
        (
            aiohttp.ClientOSError(104, "secret"),
            CONNECTION,
            "ConnectionFailed",
            "no whole answer came: Connection reset by peer",
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError("Multiple exceptions: secret")),
            CONNECTION,
            "ConnectionFailed",
            "no whole answer came: ClientConnectorError",
        ),
        (
            aiohttp.ClientPayloadError("secret"),
            CONNECTION,
            "ConnectionFailed",
            "no whole answer came: ClientPayloadError",
        ),
        (
            aiohttp.ServerDisconnectedError("secret"),
            CONNECTION,
            "ConnectionFailed",
            "no whole answer came: ServerDisconnectedError",
        ),
        (
            tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"),
            CONNECTION,
            "ConnectionFailed",
            "no whole answer came: [SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] (_ssl.c:1)",
        ),
        (tls_error("WRONG_VERSION_NUMBER"), PARAMETER, "InvalidArgument", NO_TLS),
        (tls_error("RECORD_LAYER_FAILURE"), PARAMETER, "InvalidArgument", NO_TLS),
        (
            aiohttp.ClientConnectorCertificateError(KEY, UNTRUSTED),
            errors.CccCertificateError,
            "CertificateNotTrusted",
            "the server's TLS certificate is not trusted; check host and verify",
        ),
        (aiohttp.InvalidURL("http://u:secret@p:99999"), PARAMETER, "InvalidArgument", BAD_ADDRESS),
        (ValueError("secret"), PARAMETER, "InvalidArgument", BAD_ADDRESS),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_fails_below_http(connection, raised, kind, code, says):
    async def main():
        async with CccAsyncHook(retry=NO_RETRY) as hook:

            async def send(_):
                raise raised

            exchange, hook._exchange = hook._exchange, SimpleNamespace(send=send)
            try:
                await hook.get_instance()
            finally:
                hook._exchange = exchange

    with pytest.raises(errors.CccError) as caught:
        asyncio.run(main())
    assert (type(caught.value), caught.value.code, caught.value.message) == (kind, code, says)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None  # its text would have addresses in it


def test_a_name_that_a_proxy_should_resolve_is_the_proxys_own():
    error = aio._transport_error(aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "secret")), proxied=True)
    assert error.message == PROXY
