"""What gives an AccessKey: one that was given, or one that is fetched, and fetched anew before it expires.

The ways of fetching one are in :mod:`~airflow_provider_ccc.client.credential_providers`.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from airflow_provider_ccc.client.errors import CccError

log = logging.getLogger(__name__)

#: Fetched credentials are replaced so many seconds before they expire, or when a fifth of their life is left if that is
#: less: a request may take a while to arrive.
EARLY, EARLY_FRACTION = 300.0, 0.2
#: How long credentials are kept whose expiry is not told: asking again costs little, as whoever gives them keeps them.
UNTOLD = 60.0
#: If they cannot be replaced and are still good, so many seconds go by before it is tried again.
LATER = 15.0
#: Of all calls that find a token expired at the same time, one has it replaced.
ONE_MOMENT = 1.0


@dataclass(frozen=True)
class AccessKey:
    """One consistent set of credentials. Printing it shows neither the secret nor the token.

    :param security_token: the STS token of a temporary AccessKey; ``None`` for a permanent one.
    """

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


class Credentials(Protocol):
    """What a client asks for an AccessKey, once for each attempt."""

    @property
    def current(self) -> bool:
        """Whether :meth:`get` answers at once. If not it makes a request, which would block an event loop."""
        ...

    def get(self) -> AccessKey:
        """Return credentials that are valid now.

        :raises CccError: they cannot be had.
        """
        ...

    def renew(self) -> bool:
        """Have the next :meth:`get` fetch others, as the service refused these.

        :returns: whether there can be others.
        """
        ...


@dataclass(frozen=True)
class StaticCredentials:
    """An AccessKey that was given: a permanent one, or a temporary one with its STS token."""

    access_key: AccessKey
    current: ClassVar[bool] = True

    def get(self) -> AccessKey:
        """Return the AccessKey as it was given."""
        return self.access_key

    def renew(self) -> bool:
        """Say that there is no other."""
        return False


@dataclass(frozen=True)
class Fetched:
    """Temporary credentials.

    :param expires: in seconds since the epoch; ``None`` where that is not told.
    """

    access_key: AccessKey
    expires: float | None


class FetchedCredentials:
    """Credentials that are fetched when they are needed first, and replaced before they expire. Safe for threads.

    :param fetch: gets them; it is told whether those that it gave before were refused. Raises :class:`CccError`.
    :param clock: seconds since the epoch.
    :param on_fetched: is told of each AccessKey, so that its secrets can be kept out of logs.
    """

    def __init__(
        self,
        fetch: Callable[[bool], Fetched],
        *,
        clock: Callable[[], float] = time.time,
        on_fetched: Callable[[AccessKey], None] = lambda _: None,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._on_fetched = on_fetched
        self._lock = threading.Lock()
        self._fetched: Fetched | None = None
        self._fetched_at = -math.inf
        self._replace_at = -math.inf
        self._refused = False
        self._failure: tuple[float, CccError] | None = None  # when the last fetch failed, and how

    @property
    def current(self) -> bool:
        """Whether there are credentials that need not be replaced yet."""
        return self._clock() < self._replace_at

    def get(self) -> AccessKey:
        """Return credentials that are valid now, after fetching them if need be.

        :raises CccError: they cannot be fetched, and those before are no longer good.
        """
        fetched = self._fetched
        if fetched is None or not self.current:
            with self._lock:  # whoever waited here finds them fetched
                fetched = self._fetched
                if fetched is None or not self.current:
                    fetched = self._fetched = self._replaced(fetched)
        return fetched.access_key

    def renew(self) -> bool:
        """Have the next :meth:`get` fetch others, unless these were fetched a moment ago."""
        # Not to be waited for, as this is called on event loops: whoever has the lock is replacing them just now.
        if self._lock.acquire(blocking=False):
            try:
                if self._clock() - self._fetched_at > ONE_MOMENT:
                    self._refused = True
                    self._replace_at = -math.inf
            finally:
                self._lock.release()
        return True

    def _replaced(self, before: Fetched | None) -> Fetched:
        if self._failure is not None and self._clock() - self._failure[0] < ONE_MOMENT:
            raise self._failure[1]  # whoever waited meanwhile need not try the same at once
        try:
            fetched = self._fetch(self._refused)
        except CccError as error:
            now = self._clock()
            self._failure = now, error
            if before is None or self._refused or before.expires is None or now >= before.expires:
                raise
            log.warning("Credentials cannot be replaced, those before are used on: %s", error)
            self._replace_at = min(now + LATER, before.expires)
            return before
        self._on_fetched(fetched.access_key)
        self._refused = False
        self._failure = None
        now = self._fetched_at = self._clock()
        if fetched.expires is None:
            self._replace_at = now + UNTOLD
        else:
            life = max(0.0, fetched.expires - now)
            # At least for a moment: by a clock that is off they may look expired, and are not to be fetched every call.
            self._replace_at = max(now + ONE_MOMENT, fetched.expires - min(EARLY, EARLY_FRACTION * life))
        return fetched
