"""Every way to an AccessKey, over real HTTP, with Alibaba Cloud's own library, against the simulator.

The library's addresses are fixed: STS by https, the metadata service by its number. Here its lowest layer sends them to
the simulator, and nothing to anywhere else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from alibabacloud_credentials.provider import ecs_ram_role
from alibabacloud_credentials.utils import auth_constant, auth_util
from Tea.core import TeaCore
from Tea.request import TeaRequest

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.credentials import ONE_MOMENT
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.hooks.ccc import CccAsyncHook, CccHook
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID

ROLE = "acs:ram::1234567890123456:role/ccc"
METADATA = "100.100.100.200"


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch, tmp_path):
    """The default chain must find neither files nor variables of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("ALIBABA_CLOUD")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(auth_constant, "HOME", str(tmp_path))


@pytest.fixture
def simulator(monkeypatch):
    """Start a simulator, and have the library's requests go there."""
    send = TeaCore.do_action
    # The server's own log, which the fixture that captures logs would switch on.
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "disabled", True)
    asked: list[str] = []

    with running(SimulatorSettings(oidc_token="oidc-token")) as started:
        address = urlsplit(started.url).netloc

        def redirected(request, options=None):
            host = request.headers["host"]
            asked.append(f"{request.protocol}://{host}{request.pathname}")
            if host in ("sts.aliyuncs.com", METADATA):
                request.protocol, request.headers["host"] = "http", address
            assert request.headers["host"].partition(":")[0] == "127.0.0.1"
            return send(request, options)

        monkeypatch.setattr(TeaCore, "do_action", staticmethod(redirected))
        started.asked = asked
        yield started


def connect(connection, simulator, **extra):
    host = {"host": simulator.url}
    if extra.get("credentials") != "ram_role_arn":
        host |= {"login": None, "password": None}
    connection(**host, extra={"instance_id": INSTANCE_ID, **extra})


def kinds(simulator, tmp_path):
    token = tmp_path / "token"
    token.write_text("oidc-token", encoding="ascii")
    return {
        "ram_role_arn": {"role_arn": ROLE, "external_id": "e", "role_session_expiration": 900},
        "oidc_role_arn": {
            "role_arn": ROLE,
            "oidc_provider_arn": "acs:ram::1:oidc-provider/p",
            "oidc_token_file_path": str(token),
        },
        "ecs_ram_role": {},
        "credentials_uri": {"credentials_uri": f"{simulator.url}/credentials"},
    }


@pytest.mark.parametrize("kind", ["ram_role_arn", "oidc_role_arn", "ecs_ram_role", "credentials_uri"])
@pytest.mark.parametrize("signature", ["v1", "v3"])
def test_each_kind_with_each_hook_and_signature(connection, simulator, tmp_path, kind, signature):
    connect(connection, simulator, credentials=kind, signature=signature, **kinds(simulator, tmp_path)[kind])
    hook = CccHook()
    assert simulator.sts.issued == 0  # a connection that is only looked at fetches nothing
    for _ in range(3):
        assert hook.pick_outbound_numbers(CALLEE, [CANDIDATE]).pairs[0].caller.number == CANDIDATE
    assert simulator.sts.issued == 1

    async def main():
        async with CccAsyncHook() as hook:
            calls = (hook.pick_outbound_numbers(CALLEE, [CANDIDATE]) for _ in range(20))
            return await asyncio.gather(*calls)

    assert {picked.pairs[0].caller.number for picked in asyncio.run(main())} == {CANDIDATE}
    assert simulator.sts.issued == 2  # once for all twenty
    expected = {
        "ram_role_arn": "https://sts.aliyuncs.com",
        "oidc_role_arn": "https://sts.aliyuncs.com",
        "ecs_ram_role": f"http://{METADATA}/latest/api/token",
    }
    assert simulator.asked[0] == expected.get(kind, "http://127.0.0.1/credentials")


def test_no_thread_is_left_behind(connection, simulator, tmp_path):
    before = set(threading.enumerate())
    for kind, fields in kinds(simulator, tmp_path).items():
        connect(connection, simulator, credentials=kind, **fields)
        CccHook().get_instance()
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()


def test_the_default_chain_takes_the_environment_first(connection, simulator, monkeypatch):
    monkeypatch.setattr(auth_util, "environment_access_key_id", "testid")
    monkeypatch.setattr(auth_util, "environment_access_key_secret", "testsecret")
    monkeypatch.setattr(auth_util, "environment_security_token", None)
    monkeypatch.setattr(auth_util, "environment_ecs_metadata_disabled", "true")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    connect(connection, simulator, credentials="default")
    assert CccHook().get_instance().instance_id == INSTANCE_ID
    assert simulator.asked == []


def test_the_default_chain_comes_to_the_ecs_role(connection, simulator, monkeypatch):
    monkeypatch.setattr(ecs_ram_role, "BackgroundScheduler", _NoScheduler)
    connect(connection, simulator, credentials="default")
    assert CccHook().get_instance().instance_id == INSTANCE_ID
    assert simulator.asked[0] == f"http://{METADATA}/latest/api/token"
    assert simulator.sts.issued == 1


def test_a_default_chain_that_finds_nothing(connection, simulator, monkeypatch):
    monkeypatch.setattr(auth_util, "environment_ecs_metadata_disabled", "true")
    connect(connection, simulator, credentials="default")
    with pytest.raises(errors.CccCredentialsError, match="nothing in its chain") as caught:
        CccHook().get_instance()
    assert caught.value.code == "NoCredentials"
    assert simulator.asked == []


class _NoScheduler:
    """The chain's own refresh in the background: a thread that would outlive the test."""

    def add_job(self, *_, **__) -> None: ...
    def start(self) -> None: ...
    def shutdown(self, **_) -> None: ...


@pytest.mark.parametrize(
    ("kind", "changed", "error", "code"),
    [
        ("ram_role_arn", {"role_arn": "nonsense"}, errors.CccCredentialsError, "InvalidParameter.RoleArn"),
        ("oidc_role_arn", {"oidc_token_file_path": "/nowhere"}, errors.CccParameterError, "InvalidArgument"),
        ("ecs_ram_role", {"role_name": "another"}, errors.CccCredentialsError, "HTTP 404"),
    ],
)
def test_what_cannot_be_fetched(connection, simulator, tmp_path, kind, changed, error, code, logs):
    connect(connection, simulator, credentials=kind, **{**kinds(simulator, tmp_path)[kind], **changed})
    with pytest.raises(errors.CccError) as caught:
        CccHook().get_instance()
    assert type(caught.value) is error
    assert caught.value.code == code
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "Signature" not in logs.text
    assert "AccessKeyId" not in logs.text


def test_whoever_gives_them_is_away(connection, simulator):
    connect(connection, simulator, credentials="credentials_uri", credentials_uri="http://127.0.0.1:9/x")
    with pytest.raises(AssertionError):  # the fixture lets nothing go anywhere else
        TeaCore.do_action(_request("elsewhere.example.com"))
    with pytest.raises(errors.CccTransientError) as caught:
        CccHook(retry=RetryPolicy(attempts=1)).get_instance()
    assert caught.value.code == "CredentialsUnavailable"


def _request(host):
    request = TeaRequest()
    request.headers["host"] = host
    return request


def test_nothing_of_it_reaches_a_log(connection, simulator, tmp_path, logs):
    logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)
    secrets = []
    for kind, fields in kinds(simulator, tmp_path).items():
        connect(connection, simulator, credentials=kind, **fields)
        hook = CccHook()
        hook.get_instance()
        key = hook.settings.credentials.get()
        secrets += [key.access_key_secret, key.security_token]
    assert len(set(secrets)) == 8
    for hidden in (*secrets, "testsecret", "oidc-token", "Signature="):
        assert hidden not in logs.text, hidden


# --- campaigns ------------------------------------------------------------------------------------------------------


def campaign(tmp_path, callees, **parameters):
    operator = CccPickOutboundNumbersBatchOperator(
        task_id="pick",
        callees=[str(13_000_000_000 + place) for place in range(callees)],
        output_path=str(tmp_path / "output"),
        candidate_numbers=[CANDIDATE],
        part_size=100,
        **parameters,
    )
    return operator.execute({})


def rows(tmp_path):
    return [
        json.loads(line)
        for part in sorted((tmp_path / "output").glob("part-*.ndjson"))
        for line in part.read_text(encoding="utf-8").splitlines()
    ]


def test_credentials_that_expire_in_the_middle_of_a_campaign_lose_nothing(connection, tmp_path, monkeypatch):
    with running(SimulatorSettings(sts_seconds=4)) as simulator:
        connect(connection, simulator, credentials="credentials_uri", credentials_uri=f"{simulator.url}/credentials")
        begun = time.monotonic()
        manifest = campaign(tmp_path, 2_000, max_qps=180)
        assert time.monotonic() - begun > 8  # they expired at least twice
        used = {record.parameters["AccessKeyId"] for record in simulator.journal}
        assert len(used) >= 3
        # They were replaced before they expired, so nobody was refused.
        assert {record.code for record in simulator.journal if record.action == "PickOutboundNumbers"} == {"OK"}
    assert (manifest["resolved"], manifest["failed"], manifest["retried"]) == (2_000, 0, 0)
    assert [row["row"] for row in rows(tmp_path)] == list(range(1, 2_001))


def test_credentials_that_are_revoked_in_the_middle_of_a_campaign_lose_nothing(connection, tmp_path):
    """Nobody could know beforehand: the service says so, and others are fetched."""
    with running(SimulatorSettings()) as simulator:
        connect(connection, simulator, credentials="credentials_uri", credentials_uri=f"{simulator.url}/credentials")
        stop = threading.Event()
        revoked = []

        def revoke():
            # Others are fetched no sooner than a moment after the last ones, however busy the machine is.
            while not stop.wait(ONE_MOMENT + 2.0):
                revoked.append(simulator.sts.issued)
                simulator.expire_keys()
                while simulator.sts.issued == revoked[-1] and not stop.wait(0.02):
                    pass

        thread = threading.Thread(target=revoke)
        thread.start()
        try:
            manifest = campaign(tmp_path, 3_000, max_qps=250)
        finally:
            stop.set()
            thread.join()
        codes = {record.code for record in simulator.journal}
        assert codes == {"OK", "InvalidSecurityToken.Expired"}
        # And not once for every call that was refused.
        assert 3 <= simulator.sts.issued <= 2 * len(revoked) + 2
    assert (manifest["resolved"], manifest["failed"]) == (3_000, 0)
    assert manifest["retried"] > 0
    assert [row["row"] for row in rows(tmp_path)] == list(range(1, 3_001))


def test_a_token_that_was_given_and_expired_ends_the_campaign(connection, tmp_path):
    with running(SimulatorSettings()) as simulator:
        key = simulator.sts.issue(3600)
        connection(
            host=simulator.url,
            login=key.access_key_id,
            password=key.access_key_secret,
            extra={"instance_id": INSTANCE_ID, "credentials": "sts", "security_token": key.security_token},
        )
        simulator.expire_keys()
        with pytest.raises(AirflowFailException, match=r"InvalidSecurityToken\.Expired"):
            campaign(tmp_path, 200)


def test_a_stop_does_not_wait_for_credentials_that_are_slow(connection):
    """A thread of the loop's own would be joined when the loop closes, however long the fetch takes."""
    connection(extra={"instance_id": INSTANCE_ID, "credentials": "credentials_uri", "credentials_uri": "http://h/"})
    asked, end = threading.Event(), threading.Event()

    class Slow:
        current = False

        def get(self):
            asked.set()
            end.wait(60)

    async def main():
        hook = CccAsyncHook()
        hook.protocol.credentials = Slow()
        async with hook:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*(hook.get_instance() for _ in range(20))), 0.5)

    asyncio.run(main())
    assert asked.is_set()
    assert not end.is_set()  # and nobody waited for it
    assert sum(thread.name == "ccc-credentials" for thread in threading.enumerate()) == 1
    end.set()
