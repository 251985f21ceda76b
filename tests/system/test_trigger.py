"""The trigger against the simulator: it fires, it waits out an outage, and it never blocks the triggerer's loop."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings

import pytest

from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from airflow_provider_ccc.triggers.ccc import CccInstanceHealthTrigger
from tests.support import INSTANCE_ID
from tests.system.test_calls import refused_port


async def first_event(trigger):
    async for event in trigger.run():
        return event.payload
    return None


@pytest.fixture
def nothing_blocks(caplog):
    """Run on a loop in debug mode, which complains of callbacks that hold it up and of connections left open."""

    def run(main):
        async def watched():
            # Well above what a busy machine does to any callback, and below what each answer is made to take.
            asyncio.get_running_loop().slow_callback_duration = 0.7
            return await main()

        # What is imported and parsed once is not what is measured.
        asyncio.run(first_event(CccInstanceHealthTrigger(instance_id="nowhere", poke_interval=0.1)))
        # Looking through what thousands of tests have left behind takes longer than a callback may.
        gc.collect()
        gc.freeze()
        with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.WARNING, "asyncio"):
            warnings.simplefilter("always", ResourceWarning)
            try:
                answer = asyncio.run(watched(), debug=True)
            finally:
                gc.unfreeze()
            gc.collect()
        assert [record.getMessage() for record in caplog.records if "took" in record.getMessage()] == []
        assert [str(one.message) for one in caught if "nclosed" in str(one.message)] == []
        return answer

    return run


@pytest.mark.parametrize(("api_version", "instance_id"), [("2017-07-05", INSTANCE_ID), ("2020-07-01", "ccc-demo")])
def test_it_fires_and_nothing_blocks(simulate, connection, nothing_blocks, api_version, instance_id):
    simulator = simulate(latency_ms=1000)
    connection(host=simulator.url, extra={"api_version": api_version})
    trigger = CccInstanceHealthTrigger(instance_id=instance_id, min_ready_agents=3, poke_interval=0.1)
    payload = nothing_blocks(lambda: first_event(trigger))
    assert payload["status"] == "ready"
    assert payload["seen"] | {"request_id": ""} == {
        "instance_id": instance_id,
        "name": "演示呼叫中心",
        "status": "Running" if api_version == "2017-07-05" else "RUNNING",
        "outbound_numbers": 12,
        "ready_agents": 3,
        "request_id": "",
    }


def test_what_is_permanent(simulate, nothing_blocks):
    simulate()
    payload = nothing_blocks(lambda: first_event(CccInstanceHealthTrigger(instance_id="nowhere", poke_interval=0.1)))
    assert (payload["status"], payload["code"]) == ("failed", "NotExist.Instance")
    assert payload["request_id"]


def test_an_outage_is_waited_for(connection, monkeypatch):
    """Nobody listens at first; then the service comes up, and the trigger sees it."""
    monkeypatch.setattr("airflow_provider_ccc.hooks.aio.RetryPolicy", lambda: RetryPolicy(attempts=2, first_wait=0.05))
    port = refused_port()
    connection(host=f"http://127.0.0.1:{port}")
    trigger = CccInstanceHealthTrigger(poke_interval=0.2)

    async def main():
        waiting = asyncio.create_task(first_event(trigger))
        await asyncio.sleep(1)
        assert not waiting.done()
        with running(SimulatorSettings(port=port)):
            return await asyncio.wait_for(waiting, 20)

    assert asyncio.run(main())["status"] == "ready"


def test_many_on_one_loop(simulate, nothing_blocks):
    simulator = simulate(latency_ms=1000)

    async def main():
        triggers = [CccInstanceHealthTrigger(poke_interval=1) for _ in range(200)]
        return await asyncio.gather(*map(first_event, triggers))

    assert {payload["status"] for payload in nothing_blocks(main)} == {"ready"}
    assert {record.code for record in simulator.journal if record.parameters.get("InstanceId") != "nowhere"} == {"OK"}
