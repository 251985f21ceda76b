"""Runs everything that logs or raises, at DEBUG, for test_leaks.py, which reads what this prints.

Arguments: the address of a server that answers every request with an error that repeats the whole request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from urllib.parse import quote

logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")

from airflow_provider_ccc.client.retry import RetryPolicy  # noqa: E402
from airflow_provider_ccc.hooks.ccc import CccAsyncHook, CccHook  # noqa: E402
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersOperator  # noqa: E402
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor  # noqa: E402

CALLEE, CANDIDATES = "165787876896", ["01089767654", "021-6066-4656"]
RETRY = RetryPolicy(attempts=3, first_wait=0.001, longest_wait=0.01)


class TaskInstance:
    def xcom_push(self, key: str, value: object) -> None:
        pass


def connection(host: str, secret: str, token: str | None, **extra: object) -> None:
    os.environ["AIRFLOW_CONN_CCC_DEFAULT"] = json.dumps(
        {
            "conn_type": "ccc",
            "login": "testid",
            "password": secret,
            "host": host,
            "extra": {"instance_id": "i", "security_token": token} | extra,
        }
    )


def show(name: str, run: Callable[[], object]) -> None:
    """Print how it ends, as an exception is printed wherever Airflow or a user may print it."""
    print("===", name)
    try:
        print(repr(run()))
    except Exception as error:
        print(str(error), repr(error), vars(error))
        traceback.print_exc()
        logging.getLogger("airflow.task").exception("failed")
        CccHook().log.exception("failed")


def in_a_loop(method: str, *arguments: object) -> object:
    """Make a call of the asynchronous hook, on a loop that logs all that it does and what each task returned."""

    async def main() -> object:
        asyncio.get_running_loop().slow_callback_duration = 0.0
        async with CccAsyncHook(retry=RETRY) as hook:
            logging.getLogger("airflow.task").info("%r %r %r", hook, hook.settings, hook.protocol)
            calls = (asyncio.create_task(getattr(hook, method)(*arguments)) for _ in range(2))
            return await asyncio.gather(*calls)

    return asyncio.run(main(), debug=True)


def abandoned() -> None:
    """Let calls fail that nobody waits for, which asyncio reports when it forgets them, and cancel one."""

    async def main() -> None:
        async with CccAsyncHook(retry=RETRY) as hook:
            lost = asyncio.create_task(hook.pick_outbound_numbers(CALLEE, CANDIDATES))
            await asyncio.wait([lost])
            cancelled = asyncio.create_task(hook.pick_outbound_numbers(CALLEE, CANDIDATES))
            await asyncio.sleep(0)
            cancelled.cancel()
            await cancelled

    asyncio.run(main(), debug=True)


def everything(name: str) -> None:
    hook = CccHook(retry=RETRY)
    pick = CccPickOutboundNumbersOperator(task_id="p", callee_number=CALLEE, candidate_numbers=CANDIDATES)
    pick.hook = CccHook(retry=RETRY)
    sensor = CccInstanceHealthSensor(task_id="s", candidate_numbers=CANDIDATES, timeout=0, poke_interval=0)
    sensor.hook = CccHook(retry=RETRY)
    show(f"{name}: hook", lambda: hook.pick_outbound_numbers(CALLEE, CANDIDATES))
    show(f"{name}: global", lambda: hook.pick_global_outbound_numbers(CALLEE, ["g"]))
    show(f"{name}: numbers", lambda: hook.list_phone_numbers())
    show(f"{name}: operator", lambda: len(pick.execute({"ti": TaskInstance()})))
    show(f"{name}: sensor", lambda: sensor.execute({}))
    show(f"{name}: asynchronous", lambda: in_a_loop("pick_outbound_numbers", CALLEE, CANDIDATES))
    show(f"{name}: asynchronous global", lambda: in_a_loop("pick_global_outbound_numbers", CALLEE, ["g"]))
    show(f"{name}: asynchronous numbers", lambda: in_a_loop("list_phone_numbers"))
    show(f"{name}: asynchronous health", lambda: in_a_loop("check_health", None))
    show(f"{name}: test", lambda: CccHook().test_connection())
    show(f"{name}: printed", lambda: (hook.settings, hook.protocol, hook))


def main() -> None:
    server, simulator, secret, token = sys.argv[1:5]
    for code in sys.argv[5:]:
        connection(server, secret, token, instance_id=code)  # the server answers with the instance as its code
        everything(code)
    connection(simulator, secret, token, instance_id="9cfad875-6260-4a53-ab6e-b13e3fb31f7d")
    everything("success")
    connection(server, secret, token, instance_id="SignatureDoesNotMatch")
    try:
        abandoned()
    except asyncio.CancelledError:
        traceback.print_exc()
    connection("http://127.0.0.1:1", secret, token)
    everything("refused")
    connection("http://127.0.0.1:1", secret, token, proxy=f"http://user:{secret}@127.0.0.1:2")
    everything("proxy")
    encoded = quote(secret, safe="")
    connection("https://ccc.invalid", secret, token, proxy=server.replace("://", f"://user:{encoded}@"))
    everything("proxy that refuses")
    connection("https://ccc.invalid", secret, token, proxy=f"http://user:{encoded}@h:99999")
    everything("proxy that is no address")
    connection("https://ccc.invalid", secret, token, proxy=f"socks5://user:{encoded}@h")
    everything("proxy of another kind")
    connection(simulator.replace("http:", "https:"), secret, token)
    everything("no TLS")
    connection("nowhere.invalid", secret, token)
    everything("unknown host")
    connection(f"http://u:{secret}@h", secret, token)
    everything("credentials in the host")
    connection(simulator, secret + " ", token)
    everything("spaces")
    for callee in ("165787876896x", "+1 165787876896", 165787876896):
        show("callee", lambda callee=callee: CccHook().pick_outbound_numbers(callee, CANDIDATES))
        show("asynchronous callee", lambda callee=callee: in_a_loop("pick_outbound_numbers", callee, CANDIDATES))
    show("duplicates", lambda: CccHook().pick_outbound_numbers(CALLEE, [CANDIDATES[0], CANDIDATES[0]]))


if __name__ == "__main__":
    main()
