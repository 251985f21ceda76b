"""A campaign from a CSV: wait until the instance is ready, resolve every callee, write whom to call from where.

One mapped task per callee, so at most 1024 of them (``[core] max_map_length``); a callee that cannot be resolved fails
its own task only. For more callees, and at a thousandth of the cost, see ``ccc_big_campaign.py``. Candidates are all
numbers of the instance that may call out. Trigger it with ``{"callees_csv": "...", "dial_list_csv": "..."}``; the
column that is read is ``callee``.
"""

from __future__ import annotations

import csv
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, Param, task

from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersOperator
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor

SAMPLE = Path(__file__).parent / "data" / "callees.csv"


@task(show_return_value_in_logs=False)
def read_callees(params: dict | None = None) -> list[str]:
    """Read the column ``callee``."""
    with Path(params["callees_csv"]).open(encoding="utf-8-sig", newline="") as file:
        return [row["callee"] or "" for row in csv.DictReader(file)]


@task(show_return_value_in_logs=False)
def own_numbers() -> list[str]:
    """List the numbers that may call out."""
    from airflow_provider_ccc.hooks.ccc import CccHook  # not at the top: DAG files are parsed often

    return [number.number for number in CccHook().list_phone_numbers(outbound_only=True)]


@task(trigger_rule="all_done")
def write_dial_list(picked: list[list[dict]], params: dict | None = None) -> int:
    """Write the pairs of every callee that was resolved, and say how many these are."""
    rows = [pair for pairs in picked for pair in pairs]
    if not rows:
        raise AirflowFailException("no callee was resolved; the dial list stays as it was")
    path = Path(params["dial_list_csv"])
    aside = path.with_name(path.name + ".part")
    with aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["callee", "callee_city", "callee_province", "caller", "caller_city", "caller_province"])
        for row in rows:
            writer.writerow([*row["callee"].values(), *row["caller"].values()])
    aside.replace(path)
    return len(rows)


with DAG(
    dag_id="ccc_campaign",
    schedule=None,
    max_active_runs=1,
    params={
        "callees_csv": Param(str(SAMPLE), type="string", title="CSV with a column callee"),
        "dial_list_csv": Param("/data/dial_list.csv", type="string", title="Absolute path of the file for the pairs"),
    },
    tags=["ccc", "example"],
    doc_md=__doc__,
):
    ready = CccInstanceHealthSensor(task_id="instance_ready", poke_interval=15, timeout=600)
    candidates = own_numbers()
    pick = CccPickOutboundNumbersOperator.partial(task_id="pick", candidate_numbers=candidates).expand(
        callee_number=read_callees()
    )
    ready >> candidates
    write_dial_list(pick.output)
