from __future__ import annotations

import json

import pytest

from airflow_provider_ccc.simulator.instances import DescriptionError, load
from airflow_provider_ccc.simulator.regions import Region, region_of


def one(**fields):
    return {"instance_id": "i", **fields}


def number(**fields):
    return one(phone_numbers=[{"number": "01012345678", "usage": "Outbound", **fields}])


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "the description must be a JSON object"),
        ({}, "instance_id is missing; it must be a text"),
        ({"instances": {}}, "instances must be a list"),
        ({"instances": ["x"]}, "instances[0] must be a JSON object"),
        ({"instances": [], "region": {}}, "region is not a known field"),
        ({"instances": [one(), one()]}, "instances[1].instance_id repeats 'i'; it must occur once"),
        (one(instance_id=""), "instance_id must not be empty"),
        (one(instance_id=7), "instance_id must be a text"),
        (one(state="asleep"), "state must be one of normal, ceased, disabled"),
        (one(agents=3), "agents must be a JSON object"),
        *(
            (one(agents={"Ready": count}), "agents.Ready must be an integer of at least 0")
            for count in (-1, 1.5, "3", True, None)
        ),
        (
            {"instances": [one(domain_name="d"), {"instance_id": "j", "domain_name": "d"}]},
            "instances[1].domain_name repeats 'd'; it must occur once",
        ),
        (one(colour="red"), "colour is not a known field"),
        ({"instances": [one(colour="red")]}, "instances[0].colour is not a known field"),
        (one(phone_numbers=[{"usage": "Outbound"}]), "phone_numbers[0].number is missing; it must be a text"),
        (number(usage="outbound"), "phone_numbers[0].usage must be one of Bidirection, Outbound, Inbound"),
        (number(allow_outbound="yes"), "phone_numbers[0].allow_outbound must be true or false"),
        (number(skill_groups="g"), "phone_numbers[0].skill_groups must be a list"),
        (number(skill_groups=[1]), "phone_numbers[0].skill_groups must be a list of texts"),
        (number(skill_groups=["g"]), "phone_numbers[0].skill_groups names 'g', which is not in the instance's"),
        (one(phone_numbers=2 * number()["phone_numbers"]), "phone_numbers[1].number repeats '01012345678'"),
        (one(skill_groups=2 * [{"skill_group_id": "g"}]), "skill_groups[1].skill_group_id repeats 'g'"),
        (one(regions={"1": {"city": 5}}), "regions.1.city must be a text"),
        (one(regions={"1": "北京"}), "regions.1 must be a JSON object"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, data, complaint):
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DescriptionError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: {complaint}")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\xff"])
def test_file_that_is_no_json(tmp_path, content):
    path = tmp_path / "instance.json"
    path.write_bytes(content)
    with pytest.raises(DescriptionError, match="is not valid JSON"):
        load(path)


def test_one_instance_alone_with_defaults(tmp_path):
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(number(usage="Inbound") | {"regions": {"1": {"city": "杭州", "province": "浙江"}}}))
    account = load(str(path))
    instance = account.instances["i"]
    assert (instance.name, instance.status, instance.state) == ("i", "Running", "normal")
    assert not instance.phone_numbers["01012345678"].allow_outbound
    assert instance.phone_numbers["01012345678"].active
    assert (instance.domain_name, instance.agents) == ("i", {})
    assert account.domains == {"i": instance}
    assert account.region_of("1") == Region("杭州", "浙江")
    assert account.region_of("01012345678") == Region("北京", "北京")


def test_what_can_be_set_goes_before_what_is_known():
    account = load(number(allow_outbound=False, city="上海", province="上海"))
    assert not account.instances["i"].phone_numbers["01012345678"].allow_outbound
    assert not account.instances["i"].phone_numbers["01012345678"].active
    assert account.region_of("01012345678") == Region("上海", "上海")


def test_default_instance():
    account = load(None)
    (instance,) = account.instances.values()
    # Its numbers say in their description where they are; the numbering plan must agree.
    for phone_number in instance.phone_numbers.values():
        if phone_number.allow_outbound:
            assert region_of(phone_number.number).city == phone_number.description
    assert sum(not phone_number.allow_outbound for phone_number in instance.phone_numbers.values()) == 1
    assert account.region_of("165787876896") == Region("北京", "北京")
