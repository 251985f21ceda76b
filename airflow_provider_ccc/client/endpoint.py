"""Where requests go: a scheme, a host and a port, made of what a connection says."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from airflow_provider_ccc.client.errors import CccParameterError

DEFAULT_REGION = "cn-shanghai"
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,61}[a-z0-9]")
_HOST_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Endpoint:
    """Where CCC answers.

    :param scheme: ``https``, or ``http`` where it was asked for.
    :param host: a host name or an IP address, IPv6 in brackets.
    :param port: ``None`` for the scheme's own.
    """

    scheme: str
    host: str
    port: int | None = None

    @property
    def url(self) -> str:
        """The address without a path, such as ``https://ccc.cn-shanghai.aliyuncs.com``."""
        return f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port else "")

    @property
    def authority(self) -> str:
        """The header ``Host``, as HTTP clients write it: without the scheme's own port."""
        usual = 443 if self.scheme == "https" else 80
        return self.host if self.port in (None, usual) else f"{self.host}:{self.port}"

    @property
    def is_readable_on_the_way(self) -> bool:
        """Whether requests cross a network unencrypted."""
        return self.scheme == "http" and not self._is_loopback

    @property
    def _is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host.lower().rstrip(".") == "localhost"


def parse_endpoint(
    host: str | None, port: int | None = None, *, scheme: str | None = None, region_id: str = DEFAULT_REGION
) -> Endpoint:
    """Make an endpoint of a connection's fields.

    :param host: empty for the region's own endpoint; a bare host; or ``http://`` or ``https://`` with a host. A port
        may stand here or in ``port``.
    :param port: 1 to 65535.
    :param scheme: ``http`` or ``https`` where the host names none; https by default.
    :param region_id: the region whose endpoint is used where ``host`` is empty.
    :raises CccParameterError: naming ``host``, ``port``, ``schema`` or ``region_id``.
    """
    if scheme and scheme not in ("http", "https"):
        raise CccParameterError("schema", f"{scheme!r} is neither http nor https; leave it empty for https")
    if not _REGION.fullmatch(region_id):
        raise CccParameterError("region_id", f"{region_id!r} is no region; one is, for example, {DEFAULT_REGION}")
    text = (host or "").strip()
    if not text:
        text = f"ccc.{region_id}.aliyuncs.com"
    if "://" not in text:
        text = f"{scheme or 'https'}://{text}"
    try:
        parts = urlsplit(text)
        port_in_host = parts.port
    except ValueError:
        raise CccParameterError(
            "host", "its port or address is malformed; write a host, or http(s)://host:port"
        ) from None
    if parts.username is not None or parts.password is not None:
        # Not repeated in the message: it is a credential.
        raise CccParameterError(
            "host", "contains a user name or password; the AccessKey belongs into login and password"
        )
    if parts.scheme not in ("http", "https"):
        raise CccParameterError("host", f"{parts.scheme}:// is neither http:// nor https://")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise CccParameterError("host", "has a path or a query behind the host; CCC has none, leave it out")
    name = parts.hostname or ""
    if not _is_host(name):
        raise CccParameterError("host", f"{name!r} is no host name or IP address")
    if port_in_host is not None and port is not None and port_in_host != port:
        raise CccParameterError("port", f"{port} differs from the {port_in_host} in host; give one of them")
    chosen = port_in_host if port_in_host is not None else port
    if chosen is not None and not 1 <= chosen <= 65535:
        raise CccParameterError("port", f"{chosen} is not between 1 and 65535")
    return Endpoint(parts.scheme, f"[{name}]" if ":" in name else name, chosen)


def _is_host(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        labels = name.removesuffix(".").split(".")
        return len(name) < 254 and all(_HOST_LABEL.fullmatch(label) for label in labels)
    return True
