from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_ccc.simulator.instances import Account
from airflow_provider_ccc.simulator.picking import pick
from airflow_provider_ccc.simulator.regions import Region

ACCOUNT = Account(
    {},
    {
        "callee": Region("杭州", "浙江"),
        "city-1": Region("杭州", "浙江"),
        "city-2": Region("杭州", "浙江"),
        "province": Region("宁波", "浙江"),
        "province-only": Region("", "浙江"),
        "far": Region("西安", "陕西"),
        "nowhere": Region(),
    },
)
CANDIDATES = ["far", "nowhere", "province", "province-only", "city-2", "city-1"]


@given(st.permutations(CANDIDATES))
def test_the_nearest_first_whatever_the_order(candidates):
    picked = pick(ACCOUNT, "callee", candidates, 6)
    assert set(picked[:2]) == {"city-1", "city-2"}
    assert set(picked[2:4]) == {"province", "province-only"}
    assert set(picked[4:]) == {"far", "nowhere"}
    assert picked == pick(ACCOUNT, "callee", CANDIDATES, 6)


@given(st.lists(st.sampled_from(CANDIDATES)), st.integers(1, 9))
def test_as_many_as_asked_for_and_none_twice(candidates, count):
    picked = pick(ACCOUNT, "callee", candidates, count)
    assert len(picked) == min(count, len(set(candidates)))
    assert len(set(picked)) == len(picked)
    assert set(picked) <= set(candidates)


def test_unknown_regions_are_not_the_same_region():
    regions = {"a": Region(), "b": Region("", "浙江"), "callee": Region(), "other": Region("", "浙江")}
    account = Account({}, regions)
    callees = [f"callee-{index}" for index in range(50)]
    first = {pick(Account({}, {**regions, callee: Region()}), callee, ["a", "b"], 1)[0] for callee in callees}
    assert first == {"a", "b"}
    assert pick(account, "other", ["a", "b"], 1) == ["b"]


def test_callers_that_are_equally_near_are_used_evenly():
    account = Account({})
    callers = [f"caller-{index}" for index in range(10)]
    used = Counter(pick(account, f"callee-{index}", callers, 1)[0] for index in range(5000))
    assert set(used) == set(callers)
    # 500 each, give or take five standard deviations. The hash is fixed, and so is the outcome.
    assert all(390 < times < 610 for times in used.values()), used
