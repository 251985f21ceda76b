"""From a connection's fields to credentials: an AccessKey as it stands there, or one of the ways to fetch one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from airflow_provider_ccc.client.credential_providers import ROLES, Role
from airflow_provider_ccc.client.credentials import AccessKey, Credentials, FetchedCredentials, StaticCredentials
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.compat import mask_secret
from airflow_provider_ccc.get_provider_info import CONNECTION

#: The connection type of apache-airflow-providers-alibaba, which keeps its AccessKey in the extra.
SIBLING = "alibaba_cloud"
SIBLINGS_FIELDS = {"access_key_id": "Access Key ID", "access_key_secret": "Access Key Secret"}

_STANDARD = CONNECTION["ui-field-behaviour"]["relabeling"]
_KINDS = ("access_key", "sts", *ROLES)


def credentials_of(connection: Any, extra: Mapping[str, Any]) -> Credentials:
    """Make what the connection's ``credentials`` asks for; by default its own AccessKey.

    :param extra: the connection's, checked to be a mapping.
    :raises CccParameterError: naming the field as the form shows it.
    """
    kind = extra.get("credentials") or "access_key"
    if kind not in _KINDS:
        raise CccParameterError("credentials", f"is {kind!r}, and must be one of {', '.join(_KINDS)}")
    given = _Given(connection, extra)
    if kind in ROLES:
        role = _role(ROLES[kind], given)
        return FetchedCredentials(role.fetcher(), on_fetched=_mask)
    token = given.required("security_token") if kind == "sts" else given.optional("security_token")
    return StaticCredentials(AccessKey(given.required("login"), given.required("password"), token))


def text(extra: Mapping[str, Any], name: str) -> str | None:
    """Read a text of the extra; one that is empty counts as not given.

    :raises CccParameterError: it is no text.
    """
    value = extra.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise CccParameterError(name, f"must be text, not {type(value).__name__}")
    return value.strip() or None


class _Given:
    """A connection's fields, by the name that they have here, wherever they stand."""

    def __init__(self, connection: Any, extra: Mapping[str, Any]) -> None:
        self._extra = extra
        self._standard = {"login": connection.login, "password": connection.password}
        self._is_sibling = connection.conn_type == SIBLING
        if self._is_sibling:
            for ours, theirs in zip(("login", "password"), SIBLINGS_FIELDS, strict=True):
                self._standard[ours] = text(extra, theirs) or self._standard[ours]

    def shown(self, name: str) -> str:
        """Name a field as the connection form shows it."""
        if self._is_sibling and name in self._standard:
            theirs = list(SIBLINGS_FIELDS)[list(self._standard).index(name)]
            return f"{theirs} ({SIBLINGS_FIELDS[theirs]})"
        label = _STANDARD.get(name) or CONNECTION["conn-fields"].get(name, {}).get("label")
        return f"{name} ({label})" if label else name

    def optional(self, name: str) -> str | None:
        if name not in self._standard:
            return text(self._extra, name)
        value = self._standard[name]
        if not value or not value.strip():
            return None
        if value != value.strip():
            raise CccParameterError(self.shown(name), "has spaces or a line's end around it")
        return str(value)

    def required(self, name: str) -> str:
        if (value := self.optional(name)) is None:
            raise CccParameterError(self.shown(name), "is empty")
        return value

    def seconds(self, name: str) -> int | None:
        """Read how long something lasts; the form sends numbers, and an environment variable often text."""
        value = self._extra.get(name)
        if value in (None, ""):
            return None
        try:
            seconds = int(str(value))
        except ValueError:
            seconds = 0
        if not 900 <= seconds <= 43200:  # what STS takes
            raise CccParameterError(self.shown(name), f"must be a number of seconds from 900 to 43200, not {value!r}")
        return seconds


def _role(kind: type[Role], given: _Given) -> Role:
    """Read a role's fields."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING:
            values[field.name] = given.required(field.name)
        else:
            value = given.seconds(field.name) if isinstance(field.default, int) else given.optional(field.name)
            values[field.name] = field.default if value is None else value
        if not field.repr and values[field.name]:
            mask_secret(values[field.name])
    return kind(**values)


def _mask(key: AccessKey) -> None:
    """Keep what was fetched out of Airflow's logs."""
    for secret in (key.access_key_secret, key.security_token):
        if secret:
            mask_secret(secret)
