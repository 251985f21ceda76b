"""Resolve one callee: which of our own numbers should show on its phone?

Trigger it with ``{"callee": "13800138000"}``. The pair is the task's XCom value.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersOperator

with DAG(
    dag_id="ccc_pick_one",
    schedule=None,
    params={"callee": Param("165787876896", type="string", title="Whom to call")},
    tags=["ccc", "example"],
    doc_md=__doc__,
):
    CccPickOutboundNumbersOperator(
        task_id="pick",
        callee_number="{{ params.callee }}",
        candidate_numbers=["01089767654", "02160664656", "057188156688"],
    )
