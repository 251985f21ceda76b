"""One try of a campaign in a process of its own, to be killed: ``campaign_run.py CALLEES OUTPUT``.

It prints ``running`` when it begins, and on SIGTERM does what Airflow's task runner does.
"""

from __future__ import annotations

import signal
import sys

import airflow_provider_ccc.campaign.picking.runner
import airflow_provider_ccc.hooks.ccc  # noqa: F401 - what execute imports, so that the time after "running" is its own
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator

operator = CccPickOutboundNumbersBatchOperator(
    task_id="pick",
    callees=sys.argv[1],
    output_path=sys.argv[2],
    candidate_numbers=["01089767654", "02160664656", "02083332222"],
    part_size=250,
)
signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
print("running", flush=True)
operator.execute({})
