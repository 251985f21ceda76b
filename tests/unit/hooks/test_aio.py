"""The asynchronous hook's own parts. What it does over real HTTP is in tests/system."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.operations_2017 import Operation
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.hooks import aio
from airflow_provider_ccc.hooks.ccc import CccAsyncHook, CccHook
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID, fixture

PICKED = fixture("responses.json")["2017-07-05"]["PickOutboundNumbers"]["json"]
INSTANCE = fixture("responses.json")["2017-07-05"]["GetInstance"]["json"]
NO_RETRY = RetryPolicy(attempts=1)


@asynccontextmanager
async def service(connection, *answers, **fields):
    """Serve these answers one after the other, the last one for ever, and point ccc_default here.

    Gives the requests: their headers, and their forms in ``form``.
    """
    requests, waiting = [], list(answers)

    async def handle(request: web.Request) -> web.Response:
        requests.append(SimpleNamespace(headers=request.headers, query=request.query, form=await request.post()))
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return answer() if callable(answer) else web.json_response(answer)

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", handle)
    async with TestServer(application) as server:
        connection(host=str(server.make_url("/")), **fields)
        yield requests


# --- calls ----------------------------------------------------------------------------------------------------------


def test_pick_outbound_numbers(connection):
    async def main():
        async with service(connection, PICKED) as requests, CccAsyncHook() as hook:
            return await hook.pick_outbound_numbers(CALLEE, [CANDIDATE], count=2, instance_id="other"), requests

    picked, (request,) = asyncio.run(main())
    assert picked.request_id == "DE803553-8AA9-4B9D-9E4E-A82BC69EDCEE"
    assert (picked.pairs[0].callee.number, picked.pairs[0].caller.number) == (CALLEE, CANDIDATE)
    assert dict(request.query) == {"Action": "PickOutboundNumbers", "Version": "2017-07-05"}
    sent = request.form
    assert (sent["InstanceId"], sent["Count"], sent["CandidateNumber.1"]) == ("other", "2", CANDIDATE)


def test_the_other_methods(connection):
    class ListUsers(Operation[str]):
        action = "ListUsers"

        def parameters(self):
            return {"InstanceId": "i"}

        def read(self, tree, request_id):
            return f"{tree['Users']} {request_id}"

    numbers = {"Code": "OK", "PhoneNumbers": {"PhoneNumber": [{"Number": 1089767654}]}}
    users = {"Code": "OK", "Users": "u", "RequestId": "R"}

    async def main():
        answers = (PICKED, INSTANCE, numbers, users)
        async with service(connection, *answers) as requests, CccAsyncHook(instance_id="hooks") as hook:
            await hook.pick_global_outbound_numbers(CALLEE, ["g"], is_virtual=True)
            assert (await hook.get_instance()).status == "Creating"
            assert [n.number for n in await hook.list_phone_numbers(outbound_only=False)] == ["1089767654"]
            assert await hook.call(ListUsers()) == "u R"
            return requests

    picking, instance, numbers, users = asyncio.run(main())
    sent = picking.form
    assert (sent["InstanceId"], sent["SkillGroupId.1"], sent["IsVirtual"]) == ("hooks", "g", "true")
    assert instance.form["InstanceId"] == "hooks"
    assert numbers.form["OutboundOnly"] == "false"
    assert users.query["Action"] == "ListUsers"


def test_nothing_is_sent_where_parameters_are_wrong(connection):
    async def main():
        async with service(connection, PICKED, extra={}) as requests, CccAsyncHook() as hook:
            for arguments in ((CALLEE, CANDIDATE), (CALLEE, []), ("", [CANDIDATE]), (CALLEE, [CANDIDATE])):
                with pytest.raises(errors.CccParameterError):
                    await hook.pick_outbound_numbers(*arguments)
            for wrong in ({"candidate_numbers": CANDIDATE}, {"min_outbound_numbers": -1}):
                with pytest.raises(errors.CccParameterError):
                    await hook.check_health("i", **wrong)
            return requests

    assert asyncio.run(main()) == []


def test_nothing_of_the_extra_becomes_a_header(connection):
    extra = {"instance_id": INSTANCE_ID, "security_token": "sts", "x-secret": "v", "timeout": 3}

    async def main():
        async with service(connection, PICKED, extra=extra) as requests, CccAsyncHook() as hook:
            await hook.pick_outbound_numbers(CALLEE, [CANDIDATE])
            return requests

    (request,) = asyncio.run(main())
    assert {name.title() for name in request.headers} <= {
        *("Host", "User-Agent", "Accept-Encoding", "Accept", "Connection", "Content-Type", "Content-Length"),
    }
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.form["SecurityToken"] == "sts"


def test_cookies_are_not_sent_back(connection):
    def with_cookie():
        return web.json_response(PICKED, headers={"Set-Cookie": "who=you; Path=/"})

    async def main():
        async with service(connection, with_cookie) as requests, CccAsyncHook() as hook:
            for _ in range(2):
                await hook.pick_outbound_numbers(CALLEE, [CANDIDATE])
            return requests

    assert ["Cookie" in request.headers for request in asyncio.run(main())] == [False, False]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(connection, status):
    def moved():
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async def main():
        async with service(connection, moved) as requests, CccAsyncHook() as hook:
            with pytest.raises(errors.CccError, match="redirects are not followed"):
                await hook.get_instance()
            return requests

    assert len(asyncio.run(main())) == 1


def test_each_attempt_is_signed_anew_and_attempt_itself_is_one(connection):
    def busy():
        return web.Response(status=503)

    async def main():
        async with service(connection, busy, busy, PICKED, busy) as requests:
            async with CccAsyncHook(retry=RetryPolicy(first_wait=0.001)) as hook:
                assert (await hook.pick_outbound_numbers(CALLEE, [CANDIDATE])).pairs
                with pytest.raises(errors.CccTransientError, match="HTTP 503"):
                    await hook.attempt(hook.api.get_instance(INSTANCE_ID))
            return requests

    requests = asyncio.run(main())
    for name in ("SignatureNonce", "Signature"):
        assert len({request.form[name] for request in requests}) == len(requests) == 4


# --- the connection, and what `async with` owns ---------------------------------------------------------------------


def test_the_connection_is_looked_up_once(connection, monkeypatch):
    looked_up = []
    original = aio.get_async_connection

    async def counted(conn_id):
        looked_up.append(conn_id)
        return await original(conn_id)

    monkeypatch.setattr(aio, "get_async_connection", counted)
    monkeypatch.setattr(CccAsyncHook, "get_connection", lambda *_: pytest.fail("looked up on the event loop"))

    async def main():
        async with service(connection, PICKED):
            hook = CccAsyncHook()
            for _ in range(2):
                async with hook:
                    await asyncio.gather(*(hook.pick_outbound_numbers(CALLEE, [CANDIDATE]) for _ in range(3)))

    asyncio.run(main())
    assert looked_up == ["ccc_default"]


def test_settings_that_were_read_before_are_not_looked_up_again(connection, monkeypatch):
    monkeypatch.setattr(aio, "get_async_connection", lambda *_: pytest.fail("looked up again"))
    hook = CccAsyncHook()
    assert hook.settings.instance_id == INSTANCE_ID

    async def main():
        async with hook:
            return hook.protocol.endpoint

    assert asyncio.run(main()) is hook.settings.endpoint


def test_entering_does_not_block_the_loop(connection, monkeypatch):
    original = CccAsyncHook._checked
    loop_went_on = threading.Event()

    def slow(*arguments):
        assert loop_went_on.wait(30), "the event loop is blocked"
        return original(*arguments)

    monkeypatch.setattr(CccAsyncHook, "_checked", slow)

    async def main():
        asyncio.get_running_loop().call_later(0.05, loop_went_on.set)
        async with CccAsyncHook() as hook:
            return hook.settings.instance_id

    assert asyncio.run(main()) == INSTANCE_ID


def test_warnings_are_the_other_hooks(connection, logs):
    connection(host="http://10.1.2.3", extra={"verify": False, "instanceid": "i"})

    async def main():
        async with CccAsyncHook():
            pass

    def warnings():
        return sorted(text.replace("CccAsyncHook", "CccHook") for level, text in logs.records if level == "warning")

    asyncio.run(main())
    seen = warnings()
    assert len(seen) == 3
    assert CccHook().settings
    assert len(warnings()) == 2 * len(seen)


def test_a_connection_that_is_missing_or_wrong(connection, monkeypatch):
    async def enter(conn_id):
        async with CccAsyncHook(conn_id) as hook:
            pytest.fail(f"entered {hook}")

    with pytest.raises(AirflowNotFoundException):
        asyncio.run(enter("nobody"))
    connection(password="")
    with pytest.raises(errors.CccParameterError) as caught:
        asyncio.run(enter("ccc_default"))
    assert str(caught.value) == "InvalidArgument: connection 'ccc_default', password (AccessKey Secret): is empty"


def test_calls_outside_of_async_with(connection):
    hook = CccAsyncHook()

    async def main():
        with pytest.raises(RuntimeError, match="within 'async with"):
            await hook.get_instance()
        async with hook:
            pass
        with pytest.raises(RuntimeError, match="within 'async with"):
            await hook.get_instance()

    asyncio.run(main())


def test_connections_are_closed_after_an_error_too(connection):
    """Of the hook nothing stays open: not its sockets, nor its watching of them."""
    hook = CccAsyncHook()

    def sockets():
        return {link for fd in Path("/proc/self/fd").iterdir() if (link := linked(fd)).startswith("socket:")}

    opened = []

    async def fails_within(hook):
        async with hook:
            await hook.get_instance()
            opened.append(len(sockets()))
            raise ZeroDivisionError

    async def main():
        async with service(connection, INSTANCE):
            before = sockets()
            with pytest.raises(ZeroDivisionError):
                await fails_within(hook)
            assert opened[0] > len(before)
            for _ in range(500):  # until the server has noticed, too
                if sockets() == before:
                    return
                await asyncio.sleep(0.01)
            assert sockets() == before

    asyncio.run(main())
    assert hook._exchange is None


def linked(fd):
    try:
        return str(fd.readlink())
    except OSError:  # it was that of the listing itself
        return ""
