"""The protocol without its sockets: an operation becomes a signed request, a reply becomes an answer or an error.

Whoever moves the bytes calls :meth:`CccProtocol.prepare` for every attempt, so each has its own nonce and timestamp.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from airflow_provider_ccc.client import answers, signing
from airflow_provider_ccc.client.answers import Tree
from airflow_provider_ccc.client.credentials import Credentials
from airflow_provider_ccc.client.endpoint import Endpoint
from airflow_provider_ccc.client.errors import (
    CccClockError,
    CccError,
    CccTokenError,
    CccUnexpectedAnswerError,
    classify,
)
from airflow_provider_ccc.client.numbers import key
from airflow_provider_ccc.client.operation import Operation, RepeatedOperation
from airflow_provider_ccc.client.privacy import hide_numbers, shorten
from airflow_provider_ccc.client.signers import DEFAULT_SIGNATURES, SIGNATURES, Nonces, SignedRequest, Signer

Answer = TypeVar("Answer")

#: No documented answer comes near it; a larger one is refused unread.
MAX_ANSWER_BYTES = 8 * 1024 * 1024
_MAX_MESSAGE = 500
#: Whatever is shorter is none of Alibaba Cloud's, and would blot out letters that mean nothing.
_SHORTEST_SECRET = 6
_SIGNED_TEXT = "string to sign is:"
_ID = re.compile(r"[A-Za-z0-9._-]{0,100}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9._-]+")


class CccProtocol:
    """Signs requests to one endpoint with one kind of credentials, and reads the replies.

    :param endpoint: where requests go.
    :param credentials: asked for an AccessKey for every attempt.
    :param signature: ``v1`` or ``v3``; by default that of each operation's version.
    :param clock: seconds since the epoch.
    :param nonce: a text that never comes twice.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        *,
        signature: str | None = None,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.credentials = credentials
        #: Seconds to add to this machine's clock to have the server's; see :meth:`remedy`.
        self.clock_offset = 0.0
        self._signature = signature
        self._clock = clock
        self._nonce = nonce or Nonces()
        self._signer: Signer | None = None

    def prepare(self, operation: Operation[object]) -> SignedRequest:
        """Sign an operation, anew for every attempt."""
        key = self.credentials.get()
        second = int(self._clock() + self.clock_offset)
        signer = self._signer  # read once: another thread may put its own there
        if signer is None or not signer.serves(operation, key, second):
            signature = self._signature or DEFAULT_SIGNATURES.get(operation.version, "v3")
            signer = self._signer = SIGNATURES[signature](self.endpoint, operation, key, second)
        return signer.sign(operation, self._nonce())

    def decode(
        self,
        operation: Operation[Answer],
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        *,
        sent: SignedRequest | None = None,
    ) -> Answer:
        """Read a reply.

        :param operation: what was asked.
        :param status: the HTTP status.
        :param headers: the reply's headers; their names' case does not matter.
        :param body: the whole body; whoever reads it stops beyond :data:`MAX_ANSWER_BYTES`.
        :param sent: the request, where a wrong signature should be told from a wrong secret.
        :returns: the operation's answer.
        :raises CccError: of the class that says what to do about it; never any other exception.
        """
        good = 200 <= status < 300
        if good and len(body) <= MAX_ANSWER_BYTES and isinstance(operation, RepeatedOperation):
            usual: Answer | None = operation.read_usual(body)
            if usual is not None:
                return usual
        try:
            if len(body) > MAX_ANSWER_BYTES:
                raise CccUnexpectedAnswerError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            tree = answers.parse(body, operation.action)
        except CccError as error:
            if good:
                error.http_status = status
                raise
            tree = {}
        envelope = answers.lower_keys(tree)
        code, success = _envelope_text(envelope, "code"), envelope.get("success")
        succeeded = code.upper() == "OK" or (not code and success is not None)
        refused = success is not None and not answers.flag(envelope, "success")
        if not good or (code and not succeeded) or refused:
            raise self._error(operation, status, headers, envelope, sent)
        request_id = _identifier(_envelope_text(envelope, "requestid"))
        if not succeeded:
            raise CccUnexpectedAnswerError(
                "the answer has neither Code nor Success", http_status=status, request_id=request_id
            )
        return _read(operation, tree, request_id, status)

    def remedy(self, error: CccError) -> bool:
        """Fix what an error says is wrong on this side: a clock that is off, a token that expired.

        :returns: whether another attempt may now succeed.
        """
        if isinstance(error, CccTokenError):
            return self.credentials.renew()
        if isinstance(error, CccClockError) and error.server_time is not None:
            self.clock_offset = error.server_time.timestamp() - self._clock()
            return True
        return False

    def _error(
        self,
        operation: Operation[object],
        status: int,
        headers: Mapping[str, str],
        envelope: Tree,
        sent: SignedRequest | None,
    ) -> CccError:
        lower = {name.lower(): value for name, value in headers.items()}
        code = _identifier(_envelope_text(envelope, "code"))
        if code.upper() == "OK":  # it says nothing about what failed
            code = ""
        in_body = _envelope_text(envelope, "httpstatuscode")
        # Inside a good HTTP status the body's own says more.
        effective = int(in_body) if status < 400 and in_body.isdecimal() and len(in_body) == 3 else status
        kind = classify(code, effective, asks_to_wait="x-acs-retry-after" in lower)
        server_time = _http_date(lower.get("date", ""))
        message = _envelope_text(envelope, "message")
        if code == "SignatureDoesNotMatch" or _SIGNED_TEXT in message:
            # It repeats the AccessKey ID and every parameter, phone numbers included.
            message = _whose_mistake(message, sent)
        elif 300 <= status < 400:
            message = "redirects are not followed; correct the host"
        elif not message:
            message = "the service gave no reason" if code else "the answer carries no error code of CCC"
        hidden = operation.phone_numbers(), sent.secrets if sent is not None else ()
        message = _tidy(message, *hidden)
        if kind is CccClockError and server_time is not None:
            off = self._clock() - server_time.timestamp()
            message += f" This machine's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the service's."
        return kind(
            message,
            code=_tidy(code, *hidden) or f"HTTP {effective}",
            http_status=status,
            request_id=_identifier(_envelope_text(envelope, "requestid") or lower.get("x-acs-request-id", "")),
            retry_after=_seconds_to_wait(lower, self._clock() + self.clock_offset),
            server_time=server_time,
        )


def _read(operation: Operation[Answer], tree: Tree, request_id: str, status: int) -> Answer:
    """Make an operation's answer; whatever is wrong with it carries the request's id."""
    try:
        return operation.read(tree, request_id)
    except CccError as error:
        error.http_status, error.request_id = status, request_id
        raise


def _envelope_text(envelope: Tree, name: str) -> str:
    """Read one of the envelope's own texts; whatever else stands there says nothing."""
    value = envelope.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value).strip()


def _identifier(text: str) -> str:
    """Keep of a code or an id what such things are made of."""
    return text if _ID.fullmatch(text) else "".join(_IDENTIFIER.findall(text[:100]))


def _whose_mistake(message: str, sent: SignedRequest | None) -> str:
    """Say what a refused signature means, without the text that the service repeats."""
    servers = message.partition(_SIGNED_TEXT)[2].strip()
    if sent is not None and servers == sent.string_to_sign:
        return "the AccessKey Secret (password) does not belong to the AccessKey ID (login)."
    return (
        "the service signed another text than was sent: check the AccessKey Secret (password) first, then whether"
        " something between here and the service changes requests."
    )


def _tidy(message: str, phone_numbers: tuple[str, ...], secrets: tuple[str, ...]) -> str:
    """Make a message of the service's fit for logs: one line, bounded, no secrets, phone numbers shortened."""
    for secret in secrets:
        if len(secret) < _SHORTEST_SECRET:
            continue
        once = signing.percent_encode(secret)
        for form in (signing.percent_encode(once), once, secret):
            message = re.sub(re.escape(form), "***", message, flags=re.IGNORECASE)
    for number in phone_numbers:
        for form in (number, key(number)):  # the service may have lost its leading zeros
            message = message.replace(form, shorten(number)) if len(form) > 4 else message
    printable = "".join(character if character.isprintable() else " " for character in message[: 4 * _MAX_MESSAGE])
    return hide_numbers(" ".join(printable.split()))[:_MAX_MESSAGE]


def _http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # A clock that is off by decades is nothing to go by, and one beyond the year 9999 none that can be written.
    if not 2000 <= parsed.year < 2200:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed


def _seconds_to_wait(lower_headers: Mapping[str, str], now: float) -> float | None:
    """Read ``x-acs-retry-after`` (milliseconds), or ``Retry-After`` (seconds or a date)."""
    milliseconds = lower_headers.get("x-acs-retry-after", "")
    if milliseconds.isdecimal():
        return int(milliseconds[:12]) / 1000
    standard = lower_headers.get("retry-after", "")
    if standard.isdecimal():
        return float(standard[:12])
    at = _http_date(standard)
    return None if at is None else max(0.0, at.timestamp() - now)
