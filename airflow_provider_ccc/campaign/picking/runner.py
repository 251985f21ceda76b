"""Resolves a source's callees, many at once, as fast as the service allows, and has finished parts written."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from airflow_provider_ccc.campaign.output.output import Output
from airflow_provider_ccc.campaign.output.parts import DUPLICATE, EXCLUDED, FailedRow, Part, SkippedRow, Tally
from airflow_provider_ccc.campaign.picking.failures import Failures, MaxFailures, failed_row
from airflow_provider_ccc.campaign.picking.outage import EITHERS_FAULT, Outage
from airflow_provider_ccc.campaign.picking.progress import Progress
from airflow_provider_ccc.campaign.source import Row, Source
from airflow_provider_ccc.client.errors import (
    CccError,
    CccParameterError,
    CccRequestError,
    CccThrottledError,
    CccUnexpectedAnswerError,
)
from airflow_provider_ccc.client.models import PickedNumbers
from airflow_provider_ccc.client.operations_2017 import Operation, PickOperation
from airflow_provider_ccc.client.pacing import Gate, Pacer
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.endings import StoppedError

Answer = TypeVar("Answer")

NO_PAIRS = "NoPairs"

#: After so many seconds of nothing but throttling the run ends, for a later try to go on.
_THROTTLED_TOO_LONG = 600.0
#: How long a run that is stopped waits for the part that is just being written, and for its thread to end, in seconds.
_LAST_WRITE = 3.0
_LAST_MOMENTS = _LAST_WRITE + 2.0
#: How often the pace is noted, in seconds.
_NOTE_PACE = 0.25
#: So many rows in a row may be passed over before others get their turn.
_BREATH = 500


class Hook(Protocol):
    """What the runner needs of :class:`~airflow_provider_ccc.hooks.ccc.CccAsyncHook`."""

    retry: RetryPolicy

    async def __aenter__(self) -> Any: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def attempt(self, operation: Operation[Answer]) -> Answer: ...

    @property
    def protocol(self) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How a campaign may run; none of these decides what its output is, but ``part_size`` where it is cut.

    :param part_size: callees in a part.
    :param concurrency: calls in flight.
    :param max_qps: calls per second at most; ``None`` for what the service allows.
    :param max_failures: how many callees may fail.
    """

    part_size: int
    concurrency: int
    max_qps: float | None
    max_failures: MaxFailures


class Runner:
    """One try of a campaign.

    :param source: the callees.
    :param output: where finished parts go; parts that are complete are passed over.
    :param operation: what is asked about each callee.
    :param hook: makes the calls; its connection was looked up already.
    """

    def __init__(
        self, source: Source, output: Output, operation: PickOperation, hook: Hook, limits: Limits, progress: Progress
    ) -> None:
        self._source = source
        self._output = output
        self._operation = operation
        self._hook = hook
        # A line for each would drown the others; the progress counts them.
        self._retry = replace(hook.retry, log_level=logging.DEBUG)
        self._limits = limits
        self._progress = progress
        self._pacer = Pacer(limits.max_qps)
        self._rows = enumerate(source.rows())
        self._parts: dict[int, Part] = {}  # begun, and not yet written
        # Enough for the window to move on while some calls take their time, and no more, for memory's sake.
        self._most_parts = 8 + 2 * (limits.concurrency // limits.part_size)
        self._failures = Failures(limits.max_failures, source.survey.rows, Counter(output.total.codes), output.folder)
        self._resolved_before: PickOperation | None = None
        self._served = time.monotonic()
        self._epoch = time.time() - self._served  # so that a clock that is set meanwhile makes no difference
        self._stopped = False
        self._stop: Callable[[], None] | None = None

    def run(self) -> None:
        """Resolve all callees that are not in complete parts.

        The event loop has a thread of its own. Airflow ends a task by raising from a signal handler in the main
        thread: a loop there would log such an exception in whatever callback it hits, and go on. The main thread only
        waits, and what is raised arrives.

        :raises TooManyFailuresError: more failed than may.
        :raises StoppedError: :meth:`stop` was called.
        :raises CccError: the service cannot be used, or not now.
        :raises StorageError: a part cannot be written.
        """
        self._failures.refuse_malformed(self._source)
        done: Future[None] = Future()
        run = contextvars.copy_context().run  # with what logs and traces say of the task
        thread = threading.Thread(target=run, args=(self._run_in_thread, done), name="ccc-campaign", daemon=True)
        try:
            thread.start()
            done.result()
        except BaseException:
            if not done.done():  # raised here, by whoever ends the task
                self.stop()
                with contextlib.suppress(RuntimeError):  # it was just being started
                    thread.join(_LAST_MOMENTS)
            raise

    def _run_in_thread(self, done: Future[None]) -> None:
        try:
            with _calm_collector(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._run())
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    def stop(self) -> None:
        """End a run from a signal handler or another thread; finished parts are kept."""
        self._stopped = True
        if stop := self._stop:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                stop()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()

        def stop_soon() -> None:
            loop.call_soon_threadsafe(stopping.set)

        self._stop = stop_soon
        if self._stopped:  # before there was anything to stop
            stopping.set()
        self._gate = Gate(self._pacer)
        self._outage = Outage(self._probe, self._progress.log)
        self._room = asyncio.Event()
        self._room.set()
        self._writer = ThreadPoolExecutor(1, "ccc-parts")
        self._writes: set[Future[None]] = set()
        async with self._hook:
            workers = [asyncio.create_task(self._work()) for _ in range(self._limits.concurrency)]
            work = asyncio.gather(*workers)
            stop = asyncio.create_task(stopping.wait())
            reports = asyncio.create_task(self._progress.report_regularly())
            pace = asyncio.create_task(self._note_pace())
            try:
                await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    raise StoppedError
                work.result()
            finally:
                self._stop = None
                self._outage.stop()
                for task in (*workers, stop, reports, pace):
                    task.cancel()
                await asyncio.gather(work, *workers, stop, reports, pace, return_exceptions=True)
                self._end_writing()
        self._progress.report()

    def _end_writing(self) -> None:
        """Have the parts written that are finished, unless the storage lets them wait."""
        if self._writes:  # a run that ended well has none, and its manifest is still to be written
            self._output.folder.give_up()
        wait(self._writes, timeout=_LAST_WRITE)
        self._writer.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        passed_over = 0
        cuts = self._output.cuts
        for index, row in self._rows:
            number = cuts.part_of(index)
            if self._output.is_complete(number):
                passed_over += 1
            else:
                part = self._parts.get(number)
                if part is None:
                    part = self._parts[number] = Part(number, cuts.size_of(number))
                    self._make_room()
                if row.problem or row.duplicate or row.excluded:
                    passed_over += 1
                    self._set_aside(row, part)
                else:
                    await self._resolve(row, part)
                    part.tally.timeline.finish(self._epoch + time.monotonic())
                self._progress.done += 1
                if part.finished:
                    await self._write(part)
            if passed_over == _BREATH:
                passed_over = 0
                await asyncio.sleep(0)
            if not self._room.is_set():
                await self._room.wait()

    async def _note_pace(self) -> None:
        """Note what the quota allows, in whatever part is under way, until cancelled."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(_NOTE_PACE)
            now, limit = time.monotonic(), self._pacer.limit
            part = next((part for part in self._parts.values() if not part.finished), None)
            if part is not None and limit is not None:
                part.tally.timeline.allow(self._epoch + now, limit * (now - before))
            before = now

    def _set_aside(self, row: Row, part: Part) -> None:
        if row.problem:
            self._fail(part, failed_row(row), asked=False)
        else:
            part.skipped(SkippedRow(row.place, DUPLICATE if row.duplicate else EXCLUDED, row.fields))

    async def _resolve(self, row: Row, part: Part) -> None:
        operation = self._operation.for_callee(row.number)
        self._asking = operation
        picked: PickedNumbers | CccError
        try:
            picked = await self._attempt(operation, part.tally)
        except CccError as error:
            picked = await self._try_again(operation, part.tally, error)
        if isinstance(picked, CccError):
            self._fail(part, FailedRow(row.place, picked.code, picked.message, picked.request_id, row.fields))
            return
        if not picked.pairs:
            what = "the service picked no number for this callee"
            self._fail(part, FailedRow(row.place, NO_PAIRS, what, picked.request_id, row.fields))
            return
        self._resolved_before = operation
        self._progress.resolved += 1
        part.resolved(row.place, picked.pairs, picked.request_id, row.fields)

    async def _try_again(self, operation: PickOperation, tally: Tally, first: CccError) -> PickedNumbers | CccError:
        """Go on after a call failed.

        :returns: its answer in the end, or an error that is about this callee only.
        """

        async def attempt() -> PickedNumbers:
            return await self._attempt(operation, tally)

        while True:
            outages = self._outage.ended
            try:
                return await self._retry.go_on(first, attempt, self._hook.protocol.remedy)
            except CccError as error:
                if isinstance(error, EITHERS_FAULT):
                    await self._outage.look()
                    if self._outage.ended == outages:
                        return error
                    first = error  # an outage is not the callee's fault: it has all its attempts again
                elif await self._is_about_the_callee(error):
                    return error
                else:
                    raise

    async def _attempt(self, operation: PickOperation, tally: Tally) -> PickedNumbers:
        """Make a call when the pace allows, again and again as long as it is throttled."""
        progress = self._progress
        while True:
            if not self._gate.try_to_pass():
                await self._gate.wait()
            if self._outage.suspected:
                await self._outage.look()
            tally.calls += 1
            progress.calls += 1
            begun = time.monotonic()
            try:
                picked = await self._hook.attempt(operation)
            except CccThrottledError as error:
                now = time.monotonic()
                self._pacer.throttled(now, error.retry_after)
                tally.throttled += 1
                tally.timeline.throttle(self._epoch + now)
                progress.throttled += 1
                if now - self._served > _THROTTLED_TOO_LONG:
                    raise
                self._outage.answered()
            except CccError as error:
                if error.http_status is not None:
                    self._pacer.succeeded(time.monotonic())
                if not isinstance(error, EITHERS_FAULT):
                    self._outage.answered()
                elif self._outage.failed() and await self._outage.look():
                    continue
                raise
            else:
                now = self._served = time.monotonic()
                self._outage.answered()
                self._pacer.succeeded(now)
                progress.answered += 1
                progress.seconds_waited += now - begun
                return picked

    async def _probe(self) -> None:
        """Ask about a callee that was resolved before, or about whoever is asked about if nobody was."""
        if not self._gate.try_to_pass():
            await self._gate.wait()
        await self._hook.attempt(self._resolved_before or self._asking)

    async def _is_about_the_callee(self, error: CccError) -> bool:
        """Say whether others can still be resolved after an error; if not, it ends the run."""
        if isinstance(error, CccParameterError):
            return False  # a field of the connection
        if isinstance(error, (CccRequestError, CccUnexpectedAnswerError)):
            return True
        # An answer that nothing is known of, such as a redirect, may come from a wrong host.
        if type(error) is CccError and self._resolved_before is not None:
            with contextlib.suppress(CccError):
                await self._probe()
                return True
        return False

    def _fail(self, part: Part, row: FailedRow, *, asked: bool = True) -> None:
        part.failed(row, asked=asked)
        self._progress.failed += 1
        self._failures.add(row)

    async def _write(self, part: Part) -> None:
        write = self._writer.submit(self._output.write, part, self._source.survey.columns)
        self._writes.add(write)
        await asyncio.shield(asyncio.wrap_future(write))
        self._writes.discard(write)
        del self._parts[part.number]
        self._make_room()

    def _make_room(self) -> None:
        if len(self._parts) < self._most_parts:
            self._room.set()
        else:
            self._room.clear()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Take uvloop where it is installed: it takes a third off what a call costs."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextlib.contextmanager
def _calm_collector() -> Iterator[None]:
    """Have the garbage collector look less often: calls make many objects and hardly any cycles.

    With its usual threshold it takes a tenth of the time that a call takes.
    """
    before = gc.get_threshold()
    gc.set_threshold(20_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
