"""What the synchronous and the asynchronous hook share: the connection, and the operations that their methods run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_ccc.client.operation import PickOperation
from airflow_provider_ccc.client.protocol import CccProtocol
from airflow_provider_ccc.client.versions import APIS, Api
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
        return CccProtocol(self.settings.endpoint, self.settings.credentials, signature=self.settings.signature)

    @cached_property
    def where(self) -> str:
        """What an error says of the connection: its id and host."""
        return f"connection {self.ccc_conn_id}, {self.settings.endpoint.url}"

    @property
    def api(self) -> Api:
        """The operations of the connection's ``api_version``."""
        return APIS[self.settings.api_version]

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
        instance = self._instance(instance_id)
        if candidate_numbers is not None:
            return self.api.pick(instance, _NOBODY, candidate_numbers, count)
        return self.api.pick_global(instance, _NOBODY, skill_group_ids or (), count, None)
