"""What Alibaba Cloud's API gateway checks before any operation sees a request: who asks, how, when, and how often.

The checks are made in the order of this module. Signature 1.0 only; signature 3 will be a second ``_check_signature``,
chosen by the presence of an ``Authorization`` header, with its own place for key, date and nonce.
"""

from __future__ import annotations

import hmac
import re
import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from alibabacloud_openapi_util.client import Client, get_canonical_query_string

from airflow_provider_ccc.simulator.answers import ApiError
from airflow_provider_ccc.simulator.operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_ccc.simulator.operations import Operation
    from airflow_provider_ccc.simulator.settings import SimulatorSettings

#: How far a request's timestamp may be off, and how long a nonce may not come back, in seconds.
WINDOW = 15 * 60
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class Gateway:
    """The checks, and what they must remember from one request to the next.

    :param settings: the key, the clock and the quota.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._nonces = _Nonces()
        self._quota = _Quota(settings.qps) if settings.qps else None

    def admit(self, method: str, parameters: Mapping[str, str]) -> Operation:
        """Check a request; what comes back is the operation that it asks for.

        :param method: the HTTP method, which is part of what was signed.
        :param parameters: those of query and form body together, decoded.
        :raises ApiError: the refusal.
        """
        operation = _find_operation(parameters)
        self._check_key(parameters)
        now = self._settings.clock()
        _check_timestamp(parameters, now)
        self._check_signature(method, parameters)
        self._check_security_token(parameters)
        # Only now, so that nobody without the key can use up a nonce.
        if not self._nonces.add(parameters["SignatureNonce"], now):
            raise ApiError(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        if self._quota and not self._quota.take():
            raise ApiError(400, "Throttling.User", "Request was denied due to user flow control.")
        return operation

    def _check_key(self, parameters: Mapping[str, str]) -> None:
        if _required(parameters, "AccessKeyId") != self._settings.access_key_id:
            raise ApiError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        if parameters.get("SignatureMethod") != "HMAC-SHA1":
            raise ApiError.invalid("SignatureMethod", "it must be HMAC-SHA1")
        if parameters.get("SignatureVersion") != "1.0":
            raise ApiError.invalid("SignatureVersion", "it must be 1.0")
        _required(parameters, "Signature")
        _required(parameters, "SignatureNonce")

    def _check_signature(self, method: str, parameters: Mapping[str, str]) -> None:
        signed = {name: value for name, value in parameters.items() if name != "Signature"}
        expected = Client.get_rpcsignature(signed, method, self._settings.access_key_secret)
        # As bytes: a signature sent with other than ASCII characters is wrong, and no reason to fail.
        if not hmac.compare_digest(expected.encode(), parameters["Signature"].encode()):
            string_to_sign = f"{method}&%2F&{quote(get_canonical_query_string(signed), safe='~')}"
            raise ApiError(
                400,
                "SignatureDoesNotMatch",
                f"Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}",
            )

    def _check_security_token(self, parameters: Mapping[str, str]) -> None:
        expected, sent = self._settings.security_token, parameters.get("SecurityToken")
        if expected and not sent:
            raise ApiError.missing("SecurityToken")
        if sent and not hmac.compare_digest((expected or "").encode(), sent.encode()):
            raise ApiError(
                400,
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken is not matched with the AccessKey.",
            )


def answer_format(parameters: Mapping[str, str]) -> str:
    """Tell how the request wants to be answered, ``JSON`` or ``XML``; XML where it does not say.

    :raises ApiError: it asks for something else.
    """
    kind = parameters.get("Format", "").upper() or "XML"
    if kind not in ("JSON", "XML"):
        raise ApiError(400, "InvalidParameter.Format", "The specified parameter Format is not valid.")
    return kind


def _find_operation(parameters: Mapping[str, str]) -> Operation:
    action = _required(parameters, "Action")
    operations = OPERATIONS.get(_required(parameters, "Version"))
    if operations is None:
        raise ApiError.invalid("Version", f"it must be one of {', '.join(OPERATIONS)}")
    if action not in operations:
        message = "Specified api is not found, please check your url and method."
        raise ApiError(404, "InvalidAction.NotFound", message)
    return operations[action]


def _check_timestamp(parameters: Mapping[str, str], now: float) -> None:
    timestamp = _required(parameters, "Timestamp")
    try:
        if not _TIMESTAMP.fullmatch(timestamp):
            raise ValueError
        signed_at = datetime.fromisoformat(timestamp).timestamp()
    except ValueError:  # the form is wrong, or it has the form and is no date, such as a 31 February
        message = "Specified time stamp or date value is not well formatted."
        raise ApiError(400, "InvalidTimeStamp.Format", message) from None
    if abs(now - signed_at) > WINDOW:
        raise ApiError(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def _required(parameters: Mapping[str, str], name: str) -> str:
    value = parameters.get(name)
    if not value:
        raise ApiError.missing(name)
    return value


class _Nonces:
    """The nonces of the last 15 to 30 minutes, in two generations, so that forgetting costs nothing."""

    def __init__(self) -> None:
        self._period = 0
        self._current: set[str] = set()
        self._previous: set[str] = set()

    def add(self, nonce: str, now: float) -> bool:
        """Remember `nonce`; False if it was known."""
        period = int(now // WINDOW)
        if period > self._period:
            self._previous = self._current if period == self._period + 1 else set()
            self._current = set()
            self._period = period
        if nonce in self._current or nonce in self._previous:
            return False
        self._current.add(nonce)
        return True


class _Quota:
    """At most so many requests in any one second.

    :param qps: how many.
    """

    def __init__(self, qps: int) -> None:
        self._qps = qps
        self._taken: deque[float] = deque()

    def take(self) -> bool:
        """Take a place; False if there is none. A request that is turned away does not count."""
        # Not the settable clock: setting it must not change how fast requests may come.
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - 1:
            self._taken.popleft()
        if len(self._taken) >= self._qps:
            return False
        self._taken.append(now)
        return True
