"""The operations of API version 2020-07-01, one small frozen type each; instances of the 2.x call centre have this one.

Documentation: https://help.aliyun.com/zh/ccc, "API reference (2.x)"; the official SDK ``alibabacloud-ccc20200701``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from airflow_provider_ccc.client import answers, checks
from airflow_provider_ccc.client.answers import Tree
from airflow_provider_ccc.client.errors import CccUnexpectedAnswerError
from airflow_provider_ccc.client.models import Instance, InstanceNumber, Page, PickedNumbers
from airflow_provider_ccc.client.operation import InstanceOperation, Operation, PickOperation, set_field

VERSION = "2020-07-01"
#: The most that a page may have.
PAGE_SIZE = 100


@dataclass(frozen=True, kw_only=True)
class PickOutboundNumbers(PickOperation):
    """Pick which of the skill groups' numbers to show to a callee. It succeeds 2017-07-05's PickGlobalOutboundNumbers.

    :param skill_group_ids: whose numbers to choose from, at least one, without duplicates; such as ``test@ccc-test``.

    The other parameters are those of :class:`PickOperation`.
    """

    action: ClassVar[str] = "PickOutboundNumbers"
    version: ClassVar[str] = VERSION
    callee_parameter: ClassVar[str] = "CalledNumber"

    skill_group_ids: Sequence[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        set_field(self, "skill_group_ids", checks.skill_group_ids(self.skill_group_ids))

    def parameters(self) -> dict[str, str]:
        groups = json.dumps(self.skill_group_ids, ensure_ascii=False, separators=(",", ":"))
        return {**super().parameters(), "SkillGroupIdList": groups}

    def read(self, tree: Tree, request_id: str) -> PickedNumbers:
        return self._as_asked(request_id, map(answers.pair, answers.items(tree, "Data")))

    def _usual_pairs(self, body: bytes) -> answers.RequestedPairs | None:
        return answers.usual_pairs_2020(body)


@dataclass(frozen=True, kw_only=True)
class GetInstance(InstanceOperation[Instance]):
    """Describe an instance.

    :param instance_id: the call centre instance: of 2.x, its domain name.
    """

    action: ClassVar[str] = "GetInstance"
    version: ClassVar[str] = VERSION

    def read(self, tree: Tree, request_id: str) -> Instance:
        data = answers.mapping(tree, "Data")
        if not data:
            raise CccUnexpectedAnswerError("the answer has no Data")
        return _read_instance(data, request_id)


@dataclass(frozen=True, kw_only=True)
class ListPhoneNumbers(InstanceOperation[Page[InstanceNumber]]):
    """List a page of an instance's numbers.

    :param instance_id: the call centre instance.
    :param page_number: from 1.
    :param page_size: 1 to 100.
    """

    action: ClassVar[str] = "ListPhoneNumbers"
    version: ClassVar[str] = VERSION

    page_number: int = 1
    page_size: int = PAGE_SIZE

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_page(self.page_number, self.page_size)

    def parameters(self) -> dict[str, str]:
        return {
            **super().parameters(),
            "PageNumber": str(self.page_number),
            "PageSize": str(self.page_size),
        }

    def read(self, tree: Tree, request_id: str) -> Page[InstanceNumber]:
        data = answers.mapping(tree, "Data")
        found = tuple(answers.instance_number(item) for item in answers.items(data, "List"))
        return Page(found, answers.integer(data, "TotalCount"))


@dataclass(frozen=True, kw_only=True)
class ListInstances(Operation[Page[Instance]]):
    """List a page of the instances that the credentials can see.

    :param page_number: from 1.
    :param page_size: 1 to 100.
    """

    action: ClassVar[str] = "ListInstances"
    version: ClassVar[str] = VERSION

    page_number: int = 1
    page_size: int = PAGE_SIZE

    def __post_init__(self) -> None:
        _check_page(self.page_number, self.page_size)

    def parameters(self) -> dict[str, str]:
        return {"PageNumber": str(self.page_number), "PageSize": str(self.page_size)}

    def read(self, tree: Tree, request_id: str) -> Page[Instance]:
        data = answers.mapping(tree, "Data")
        found = tuple(_read_instance(item, request_id) for item in answers.items(data, "List"))
        return Page(found, answers.integer(data, "TotalCount"))


@dataclass(frozen=True, kw_only=True)
class GetRealtimeInstanceStates(InstanceOperation[dict[str, int]]):
    """Count an instance's agents by their state. It says nothing about the instance's own.

    The answer has the names of 2017-07-05's states where there is one: ``{"Ready": 3, "Talking": 1, ...}``.

    :param instance_id: the call centre instance.
    """

    action: ClassVar[str] = "GetRealtimeInstanceStates"
    version: ClassVar[str] = VERSION
    _AGENTS: ClassVar[str] = "Agents"

    def read(self, tree: Tree, request_id: str) -> dict[str, int]:
        data = answers.mapping(tree, "Data")
        return {
            name.removesuffix(self._AGENTS): answers.integer(data, name) for name in data if name.endswith(self._AGENTS)
        }


def _check_page(page_number: int, page_size: int) -> None:
    checks.integer("page_number", page_number, at_least=1)
    checks.integer("page_size", page_size, at_least=1, at_most=PAGE_SIZE)


def _read_instance(tree: Tree, request_id: str) -> Instance:
    return Instance(
        instance_id=answers.text(tree, "Id"),
        name=answers.text(tree, "Name"),
        status=answers.text(tree, "Status"),
        domain_name=answers.text(tree, "DomainName"),
        console_url=answers.text(tree, "ConsoleUrl"),
        description=answers.text(tree, "Description"),
        phone_numbers=tuple(answers.instance_number(item) for item in answers.items(tree, "NumberList")),
        request_id=request_id,
    )
