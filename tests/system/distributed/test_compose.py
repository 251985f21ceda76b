"""compose.yaml describes the cluster that is tested here. Docker itself is not run by tests."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import pytest
import yaml
from airflow.configuration import conf

from airflow_provider_ccc.simulator.__main__ import options
from tests.system.components import COMPONENTS, ROOT, environment
from tests.system.distributed.cluster import WORKERS, deployment
from tests.system.distributed.services import ObjectStore
from tests.versions import IS_NEWEST

if not IS_NEWEST:
    pytest.skip("compose.yaml is of the newest Airflow", allow_module_level=True)

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
SETTINGS = COMPOSE["x-airflow"]["environment"]
TESTED = deployment(
    "postgresql+psycopg2://airflow:airflow@postgres/airflow",
    "db+postgresql://airflow:airflow@postgres/airflow",
    "redis://redis:6379/0",
    "http://object-store:5000",
    "http://simulator:8790",
)


def test_the_settings_are_those_of_the_tested_cluster(tmp_path):
    """Every one of the deployment's, with its value, and none that the tested cluster does not have."""
    decoded = lambda name, value: json.loads(value) if name.startswith("AIRFLOW_CONN_") else value  # noqa: E731
    assert {name: decoded(name, SETTINGS[name]) for name in TESTED} == {
        name: decoded(name, value) for name, value in TESTED.items()
    }
    assert SETTINGS.keys() - TESTED.keys() <= environment(tmp_path, "http://127.0.0.1:80", tmp_path).keys()


@pytest.mark.parametrize("name", [name for name in SETTINGS if name.startswith("AIRFLOW__")])
def test_airflow_knows_each_setting(name):
    section, key = name.removeprefix("AIRFLOW__").lower().split("__")
    assert key in conf.configuration_description[section]["options"]


def test_every_component_runs_and_is_started_again():
    commands = {
        name: each["command"]
        for name, each in SERVICES.items()
        if each.get("image") == "airflow-provider-ccc" and "entrypoint" not in each
    }
    assert commands == {name: name for name in COMPONENTS} | dict.fromkeys(WORKERS, "celery worker")
    assert {each["restart"] for name, each in SERVICES.items() if name != "init"} == {"always"}


def test_what_services_need_is_there():
    for name, each in SERVICES.items():
        assert set(each.get("depends_on", {})) <= SERVICES.keys(), name
        for volume in each.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).is_dir(), volume
    assert ObjectStore.BUCKET in SERVICES["init"]["command"][0]
    assert {flag for flag in SERVICES["simulator"]["entrypoint"] if flag.startswith("--")} <= options().keys()
    dockerfile = SERVICES["simulator"]["build"]["dockerfile_inline"]
    assert dockerfile.startswith(f"FROM apache/airflow:{version('apache-airflow')}\n")
    for line in dockerfile.splitlines():
        if line.startswith("COPY"):
            assert all((ROOT / source).exists() for source in line.split()[2:-1]), line
