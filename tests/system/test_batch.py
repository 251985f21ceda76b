"""Campaigns over real HTTP: whose fault a failure is, and what becomes of it."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, Asset

from airflow_provider_ccc.campaign.output.storage import LocalFolder
from airflow_provider_ccc.campaign.picking import outage
from airflow_provider_ccc.client.errors import CccTransientError
from airflow_provider_ccc.client.retry import RetryPolicy
from airflow_provider_ccc.hooks import aio
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.support import INSTANCE_ID

CANDIDATES = ["01089767654", "02160664656"]
CALLEES = [str(13800138000 + place) for place in range(20)]
ODD = CALLEES[5]
#: An instance whose only number receives calls.
DEAF = {"instance_id": INSTANCE_ID, "phone_numbers": [{"number": CANDIDATES[0], "usage": "Inbound"}]}


def resolve(output: Path, callees=CALLEES, **arguments):
    arguments = {"candidate_numbers": CANDIDATES, "part_size": 5} | arguments
    operator = CccPickOutboundNumbersBatchOperator(task_id="pick", callees=callees, output_path=output, **arguments)
    return operator.execute({})


def lines(folder: Path, kind: str = "part") -> list[dict]:
    files = sorted(folder.glob(f"{kind}-*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def answering(connection, monkeypatch):
    """Start a simulator behind something that answers for some callees itself: ``(status, code)`` by callee."""
    monkeypatch.setattr(aio, "RetryPolicy", lambda: RetryPolicy(attempts=2, seconds=1, first_wait=0.01))
    with contextlib.ExitStack() as stack:

        def start(answers):
            def wrap(app):
                async def between(scope, receive, send):
                    message = await receive()
                    while message.get("more_body"):
                        more = await receive()
                        message = more | {"body": message["body"] + more["body"]}
                    form = parse_qs(message["body"].decode())
                    status, code = answers.get(form["CalleeNumber"][0], (0, ""))
                    if not status:
                        first = [message]

                        async def again():
                            return first.pop() if first else await receive()

                        await app(scope, again, send)
                        return
                    what = f"No good: {form['CalleeNumber'][0]}"
                    body = json.dumps({"Code": code, "Message": what, "RequestId": "R-1"}).encode()
                    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
                    await send({"type": "http.response.start", "status": status, "headers": headers})
                    await send({"type": "http.response.body", "body": body})

                return between

            simulator = stack.enter_context(running(SimulatorSettings(), wrap))
            connection(host=simulator.url)
            return simulator

        yield start


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (400, "InvalidParameter"), (418, "Odd")])
def test_one_callee_that_always_fails_is_a_failure(answering, tmp_path, status, code):
    answering({ODD: (status, code)})
    callees = [{"callee": number, "id": place} for place, number in enumerate(CALLEES)]
    manifest = resolve(tmp_path, callees, max_failures=1, concurrency=2)
    assert (manifest["resolved"], manifest["failed"], manifest["codes"]) == (19, 1, {code: 1})
    (failed,) = lines(tmp_path, "failures")
    assert failed == {
        "row": 6,
        "code": code,
        "message": "No good: 138****8005",
        "request_id": "R-1",
        "source": {"callee": ODD, "id": 5},
    }
    assert manifest["failures"] == ["failures-00001.ndjson"]
    assert [row["row"] for row in lines(tmp_path)] == [place for place in range(1, 21) if place != 6]
    # The callee's own failed request is an answer, and its repetition after a 500 a repetition.
    assert manifest["calls"] == 20 + manifest["retried"]
    assert manifest["retried"] == (1 if status == 500 else 0)


def test_a_long_outage_in_the_middle_ends_the_run_for_a_retry_to_go_on(answering, tmp_path, monkeypatch):
    monkeypatch.setattr(outage, "PATIENCE", 2.0)

    class Outage(dict):
        """Nobody is answered any more from the eleventh callee on."""

        begun = False

        def get(self, callee, default):
            self.begun = self.begun or callee == CALLEES[10]
            return (500, "InternalError") if self.begun else default

    answering(Outage())
    with pytest.raises(CccTransientError, match=r"has not answered for \d s; a retry goes on where") as caught:
        resolve(tmp_path, concurrency=1, max_failures=1.0)
    assert caught.value.retryable
    assert "connection ccc_default, http://127.0.0.1:" in str(caught.value)
    assert [row["row"] for row in lines(tmp_path)] == list(range(1, 11))
    assert lines(tmp_path, "failures") == []
    simulator = answering({})
    assert resolve(tmp_path, concurrency=1)["resolved"] == 20
    assert {record.parameters["CalleeNumber"] for record in simulator.journal} == set(CALLEES[10:])


@pytest.mark.parametrize("concurrency", [1, 16])
def test_a_short_outage_costs_no_callee_and_little_else(answering, tmp_path, logs, concurrency):
    """Everything is refused for four seconds, which is longer than a callee's attempts may take."""

    class Outage(dict):
        begun = 0.0
        refused = 0

        def get(self, callee, default):
            if not self.begun and callee == CALLEES[10]:
                self.begun = time.monotonic()
            if not self.begun or time.monotonic() > self.begun + 4:
                return default
            self.refused += 1
            return 503, "ServiceUnavailable"

    faults = Outage()
    answering(faults)
    manifest = resolve(tmp_path, concurrency=concurrency)
    assert manifest["resolved"] == 20
    # All attempts of those in flight until an outage is likely, and then a look now and then.
    assert 2 < faults.refused <= 2 * concurrency + 10
    said = [text for level, text in logs.records if level in ("warning", "info") and "The service" in text]
    assert len(said) == 2
    assert re.search(
        r"does not answer: ServiceUnavailable: .*connection ccc_default, http://127.0.0.1:\d+\)\. Nothing more is sent",
        said[0],
    )
    assert re.search(r"The service answers again after [3-9] s; the campaign goes on", said[1])


def test_nobody_listens_for_a_while(simulate, connection, tmp_path):
    """The whole service is away from the beginning: no connection can be made."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    connection(host=f"http://127.0.0.1:{port}")

    def come() -> None:
        time.sleep(3)
        with running(SimulatorSettings(port=port)):
            over.wait(20)

    over = threading.Event()
    coming = threading.Thread(target=come)
    coming.start()
    try:
        assert resolve(tmp_path)["resolved"] == 20
    finally:
        over.set()
        coming.join()


@pytest.mark.parametrize("most", [2, "2", 0.1, "0.1"])
def test_one_failure_more_than_allowed_ends_the_task(answering, tmp_path, most):
    answering(dict.fromkeys(CALLEES[6:9], (400, "InvalidParameter")))
    with pytest.raises(
        AirflowFailException, match=r"3 of 20 callees failed, .* allows 2\b.*InvalidParameter 3"
    ) as caught:
        resolve(tmp_path, concurrency=1, max_failures=most)
    assert not any(number in str(caught.value) for number in (*CALLEES, *CANDIDATES))
    assert [row["row"] for row in lines(tmp_path)] == [1, 2, 3, 4, 5]  # the part that was complete is kept
    assert resolve(tmp_path, max_failures=3)["codes"] == {"InvalidParameter": 3}


def test_failures_of_an_earlier_try_count(answering, tmp_path):
    answering({CALLEES[0]: (400, "InvalidParameter"), CALLEES[6]: (403, "NoPermission")})
    with pytest.raises(AirflowFailException, match="NoPermission"):
        resolve(tmp_path, concurrency=1, max_failures=1)
    assert len(lines(tmp_path, "failures")) == 1
    simulator = answering({CALLEES[6]: (400, "InvalidParameter")})
    with pytest.raises(AirflowFailException, match="2 of 20 callees failed"):
        resolve(tmp_path, concurrency=1, max_failures=1)
    assert [record.parameters["CalleeNumber"] for record in simulator.journal] == [CALLEES[5]]


def test_a_callee_that_nobody_can_call_is_a_failure(simulate, tmp_path):
    simulate(instance=DEAF)
    manifest = resolve(tmp_path, CALLEES[:2], candidate_numbers=CANDIDATES[:1], max_failures=2)
    assert (manifest["failed"], manifest["pairs"], manifest["codes"]) == (2, 0, {"NoPairs": 2})
    assert [(row["row"], row["code"]) for row in lines(tmp_path, "failures")] == [(1, "NoPairs"), (2, "NoPairs")]
    assert all(row["request_id"] for row in lines(tmp_path, "failures"))


@pytest.mark.parametrize("arguments", [{"max_qps": "fast"}, {"max_qps": 0}])
def test_bad_arguments_replace_nothing(simulate, tmp_path, arguments):
    simulate()
    resolve(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    with pytest.raises(AirflowFailException, match="max_qps"):
        resolve(tmp_path, CALLEES[:3], on_stale_output="replace", **arguments)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_several_pairs_for_each_callee(simulate, tmp_path):
    simulate()
    manifest = resolve(tmp_path, CALLEES[:3], count="2")
    assert (manifest["resolved"], manifest["pairs"]) == (3, 6)
    assert [row["row"] for row in lines(tmp_path)] == [1, 1, 2, 2, 3, 3]
    assert {row["caller"]["number"] for row in lines(tmp_path)} == set(CANDIDATES)


def test_no_number_and_no_secret_is_logged_of_failures(answering, tmp_path, logs):
    answering({ODD: (400, "InvalidParameter")})
    with pytest.raises(AirflowFailException) as caught:
        resolve(tmp_path)
    for secret in (*CALLEES, *CANDIDATES, "testsecret"):
        assert secret not in logs.text
        assert secret not in str(caught.value)


def test_a_run_that_ends_well_does_not_give_its_storage_up(simulate, tmp_path, monkeypatch):
    """The manifest is still to be written, and its write is tried again like any other."""
    given_up: list[str] = []
    monkeypatch.setattr(LocalFolder, "give_up", lambda folder: given_up.append(folder.description))
    simulate()
    assert resolve(tmp_path)["resolved"] == 20
    assert given_up == []


def test_campaigns_run_without_uvloop(simulate, tmp_path, monkeypatch):
    """Airflow 2 does not bring it."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    simulate()
    operator = CccPickOutboundNumbersBatchOperator(
        task_id="pick", callees=["13800138000"], output_path=str(tmp_path), candidate_numbers=CANDIDATES
    )
    assert operator.execute({})["resolved"] == 1


def test_asset_events_carry_the_counts(simulate, tmp_path):
    simulate()
    asset = Asset("file://campaign/pairs")
    event = SimpleNamespace(extra={"owner": "campaigns"})

    class Events:  # as Airflow's: assets are told apart by name and URI, and on 3.1 have no hash
        def __getitem__(self, outlet):
            return {asset.uri: event}[outlet.uri]

    operator = CccPickOutboundNumbersBatchOperator(
        task_id="pick",
        callees=["13800138000", "13800138001", "13800138000"],
        output_path=str(tmp_path),
        candidate_numbers=CANDIDATES,
        outlets=[asset],
    )
    for _ in range(2):  # a campaign that was complete already tells them too
        operator.execute({"outlet_events": Events()})
        extra = event.extra
        assert (extra["resolved"], extra["skipped"], extra["owner"]) == (2, 1, "campaigns")
        assert extra["output_path"] == str(tmp_path)
        assert "138" not in json.dumps(extra | {"output_path": ""})
        extra.clear()
        extra["owner"] = "campaigns"
