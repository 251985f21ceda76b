"""Alibaba Cloud's two signatures, as pure functions of their arguments.

Signature 1.0 (HMAC-SHA1), which travels among the parameters:
https://www.alibabacloud.com/help/doc-detail/28139.htm (RPC style, ``SignatureVersion=1.0``).

Signature 3 (ACS3-HMAC-SHA256), which travels in a header:
https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import uuid
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from urllib.parse import quote

V3 = "ACS3-HMAC-SHA256"


def percent_encode(text: str) -> str:
    """Encode UTF-8 with RFC 3986's unreserved set (``A-Za-z0-9-_.~``) and upper-case hex."""
    if text.isalnum() and text.isascii():  # as most values are; looking costs a tenth of encoding
        return text
    return quote(text, safe="-_.~")


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Join the encoded parameters, sorted by raw name in byte order (which for UTF-8 is code point order)."""
    return "&".join(f"{percent_encode(name)}={percent_encode(parameters[name])}" for name in sorted(parameters))


# --- signature 1.0 ----------------------------------------------------------------------------------------------------


def string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Build the text that signature 1.0 signs.

    :param method: the HTTP verb, upper case; it is part of the text.
    :param parameters: every query and form parameter but ``Signature``, empty ones included.
    """
    return f"{method}&%2F&{percent_encode(canonical_query(parameters))}"


def signature_v1(text: str, access_key_secret: str) -> str:
    """Sign a text: base64 of its HMAC-SHA1 under the secret and ``&``."""
    mac = _keyed(f"{access_key_secret}&", "sha1").copy()
    mac.update(text.encode())
    return binascii.b2a_base64(mac.digest(), newline=False).decode("ascii")


def encode_base64(text: str) -> str:
    """Percent-encode base64, whose only characters that need it are these three."""
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


# --- signature 3 ------------------------------------------------------------------------------------------------------


def canonical_request(method: str, query: str, headers: Mapping[str, str], content_sha256: str) -> str:
    """Build the text whose digest signature 3 signs; the path is ``/``.

    :param method: the HTTP verb, upper case.
    :param query: see :func:`canonical_query`; "" without parameters in the query.
    :param headers: those that are signed, their names in lower case.
    :param content_sha256: see :func:`sha256_hex`; of the body as it is sent.
    """
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    return f"{method}\n/\n{query}\n{lines}\n{signed_headers(headers)}\n{content_sha256}"


def signed_headers(headers: Collection[str]) -> str:
    """Name the headers that are signed, as ``SignedHeaders`` does."""
    return ";".join(sorted(headers))


def string_to_sign_v3(request: str) -> str:
    """Build the text that signature 3 signs.

    :param request: see :func:`canonical_request`.
    """
    return f"{V3}\n{sha256_hex(request.encode())}"


def signature_v3(text: str, access_key_secret: str) -> str:
    """Sign a text: its HMAC-SHA256 under the secret, in hexadecimal."""
    mac = _keyed(access_key_secret, "sha256").copy()
    mac.update(text.encode())
    return mac.hexdigest()


def authorization(access_key_id: str, headers: Collection[str], signature: str) -> str:
    """Write the header ``Authorization``.

    :param headers: the names of those that are signed.
    """
    return f"{V3} Credential={access_key_id},SignedHeaders={signed_headers(headers)},Signature={signature}"


def sha256_hex(data: bytes) -> str:
    """Return SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


# --- speed ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _keyed(key: str, digest: str) -> hmac.HMAC:
    """Take the key in once: that is most of what signing a short text costs."""
    return hmac.new(key.encode(), digestmod=digest)


class Template:
    """A text of many parameters, made once for many requests that differ in the values of a few.

    Most of what is signed stays the same from call to call, and encoding it is most of what signing costs.

    :param write: makes the text of all parameters, such as :func:`canonical_query`.
    :param fixed: the parameters whose values stay the same.
    :param gaps: the names of the others.
    :param encode: how one value stands in the text.
    """

    def __init__(
        self,
        write: Callable[[Mapping[str, str]], str],
        fixed: Mapping[str, str],
        gaps: Collection[str],
        encode: Callable[[str], str],
    ) -> None:
        # A marker holds each gap's place: one that is encoded to itself, and stands nowhere else.
        markers = {uuid.uuid4().hex: name for name in gaps}
        text = write({**fixed, **{name: marker for marker, name in markers.items()}})
        pieces: list[str] = re.split(f"({'|'.join(markers)})", text) if markers else [text]
        self._first = pieces.pop(0)
        self._rest = [(markers[marker], piece) for marker, piece in zip(pieces[::2], pieces[1::2], strict=True)]
        self._encode = encode

    def fill(self, values: Mapping[str, str]) -> str:
        """Write the values of the gaps into the text.

        :param values: by name.
        """
        text, encode = self._first, self._encode
        for name, piece in self._rest:
            text += encode(values[name]) + piece
        return text
