"""What the hooks' methods ask of each version of the API, and how the pages of a list come together."""

from __future__ import annotations

import pytest

from airflow_provider_ccc.client import operations_2017 as v2017
from airflow_provider_ccc.client import operations_2020 as v2020
from airflow_provider_ccc.client.errors import CccParameterError, CccUnexpectedAnswerError
from airflow_provider_ccc.client.models import Instance, InstanceNumber, Page
from airflow_provider_ccc.client.versions import APIS
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID

OLD, NEW = APIS["2017-07-05"], APIS["2020-07-01"]


def converse(conversation, answers):
    """Give one answer after the other; return what was asked, and the whole."""
    asked = [next(conversation)]
    for answer in answers:
        try:
            asked.append(conversation.send(answer))
        except StopIteration as end:
            return asked, end.value
    raise AssertionError("it asks on")


def instances(*names: str) -> tuple[Instance, ...]:
    return tuple(Instance(name) for name in names)


def test_each_version_is_known_by_its_name():
    assert {name: api.version for name, api in APIS.items()} == dict.fromkeys(APIS) | {name: name for name in APIS}
    assert set(APIS) == {"2017-07-05", "2020-07-01"}


def test_what_2017_asks():
    assert OLD.pick(INSTANCE_ID, CALLEE, [CANDIDATE], 2) == v2017.PickOutboundNumbers(
        instance_id=INSTANCE_ID, callee_number=CALLEE, candidate_numbers=[CANDIDATE], count=2
    )
    assert OLD.pick_global("i", CALLEE, ["g"], 3, False) == v2017.PickGlobalOutboundNumbers(
        instance_id="i", callee_number=CALLEE, skill_group_ids=["g"], count=3, is_virtual=False
    )
    assert OLD.get_instance("i") == v2017.GetInstance(instance_id="i")
    assert OLD.count_agents("i") == v2017.GetInstanceState(instance_id="i")


def test_what_2020_asks():
    assert NEW.pick_global("i", CALLEE, ["g"], 3, None) == v2020.PickOutboundNumbers(
        instance_id="i", callee_number=CALLEE, skill_group_ids=["g"], count=3
    )
    assert NEW.get_instance("i") == v2020.GetInstance(instance_id="i")
    assert NEW.count_agents("i") == v2020.GetRealtimeInstanceStates(instance_id="i")


def test_lists_of_2017_are_one_answer():
    numbers = [InstanceNumber("1", allow_outbound=True)]
    asked, found = converse(OLD.list_phone_numbers("i", False), [numbers])
    assert (asked, found) == ([v2017.ListPhoneNumbers(instance_id="i", outbound_only=False)], numbers)
    asked, found = converse(OLD.list_instances(), [list(instances("a"))])
    assert (asked, found) == ([v2017.ListInstancesOfUser()], list(instances("a")))


def test_candidates_are_refused_by_2020_before_anything_is_asked():
    with pytest.raises(CccParameterError, match="skill_group_ids") as caught:
        NEW.pick("ccc-test", CALLEE, [CANDIDATE], 1)
    assert caught.value.parameter == "candidate_numbers"
    assert "2017-07-05" in str(caught.value)


@pytest.mark.parametrize("is_virtual", [True, False])
def test_is_virtual_is_refused_by_2020(is_virtual):
    with pytest.raises(CccParameterError) as caught:
        NEW.pick_global("ccc-test", CALLEE, ["g"], 1, is_virtual)
    assert caught.value.parameter == "is_virtual"


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ([Page(instances("a", "b"), 2)], "ab"),
        ([Page(instances("a", "b"), 3), Page(instances("c"), 3)], "abc"),
        ([Page(instances("a"), 3), Page(instances("b"), 3), Page(instances("c"), 3)], "abc"),
        ([Page((), 0)], ""),
        # A total that is too great, or grows: an empty page ends it all the same.
        ([Page(instances("a"), 99), Page((), 99)], "a"),
        ([Page(instances("a"), 2), Page(instances("b"), 3), Page(instances("c"), 3)], "abc"),
        ([Page((), 5)], ""),
        # One that is too small, or absent: what came by then is what there is.
        ([Page(instances("a", "b"), 1)], "ab"),
        ([Page(instances("a", "b"), 0)], "ab"),
    ],
)
def test_pages_come_together(pages, found):
    asked, together = converse(NEW.list_instances(), pages)
    assert asked == [v2020.ListInstances(page_number=number) for number in range(1, len(pages) + 1)]
    assert "".join(instance.instance_id for instance in together) == found


def test_without_a_total_full_pages_are_followed():
    full = instances(*(str(number) for number in range(100)))
    asked, together = converse(NEW.list_instances(), [Page(full, 0), Page(full, 0), Page(instances("last"), 0)])
    assert (len(asked), len(together)) == (3, 201)


def test_pages_without_an_end_are_refused():
    conversation = NEW.list_instances()
    next(conversation)
    page = Page(instances("a"), 10**9)
    for _ in range(999):
        conversation.send(page)
    with pytest.raises(CccUnexpectedAnswerError, match="more than 1000 pages"):
        conversation.send(page)


@pytest.mark.parametrize(("outbound_only", "found"), [(True, ["1", "3"]), (False, ["1", "2", "3"])])
def test_numbers_of_all_pages_are_filtered(outbound_only, found):
    one, two, three = (InstanceNumber(number, allow_outbound=number != "2") for number in "123")
    # What is filtered out counts for the total.
    asked, numbers = converse(NEW.list_phone_numbers("i", outbound_only), [Page((one, two), 3), Page((three,), 3)])
    assert [operation.page_number for operation in asked] == [1, 2]
    assert {operation.instance_id for operation in asked} == {"i"}
    assert [number.number for number in numbers] == found
