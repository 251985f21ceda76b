"""What the pages in docs/ show is what works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_ccc.client.credentials import FetchedCredentials
from airflow_provider_ccc.client.roles import ROLES
from airflow_provider_ccc.client.versions import APIS
from airflow_provider_ccc.hooks.ccc import CccHook
from airflow_provider_ccc.hooks.credentials import _KINDS
from airflow_provider_ccc.hooks.settings import ConnectionSettings
from tests.support import INSTANCE_ID

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("described", [block for block in blocks("credentials.md", "json") if "conn_type" in block])
def test_the_connections_are_understood(described):
    fields = json.loads(described)
    extra = fields["extra"]
    settings = ConnectionSettings.of(Connection(conn_id="c", **fields | {"extra": json.dumps(extra)}))
    assert settings.unknown == ()
    if extra.get("credentials") in ROLES:
        assert isinstance(settings.credentials, FetchedCredentials)
    else:
        assert settings.credentials.get().access_key_id == "LTAI..."


def test_every_kind_of_credentials_is_described():
    text = (DOCS / "credentials.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| ", text, re.MULTILINE)[1:] == list(_KINDS)
    for role in ROLES.values():
        row = re.search(rf"^\| `{role.name}` .*$", text, re.MULTILINE)[0]
        for name in role.__dataclass_fields__.keys() - {"name"}:
            assert f"`{name}`" in row, name


def test_the_policy_is_json_and_names_every_operation_that_is_used():
    (policy,) = [json.loads(block) for block in blocks("credentials.md", "json") if "Statement" in block]
    (statement,) = policy["Statement"]
    used = set()
    for api in APIS.values():
        used |= {api.get_instance("i").action, api.count_agents("i").action}
        used |= {next(api.list_phone_numbers("i", True)).action, next(api.list_instances()).action}
        used |= {api.pick_global("i", "13800138000", ["g"], 1, None).action}
    used.add(APIS["2017-07-05"].pick("i", "13800138000", ["01089767654"], 1).action)
    assert {action.removeprefix("ccc:") for action in statement["Action"]} == used


def test_the_python_of_api_versions_runs(simulate, capsys):
    simulate()
    check, own = blocks("api-versions.md", "python")
    exec(check, {})  # noqa: S102
    assert capsys.readouterr().out.splitlines()[-1].startswith("True")
    names: dict[str, object] = {}
    exec(own, names)  # noqa: S102
    operation = names["ListSkillGroups"](instance_id=INSTANCE_ID)
    sent = CccHook().protocol.prepare(operation)
    assert sent.headers["x-acs-action"] == "ListSkillGroups"
    body = b'{"Code": "OK", "Data": {"List": [{"SkillGroupId": "g@i"}]}}'
    assert CccHook().protocol.decode(operation, 200, {}, body) == ["g@i"]


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_the_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", (DOCS / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (DOCS / link).exists()] == []
