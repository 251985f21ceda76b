"""What is said of libcurl's errors. That libcurl gives these codes: tests/system/test_async_calls."""

from __future__ import annotations

import errno

import pycurl
import pytest

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.hooks.curl_errors import explain

CONNECTION, PARAMETER = errors.CccConnectionError, errors.CccParameterError
PROXY = "the proxy could not be reached, or refused"
BROKEN = "no whole answer came: "


@pytest.mark.parametrize(
    ("code", "more", "kind", "named", "says"),
    [
        (pycurl.E_OPERATION_TIMEDOUT, {}, CONNECTION, "Timeout", "could not connect in time"),
        (pycurl.E_OPERATION_TIMEDOUT, {"connected": True}, CONNECTION, "Timeout", "no answer in time"),
        (pycurl.E_COULDNT_RESOLVE_PROXY, {"proxied": True}, CONNECTION, "ConnectionFailed", PROXY),
        (pycurl.E_COULDNT_CONNECT, {"proxied": True, "errno": 111}, CONNECTION, "ConnectionFailed", PROXY),
        (pycurl.E_COULDNT_RESOLVE_HOST, {"proxied": True}, CONNECTION, "ConnectionFailed", PROXY),
        (pycurl.E_RECV_ERROR, {"proxied": True, "tunnel": 407}, CONNECTION, "ConnectionFailed", PROXY),
        (97, {"proxied": True}, CONNECTION, "ConnectionFailed", PROXY),
        (
            pycurl.E_RECV_ERROR,
            {"proxied": True, "tunnel": 200, "errno": errno.ECONNRESET},
            CONNECTION,
            "ConnectionFailed",
            BROKEN + "Connection reset by peer",
        ),
        (
            pycurl.E_COULDNT_RESOLVE_HOST,
            {},
            CONNECTION,
            "ConnectionFailed",
            "the host's name could not be resolved",
        ),
        (
            pycurl.E_COULDNT_CONNECT,
            {"errno": errno.ECONNREFUSED},
            CONNECTION,
            "ConnectionFailed",
            BROKEN + "Connection refused",
        ),
        (pycurl.E_COULDNT_CONNECT, {}, CONNECTION, "ConnectionFailed", BROKEN + "no connection"),
        (pycurl.E_GOT_NOTHING, {}, CONNECTION, "ConnectionFailed", BROKEN + "the server closed the connection"),
        (pycurl.E_PARTIAL_FILE, {}, CONNECTION, "ConnectionFailed", BROKEN + "it was cut off"),
        (pycurl.E_SSL_CONNECT_ERROR, {}, CONNECTION, "ConnectionFailed", BROKEN + "TLS was refused"),
        (pycurl.E_TFTP_ILLEGAL, {}, CONNECTION, "ConnectionFailed", BROKEN + "libcurl's error 71"),
        (
            pycurl.E_PEER_FAILED_VERIFICATION,
            {},
            errors.CccCertificateError,
            "CertificateNotTrusted",
            "the server's TLS certificate is not trusted; check host and verify",
        ),
        (
            pycurl.E_SSL_CACERT_BADFILE,
            {},
            PARAMETER,
            "InvalidArgument",
            "verify or cert: cannot be used: a file is missing, damaged or has a password",
        ),
        (pycurl.E_URL_MALFORMAT, {}, PARAMETER, "InvalidArgument", "host or proxy: is not a valid address"),
    ],
)
def test_what_fails_below_http(code, more, kind, named, says):
    error = explain(code, "secret.example.com", **more)
    assert (type(error), error.code, error.message) == (kind, named, says)
    assert "secret" not in repr(error)


@pytest.mark.parametrize("reason", ["wrong version number", "record layer failure", "packet length too long"])
def test_plain_http_where_tls_is_spoken(reason):
    error = explain(pycurl.E_SSL_CONNECT_ERROR, f"TLS connect error: error:0A00010B:SSL routines::{reason}")
    assert error.message == "host: does not speak TLS; if plain http is meant, write http:// before it"
