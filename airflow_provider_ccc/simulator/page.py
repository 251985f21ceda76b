"""The page at ``/``: what this simulator serves, and how to point an Airflow connection at it."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from starlette.datastructures import Headers

from airflow_provider_ccc.simulator.answers import Answer
from airflow_provider_ccc.simulator.metadata import ROLE
from airflow_provider_ccc.simulator.registry import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from starlette.types import Scope

    from airflow_provider_ccc.simulator.instances import Account, Instance
    from airflow_provider_ccc.simulator.settings import SimulatorSettings
    from airflow_provider_ccc.simulator.sts import Sts

_TEMPLATE = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)

_PORT = re.compile(r":\d+$")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows.

    :param actions: requests by the operation's name.
    :param codes: answers by the API's code.
    """

    settings: SimulatorSettings
    account: Account
    sts: Sts
    actions: Mapping[str, int]
    codes: Mapping[str, int]


def render(shown: Shown, scope: Scope) -> Answer:
    """Render the page.

    :param shown: what it shows.
    :param scope: the request's; the page shows the address that the browser used.
    """
    settings = shown.settings
    base_url = f"http://{_host(scope)}"
    instances = shown.account.instances
    body = _TEMPLATE.substitute(
        base_url=escape(base_url),
        connections="\n".join(f"<pre>{escape(line)}</pre>" for line in _connections(shown, base_url)),
        operations="".join(
            f"<h3>Version {escape(version)}</h3><p>{_list(operations)}</p>"
            for version, operations in OPERATIONS.items()
        ),
        instances="".join(_instance(shown.account, instance) for instance in instances.values()) or "<p>None.</p>",
        access_key_id=escape(settings.access_key_id),
        access_key_secret=escape(settings.access_key_secret),
        security_token=f"<code>{escape(settings.security_token)}</code>" if settings.security_token else "none",
        sts=f"{settings.sts_seconds} s at most" if settings.sts_seconds else "an hour, or as asked for",
        sts_operations=_list(shown.sts.operations),
        issued=shown.sts.issued,
        ram_role=escape(ROLE),
        qps=f"{settings.qps} requests a second" if settings.qps else "no limit",
        latency=f"{settings.latency_ms:g} ms",
        fault_rate=f"{settings.fault_rate:g}",
        seed=settings.seed,
        actions=_counts(shown.actions),
        codes=_counts(shown.codes),
    )
    return Answer(200, "OK", body.encode(), "HTML")


def _host(scope: Scope) -> str:
    """Tell the address that was asked; the server's own if the request's Host header is none."""
    host = Headers(scope=scope).get("host", "")
    if _HOST.fullmatch(host):
        return host
    address, port = scope["server"]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _connections(shown: Shown, base_url: str) -> Iterator[str]:
    """Give the shell's lines that make the Airflow connection: as JSON, and as a URI."""
    settings = shown.settings
    extra: dict[str, Any] = {}
    if shown.account.instances:
        extra["instance_id"] = next(iter(shown.account.instances))
    if settings.security_token:
        extra["security_token"] = settings.security_token
    connection = {
        "conn_type": "ccc",
        "login": settings.access_key_id,
        "password": settings.access_key_secret,
        "host": base_url,
        "extra": extra,
    }
    key = ":".join(quote(part, safe="") for part in (settings.access_key_id, settings.access_key_secret))
    # A port is a URI's own; the scheme is the host's, because https is spoken where it says nothing.
    address, _, port = base_url.rpartition(":") if _PORT.search(base_url) else (base_url, "", "")
    uri = f"ccc://{key}@{quote(address, safe='')}{':' + port if port else ''}/?{urlencode(extra)}"
    for form in (json.dumps(connection, ensure_ascii=False), uri):
        yield f"export AIRFLOW_CONN_CCC_DEFAULT={shlex.quote(form)}"


def _instance(account: Account, instance: Instance) -> str:
    rows = "".join(
        f"<tr><td>{escape(number.number)}</td><td>{escape(account.region_of(number.number).city or '–')}</td>"
        f"<td>{escape(number.usage)}</td><td>{'yes' if number.allow_outbound else 'no'}</td></tr>"
        for number in instance.phone_numbers.values()
    )
    groups = _list(instance.skill_groups) if instance.skill_groups else "none"
    agents = ", ".join(f"{escape(state)} {count}" for state, count in instance.agents.items()) or "none"
    return (
        f"<h3>{escape(instance.name)}</h3>"
        f"<p><code>{escape(instance.instance_id)}</code> in 2017-07-05, <code>{escape(instance.domain_name)}</code> in "
        f"2020-07-01; status {escape(instance.status)}, service {escape(instance.state)}. Skill groups: {groups}. "
        f"Agents: {agents}.</p>"
        f"<table><thead><tr><th>Number</th><th>City</th><th>Usage</th><th>Calls out</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in names)


def _counts(counts: Mapping[str, int]) -> str:
    if not counts:
        return '<tr><td colspan="2">none yet</td></tr>'
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "".join(f"<tr><td>{escape(name)}</td><td>{count}</td></tr>" for name, count in ordered)
