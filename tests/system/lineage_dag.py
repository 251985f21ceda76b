"""Campaigns of a file, by one task and by several, of a list and of a function; files are in $CCC_LINEAGE."""

from __future__ import annotations

import os

from airflow.providers.common.compat.lineage.entities import File
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_ccc.operators.ccc import CccMergeManifestsOperator, CccPickOutboundNumbersBatchOperator

FOLDER = os.environ["CCC_LINEAGE"]
CALLEES = f"{FOLDER}/callees.csv"
PICK = {"candidate_numbers": ["01089767654", "02160664656"], "max_failures": 1}


@task
def split():
    from airflow_provider_ccc.campaign.source import split_callees

    return split_callees(CALLEES, batch_size=3)


with DAG("lineage", schedule=None):
    # Its outlet is no dataset: OpenLineage looks at those of tasks only that tell none themselves.
    CccPickOutboundNumbersBatchOperator(
        task_id="whole",
        callees=CALLEES,
        output_path=f"{FOLDER}/{{{{ task.task_id }}}}",
        outlets=[File(url="s3://own/file")],
        **PICK,
    )
    CccPickOutboundNumbersBatchOperator(
        task_id="listed", callees=["13800138000", "02163914848"], output_path=f"file://{FOLDER}/listed", **PICK
    )

    @task.ccc_pick(output_path=f"{FOLDER}/function", **PICK)
    def function(callees, number):
        return [*callees, number]

    function(["13800138000"], number="02163914848")
    batches = split()
    shared = CccPickOutboundNumbersBatchOperator.partial(task_id="shared", output_path=f"{FOLDER}/shared", **PICK)
    merge = CccMergeManifestsOperator(task_id="merge", output_path=f"{FOLDER}/shared", batches=batches)
    shared.expand(callees=batches) >> merge
