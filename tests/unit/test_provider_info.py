"""What Airflow makes of the provider information."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import airflow
from airflow.providers_manager import ProvidersManager
from jsonschema import Draft7Validator

from airflow_provider_ccc.get_provider_info import CONNECTION, get_provider_info
from airflow_provider_ccc.hooks.settings import ConnectionSettings
from airflow_provider_ccc.operators.ccc import (
    CccMergeManifestsOperator,
    CccPickOutboundNumbersBatchOperator,
    CccPickOutboundNumbersOperator,
)
from airflow_provider_ccc.sensors.ccc import CccInstanceHealthSensor
from tests.versions import READS_CLI, READS_CONN_FIELDS, READS_HOOK_NAME, connection_forms, connection_types

INFO = get_provider_info()
SCHEMA = json.loads((Path(airflow.__file__).parent / "provider.yaml.schema.json").read_text())
OPERATORS = (
    CccInstanceHealthSensor,
    CccMergeManifestsOperator,
    CccPickOutboundNumbersBatchOperator,
    CccPickOutboundNumbersOperator,
)
KNOWN = SCHEMA["properties"]["connection-types"]["items"]["properties"]


def test_against_airflows_own_schemas():
    # The schema is for the files in Airflow's own repository, which need more than a provider information has.
    schema = SCHEMA | {"required": ["name", "package-name", "description"]}
    Draft7Validator.check_schema(schema)
    known = INFO if READS_CLI else {key: value for key, value in INFO.items() if key != "cli"}
    assert [error.message for error in Draft7Validator(schema).iter_errors(known)] == []
    runtime = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    assert [error.message for error in Draft7Validator(runtime).iter_errors(INFO)] == []


def test_every_key_of_the_connection_is_one_that_airflow_reads():
    declared = {"connection-type", "hook-class-name"}
    if READS_CONN_FIELDS:
        declared = CONNECTION.keys() - ({"hook-name"} if not READS_HOOK_NAME else set())
    assert declared <= KNOWN.keys()


def named(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_every_link_of_the_operators_is_declared():
    links = {type(link) for operator in OPERATORS for link in operator.operator_extra_links}
    assert {f"{link.__module__}.{link.__qualname__}" for link in links} == set(INFO["extra-links"])


def test_what_is_named_exists():
    for part in ("hooks", "operators", "sensors", "triggers"):
        for module in (module for each in INFO[part] for module in each["python-modules"]):
            assert importlib.import_module(module)
    decorators = [decorator["class-name"] for decorator in INFO["task-decorators"]]
    for path in (*INFO["extra-links"], *INFO["cli"], *decorators):
        assert callable(named(path))
    hook = named(CONNECTION["hook-class-name"])
    assert (hook.conn_type, hook.hook_name) == (CONNECTION["connection-type"], CONNECTION["hook-name"])


def test_airflow_lists_the_provider_and_its_connection_type():
    assert "airflow-provider-ccc" in ProvidersManager().providers
    hook = connection_types()["ccc"]
    assert hook.hook_name == "Alibaba Cloud Call Center"
    assert hook.connection_id_attribute_name == "ccc_conn_id"
    assert hook.hook_class_name == "airflow_provider_ccc.hooks.ccc.CccHook"
    assert hook.connection_testable


def test_airflow_shows_the_form():
    fields, behaviours = connection_forms()
    behaviour = behaviours["ccc"]
    assert behaviour["relabeling"] == CONNECTION["ui-field-behaviour"]["relabeling"]
    assert list(behaviour["hidden_fields"]) == ["schema"]
    assert behaviour["placeholders"]["login"] == "LTAI..."
    widgets = {
        name.removeprefix("extra__ccc__"): widget for name, widget in fields.items() if name.startswith("extra__ccc__")
    }
    # Before 3.2 these fields are written into Extra, as JSON.
    assert widgets.keys() == (CONNECTION["conn-fields"].keys() if READS_CONN_FIELDS else set())
    secret = {name for name, widget in widgets.items() if widget.is_sensitive}
    assert secret == ({"security_token", "external_id", "credentials_uri", "proxy"} if READS_CONN_FIELDS else set())


def test_the_forms_defaults_are_the_connections():
    from airflow.providers.common.compat.sdk import Connection

    defaults = {
        name: field["schema"]["default"]
        for name, field in CONNECTION["conn-fields"].items()
        if "default" in field["schema"]
    }
    # Airflow takes every text in the extra for a secret, and warns in each task that a short one is not hidden.
    assert not [name for name, default in defaults.items() if isinstance(default, str) and len(default) < 5]
    described = {"conn_id": "c", "conn_type": "ccc", "login": "a", "password": "testsecret"}
    assert ConnectionSettings.of(Connection(**described, extra=json.dumps(defaults))) == ConnectionSettings.of(
        Connection(**described)
    )
