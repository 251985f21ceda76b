"""The same callees in two ways: a mapped task for each of them, and a few tasks that resolve thousands each."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ccc.operators.ccc import (
    CccMergeManifestsOperator,
    CccPickOutboundNumbersBatchOperator,
    CccPickOutboundNumbersOperator,
)

CANDIDATES = ["01089767654", "02160664656"]
OUTPUT = "{{ params.output_path }}"


@task
def numbers(params: dict | None = None) -> list[str]:
    """Read the callees."""
    from pathlib import Path

    return Path(params["callees"]).read_text(encoding="utf-8").split()[1:]


@task
def split(params: dict | None = None) -> list[dict]:
    """Split the file into ranges of rows."""
    from airflow_provider_ccc.campaign.source import split_callees

    return split_callees(params["callees"], batch_size=10_000)


with DAG(dag_id="one_task_per_callee", schedule=None, params={"callees": ""}):
    CccPickOutboundNumbersOperator.partial(task_id="pick", candidate_numbers=CANDIDATES).expand(callee_number=numbers())

with DAG(dag_id="batches", schedule=None, params={"callees": "", "output_path": ""}):
    ranges = split()
    pick = CccPickOutboundNumbersBatchOperator.partial(
        task_id="pick", output_path=OUTPUT, candidate_numbers=CANDIDATES
    ).expand(callees=ranges)
    pick >> CccMergeManifestsOperator(task_id="merge", output_path=OUTPUT, batches=ranges)
