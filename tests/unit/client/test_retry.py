"""The one retry policy. Nothing here sleeps: waits are recorded instead."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
import tenacity

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.retry import RetryPolicy


@pytest.fixture
def waits(monkeypatch):
    recorded: list[float] = []
    monkeypatch.setattr(tenacity.nap.time, "sleep", recorded.append)
    return recorded


class Attempts:
    """Raises what it is given, one at a time, then answers."""

    def __init__(self, *outcomes: BaseException) -> None:
        self.outcomes = list(outcomes)
        self.made = 0

    def __call__(self) -> str:
        self.made += 1
        if self.outcomes:
            raise self.outcomes.pop(0)
        return "answer"

    async def asynchronous(self) -> str:
        return self()


def no_remedy(error: errors.CccError) -> bool:
    raise AssertionError("nothing here can be mended")


def transient(**details) -> errors.CccError:
    return errors.CccTransientError("m", code="ServiceUnavailable", **details)


@pytest.mark.parametrize(
    "kind",
    [
        errors.CccThrottledError,
        errors.CccTransientError,
        errors.CccConnectionError,
        errors.CccUnreadableAnswerError,
        errors.CccStaleSignatureError,
    ],
)
def test_what_patience_mends_is_tried_again(kind, waits):
    attempts = Attempts(kind("m"), kind("m"))
    assert RetryPolicy().call(attempts, no_remedy) == "answer"
    assert attempts.made == 3
    assert len(waits) == 2


@pytest.mark.parametrize(
    "kind",
    [
        errors.CccError,
        errors.CccCredentialsError,
        errors.CccPermissionError,
        errors.CccNotFoundError,
        errors.CccInstanceCreatingError,
        errors.CccInstanceUnavailableError,
        errors.CccRequestError,
        errors.CccCertificateError,
        errors.CccUnexpectedAnswerError,
    ],
)
def test_everything_else_is_attempted_once(kind, waits):
    attempts = Attempts(kind("m"))
    with pytest.raises(kind):
        RetryPolicy().call(attempts, no_remedy)
    assert attempts.made == 1
    assert waits == []


@pytest.mark.parametrize("kind", [errors.CccClockError, errors.CccTokenError])
@pytest.mark.parametrize(("mended", "attempts"), [(True, 2), (False, 1)])
def test_what_can_be_mended_here_is_mended_once_and_at_once(kind, mended, attempts, waits):
    made, seen = Attempts(kind("first"), kind("second"), kind("third")), []

    def remedy(error: errors.CccError) -> bool:
        seen.append(error.message)
        return mended

    with pytest.raises(kind):
        RetryPolicy().call(made, remedy)
    assert made.made == attempts
    assert seen == ["first"]
    assert waits == [0.0] * (attempts - 1)


def test_a_clock_and_a_token_are_mended_in_one_call(waits):
    made = Attempts(errors.CccClockError("m"), errors.CccTokenError("m"), transient())
    assert RetryPolicy().call(made, lambda _: True) == "answer"
    assert made.made == 4


def test_a_programming_error_is_not_tried_again(waits):
    attempts = Attempts(KeyError("x"))
    with pytest.raises(KeyError):
        RetryPolicy().call(attempts, no_remedy)
    assert attempts.made == 1


def test_attempts_are_bounded_and_the_last_error_is_raised(waits):
    last = transient(request_id="last")
    attempts = Attempts(transient(), transient(), last, transient())
    with pytest.raises(errors.CccTransientError) as caught:
        RetryPolicy(attempts=3).call(attempts, no_remedy)
    assert caught.value is last
    assert attempts.made == 3


def test_total_time_is_bounded(waits):
    attempts = Attempts(*(transient(retry_after=50.0) for _ in range(9)))
    with pytest.raises(errors.CccTransientError):
        RetryPolicy(seconds=30).call(attempts, no_remedy)
    assert attempts.made == 1  # the wait that was asked for would end too late
    assert waits == []


def test_waits_grow_with_full_jitter_up_to_the_longest(waits):
    policy = RetryPolicy(attempts=8, seconds=1e9, first_wait=1, longest_wait=8)
    for _ in range(200):
        with pytest.raises(errors.CccTransientError):
            policy.call(Attempts(*(transient() for _ in range(8))), no_remedy)
    rounds = [waits[start : start + 7] for start in range(0, len(waits), 7)]
    for place, bound in enumerate([1, 2, 4, 8, 8, 8, 8]):
        column = [waited[place] for waited in rounds]
        assert all(0 <= wait <= bound for wait in column)
        assert min(column) < bound * 0.2  # jitter reaches down to nothing
        assert max(column) > bound * 0.8


def test_a_wait_is_at_least_what_the_service_asked_for(waits):
    attempts = Attempts(transient(retry_after=20.0), transient(retry_after=0.0))
    RetryPolicy(longest_wait=0.1).call(attempts, no_remedy)
    assert waits[0] == 20.0
    assert 0 <= waits[1] <= 0.1


def clock_error() -> errors.CccError:
    return errors.CccClockError("m", server_time=datetime.now(UTC))


def test_the_clock_is_corrected_once(waits):
    corrected: list[errors.CccError] = []

    def correct(error: errors.CccError) -> bool:
        corrected.append(error)
        return True

    attempts = Attempts(clock_error())
    assert RetryPolicy().call(attempts, correct) == "answer"
    assert len(corrected) == 1
    assert waits == [0.0]

    attempts = Attempts(clock_error(), clock_error())
    with pytest.raises(errors.CccClockError):
        RetryPolicy().call(attempts, correct)
    assert attempts.made == 2


def test_a_clock_that_cannot_be_corrected_fails_at_once(waits):
    attempts = Attempts(clock_error())
    with pytest.raises(errors.CccClockError):
        RetryPolicy().call(attempts, lambda error: False)
    assert attempts.made == 1


def test_asynchronous_callers_have_the_same_policy(monkeypatch):
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    attempts = Attempts(transient(retry_after=3.0), errors.CccThrottledError("m"))
    assert asyncio.run(RetryPolicy().call_async(attempts.asynchronous, no_remedy)) == "answer"
    assert attempts.made == 3
    assert waits[0] == 3.0
    attempts = Attempts(errors.CccNotFoundError("m"))
    with pytest.raises(errors.CccNotFoundError):
        asyncio.run(RetryPolicy().call_async(attempts.asynchronous, no_remedy))
    assert attempts.made == 1
