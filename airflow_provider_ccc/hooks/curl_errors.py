"""What libcurl's errors mean, in words of our own: libcurl's texts have addresses in them.

The codes: https://curl.se/libcurl/c/libcurl-errors.html.
"""

from __future__ import annotations

import os

import pycurl

from airflow_provider_ccc.client.errors import CccCertificateError, CccConnectionError, CccError, CccParameterError
from airflow_provider_ccc.hooks.route import BAD_ADDRESS

#: pycurl has no name for CURLE_PROXY: a SOCKS proxy refused.
_PROXY_HANDSHAKE = 97
_OF_PROXIES = (pycurl.E_COULDNT_RESOLVE_PROXY, _PROXY_HANDSHAKE)
#: The last one comes of a key with a password.
_OF_CERTIFICATES = (pycurl.E_SSL_CERTPROBLEM, pycurl.E_SSL_CACERT_BADFILE, pycurl.E_BAD_FUNCTION_ARGUMENT)
#: What OpenSSL says where the other side answers in plain HTTP.
_NO_TLS = ("wrong version number", "record layer failure", "packet length too long")
_REASONS = {
    pycurl.E_UNSUPPORTED_PROTOCOL: "what came is no HTTP",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "what came is no HTTP",
    pycurl.E_COULDNT_CONNECT: "no connection",
    pycurl.E_GOT_NOTHING: "the server closed the connection",
    pycurl.E_SEND_FAIL_REWIND: "the server closed the connection",
    pycurl.E_PARTIAL_FILE: "it was cut off",
    pycurl.E_RECV_ERROR: "the connection broke, or it is no HTTP",
    pycurl.E_SEND_ERROR: "the connection broke",
    pycurl.E_SSL_CONNECT_ERROR: "TLS was refused",
    pycurl.E_WRITE_ERROR: "its head is too long",
    pycurl.E_BAD_CONTENT_ENCODING: "it is encoded in an unknown way",
}


def explain(
    code: int, text: str, *, errno: int = 0, connected: bool = False, proxied: bool = False, tunnel: int = 0
) -> CccError:
    """Say why no whole reply came.

    :param code: libcurl's.
    :param text: libcurl's; it is looked into, and not passed on.
    :param errno: the operating system's error, 0 if there was none.
    :param connected: whether the request could be sent.
    :param proxied: whether a proxy was to be used.
    :param tunnel: the HTTP status of a proxy that was asked for a tunnel, 0 if none was or did answer.
    """
    if code == pycurl.E_PEER_FAILED_VERIFICATION:
        return CccCertificateError("the server's TLS certificate is not trusted; check host and verify")
    if code in _OF_CERTIFICATES:
        return CccParameterError("verify or cert", "cannot be used: a file is missing, damaged or has a password")
    if code == pycurl.E_SSL_CONNECT_ERROR and any(reason in text for reason in _NO_TLS):
        return CccParameterError("host", "does not speak TLS; if plain http is meant, write http:// before it")
    if code == pycurl.E_URL_MALFORMAT:
        return CccParameterError("host or proxy", BAD_ADDRESS)
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return CccConnectionError("no answer in time" if connected else "could not connect in time", code="Timeout")
    unreached = proxied and code in (pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_HOST)
    if unreached or tunnel // 100 not in (0, 2) or code in _OF_PROXIES:
        return CccConnectionError("the proxy could not be reached, or refused")
    if code == pycurl.E_COULDNT_RESOLVE_HOST:
        return CccConnectionError("the host's name could not be resolved")
    what = os.strerror(errno) if errno else _REASONS.get(code, f"libcurl's error {code}")
    return CccConnectionError(f"no whole answer came: {what}")
