from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from airflow_provider_ccc.simulator.instances import DescriptionError
from airflow_provider_ccc.simulator.registry import OPERATIONS, Operation
from airflow_provider_ccc.simulator.server import SimulatorSettings, running


def test_journal_tells_what_arrived(sign):
    with running() as simulator:
        good, bad = sign(), sign({"InstanceId": "x"})
        requests.post(simulator.url, data=good, timeout=10)
        requests.post(simulator.url, params=bad, timeout=10)
        requests.post(simulator.url, timeout=10)
        requests.get(simulator.url, timeout=10)  # the page is no API request
        records = simulator.journal
    seen = [(record.action, record.status, record.code) for record in records]
    assert seen == [
        ("PickOutboundNumbers", 200, "OK"),
        ("PickOutboundNumbers", 404, "NotExist.Instance"),
        ("", 400, "MissingAction"),
    ]
    assert records[0].parameters == good
    assert records[1].parameters == bad
    assert records[0].nonce == good["SignatureNonce"]


def test_journal_is_bounded(ask):
    with running(SimulatorSettings(journal_size=2)) as simulator:
        for count in ("1", "2", "3"):
            ask({"Count": count}, url=simulator.url)
        assert [record.parameters["Count"] for record in simulator.journal] == ["2", "3"]


def test_wrap_sees_and_changes_what_passes(ask):
    paths = []

    def wrap(app):
        async def watch(scope, receive, send):
            paths.append(scope["path"])
            await app(scope, receive, send)

        return watch

    with running(wrap=wrap) as simulator:
        assert ask(url=f"{simulator.url}/").status_code == 200
        assert ask(url=f"{simulator.url}/elsewhere").status_code == 404
    assert paths == ["/", "/elsewhere"]


def test_other_paths_are_not_found(simulator):
    answer = requests.get(f"{simulator.url}/favicon.ico", timeout=10)
    assert (answer.status_code, answer.text) == (404, "Not Found")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_latency_delays_every_answer_and_does_not_queue(ask):
    with running(SimulatorSettings(latency_ms=200)) as simulator, ThreadPoolExecutor(10) as threads:
        started = time.monotonic()
        answers = list(threads.map(lambda _: ask(url=simulator.url), range(10)))
        assert time.monotonic() - started >= 0.2
        assert {answer.status_code for answer in answers} == {200}
        assert all(answer.elapsed.total_seconds() >= 0.2 for answer in answers)


def test_stopping_sends_what_is_waiting(ask):
    with ThreadPoolExecutor(1) as threads:
        with running(SimulatorSettings(latency_ms=60_000)) as simulator:
            waiting = threads.submit(ask, url=simulator.url)
            while not simulator.journal:
                time.sleep(0.01)
        assert waiting.result(timeout=10).json()["Code"] == "OK"


def test_own_mistakes_are_answered_and_reported(ask, monkeypatch, caplog):
    def fail(account, parameters):
        raise ZeroDivisionError

    monkeypatch.setitem(OPERATIONS["2017-07-05"], "GetInstance", Operation("GetInstance", fail))
    with running() as simulator:
        answer = ask({"Action": "GetInstance"}, url=simulator.url)
    assert (answer.status_code, answer.json()["Code"]) == (500, "InternalError")
    assert "ZeroDivisionError" in caplog.text


def test_invalid_description_is_refused_before_anything_starts():
    with pytest.raises(DescriptionError, match="instance_id is missing"), running(SimulatorSettings(instance={})):
        pass


def test_it_imports_nothing_of_airflow_nor_of_the_client():
    code = (
        "import sys, airflow_provider_ccc.simulator.server\n"
        "own = [name for name in sys.modules if name.startswith('airflow_provider_ccc.')]\n"
        "assert 'airflow' not in sys.modules\n"
        "assert len(own) > 5 and all(name.startswith('airflow_provider_ccc.simulator') for name in own), own\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
