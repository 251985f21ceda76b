"""Alibaba Cloud's signature 1.0 (HMAC-SHA1), as pure functions of their arguments.

Documentation: https://www.alibabacloud.com/help/doc-detail/28139.htm (RPC style, ``SignatureVersion=1.0``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote


def percent_encode(text: str) -> str:
    """Encode UTF-8 with RFC 3986's unreserved set (``A-Za-z0-9-_.~``) and upper-case hex."""
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
    digest = hmac.new(f"{access_key_secret}&".encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")
