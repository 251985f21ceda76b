"""Which certificates to trust and which proxy to use: what ``requests`` chooses for the other hook."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from airflow_provider_ccc.client.errors import CccParameterError

if TYPE_CHECKING:
    from airflow_provider_ccc.hooks.settings import ConnectionSettings

_PROXIES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
BAD_ADDRESS = "is not a valid address"


class Route(NamedTuple):
    """The way to the host.

    :param trusted: the path of a file or folder of certificates; ``None``: nothing is checked.
    :param cert: the client's certificate and its key, each the path of a file; ``None``: there is none.
    :param proxy: the proxy's URL; "": there is none.
    """

    trusted: str | None
    cert: tuple[str, str] | None
    proxy: str


def choose_route(settings: ConnectionSettings) -> Route:
    """Choose the way to the host by the connection, and by the environment as far as the connection lets it.

    :raises CccParameterError: the proxy is none that can be used.
    """
    url = settings.endpoint.url
    session = requests.Session()
    session.trust_env = settings.trust_env
    chosen = session.merge_environment_settings(url, dict(settings.proxies), False, settings.verify, settings.cert)
    verify, cert = chosen["verify"], settings.cert
    return Route(
        trusted=(DEFAULT_CA_BUNDLE_PATH if verify is True else verify) or None,
        cert=(cert, cert) if isinstance(cert, str) else cert,
        proxy=_checked(select_proxy(url, chosen["proxies"])),
    )


def _checked(proxy: str | None) -> str:
    """Check a proxy's URL; ``requests`` takes one without a scheme, and the environment's often have none."""
    if not proxy:
        return ""
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    scheme = proxy.partition("://")[0].lower()
    if scheme not in _PROXIES:
        raise CccParameterError("proxy", f"must be the URL of a proxy: {', '.join(_PROXIES)}")
    try:
        host = parse_url(proxy).host
    except LocationParseError:
        host = None
    if not host or re.search(r"[\x00-\x20\x7f]", proxy):
        raise CccParameterError("host or proxy", BAD_ADDRESS)
    return proxy
