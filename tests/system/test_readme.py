"""What README.md shows is what works."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_ccc.hooks.settings import ConnectionSettings
from tests.support import INSTANCE_ID
from tests.versions import connection_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_python_runs(simulate, capsys):
    simulate()
    dag, _, hook = blocks("python")
    names: dict[str, object] = {}
    exec(dag.replace("from airflow.sdk import", "from airflow.providers.common.compat.sdk import"), names)  # noqa: S102
    assert {task.task_id for task in names["pick"].dag.tasks} == {"ready", "pick"}
    assert names["pick"].upstream_task_ids == {"ready"}
    exec(hook, {})  # noqa: S102
    assert capsys.readouterr().out.splitlines()[-1] == "北京 01089767654"


def test_the_campaign_runs_and_writes_the_rows_that_are_shown(simulate, tmp_path):
    simulate()
    (tmp_path / "callees.csv.gz").write_bytes(gzip.compress(b"callee,customer_id\n138 0013 8000,c1\n"))
    _, campaign, _ = blocks("python")
    campaign = campaign.replace("airflow.sdk", "airflow.providers.common.compat.sdk")
    campaign = campaign.replace("/data/campaigns/{{ ds }}", str(tmp_path))
    names: dict[str, object] = {}
    exec(campaign.replace("schedule=None):", "schedule=None) as dag:"), names)  # noqa: S102
    manifest = names["dag"].get_task("pick").execute({})
    assert (manifest["resolved"], manifest["parts"]) == (1, ["part-00000.ndjson"])
    written = json.loads((tmp_path / "pairs" / "part-00000.ndjson").read_text(encoding="utf-8"))
    shown = json.loads(blocks("json")[1])
    assert written | {"caller": {}, "request_id": "..."} == shown | {"caller": {}, "callee": written["callee"]}
    assert written["callee"]["number"] == shown["callee"]["number"]
    assert written["callee"].keys() == written["caller"].keys() == shown["caller"].keys()


@pytest.mark.parametrize("line", [line for block in blocks("console") for line in block.splitlines() if "CONN" in line])
def test_the_connections_are_understood(line):
    value = shlex.split(line)[1].removeprefix("AIRFLOW_CONN_CCC_DEFAULT=")
    if value.startswith("{"):
        fields = json.loads(value)
        connection = Connection(conn_id="c", **fields | {"extra": json.dumps(fields["extra"])})
    else:
        connection = connection_of(value)
    settings = ConnectionSettings.of(connection)
    assert settings.endpoint.url == "https://ccc.cn-shanghai.aliyuncs.com"
    assert settings.instance_id == INSTANCE_ID
    assert settings.credentials.get().access_key_id == "LTAI..."


def test_the_json_is_json():
    pairs, _, seen = (json.loads(block) for block in blocks("json"))
    assert pairs[0].keys() == {"callee", "caller"}
    assert seen["instance_id"] == INSTANCE_ID


def test_the_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", README, re.MULTILINE))
    assert {first or second for first, second in named} <= targets


def test_the_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
