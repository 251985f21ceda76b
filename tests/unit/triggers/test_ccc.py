from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.health import Health
from airflow_provider_ccc.hooks.ccc import CccAsyncHook
from airflow_provider_ccc.triggers.ccc import CccInstanceHealthTrigger
from tests.support import INSTANCE_ID

SEEN = {"instance_id": INSTANCE_ID, "name": "n", "status": "Running", "outbound_numbers": 1, "request_id": "R"}

READY = {"status": "ready", "seen": SEEN, "console_url": "ccc.aliyun.com/workbench/x"}


@pytest.fixture
def service(monkeypatch, connection):
    """Look at the instance by what is in the list, one at a time, and note what was asked."""
    outcomes: list[object] = []
    asked: list[tuple] = []

    async def check_health(hook, instance_id=None, **required):
        asked.append((hook.ccc_conn_id, instance_id, required))
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return Health(**SEEN, missing=outcome, console_url="ccc.aliyun.com/workbench/x")

    monkeypatch.setattr(CccAsyncHook, "check_health", check_health)
    return SimpleNamespace(outcomes=outcomes, asked=asked)


def fired(trigger: CccInstanceHealthTrigger) -> list[dict]:
    async def main():
        return [event.payload async for event in trigger.run()]

    return asyncio.run(main())


def trigger(**arguments) -> CccInstanceHealthTrigger:
    return CccInstanceHealthTrigger(**{"poke_interval": 0.0, **arguments})


def test_its_arguments_make_it_again():
    made = CccInstanceHealthTrigger("c", "i", 3, 2, 7.5, 1.5, 99.5)
    path, arguments = made.serialize()
    assert path == "airflow_provider_ccc.triggers.ccc.CccInstanceHealthTrigger"
    assert arguments == {
        "ccc_conn_id": "c",
        "instance_id": "i",
        "min_outbound_numbers": 3,
        "min_ready_agents": 2,
        "poke_interval": 7.5,
        "first_wait": 1.5,
        "until": 99.5,
    }
    assert CccInstanceHealthTrigger(**arguments).serialize() == (path, arguments)


def test_it_fires_when_the_instance_is_ready(service):
    service.outcomes.append("")
    assert fired(trigger(instance_id="i", min_outbound_numbers="2", min_ready_agents=1)) == [READY]
    assert service.asked == [("ccc_default", "i", {"min_outbound_numbers": 2, "min_ready_agents": 1})]


def test_it_waits_for_what_patience_mends(service):
    service.outcomes += [
        "its status is Creating",
        errors.CccInstanceCreatingError("m"),
        errors.CccThrottledError("m"),
        errors.CccConnectionError("m"),
        "",
    ]
    assert fired(trigger()) == [READY]
    assert service.outcomes == []


@pytest.mark.parametrize(
    "error",
    [
        errors.CccNotFoundError("not there", code="NotExist.Instance", request_id="R1"),
        errors.CccCredentialsError("no", code="SignatureDoesNotMatch"),
        errors.CccInstanceUnavailableError("gone", code="AbnormalService.Ceased"),
        errors.CccParameterError("min_outbound_numbers", "must be an integer"),
    ],
)
def test_it_ends_with_what_is_permanent(service, error):
    service.outcomes += ["not yet", error]
    assert fired(trigger()) == [
        {"status": "failed", "code": error.code, "message": error.message, "request_id": error.request_id}
    ]


def test_a_wrong_connection_is_an_event_too(connection):
    connection(extra={"api_version": "1"})
    ((event),) = fired(trigger())
    assert event["status"] == "failed"
    assert "api_version" in event["message"]


def test_it_waits_before_the_first_look_and_between_two(service):
    service.outcomes += ["not yet", ""]
    begun = time.monotonic()
    fired(trigger(first_wait=0.2, poke_interval=0.3))
    assert time.monotonic() - begun >= 0.5


def test_connections_are_closed_before_it_fires_and_when_it_is_cancelled(service, monkeypatch):
    closed = []
    leave = CccAsyncHook.__aexit__

    async def note(hook, *arguments):
        await leave(hook, *arguments)
        closed.append(True)

    monkeypatch.setattr(CccAsyncHook, "__aexit__", note)
    service.outcomes.append("")

    async def at_the_event():
        await anext(aiter(trigger().run()))
        return list(closed)

    assert asyncio.run(at_the_event()) == [True]

    service.outcomes.append("not yet")

    async def cancelled():
        waiting = asyncio.ensure_future(anext(aiter(trigger(poke_interval=60).run())))
        while service.outcomes:  # noqa: ASYNC110 - what is waited for is no event's to tell
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancelled())
    assert closed == [True, True]


def test_its_time_is_up(service):
    service.outcomes += ["its status is Creating", errors.CccConnectionError("no answer"), ""]
    until = time.time() + 0.3
    (event,) = fired(trigger(poke_interval=0.2, until=until))
    assert event == {"status": "timed_out", "reason": "ConnectionFailed: no answer"}
    assert time.time() >= until
    assert len(service.outcomes) == 1
