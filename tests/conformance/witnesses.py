"""What the official SDKs send for a call, caught before it leaves them, and how they sign what they are given."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Protocol
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import aliyunsdkcore.client as older_client
import aliyunsdkcore.utils.parameter_helper as older_helper
from alibabacloud_ccc20170705 import models as models_2017
from alibabacloud_ccc20170705.client import Client as Client2017
from alibabacloud_ccc20200701 import models as models_2020
from alibabacloud_ccc20200701.client import Client as Client2020
from alibabacloud_openapi_util.client import Client as OpenApiUtil
from alibabacloud_tea_openapi import client as newer
from alibabacloud_tea_openapi import utils as newer_utils
from alibabacloud_tea_openapi.utils_models import Config
from aliyunsdkcore.auth.algorithm import sha_hmac1
from aliyunsdkcore.auth.composer import rpc_signature_composer
from aliyunsdkcore.auth.credentials import AccessKeyCredential, StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.http.http_response import HttpResponse
from darabonba.runtime import RuntimeOptions

from tests.conformance.cases import Case

HOST = "ccc.cn-shanghai.aliyuncs.com"


@dataclass(frozen=True)
class Caught:
    """A request of an SDK.

    :param headers: by their names in lower case.
    :param string_to_sign: where the SDK tells it.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str]
    string_to_sign: str | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """Those of the query and of the form together."""
        assert not self.query.keys() & self.form.keys()
        return self.query | self.form


class Witness(Protocol):
    """One official SDK."""

    def send(self, case: Case) -> Caught:
        """Make the case's call, with its time and nonce."""
        ...


class _Sent(BaseException):
    """Ends an SDK's call where its request would leave. No SDK catches it, as they catch Exception."""


class _Newer:
    """An SDK on alibabacloud-tea-openapi."""

    def __init__(self, client: type[Any], models: Any) -> None:
        self._client, self._models = client, models

    def send(self, case: Case) -> Caught:
        key, action = case.key, case.operation.action
        client = self._client(
            Config(
                access_key_id=key.access_key_id,
                access_key_secret=key.access_key_secret,
                security_token=key.security_token,
                endpoint=HOST,
            )
        )
        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action).lower()
        call = getattr(client, f"{method}_with_options")
        # ListInstancesOfUser has no request, as it has no parameters.
        model = getattr(self._models, f"{action}Request", None)
        request = [] if model is None else [model().from_map(case.arguments)]
        caught: list[Any] = []

        def instead(sent: Any, runtime: Any = None) -> None:
            caught.append(sent)
            raise _Sent

        class Clock(datetime):
            @classmethod
            def utcnow(cls) -> datetime:
                return datetime.fromtimestamp(case.second, UTC)

        with (
            mock.patch.object(newer.DaraCore, "do_action", instead),
            mock.patch.object(newer_utils, "datetime", Clock),
            mock.patch.object(newer_utils.Utils, "get_nonce", staticmethod(lambda: case.nonce)),
            suppress(_Sent),
        ):
            call(*request, RuntimeOptions())
        (sent,) = caught
        return Caught(
            sent.method,
            sent.pathname,
            dict(sent.query),
            {name.lower(): value for name, value in sent.headers.items()},
            _form(sent.body),
        )


class _Older:
    """aliyun-python-sdk-ccc, on aliyun-python-sdk-core."""

    def send(self, case: Case) -> Caught:
        key, action = case.key, case.operation.action
        credential = (
            AccessKeyCredential(key.access_key_id, key.access_key_secret)
            if key.security_token is None
            else StsTokenCredential(key.access_key_id, key.access_key_secret, key.security_token)
        )
        # The endpoint is given below; to find one reads files each time.
        with mock.patch.object(older_client, "DefaultEndpointResolver"):
            client = AcsClient(region_id="cn-shanghai", credential=credential)
        module = importlib.import_module(f"aliyunsdkccc.request.v20170705.{action}Request")
        request = getattr(module, f"{action}Request")()
        request.set_endpoint(HOST)
        for name, value in case.arguments.items():
            getattr(request, f"set_{name}s" if isinstance(value, list) else f"set_{name}")(value)
        caught: list[HttpResponse] = []

        def instead(sent: HttpResponse) -> None:
            caught.append(sent)
            raise _Sent

        clock = SimpleNamespace(strftime=time.strftime, gmtime=lambda: time.gmtime(case.second))
        with (
            mock.patch.object(HttpResponse, "get_response_object", instead),
            mock.patch.object(older_helper, "time", clock),
            mock.patch.object(older_helper, "get_uuid", return_value=case.nonce),
            suppress(_Sent),
        ):
            client.do_action_with_exception(request)
        (sent,) = caught
        parts = urlsplit(sent.get_url())
        return Caught(
            sent.get_method(),
            parts.path,
            _form(parts.query),
            {name.lower(): value for name, value in sent.get_headers().items()},
            _form(sent.get_body()),
            request.string_to_sign,
        )


def _form(encoded: str | None) -> dict[str, str]:
    """Decode a query or a form, in which no name comes twice."""
    pairs = parse_qsl(encoded or "", keep_blank_values=True, strict_parsing=bool(encoded))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


NEWER_2017: Witness = _Newer(Client2017, models_2017)
OLDER_2017: Witness = _Older()
NEWER_2020: Witness = _Newer(Client2020, models_2020)


# --- what they sign ---------------------------------------------------------------------------------------------------

_compose = getattr(rpc_signature_composer, "__compose_string_to_sign")


def official_signatures_v1(method: str, parameters: Mapping[str, str], secret: str) -> list[str]:
    """Sign by each official implementation of signature 1.0."""
    return [
        OpenApiUtil.get_rpcsignature(dict(parameters), method, secret),
        newer_utils.Utils.get_rpcsignature(dict(parameters), method, secret),
        sha_hmac1.get_sign_string(_compose(method, dict(parameters)), secret + "&"),
    ]


def official_string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Write the text of signature 1.0 as the older SDK does."""
    return _compose(method, dict(parameters))


def official_authorizations_v3(
    method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, key_id: str, secret: str
) -> list[str]:
    """Write the header Authorization by each official implementation of signature 3."""
    name = "ACS3-HMAC-SHA256"
    request = SimpleNamespace(method=method, pathname="/", query=dict(query), headers=dict(headers))
    return [
        signer.get_authorization(request, name, signer.hex_encode(signer.hash(body, name)), key_id, secret)
        for signer in (OpenApiUtil, newer_utils.Utils)
    ]
