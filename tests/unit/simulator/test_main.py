from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import requests

from airflow_provider_ccc.simulator import __main__ as cli

COMMAND = [sys.executable, "-m", "airflow_provider_ccc.simulator"]


@contextmanager
def started(*arguments):
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        match = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", line)
        assert match, line or process.communicate(timeout=10)
        yield process, match[1]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_starts_answers_and_ends(sign, number):
    arguments = ("--access-key-id", "me", "--access-key-secret", "s3cret", "--latency-ms", "1")
    with started(*arguments) as (process, url), requests.Session() as session:
        answer = session.post(url, data=sign({"AccessKeyId": "me"}, secret="s3cret"), timeout=10)
        assert answer.json()["Code"] == "OK"
        process.send_signal(number)  # while the session keeps its connection open
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0


def test_ends_while_a_slow_answer_and_half_a_request_are_in_flight(sign):
    with started("--latency-ms", "600000") as (process, url):
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(requests.post(url, data=sign(), timeout=30)))
        waiting.start()
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as half:
            half.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nAction=")
            while "<td>PickOutboundNumbers</td>" not in requests.get(url, timeout=10).text:
                time.sleep(0.02)
            process.terminate()
            assert process.communicate(timeout=10) == ("", "")
        waiting.join(10)
    assert process.returncode == 0
    assert answers[0].json()["Code"] == "OK"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--port", "70000"], "argument --port: must be an integer from 0 to 65535, not '70000'"),
        (["--port", "x"], "argument --port: must be an integer from 0 to 65535, not 'x'"),
        (["--qps", "0"], "argument --qps: must be an integer of at least 1, not '0'"),
        (["--latency-ms", "-1"], "argument --latency-ms: must be a number from 0 to 600000, not '-1'"),
        (["--fault-rate", "1.1"], "argument --fault-rate: must be a number from 0 to 1, not '1.1'"),
        (["--fault-rate", "nan"], "argument --fault-rate: must be a number from 0 to 1, not 'nan'"),
        (["--sts-seconds", "0"], "argument --sts-seconds: must be an integer from 1 to 43200, not '0'"),
        (["--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["--access-key-id", ""], "argument --access-key-id: must not be empty"),
        (["--instance", "/nowhere.json"], "argument --instance: /nowhere.json: cannot be read: No such file"),
        (["--instance", __file__], f"argument --instance: {__file__}: is not valid JSON"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_bad_arguments_end_with_one_line(capsys, arguments, complaint):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {complaint}")
    assert err.count("\n") == 1


def test_bad_instance_file_by_the_command_line(tmp_path):
    path = tmp_path / "instance.json"
    path.write_text('{"instance_id": "i", "state": "asleep"}')
    done = subprocess.run([*COMMAND, "--instance", path], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (f"error: argument --instance: {path}: state must be one of normal, ceased, disabled\n")


def test_port_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as end:
            cli.main(["--port", str(port)])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        f"error: argument --host/--port: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "choose another, or --port 0 for a free one\n"
    )


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "phonenumbers", "alibabacloud_openapi_util"])
def test_missing_extra_is_named(package):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from airflow_provider_ccc.simulator.__main__ import main\nmain(['--port', '0'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.endswith(" is missing: pip install 'airflow-provider-ccc[simulator]'\n")
    assert done.stderr.count("\n") == 1
    assert package in done.stderr
