"""Where an AccessKey comes from: one small class for each way, with one method, ``get``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class AccessKey:
    """One consistent set of credentials. Printing it shows neither the secret nor the token.

    :param security_token: the STS token of a temporary AccessKey; ``None`` for a permanent one.
    """

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


class Credentials(Protocol):
    """What a client asks for an AccessKey, once for each attempt."""

    def get(self) -> AccessKey:
        """Return credentials that are valid now."""
        ...


@dataclass(frozen=True)
class StaticCredentials:
    """An AccessKey that was given: a permanent one, or a temporary one with its STS token."""

    access_key: AccessKey

    def get(self) -> AccessKey:
        """Return the AccessKey as it was given."""
        return self.access_key
