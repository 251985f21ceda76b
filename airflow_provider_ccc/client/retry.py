"""The one retry policy, for synchronous and asynchronous callers alike."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import tenacity

from airflow_provider_ccc.client.errors import (
    CccClockError,
    CccError,
    CccStaleSignatureError,
    CccThrottledError,
    CccTokenError,
    CccTransientError,
)

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: What a moment's patience can fix. Whatever else is retryable, such as an instance that is being created, takes
#: longer than a call should: that is for the task's own retries, or for the sensor.
_WORTH_ANOTHER_ATTEMPT = (CccThrottledError, CccTransientError, CccStaleSignatureError)
#: What can be fixed here, if anything can, and at once.
_ONCE = (CccClockError, CccTokenError)


@dataclass(frozen=True)
class RetryPolicy:
    """How often one call is attempted, and how long it waits in between.

    Waits grow exponentially with full jitter (a random part of 0.25 s, 0.5 s, 1 s, ... up to ``longest_wait``), and are
    at least what the service asked for by ``x-acs-retry-after`` or ``Retry-After``.

    :param attempts: how many attempts there are at most, the first one included.
    :param seconds: after how many seconds no further attempt is started.
    :param longest_wait: the bound of the growing waits, in seconds.
    :param log_level: of the line about each attempt that failed and is followed by another.
    """

    attempts: int = 10
    seconds: float = 60.0
    first_wait: float = 0.25
    longest_wait: float = 8.0
    log_level: int = logging.INFO

    def call(self, attempt: Callable[[], Answer], remedy: Callable[[CccError], bool]) -> Answer:
        """Attempt a call until it succeeds, fails for good, or the policy ends.

        :param attempt: makes one attempt, signed anew.
        :param remedy: fixes what an error says is wrong on this side, if it can, such as a clock that is off or a token
            that expired; used once a call for each class of error.
        :raises CccError: the last attempt's.
        """
        return tenacity.Retrying(**self._options(remedy))(attempt)

    async def call_async(self, attempt: Callable[[], Awaitable[Answer]], remedy: Callable[[CccError], bool]) -> Answer:
        """Do what :meth:`call` does, for a coroutine."""
        try:
            return await attempt()
        except CccError as error:
            first = error
        return await self.go_on(first, attempt, remedy)

    async def go_on(
        self, first: CccError, attempt: Callable[[], Awaitable[Answer]], remedy: Callable[[CccError], bool]
    ) -> Answer:
        """Do what is left of :meth:`call_async` after the first attempt failed, if anything is.

        :param first: its error.
        """
        failed = [first]

        async def again() -> Answer:
            if failed:
                raise failed.pop()
            return await attempt()

        # Only now: making ready to retry costs more than a call that needs no retry.
        return await tenacity.AsyncRetrying(**self._options(remedy))(again)

    def _options(self, remedy: Callable[[CccError], bool]) -> dict[str, Any]:
        remedied: set[type[CccError]] = set()

        def fix_or_wait(error: BaseException) -> bool:
            """Fix what is wrong, if that can be done; say whether another attempt is worth it."""
            if isinstance(error, _ONCE) and type(error) not in remedied:
                remedied.add(type(error))
                return remedy(error)
            return isinstance(error, _WORTH_ANOTHER_ATTEMPT)

        return {
            "retry": tenacity.retry_if_exception(fix_or_wait),
            "wait": self._wait,
            "stop": tenacity.stop_any(
                tenacity.stop_after_attempt(self.attempts), tenacity.stop_before_delay(self.seconds)
            ),
            "before_sleep": self._log,
            "reraise": True,
        }

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _ONCE):
            return 0.0
        jittered = tenacity.wait_random_exponential(multiplier=self.first_wait, max=self.longest_wait)(state)
        asked = error.retry_after if isinstance(error, CccError) else None
        return jittered if asked is None else max(jittered, asked)

    def _log(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        what = "Attempt %d failed, the next one in %.2f s: %s"
        log.log(self.log_level, what, state.attempt_number, state.upcoming_sleep, error)
