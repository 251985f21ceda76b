"""What an Airflow connection of type ``ccc`` says, checked once and with errors that name the field."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_ccc.client.credentials import AccessKey, Credentials, StaticCredentials
from airflow_provider_ccc.client.endpoint import DEFAULT_REGION, Endpoint, parse_endpoint
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.get_provider_info import CONNECTION

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0

_KNOWN = {*CONNECTION["conn-fields"], "api_version", "signature", "credentials", "proxies", "cert", "trust_env"}
_FLAGS = {
    **dict.fromkeys(("", "none", "true", "1", "yes"), True),
    **dict.fromkeys(("false", "0", "no"), False),
}


@dataclass(frozen=True)
class ConnectionSettings:
    """A checked connection.

    :param instance_id: the instance that is meant where a call names none.
    :param timeout: seconds to connect, and seconds to wait for each part of an answer.
    :param proxies: by scheme, as ``requests`` takes them.
    :param verify: whether certificates are checked, or the file of those to trust.
    :param cert: a client certificate's file, or its and its key's.
    :param trust_env: whether proxies and certificates named by environment variables count.
    :param unknown: names in the extra that mean nothing, such as misspelt ones.
    """

    endpoint: Endpoint
    credentials: Credentials
    instance_id: str | None
    timeout: tuple[float, float]
    proxies: Mapping[str, str] = field(repr=False)  # a proxy's address can hold a password
    verify: bool | str
    cert: str | tuple[str, str] | None
    trust_env: bool
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, connection: Any) -> ConnectionSettings:
        """Read a connection.

        :param connection: Airflow's ``Connection``.
        :raises CccParameterError: naming the connection and its field.
        """
        try:
            return cls._of(connection)
        except CccParameterError as error:
            raise CccParameterError(f"connection {connection.conn_id!r}, {error.parameter}", error.what) from None

    @classmethod
    def _of(cls, connection: Any) -> ConnectionSettings:
        extra = _extra(connection)
        _refuse_unsupported(extra)
        return cls(
            endpoint=parse_endpoint(
                connection.host,
                connection.port,
                scheme=connection.schema,
                region_id=_text(extra, "region_id") or DEFAULT_REGION,
            ),
            credentials=StaticCredentials(_access_key(connection, extra)),
            instance_id=_text(extra, "instance_id"),
            timeout=_timeout(extra.get("timeout")),
            proxies=_proxies(extra),
            verify=_verify(extra.get("verify")),
            cert=_cert(extra.get("cert")),
            trust_env=_FLAGS.get(str(extra.get("trust_env")).lower(), True),
            unknown=tuple(sorted(str(name) for name in extra.keys() - _KNOWN)),
        )


def _extra(connection: Any) -> Mapping[str, Any]:
    """Read the extra. Airflow itself takes one that is no JSON for an empty one, which would hide a typing error."""
    if not connection.extra:
        return {}
    try:
        json.loads(connection.extra)
    except ValueError:
        raise CccParameterError("extra", "is no JSON") from None
    # Through Airflow's own reader, because that masks what is secret in it.
    extra = connection.extra_dejson
    if not isinstance(extra, Mapping):
        raise CccParameterError("extra", "must be a JSON object")
    return extra


def _refuse_unsupported(extra: Mapping[str, Any]) -> None:
    for name, only in (
        ("api_version", ("2017-07-05",)),
        ("signature", ("v1",)),
        ("credentials", ("access_key", "sts")),
    ):
        if (value := extra.get(name)) not in (None, "", *only):
            raise CccParameterError(name, f"{value!r} is not supported by this release, only {' and '.join(only)}")


def _text(extra: Mapping[str, Any], name: str) -> str | None:
    value = extra.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise CccParameterError(name, f"must be text, not {type(value).__name__}")
    return value.strip() or None


def _access_key(connection: Any, extra: Mapping[str, Any]) -> AccessKey:
    for name, label, value in (
        ("login", "AccessKey ID", connection.login),
        ("password", "AccessKey Secret", connection.password),
    ):
        if not value or not value.strip():
            raise CccParameterError(f"{name} ({label})", "is empty")
        if value != value.strip():
            raise CccParameterError(f"{name} ({label})", "has spaces or a line's end around it")
    return AccessKey(connection.login, connection.password, _text(extra, "security_token"))


def _timeout(value: Any) -> tuple[float, float]:
    if value in (None, ""):
        return CONNECT_TIMEOUT, READ_TIMEOUT
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise CccParameterError("timeout", f"must be a number of seconds above 0 and up to 3600, not {value!r}")
    return min(CONNECT_TIMEOUT, seconds), seconds


def _proxies(extra: Mapping[str, Any]) -> Mapping[str, str]:
    proxy = extra.get("proxies") or extra.get("proxy")
    if not proxy:
        return {}
    if isinstance(proxy, str):
        proxy = {"http": proxy, "https": proxy}
    if not isinstance(proxy, Mapping) or not all(isinstance(url, str) and "://" in url for url in proxy.values()):
        raise CccParameterError("proxy", "must be a URL such as http://proxy.example.com:3128, or one by scheme")
    return dict(proxy)


def _verify(value: Any) -> bool | str:
    """Read a flag or a path; the form sends flags as text."""
    flag = _FLAGS.get(str(value).strip().lower())
    if flag is not None:
        return flag
    path = str(value)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
            **{"capath" if Path(path).is_dir() else "cafile": path}
        )
    except OSError:  # ssl.SSLError is one
        raise CccParameterError(
            "verify", f"{value!r} is neither true nor false nor a file with certificates in PEM form"
        ) from None
    return path


def _cert(value: Any) -> str | tuple[str, str] | None:
    if value in (None, ""):
        return None
    paths = value if isinstance(value, list) else [value]
    if len(paths) > 2 or not all(isinstance(path, str) and Path(path).is_file() for path in paths):
        raise CccParameterError("cert", "must be the path of a file, or a list of the certificate's and its key's")
    return (paths[0], paths[1]) if len(paths) == 2 else paths[0]
