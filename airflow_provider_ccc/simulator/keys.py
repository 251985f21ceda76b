"""The AccessKeys that are accepted: the one of the settings, and the temporary ones that the simulator gave out."""

from __future__ import annotations

import base64
import hmac
import secrets
import string
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_ccc.simulator.answers import ApiError

if TYPE_CHECKING:
    from airflow_provider_ccc.simulator.settings import SimulatorSettings

#: How many temporary keys are remembered, the latest ones; older ones become unknown.
GREATEST_NUMBER = 10_000
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Key:
    """One AccessKey.

    :param security_token: the token that must come with it; empty: it comes alone.
    :param expires_at: until when it is good, in seconds since the epoch; None: for ever.
    """

    access_key_id: str
    access_key_secret: str
    security_token: str = ""
    expires_at: int | None = None

    @property
    def expiration(self) -> str:
        """When it expires, as the service writes it."""
        return iso(self.expires_at or 0)


class Keys:
    """All keys that there are.

    :param settings: the key that is always there, and the clock.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self._static = Key(settings.access_key_id, settings.access_key_secret, settings.security_token or "")
        self._clock = settings.clock
        self._temporary: dict[str, Key] = {}
        self._tokens = {self._static.security_token} - {""}
        #: How many temporary keys were given out.
        self.issued = 0

    def issue(self, seconds: float) -> Key:
        """Give out a temporary key that is good for so many seconds, rounded down to a whole second's end."""
        key = Key(
            # The forms are the service's: the prefix tells a temporary key, and a token is base64 that must be encoded.
            access_key_id=f"STS.{_letters(26)}",
            access_key_secret=_letters(44),
            security_token=f"CAIS{base64.b64encode(secrets.token_bytes(188)).decode()}",
            expires_at=int(self._clock() + seconds),
        )
        self._temporary[key.access_key_id] = key
        self._tokens.add(key.security_token)
        if len(self._temporary) > GREATEST_NUMBER:
            oldest = self._temporary.pop(next(iter(self._temporary)))
            self._tokens.discard(oldest.security_token)
        self.issued += 1
        return key

    def expire(self) -> None:
        """Let all temporary keys expire at once, as if they were revoked."""
        now = int(self._clock())
        self._temporary = {name: replace(key, expires_at=now - 1) for name, key in self._temporary.items()}

    def find(self, access_key_id: str) -> Key:
        """Look a key up.

        :raises ApiError: there is none of that id.
        """
        if access_key_id == self._static.access_key_id:
            return self._static
        if key := self._temporary.get(access_key_id):
            return key
        raise ApiError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")

    def check_token(self, key: Key, sent: str, now: float) -> None:
        """Check the token that came with a key, and that the key is still good.

        :raises ApiError: the refusal. Which code an unknown token gets is assumed: it is malformed beside a temporary
            key; beside the static key no token but its own can belong to it.
        """
        if not sent:
            if key.security_token:
                raise ApiError.missing("SecurityToken")
            return
        if not hmac.compare_digest(key.security_token.encode(), sent.encode()):
            if key.expires_at is not None and sent not in self._tokens:
                raise ApiError(400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.")
            message = "Specified SecurityToken is not matched with the AccessKey."
            raise ApiError(400, "InvalidSecurityToken.MismatchWithAccessKey", message)
        if key.expires_at is not None and now >= key.expires_at:
            raise ApiError(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")


def iso(seconds: float) -> str:
    """Write a moment as the service does: UTC, whole seconds, a Z."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))
