"""Gives every test run an Airflow of its own."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

# Before anything imports Airflow: it reads its configuration when it is imported.
for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
_HOME = tempfile.TemporaryDirectory(prefix="ccc-tests-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] = "False"
# Tests talk to loopback only; a proxy of this machine must not come between.
for _name in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.upper(), None)

import pytest  # noqa: E402

from tests.support import INSTANCE_ID  # noqa: E402


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the connection ccc_default from its fields; call it again to change them."""

    def set_connection(**fields: Any) -> None:
        described = {
            "conn_type": "ccc",
            "login": "testid",
            "password": "testsecret",
            "extra": {"instance_id": INSTANCE_ID},
        } | fields
        monkeypatch.setenv("AIRFLOW_CONN_CCC_DEFAULT", json.dumps(described))

    set_connection()
    return set_connection
