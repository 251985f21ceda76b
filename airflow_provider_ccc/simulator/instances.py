"""The call centers that the simulated account owns: their description as JSON, checked field by field.

``{"instances": [...], "regions": {number: {"city", "province"}}}``, or one instance alone. ``default_instance.json``
next to this module is an example that uses most fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow_provider_ccc.simulator.regions import Region, region_of

DEFAULT_FILE = Path(__file__).with_name("default_instance.json")
USAGES = ("Bidirection", "Outbound", "Inbound")
STATES = ("normal", "ceased", "disabled")


class DescriptionError(ValueError):
    """An instance description that cannot be used. The text names the field and says what belongs there."""


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """One number of an instance; `skill_groups` are the ids of those it is bound to."""

    number: str
    usage: str
    allow_outbound: bool
    description: str
    skill_groups: tuple[str, ...]

    @property
    def active(self) -> bool:
        """Whether the number does what its usage says; API 2020-07-01 has this in the place of `allow_outbound`."""
        return self.usage == "Inbound" or self.allow_outbound


@dataclass(frozen=True, slots=True)
class Instance:
    """One call center.

    API 2017-07-05 knows it by `instance_id`, 2020-07-01 by `domain_name`. `status` is the API's free text; `state`
    tells whether the service is paid for and allowed; `agents` tells how many of them are in which state, such as
    ``{"Ready": 3}``.
    """

    instance_id: str
    name: str
    domain_name: str
    description: str
    status: str
    state: str
    phone_numbers: dict[str, PhoneNumber]
    skill_groups: dict[str, str]
    agents: dict[str, int]


@dataclass(frozen=True)
class Account:
    """What the account behind the AccessKey owns, and the regions that the description sets."""

    instances: dict[str, Instance]
    regions: dict[str, Region] = field(default_factory=dict)

    @cached_property
    def domains(self) -> dict[str, Instance]:
        """The instances by domain name, which is an instance's id in API 2020-07-01."""
        return {instance.domain_name: instance for instance in self.instances.values()}

    def region_of(self, number: str) -> Region:
        """Tell where `number` is from; what the description says goes before the numbering plan."""
        return self.regions.get(number) or region_of(number)


def load(source: str | Path | Mapping[str, Any] | None) -> Account:
    """Read and check an instance description.

    :param source: a JSON file's path, the data itself, or None for the default one.
    :raises DescriptionError: the file cannot be read, is no JSON, or holds something that does not belong there.
    """
    if isinstance(source, Mapping):
        return _account(source)
    path = DEFAULT_FILE if source is None else Path(source)
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # no JSON, or no text in a Unicode encoding
        raise DescriptionError(f"{path}: is not valid JSON: {error}") from None
    try:
        return _account(data)
    except DescriptionError as error:
        raise DescriptionError(f"{path}: {error}") from None


class _Fields:
    """The fields of one JSON object, taken one by one; what nobody took is a misspelling and refused.

    :param data: the object.
    :param where: its place in the file, such as ``instances[0].phone_numbers[2]``.
    """

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, Mapping):
            raise DescriptionError(f"{where or 'the description'} must be a JSON object")
        self._left = dict(data)
        self._prefix = f"{where}." if where else ""

    def _take(self, name: str, kind: type, kind_name: str, default: Any) -> Any:
        value = self._left.pop(name, default)
        if value is None:
            raise DescriptionError(f"{self._prefix}{name} is missing; it must be {kind_name}")
        if not isinstance(value, kind):
            raise DescriptionError(f"{self._prefix}{name} must be {kind_name}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Take a text; one without a default must be there and not be empty."""
        value: str = self._take(name, str, "a text", default)
        if default is None and not value:
            raise DescriptionError(f"{self._prefix}{name} must not be empty")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """Take a text that must be one of `choices`."""
        value = self.text(name, default)
        if value not in choices:
            raise DescriptionError(f"{self._prefix}{name} must be one of {', '.join(choices)}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Take true or false."""
        value: bool = self._take(name, bool, "true or false", default)
        return value

    def objects(self, name: str) -> list[_Fields]:
        """Take a list of objects."""
        values = self._take(name, list, "a list", [])
        return [_Fields(value, f"{self._prefix}{name}[{index}]") for index, value in enumerate(values)]

    def texts(self, name: str) -> tuple[str, ...]:
        """Take a list of texts."""
        values = self._take(name, list, "a list", [])
        if not all(isinstance(value, str) for value in values):
            raise DescriptionError(f"{self._prefix}{name} must be a list of texts")
        return tuple(values)

    def mapping(self, name: str) -> dict[str, _Fields]:
        """Take an object whose keys are free and whose values are objects."""
        values = self._take(name, Mapping, "a JSON object", {})
        return {key: _Fields(value, f"{self._prefix}{name}.{key}") for key, value in values.items()}

    def counts(self, name: str) -> dict[str, int]:
        """Take an object whose keys are free and whose values are counts."""
        values = self._take(name, Mapping, "a JSON object", {})
        for key, value in values.items():
            # bool is a kind of int to Python, and no count to anybody else.
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise DescriptionError(f"{self._prefix}{name}.{key} must be an integer of at least 0")
        return dict(values)

    def duplicate(self, name: str, value: str) -> DescriptionError:
        """Say that the field `name` repeats `value`, which must occur once."""
        return DescriptionError(f"{self._prefix}{name} repeats {value!r}; it must occur once")

    def unknown(self, name: str, value: str, known: str) -> DescriptionError:
        """Say that the field `name` refers to a `value` that is not in the list `known`."""
        return DescriptionError(f"{self._prefix}{name} names {value!r}, which is not in {known}")

    def end(self) -> None:
        """Refuse what is left."""
        if self._left:
            raise DescriptionError(f"{self._prefix}{min(self._left)} is not a known field")


def _account(data: Any) -> Account:
    fields = _Fields(data, "")
    regions = {number: _region(region) for number, region in fields.mapping("regions").items()}
    if "instances" in data:
        described = fields.objects("instances")
        fields.end()
    else:
        described = [fields]  # one instance alone, perhaps with regions beside its own fields
    instances: dict[str, Instance] = {}
    domain_names: set[str] = set()
    for one in described:
        instance = _instance(one, regions)
        if instance.instance_id in instances:
            raise one.duplicate("instance_id", instance.instance_id)
        if instance.domain_name in domain_names:
            raise one.duplicate("domain_name", instance.domain_name)
        domain_names.add(instance.domain_name)
        instances[instance.instance_id] = instance
    return Account(instances, regions)


def _instance(fields: _Fields, regions: dict[str, Region]) -> Instance:
    instance_id = fields.text("instance_id")
    skill_groups: dict[str, str] = {}
    for group in fields.objects("skill_groups"):
        group_id = group.text("skill_group_id")
        if group_id in skill_groups:
            raise group.duplicate("skill_group_id", group_id)
        skill_groups[group_id] = group.text("name", group_id)
        group.end()
    phone_numbers: dict[str, PhoneNumber] = {}
    for one in fields.objects("phone_numbers"):
        phone_number = _phone_number(one, skill_groups, regions)
        if phone_number.number in phone_numbers:
            raise one.duplicate("number", phone_number.number)
        phone_numbers[phone_number.number] = phone_number
    instance = Instance(
        instance_id=instance_id,
        name=fields.text("name", instance_id),
        domain_name=fields.text("domain_name", instance_id),
        description=fields.text("description", ""),
        status=fields.text("status", "Running"),
        state=fields.choice("state", STATES, "normal"),
        phone_numbers=phone_numbers,
        skill_groups=skill_groups,
        agents=fields.counts("agents"),
    )
    fields.end()
    return instance


def _phone_number(fields: _Fields, skill_groups: dict[str, str], regions: dict[str, Region]) -> PhoneNumber:
    usage = fields.choice("usage", USAGES)
    phone_number = PhoneNumber(
        number=fields.text("number"),
        usage=usage,
        allow_outbound=fields.flag("allow_outbound", usage != "Inbound"),
        description=fields.text("description", ""),
        skill_groups=fields.texts("skill_groups"),
    )
    for group_id in phone_number.skill_groups:
        if group_id not in skill_groups:
            raise fields.unknown("skill_groups", group_id, "the instance's skill_groups")
    region = _region(fields)
    if any(region):
        regions[phone_number.number] = region
    return phone_number


def _region(fields: _Fields) -> Region:
    region = Region(fields.text("city", ""), fields.text("province", ""))
    fields.end()
    return region
