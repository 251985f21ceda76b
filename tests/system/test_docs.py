"""What the pages in docs/ say is so: their tables have what the code has. Their snippets are test_snippets.py's."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import certifi
import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_ccc.campaign.picking.failures import TooManyFailuresError
from airflow_provider_ccc.campaign.picking.runner import NO_PAIRS
from airflow_provider_ccc.cli import main
from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.credential_providers import ROLES
from airflow_provider_ccc.client.errors import CccError, CccParameterError, classify
from airflow_provider_ccc.client.numbers import is_possible, normalise
from airflow_provider_ccc.client.retry import _ONCE, _WORTH_ANOTHER_ATTEMPT
from airflow_provider_ccc.client.versions import APIS
from airflow_provider_ccc.get_provider_info import CONNECTION
from airflow_provider_ccc.hooks.ccc import CccHook
from airflow_provider_ccc.hooks.credentials import _KINDS
from airflow_provider_ccc.hooks.diagnosis import diagnose
from airflow_provider_ccc.hooks.settings import ConnectionSettings
from airflow_provider_ccc.operators.ccc import CccPickOutboundNumbersBatchOperator, CccPickOutboundNumbersOperator
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor
from airflow_provider_ccc.simulator.__main__ import options
from tests.pages import PAGES, ROOT, snippets, tables
from tests.support import INSTANCE_ID, fixture

DOCS = ROOT / "docs"


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# --- errors -----------------------------------------------------------------------------------------------------------

_ATTRIBUTES, CLASSES, CODES, OWN_CODES = (table[1:] for table in tables("errors.md"))
EXAMPLES = {"Missing{ParameterName}": "MissingInstanceId", "Invalid{ParameterName}": "InvalidCount"}
FAMILY = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, CccError)}


def test_every_known_code_is_described_and_no_other():
    described = [code for row in CODES for code in names(row[0])]
    assert sorted(described) == sorted(each["code"] for each in fixture("errors.json")["taxonomy"])


def test_each_code_is_of_the_class_that_the_page_says():
    statuses = {each["code"]: each["http"] for each in fixture("errors.json")["taxonomy"]}
    wrong = {}
    for codes, kind, meaning, what_to_do in CODES:
        assert meaning
        assert what_to_do
        for code in names(codes):
            for status in statuses[code]:
                real = classify(EXAMPLES.get(code, code.replace("{Name}", "InstanceId")), status or 400)
                if [real.__name__] != names(kind):
                    wrong[code] = real.__name__
    assert wrong == {}


def test_every_class_is_described_with_what_it_makes_of_call_and_task():
    assert [names(row[0]) for row in CLASSES if names(row[0])[0] not in FAMILY] == []
    assert {names(row[0])[0] for row in CLASSES} == FAMILY.keys()
    for name, call, task in CLASSES:
        kind = FAMILY[names(name)[0]]
        assert call.startswith("tried again") == issubclass(kind, _WORTH_ANOTHER_ATTEMPT), name
        assert call.startswith("fixed once") == issubclass(kind, _ONCE), name
        assert task == ("may retry" if kind.retryable else "ends"), name


def test_every_code_of_the_provider_is_described():
    """Those that stand in the package as ``own_code`` or ``code="..."``, by its source."""
    described = {names(row[0])[0]: (names(row[1]) or [""])[0] for row in OWN_CODES}
    source = "".join(path.read_text(encoding="utf-8") for path in _sources())
    found = set(re.findall(r'(?:own_code|\bcode) ?= ?"(\w+)"', source)) | {NO_PAIRS}
    assert described.keys() == found
    for kind in (*FAMILY.values(), TooManyFailuresError):
        if "own_code" in vars(kind) and kind.own_code:
            assert described[kind.own_code] == kind.__name__


def _sources() -> list[Path]:
    package = ROOT / "airflow_provider_ccc"
    return [path for path in package.rglob("*.py") if "simulator" not in path.parts]


# --- connection -------------------------------------------------------------------------------------------------------

FIELDS = [row for table in tables("connection.md")[:2] for row in table[1:]]
STANDARD = ("login", "password", "host", "port")


def test_every_field_of_the_connection_is_described():
    described = [names(row[0])[0] for row in FIELDS]
    assert sorted(described) == sorted([*STANDARD, *CONNECTION["conn-fields"], "cert", "trust_env"])
    labels = CONNECTION["ui-field-behaviour"]["relabeling"] | {
        name: field["label"] for name, field in CONNECTION["conn-fields"].items()
    }
    for row in FIELDS:
        assert row[1] == labels.get(names(row[0])[0], "Port" if "port" in row[0] else ""), row[0]


@pytest.mark.parametrize("row", FIELDS, ids=lambda row: row[0])
def test_the_example_of_each_field_is_understood(row, tmp_path):
    name, example = names(row[0])[0], json.loads(names(row[4])[0])
    if name in ("verify", "cert"):  # files that must be there
        (tmp_path / "client.pem").touch()
        example = certifi.where() if name == "verify" else [str(tmp_path / "client.pem")] * len(example)
    fields = {"conn_type": "ccc", "login": "LTAI...", "password": "..."}
    extra = {}
    (fields if name in STANDARD else extra)[name] = example
    settings = ConnectionSettings.of(Connection(conn_id="c", **fields | {"extra": json.dumps(extra)}))
    assert settings.unknown == ()


def test_every_kind_of_credentials_is_described():
    text = (DOCS / "credentials.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| ", text, re.MULTILINE)[1:] == list(_KINDS)
    for role in ROLES.values():
        row = re.search(rf"^\| `{role.name}` .*$", text, re.MULTILINE)[0]
        for name in role.__dataclass_fields__.keys() - {"name"}:
            assert f"`{name}`" in row, name


def test_the_policy_names_every_operation_that_is_used():
    (policy,) = [json.loads(each.text) for each in snippets("json") if "Statement" in each.text]
    (statement,) = policy["Statement"]
    used = set()
    for api in APIS.values():
        used |= {api.get_instance("i").action, api.count_agents("i").action}
        used |= {next(api.list_phone_numbers("i", True)).action, next(api.list_instances()).action}
        used |= {api.pick_global("i", "13800138000", ["g"], 1, None).action}
    used.add(APIS["2017-07-05"].pick("i", "13800138000", ["01089767654"], 1).action)
    assert {action.removeprefix("ccc:") for action in statement["Action"]} == used


def test_the_operation_of_ones_own_is_sent_and_read(simulate):
    simulate()
    (own,) = [each.text for each in snippets("python") if "ListSkillGroups(Operation" in each.text]
    made: dict[str, object] = {}
    exec(own, made)  # noqa: S102
    sent = CccHook().protocol.prepare(made["ListSkillGroups"](instance_id=INSTANCE_ID))
    assert sent.headers["x-acs-action"] == "ListSkillGroups"
    body = b'{"Code": "OK", "Data": {"List": [{"SkillGroupId": "g@i"}]}}'
    assert CccHook().protocol.decode(made["ListSkillGroups"](instance_id="i"), 200, {}, body) == ["g@i"]


BUTTON = next(table for table in tables("connection.md") if table[0][0] == "it says")[1:]


@pytest.mark.parametrize("row", BUTTON, ids=lambda row: row[0])
def test_the_test_button_says_what_the_page_says(row):
    kinds = {kind.own_code: kind for kind in FAMILY.values()} | {"Timeout": errors.CccConnectionError}
    for code in names(row[0]):
        said = diagnose(kinds.get(code, classify(code, 400))("message", code=code))
        assert all(field in said for field in names(row[1])), said
        assert ("RAM policy" in row[1]) == ("RAM policy" in said)


# --- tasks and simulator ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("operator.md", CccPickOutboundNumbersOperator),
        ("campaign.md", CccPickOutboundNumbersBatchOperator),
        ("sensor.md", CccInstanceHealthSensor),
    ],
)
def test_every_parameter_is_described_with_its_default(page, kind):
    table = next(table for table in tables(page) if table[0][0] == "parameter")
    real = {
        name: parameter.default
        for name, parameter in inspect.signature(inspect.unwrap(kind.__init__)).parameters.items()
        if name not in ("self", "kwargs")
    }
    rows = {names(row[0])[0]: row for row in table[1:]}
    assert rows.keys() == real.keys()
    for name, default in real.items():
        shown = rows[name][2]
        if default is inspect.Parameter.empty:
            assert shown == "required", name
        elif default is None or name in ("deferrable", "callees_format"):
            assert shown in ("", "none", "`None`", "the connection's", "by name") or "default_deferrable" in shown, name
        else:
            assert shown.strip("`") == str(default), name
        if len(rows[name]) > 3:
            assert (rows[name][3] == "yes") == (name in kind.template_fields), name


def numbers(cell: str) -> list[object]:
    """The numbers in a cell, of the type that it says."""
    kinds = {"": str, " as an integer": int, " as a float": float}
    return [kinds[kind](text) for text, kind in re.findall(r"`([^`]+)`( as an integer| as a float)?", cell)]


def test_numbers_are_sent_as_the_page_says():
    (table,) = [table for table in tables("callees.md") if table[0] == ["given", "sent"]]
    for given, sent in table[1:]:
        texts = names(sent.partition(":")[0])
        for place, number in enumerate(numbers(given)):
            assert normalise(number, "callee") == texts[place if len(texts) > 1 else 0], number


def test_numbers_are_refused_as_the_page_says():
    (table,) = [table for table in tables("callees.md") if table[0] == ["given", "the failure says"]]
    for given, why in table[1:]:
        for number in numbers(given):
            with pytest.raises(CccParameterError, match=re.escape(names(why)[0])):
                normalise(number, "callee")
    (table,) = [table for table in tables("callees.md") if table[0] == ["refused", "because"]]
    assert not any(is_possible(normalise(number, "callee")) for row in table[1:] for number in names(row[0]))


def test_the_look_before_calling_is_as_the_page_shows(tmp_path, monkeypatch, capsys):
    callees, excluded, shown = (each.text for each in snippets("text") if each.page == "docs/callees.md")
    (tmp_path / "callees.csv").write_text(callees, encoding="utf-8")
    (tmp_path / "do-not-call.csv").write_text(excluded, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (command,) = [each.text for each in snippets("console") if "ccc check callees.csv --exclude" in each.text]
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command)[2:])
    assert ended.value.code == 1
    printed = capsys.readouterr()
    lines = [line.rstrip() for line in (printed.out + printed.err).splitlines() if line.strip()]
    assert lines == shown.splitlines()


def test_every_option_of_the_simulator_is_described_with_its_default():
    table = next(table for table in tables("simulator.md") if table[0][0] == "option")
    described = {}
    for row in table[1:]:
        flags = names(row[0])
        values = [value.strip().strip("`") for value in row[2].split(",")] if len(flags) > 1 else [row[2]]
        described |= dict(zip(flags, values, strict=True))
    real = {flag: settings.get("default") for flag, settings in options().items()}
    assert described.keys() == real.keys()
    assert {name: described[name] for name, default in real.items() if default is not None} == {
        name: f"{default:g}" if isinstance(default, float) else str(default)
        for name, default in real.items()
        if default is not None
    }


# --- the pages as such ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))) <= targets, page.name


def test_every_page_is_in_the_navigation_and_the_site_loads_nothing_from_elsewhere(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    built = list(tmp_path.rglob("*.html"))
    assert len(built) == len(list(DOCS.glob("*.md"))) + 1  # the 404
    for page in built:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="?(?:https?:)?//[^">]+', text) == []
