"""Two more places that give out temporary keys: an ECS instance's metadata service, and a credentials URI.

The metadata service lives at ``http://100.100.100.200`` on every ECS instance. Its second version asks for a session
token first (``PUT /latest/api/token``), its first does not; both are served, as they are where an instance is not set
to take the second only. Each answer is a new key, whereas the real service gives the same one until it is about to
expire.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from airflow_provider_ccc.simulator.answers import Answer
from airflow_provider_ccc.simulator.keys import iso
from airflow_provider_ccc.simulator.operation import is_number

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from airflow_provider_ccc.simulator.settings import SimulatorSettings
    from airflow_provider_ccc.simulator.sts import Sts

#: The one RAM role of the ECS instance that this machine would be.
ROLE = "ccc-simulator"
TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
ROLES_PATH = "/latest/meta-data/ram/security-credentials/"
CREDENTIALS_PATH = "/credentials"
TTL_HEADER = "X-aliyun-ecs-metadata-token-ttl-seconds"
TOKEN_HEADER = "X-aliyun-ecs-metadata-token"  # noqa: S105 - a header's name
GREATEST_TTL = 21_600


class Metadata:
    """Both places.

    :param settings: the clock.
    :param sts: where the keys come from.
    """

    def __init__(self, settings: SimulatorSettings, sts: Sts) -> None:
        self._clock = settings.clock
        self._sts = sts
        self._tokens: dict[str, float] = {}

    def answer(self, method: str, path: str, headers: Headers) -> Answer:
        """Answer a request; what is not served is not found.

        :param method: the HTTP method.
        :param path: the URL's path.
        :param headers: the headers; names match in any case.
        """
        if path == TOKEN_PATH:
            return self._give_token(headers.get(TTL_HEADER, "")) if method == "PUT" else _refusal(405)
        if path == CREDENTIALS_PATH:
            return self._give_key() if method == "GET" else _refusal(405)
        if not path.startswith(ROLES_PATH):
            return _refusal(404)
        if method != "GET":
            return _refusal(405)
        token = headers.get(TOKEN_HEADER)
        if token is not None and self._tokens.get(token, 0) <= self._clock():
            return _refusal(401)
        role = path.removeprefix(ROLES_PATH)
        if not role:
            return _text(ROLE)
        return self._give_key() if role == ROLE else _refusal(404)

    def _give_token(self, ttl: str) -> Answer:
        if not (is_number(ttl) and 1 <= int(ttl) <= GREATEST_TTL):
            return _refusal(400)
        now = self._clock()
        self._tokens = {token: until for token, until in self._tokens.items() if until > now}
        token = secrets.token_urlsafe(40)
        self._tokens[token] = now + int(ttl)
        return _text(token)

    def _give_key(self) -> Answer:
        key = self._sts.issue()
        body = {
            "AccessKeyId": key.access_key_id,
            "AccessKeySecret": key.access_key_secret,
            "Expiration": key.expiration,
            "SecurityToken": key.security_token,
            "LastUpdated": iso(self._clock()),
            "Code": "Success",
        }
        return Answer(200, "OK", json.dumps(body).encode(), "JSON")


def _text(body: str) -> Answer:
    return Answer(200, "OK", body.encode(), "TEXT")


def _refusal(status: int) -> Answer:
    # By the statuses that a client goes by; the real service's bodies are HTML of no fixed form.
    return Answer(status, "", str(status).encode(), "TEXT")
