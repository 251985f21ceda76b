"""Tells an outage of the service from a callee that cannot be resolved, and waits until it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from airflow_provider_ccc.client.errors import CccError, CccStaleSignatureError, CccTransientError

#: Whose fault these are, one callee's or the service's, only a call about another callee can tell.
EITHERS_FAULT = (CccTransientError, CccStaleSignatureError)
#: So many failures one after another, over so many seconds, make an outage likely.
_SUSPICIOUS = 5
_SILENCE = 1.0
#: For so many seconds a campaign waits for an answer.
PATIENCE = 60.0
#: The waits between two looks, in seconds; the last one is repeated.
_WAITS = (0.5, 1.0, 2.0, 4.0)


class Outage:
    """Looks whether the service answers, when several calls in a row have failed.

    Meanwhile nothing else is sent, so an outage costs no callee an attempt. All who call :meth:`look` share one look.

    :param probe: makes one call about a callee; raises a :class:`CccError` if it fails.
    :param log: where it is said that the service does not answer, and when it does again.
    """

    def __init__(self, probe: Callable[[], Awaitable[Any]], log: Any) -> None:
        #: How many outages are over.
        self.ended = 0
        self._probe = probe
        self._log = log
        self._failures = 0  # since the last answer
        self._since = 0.0  # the first of these, by the monotonic clock
        self._looking: asyncio.Task[bool] | None = None

    @property
    def suspected(self) -> bool:
        """Whether calls should wait for a look."""
        return self._looking is not None

    def answered(self) -> None:
        """Note an answer, whatever it says."""
        self._failures = 0

    def failed(self) -> bool:
        """Note a failure that may be the service's, and say whether an outage is likely."""
        now = time.monotonic()
        if not self._failures:
            self._since = now
        self._failures += 1
        return self._failures >= _SUSPICIOUS and now - self._since > _SILENCE

    async def look(self) -> bool:
        """Wait until the service answers.

        :returns: whether there was an outage; if not, the service answered at once.
        :raises CccError: it has not answered for a minute. A retry can help.
        """
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked)
        return await asyncio.shield(self._looking)

    def stop(self) -> None:
        """End the look, if there is one."""
        if self._looking is not None:
            self._looking.cancel()

    def _looked(self, look: asyncio.Task[bool]) -> None:
        self._looking = None
        if not look.cancelled():
            look.exception()  # whoever waits for it raises it; with nobody left it is no news

    async def _look(self) -> bool:
        since = self._since if self._failures else time.monotonic()
        waits = iter(_WAITS)
        is_out = False
        while True:
            try:
                await self._probe()
            except EITHERS_FAULT as error:
                now = time.monotonic()
                if now - since > PATIENCE:
                    raise _given_up(error, now - since) from None
                if not is_out:
                    self._log.warning(
                        "The service does not answer: %s. Nothing more is sent until it does, for %.0f s at most",
                        error,
                        PATIENCE,
                    )
                is_out = True
            except CccError:
                break  # an answer, too
            else:
                break
            await asyncio.sleep(min(next(waits, _WAITS[-1]), max(PATIENCE - (time.monotonic() - since), 0.1)))
        silence = time.monotonic() - since
        self.answered()
        if is_out:
            self.ended += 1
            self._log.info("The service answers again after %.0f s; the campaign goes on", silence)
        return is_out


def _given_up(error: CccError, silence: float) -> CccError:
    problem = type(error)(
        f"{error.message}. The service has not answered for {silence:.0f} s; a retry goes on where this try ended",
        code=error.code,
        http_status=error.http_status,
        request_id=error.request_id,
    )
    problem.where = error.where
    return problem
