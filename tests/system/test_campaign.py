"""Whole campaigns over real HTTP: complete and right whatever happens on the way."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ccc.campaign.output.parts import completed
from airflow_provider_ccc.campaign.output.storage import LocalFolder, StorageError
from airflow_provider_ccc.campaign.picking import outage
from airflow_provider_ccc.campaign.source import split_callees
from airflow_provider_ccc.client.errors import CccError
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.endings import StoppedError
from airflow_provider_ccc.hooks.ccc import CccAsyncHook
from airflow_provider_ccc.operators.ccc import CccMergeManifestsOperator, CccPickOutboundNumbersBatchOperator
from tests.versions import attach, task_timeout

CANDIDATES = ["01089767654", "02160664656", "02083332222"]
NEVER_CHOSEN = dict.fromkeys(CANDIDATES, 0)
#: The size that the project promises is 20,000 callees and 20 kills; it takes two minutes.
CALLEES, KILLS = (20_000, 20) if os.environ.get("CCC_FULL") else (4_000, 6)


def write_callees(path: Path, count: int) -> Path:
    lines = (f"{13800000000 + 37 * index},c{index}\n" for index in range(count))
    path.write_text("callee,customer\n" + "".join(lines), encoding="utf-8")
    return path


def resolve(callees, output, **arguments):
    arguments = {"candidate_numbers": CANDIDATES, "part_size": 100} | arguments
    return CccPickOutboundNumbersBatchOperator(
        task_id="pick", callees=callees, output_path=output, **arguments
    ).execute({})


def lines(folder: Path, kind: str = "part") -> list[dict]:
    files = sorted(folder.glob(f"{kind}-*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def without_ids(rows: list[dict]) -> list[dict]:
    return [row | {"request_id": ""} for row in rows]


def start(callees: Path, output: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("campaign_run.py"), callees, output],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "running\n" in iter(process.stdout.readline, "")  # Airflow 3.0 logs there as well
    return process


def test_every_callee_is_resolved_though_every_third_request_fails(simulate, tmp_path):
    simulator = simulate(fault_rate=0.3)
    manifest = resolve(write_callees(tmp_path / "callees.csv", 1000), tmp_path / "out")
    rows = lines(tmp_path / "out")
    assert [row["row"] for row in rows] == list(range(1, 1001))
    assert [row["source"]["customer"] for row in rows] == [f"c{index}" for index in range(1000)]
    assert (manifest["callees"], manifest["resolved"], manifest["failed"], manifest["pairs"]) == (1000, 1000, 0, 1000)
    assert manifest["calls"] == len(simulator.journal) == 1000 + manifest["retried"]
    assert manifest["callers"] == {**NEVER_CHOSEN, **Counter(row["caller"]["number"] for row in rows)}
    for place in ("city", "province"):
        same = sum(row["callee"][place] == row["caller"][place] != "" for row in rows)
        assert manifest[f"same_{place}"] == same
    assert len({record.nonce for record in simulator.journal}) == len(simulator.journal)
    assert manifest == json.loads((tmp_path / "out" / "_manifest.json").read_text(encoding="utf-8"))


def test_killed_at_random_moments_it_ends_as_if_undisturbed(simulate, tmp_path):
    """With CCC_FULL in the environment: 20,000 callees and 20 kills."""
    simulate(fault_rate=0.02)
    callees = write_callees(tmp_path / "callees.csv", CALLEES)
    undisturbed = start(callees, tmp_path / "undisturbed")
    assert undisturbed.wait() == 0, undisturbed.stderr.read()
    source = random.Random(20260)
    for _ in range(KILLS):
        process = start(callees, tmp_path / "killed")
        time.sleep(source.uniform(0.1, 1.6))
        process.kill()
        process.communicate()
    last = start(callees, tmp_path / "killed")
    last.communicate()
    assert last.returncode == 0
    rows = lines(tmp_path / "killed")
    assert [row["row"] for row in rows] == list(range(1, CALLEES + 1))
    assert without_ids(rows) == without_ids(lines(tmp_path / "undisturbed"))
    assert not list((tmp_path / "killed").rglob("*.partial"))
    # The report's figures, which are counted as callees are finished.
    states = completed(LocalFolder(tmp_path / "killed")).values()
    assert sum(sum(state.tally.timeline.finished.values()) for state in states) == CALLEES


def test_terminated_it_ends_soon_and_goes_on_where_it_was(simulate, tmp_path):
    simulator = simulate(latency_ms=50)
    callees = write_callees(tmp_path / "callees.csv", 10_000)
    process = start(callees, tmp_path / "out")
    while not list((tmp_path / "out").glob("_state/*")):
        time.sleep(0.05)
    process.terminate()
    # Airflow gives a task five seconds before it kills it; a busy machine gives a process less than that to run in.
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "StoppedError" in errors
    kept = lines(tmp_path / "out")
    assert 0 < len(kept) < 10_000
    before = len(simulator.journal)
    write_callees(callees, 10_000)
    process = start(callees, tmp_path / "out")
    process.communicate()
    asked = {record.parameters["CalleeNumber"] for record in simulator.journal[before:]}
    assert not asked & {row["callee"]["number"] for row in kept}
    assert len(lines(tmp_path / "out")) == 10_000


def test_stopped_before_it_begins_it_asks_for_nothing(simulate, tmp_path):
    simulator = simulate(latency_ms=200)
    operator = CccPickOutboundNumbersBatchOperator(
        task_id="pick", callees=["13800138000"], output_path=tmp_path, candidate_numbers=CANDIDATES
    )
    operator.on_kill()
    with pytest.raises(StoppedError):
        operator.execute({})
    assert len(simulator.journal) <= 1
    assert not list(tmp_path.glob("part-*"))


def test_what_becomes_of_each_row(simulate, tmp_path):
    simulate()
    (tmp_path / "c.csv").write_text(
        "callee,customer\n13800138000,a\n\n+86 138 0013 8000,b\nnone,c\n,d\n02163914848,e\n", encoding="utf-8"
    )
    manifest = resolve(tmp_path / "c.csv", tmp_path / "out", max_failures=0.5)
    counts = ("callees", "resolved", "failed", "skipped", "malformed", "empty_lines")
    assert [manifest[name] for name in counts] == [5, 2, 2, 1, 2, 1]
    assert manifest["codes"] == {"InvalidArgument": 2}
    assert [(row["row"], row["source"]["customer"]) for row in lines(tmp_path / "out")] == [(1, "a"), (5, "e")]
    failures = lines(tmp_path / "out", "failures")
    assert [(row["row"], row["code"], row["source"]["customer"]) for row in failures] == [
        (3, "InvalidArgument", "c"),
        (4, "InvalidArgument", "d"),
    ]
    (skipped,) = lines(tmp_path / "out", "skipped")
    assert (skipped["row"], skipped["reason"], skipped["source"]["customer"]) == (2, "duplicate", "b")
    assert manifest["failures"] == ["failures-00000.ndjson"]
    assert manifest["skips"] == ["skipped-00000.ndjson"]


def test_malformed_numbers_beyond_max_failures_cost_no_request(simulate, tmp_path):
    simulator = simulate()
    with pytest.raises(AirflowFailException, match=r"2 of 3 callees are malformed.* allows 1: row 2: callee: "):
        resolve(["13800138000", "x", ""], tmp_path / "out", max_failures=1)
    assert simulator.journal == []
    assert resolve(["13800138000", "x", ""], tmp_path / "out", max_failures=2)["resolved"] == 1


def test_refused_credentials_end_it_at_once(simulate, connection, tmp_path):
    simulator = simulate()
    connection(host=simulator.url, password="another")
    with pytest.raises(AirflowFailException, match="SignatureDoesNotMatch"):
        resolve(write_callees(tmp_path / "c.csv", 5000), tmp_path / "out", concurrency=8, max_failures=1.0)
    assert 0 < len(simulator.journal) <= 8
    assert lines(tmp_path / "out", "failures") == []


def test_an_outage_ends_it_with_an_error_that_a_retry_may_mend(simulate, monkeypatch, tmp_path):
    monkeypatch.setattr(
        CccAsyncHook.__init__, "__kwdefaults__", {"instance_id": None, "retry": RetryPolicy(attempts=2)}
    )
    monkeypatch.setattr(outage, "PATIENCE", 2.0)
    simulate(fault_rate=1.0)
    with pytest.raises(CccError) as caught:
        resolve(write_callees(tmp_path / "c.csv", 50), tmp_path / "out", concurrency=2, max_failures=1.0)
    assert caught.value.retryable
    assert not list((tmp_path / "out").glob("part-*"))


def test_what_is_throttled_is_asked_again(simulate, tmp_path):
    simulator = simulate(qps=100)
    manifest = resolve(write_callees(tmp_path / "c.csv", 500), tmp_path / "out")
    assert manifest["resolved"] == 500
    assert manifest["throttled"] == sum(record.code == "Throttling.User" for record in simulator.journal) > 0
    assert manifest["retried"] == 0


@pytest.mark.parametrize(
    "change", [{"count": 2}, {"candidate_numbers": CANDIDATES[:2]}, {"part_size": 50}, {"output_format": "csv"}]
)
def test_the_output_of_other_parameters_is_refused_or_replaced(simulate, tmp_path, change):
    simulator = simulate()
    resolve(["13800138000"], tmp_path / "out")
    before = content(tmp_path / "out")
    asked = len(simulator.journal)
    with pytest.raises(AirflowFailException, match=f"output_path: .*differs in {next(iter(change))}"):
        resolve(["13800138000"], tmp_path / "out", **change)
    assert content(tmp_path / "out") == before
    assert len(simulator.journal) == asked
    assert resolve(["13800138000"], tmp_path / "out", **change, on_stale_output="replace")["resolved"] == 1


def test_other_callees_are_refused_or_replaced(simulate, tmp_path):
    simulate()
    resolve(["13800138000", "13800138001"], tmp_path / "out", part_size=1)
    with pytest.raises(AirflowFailException, match="differs in callees"):
        resolve(["13800138009"], tmp_path / "out", part_size=1)
    resolve(["13800138009"], tmp_path / "out", part_size=1, on_stale_output="replace")
    assert [row["callee"]["number"] for row in lines(tmp_path / "out")] == ["13800138009"]


def test_what_is_complete_is_not_repeated(simulate, tmp_path):
    simulator = simulate()
    first = resolve(["13800138000"], tmp_path / "out")
    asked = len(simulator.journal)
    assert resolve(["13800138000"], tmp_path / "out", concurrency=1, max_failures=1) == first
    assert len(simulator.journal) == asked


@pytest.mark.parametrize("name", ["_campaign.json", "_state/part-00000.json", "_manifest.json"])
def test_a_state_that_cannot_be_read_is_no_empty_one(simulate, tmp_path, name):
    simulator = simulate()
    resolve(["13800138000"], tmp_path / "out")
    asked = len(simulator.journal)
    (tmp_path / "out" / name).write_text("{", encoding="utf-8")
    with pytest.raises(StorageError, match=Path(name).name):
        resolve(["13800138000"], tmp_path / "out")
    assert len(simulator.journal) == asked


def test_all_formats_and_storages_hold_the_same(simulate, tmp_path):
    import fsspec
    import pyarrow.parquet

    simulate()
    callees = write_callees(tmp_path / "c.csv", 30)
    flat = [
        [str(row["row"]), *row["callee"].values(), *row["caller"].values(), *row["source"].values()]
        for row in _resolved(resolve(callees, tmp_path / "ndjson", part_size=10), tmp_path / "ndjson")
    ]
    resolve(callees, tmp_path / "csv", part_size=10, output_format="csv")
    found = []
    for file in sorted((tmp_path / "csv").glob("part-*.csv")):
        with file.open(encoding="utf-8", newline="") as opened:
            header, *rows = csv.reader(opened)
            found += [row[:7] + row[8:] for row in rows]
    assert header[7:] == ["request_id", "source_callee", "source_customer"]
    assert found == flat
    resolve(callees, tmp_path / "parquet", part_size=10, output_format="parquet")
    files = sorted((tmp_path / "parquet").glob("part-*.parquet"))
    rows = [list(row.values()) for file in files for row in pyarrow.parquet.read_table(file).to_pylist()]
    assert [[str(value) for value in row[:7] + row[8:]] for row in rows] == flat
    stored = fsspec.filesystem("memory")
    attach("memory", fs=stored)
    resolve(callees, "memory://campaigns/out", part_size=10)
    rows = [json.loads(line) for name in stored.glob("/campaigns/out/part-*") for line in stored.cat(name).splitlines()]
    assert without_ids(rows) == without_ids(lines(tmp_path / "ndjson"))
    assert resolve(callees, "memory://campaigns/out", part_size=10)["resolved"] == 30


def content(folder: Path) -> dict[Path, bytes]:
    """Give the files of a folder but the one that says who owns it."""
    return {path: path.read_bytes() for path in folder.rglob("*.*") if path.parent.name != "_owner"}


def _resolved(manifest: dict, folder: Path) -> list[dict]:
    assert manifest["parts"] == [f"part-{number:05d}.ndjson" for number in range(3)]
    return lines(folder)


def test_batches_are_merged(simulate, tmp_path):
    simulate()
    callees = write_callees(tmp_path / "c.csv", 25)
    with callees.open("a", encoding="utf-8") as file:
        file.write("13800000000,twice\n")
    batches = split_callees(callees, batch_size=10)

    def merge():
        return CccMergeManifestsOperator(task_id="merge", output_path=tmp_path / "out", batches=batches).execute({})

    for batch in batches[:2]:
        resolve(batch, tmp_path / "out")
    with pytest.raises(AirflowFailException, match="2 is not complete"):
        merge()
    resolve(batches[2], tmp_path / "out")
    manifest = merge()
    assert (manifest["callees"], manifest["resolved"], manifest["skipped"], manifest["batches"]) == (26, 25, 1, 3)
    rows = [row for name in manifest["parts"] for row in _read(tmp_path / "out" / name)]
    assert [row["row"] for row in rows] == list(range(1, 26))
    assert manifest["callers"] == {**NEVER_CHOSEN, **Counter(row["caller"]["number"] for row in rows)}
    with pytest.raises(AirflowFailException, match="all the ranges"):
        CccMergeManifestsOperator(task_id="merge", output_path=tmp_path / "out", batches=batches[1:]).execute({})


def test_a_fraction_of_failures_is_of_the_whole_campaign(simulate, connection, tmp_path):
    """The last batch has one row only, and that is malformed: of its own rows, one of a hundred is none."""
    simulator = simulate()
    callees = write_callees(tmp_path / "c.csv", 200)
    with callees.open("a", encoding="utf-8") as file:
        file.write("13800x,odd\n")
    batches = split_callees(callees, batch_size=100)

    def merge():
        return CccMergeManifestsOperator(task_id="merge", output_path=tmp_path / "out", batches=batches).execute({})

    for batch in batches:
        resolve(batch, tmp_path / "out", max_failures=0.01)
    manifest = merge()
    assert (manifest["callees"], manifest["resolved"], manifest["failed"]) == (201, 200, 1)

    # Each batch alone has what the campaign may have, and together they have more.
    callees.write_text("callee\n" + "13800x\n13800000000\n" * 3, encoding="utf-8")
    batches = split_callees(callees, batch_size=2)
    for batch in batches:
        resolve(batch, tmp_path / "out", max_failures=1, on_stale_output="replace")
    with pytest.raises(
        AirflowFailException, match=r"3 of the campaign's 6 callees failed, and max_failures allows 1\b"
    ):
        merge()
    # As the error says: a higher one, and a batch's task cleared. Nobody is asked about again.
    asked = len(simulator.journal)
    resolve(batches[0], tmp_path / "out", max_failures=3)
    assert merge()["failed"] == 3
    assert len(simulator.journal) == asked


def test_rows_that_were_appended_cost_only_themselves(simulate, tmp_path):
    """Whatever of the earlier try is done stays as it is; a row of it that changed is refused."""
    simulator = simulate()
    numbers = [str(13800138000 + place) for place in range(7)]
    first = resolve(numbers[:5], tmp_path / "out", part_size=2)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("part-*")}
    with pytest.raises(AirflowFailException, match=r"differs in callees \(5 rows then, 7 now\)"):
        resolve(numbers, tmp_path / "out", part_size=2)
    with pytest.raises(AirflowFailException, match="cannot be extended: a row from 3 to 4 has changed"):
        resolve([*numbers[:3], *numbers[4:]], tmp_path / "out", part_size=2, on_stale_output="extend")
    with pytest.raises(AirflowFailException, match="cannot be extended: the source had 5 rows, and has 4 now"):
        resolve(numbers[:4], tmp_path / "out", part_size=2, on_stale_output="extend")
    asked = len(simulator.journal)
    second = resolve(numbers, tmp_path / "out", part_size=2, on_stale_output="extend")
    assert len(simulator.journal) - asked == 2
    assert (first["resolved"], second["resolved"]) == (5, 7)
    assert [row["callee"]["number"] for row in lines(tmp_path / "out")] == numbers
    assert {name: (tmp_path / "out" / name).read_bytes() for name in kept} == kept
    assert resolve(numbers, tmp_path / "out", part_size=2) == second


def test_batches_beyond_todays_are_refused_or_removed(simulate, tmp_path):
    simulate()
    arguments = {"on_stale_output": "replace"}
    for batch in split_callees(write_callees(tmp_path / "c.csv", 25), batch_size=10):
        resolve(batch, tmp_path / "out")
    fewer = split_callees(write_callees(tmp_path / "d.csv", 12), batch_size=10)
    with pytest.raises(AirflowFailException, match="it has the sub-folder batch-00002"):
        resolve(fewer[0], tmp_path / "out")
    for batch in fewer:
        resolve(batch, tmp_path / "out", **arguments)
    manifest = CccMergeManifestsOperator(task_id="merge", output_path=tmp_path / "out", batches=fewer).execute({})
    assert sorted(path.name for path in (tmp_path / "out").glob("batch-*")) == ["batch-00000", "batch-00001"]
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("part-*.ndjson")}
    assert found == set(manifest["parts"])
    with pytest.raises(AirflowFailException, match="it was split into batches"):
        resolve(["13800138000"], tmp_path / "out")
    resolve(["13800138000"], tmp_path / "out", **arguments)
    assert not list((tmp_path / "out").glob("batch-*"))


def test_a_part_that_is_gone_is_resolved_again(simulate, tmp_path, logs):
    """A green task has its output where its manifest says."""
    simulate()
    first = resolve(["13800138000", "13800138001"], tmp_path / "out", part_size=1)
    (tmp_path / "out" / "part-00001.ndjson").unlink()
    second = resolve(["13800138000", "13800138001"], tmp_path / "out", part_size=1)
    assert second["parts"] == first["parts"]
    assert len(lines(tmp_path / "out")) == 2
    assert any("such as part-00001.ndjson" in text for level, text in logs.records if level == "warning")


@pytest.mark.parametrize("policy", ["fail", "extend"])
def test_a_batch_that_is_refused_leaves_the_campaign_as_it_was(simulate, tmp_path, policy):
    simulate()
    batches = split_callees(write_callees(tmp_path / "c.csv", 15), batch_size=10)
    for batch in batches:
        resolve(batch, tmp_path / "out", report=True)
    CccMergeManifestsOperator(task_id="merge", output_path=tmp_path / "out", batches=batches, report=True).execute({})
    before = content(tmp_path / "out")
    (tmp_path / "d.csv").write_text("callee\n" + "".join(f"{13900000000 + place}\n" for place in range(25)))
    # The first ones differ from what is there; the third is new.
    for batch in split_callees(tmp_path / "d.csv", batch_size=10)[: 3 if policy == "fail" else 2]:
        with pytest.raises(AirflowFailException, match=r"output_path: "):
            resolve(batch, tmp_path / "out", on_stale_output=policy)
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize("own_loop", [False, True], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("max_qps", [0.5, None], ids=["idle", "busy"])
def test_execution_timeout_ends_it(simulate, tmp_path, monkeypatch, own_loop, max_qps):
    """As Airflow's task runner does it: a signal handler that raises in the main thread."""
    simulate(latency_ms=20)
    if own_loop:
        monkeypatch.setattr("airflow_provider_ccc.campaign.picking.runner._loop_factory", lambda: None)
    operator = CccPickOutboundNumbersBatchOperator(
        task_id="pick",
        callees=write_callees(tmp_path / "c.csv", 20_000),
        output_path=tmp_path / "out",
        candidate_numbers=CANDIDATES,
        part_size=50,
        max_qps=max_qps,
    )
    begun = time.monotonic()
    with pytest.raises(BaseException) as caught, task_timeout()(1):
        operator.execute({})
    assert type(caught.value).__name__ == "AirflowTaskTimeout"
    assert time.monotonic() - begun < 30  # or it hangs
    kept = completed(LocalFolder(tmp_path / "out"))
    assert len(lines(tmp_path / "out")) == sum(state.tally.pairs for state in kept.values())
    assert not (tmp_path / "out" / "_manifest.json").exists()
    assert not [thread for thread in threading.enumerate() if thread.name in ("ccc-campaign",)]


def _read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_no_number_and_no_secret_is_logged(simulate, tmp_path, logs):
    simulate(fault_rate=0.2)
    resolve(["13800138000", "0216391484x8", "02163914848"], tmp_path / "out", max_failures=1)
    assert "3 callees" in logs.text
    for secret in ("13800138000", "02163914848", "testsecret", *CANDIDATES):
        assert secret not in logs.text


@pytest.mark.parametrize("status", [302, 409])
def test_a_wrong_host_ends_it_at_once(connection, tmp_path, status):
    """Its answers concern all callees, not one after the other."""
    asked = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection(host=f"http://127.0.0.1:{server.server_port}", password="testsecret")
        with pytest.raises(AirflowFailException, match=str(status)):
            resolve(write_callees(tmp_path / "c.csv", 500), tmp_path / "out", concurrency=4, max_failures=1.0)
        server.shutdown()
    assert 0 < len(asked) <= 4
