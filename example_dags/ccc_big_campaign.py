"""A campaign of any size, shared by several workers: split a file, resolve the batches, merge, hand on.

Each batch is one task that resolves thousands of callees and can be retried: it goes on where it was interrupted. The
pairs are in part files below ``output_path``, which all workers must reach: a shared folder, or object storage such as
``s3://aws_default@bucket/campaigns``. Through XCom go ranges of rows and manifests, never numbers of callees. Trigger
it with ``{"callees": "...", "output_path": "..."}``; the column that is read is ``callee``.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_ccc.operators.ccc import CccMergeManifestsOperator, CccPickOutboundNumbersBatchOperator
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor

SAMPLE = Path(__file__).parent / "data" / "callees.csv"
OUTPUT = "{{ params.output_path }}/{{ run_id | replace(':', '-') }}"
SERVED = "{% if params.output_url %}{{ params.output_url }}/{{ run_id | replace(':', '-') }}{% endif %}"


@task
def split(params: dict | None = None) -> list[dict]:
    """Split the file into ranges of rows."""
    from airflow_provider_ccc.campaign.source import split_callees  # not at the top: DAG files are parsed often

    return split_callees(params["callees"], batch_size=params["batch_size"])


@task(show_return_value_in_logs=False)
def own_numbers() -> list[str]:
    """List the numbers that may call out."""
    from airflow_provider_ccc.hooks.ccc import CccHook

    return [number.number for number in CccHook().list_phone_numbers(outbound_only=True)]


@task
def report(manifest: dict) -> str:
    """Say how it went; a real campaign would hand the part files to the dialler here."""
    return (
        f"{manifest['resolved']} resolved, {manifest['failed']} failed, {manifest['skipped']} skipped;"
        f" {manifest['same_city']} of {manifest['pairs']} pairs of the same city"
    )


with DAG(
    dag_id="ccc_big_campaign",
    schedule=None,
    max_active_runs=1,
    params={
        "callees": Param(str(SAMPLE), type="string", title="CSV, NDJSON or Parquet file with a column callee"),
        "output_path": Param(
            "/data/campaigns", type="string", title="Absolute folder or object storage address for the output"
        ),
        "output_url": Param("", type="string", title="Where that is served over http, for the link to the report"),
        "batch_size": Param(10_000, type="integer", minimum=1, title="Callees in a batch"),
    },
    # A worker may be lost under any task, and a database or the service be away for a while.
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    tags=["ccc", "example"],
    doc_md=__doc__,
):
    ready = CccInstanceHealthSensor(task_id="instance_ready", poke_interval=15, timeout=600)
    batches, numbers = split(), own_numbers()
    pick = CccPickOutboundNumbersBatchOperator.partial(
        task_id="pick",
        output_path=OUTPUT,
        candidate_numbers=numbers,
        max_failures=0.01,
        map_index_template="rows {{ task.callees.start + 1 }} to {{ task.callees.stop }}",
    ).expand(callees=batches)
    merge = CccMergeManifestsOperator(
        task_id="merge", output_path=OUTPUT, batches=batches, report=True, output_url=SERVED
    )
    ready >> numbers
    pick >> merge
    report(merge.output)
