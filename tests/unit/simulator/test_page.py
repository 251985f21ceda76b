from __future__ import annotations

import html
import json
import re
import shlex

import pytest
import requests

from airflow_provider_ccc.simulator.registry import OPERATIONS
from airflow_provider_ccc.simulator.server import SimulatorSettings, running

NASTY = "<script>'\"&"


def connection_of(page: str) -> dict[str, object]:
    line, _ = re.findall(r"<pre>(export .*?)</pre>", page)
    export, assignment = shlex.split(html.unescape(line))
    name, _, value = assignment.partition("=")
    assert (export, name) == ("export", "AIRFLOW_CONN_CCC_DEFAULT")
    return json.loads(value)


def test_page_says_how_to_connect(simulator):
    answer = requests.get(simulator.url, timeout=10)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert connection_of(answer.text) == {
        "conn_type": "ccc",
        "login": "testid",
        "password": "testsecret",
        "host": simulator.url,
        "extra": {"instance_id": "9cfad875-6260-4a53-ab6e-b13e3fb31f7d"},
    }
    raw = html.unescape(answer.text)
    assert """export AIRFLOW_CONN_CCC_DEFAULT='{"conn_type": "ccc", "login": "testid",""" in raw


def test_page_says_what_is_served(simulator):
    page = requests.get(simulator.url, timeout=10).text
    for version, operations in OPERATIONS.items():
        assert f"Version {version}" in page
        for operation in operations:
            assert f"<code>{operation}</code>" in page
    for operation in ("AssumeRole", "AssumeRoleWithOIDC", "/credentials", "ccc-demo"):
        assert f"<code>{operation}</code>" in page
    assert "Agents: Ready 3, OnCall 1, Break 1, Offline 2." in page
    assert "<td>01089767654</td><td>北京</td><td>Bidirection</td><td>yes</td>" in page
    assert "<td>4001234567</td><td>–</td><td>Inbound</td><td>no</td>" in page
    assert "$" not in page


def test_page_is_self_contained(simulator):
    page = requests.get(simulator.url, timeout=10).text
    assert set(re.findall(r"https?://[^\s\"'<&]+", page)) == {simulator.url}
    assert set(re.findall(r"(?:src|href)=\"([^\"]*)\"", page)) == {"data:,"}
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_page_counts(ask):
    with running() as simulator:
        assert "none yet" in requests.get(simulator.url, timeout=10).text
        ask(url=simulator.url)
        ask(url=simulator.url)
        ask({"InstanceId": "x"}, url=simulator.url)
        ask({"Action": NASTY}, url=simulator.url)
        page = requests.get(simulator.url, timeout=10).text
    for row in ("PickOutboundNumbers</td><td>3", "(other)</td><td>1", "OK</td><td>2", "NotExist.Instance</td><td>1"):
        assert f"<td>{row}</td>" in page
    assert NASTY not in page


def test_page_escapes_what_it_did_not_write():
    number = {"number": NASTY, "usage": "Outbound"}
    group = {"skill_group_id": NASTY}
    described = {
        "instance_id": NASTY,
        "status": NASTY,
        "agents": {NASTY: 1},
        "phone_numbers": [number],
        "skill_groups": [group],
    }
    settings = SimulatorSettings(
        instance=described, access_key_id=NASTY, access_key_secret=NASTY, security_token=NASTY, qps=5
    )
    with running(settings) as simulator:
        page = requests.get(simulator.url, timeout=10).text
    assert "<script" not in page
    assert page.count(html.escape(NASTY)) >= 9
    connection = connection_of(page)
    assert (connection["login"], connection["extra"]) == (
        NASTY,
        {"instance_id": NASTY, "security_token": NASTY},
    )
    assert "5 requests a second" in page


def test_page_tells_of_temporary_keys():
    with running(SimulatorSettings(sts_seconds=7)) as simulator:
        requests.get(f"{simulator.url}/credentials", timeout=10)
        page = requests.get(simulator.url, timeout=10).text
    assert "<td>7 s at most</td>" in page
    assert "<th>Given out so far</th><td>1</td>" in page


@pytest.mark.parametrize("host", ["localhost:8790", "ccc.example", "[::1]:8790"])
def test_page_shows_the_address_that_was_asked(simulator, host):
    page = requests.get(simulator.url, headers={"Host": host}, timeout=10).text
    assert connection_of(page)["host"] == f"http://{host}"


@pytest.mark.parametrize("host", ["<script>", "a b", "x'y", "host:port", "a/b", "a@b"])
def test_page_ignores_a_host_that_is_none(simulator, host):
    page = requests.get(simulator.url, headers={"Host": host}, timeout=10).text
    assert connection_of(page)["host"] == simulator.url
