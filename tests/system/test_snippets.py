"""Every snippet on every page is run or checked. Nothing here names one: a new one on any page is found by itself."""

from __future__ import annotations

import argparse
import gzip
import json
import re
import shlex
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator, Connection

from airflow_provider_ccc import __version__
from airflow_provider_ccc.cli import COMMANDS
from airflow_provider_ccc.client.credential_providers import ROLES
from airflow_provider_ccc.client.credentials import FetchedCredentials
from airflow_provider_ccc.compat import AIRFLOW
from airflow_provider_ccc.hooks.ccc import CccHook
from airflow_provider_ccc.hooks.settings import ConnectionSettings
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator, CccPickOutboundNumbersOperator
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor
from airflow_provider_ccc.simulator import instances
from airflow_provider_ccc.simulator.__main__ import options
from tests.documented import CALLEES, LEFT_OUT, write_database, write_numbers
from tests.pages import PAGES, ROOT, Snippet, snippets

#: ``text`` is for what is no code: output, and trees of files.
LANGUAGES = {"python", "json", "console", "text"}
MOST_NOT_RUN = 3


def test_there_is_no_snippet_in_another_language():
    assert {str(each): each.language for each in snippets() if each.language not in LANGUAGES} == {}
    fences = sum(len(re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in PAGES)
    assert fences == 2 * len(snippets()), "a fence was not understood"


def test_few_snippets_are_not_run_and_each_says_why():
    not_run = [each for each in snippets() if each.not_run is not None]
    assert len(not_run) <= MOST_NOT_RUN
    assert all(len(each.not_run.split()) > 2 for each in not_run)


# --- python -----------------------------------------------------------------------------------------------------------


class TaskInstance:
    """What tasks ask of the context.

    :param manifests: what the tasks before it returned.
    """

    def __init__(self, manifests: dict[str, dict[str, Any]]) -> None:
        self.pushed: dict[str, Any] = {}
        self._manifests = manifests

    def xcom_pull(self, task_ids: str) -> dict[str, Any]:
        """Give the manifest of a task, one of whose callees failed."""
        failures = {"row": 9, "code": "NoPairs", "message": "", "request_id": "", "source": {"callee": LEFT_OUT}}
        manifest = self._manifests[task_ids]
        (Path(manifest["output_path"]) / "failures-00009.ndjson").write_text(json.dumps(failures), encoding="utf-8")
        return manifest | {"failures": ["failures-00009.ndjson"]}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


@contextmanager
def entered_dags(monkeypatch):
    """Gather the DAGs that are opened by ``with``."""
    found: list[DAG] = []
    enter = DAG.__enter__

    def recorded(dag):
        found.append(dag)
        return enter(dag)

    with monkeypatch.context() as patch:
        patch.setattr(DAG, "__enter__", recorded)
        yield found


@pytest.mark.parametrize("snippet", snippets("python"), ids=str)
def test_the_python_runs(snippet: Snippet, simulate, monkeypatch, tmp_path):
    """It is run as it stands; of the DAGs it makes, those tasks are executed that need nothing of other tasks."""
    simulate()
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", write_database(tmp_path / "warehouse.db"))
    text = snippet.text
    if "RetryRule" in text and AIRFLOW < (3, 3):
        pytest.skip("retry policies came with Airflow 3.3")
    if AIRFLOW < (3,):
        text = text.replace("from airflow.sdk import", "from airflow.providers.common.compat.sdk import")
    text = text.replace('"/data/', f'"{tmp_path}/')
    with entered_dags(monkeypatch) as dags:
        exec(compile(text, str(snippet), "exec"), {"__name__": "__main__"})  # noqa: S102
    assert ("with DAG(" in text) == bool(dags)
    for dag in dags:
        assert dag.tasks
        manifests: dict[str, dict[str, Any]] = {}
        for task in dag.topological_sort():
            if isinstance(task, BaseOperator):  # a mapped one is not
                execute(task, manifests)


def execute(task: Any, manifests: dict[str, dict[str, Any]]) -> None:
    """Render and execute a task of this provider, unless it takes what another task gives."""
    own = (CccPickOutboundNumbersOperator, CccPickOutboundNumbersBatchOperator, CccInstanceHealthSensor)
    values = [getattr(task, name) for name in task.template_fields]
    if not isinstance(task, own) or any(hasattr(value, "operator") for value in values):
        return
    ti = TaskInstance(manifests)
    # As of a run that was triggered from the command line: it has no logical date, and no ds.
    dag_run = SimpleNamespace(logical_date=None, run_after=datetime(2026, 11, 25, tzinfo=UTC))
    context = {"dag_run": dag_run, "params": dict(task.dag.params), "ti": ti, "dag": task.dag, "task": task}
    task.render_template_fields(context)
    if isinstance(task, CccPickOutboundNumbersBatchOperator):
        leaves_out = bool(task.exclude or task.exclude_sql)
        if isinstance(task.callees, str):
            numbers = (*CALLEES, LEFT_OUT) if leaves_out else CALLEES
            write_numbers(Path(task.callees), task.callee_column, numbers, task.callees_sheet)
        if task.exclude:
            write_numbers(Path(task.exclude), task.exclude_column or task.callee_column, [LEFT_OUT])
        manifests[task.task_id] = manifest = task.execute(context)
        assert manifest["resolved"] > 0
        assert manifest["resolved"] + manifest["excluded"] == manifest["callees"]
        assert manifest["excluded"] == leaves_out
    elif isinstance(task, CccInstanceHealthSensor):
        # Rescheduling is Airflow's own, and needs its database; a look is the same in every mode.
        looked = task.execute(context) if task.deferrable else task.poke(context).xcom_value
        assert looked["outbound_numbers"] >= int(task.min_outbound_numbers)
    else:
        assert task.execute(context)
        assert ti.pushed["request_id"]


# --- json -------------------------------------------------------------------------------------------------------------

PAIR = {"callee", "caller"}
SEEN = {"instance_id", "name", "status", "outbound_numbers", "request_id"}


def check_connection(fields: dict[str, Any]) -> ConnectionSettings:
    extra = fields.get("extra", {})
    settings = ConnectionSettings.of(Connection(conn_id="c", **fields | {"extra": json.dumps(extra)}))
    assert settings.unknown == ()
    if extra.get("credentials") in ROLES:
        assert isinstance(settings.credentials, FetchedCredentials)
    else:
        assert settings.credentials.get().access_key_id
    return settings


def check_manifest(shown: dict[str, Any], simulate, tmp_path: Path) -> None:
    """Run the campaign that the page speaks of, and compare all of its manifest but names, times and fingerprints."""
    simulate()
    callees = tmp_path / shown["source"]
    callees.write_bytes(gzip.compress(b"callee\n13800138000\nnone\n13800138000\n"))
    task = CccPickOutboundNumbersBatchOperator(
        task_id="pick",
        callees=str(callees),
        output_path=str(tmp_path / "pairs"),
        candidate_numbers=["01089767654", "02160664656"],
        max_failures=1,
    )
    manifest = task.execute({})
    assert list(manifest) == list(shown)
    differ = {name for name in shown if shown[name] != manifest[name]}
    assert differ <= {"output_path", "seconds", "started", "finished", *(name for name in shown if "finger" in name)}


@pytest.mark.parametrize("snippet", snippets("json"), ids=str)
def test_the_json_is_what_it_is_said_to_be(snippet: Snippet, simulate, tmp_path):
    value = json.loads(snippet.text)
    if isinstance(value, list):
        assert value
        for pair in value:
            assert pair.keys() == PAIR
            assert all(number.keys() == {"number", "city", "province"} for number in pair.values())
    elif "conn_type" in value:
        check_connection(value)
    elif "instances" in value:
        assert instances.load(value).instances
    elif "fingerprint" in value:
        check_manifest(value, simulate, tmp_path)
    elif "outbound_numbers" in value:
        assert value.keys() - {"ready_agents"} == SEEN
    elif "row" in value:
        about = {"code", "message"} if "code" in value else PAIR
        assert value.keys() == {"row", "request_id", "source", *about}
    else:
        assert value.keys() == {"Version", "Statement"}, "neither a connection, nor anything else that is known here"


# --- console ----------------------------------------------------------------------------------------------------------

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
LINES = [
    pytest.param(line, id=f"{snippet}: {line[:40]}")
    for snippet in snippets("console")
    for line in snippet.text.replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]


@pytest.mark.parametrize("line", LINES)
def test_the_command_can_be_given(line: str, monkeypatch):
    words = shlex.split(line)
    if words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word]
        assert targets
        assert set(targets) <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
        assert all(f"$({word.split('=')[0]})" in MAKEFILE for word in words[1:] if "=" in word)
    elif words[:3] == ["python", "-m", "airflow_provider_ccc.simulator"]:
        parser = argparse.ArgumentParser(allow_abbrev=False)
        for flag, settings in options().items():
            parser.add_argument(flag, **settings)
        parser.parse_args(words[3:])
    elif words[:2] == ["airflow", "ccc"] or words[:3] == ["python", "-m", "airflow_provider_ccc"]:
        name, *arguments = words[2:] if words[0] == "airflow" else words[3:]
        (command,) = [command for command in COMMANDS if command.name == name]
        parser = argparse.ArgumentParser(allow_abbrev=False)
        for option in command.options:
            parser.add_argument(*option.flags, **option.settings)
        parser.parse_args(arguments)
    elif words[:2] == ["pip", "install"]:
        wheel = rf"dist/airflow_provider_ccc-{re.escape(__version__)}-py3-none-any\.whl"
        extras = re.fullmatch(rf"(?:airflow-provider-ccc|{wheel})(?:\[([a-z,]+)\])?", words[2])[1]
        assert all(re.search(rf"^{extra} = \[", PYPROJECT, re.MULTILINE) for extra in (extras or "dev").split(","))
        assert words[3:] in ([], ["--constraint", "constraints.txt"])
    elif words[0] == "export":
        name, _, value = words[1].partition("=")
        assert name.startswith("AIRFLOW_CONN_")
        if name == "AIRFLOW_CONN_OSS_DEFAULT":
            return  # no connection of this provider: it is used by test_oss.py
        if value.startswith("{"):
            settings = check_connection(json.loads(value))
        else:
            monkeypatch.setenv(name, value)
            settings = CccHook(name.removeprefix("AIRFLOW_CONN_").lower()).settings
            assert settings.unknown == ()
        assert settings.instance_id
    elif words[:3] == ["docker", "compose", "up"]:
        assert (ROOT / "compose.yaml").is_file()  # what it starts is checked by tests/system/distributed
    else:
        pytest.fail("no command that is known here")
