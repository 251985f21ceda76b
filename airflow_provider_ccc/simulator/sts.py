"""Security Token Service: temporary keys for whoever may take a role.

Every role can be taken here, by the static key, by a temporary one, or by an OIDC token. STS has an endpoint of its
own, ``sts.aliyuncs.com``; here it is the same address, and its API version tells it from CCC's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_ccc.simulator.answers import ApiError
from airflow_provider_ccc.simulator.operation import Data, Operation, Parameters, is_number, text

if TYPE_CHECKING:
    from airflow_provider_ccc.simulator.instances import Account
    from airflow_provider_ccc.simulator.keys import Key, Keys
    from airflow_provider_ccc.simulator.settings import SimulatorSettings

VERSION = "2015-04-01"
HOST_ID = "sts.aliyuncs.com"
DEFAULT_SECONDS = 3600
#: What ``DurationSeconds`` may be. The upper end is the role's own on the real service, at most twelve hours.
LEAST_SECONDS, GREATEST_SECONDS = 900, 43_200
_ROLE_ARN = re.compile(r"acs:ram::(?P<account>[\w*]+):role/(?P<role>[\w.*/-]+)", re.ASCII | re.IGNORECASE)
_SESSION_NAME = re.compile(r"[\w.@-]{2,64}", re.ASCII)


class Sts:
    """The service.

    :param settings: how long a key may live, and the OIDC token that is accepted.
    :param keys: where temporary keys are made and remembered.
    """

    def __init__(self, settings: SimulatorSettings, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys
        own: dict[str, Any] = {"envelope": {}, "of_ccc": False}
        self.operations = {
            "AssumeRole": Operation("AssumeRole", self._assume_role, **own),
            # The OIDC token is the proof; there is no key to sign with yet.
            "AssumeRoleWithOIDC": Operation("AssumeRoleWithOIDC", self._assume_role_with_oidc, **own, signed=False),
        }

    @property
    def issued(self) -> int:
        """How many temporary keys were given out, here, by the ECS metadata and by the credentials URI."""
        return self._keys.issued

    def issue(self, seconds: int | None = None) -> Key:
        """Give out a temporary key.

        :param seconds: how long it is wanted for; None: as long as is usual.
        """
        limit = self._settings.sts_seconds
        if seconds is None:
            seconds = limit or DEFAULT_SECONDS
        return self._keys.issue(min(seconds, limit) if limit else seconds)

    def _assume_role(self, _: Account, parameters: Parameters) -> Data:
        return self._answer(parameters)

    def _assume_role_with_oidc(self, _: Account, parameters: Parameters) -> Data:
        text(parameters, "OIDCProviderArn")
        # A file's last line ends in a newline, which is no part of the token.
        token = text(parameters, "OIDCToken").strip()
        accepted = self._settings.oidc_token
        if not token or (accepted is not None and token != accepted):
            # The code is documented, the status is assumed.
            raise ApiError(400, "AuthenticationFail.OIDCToken.Invalid", "This JsonWebToken is invalid.")
        return self._answer(parameters)

    def _answer(self, parameters: Parameters) -> Data:
        role = _ROLE_ARN.fullmatch(text(parameters, "RoleArn"))
        if not role:
            raise ApiError(400, "InvalidParameter.RoleArn", "The parameter RoleArn is wrongly formed.")
        session_name = text(parameters, "RoleSessionName")
        if not _SESSION_NAME.fullmatch(session_name):
            message = "The parameter RoleSessionName is wrongly formed."
            raise ApiError(400, "InvalidParameter.RoleSessionName", message)
        key = self.issue(_duration(parameters))
        return {
            "AssumedRoleUser": {
                # The service gives every role a number; here it must only be stable, and the account's will do.
                "AssumedRoleId": f"{role['account']}:{session_name}",
                "Arn": f"acs:ram::{role['account']}:role/{role['role']}/{session_name}",
            },
            "Credentials": {
                "AccessKeyId": key.access_key_id,
                "AccessKeySecret": key.access_key_secret,
                "SecurityToken": key.security_token,
                "Expiration": key.expiration,
            },
        }


def _duration(parameters: Parameters) -> int | None:
    value = parameters.get("DurationSeconds")
    if not value:
        return None
    if not (is_number(value) and LEAST_SECONDS <= int(value) <= GREATEST_SECONDS):
        message = f"The parameter DurationSeconds must be an integer from {LEAST_SECONDS} to {GREATEST_SECONDS}."
        raise ApiError(400, "InvalidParameter.DurationSeconds", message)
    return int(value)
