"""The ways to get a temporary AccessKey, one small class each: its fields are those of the connection.

All of them rest on Alibaba Cloud's own ``alibabacloud-credentials`` (extra ``[credentials]``), which is imported only
where one is used. Documentation: https://www.alibabacloud.com/help/en/sdk/developer-reference/v2-manage-python-access-credentials
"""

from __future__ import annotations

import importlib
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import SplitResult, urlsplit, urlunsplit

from airflow_provider_ccc.client.credentials import AccessKey, Fetched
from airflow_provider_ccc.client.errors import (
    CccCredentialsError,
    CccError,
    CccParameterError,
    CccPermissionError,
    CccThrottledError,
    CccTransientError,
    classify,
)

if TYPE_CHECKING:
    from types import ModuleType

_HTTP_CODE = re.compile(r"(?i)http_?code[:=]\s*([0-9]{3})")
_ERROR_CODE = re.compile(r'"Code"\s*:\s*"([A-Za-z0-9._]{1,80})"')
_MAY_PASS = (CccThrottledError, CccTransientError)
_MISSING = "needs the package alibabacloud-credentials: install airflow-provider-ccc[credentials]"


@dataclass(frozen=True, kw_only=True)
class Role:
    """A way to get a temporary AccessKey.

    Every field is one of the connection; those without a default are required.
    """

    #: What the connection's ``credentials`` calls it.
    name: ClassVar[str]

    def provider(self, library: ModuleType) -> Any:
        """Make the library's provider of such credentials.

        :param library: ``alibabacloud_credentials.provider``.
        """
        raise NotImplementedError

    def fetcher(self) -> Callable[[bool], Fetched]:
        """Return what fetches credentials: each time with a provider of its own, so that nothing old is kept."""

        def fetch(refused: bool) -> Fetched:
            library = _library(self.name)
            return _fetched(self.name, _made(self.name, lambda: self.provider(library)))

        return fetch


@dataclass(frozen=True, kw_only=True)
class RamRole(Role):
    """Assume a RAM role with an AccessKey (``AssumeRole`` of STS).

    :param login: AccessKey ID of whoever may assume the role; with ``password`` and, if temporary, ``security_token``.
    :param role_session_expiration: how long the credentials are good, in seconds, 900 and more.
    :param policy: what of the role's permissions they have, as JSON; all by default.
    """

    name: ClassVar[str] = "ram_role_arn"

    login: str
    password: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)
    role_arn: str
    role_session_name: str = "airflow-provider-ccc"
    role_session_expiration: int = 3600
    policy: str | None = None
    external_id: str | None = field(default=None, repr=False)
    sts_endpoint: str | None = None

    def provider(self, library: ModuleType) -> Any:
        return library.RamRoleArnCredentialsProvider(
            access_key_id=self.login,
            access_key_secret=self.password,
            security_token=self.security_token,
            role_arn=self.role_arn,
            role_session_name=self.role_session_name,
            duration_seconds=self.role_session_expiration,
            policy=self.policy,
            external_id=self.external_id,
            sts_endpoint=self.sts_endpoint,
        )


@dataclass(frozen=True, kw_only=True)
class OidcRole(Role):
    """Assume a RAM role with an OIDC token (RRSA: the role of a Kubernetes service account).

    :param oidc_token_file_path: the file that holds the token; it is read each time.
    """

    name: ClassVar[str] = "oidc_role_arn"

    role_arn: str
    oidc_provider_arn: str
    oidc_token_file_path: str
    role_session_name: str = "airflow-provider-ccc"
    role_session_expiration: int = 3600
    policy: str | None = None
    sts_endpoint: str | None = None

    def provider(self, library: ModuleType) -> Any:
        return library.OIDCRoleArnCredentialsProvider(
            role_arn=self.role_arn,
            oidc_provider_arn=self.oidc_provider_arn,
            oidc_token_file_path=self.oidc_token_file_path,
            role_session_name=self.role_session_name,
            duration_seconds=self.role_session_expiration,
            policy=self.policy,
            sts_endpoint=self.sts_endpoint,
        )


@dataclass(frozen=True, kw_only=True)
class EcsRole(Role):
    """Take the credentials of the ECS instance's RAM role from its metadata service.

    :param role_name: the role's name; asked for where it is not given.
    """

    name: ClassVar[str] = "ecs_ram_role"

    role_name: str | None = None

    def provider(self, library: ModuleType) -> Any:
        # Not asynchronously: that would start a thread for each, and nothing here waits for it.
        return library.EcsRamRoleCredentialsProvider(role_name=self.role_name, async_update_enabled=False)


@dataclass(frozen=True, kw_only=True)
class CredentialsUri(Role):
    """Take credentials from an address that gives them.

    :param credentials_uri: the address.
    """

    name: ClassVar[str] = "credentials_uri"

    credentials_uri: str = field(repr=False)  # whoever knows it has the credentials

    def provider(self, library: ModuleType) -> Any:
        address, port = _parts(self.credentials_uri)
        if address is None or address.scheme not in ("http", "https") or not address.hostname:
            raise CccParameterError("credentials_uri", "is no address; one begins with http:// or https:// and a host")
        # The library takes an address without a port for one whose port is called None.
        port = port or (443 if address.scheme == "https" else 80)
        host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
        return library.URLCredentialsProvider(uri=urlunsplit(address._replace(netloc=f"{host}:{port}")))


@dataclass(frozen=True, kw_only=True)
class DefaultChain(Role):
    """Take the first credentials that there are: environment, OIDC, CLI profile, credentials file, ECS role, URI."""

    name: ClassVar[str] = "default"

    def provider(self, library: ModuleType) -> Any:
        return library.DefaultCredentialsProvider()

    def fetcher(self) -> Callable[[bool], Fetched]:
        """Return what fetches credentials: by one provider, which keeps those that it found until they expire."""
        kept: list[Any] = []

        def fetch(refused: bool) -> Fetched:
            library = _library(self.name)
            if refused or not kept:
                kept[:] = [_made(self.name, lambda: self.provider(library))]
            return _fetched(self.name, kept[0])

        return fetch


#: By the name that the connection's ``credentials`` gives them.
ROLES: dict[str, type[Role]] = {role.name: role for role in (RamRole, OidcRole, EcsRole, CredentialsUri, DefaultChain)}


def _parts(address: str) -> tuple[SplitResult | None, int | None]:
    try:
        parts = urlsplit(address)
        return parts, parts.port
    except ValueError:  # whose text has a part of the address in it, which may be secret
        return None, None


class _Quiet(logging.Filter):
    """Drops what is logged on the way to credentials: whole addresses, which hold an AccessKey ID, a signature and a
    token, and whole answers."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_fetching, "now", False)


_fetching = threading.local()
_quiet = _Quiet()


def _library(name: str) -> ModuleType:
    try:
        library = importlib.import_module("alibabacloud_credentials.provider")
    except ImportError:
        raise CccParameterError("credentials", f"{name!r} {_MISSING}") from None
    for logger in ("credentials", "alibabacloud-tea"):  # the library's own, which its threads use too
        logging.getLogger(logger).disabled = True
    logging.getLogger("urllib3.connectionpool").addFilter(_quiet)
    return library


def _fetched(name: str, provider: Any) -> Fetched:
    """Ask a provider for credentials."""
    credentials = _made(name, provider.get_credentials, asked=True)
    if credentials is None or not credentials.get_access_key_id() or not credentials.get_access_key_secret():
        raise CccCredentialsError(f"credentials of kind {name!r}: none were found", code="NoCredentials")
    key = AccessKey(
        credentials.get_access_key_id(),
        credentials.get_access_key_secret(),
        credentials.get_security_token() or None,
    )
    expires = credentials.get_expiration()
    return Fetched(key, float(expires) if expires and expires > 0 else None)


def _made(name: str, make: Callable[[], Any], *, asked: bool = False) -> Any:
    """Call the library, and turn its errors, whose texts hold addresses and answers, into ones that can be shown.

    :param asked: whether somebody is asked for credentials; if not, what is wrong is wrong here.
    """
    _fetching.now = True
    try:
        return make()
    except CccError:
        raise
    except Exception as error:
        problem = _problem(name, error, asked=asked)
    finally:
        _fetching.now = False
    # Outside of the handler, so that the library's own text is not chained to it.
    raise problem


def _problem(name: str, error: Exception, *, asked: bool = True) -> CccError:
    text = str(error)
    status, code = _HTTP_CODE.search(text), _ERROR_CODE.search(text)
    what = f"credentials of kind {name!r} could not be fetched"
    if isinstance(error, FileNotFoundError):
        return CccParameterError("oidc_token_file_path", "is not there")
    if code and issubclass(classify(code[1], int(status[1]) if status else 0), _MAY_PASS):
        # Not as throttled: that would slow the calls of CCC down.
        return CccTransientError(f"{what}: {code[1]}", code=code[1], http_status=int(status[1]) if status else None)
    if status and status[1].startswith("4") and status[1] not in ("408", "429"):
        said = f": {code[1]}" if code else f" (HTTP {status[1]})"
        denied = status[1] == "403" or (code and code[1].startswith(("NoPermission", "Forbidden")))
        kind = CccPermissionError if denied else CccCredentialsError
        return kind(f"{what}{said}", code=code[1] if code else f"HTTP {status[1]}", http_status=int(status[1]))
    if isinstance(error, ValueError) and not asked:
        return CccParameterError("credentials", f"{what}: a field, or the environment, lacks what this kind needs")
    if "unable to load credentials from any" in text:
        return CccCredentialsError(
            f"{what}: nothing in its chain (environment, OIDC, CLI profile, credentials file, ECS role, URI) has any",
            code="NoCredentials",
        )
    return CccTransientError(what, code="CredentialsUnavailable")
