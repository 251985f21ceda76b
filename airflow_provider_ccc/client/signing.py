"""Alibaba Cloud's signature 1.0 (HMAC-SHA1), as pure functions of their arguments.

Documentation: https://www.alibabacloud.com/help/doc-detail/28139.htm (RPC style, ``SignatureVersion=1.0``).
"""

from __future__ import annotations

import binascii
import hmac
import re
import uuid
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from urllib.parse import quote


def percent_encode(text: str) -> str:
    """Encode UTF-8 with RFC 3986's unreserved set (``A-Za-z0-9-_.~``) and upper-case hex."""
    if text.isalnum() and text.isascii():  # as most values are; looking costs a tenth of encoding
        return text
    return quote(text, safe="-_.~")


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Join the encoded parameters, sorted by raw name in byte order (which for UTF-8 is code point order)."""
    return "&".join(f"{percent_encode(name)}={percent_encode(parameters[name])}" for name in sorted(parameters))


def string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Build the text that is signed.

    :param method: the HTTP verb, upper case; it is part of the text.
    :param parameters: every query and form parameter but ``Signature``, empty ones included.
    """
    return f"{method}&%2F&{percent_encode(canonical_query(parameters))}"


def signature_v1(text: str, access_key_secret: str) -> str:
    """Sign a text: base64 of its HMAC-SHA1 under the secret and ``&``."""
    mac = _keyed(access_key_secret).copy()
    mac.update(text.encode())
    return binascii.b2a_base64(mac.digest(), newline=False).decode("ascii")


@lru_cache(maxsize=8)
def _keyed(access_key_secret: str) -> hmac.HMAC:
    """Take the key in once: that is most of what signing a short text costs."""
    return hmac.new(f"{access_key_secret}&".encode(), digestmod="sha1")


def encode_base64(text: str) -> str:
    """Percent-encode base64, whose only characters that need it are these three."""
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


class Template:
    """A text of many parameters, made once for many requests that differ in the values of a few.

    Most of what is signed stays the same from call to call, and encoding it is most of what signing costs.

    :param write: makes the text of all parameters, such as :func:`canonical_query`.
    :param fixed: the parameters whose values stay the same.
    :param gaps: the names of the others, at least one.
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
        self._first, *pieces = re.split(f"({'|'.join(markers)})", text)
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
