"""What Alibaba Cloud's API gateway checks before any operation sees a request: who asks, how, when, and how often.

The checks are made in the order of this module, the same for both signatures (:mod:`.signatures`).
"""

from __future__ import annotations

import re
import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_ccc.simulator.answers import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_ccc.simulator.api_request import ApiRequest
    from airflow_provider_ccc.simulator.keys import Keys
    from airflow_provider_ccc.simulator.operation import Operation
    from airflow_provider_ccc.simulator.settings import SimulatorSettings
    from airflow_provider_ccc.simulator.signatures import Signature

#: How far a request's timestamp may be off, and how long a nonce may not come back, in seconds.
WINDOW = 15 * 60
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class Gateway:
    """The checks, and what they must remember from one request to the next.

    :param settings: the clock and the quota.
    :param keys: the keys that are accepted.
    :param operations: what can be asked for, by API version and name.
    """

    def __init__(
        self, settings: SimulatorSettings, keys: Keys, operations: Mapping[str, Mapping[str, Operation]]
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._operations = operations
        self._nonces = _Nonces()
        self._quota = _Quota(settings.qps) if settings.qps else None

    def admit(self, signature: Signature) -> Operation:
        """Check a request; what comes back is the operation that it asks for.

        :param signature: the request's.
        :raises ApiError: the refusal.
        """
        operation = self._find_operation(signature)
        now = self._settings.clock()
        if operation.signed:
            self._authenticate(signature, now)
        elif signature.timestamp:
            _check_timestamp(signature.timestamp, now)
        if operation.of_ccc and self._quota and not self._quota.take():
            raise ApiError(400, "Throttling.User", "Request was denied due to user flow control.")
        return operation

    def _find_operation(self, signature: Signature) -> Operation:
        _require(signature.action, "Action")
        _require(signature.version, "Version")
        operations = self._operations.get(signature.version)
        if operations is None:
            raise ApiError.invalid("Version", f"it must be one of {', '.join(self._operations)}")
        if signature.action not in operations:
            message = "Specified api is not found, please check your url and method."
            raise ApiError(404, "InvalidAction.NotFound", message)
        return operations[signature.action]

    def _authenticate(self, signature: Signature, now: float) -> None:
        signature.check_form()
        key = self._keys.find(signature.access_key_id)
        _require(signature.nonce, "SignatureNonce")
        _require(signature.timestamp, "Timestamp")
        _check_timestamp(signature.timestamp, now)
        signature.check(key.access_key_secret)
        self._keys.check_token(key, signature.security_token, now)
        # Only now, so that nobody without the key can use up a nonce.
        if not self._nonces.add(signature.nonce, now):
            raise ApiError(400, "SignatureNonceUsed", "Specified signature nonce was used already.")


def answer_format(request: ApiRequest, signature: Signature) -> str:
    """Tell how the request wants to be answered, ``JSON`` or ``XML``.

    :raises ApiError: it asks for something else.
    """
    kind = request.parameters.get("Format", "").upper() or signature.default_format
    if kind not in ("JSON", "XML"):
        raise ApiError(400, "InvalidParameter.Format", "The specified parameter Format is not valid.")
    return kind


def _check_timestamp(timestamp: str, now: float) -> None:
    try:
        if not _TIMESTAMP.fullmatch(timestamp):
            raise ValueError
        signed_at = datetime.fromisoformat(timestamp).timestamp()
    except ValueError:  # the form is wrong, or it has the form and is no date, such as a 31 February
        message = "Specified time stamp or date value is not well formatted."
        raise ApiError(400, "InvalidTimeStamp.Format", message) from None
    if abs(now - signed_at) > WINDOW:
        raise ApiError(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def _require(value: str, name: str) -> None:
    """Refuse a request that lacks what signature 1.0 calls `name`. For signature 3 that name is assumed."""
    if not value:
        raise ApiError.missing(name)


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
