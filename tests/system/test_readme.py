"""What the READMEs show is what works. That their snippets run at all is test_snippets.py's."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from tests.pages import ROOT, snippets
from tests.support import INSTANCE_ID

PAGES = ["README.md", "README.zh-CN.md"]


def blocks(language: str) -> list[str]:
    return [each.text for each in snippets(language) if each.page == "README.md"]


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
    campaign = campaign.replace("/data/campaigns/{DAY}", str(tmp_path))
    names: dict[str, object] = {}
    exec(campaign.replace("max_active_runs=1):", "max_active_runs=1) as dag:"), names)  # noqa: S102
    manifest = names["dag"].get_task("pick").execute({})
    assert (manifest["resolved"], manifest["parts"]) == (1, ["part-00000.ndjson"])
    written = json.loads((tmp_path / "pairs" / "part-00000.ndjson").read_text(encoding="utf-8"))
    shown = json.loads(blocks("json")[1])
    assert written | {"caller": {}, "request_id": "..."} == shown | {"caller": {}, "callee": written["callee"]}
    assert written["callee"]["number"] == shown["callee"]["number"]
    assert written["callee"].keys() == written["caller"].keys() == shown["caller"].keys()


def test_what_the_sensor_sees_is_of_the_examples_instance():
    pairs, _, seen = (json.loads(block) for block in blocks("json"))
    assert pairs[0].keys() == {"callee", "caller"}
    assert seen["instance_id"] == INSTANCE_ID


@pytest.mark.parametrize("page", PAGES)
def test_each_language_leads_to_the_other(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [other for other in PAGES if other != page and f"]({other})" in text]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_the_site_is_linked(page):
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)", (ROOT / page).read_text(encoding="utf-8")))
    own = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert own - linked <= {"reference.md"}


def test_the_tree_of_files_is_that_of_the_checkout():
    (tree,) = blocks("text")
    for name in re.findall(r"^ +([a-z_]+\.py|(?:[a-z]+/ ?)+)", tree, re.MULTILINE):
        for each in name.split():
            assert (ROOT / "airflow_provider_ccc" / each).exists(), each
