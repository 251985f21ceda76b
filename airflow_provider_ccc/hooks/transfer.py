"""One exchange over libcurl's easy interface: what is sent, what is kept of the reply, and what became of it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pycurl

from airflow_provider_ccc import __version__
from airflow_provider_ccc.client.errors import CccConnectionError, CccError
from airflow_provider_ccc.client.protocol import MAX_ANSWER_BYTES
from airflow_provider_ccc.client.signers import CONTENT_TYPE, SignedRequest
from airflow_provider_ccc.hooks.curl_errors import explain
from airflow_provider_ccc.hooks.route import Route

#: No reply's head comes near these; a longer one is refused, as one that never ends is.
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 128
#: An idle connection is not used again after so many seconds: the server may be about to close it.
_KEEP_ALIVE = 15
USER_AGENT = f"airflow-provider-ccc/{__version__} libcurl/{pycurl.version_info()[1]}"
#: Unpacks gzip as well as zlib's own format, which is what HTTP calls deflate.
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_PACKED = ("gzip", "x-gzip", "deflate")
_HEADERS = [
    f"Content-Type: {CONTENT_TYPE}",
    "Accept: application/json",  # as the other hook asks; signature 3 has no parameter for it
    "Expect:",
]


class Headers(Mapping[str, str]):
    """A reply's headers, names in lower case. Hardly anybody looks at them, so they are read when somebody does."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines

    @cached_property
    def _read(self) -> dict[str, str]:
        read = {}
        for line in self._lines:
            name, _, value = line.decode("latin-1").partition(":")
            read[name.strip().lower()] = value.strip()
        return read

    def __getitem__(self, name: str) -> str:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


class Reply(NamedTuple):
    """What came back.

    :param body: unpacked; of one that is longer than :data:`MAX_ANSWER_BYTES`, no more than that and a little.
    """

    status: int
    headers: Headers
    body: bytes


class Transfer:
    """One handle of libcurl's, for one exchange after another."""

    def __init__(self, route: Route, connect_timeout: float, timeout: float) -> None:
        self.curl = pycurl.Curl()
        self._proxied = bool(route.proxy)
        #: Who waits for the exchange that is under way.
        self.waiter: asyncio.Future[Reply] | None = None
        self._own_headers = False
        self._url = ""
        self._unsent = b""
        self._lines: list[bytes] = []  # of heads and trailers; libcurl itself refuses more than 300 KB of them
        self._clear()
        for option, value in _options(route, connect_timeout, timeout):
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.READFUNCTION, self._give_body)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._take_body)

    def _clear(self) -> None:
        self._lines.clear()
        self._body = bytearray()
        self.is_too_long = False

    def begin(self, request: SignedRequest, waiter: asyncio.Future[Reply]) -> None:
        """Prepare an exchange; it begins when libcurl is given the handle."""
        self.waiter = waiter
        self._unsent = request.body
        if request.url != self._url:
            self._url = request.url
            self.curl.setopt(pycurl.URL, request.url)
        self.curl.setopt(pycurl.POSTFIELDSIZE, len(request.body))
        if request.headers or self._own_headers:
            self._own_headers = bool(request.headers)
            own = [f"{name}: {value}" for name, value in request.headers.items()]
            self.curl.setopt(pycurl.HTTPHEADER, _HEADERS + own)

    def finish(self) -> asyncio.Future[Reply]:
        """Be ready for another exchange.

        :returns: who waits for the one that is over.
        """
        assert self.waiter is not None  # noqa: S101
        waiter, self.waiter = self.waiter, None
        self._clear()
        return waiter

    def reply(self) -> Reply | CccError:
        lines, head = self._lines, _last_head(self._lines)
        if head is None:
            return CccConnectionError("no whole answer came: its head was cut off")
        if len(head) > MAX_HEADERS or sum(map(len, lines)) > MAX_HEAD_BYTES:
            return CccConnectionError("no whole answer came: its head is too long")
        headers, body, text = Headers(head), bytes(self._body), b"".join(head).lower()
        if text.count(b"content-length:") > 1:  # of which older versions of libcurl believe the first
            return CccConnectionError("no whole answer came: it has more than one length")
        if b"content-encoding" in text and headers.get("content-encoding", "").lower() in _PACKED:
            try:
                body = _unpack(body)
            except zlib.error:
                return CccConnectionError("no whole answer came: it cannot be unpacked")
        return Reply(self.curl.getinfo(pycurl.RESPONSE_CODE), headers, body)

    def error(self, code: int, text: str) -> CccError:
        return explain(
            code,
            text,
            errno=self.curl.getinfo(pycurl.OS_ERRNO),
            connected=self.curl.getinfo(pycurl.PRETRANSFER_TIME) > 0,
            proxied=self._proxied,
            tunnel=self.curl.getinfo(pycurl.HTTP_CONNECTCODE),
        )

    # --- what libcurl calls -----------------------------------------------------------------------------------------

    def _give_body(self, size: int) -> bytes:
        """Give the request's body, once. libcurl cannot go back in it, and so it never sends a request again."""
        unsent = self._unsent
        self._unsent = unsent[size:]
        return unsent[:size]

    def _take_body(self, data: bytes) -> int | None:
        self._body += data
        if len(self._body) <= MAX_ANSWER_BYTES:
            return None
        self.is_too_long = True
        return -1


def _options(route: Route, connect_timeout: float, timeout: float) -> list[tuple[int, Any]]:
    """What is the same for all exchanges. Options that have libcurl look at the environment are set to nothing."""
    options = [
        (pycurl.POST, 1),
        (pycurl.HTTPHEADER, _HEADERS),
        (pycurl.USERAGENT, USER_AGENT),
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
        (pycurl.NOSIGNAL, 1),
        (pycurl.TCP_NODELAY, 1),
        (pycurl.MAXAGE_CONN, _KEEP_ALIVE),
        (pycurl.CONNECTTIMEOUT_MS, max(1, round(connect_timeout * 1000))),
        (pycurl.TIMEOUT_MS, max(1, round(timeout * 1000))),
        (pycurl.PROXY, route.proxy),
        (pycurl.NOPROXY, ""),
        (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
        (pycurl.PROXY_SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
    ]
    if route.trusted is None:
        options += [(pycurl.SSL_VERIFYPEER, 0), (pycurl.SSL_VERIFYHOST, 0)]
        options += [(pycurl.PROXY_SSL_VERIFYPEER, 0), (pycurl.PROXY_SSL_VERIFYHOST, 0)]
    elif Path(route.trusted).is_dir():
        options += [(pycurl.CAPATH, route.trusted), (pycurl.PROXY_CAPATH, route.trusted)]
    else:
        options += [(pycurl.CAINFO, route.trusted), (pycurl.PROXY_CAINFO, route.trusted)]
    if route.cert is not None:
        certificate, key = route.cert
        # Without a password OpenSSL would ask for it on the terminal.
        options += [(pycurl.SSLCERT, certificate), (pycurl.SSLKEY, key), (pycurl.KEYPASSWD, "")]
    return options


def _last_head(lines: Sequence[bytes]) -> Sequence[bytes] | None:
    """Find the lines of the last head: one of a proxy or such as 100 Continue may come before it, trailers after it.

    :returns: ``None`` if it has no end.
    """
    start = 0
    for end in [index for index, line in enumerate(lines) if len(line) < 3]:
        if end + 1 == len(lines) or not lines[end + 1].startswith(b"HTTP/"):
            return lines[start + 1 : end]
        start = end + 1
    return None


def _unpack(body: bytes) -> bytes:
    """Unpack a body, but not more of it than is read of any other. libcurl would take one that is cut off for whole."""
    unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
    unpacked = unpacking.decompress(body, MAX_ANSWER_BYTES + 1)
    if body and len(unpacked) <= MAX_ANSWER_BYTES and not unpacking.eof:
        raise zlib.error("cut off")
    return unpacked
