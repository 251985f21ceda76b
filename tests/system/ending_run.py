"""One try of a campaign as Airflow runs it, to be ended: ``ending_run.py CALLEES OUTPUT ENDING SECONDS LOOP QPS``.

``ENDING`` is ``timeout``, which is Airflow's own after so many seconds, or ``signal``, which comes from outside. The
handler is that of Airflow's task runner. With ``supervised airflow`` before the other arguments, a process of its own
starts the try and waits for it, and may be killed. It prints ``running`` with the try's process, and ``on_kill`` when
that is heard.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import airflow_provider_ccc.campaign.picking.runner
import airflow_provider_ccc.hooks.ccc
from airflow_provider_ccc.compat import AIRFLOW
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator
from tests.versions import task_timeout

CANDIDATES = ["01089767654", "02160664656", "02083332222"]
PART_SIZE = 20


class Heard(CccPickOutboundNumbersBatchOperator):
    def on_kill(self) -> None:
        os.write(1, b"on_kill\n")  # print could have been interrupted by this very signal
        super().on_kill()


def handle(operator: Heard) -> None:
    """Do what the handler of Airflow's task runner does."""
    operator.on_kill()
    if AIRFLOW < (3, 0):
        from airflow.exceptions import AirflowTaskTerminated

        raise AirflowTaskTerminated("Task received SIGTERM signal")


def main(callees: str, output: str, ending: str, seconds: str, loop: str, qps: str) -> None:
    if loop == "asyncio":
        airflow_provider_ccc.campaign.picking.runner._loop_factory = lambda: None
    operator = Heard(
        task_id="pick",
        callees=callees,
        output_path=output,
        candidate_numbers=CANDIDATES,
        part_size=PART_SIZE,
        max_qps=float(qps) or None,
    )
    signal.signal(signal.SIGTERM, lambda *_: handle(operator))
    limit = task_timeout()(float(seconds)) if ending == "timeout" else contextlib.nullcontext()
    os.write(1, f"running {os.getpid()}\n".encode())
    try:
        with limit:
            operator.execute({})
    except BaseException as error:
        if type(error).__name__ == "AirflowTaskTimeout":
            operator.on_kill()  # as the task runner does
        raise


if __name__ == "__main__":
    if sys.argv[1] == "supervised":
        # A supervisor is known by its command line, which has "airflow" in it.
        sys.exit(subprocess.call([sys.executable, __file__, *sys.argv[3:]]))
    main(*sys.argv[1:])
