from __future__ import annotations

import threading

import pytest

from airflow_provider_ccc.client.credentials import (
    EARLY,
    LATER,
    ONE_MOMENT,
    UNTOLD,
    AccessKey,
    Fetched,
    FetchedCredentials,
    StaticCredentials,
)
from airflow_provider_ccc.client.errors import CccCredentialsError, CccTransientError


class Service:
    """Gives credentials that live for so many seconds, and counts how often it was asked."""

    def __init__(self, life: float | None) -> None:
        self.life = life
        self.now = 1_000_000.0
        self.asked: list[bool] = []
        self.error: Exception | None = None
        self.told: list[AccessKey] = []
        self.credentials = FetchedCredentials(self.fetch, clock=lambda: self.now, on_fetched=self.told.append)

    def fetch(self, refused: bool) -> Fetched:
        self.asked.append(refused)
        if self.error is not None:
            raise self.error
        expires = None if self.life is None else self.now + self.life
        return Fetched(AccessKey(f"STS.{len(self.asked)}", "secret", "token"), expires)

    def key(self) -> str:
        return self.credentials.get().access_key_id


def test_given_ones_stay_as_they_are():
    key = AccessKey("id", "secret")
    credentials = StaticCredentials(key)
    assert credentials.get() is key
    assert credentials.current
    assert not credentials.renew()


def test_nothing_is_fetched_before_it_is_needed_and_then_once():
    service = Service(3600)
    assert service.asked == []
    assert not service.credentials.current
    assert [service.key() for _ in range(3)] == ["STS.1"] * 3
    assert service.credentials.current
    assert service.asked == [False]
    assert [key.access_key_id for key in service.told] == ["STS.1"]


@pytest.mark.parametrize(
    ("life", "kept"), [(3600, 3600 - EARLY), (100, 80), (None, UNTOLD)], ids=["long", "short", "untold"]
)
def test_they_are_replaced_before_they_expire(life, kept):
    service = Service(life)
    service.key()
    service.now += kept - 0.01
    assert service.key() == "STS.1"
    service.now += 0.02
    assert not service.credentials.current
    assert service.key() == "STS.2"
    assert service.asked == [False, False]


def test_those_that_look_expired_are_not_fetched_for_every_call():
    service = Service(-100)
    assert [service.key() for _ in range(50)] == ["STS.1"] * 50
    service.now += ONE_MOMENT
    assert service.key() == "STS.2"


def test_those_that_are_refused_are_fetched_anew_once_for_all_who_complain():
    service = Service(3600)
    service.key()
    service.now += ONE_MOMENT / 2
    assert service.credentials.renew()
    assert service.key() == "STS.1"  # fetched a moment ago: whoever complains used those before
    service.now += ONE_MOMENT
    for _ in range(5):
        assert service.credentials.renew()
    assert [service.key() for _ in range(3)] == ["STS.2"] * 3
    assert service.asked == [False, True]


def test_as_long_as_they_are_good_a_failure_to_replace_them_does_not_matter():
    service = Service(3600)
    service.key()
    service.now += 3600 - EARLY + 1
    service.error = CccTransientError("away")
    assert [service.key(), service.key()] == ["STS.1", "STS.1"]
    assert len(service.asked) == 2  # and it is not asked for every call
    service.now += LATER
    assert service.key() == "STS.1"
    assert len(service.asked) == 3
    service.now += EARLY
    with pytest.raises(CccTransientError, match="away"):
        service.key()
    service.error = None
    service.now += ONE_MOMENT
    assert service.key() == "STS.5"


def test_refused_ones_are_not_used_on():
    service = Service(3600)
    service.key()
    service.now += 2 * ONE_MOMENT
    service.credentials.renew()
    service.error = CccCredentialsError("no")
    with pytest.raises(CccCredentialsError, match="no"):
        service.key()


def test_a_failure_is_not_repeated_for_everybody_who_waited():
    service = Service(3600)
    service.error = CccTransientError("away")
    for _ in range(20):
        with pytest.raises(CccTransientError, match="away"):
            service.key()
    assert len(service.asked) == 1
    service.now += ONE_MOMENT
    service.error = None
    assert service.key() == "STS.2"


def test_who_complains_does_not_wait_for_a_fetch():
    """It may be an event loop that does."""
    begun, end = threading.Event(), threading.Event()

    def fetch(refused: bool) -> Fetched:
        begun.set()
        assert end.wait(10)
        return Fetched(AccessKey("STS.1", "secret"), None)

    credentials = FetchedCredentials(fetch)
    fetching = threading.Thread(target=credentials.get)
    fetching.start()
    assert begun.wait(10)
    complaining = threading.Thread(target=credentials.renew, daemon=True)
    complaining.start()
    complaining.join(5)
    assert not complaining.is_alive()
    end.set()
    fetching.join()


def test_threads_fetch_once():
    service = Service(3600)
    begin = threading.Barrier(8)
    keys: list[str] = []

    def get() -> None:
        begin.wait()
        keys.append(service.key())

    threads = [threading.Thread(target=get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keys == ["STS.1"] * 8
    assert service.asked == [False]


def test_printing_shows_no_secret():
    text = repr(StaticCredentials(AccessKey("id", "a-secret", "a-token")))
    assert "a-secret" not in text
    assert "a-token" not in text
    assert "id" in text
