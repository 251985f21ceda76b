"""What the synchronous and the asynchronous hook share: the connection, and the operations that their methods run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_ccc.client import checks
from airflow_provider_ccc.client.operations import (
    GetInstance,
    ListPhoneNumbers,
    PickGlobalOutboundNumbers,
    PickOperation,
    PickOutboundNumbers,
)
from airflow_provider_ccc.client.protocol import CccProtocol
from airflow_provider_ccc.hooks.settings import ConnectionSettings

_NOBODY = "000"


class CccConnectionMixin:
    """A connection of type ``ccc``, looked up once, and the calls that can be made of it.

    :param ccc_conn_id: the connection.
    :param instance_id: the call centre instance where a call names none; the connection's own by default.
    """

    ccc_conn_id: str
    instance_id: str | None

    if TYPE_CHECKING:
        log: Any

        def get_connection(self, conn_id: str) -> Any: ...

    @cached_property
    def settings(self) -> ConnectionSettings:
        """The connection, looked up once and checked.

        :raises CccParameterError: naming the connection's field.
        """
        return self._checked(self.get_connection(self.ccc_conn_id))

    @cached_property
    def protocol(self) -> CccProtocol:
        """What signs this hook's requests and reads the replies."""
        return CccProtocol(self.settings.endpoint, self.settings.credentials)

    def _checked(self, connection: Any) -> ConnectionSettings:
        settings = ConnectionSettings.of(connection)
        if settings.endpoint.is_readable_on_the_way:
            self.log.warning(
                "Connection %r asks for plain http to %s: everybody on the way can read phone numbers",
                self.ccc_conn_id,
                settings.endpoint.host,
            )
        if settings.unknown:
            self.log.warning(
                "Connection %r has fields in its extra that mean nothing here: %s",
                self.ccc_conn_id,
                ", ".join(settings.unknown),
            )
        if settings.verify is False:
            self.log.warning("Connection %r switches the check of TLS certificates off", self.ccc_conn_id)
        return settings

    def _instance(self, instance_id: str | None) -> str:
        """Choose the instance that is meant; the operation refuses an empty one."""
        return instance_id or self.instance_id or self.settings.instance_id or ""

    def pick_operation(
        self,
        *,
        candidate_numbers: Sequence[str] | None = None,
        skill_group_ids: Sequence[str] | None = None,
        count: int = 1,
        instance_id: str | None = None,
    ) -> PickOperation:
        """Make what is asked about many callees, each by :meth:`~PickOperation.for_callee`.

        :param candidate_numbers: the company's own numbers to choose from; ``None`` where skill groups are given.
        :raises CccParameterError: naming the parameter.
        """
        if candidate_numbers is not None:
            return self._pick(_NOBODY, candidate_numbers, count, instance_id)
        return self._pick_global(_NOBODY, skill_group_ids or (), count, None, instance_id)

    def _pick(
        self, callee_number: str, candidate_numbers: Sequence[str], count: int, instance_id: str | None
    ) -> PickOutboundNumbers:
        return PickOutboundNumbers(
            instance_id=self._instance(instance_id),
            callee_number=callee_number,
            candidate_numbers=candidate_numbers,
            count=count,
        )

    def _pick_global(
        self,
        callee_number: str,
        skill_group_ids: Sequence[str],
        count: int,
        is_virtual: bool | None,
        instance_id: str | None,
    ) -> PickGlobalOutboundNumbers:
        return PickGlobalOutboundNumbers(
            instance_id=self._instance(instance_id),
            callee_number=callee_number,
            skill_group_ids=skill_group_ids,
            count=count,
            is_virtual=is_virtual,
        )

    def _get_instance(self, instance_id: str | None) -> GetInstance:
        return GetInstance(instance_id=self._instance(instance_id))

    def _list_phone_numbers(self, outbound_only: bool, instance_id: str | None) -> ListPhoneNumbers:
        return ListPhoneNumbers(instance_id=self._instance(instance_id), outbound_only=outbound_only)


def health_requirements(min_outbound_numbers: int, candidate_numbers: Sequence[str] | None) -> dict[str, Any]:
    """Check what an instance should have, before any request, as everything is that can be.

    :returns: arguments of :func:`~airflow_provider_ccc.client.health.assess`.
    :raises CccParameterError: naming the parameter.
    """
    return {
        "min_outbound_numbers": checks.integer("min_outbound_numbers", min_outbound_numbers, at_least=0),
        "candidate_numbers": () if candidate_numbers is None else checks.candidate_numbers(candidate_numbers),
    }
