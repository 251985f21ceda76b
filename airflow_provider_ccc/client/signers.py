"""From an operation and an AccessKey to a signed request: a class for each signature.

Whatever the signature, the operation's own parameters travel as a form by POST, though the API's metadata places them
in the query: the service takes either, and no log of URLs then shows a phone number.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_ccc.client import signing
from airflow_provider_ccc.client.credentials import AccessKey
from airflow_provider_ccc.client.endpoint import Endpoint
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.operation import Operation, RepeatedOperation

#: Of every request's body.
CONTENT_TYPE = "application/x-www-form-urlencoded"


class SignedRequest(msgspec.Struct, frozen=True):
    """A request that can be sent once. Printing it shows neither its headers, nor its body, nor what was signed.

    :param url: names the operation and its version, and nothing secret or personal.
    :param headers: those that the signature needs, besides the body's :data:`CONTENT_TYPE` and the ``Host``.
    :param body: a form with everything else, so that no log of URLs shows it.
    :param secrets: what a reply might repeat and no message may show.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    string_to_sign: str
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"SignedRequest({self.method}, {self.url})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("url", self.url)]


class Nonces:
    """Gives texts that never come twice, in no process: a random beginning of each process's own, and a number."""

    #: How often this process was forked off another: cheaper to ask than for its number.
    forks = 0

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._forks = Nonces.forks
        self._beginning = os.urandom(12).hex()
        self._count = 0

    def __call__(self) -> str:
        if self._forks != Nonces.forks:  # or both processes would give the same
            self._begin()
        self._count += 1
        return f"{self._beginning}{self._count:08x}"


def _forked() -> None:
    Nonces.forks += 1


os.register_at_fork(after_in_child=_forked)


class Signer:
    """Signs the requests of one second that have one shape: they differ in their nonces and in what varies.

    :param endpoint: where they go.
    :param operation: one of them.
    :param key: signs them.
    :param second: since the epoch, by the server's clock.
    """

    def __init__(self, endpoint: Endpoint, operation: Operation[object], key: AccessKey, second: int) -> None:
        self._made_for = (_shape(operation), key, second)
        self._secret = key.access_key_secret
        self._secrets = tuple(filter(None, (key.access_key_secret, key.security_token)))

    def serves(self, operation: Operation[object], key: AccessKey, second: int) -> bool:
        shape, made_for_key, made_for_second = self._made_for
        return shape is not None and shape is _shape(operation) and second == made_for_second and key is made_for_key

    def sign(self, operation: Operation[object], nonce: str) -> SignedRequest:
        """Sign a request that this signer :meth:`serves`."""
        raise NotImplementedError


class SignerV1(Signer):
    """Signature 1.0: everything is a parameter, the signature too."""

    def __init__(self, endpoint: Endpoint, operation: Operation[object], key: AccessKey, second: int) -> None:
        super().__init__(endpoint, operation, key, second)
        in_url = {"Action": operation.action, "Version": operation.version}
        gaps = {"SignatureNonce", *_varying(operation)}
        form = {
            "Format": "JSON",
            "AccessKeyId": key.access_key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "Timestamp": _timestamp(second),
            **operation.parameters(),
        }
        if key.security_token is not None:
            form["SecurityToken"] = key.security_token
        self._url = f"{endpoint.url}/?{signing.canonical_query(in_url)}"
        self._signed = signing.Template(
            lambda parameters: signing.string_to_sign("POST", parameters),
            {**in_url, **form},
            gaps,
            lambda value: signing.percent_encode(signing.percent_encode(value)),
        )
        self._body = signing.Template(signing.canonical_query, form, gaps, signing.percent_encode)

    def sign(self, operation: Operation[object], nonce: str) -> SignedRequest:
        values = {**_varying(operation), "SignatureNonce": nonce}
        text = self._signed.fill(values)
        signature = signing.signature_v1(text, self._secret)
        body = f"{self._body.fill(values)}&Signature={signing.encode_base64(signature)}"
        return SignedRequest("POST", self._url, {}, body.encode("ascii"), text, (signature, *self._secrets))


class SignerV3(Signer):
    """Signature 3: all but the operation's own parameters travels in headers."""

    def __init__(self, endpoint: Endpoint, operation: Operation[object], key: AccessKey, second: int) -> None:
        super().__init__(endpoint, operation, key, second)
        self._key_id = _sendable("login (AccessKey ID)", key.access_key_id)
        self._url = f"{endpoint.url}/"
        self._fixed = {
            "content-type": CONTENT_TYPE,
            "host": endpoint.authority,
            "x-acs-action": operation.action,
            "x-acs-date": _timestamp(second),
            "x-acs-version": operation.version,
        }
        if key.security_token is not None:
            self._fixed["x-acs-security-token"] = _sendable("security_token (STS token)", key.security_token)
        self._body = signing.Template(
            signing.canonical_query, operation.parameters(), _varying(operation), signing.percent_encode
        )

    def sign(self, operation: Operation[object], nonce: str) -> SignedRequest:
        body = self._body.fill(_varying(operation)).encode("ascii")
        digest = signing.sha256_hex(body)
        headers = {**self._fixed, "x-acs-content-sha256": digest, "x-acs-signature-nonce": nonce}
        text = signing.string_to_sign_v3(signing.canonical_request("POST", "", headers, digest))
        signature = signing.signature_v3(text, self._secret)
        headers["Authorization"] = signing.authorization(self._key_id, headers, signature)
        # Whoever sends it writes these two, the same as they were signed.
        del headers["host"], headers["content-type"]
        return SignedRequest("POST", self._url, headers, body, text, (signature, *self._secrets))


#: By the name that a connection gives them.
SIGNATURES: dict[str, type[Signer]] = {"v1": SignerV1, "v3": SignerV3}
#: What Alibaba Cloud's own SDK of each version of the API uses.
DEFAULT_SIGNATURES = {"2017-07-05": "v1", "2020-07-01": "v3"}


def _shape(operation: Operation[object]) -> object:
    return operation.shape() if isinstance(operation, RepeatedOperation) else None


def _varying(operation: Operation[object]) -> Mapping[str, str]:
    return operation.varying() if isinstance(operation, RepeatedOperation) else {}


def _timestamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sendable(field: str, value: str) -> str:
    """Refuse what cannot stand in a header: a line's end would begin another one."""
    if not (value.isascii() and value.isprintable()):
        raise CccParameterError(field, "has characters that cannot be sent in a header")
    return value
