"""Whether an instance is ready for a campaign, as a pure function of what the service said about it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_ccc.client import numbers
from airflow_provider_ccc.client.errors import CccInstanceUnavailableError
from airflow_provider_ccc.client.models import Instance, InstanceNumber

log = logging.getLogger(__name__)

#: Every status that the documentation of either API version names. 2017-07-05 names only ``Creating``.
_READY = frozenset({"running"})
_NOT_YET = frozenset({"creating", "stopped"})
_NEVER = frozenset({"released"})


@dataclass(frozen=True)
class Health:
    """What was seen of an instance.

    :param missing: why it is not ready yet, in words fit for a log; "" if it is ready.
    """

    instance_id: str
    name: str
    status: str
    outbound_numbers: int
    request_id: str
    missing: str = ""

    @property
    def ready(self) -> bool:
        """Whether a campaign can start."""
        return not self.missing

    def as_dict(self) -> dict[str, str | int]:
        """Return the snapshot that goes through XCom; it holds no phone numbers."""
        return {
            "instance_id": self.instance_id,
            "name": self.name,
            "status": self.status,
            "outbound_numbers": self.outbound_numbers,
            "request_id": self.request_id,
        }


def assess(
    instance: Instance,
    phone_numbers: Sequence[InstanceNumber],
    *,
    min_outbound_numbers: int = 1,
    candidate_numbers: Sequence[str] = (),
) -> Health:
    """Judge an instance.

    :param instance: what GetInstance answered.
    :param phone_numbers: what ListPhoneNumbers answered.
    :param min_outbound_numbers: how many numbers must be able to call out.
    :param candidate_numbers: numbers that must be able to call out.
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
    outbound = {numbers.key(number.number) for number in phone_numbers if number.allow_outbound}
    absent = [candidate for candidate in candidate_numbers if numbers.key(candidate) not in outbound]
    if status in _NOT_YET:
        missing = f"its status is {instance.status}"
    elif len(outbound) < min_outbound_numbers:
        missing = f"{len(outbound)} of its numbers may call out, {min_outbound_numbers} are needed"
    elif absent:
        missing = f"these candidates may not call out: {', '.join(map(numbers.shorten, absent))}"
    else:
        missing = ""
    return Health(instance.instance_id, instance.name, instance.status, len(outbound), instance.request_id, missing)
