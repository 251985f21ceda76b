"""``python -m benchmarks`` runs and writes down what it says it does; how fast anything is, is not tested here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import requests

from benchmarks import environment, quota, soak
from benchmarks.processes import server
from benchmarks.report import KEYS, Part, Report, Setting, Table
from tests.system.distributed.services import postgres_program

ROOT = Path(__file__).parents[2]
PARTS = {
    "speed": {"transport", "batch_vs_bare_aiohttp", "tls_batch_vs_bare_aiohttp", "batch_vs_httphook"},
    "signing": {"sign_and_decode_us"},
    "memory": {"rss_1m_over_10k"},
    "callees": {"rss_1m_over_10k_parquet", "rss_1m_over_10k_xlsx", "exclude_rss", "exclude_time"}
    | ({"rss_1m_over_10k_postgresql"} if postgres_program("postgres") else set()),
}
RUNS = [("speed",), ("signing", "memory", "callees")]


def run(folder: Path, *parts: str) -> subprocess.Popen[str]:
    # The official SDKs are left out: installing them takes a network.
    command = [sys.executable, "-m", "benchmarks", "--quick", "--no-sdk", "--output", str(folder), "--only", *parts]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, str]]:
    """Folders with what was written there, and what was printed: several runs at once, as each waits a lot."""
    folders = [tmp_path_factory.mktemp("benchmarks") for _ in RUNS]
    runs = [run(folder, *parts) for folder, parts in zip(folders, RUNS, strict=True)]
    try:
        printed = [process.communicate(timeout=600)[0] for process in runs]
    finally:
        for process in runs:
            process.kill()
    assert [process.returncode for process in runs] == [0] * len(RUNS), printed
    return list(zip(folders, printed, strict=True))


def test_each_part_writes_its_keys_as_numbers(outputs):
    for (folder, _), parts in zip(outputs, RUNS, strict=True):
        written = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        assert set(written) == set().union(*(PARTS[part] for part in parts))
        assert written.pop("transport", "libcurl") == "libcurl"
        for key, value in written.items():
            assert type(value) in (int, float), key
            assert value >= 0, key


def test_the_tables_are_printed_and_written(outputs):
    for folder, printed in outputs:
        text = (folder / "RESULTS.md").read_text(encoding="utf-8")
        tables = [line for line in printed.splitlines() if line.startswith("| ")]
        assert tables
        assert all(line in text for line in tables)
    speed = (outputs[0][0] / "RESULTS.md").read_text(encoding="utf-8")
    for peer in ("batch operator (64)", "bare aiohttp (64)", "CccHook", "requests", "HttpHook"):
        assert f"| {peer}" in speed
    assert "The official SDKs are missing: they were left out." in speed


@pytest.mark.parametrize("where", ["query", "form"])
def test_the_server_answers_what_it_is_asked_over_tls(where):
    parameters = {"CalleeNumber": "13800138000", "Count": "1", "CandidateNumber.1": "02160664656"}
    with server(tls=True, latency_ms=5) as at:
        given = {"params": parameters} if where == "query" else {"data": parameters}
        answer = requests.post(at.url, **given, verify=at.ca, timeout=10).json()
        stats = at.stats()
    (pair,) = answer["DialNumberPairs"]["DialNumberPair"]
    assert (pair["Callee"]["Number"], pair["Caller"]["Number"]) == ("13800138000", "02160664656")
    assert stats["requests"] == 1
    assert stats["delayed"] >= 0.004


def test_a_campaign_is_seen_by_the_counting_simulator():
    seen = quota.attempt(qps=100, campaigns=1, callees=150, settling=0.2)
    outcomes = Counter(outcome for _, _, outcome in seen.events)
    assert outcomes["accepted"] == 150
    assert not outcomes["other"]
    assert {client for _, client, _ in seen.events} == {quota.CLIENTS[0]}
    assert 0 < seen.begin < seen.end < seen.events[-1][0]


def test_quota_figures_are_those_of_the_settled_seconds(monkeypatch):
    # In each of ten seconds 60 and 36 accepted and 4 throttled; before that only one of them.
    first, second = quota.CLIENTS
    events = [(place / 60, first, "accepted") for place in range(60)]
    for each in range(1, 11):
        events += [(each + place / 60, first, "accepted") for place in range(60)]
        events += [(each + place / 36, second, "accepted") for place in range(36)]
        events += [(each + place / 4, second, "throttled") for place in range(4)]
    seen = quota.Try(100, sorted(events), 1.0, 11.0)
    monkeypatch.setattr(quota, "attempt", lambda *_: seen)
    tables: list[Table] = []
    keys = quota.measure(Setting(True, None), tables.append)
    assert keys == pytest.approx(
        {
            "quota_goodput": 0.96,
            "quota_throttled": 0.04,
            "quota_two_together": 0.96,
            "quota_two_larger_share": 0.625,
        }
    )
    assert "accepted: 60 96 96 96" in str(tables[0])


def test_what_is_written_names_versions_and_nothing_of_this_machine(outputs):
    text = (outputs[0][0] / "RESULTS.md").read_text(encoding="utf-8")
    for name in ("Python", "cores", "apache-airflow", "aiohttp", "uvloop", "requests", "urllib3"):
        assert f"\n- {name}: " in text
    assert str(ROOT) not in text


def test_only_keeps_what_other_parts_have_measured(outputs):
    folder, _ = outputs[0]
    process = run(folder, "signing")
    assert process.communicate(timeout=60)
    assert process.returncode == 0
    assert set(json.loads((folder / "results.json").read_text(encoding="utf-8"))) == PARTS["speed"] | PARTS["signing"]
    text = (folder / "RESULTS.md").read_text(encoding="utf-8")
    assert text.index("## Signing") < text.index("## Speed")


def test_a_key_that_cannot_be_measured_any_more_is_left_out(tmp_path):
    part = Part("speed", ["batch_vs_sdk_best", "batch_vs_httphook"], lambda _, __: {})
    (tmp_path / "results.json").write_text('{"batch_vs_sdk_best": 7.0, "quota_goodput": 0.98}', encoding="utf-8")
    report = Report(tmp_path, [("Python", "3.11.7")], "# Figures")
    report.add("speed", Table("A table", ("peer", "calls/s"), [("a", "1")], ["A note."]))
    report.write([part], {"batch_vs_httphook": 12.5}, ["speed"])
    written = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert written == {"batch_vs_httphook": 12.5, "quota_goodput": 0.98}
    assert list(written) == [key for key in KEYS if key in written]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_peak_memory_is_not_the_parents():
    much = b"x" * (256 << 20)
    code = "from benchmarks.child import peak_rss_kib; print(peak_rss_kib())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 1 << 10 < int(done.stdout) < 128 << 10 < len(much) >> 10


def test_requirements_pin_names_and_versions_only():
    lines = environment.REQUIREMENTS.read_text(encoding="ascii").split()
    assert "alibabacloud-ccc20170705==1.0.3" in lines
    assert "aliyun-python-sdk-ccc==1.0.30" in lines
    assert all(line.count("==") == 1 and "/" not in line for line in lines)
    assert not [line for line in lines if line.startswith(("urllib3-future", "niquests"))]


def test_the_soak_sees_what_grows():
    growth = soak.Growth()
    growth.samples |= {
        ("steady", 1): [(60 << 20, 20)] + [(100 << 20, 20), (101 << 20, 21)] * 4,
        ("leaking", 2): [((100 + 10 * campaign) << 20, 20) for campaign in range(9)],
        ("opening", 3): [(100 << 20, 20 + 3 * campaign) for campaign in range(9)],
        ("short-lived", 4): [(100 << 20, 20), (200 << 20, 90), (300 << 20, 180)],
    }
    assert {each.name: each.much for each in growth.rows()} == {"steady": False, "leaking": True, "opening": True}


def test_the_soak_counts_children_too():
    alone, growth = soak.Growth(), soak.Growth()
    alone.sample({"this": os.getpid()})
    holds = "much = b'x' * (64 << 20); input('ready')"
    with subprocess.Popen([sys.executable, "-uc", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.read(5) == b"ready"
        growth.sample({"this": os.getpid()})
        child.communicate(b"\n")
    [[(memory, files)]] = alone.samples.values()
    [[(more, more_files)]] = growth.samples.values()
    assert more - memory > 32 << 20
    assert more_files > files > 0
