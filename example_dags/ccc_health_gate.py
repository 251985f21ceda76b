"""The sensor in front: start only once the instance is ready and the numbers of this campaign may call out.

``mode="reschedule"`` frees the worker between two looks, which suits an instance that takes minutes to become ready.
What the sensor saw is its XCom value.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersOperator
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor

CANDIDATES = ["01089767654", "02160664656"]


@task
def announce(seen: dict) -> str:
    """Use what the sensor saw."""
    return f"{seen['instance_id']} is {seen['status']}, {seen['outbound_numbers']} numbers may call out"


with DAG(dag_id="ccc_health_gate", schedule=None, tags=["ccc", "example"], doc_md=__doc__):
    ready = CccInstanceHealthSensor(
        task_id="instance_ready",
        candidate_numbers=CANDIDATES,
        min_outbound_numbers=2,
        mode="reschedule",
        poke_interval=60,
        timeout=60 * 60,
    )
    pick = CccPickOutboundNumbersOperator(
        task_id="pick", callee_number="165787876896", candidate_numbers=CANDIDATES, count=2
    )
    announce(ready.output) >> pick
