"""When a report is written, and what becomes of it; how it looks is in tests/system/ui."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ccc import compat
from airflow_provider_ccc.campaign.output.parts import completed
from airflow_provider_ccc.campaign.output.storage import LocalFolder, StorageError
from airflow_provider_ccc.campaign.output.timeline import Timeline
from airflow_provider_ccc.campaign.source import split_callees
from airflow_provider_ccc.endings import StoppedError
from airflow_provider_ccc.links.ccc import CccReportLink
from airflow_provider_ccc.operators.ccc import CccMergeManifestsOperator, CccPickOutboundNumbersBatchOperator
from tests.versions import attach

CANDIDATES = ["01089767654", "02160664656"]
CALLEES = [str(13800138000 + place) for place in range(20)]


def batch(callees, output, **arguments) -> CccPickOutboundNumbersBatchOperator:
    arguments = {"candidate_numbers": CANDIDATES, "part_size": 5, "report": True} | arguments
    return CccPickOutboundNumbersBatchOperator(task_id="pick", callees=callees, output_path=output, **arguments)


def timeline(folder: Path) -> Timeline:
    total = Timeline()
    for state in completed(LocalFolder(folder)).values():
        total.add(state.tally.timeline)
    return total


def test_the_manifest_names_the_report(simulate, tmp_path):
    simulate()
    manifest = batch(CALLEES, tmp_path / "with").execute({})
    assert manifest["report"] == "report.html"
    assert (tmp_path / "with" / "report.html").is_file()
    assert json.loads((tmp_path / "with" / "_manifest.json").read_bytes()) == manifest
    assert "report" not in batch(CALLEES, tmp_path / "without", report=False).execute({})
    assert not (tmp_path / "without" / "report.html").exists()


def test_a_complete_campaign_gets_the_report_that_it_lacks(simulate, tmp_path):
    simulator = simulate()
    batch(CALLEES, tmp_path, report=False).execute({})
    asked = len(simulator.journal)
    manifest = batch(CALLEES, tmp_path).execute({})
    written = (tmp_path / "report.html").read_bytes()
    (tmp_path / "report.html").unlink()
    assert batch(CALLEES, tmp_path).execute({}) == manifest
    assert (tmp_path / "report.html").read_bytes() == written
    assert len(simulator.journal) == asked


def test_an_interrupted_campaign_counts_nothing_twice_and_loses_nothing(simulate, tmp_path):
    simulate(latency_ms=20)
    callees = [str(13800138000 + place) for place in range(400)]
    first = batch(callees, tmp_path, concurrency=4)

    def stop() -> None:
        while not (tmp_path / "_state" / "part-00003.json").exists():
            time.sleep(0.01)
        first.on_kill()

    # A daemon: a campaign that fails before is reported, and must not keep the process as well.
    stopping = threading.Thread(target=stop, daemon=True)
    stopping.start()
    with pytest.raises(StoppedError):
        first.execute({})
    stopping.join()
    kept = completed(LocalFolder(tmp_path))
    assert 0 < sum(timeline(tmp_path).finished.values()) == 5 * len(kept) < 400
    manifest = batch(callees, tmp_path).execute({})
    assert sum(timeline(tmp_path).finished.values()) == sum(manifest["provinces"].values()) == 400


def test_a_campaign_does_not_fail_for_its_report(simulate, tmp_path, monkeypatch, logs):
    """It is complete without one; the task cleared writes it."""
    simulator = simulate()
    write = LocalFolder.write

    def refuse(folder, name, data):
        if name == "report.html":
            raise StorageError(name)
        write(folder, name, data)

    monkeypatch.setattr(LocalFolder, "write", refuse)
    assert "report" not in batch(CALLEES, tmp_path).execute({})
    assert "report" not in json.loads((tmp_path / "_manifest.json").read_text(encoding="utf-8"))
    assert any(level == "warning" and "its report cannot be made" in text for level, text in logs.records)
    asked = len(simulator.journal)
    monkeypatch.setattr(LocalFolder, "write", write)
    assert batch(CALLEES, tmp_path).execute({})["report"] == "report.html"
    assert (tmp_path / "report.html").is_file()
    assert len(simulator.journal) == asked


def test_another_campaigns_report_is_replaced_with_it(simulate, tmp_path):
    simulate()
    batch(CALLEES, tmp_path).execute({})
    batch(CALLEES[:3], tmp_path, report=False, on_stale_output="replace").execute({})
    assert not (tmp_path / "report.html").exists()


def test_it_goes_to_an_object_storage_too(simulate):
    import fsspec

    simulate()
    stored = fsspec.filesystem("memory")
    attach("memory", fs=stored)
    batch(CALLEES, "memory://campaigns/reported").execute({})
    assert b"Campaign report" in stored.cat("/campaigns/reported/report.html")


def test_batches_have_one_report(simulate, tmp_path):
    simulate()
    (tmp_path / "c.csv").write_text("callee\n" + "\n".join(CALLEES), encoding="utf-8")
    batches = split_callees(tmp_path / "c.csv", batch_size=8)
    for each in batches:
        batch(each, tmp_path / "out", report=False).execute({})

    def merge(**arguments):
        return CccMergeManifestsOperator(
            task_id="merge", output_path=tmp_path / "out", batches=batches, **arguments
        ).execute({})

    assert "report" not in merge()
    manifest = merge(report=True)
    assert (manifest["report"], manifest["source"]) == ("report.html", "c.csv")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert re.search(r'id="resolved" value="20"', page)
    assert "in 3 batches" in page
    assert manifest["callers"] == {"01089767654": 20, "02160664656": 0}  # all callees are in Beijing
    assert "1 of 2 candidates was used" in page
    assert [path.parent.name for path in tmp_path.rglob("report.html")] == ["out"]
    assert "report" not in merge()
    assert not list(tmp_path.rglob("report.html"))  # it might be of other callees


@pytest.mark.parametrize("missing", [True, False])
def test_what_is_wrong_with_a_report_ends_the_task_before_any_request(simulate, tmp_path, monkeypatch, missing):
    simulator = simulate()
    wrong: dict[str, object] = {"output_url": "nowhere"}
    if missing:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
        wrong = {}
    says = r"install airflow-provider-ccc\[report\]" if missing else "output_url"
    with pytest.raises(AirflowFailException, match=says):
        batch(CALLEES, tmp_path, **wrong).execute({})
    with pytest.raises(AirflowFailException, match=says):
        CccMergeManifestsOperator(task_id="m", output_path=tmp_path, batches=[], report=True, **wrong).execute({})
    assert simulator.journal == []
    assert not list(tmp_path.iterdir())


def test_a_link_leads_to_a_report_that_is_served(simulate, tmp_path, monkeypatch):
    monkeypatch.setattr(compat, "TASKS_MAKE_LINKS", True)
    simulate()
    (tmp_path / "c.csv").write_text("callee\n13800138000\n", encoding="utf-8")
    batches = split_callees(tmp_path / "c.csv", batch_size=8)
    out, served = tmp_path / "out", {"output_url": "https://files.example.com/c"}

    def link(operator) -> str:
        task = SimpleNamespace()
        operator.execute({"ti": SimpleNamespace(task=task)})
        return CccReportLink().get_link(task, ti_key=None)

    assert link(batch(batches[0], out, **served)) == "https://files.example.com/c/batch-00000/report.html"
    for report, expected in ((True, "https://files.example.com/c/report.html"), (False, "")):
        merge = CccMergeManifestsOperator(task_id="m", output_path=out, batches=batches, report=report, **served)
        assert link(merge) == expected
        assert link(batch(CALLEES, tmp_path / f"list-{report}", report=report, **served)) == expected
    assert link(batch(CALLEES, tmp_path / "list-True")) == ""
    for operator in (CccPickOutboundNumbersBatchOperator, CccMergeManifestsOperator):
        assert "output_url" in operator.template_fields
        assert any(isinstance(each, CccReportLink) for each in operator.operator_extra_links)
