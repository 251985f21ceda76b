"""One try of a campaign whose callees a query gives, in a process of its own, to be killed.

``query_run.py OUTPUT [SQL]``; it prints ``running`` when it begins.
"""

from __future__ import annotations

import sys

import airflow_provider_ccc.campaign.picking.runner
import airflow_provider_ccc.hooks.ccc  # noqa: F401 - what execute imports, so that the time after "running" is its own
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator

SQL = "SELECT phone AS callee, customer FROM callees ORDER BY customer"
operator = CccPickOutboundNumbersBatchOperator(
    task_id="pick",
    callees_sql=(sys.argv[2:] or [SQL])[0],
    sql_conn_id="warehouse",
    output_path=sys.argv[1],
    candidate_numbers=["01089767654", "02160664656", "02083332222"],
    part_size=100,
)
print("running", flush=True)
operator.execute({})
