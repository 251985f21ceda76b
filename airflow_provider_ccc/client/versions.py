"""What the hooks' methods ask of each version of the API: one class for each, the same methods in both.

A 1.x instance, whose id is a UUID, is reached by 2017-07-05; a 2.x one, whose id is its domain name, by 2020-07-01.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, ClassVar, TypeVar

from airflow_provider_ccc.client import operations_2017 as v2017
from airflow_provider_ccc.client import operations_2020 as v2020
from airflow_provider_ccc.client.errors import CccParameterError, CccUnexpectedAnswerError
from airflow_provider_ccc.client.models import Instance, InstanceNumber, Page
from airflow_provider_ccc.client.operation import Operation, PickOperation

#: Of a list, each of 100: no account has as many numbers or instances.
_MOST_PAGES = 1000

Answer = TypeVar("Answer")
Item = TypeVar("Item")

#: Operations that follow from each other's answers: whoever makes the calls sends each answer in, and gets the whole.
Conversation = Generator[Operation[Any], Any, Answer]


class Api2017:
    """API version 2017-07-05."""

    version: ClassVar[str] = "2017-07-05"

    def pick(
        self, instance_id: str, callee_number: str, candidate_numbers: Sequence[str], count: int
    ) -> v2017.PickOutboundNumbers:
        return v2017.PickOutboundNumbers(
            instance_id=instance_id, callee_number=callee_number, candidate_numbers=candidate_numbers, count=count
        )

    def pick_global(
        self, instance_id: str, callee_number: str, skill_group_ids: Sequence[str], count: int, is_virtual: bool | None
    ) -> v2017.PickGlobalOutboundNumbers:
        return v2017.PickGlobalOutboundNumbers(
            instance_id=instance_id,
            callee_number=callee_number,
            skill_group_ids=skill_group_ids,
            count=count,
            is_virtual=is_virtual,
        )

    def get_instance(self, instance_id: str) -> v2017.GetInstance:
        return v2017.GetInstance(instance_id=instance_id)

    def list_phone_numbers(self, instance_id: str, outbound_only: bool) -> Conversation[list[InstanceNumber]]:
        found: list[InstanceNumber] = yield v2017.ListPhoneNumbers(instance_id=instance_id, outbound_only=outbound_only)
        return found

    def list_instances(self) -> Conversation[list[Instance]]:
        found: list[Instance] = yield v2017.ListInstancesOfUser()
        return found

    def count_agents(self, instance_id: str) -> v2017.GetInstanceState:
        return v2017.GetInstanceState(instance_id=instance_id)


class Api2020:
    """API version 2020-07-01."""

    version: ClassVar[str] = v2020.VERSION

    def pick(self, instance_id: str, callee_number: str, candidate_numbers: Sequence[str], count: int) -> PickOperation:
        raise CccParameterError(
            "candidate_numbers",
            "cannot be used with api_version 2020-07-01, which has no operation that takes them; give skill_group_ids,"
            " or use a connection with api_version 2017-07-05 if the instance is a 1.x one",
        )

    def pick_global(
        self, instance_id: str, callee_number: str, skill_group_ids: Sequence[str], count: int, is_virtual: bool | None
    ) -> v2020.PickOutboundNumbers:
        if is_virtual is not None:
            raise CccParameterError("is_virtual", "is no parameter of api_version 2020-07-01; leave it out")
        return v2020.PickOutboundNumbers(
            instance_id=instance_id, callee_number=callee_number, skill_group_ids=skill_group_ids, count=count
        )

    def get_instance(self, instance_id: str) -> v2020.GetInstance:
        return v2020.GetInstance(instance_id=instance_id)

    def list_phone_numbers(self, instance_id: str, outbound_only: bool) -> Conversation[list[InstanceNumber]]:
        # Not by the service's own Usage: that has one value, and both Outbound and Bidirection may call out.
        found = yield from _all_pages(
            lambda page: v2020.ListPhoneNumbers(instance_id=instance_id, page_number=page),
        )
        return [number for number in found if number.allow_outbound or not outbound_only]

    def list_instances(self) -> Conversation[list[Instance]]:
        return (yield from _all_pages(lambda page: v2020.ListInstances(page_number=page)))

    def count_agents(self, instance_id: str) -> v2020.GetRealtimeInstanceStates:
        return v2020.GetRealtimeInstanceStates(instance_id=instance_id)


#: The operations behind the hooks' methods; each checks its parameters as it is made.
Api = Api2017 | Api2020

#: By the name that a connection's ``api_version`` gives them.
APIS: dict[str, Api] = {api.version: api for api in (Api2017(), Api2020())}


def _all_pages(make: Callable[[int], Operation[Page[Item]]]) -> Conversation[list[Item]]:
    """Ask for one page after the other, until all are there; without a total, until one is not full.

    :param make: makes the operation of a page, from 1.
    :raises CccUnexpectedAnswerError: there is no end to the pages.
    """
    found: list[Item] = []
    for number in range(1, _MOST_PAGES + 1):
        page: Page[Item] = yield make(number)
        found += page.items
        enough = len(found) >= page.total if page.total else len(page.items) < v2020.PAGE_SIZE
        if enough or not page.items:
            return found
    raise CccUnexpectedAnswerError(f"the answers have more than {_MOST_PAGES} pages")
