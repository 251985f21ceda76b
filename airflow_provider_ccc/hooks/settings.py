"""What an Airflow connection of type ``ccc`` says, checked once and with errors that name the field."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_ccc.client.credentials import Credentials
from airflow_provider_ccc.client.endpoint import DEFAULT_REGION, Endpoint, parse_endpoint
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.signers import SIGNATURES
from airflow_provider_ccc.client.versions import APIS
from airflow_provider_ccc.get_provider_info import CONNECTION
from airflow_provider_ccc.hooks.credentials import SIBLINGS_FIELDS, credentials_of, text

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0

_KNOWN = {*CONNECTION["conn-fields"], *SIBLINGS_FIELDS, "proxies", "cert", "trust_env"}
_FLAGS = {
    **dict.fromkeys(("", "none", "true", "1", "yes"), True),
    **dict.fromkeys(("false", "0", "no"), False),
}


@dataclass(frozen=True)
class ConnectionSettings:
    """A checked connection.

    :param api_version: ``2017-07-05`` or ``2020-07-01``.
    :param signature: ``v1`` or ``v3``; ``None`` for the version's own.
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
    api_version: str
    signature: str | None
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
        return cls(
            endpoint=parse_endpoint(
                connection.host,
                connection.port,
                scheme=connection.schema,
                region_id=text(extra, "region_id") or DEFAULT_REGION,
            ),
            credentials=credentials_of(connection, extra),
            api_version=_choice(extra, "api_version", APIS) or "2017-07-05",
            signature=_choice(extra, "signature", SIGNATURES),
            instance_id=text(extra, "instance_id"),
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


def _choice(extra: Mapping[str, Any], name: str, choices: Iterable[str]) -> str | None:
    value = extra.get(name)
    if value in (None, ""):
        return None
    if value not in choices:
        raise CccParameterError(name, f"is {value!r}, and must be one of {', '.join(choices)}")
    return str(value)


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
