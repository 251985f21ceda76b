"""The official SDKs, unmodified, against the simulator: the same answers as our hook's, and the same refusals."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from alibabacloud_ccc20170705 import models as models_2017
from alibabacloud_ccc20170705.client import Client as Client2017
from alibabacloud_ccc20200701 import models as models_2020
from alibabacloud_ccc20200701.client import Client as Client2020
from alibabacloud_tea_openapi.models import Config
from aliyunsdkccc.request.v20170705.GetInstanceRequest import GetInstanceRequest
from aliyunsdkccc.request.v20170705.ListPhoneNumbersRequest import ListPhoneNumbersRequest
from aliyunsdkccc.request.v20170705.PickGlobalOutboundNumbersRequest import PickGlobalOutboundNumbersRequest
from aliyunsdkccc.request.v20170705.PickOutboundNumbersRequest import PickOutboundNumbersRequest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.http import protocol_type
from darabonba.exceptions import DaraException
from Tea.exceptions import TeaException

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.operation import Operation
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.hooks.ccc import CccHook
from airflow_provider_ccc.simulator.server import RunningSimulator, SimulatorSettings, running
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID, SECRET

GROUP, DOMAIN = "3f3ceb0d-d6b6-4c97-af20-f3daf04f90e0", "ccc-demo"
CANDIDATES = [CANDIDATE, "02160664656"]
ONCE = RetryPolicy(attempts=1)


@dataclass(frozen=True)
class Account:
    """Whom a client calls, and as whom."""

    url: str
    secret: str = SECRET
    key_id: str = "testid"
    token: str | None = None

    @property
    def address(self) -> Any:
        return urlsplit(self.url)


def config(account: Account) -> Config:
    return Config(
        access_key_id=account.key_id,
        access_key_secret=account.secret,
        security_token=account.token,
        region_id="cn-shanghai",
        endpoint=account.address.netloc,
        protocol="HTTP",
    )


def newer(account: Account, action: str, **parameters: Any) -> Any:
    """Call 2017-07-05 by alibabacloud-ccc20170705; the answer as a dictionary."""
    request = getattr(models_2017, f"{action}Request")(**parameters)
    return getattr(Client2017(config(account)), _snake(action))(request).body.to_map()


def of_2020(account: Account, action: str, **parameters: Any) -> Any:
    """Call 2020-07-01 by alibabacloud-ccc20200701."""
    request = getattr(models_2020, f"{action}Request")(**parameters)
    return getattr(Client2020(config(account)), _snake(action))(request).body.to_map()


_OLDER = {
    "PickOutboundNumbers": PickOutboundNumbersRequest,
    "PickGlobalOutboundNumbers": PickGlobalOutboundNumbersRequest,
    "GetInstance": GetInstanceRequest,
    "ListPhoneNumbers": ListPhoneNumbersRequest,
}
_PLURAL = {"CandidateNumber": "CandidateNumbers", "SkillGroupId": "SkillGroupIds"}


def older(account: Account, action: str, **parameters: Any) -> Any:
    """Call 2017-07-05 by aliyun-python-sdk-ccc."""
    request = _OLDER[action]()
    for name, value in parameters.items():
        camel = "".join(part.title() for part in name.split("_"))
        getattr(request, f"set_{_PLURAL.get(camel, camel)}")(value)
    request.set_endpoint(account.address.hostname)
    request.set_protocol_type(protocol_type.HTTP)
    request.set_accept_format("json")
    if account.token is None:
        client = AcsClient(account.key_id, account.secret, "cn-shanghai", port=account.address.port)
    else:
        credential = StsTokenCredential(account.key_id, account.secret, account.token)
        client = AcsClient(region_id="cn-shanghai", credential=credential, port=account.address.port)
    return json.loads(client.do_action_with_exception(request))


def _snake(action: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action).lstrip("_")


SDKS_2017 = [newer, older]


@pytest.fixture
def simulator():
    with running(SimulatorSettings()) as started:
        yield started


@pytest.fixture
def hook(connection):
    """Make our hook for an account."""

    def make(account: Account, version: str = "2017-07-05") -> CccHook:
        extra = {"instance_id": INSTANCE_ID if version == "2017-07-05" else DOMAIN, "api_version": version}
        if account.token is not None:
            extra |= {"security_token": account.token}
        connection(host=account.url, login=account.key_id, password=account.secret, extra=extra)
        return CccHook(retry=ONCE)

    return make


def accounts(simulator: RunningSimulator) -> list[Account]:
    """The permanent key, and a temporary one."""
    key = simulator.sts.issue(3600)
    permanent = Account(simulator.url)
    return [permanent, Account(simulator.url, key.access_key_secret, key.access_key_id, key.security_token)]


# --- answers ----------------------------------------------------------------------------------------------------------


def pairs(container: Any) -> list[Any]:
    """Read an SDK's pairs as ours are."""
    return [
        {who.lower(): {name.lower(): pair[who][name] for name in ("Number", "City", "Province")} for who in pair}
        for pair in container
    ]


def ours(picked: Any) -> list[Any]:
    return [pair.as_dict() for pair in picked.pairs]


@pytest.mark.parametrize("sdk", SDKS_2017)
def test_answers_of_2017(simulator, hook, sdk):
    for account in accounts(simulator):
        one = hook(account)
        answer = sdk(
            account,
            "PickOutboundNumbers",
            instance_id=INSTANCE_ID,
            callee_number=CALLEE,
            candidate_number=CANDIDATES,
            count=2,
        )
        assert pairs(answer["DialNumberPairs"]["DialNumberPair"]) == ours(
            one.pick_outbound_numbers(CALLEE, CANDIDATES, 2)
        )
        assert len(ours(one.pick_outbound_numbers(CALLEE, CANDIDATES, 2))) == 2
        answer = sdk(
            account,
            "PickGlobalOutboundNumbers",
            instance_id=INSTANCE_ID,
            callee_number=CALLEE,
            skill_group_id=[GROUP],
            count=3,
        )
        assert pairs(answer["DialNumberPairs"]["DialNumberPair"]) == ours(
            one.pick_global_outbound_numbers(CALLEE, [GROUP], 3)
        )
        described = sdk(account, "GetInstance", instance_id=INSTANCE_ID)["Instance"]
        instance = one.get_instance()
        assert (described["InstanceName"], described["Status"]) == (instance.name, instance.status)
        listed = sdk(account, "ListPhoneNumbers", instance_id=INSTANCE_ID, outbound_only=True)
        assert [(number["Number"], number["Usage"]) for number in listed["PhoneNumbers"]["PhoneNumber"]] == [
            (number.number, number.usage) for number in one.list_phone_numbers()
        ]


def test_answers_of_2020(simulator, hook):
    for account in accounts(simulator):
        one = hook(account, "2020-07-01")
        answer = of_2020(
            account,
            "PickOutboundNumbers",
            instance_id=DOMAIN,
            called_number=CALLEE,
            skill_group_id_list=json.dumps([GROUP]),
            count=3,
        )
        assert pairs(answer["Data"]) == ours(one.pick_global_outbound_numbers(CALLEE, [GROUP], 3))
        assert len(answer["Data"]) == 3
        described = of_2020(account, "GetInstance", instance_id=DOMAIN)["Data"]
        instance = one.get_instance()
        assert (described["Id"], described["Name"], described["Status"], len(described["NumberList"])) == (
            instance.instance_id,
            instance.name,
            instance.status,
            len(instance.phone_numbers),
        )
        listed = of_2020(account, "ListPhoneNumbers", instance_id=DOMAIN, page_number=1, page_size=100)["Data"]["List"]
        assert [number["Number"] for number in listed] == [number.number for number in one.list_phone_numbers(False)]
        instances = of_2020(account, "ListInstances", page_number=1, page_size=100)["Data"]["List"]
        assert [found["Id"] for found in instances] == [found.instance_id for found in one.list_instances()]
        agents = of_2020(account, "GetRealtimeInstanceStates", instance_id=DOMAIN)["Data"]
        assert agents["ReadyAgents"] == one.call(one.api.count_agents(DOMAIN))["Ready"] == 3


def test_the_agents_of_2017(simulator, hook):
    account = Account(simulator.url)
    one = hook(account)
    states = newer(account, "GetInstanceState", instance_id=INSTANCE_ID)["RealTimeInstanceState"]
    assert {
        count["State"]: count["Count"] for count in states["AgentStateDistributions"]["AgentStateCount"]
    } == msgspec.to_builtins(one.call(one.api.count_agents(INSTANCE_ID)))


# --- refusals ---------------------------------------------------------------------------------------------------------


def refusal(call: Callable[[], Any]) -> tuple[str, int]:
    """Return the code and the HTTP status that a client reports, whichever it is."""
    try:
        call()
    except ServerException as error:
        return error.get_error_code(), error.get_http_status()
    except (TeaException, DaraException) as error:
        return error.code, getattr(error, "status_code", None) or error.data["statusCode"]
    except errors.CccError as error:
        return error.code, error.http_status or 0
    return "OK", 200


def by_sdk(sdk: Callable[..., Any], account: Account, instance_id: str | None = None) -> Any:
    """Pick numbers by an SDK."""
    own: dict[str, Any]
    if sdk is of_2020:
        own = {"instance_id": DOMAIN, "called_number": CALLEE, "skill_group_id_list": json.dumps([GROUP])}
    else:
        own = {"instance_id": INSTANCE_ID, "callee_number": CALLEE, "candidate_number": CANDIDATES}
    return sdk(account, "PickOutboundNumbers", **{**own, "instance_id": instance_id or own["instance_id"], "count": 1})


def by_hook(one: CccHook, instance_id: str | None = None) -> Any:
    if one.api.version == "2020-07-01":
        return one.pick_global_outbound_numbers(CALLEE, [GROUP], instance_id=instance_id)
    return one.pick_outbound_numbers(CALLEE, CANDIDATES, instance_id=instance_id)


@pytest.fixture(params=[newer, older, of_2020])
def sdk(request):
    return request.param


def version_of(sdk) -> str:
    return "2020-07-01" if sdk is of_2020 else "2017-07-05"


def test_a_wrong_secret(simulator, hook, sdk):
    account = Account(simulator.url, secret="another")
    expected = refusal(lambda: by_hook(hook(account, version_of(sdk))))
    assert expected[0] == "SignatureDoesNotMatch"
    # Where the server's text to sign is the SDK's own, the SDKs take the code for their own InvalidAccessKeySecret.
    seen = refusal(lambda: by_sdk(sdk, account))
    assert seen in (expected, ("InvalidAccessKeySecret", expected[1]))


def test_an_unknown_key(simulator, hook, sdk):
    account = Account(simulator.url, key_id="nobody")
    expected = refusal(lambda: by_hook(hook(account, version_of(sdk))))
    assert expected == ("InvalidAccessKeyId.NotFound", 404)
    assert refusal(lambda: by_sdk(sdk, account)) == expected


def test_an_expired_time(hook, sdk):
    with running(SimulatorSettings(clock=lambda: time.time() + 3600)) as simulator:
        account = Account(simulator.url)
        one = hook(account, version_of(sdk))
        one.protocol.remedy = lambda error: False  # ours would correct its clock
        expected = refusal(lambda: by_hook(one))
        assert expected == ("InvalidTimeStamp.Expired", 400)
        assert refusal(lambda: by_sdk(sdk, account)) == expected


def test_an_expired_token(simulator, hook, sdk):
    _, account = accounts(simulator)
    simulator.expire_keys()
    expected = refusal(lambda: by_hook(hook(account, version_of(sdk))))
    assert expected == ("InvalidSecurityToken.Expired", 400)
    assert refusal(lambda: by_sdk(sdk, account)) == expected


def test_a_reused_nonce(simulator, hook, sdk, monkeypatch):
    nonce = "0123456789abcdef0123456789abcdef"
    for place in NONCES:
        monkeypatch.setattr(place, lambda: nonce)
    account = Account(simulator.url)
    assert refusal(lambda: by_sdk(sdk, account)) == ("OK", 200)
    seen = refusal(lambda: by_sdk(sdk, account))
    assert seen == ("SignatureNonceUsed", 400)
    one = hook(account, version_of(sdk))
    monkeypatch.setattr(one.protocol, "_nonce", lambda: nonce)
    assert refusal(lambda: by_hook(one)) == seen


#: Where the SDKs make their nonces.
NONCES = ["alibabacloud_tea_openapi.utils.Utils.get_nonce", "aliyunsdkcore.utils.parameter_helper.get_uuid"]


def test_a_missing_parameter(simulator, hook, sdk):
    class Without(Operation[None]):
        action = "PickOutboundNumbers"
        version = version_of(sdk)

        def parameters(self):
            return {"InstanceId": DOMAIN if sdk is of_2020 else INSTANCE_ID, "Count": "1"}

        def read(self, tree, request_id):
            return None

    account = Account(simulator.url)
    expected = refusal(lambda: hook(account, version_of(sdk)).call(Without()))
    assert expected[0].startswith("Missing")
    instance = DOMAIN if sdk is of_2020 else INSTANCE_ID
    assert refusal(lambda: sdk(account, "PickOutboundNumbers", instance_id=instance, count=1)) == expected


def test_an_unknown_instance(simulator, hook, sdk):
    account = Account(simulator.url)
    expected = refusal(lambda: by_hook(hook(account, version_of(sdk)), "nowhere"))
    assert expected == ("NotExists.InstanceId" if sdk is of_2020 else "NotExist.Instance", 404)
    assert refusal(lambda: by_sdk(sdk, account, "nowhere")) == expected


def test_too_many_requests(hook, sdk):
    with running(SimulatorSettings(qps=1)) as simulator:
        account = Account(simulator.url)
        one = hook(account, version_of(sdk))
        by_hook(one)
        expected = refusal(lambda: by_hook(one))
        assert expected == ("Throttling.User", 400)
        assert refusal(lambda: by_sdk(sdk, account)) == expected
