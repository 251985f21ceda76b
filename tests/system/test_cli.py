"""The provider's commands, under ``airflow ccc`` and under ``python -m airflow_provider_ccc``."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from airflow_provider_ccc.cli import COMMANDS
from airflow_provider_ccc.get_provider_info import CONNECTION, get_provider_info
from airflow_provider_ccc.simulator.server import SimulatorSettings, running
from tests.shared import migrated_home
from tests.support import CALLEE, CANDIDATE, INSTANCE_ID

INFO = get_provider_info()
GROUP = "3f3ceb0d-d6b6-4c97-af20-f3daf04f90e0"


def takes_commands_of_providers() -> bool:
    from airflow.providers_manager import ProvidersManager

    return hasattr(ProvidersManager, "cli_command_functions")


WAYS = [[sys.executable, "-m", "airflow_provider_ccc"]]
if takes_commands_of_providers():
    WAYS.append([sys.executable, "-m", "airflow", "ccc"])


@pytest.fixture(scope="module")
def simulator():
    with running(SimulatorSettings()) as started:
        yield started


@pytest.fixture(params=WAYS, ids=lambda way: " ".join(way[2:]))
def run(request, simulator):
    """Run a command to its end."""

    def command(*arguments: str, **fields: str) -> subprocess.CompletedProcess[str]:
        described = {"conn_type": "ccc", "login": "testid", "password": "testsecret", "host": simulator.url}
        described |= {"extra": {"instance_id": INSTANCE_ID}} | fields
        environment = os.environ | {"AIRFLOW_CONN_CCC_DEFAULT": json.dumps(described), "COLUMNS": "200"}
        return subprocess.run(
            [*request.param, *arguments], capture_output=True, text=True, timeout=120, check=False, env=environment
        )

    return command


def last_json(printed: str):
    return json.loads(printed[printed.rindex("\n[") if "\n[" in printed else printed.index("[") :])


def test_pick(run):
    done = run("pick", CALLEE, "--candidate", CANDIDATE, "--candidate", "02160664656", "--output", "json")
    assert done.returncode == 0, done.stderr
    (pair,) = last_json(done.stdout)
    assert (pair["callee_number"], pair["caller_number"], pair["caller_city"]) == (CALLEE, CANDIDATE, "北京")
    done = run("pick", CALLEE, "--skill-group", GROUP)
    assert done.returncode == 0, done.stderr
    assert CANDIDATE in done.stdout
    assert "caller_number" in done.stdout


def test_health(run):
    done = run("health", "--min-ready-agents", "3", "-o", "json")
    assert done.returncode == 0, done.stderr
    (seen,) = last_json(done.stdout)
    assert (str(seen["outbound_numbers"]), str(seen["ready_agents"])) == ("12", "3")
    done = run("health", "--min-outbound-numbers", "13")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: not ready: 12 of its numbers may call out, 13 are needed"


@pytest.fixture(scope="module")
def airflow_with_connections(simulator, tmp_path_factory):
    """The environment of an Airflow with connections in its database and in its secrets backend, none in variables."""
    home = tmp_path_factory.mktemp("airflow")
    database = migrated_home(home)
    described = {"conn_type": "ccc", "login": "testid", "password": "testsecret", "host": simulator.url}
    described |= {"extra": {"instance_id": INSTANCE_ID}}
    keys = {"access_key_id": "testid", "access_key_secret": "testsecret", "instance_id": INSTANCE_ID}
    siblings = {"conn_type": "alibaba_cloud", "host": simulator.url, "extra": keys}
    (home / "connections.json").write_text(json.dumps({"in_secrets_backend": described}), encoding="utf-8")
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(home / "connections.json")}),
        "COLUMNS": "200",
    }
    for arguments in (
        ("connections", "add", "in_database", "--conn-json", json.dumps(described)),
        ("connections", "add", "alibaba_cloud_in_database", "--conn-json", json.dumps(siblings)),
    ):
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    return environment


@pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(way[2:]))
@pytest.mark.parametrize("connection_id", ["in_database", "in_secrets_backend", "alibaba_cloud_in_database"])
def test_connections_are_found_where_airflows_own_commands_find_them(way, connection_id, airflow_with_connections):
    for arguments in (("health",), ("pick", CALLEE, "--candidate", CANDIDATE)):
        done = subprocess.run(
            [*way, *arguments, "--conn-id", connection_id, "--output", "json"],
            env=airflow_with_connections,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(last_json(done.stdout)) == 1


def test_candidates_may_have_commas_between(run):
    done = run("pick", CALLEE, "--candidate", f"02160664656, {CANDIDATE}", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert last_json(done.stdout)[0]["caller_number"] == CANDIDATE
    done = run("health", "--candidate", f"{CANDIDATE},02160664656,10000")
    assert done.stderr.splitlines()[-1] == "error: not ready: these candidates may not call out: 10****"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pick", CALLEE), "error: give --candidate or --skill-group, not both; repeat it for several"),
        (
            ("pick", CALLEE, "--candidate", CANDIDATE, "--skill-group", GROUP),
            "error: give --candidate or --skill-group, not both; repeat it for several",
        ),
        (("pick", CALLEE, "--candidate", "x"), "error: InvalidArgument: candidate_numbers[0]"),
        (("health", "--instance-id", "nowhere"), "error: NotExist.Instance"),
        (("health", "--conn-id", "missing"), "error: The conn_id `missing` isn't defined"),
    ],
)
def test_what_goes_wrong_is_one_line(run, arguments, says):
    done = run(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_simulators_own_options(run):
    done = run("simulator", "--port", "99999")
    assert done.returncode == 2
    assert "argument --port: must be an integer from 0 to 65535" in done.stderr


def test_help_names_every_command(run):
    done = run("--help")
    assert done.returncode == 0
    assert all(command.name in done.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    ("listing", "ours"),
    [
        ("list", {"airflow-provider-ccc"}),
        ("hooks", {CONNECTION["hook-class-name"]}),
        ("links", set(INFO["extra-links"])),
        ("triggers", {module for each in INFO["triggers"] for module in each["python-modules"]}),
    ],
)
def test_airflow_lists_what_the_provider_has(listing, ours):
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "providers", listing, "--output", "json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    listed = [set(map(str, row.values())) for row in last_json(done.stdout)]
    assert {value for row in listed for value in row if "airflow_provider_ccc" in value} == {
        name for name in ours if "airflow_provider_ccc" in name
    }
    assert ours <= set().union(*listed)
