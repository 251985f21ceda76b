"""Pacing, in virtual time: against quotas that the pacer does not know, and at a gate whose clock is a number."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.pacing import INITIAL_RATE, LONGEST_PAUSE, START_THROTTLED, Gate, Pacer, cut, growth
from tests.unit.client.quotas import FixedWindows, Sender, SlidingWindow, TokenBucket, Unlimited, outcome, simulate

SEEDS = [1, 2, 3]


@pytest.mark.parametrize("value", [0, -1, True, "5", float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(value):
    with pytest.raises(CccParameterError, match="max_qps"):
        Pacer(value)


@pytest.mark.parametrize("limit", [0.05, 1, 30])
def test_the_rate_never_exceeds_the_limit(limit):
    assert Pacer(limit).rate == limit


def test_what_is_allowed_is_known_once_the_quota_is_found():
    pacer, capped = Pacer(), Pacer(30)
    assert (pacer.limit, capped.limit) == (None, 30)
    for place in range(START_THROTTLED):
        assert pacer.limit is None
        pacer.throttled(place / 100)
    assert pacer.limit == pacer.rate


class TestLaw:
    def test_more_throttling_means_a_lower_rate_at_rest(self):
        rates = [2**power for power in range(13)]
        at_rest = [growth(rate, 0) / (rate * cut(rate)) for rate in rates]
        assert at_rest == sorted(at_rest, reverse=True)
        assert len(set(at_rest)) == len(at_rest)

    def test_growth_speeds_up_while_all_is_quiet(self):
        assert growth(200, 3) > 2 * growth(200, 1) > 2 * growth(200, 0)


class TestQuota200:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_one_uses_it_up(self, seed):
        sender = Sender()
        simulate(SlidingWindow(200), [sender], 40, seed=seed)
        settled = outcome([sender], 10, 40)
        assert settled.goodput >= 0.98 * 200
        assert settled.throttled <= 0.014

    @pytest.mark.parametrize("seed", SEEDS)
    def test_two_share_it(self, seed):
        senders = [Sender(), Sender(latency=0.012)]
        simulate(SlidingWindow(200), senders, 40, seed=seed)
        settled = outcome(senders, 10, 40)
        assert settled.goodput >= 0.98 * 200
        assert settled.throttled <= 0.025
        assert max(settled.shares) <= 0.6

    @pytest.mark.parametrize("seed", SEEDS)
    def test_one_that_joins_gets_its_share(self, seed):
        senders = [Sender(), Sender(starts=8)]
        simulate(SlidingWindow(200), senders, 55, seed=seed)
        settled = outcome(senders, 30, 55)
        assert settled.goodput >= 0.98 * 200
        assert max(settled.shares) <= 0.6

    @pytest.mark.parametrize("seed", SEEDS)
    def test_very_unequal_rates_become_equal(self, seed):
        senders = [Sender(), Sender()]
        for sender, rate in zip(senders, (180, 20), strict=True):
            sender.pacer._starting = False
            sender.pacer._set_rate(rate)
        simulate(SlidingWindow(200), senders, 50, seed=seed)
        assert outcome(senders, 0, 4).shares[0] > 0.75
        assert max(outcome(senders, 25, 50).shares) <= 0.6

    def test_four_share_it(self):
        senders = [Sender(latency=latency) for latency in (0.001, 0.01, 0.02, 0.05)]
        simulate(SlidingWindow(200), senders, 40)
        settled = outcome(senders, 15, 40)
        assert settled.goodput >= 0.96 * 200
        assert max(settled.shares) <= 0.36
        assert min(settled.shares) >= 0.15

    def test_a_slow_line_costs_little(self):
        sender = Sender(latency=0.5)
        simulate(SlidingWindow(200), [sender], 40)
        settled = outcome([sender], 15, 40)
        assert settled.goodput >= 0.9 * 200
        assert settled.throttled <= 0.1

    def test_late_timers_cost_little(self):
        sender = Sender()
        simulate(SlidingWindow(200), [sender], 40, jitter=0.01)
        assert outcome([sender], 10, 40).goodput >= 0.96 * 200

    def test_an_idle_one_comes_back(self):
        sender = Sender(idle=(12, 22))
        simulate(SlidingWindow(200), [sender], 35)
        back = outcome([sender], 22.5, 35)
        assert back.goodput >= 0.96 * 200
        assert back.throttled <= 0.03

    @pytest.mark.parametrize(("factor", "settles"), [(0.5, 10), (2, 12)])
    def test_a_change_is_followed(self, factor, settles):
        quota, sender = SlidingWindow(200), Sender()
        after = 200 * factor
        simulate(quota, [sender], 40, events=[(15, lambda: setattr(quota, "qps", after))])
        settled = outcome([sender], 15 + settles, 40)
        assert settled.goodput >= 0.96 * after
        assert settled.throttled <= 0.03

    @pytest.mark.parametrize("retry_after", [0.2, 1, 5])
    def test_pauses_are_provoked_rarely(self, retry_after):
        sender = Sender()
        simulate(SlidingWindow(200), [sender], 60, retry_after=retry_after)
        assert outcome([sender], 15, 60).goodput >= 0.8 * 200


@pytest.mark.parametrize(
    ("quota", "goodput", "throttled"),
    [
        (SlidingWindow(10), 0.85, 0.25),
        (SlidingWindow(50), 0.95, 0.08),
        (SlidingWindow(1000), 0.97, 0.01),
        (SlidingWindow(3000), 0.96, 0.01),
        (FixedWindows(10), 0.9, 0.25),
        (FixedWindows(200), 0.94, 0.08),
        (FixedWindows(1000), 0.94, 0.06),
        (TokenBucket(10, 10), 0.95, 0.2),
        (TokenBucket(200, 200), 0.98, 0.02),
        (TokenBucket(200, 20), 0.97, 0.02),
        (TokenBucket(1000, 100), 0.97, 0.01),
    ],
    ids=lambda value: f"{type(value).__name__}{value.qps}" if hasattr(value, "qps") else "",
)
def test_quotas_of_other_sizes_and_kinds(quota, goodput, throttled):
    sender = Sender()
    simulate(quota, [sender], 16 if quota.qps > 1000 else 30)
    settled = outcome([sender], 10, 16 if quota.qps > 1000 else 30)
    assert settled.goodput >= goodput * quota.qps
    assert settled.throttled <= throttled


class TestStart:
    def test_it_is_gentle_and_then_fast(self):
        sender = Sender(latency=0.005)
        simulate(Unlimited(), [sender], 1.6)
        assert sum(at < 0.1 for at in sender.sent) <= 2 * INITIAL_RATE * 0.1 + 2
        assert sum(at >= 1.5 for at in sender.sent) >= 5000 * 0.1

    def test_the_rate_stays_near_what_is_sent(self):
        sender = Sender(latency=0.02, window=64)
        simulate(Unlimited(), [sender], 6)
        assert outcome([sender], 2, 6).goodput >= 0.97 * 64 / (0.02 + 0.002)
        assert sender.pacer.rate <= 2 * 64 / 0.02

    def test_a_caller_with_little_to_send_does_not_raise_the_rate(self):
        pacer = Pacer()
        for now in range(100):
            assert pacer.delay(now) <= 0
            pacer.sent(now)
            pacer.succeeded(now + 0.01)
        assert pacer.rate == INITIAL_RATE

    def test_few_throttled_answers_do_not_end_it(self):
        pacer = Pacer()
        pacer.throttled(1.0)
        assert pacer.rate == INITIAL_RATE
        assert pacer.throttled_calls == 1


@pytest.mark.parametrize("limit", [20, 200, 2000])
def test_no_second_holds_more_than_the_limit_and_few_are_lost(limit):
    sender = Sender(pacer=Pacer(limit))
    simulate(Unlimited(), [sender], 8)
    sent = sender.sent
    most = max(
        sum(at <= other < at + 1 for other in sent[i : i + 2 * limit]) for i, at in enumerate(sent) if i % 7 == 0
    )
    assert most <= 1.012 * limit + 3
    assert outcome([sender], 3, 8).goodput >= 0.98 * limit


class TestThrottled:
    @pytest.fixture
    def pacer(self):
        """One that is past its start, at 200 calls per second that were all accepted."""
        pacer = Pacer()
        pacer._starting = False
        pacer._set_rate(200)
        for call in range(200):
            pacer.succeeded(call / 200)
        return pacer

    def test_a_burst_of_answers_cuts_no_deeper_than_what_was_accepted(self, pacer):
        for _ in range(150):
            pacer.throttled(1.0)
        assert 170 <= pacer.rate < 200

    def test_one_answer_cuts_a_little(self, pacer):
        pacer.throttled(1.0)
        assert pacer.rate == pytest.approx(200 * (1 - cut(200)), rel=0.01)

    @pytest.mark.parametrize(
        ("asked", "paused"), [(2.5, 2.5), (600, LONGEST_PAUSE), (float("inf"), LONGEST_PAUSE), (0, 0), (-3, 0)]
    )
    def test_what_the_service_asks_for_is_honoured_within_bounds(self, pacer, asked, paused):
        pacer.throttled(1.0, asked)
        assert max(0.0, pacer.delay(1.0)) == pytest.approx(paused)

    def test_no_number_does_no_harm(self, pacer):
        pacer.throttled(1.0, float("nan"))
        assert pacer.delay(1.0) <= 0
        assert pacer.rate < 200

    def test_a_shorter_wish_does_not_end_a_longer_pause(self, pacer):
        pacer.throttled(1.0, 5)
        before = pacer.rate
        pacer.throttled(1.1, 1)
        assert pacer.delay(1.1) == pytest.approx(4.9)
        assert pacer.rate == before  # it was sent before the pause


class _Virtual(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = selectors.DefaultSelector()
        poll = selector.select

        def select(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is None:
                raise RuntimeError("all wait, and nothing will ever happen")
            self.now += timeout
            return poll(0)

        selector.select = select  # type: ignore[method-assign]
        super().__init__(selector)

    def time(self) -> float:
        return self.now


@contextmanager
def virtual_time() -> Iterator[_Virtual]:
    loop = _Virtual()
    try:
        yield loop
    finally:
        loop.close()


class TestGate:
    def test_callers_pass_at_the_pacers_rate_in_their_order(self):
        passed: list[tuple[int, float]] = []

        async def caller(gate: Gate, name: int) -> None:
            await gate.wait()
            passed.append((name, loop.time()))

        async def main() -> None:
            gate = Gate(Pacer(20), loop.time)
            await asyncio.gather(*(caller(gate, name) for name in range(41)))

        with virtual_time() as loop:
            loop.run_until_complete(main())
        assert [name for name, _ in passed] == list(range(41))
        assert passed[-1][1] == pytest.approx(2.0, rel=0.05)

    def test_a_free_slot_costs_no_turn_of_the_loop(self):
        pacer = Pacer()
        waiting = Gate(pacer, lambda: 5.0).wait()
        with pytest.raises(StopIteration):
            waiting.send(None)
        assert pacer.delay(5.0) > 0  # it was told

    def test_cancelled_callers_hold_nobody_up(self):
        async def main() -> list[float]:
            gate = Gate(Pacer(10), loop.time)
            passed: list[float] = []

            async def caller() -> None:
                await gate.wait()
                passed.append(loop.time())

            callers = [asyncio.create_task(caller()) for _ in range(31)]
            await asyncio.sleep(0.05)
            for cancelled in callers[1:11]:  # among them the one whose turn is next
                cancelled.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
            await gate.wait()
            return passed

        with virtual_time() as loop:
            passed = loop.run_until_complete(main())
        assert len(passed) == 21
        assert passed[-1] == pytest.approx(2.0, rel=0.1)  # no slot was kept for them

    def test_a_turn_that_comes_with_the_cancellation_goes_to_the_next(self):
        async def main() -> tuple[float, float]:
            pacer = Pacer(1)
            gate = Gate(pacer, loop.time)
            await gate.wait()
            first, second = (asyncio.create_task(gate.wait()) for _ in range(2))
            await asyncio.sleep(0)
            loop.now = 1.2
            gate._admit()
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            assert first.cancelled()
            at_cancellation = loop.time()
            await second
            return at_cancellation, loop.time()

        with virtual_time() as loop:
            cancelled, passed = loop.run_until_complete(main())
        assert passed == cancelled

    def test_a_pause_that_begins_while_callers_wait_is_kept(self):
        async def main() -> float:
            pacer = Pacer(10)
            gate = Gate(pacer, loop.time)
            await gate.wait()
            waiting = asyncio.create_task(gate.wait())
            await asyncio.sleep(0.01)
            pacer.throttled(loop.time(), 3)
            await waiting
            return loop.time()

        with virtual_time() as loop:
            assert loop.run_until_complete(main()) >= 3

    def test_all_get_their_turn_under_a_crowd(self):
        async def main() -> list[int]:
            pacer = Pacer(1000)
            gate = Gate(pacer, loop.time)
            turns = [0] * 64

            async def caller(name: int) -> None:
                while loop.time() < 2:
                    await gate.wait()
                    turns[name] += 1
                    pacer.succeeded(loop.time())

            await asyncio.gather(*(caller(name) for name in range(64)))
            return turns

        with virtual_time() as loop:
            turns = loop.run_until_complete(main())
        assert sum(turns) > 500
        assert min(turns) >= max(turns) - 2  # the first ones need not wait for their first turn
