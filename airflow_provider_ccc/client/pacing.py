"""How fast to send calls to a service whose quota is unknown and shared with tasks that cannot be asked.

All a task learns of the others is how often it is throttled itself; the law of :class:`Pacer` makes that enough. Each
throttled answer cuts the rate by a fraction, and the time in between lets it grow. A rate ``r`` of which a share ``p``
is throttled is cut ``p * r`` times a second, so it comes to rest where ``growth(r) = p * r * cut(r)``, that is where
``p = growth(r) / (r * cut(r))``. This falls with ``r``, and ``p`` is much the same for all who share the quota: whoever
is faster than the others is cut more than it grows, whoever is slower grows more than it is cut, until all are equally
fast. Growth speeds up with the time since the last cut, which is longest for the slowest, so they become equal sooner.

How much was chosen by simulation: one task uses a quota of 200 per second to 99 % with 0.8 % of its calls throttled.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable

from airflow_provider_ccc.client.errors import CccParameterError

#: Calls per second to begin with; and the least, so that news of a quota that is there again is never far.
INITIAL_RATE = 40.0
LEAST_RATE = 0.1
#: How long a caller that comes too late may make up for it, in seconds: more than timers are late, and no burst.
CREDIT = 0.01
#: Of callers that were not told to wait, those that come within it are still a burst that the pacer holds back.
PROMPT = CREDIT / 2
#: Each time between two calls is random by this fraction up or down. Strictly periodic callers fall into step, and
#: then always the same one finds the quota used up.
DITHER = 0.075
#: Slow start: calls per second gained with every accepted call, so the rate doubles in every tick.
START_GROWTH = 20.0
#: It ends with this many throttled answers: one may be bad luck where others use up the quota.
START_THROTTLED = 8
#: The first estimate is no lower: if next to nothing was accepted, others may just have used up the quota.
LEAST_ESTIMATE = 30.0
#: How long the quota is then left to recover if it was used up by this pacer alone, in seconds. About half of the
#: second that the service remembers is best: most calls of a growing burst are young.
DRAIN = 0.5
#: Growth is applied, and accepted calls are counted, once in so many seconds.
TICK = 0.05
TICKS = round(1 / TICK)
#: The longest pause that the service can ask for by a retry header, in seconds.
LONGEST_PAUSE = 60.0
#: By how much growth slows down for every second of such a pause.
PATIENCE = 20.0
#: The resolution of the event loops' timers, in seconds.
TIMER = 0.001


def cut(rate: float) -> float:
    """Give the fraction by which one throttled answer lowers a rate: 2 % at 200 calls per second."""
    return min(0.25, 0.02 * math.sqrt(200 / rate))


def growth(rate: float, quiet: float) -> float:
    """Give the fraction by which a rate grows per second: additively, by 4.4 calls per second just after a cut.

    :param rate: calls per second.
    :param quiet: seconds since the last cut. Much quiet means that the quota has grown, or that others have more of it.
    """
    return min(0.3, min(0.15, 4.4 / rate) * (1 + (quiet / 0.8) ** 2))


class Pacer:
    """Says when the next call may be sent. Sans-I/O: all times are seconds of a monotonic clock and are passed in.

    It starts gently and grows exponentially with every accepted call, as long as it is what callers wait for, up to
    ``max_qps`` or until calls are throttled. What was accepted in the last second is then the first estimate of the
    quota, and the law of this module takes over.

    :param max_qps: calls per second never to exceed; None: only the service sets limits.
    :raises CccParameterError: ``max_qps`` is no positive number.
    """

    def __init__(self, max_qps: float | None = None) -> None:
        if max_qps is not None and (
            isinstance(max_qps, bool)
            or not isinstance(max_qps, (int, float))
            or not (max_qps > 0 and math.isfinite(max_qps))
        ):
            raise CccParameterError("max_qps", "must be a positive number of calls per second, or None for no limit")
        #: How many throttled answers there were.
        self.throttled_calls = 0
        self._max = math.inf if max_qps is None else float(max_qps)
        self._next = -math.inf  # when the next call is due
        self._set_rate(INITIAL_RATE)
        # Since the last tick: the calls sent, and how many of them had waited for the pacer.
        self._tick_ends = -math.inf
        self._sent = 0
        self._waited = 0
        self._held = False  # whether somebody was told to wait since
        self._limiting = 0.0  # their share, in the latest tick that had any
        # All accepted calls, now and at the ends of the last second's ticks.
        self._accepted = 0
        self._history = deque([0] * TICKS, maxlen=TICKS)
        # Slow start: its throttled answers, and the accepted calls before the first of them.
        self._starting = True
        self._refused = 0
        self._accepted_before = 0
        # Afterwards: seconds of growth since the last cut, how much slower they pass than the clock's, and until when
        # throttled answers are to calls from before a pause.
        self._quiet = 0.0
        self._patience = 1.0
        self._resumes = -math.inf

    @property
    def rate(self) -> float:
        """The calls per second that it now aims at."""
        return self._rate

    @property
    def limit(self) -> float | None:
        """The calls per second that ``max_qps`` and the quota allow; ``None`` as long as nothing is known of either."""
        if self._starting:
            return self._max if self._max < math.inf else None
        return self._rate

    def delay(self, now: float) -> float:
        """Seconds until the next call may be sent; 0 or less: now."""
        delay = self._next - now
        if delay > 0:
            self._held = True
        return delay

    def sent(self, now: float) -> None:
        """Take note that a call is being sent."""
        self._sent += 1
        late = now - self._next
        if self._held or late < PROMPT:
            self._waited += 1
            self._held = False
        if late > CREDIT:
            self._next = now - CREDIT
        self._next += self._interval * (1 - DITHER + 2 * DITHER * random.random())  # noqa: S311 - no secret

    def succeeded(self, now: float) -> None:
        """Take note of an answer that was not throttled, be it good or an error."""
        self._accepted += 1
        if now >= self._tick_ends:
            self._tick(now)

    def throttled(self, now: float, retry_after: float | None = None) -> None:
        """Take note of a throttled answer.

        :param retry_after: seconds that the service asked to wait, where it did; at most a minute is waited.
        """
        self.throttled_calls += 1
        if now >= self._tick_ends:
            self._tick(now)
        pause = min(max(0.0, retry_after or 0.0), LONGEST_PAUSE)
        # A pause costs many calls, so grow into the quota more rarely where throttling comes with one.
        self._patience = 1 + PATIENCE * min(pause, 5.0)
        if self._starting:
            if not self._refused:
                self._accepted_before = self._accepted
            self._refused += 1
            if self._refused >= START_THROTTLED or pause:
                self._end_start(now)
        elif now >= self._resumes:
            self._quiet = 0.0
            fraction = cut(self._rate)
            # Throttled answers come in bursts, from windows of whole seconds or over long round trips. However many,
            # what was accepted in the last second is news of the quota, too.
            proven = self._last_second() * (1 - 2 * fraction)
            self._set_rate(max(self._rate * (1 - fraction), min(self._rate, proven)))
        if pause:
            self._resumes = self._next = max(self._next, now + pause)

    def _end_start(self, now: float) -> None:
        """Estimate the quota and leave slow start.

        Alone, the pacer has used up the quota by itself: it is what was accepted in the last second. Where others had
        used it up, that is little, but between the throttled answers calls are accepted at the rate that it can have.
        """
        self._starting = False
        accepted, last_second = self._accepted - self._accepted_before, self._last_second()
        found = self._rate * accepted / (accepted + self._refused)
        self._set_rate(max(last_second, found, LEAST_ESTIMATE))
        self._resumes = self._next = max(self._next, now + DRAIN * last_second / self._rate)

    def _tick(self, now: float) -> None:
        """Let the rate grow for the time since the last tick, so that single answers cost next to nothing."""
        if self._tick_ends == -math.inf:
            self._tick_ends = now
        ticks = int((now - self._tick_ends) / TICK) + 1
        self._tick_ends += ticks * TICK
        if self._sent:
            self._limiting = self._waited / self._sent
            self._sent = self._waited = 0
        if self._starting:
            self._set_rate(self._rate + START_GROWTH * (self._accepted - self._history[-1]) * self._limiting)
        else:
            # Slow callers have ticks without calls; idle ones must not gain by those.
            seconds = min(ticks * TICK, TICK + self._interval) * self._limiting / self._patience
            self._quiet += seconds
            self._set_rate(self._rate * (1 + growth(self._rate, self._quiet) * seconds))
        self._history.extend([self._accepted] * min(ticks, TICKS))

    def _last_second(self) -> int:
        return self._accepted - self._history[0]

    def _set_rate(self, rate: float) -> None:
        self._rate = min(max(rate, LEAST_RATE), self._max)
        self._interval = 1 / self._rate


class Gate:
    """Where asynchronous callers wait for their turn, first come first served. It belongs to one event loop.

    :param pacer: says when the next call may be sent.
    :param clock: seconds; monotonic.
    """

    def __init__(self, pacer: Pacer, clock: Callable[[], float] = time.monotonic) -> None:
        self._pacer = pacer
        self._clock = clock
        self._queue: deque[asyncio.Future[None]] = deque()

    def try_to_pass(self) -> bool:
        """Take this caller's turn if it may send at once, which the pacer is then told; if not, it is to :meth:`wait`.

        As a rule it may, and then this is all that a call costs.
        """
        if self._queue:
            return False
        now = self._clock()
        if self._pacer.delay(now) > 0:
            return False
        self._pacer.sent(now)
        return True

    async def wait(self) -> None:
        """Return when this caller may send, which the pacer is told."""
        if self.try_to_pass():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        if len(self._queue) == 1:
            self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    def _admit(self) -> None:
        """Admit whoever may send by now, and come back when the next one may, whatever happens in between.

        No caller but the event loop does so: callers can be cancelled without holding up the others.
        """
        delay = 0.0
        try:
            while self._queue:
                if self._queue[0].done():  # cancelled while it waited
                    self._queue.popleft()
                    continue
                now = self._clock()
                delay = self._pacer.delay(now)
                if delay > 0:
                    return
                self._pacer.sent(now)
                self._queue.popleft().set_result(None)
        finally:
            if self._queue:
                # Not below a timer's resolution: the loop would spin.
                asyncio.get_running_loop().call_later(max(delay, TIMER), self._admit)

    def _pass_on(self) -> None:
        """Give a turn, which a caller got and was cancelled before it could use, to the next one."""
        turn = next((turn for turn in self._queue if not turn.done()), None)
        if turn is not None:
            turn.set_result(None)
