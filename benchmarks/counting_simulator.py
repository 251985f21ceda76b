"""The simulator, with a record of when which client was accepted or throttled. A process of its own.

The simulator is the one of ``python -m airflow_provider_ccc.simulator``, with this around it. The first line it prints
is its address; for each line that it reads it prints what happened so far, as a JSON list of
``[seconds, client, outcome]``. A client is known by the first three digits of its callees.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from typing import TYPE_CHECKING

from airflow_provider_ccc.simulator.server import SimulatorSettings, running

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CALLEE = re.compile(rb"CalleeNumber=(\d{3})")


class Record:
    """What happened, oldest first."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str, str]] = []
        self._start = time.monotonic()

    def around(self, app: ASGIApp) -> ASGIApp:
        """Wrap the application, so that each of its answers is noted."""

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            client, status = "", 0

            async def received() -> Message:
                nonlocal client
                message = await receive()
                if found := _CALLEE.search(message.get("body", b"")):
                    client = found[1].decode()
                return message

            async def sent(message: Message) -> None:
                nonlocal status
                status = message.get("status", status)
                if body := message.get("body", b""):
                    throttled = b"Throttling" in body
                    outcome = "throttled" if throttled else "accepted" if status == 200 else "other"
                    self.events.append((round(time.monotonic() - self._start, 3), client, outcome))
                await send(message)

            await app(scope, received, sent)

        return noted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qps", type=int, required=True)
    parser.add_argument("--port", type=int, default=0)
    record = Record()
    settings = SimulatorSettings(**vars(parser.parse_args()), journal_size=0)
    with running(settings, wrap=record.around) as simulator:
        print(simulator.url, flush=True)
        for _ in sys.stdin:
            print(json.dumps(record.events), flush=True)


if __name__ == "__main__":
    main()
