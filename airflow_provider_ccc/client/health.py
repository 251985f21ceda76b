"""Whether an instance is ready for a campaign, as a pure function of what the service said about it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_ccc.client import checks, numbers
from airflow_provider_ccc.client.errors import CccInstanceUnavailableError
from airflow_provider_ccc.client.models import Instance, InstanceNumber
from airflow_provider_ccc.client.privacy import shorten
from airflow_provider_ccc.client.versions import Api, Conversation

log = logging.getLogger(__name__)

#: Every status that the documentation of either API version names. 2017-07-05 names only ``Creating``.
_READY = frozenset({"running"})
_NOT_YET = frozenset({"creating", "stopped"})
_NEVER = frozenset({"released"})
_AGENT_READY = frozenset({"ready"})


@dataclass(frozen=True)
class Health:
    """What was seen of an instance.

    :param ready_agents: how many agents are ready; ``None`` if that was not asked for.
    :param console_url: the instance's page in the console, as the service wrote it.
    :param missing: why it is not ready yet, in words fit for a log; "" if it is ready.
    """

    instance_id: str
    name: str
    status: str
    outbound_numbers: int
    request_id: str
    ready_agents: int | None = None
    missing: str = ""
    console_url: str = ""

    @property
    def ready(self) -> bool:
        """Whether a campaign can start."""
        return not self.missing

    def as_dict(self) -> dict[str, str | int]:
        """Return the snapshot that goes through XCom; it holds no phone numbers."""
        seen: dict[str, str | int] = {
            "instance_id": self.instance_id,
            "name": self.name,
            "status": self.status,
            "outbound_numbers": self.outbound_numbers,
            "request_id": self.request_id,
        }
        return seen if self.ready_agents is None else {**seen, "ready_agents": self.ready_agents}


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """What an instance should have; checked before any request, as everything is that can be.

    :param min_outbound_numbers: how many numbers must be able to call out.
    :param candidate_numbers: numbers that must be able to call out.
    :param min_ready_agents: how many agents must be ready to take calls; 0 does not ask about them.
    :raises CccParameterError: naming the parameter.
    """

    min_outbound_numbers: int = 1
    candidate_numbers: Sequence[str] | None = None
    min_ready_agents: int = 0

    def __post_init__(self) -> None:
        checks.integer("min_outbound_numbers", self.min_outbound_numbers, at_least=0)
        checks.integer("min_ready_agents", self.min_ready_agents, at_least=0)
        if self.candidate_numbers is not None:
            object.__setattr__(self, "candidate_numbers", checks.candidate_numbers(self.candidate_numbers))


def examine(api: Api, instance_id: str, required: Requirements) -> Conversation[Health]:
    """Ask what must be known to judge an instance.

    :returns: the judgement, see :func:`assess`.
    """
    instance = yield api.get_instance(instance_id)
    phone_numbers = yield from api.list_phone_numbers(instance_id, outbound_only=True)
    agents = (yield api.count_agents(instance_id)) if required.min_ready_agents else None
    return assess(instance, phone_numbers, required, agents)


def assess(
    instance: Instance,
    phone_numbers: Sequence[InstanceNumber],
    required: Requirements,
    agents: Mapping[str, int] | None = None,
) -> Health:
    """Judge an instance.

    :param instance: what GetInstance answered.
    :param phone_numbers: what ListPhoneNumbers answered.
    :param agents: how many agents are in each state, where that was asked for.
    :raises CccInstanceUnavailableError: if it will never be ready.
    """
    status = instance.status.strip().lower()
    if status in _NEVER:
        raise CccInstanceUnavailableError(
            f"instance {instance.instance_id} has status {instance.status}",
            code="InstanceReleased",
            request_id=instance.request_id,
        )
    if status not in _READY | _NOT_YET:
        log.info(
            "Status %r of instance %s is not documented, taken as ready",
            instance.status,
            instance.instance_id,
        )
    ready = None if agents is None else sum(count for state, count in agents.items() if state.lower() in _AGENT_READY)
    outbound = {numbers.key(number.number) for number in phone_numbers if number.allow_outbound}
    absent = [candidate for candidate in required.candidate_numbers or () if numbers.key(candidate) not in outbound]
    if status in _NOT_YET:
        missing = f"its status is {instance.status}"
    elif len(outbound) < required.min_outbound_numbers:
        missing = f"{len(outbound)} of its numbers may call out, {required.min_outbound_numbers} are needed"
    elif absent:
        missing = f"these candidates may not call out: {', '.join(map(shorten, absent))}"
    elif (ready or 0) < required.min_ready_agents:
        missing = f"{ready} of its agents are ready, {required.min_ready_agents} are needed"
    else:
        missing = ""
    return Health(
        instance_id=instance.instance_id,
        name=instance.name,
        status=instance.status,
        outbound_numbers=len(outbound),
        request_id=instance.request_id,
        ready_agents=ready,
        missing=missing,
        console_url=instance.console_url,
    )
