"""The two ways to sign a request, both checked by Alibaba's own code.

Signature 1.0 (HMAC-SHA1) has everything in parameters, signature 3 (ACS3-HMAC-SHA256) in headers, and the presence of
an ``Authorization`` header tells which it is. Both are accepted for every API version; that the real 2017-07-05 takes
signature 3 is not documented.
"""

from __future__ import annotations

import hmac
import re
from abc import ABC, abstractmethod
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import quote

from alibabacloud_openapi_util.client import Client, get_canonical_query_string, get_canonicalized_headers

from airflow_provider_ccc.simulator.answers import ApiError

if TYPE_CHECKING:
    from airflow_provider_ccc.simulator.api_request import ApiRequest

ACS3 = "ACS3-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    r"(?P<algorithm>ACS3-[\w-]+) +Credential=(?P<key>[^,\s]+), *SignedHeaders=(?P<headers>[^,\s]+), *"
    r"Signature=(?P<signature>[^,\s]+)",
    re.ASCII,
)


class Signature(ABC):
    """What a request says about itself, as sent and unchecked, and how to check that its sender has the secret.

    Texts are empty where the request has none.

    :ivar action: the operation that it asks for.
    :ivar version: of which API version.
    :ivar access_key_id: the key that it is signed by.
    :ivar security_token: the token that belongs to a temporary key.
    :ivar nonce: a text that must not come twice.
    :ivar timestamp: when it was signed.
    """

    #: How the request is answered where it does not say.
    default_format = "XML"

    action: str
    version: str
    access_key_id: str
    security_token: str
    nonce: str
    timestamp: str

    @abstractmethod
    def check_form(self) -> None:
        """Refuse what cannot be a signature of this kind.

        :raises ApiError: the refusal.
        """

    @abstractmethod
    def check(self, access_key_secret: str) -> None:
        """Refuse what `access_key_secret` did not sign.

        :raises ApiError: the refusal.
        """


class Signature1(Signature):
    """Signature 1.0, of all parameters but itself and of the HTTP method."""

    def __init__(self, request: ApiRequest) -> None:
        self._request = request
        get = request.parameters.get
        self.action = get("Action", "")
        self.version = get("Version", "")
        self.access_key_id = get("AccessKeyId", "")
        self.security_token = get("SecurityToken", "")
        self.nonce = get("SignatureNonce", "")
        self.timestamp = get("Timestamp", "")

    def check_form(self) -> None:
        """See :meth:`Signature.check_form`."""
        parameters = self._request.parameters
        if not self.access_key_id:
            raise ApiError.missing("AccessKeyId")
        if parameters.get("SignatureMethod") != "HMAC-SHA1":
            raise ApiError.invalid("SignatureMethod", "it must be HMAC-SHA1")
        if parameters.get("SignatureVersion") != "1.0":
            raise ApiError.invalid("SignatureVersion", "it must be 1.0")
        if not parameters.get("Signature"):
            raise ApiError.missing("Signature")

    def check(self, access_key_secret: str) -> None:
        """See :meth:`Signature.check`."""
        method, parameters = self._request.method, self._request.parameters
        signed = {name: value for name, value in parameters.items() if name != "Signature"}
        expected = Client.get_rpcsignature(signed, method, access_key_secret)
        if not _equal(expected, parameters["Signature"]):
            raise _mismatch(f"{method}&%2F&{quote(get_canonical_query_string(signed), safe='~')}")


class Signature3(Signature):
    """Signature 3, of method, path, query, the headers that it names and a hash of the body.

    The documentation lists no error codes for what is wrong with it in particular. Assumed: those of signature 1.0, and
    ``IncompleteSignature``, the gateway's code for a signature that does not have the form.
    """

    default_format = "JSON"

    def __init__(self, request: ApiRequest) -> None:
        self._request = request
        get = request.headers.get
        self._match = _AUTHORIZATION.fullmatch(request.headers["authorization"].strip())
        self.action = get("x-acs-action", "")
        self.version = get("x-acs-version", "")
        self.access_key_id = self._match["key"] if self._match else ""
        self.security_token = get("x-acs-security-token", "")
        self.nonce = get("x-acs-signature-nonce", "")
        self.timestamp = get("x-acs-date", "")
        if "xml" in get("accept", ""):
            self.default_format = "XML"

    def check_form(self) -> None:
        """See :meth:`Signature.check_form`."""
        if not self._match:
            raise _incomplete("the Authorization header is not well formed")
        if self._match["algorithm"] != ACS3:
            raise ApiError.invalid("SignatureMethod", f"it must be {ACS3}")
        headers = self._request.headers
        if not headers.get("x-acs-content-sha256"):
            raise _incomplete("the header x-acs-content-sha256 is missing")
        signed = self._match["headers"].lower().split(";")
        for name in signed:
            if name not in headers:
                raise _incomplete(f"the signed header {name} is missing")
        for name in headers:
            if (name in ("host", "content-type") or name.startswith("x-acs-")) and name not in signed:
                raise _incomplete(f"the header {name} is not signed")

    def check(self, access_key_secret: str) -> None:
        """See :meth:`Signature.check`."""
        assert self._match  # noqa: S101 - check_form() saw it
        request, headers = self._request, self._request.headers
        payload: str = Client.hex_encode(Client.hash(request.body, ACS3))
        sent_payload = headers["x-acs-content-sha256"]
        if not _equal(payload, sent_payload):
            # Assumed: the documentation has no code of its own for a body that was changed.
            raise _mismatch(f"{ACS3}, and the hash of the body is {payload}, not {sent_payload}")
        canonical = SimpleNamespace(
            method=request.method,
            pathname="/",
            # Alibaba's function encodes values only, the documentation's rule is for names too.
            query={Client.get_encode_param(name): value for name, value in request.query.items()},
            headers={name: ",".join(headers.getlist(name)) for name in self._match["headers"].lower().split(";")},
        )
        expected: str = Client.get_authorization(canonical, ACS3, payload, self.access_key_id, access_key_secret)
        if not _equal(expected.rpartition("Signature=")[2], self._match["signature"]):
            raise _mismatch(_string_to_sign(canonical, payload))


def signature_of(request: ApiRequest) -> Signature:
    """Tell which signature a request has, or rather which it should have had."""
    return Signature3(request) if "authorization" in request.headers else Signature1(request)


def _string_to_sign(canonical: SimpleNamespace, payload: str) -> str:
    """Give what the service says that it signed. `get_authorization` has it inside, and keeps it to itself."""
    canonical_headers, signed_headers = get_canonicalized_headers(canonical.headers)
    canonical_query = get_canonical_query_string(canonical.query)
    parts = (canonical.method, canonical.pathname, canonical_query, canonical_headers, signed_headers, payload)
    return f"{ACS3}\n{Client.hex_encode(Client.hash(chr(10).join(parts).encode(), ACS3))}"


def _equal(expected: str, sent: str) -> bool:
    # As bytes: a signature sent with other than ASCII characters is wrong, and no reason to fail.
    return hmac.compare_digest(expected.encode(), sent.encode())


def _mismatch(string_to_sign: str) -> ApiError:
    return ApiError(
        400,
        "SignatureDoesNotMatch",
        f"Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}",
    )


def _incomplete(why: str) -> ApiError:
    message = f"The request signature does not conform to Aliyun standards: {why}."
    return ApiError(400, "IncompleteSignature", message)
