"""The same hook methods, operators and sensor in both generations of the API and by both signatures, over real HTTP."""

from __future__ import annotations

import asyncio
import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.operations_2017 import CheckNumberAvaliable, GetNumberRegionInfo, PickLocalNumber
from airflow_provider_ccc.hooks.ccc import CccAsyncHook, CccHook
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator, CccPickOutboundNumbersOperator
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID

GROUP, DOMAIN = "3f3ceb0d-d6b6-4c97-af20-f3daf04f90e0", "ccc-demo"
GENERATIONS = [("2017-07-05", INSTANCE_ID), ("2020-07-01", DOMAIN)]


@pytest.fixture
def simulator():
    with running(SimulatorSettings()) as started:
        yield started


@pytest.fixture(params=["v1", "v3", None])
def signature(request):
    return request.param


@pytest.fixture(params=GENERATIONS, ids=[version for version, _ in GENERATIONS])
def generation(request, connection, simulator, signature):
    """Point ccc_default at the simulator, in one generation and by one signature."""
    version, instance_id = request.param
    extra = {"instance_id": instance_id, "api_version": version, "signature": signature}
    connection(host=simulator.url, extra=extra)
    return version


@pytest.fixture(params=[CccHook, CccAsyncHook])
def run(request):
    """Call a hook's method, by either hook."""

    def call(method, *arguments, **options):
        if request.param is CccHook:
            return getattr(CccHook(), method)(*arguments, **options)

        async def main():
            async with CccAsyncHook() as hook:
                return await getattr(hook, method)(*arguments, **options)

        return asyncio.run(main())

    return call


def test_hook_methods(generation, simulator, signature, run):
    picked = run("pick_global_outbound_numbers", CALLEE, [GROUP], 2)
    assert picked.pairs[0].caller.number == CANDIDATE
    assert (len(picked.pairs), picked.pairs[0].callee.city) == (2, "北京")
    instance = run("get_instance")
    assert (instance.name, instance.domain_name, instance.status.lower()) == ("演示呼叫中心", DOMAIN, "running")
    outbound, all_ = run("list_phone_numbers"), run("list_phone_numbers", False)
    assert (len(outbound), len(all_)) == (12, 13)
    assert {number.number for number in all_} - {number.number for number in outbound} == {"4001234567"}
    assert [found.name for found in run("list_instances")] == ["演示呼叫中心"]
    health = run("check_health", min_ready_agents=3)
    assert (health.ready, health.outbound_numbers, health.ready_agents) == (True, 12, 3)
    health = run("check_health", min_ready_agents=4)
    assert (health.ready, health.missing) == (False, "3 of its agents are ready, 4 are needed")

    assert {record.code for record in simulator.journal} == {"OK"}
    by_v3 = signature == "v3" or (signature is None and generation == "2020-07-01")
    assert {"Signature" in record.parameters for record in simulator.journal} == {not by_v3}


def test_nothing_personal_is_in_a_url(connection, signature):
    seen = []

    def watch(app):
        async def watched(scope, receive, send):
            seen.append(scope["query_string"])
            await app(scope, receive, send)

        return watched

    with running(SimulatorSettings(), wrap=watch) as simulator:
        for version, instance_id in GENERATIONS:
            extra = {"instance_id": instance_id, "api_version": version, "signature": signature}
            connection(host=simulator.url, extra=extra)
            CccHook().pick_global_outbound_numbers(CALLEE, [GROUP])
    assert len(seen) == 2
    assert all(set(query.split(b"&")) <= {b"", b"Action=PickGlobalOutboundNumbers", b"Action=PickOutboundNumbers",
                                          b"Version=2017-07-05", b"Version=2020-07-01"} for query in seen)  # fmt: skip


def test_candidates_where_there_is_no_operation_that_takes_them(connection, simulator, run, tmp_path):
    connection(host=simulator.url, extra={"instance_id": DOMAIN, "api_version": "2020-07-01"})
    with pytest.raises(errors.CccParameterError, match=r"^InvalidArgument: candidate_numbers: cannot be"):
        run("pick_outbound_numbers", CALLEE, [CANDIDATE])
    with pytest.raises(errors.CccParameterError, match="is_virtual: is no parameter of api_version 2020-07-01"):
        run("pick_global_outbound_numbers", CALLEE, [GROUP], is_virtual=True)
    with pytest.raises(AirflowFailException, match="candidate_numbers: cannot be used"):
        CccPickOutboundNumbersOperator(task_id="t", callee_number=CALLEE, candidate_numbers=[CANDIDATE]).execute({})
    batch = CccPickOutboundNumbersBatchOperator(
        task_id="t", callees=[CALLEE], output_path=str(tmp_path / "o"), candidate_numbers=[CANDIDATE]
    )
    with pytest.raises(AirflowFailException, match="candidate_numbers: cannot be used"):
        batch.execute({})
    assert simulator.journal == []
    assert not (tmp_path / "o").exists()


def test_operator_and_sensor(generation):
    pick = CccPickOutboundNumbersOperator(
        task_id="t", callee_number=CALLEE, skill_group_ids=[GROUP], do_xcom_push=False
    )
    (pair,) = pick.execute({})
    assert pair["callee"] == {"number": CALLEE, "city": "北京", "province": "北京"}
    assert pair["caller"]["number"] == CANDIDATE
    seen = CccInstanceHealthSensor(
        task_id="s", candidate_numbers=[CANDIDATE], min_ready_agents=1, poke_interval=0, timeout=1
    ).execute({})
    assert (seen["outbound_numbers"], seen["ready_agents"]) == (12, 3)


def test_campaign(generation, simulator, tmp_path):
    callees = [str(13_000_000_000 + place) for place in range(500)]
    manifest = CccPickOutboundNumbersBatchOperator(
        task_id="t", callees=callees, output_path=str(tmp_path), skill_group_ids=[GROUP]
    ).execute({})
    assert (manifest["resolved"], manifest["failed"]) == (500, 0)
    rows = [json.loads(line) for line in (tmp_path / "part-00000.ndjson").read_text(encoding="utf-8").splitlines()]
    assert [row["callee"]["number"] for row in rows] == callees
    nonces = [record.nonce for record in simulator.journal]
    assert len(set(nonces)) == len(nonces) >= 500


@pytest.mark.parametrize(
    ("version", "code"), [("2017-07-05", "NotExist.Instance"), ("2020-07-01", "NotExists.InstanceId")]
)
def test_an_instance_that_does_not_exist(connection, simulator, version, code):
    connection(host=simulator.url, extra={"instance_id": "nowhere", "api_version": version})
    with pytest.raises(errors.CccNotFoundError) as caught:
        CccHook().get_instance()
    assert caught.value.code == code
    worked, says = CccHook().test_connection()
    assert not worked
    assert "api_version" in says


def test_more_numbers_than_a_page_has(connection, run):
    numbers = [{"number": f"0108976{place:04}", "usage": "Outbound"} for place in range(250)]
    described = {"instance_id": INSTANCE_ID, "domain_name": DOMAIN, "phone_numbers": numbers}
    with running(SimulatorSettings(instance=described)) as simulator:
        connection(host=simulator.url, extra={"instance_id": DOMAIN, "api_version": "2020-07-01"})
        found = run("list_phone_numbers")
        assert [number.number for number in found] == [number["number"] for number in numbers]
        assert [record.parameters["PageNumber"] for record in simulator.journal] == ["1", "2", "3"]


@pytest.mark.parametrize("version", ["2017-07-05", "2020-07-01"])
def test_the_test_button_without_an_instance(connection, simulator, version):
    connection(host=simulator.url, extra={"api_version": version})
    worked, says = CccHook().test_connection()
    assert worked
    assert "can see 1 instance(s)" in says


def test_a_wrong_secret_is_told_from_a_wrong_encoding(generation, connection, simulator, signature):
    extra = {"instance_id": "i", "api_version": generation, "signature": signature}
    connection(host=simulator.url, password="another", extra=extra)
    with pytest.raises(errors.CccCredentialsError, match="AccessKey Secret") as caught:
        CccHook().get_instance()
    assert caught.value.code == "SignatureDoesNotMatch"


def test_the_other_operations(connection, simulator, run):
    connection(host=simulator.url)
    pair = run("call", PickLocalNumber(instance_id=INSTANCE_ID, callee_number=CALLEE, candidate_numbers=[CANDIDATE]))
    assert (pair.callee.number, pair.caller.number) == (CALLEE, CANDIDATE)
    region = run("call", GetNumberRegionInfo(instance_id=INSTANCE_ID, number="010-8976-7654"))
    assert (region.number, region.city) == (CANDIDATE, "北京")
    checked = run("call", CheckNumberAvaliable(instance_id=INSTANCE_ID, callee=CALLEE, caller=CANDIDATE))
    assert checked.callee.available
    assert checked.caller.available
