"""A task that Airflow ends at a random moment ends soon and keeps its parts, and the next try completes the campaign.

``CCC_FULL=1`` runs 200 of them, ``CCC_SEED`` draws others. distributed/test_endings.py has a whole Airflow around them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_provider_ccc.campaign.output.parts import completed
from airflow_provider_ccc.campaign.output.storage import LocalFolder
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator
from tests.system.ended import assert_parts_are_whole, lives
from tests.system.ending_run import CANDIDATES, PART_SIZE

ENDINGS = ("execution_timeout", "SIGTERM", "SIGTERM twice", "the supervisor is lost")
CASES = 200 if os.environ.get("CCC_FULL") else 4
CALLEES = 2_000
#: Airflow kills a task that has not ended five seconds after the signal; a busy machine is slower.
SOON = 15.0


def cases() -> list[tuple[str, str, float, float]]:
    """An ending, a loop, a pace in calls per second (0: as fast as can be), and after how many seconds it ends."""
    source = random.Random(int(os.environ.get("CCC_SEED", "20261127")))
    return [
        (
            ENDINGS[place % len(ENDINGS)],
            source.choice(("uvloop", "asyncio")),
            source.choice((5.0, 0.0)),
            round(source.uniform(0.0, 2.0), 2),
        )
        for place in range(CASES)
    ]


def start(folder: Path, ending: str, loop: str, qps: float, seconds: float) -> subprocess.Popen[str]:
    how = "timeout" if ending == "execution_timeout" else "signal"
    # Airflow's timer takes no 0, which would mean never.
    run = [folder / "callees.csv", folder / "out", how, str(max(seconds, 0.01)), loop, str(qps)]
    supervised = ["supervised", "airflow"] if ending == "the supervisor is lost" else []
    return subprocess.Popen(
        [sys.executable, Path(__file__).with_name("ending_run.py"), *supervised, *run],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def pairs(folder: Path) -> list[int]:
    files = sorted(folder.glob("part-*.ndjson"))
    return [json.loads(line)["row"] for file in files for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("ending", "loop", "qps", "seconds"), cases())
def test_it_ends_and_the_next_try_completes_it(simulate, tmp_path, ending, loop, qps, seconds):
    simulator = simulate(latency_ms=20)
    callees = "".join(f"{13800000000 + 37 * index}\n" for index in range(CALLEES))
    (tmp_path / "callees.csv").write_text(f"callee\n{callees}", encoding="utf-8")
    process = start(tmp_path, ending, loop, qps, seconds)
    task = None
    for line in process.stdout:
        if line.startswith("running "):
            task = int(line.split()[1])
            break
    assert task is not None
    time.sleep(seconds)
    was_running = lives(task)
    if ending == "the supervisor is lost":
        process.kill()
    elif ending != "execution_timeout":
        process.terminate()
        if ending == "SIGTERM twice":
            time.sleep(0.05)
            process.terminate()
    begun = time.monotonic()
    said, _ = process.communicate(timeout=60)  # a process that is left behind holds the pipe open
    while lives(task):
        assert time.monotonic() < begun + SOON, said
        time.sleep(0.05)
    if was_running and not (tmp_path / "out" / "_manifest.json").exists():
        assert "on_kill" in said
        # A second signal may come when Python is ending already.
        codes = {"the supervisor is lost": {-signal.SIGKILL}, "SIGTERM twice": {1, -signal.SIGTERM}}
        assert process.returncode in codes.get(ending, {1}), said

    # What is complete is whole, and stays.
    folder = tmp_path / "out"
    kept = completed(LocalFolder(folder))
    assert_parts_are_whole(folder)
    asked = len(simulator.journal)
    CccPickOutboundNumbersBatchOperator(
        task_id="pick",
        callees=tmp_path / "callees.csv",
        output_path=folder,
        candidate_numbers=CANDIDATES,
        part_size=PART_SIZE,
    ).execute({})
    assert pairs(folder) == list(range(1, CALLEES + 1))
    done = sum(state.tally.callees for state in kept.values())
    assert len({record.parameters["CalleeNumber"] for record in simulator.journal[asked:]}) == CALLEES - done
