"""Which part may import which, and what a DAG file must not bring along."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_ccc

PACKAGE = Path(airflow_provider_ccc.__file__).parent


def imports(folder: str) -> dict[str, set[str]]:
    """Every import of each module, wherever in the module it stands."""
    found: dict[str, set[str]] = {}
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        names = found.setdefault(str(path.relative_to(PACKAGE)), set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("client", ("airflow.", "airflow_provider_ccc.hooks", "airflow_provider_ccc.simulator", "requests", "aiohttp")),
        ("simulator", ("airflow.", "airflow_provider_ccc.client", "airflow_provider_ccc.hooks")),
        (
            "hooks",
            (
                "airflow_provider_ccc.campaign",
                "airflow_provider_ccc.operators",
                "airflow_provider_ccc.sensors",
                "airflow_provider_ccc.simulator",
            ),
        ),
        (
            "campaign",
            (
                "airflow_provider_ccc.hooks",
                "airflow_provider_ccc.operators",
                "airflow_provider_ccc.sensors",
                "airflow_provider_ccc.simulator",
                "aiohttp",
                "requests",
            ),
        ),
        ("operators", ("airflow_provider_ccc.simulator", "requests")),
        ("sensors", ("airflow_provider_ccc.simulator", "airflow_provider_ccc.operators", "requests")),
    ],
)
def test_arrows_point_one_way(folder, forbidden):
    modules = imports(folder)
    assert modules
    for module, names in modules.items():
        assert not [name for name in names if name.startswith(forbidden)], module


def test_what_differs_between_airflow_versions_is_left_to_one_module():
    # These are the same in every version. What common.compat.sdk has differs between its own versions.
    alike = ("airflow.providers.", "airflow.triggers.base.", "airflow.cli.", "airflow.models.connection.")
    found = imports(".") | imports("triggers") | imports("sensors")
    for module, names in found.items():
        airflows = {name for name in names if name.split(".")[0] == "airflow"}
        moved = [name for name in airflows if not name.startswith(alike) or "common.compat.sdk" in name]
        assert module == "compat.py" or not moved, module


@pytest.mark.parametrize(
    "module", ["airflow_provider_ccc.operators.ccc", "airflow_provider_ccc.sensors.ccc", "airflow_provider_ccc.client"]
)
def test_a_dag_file_brings_nothing_heavy_along(module):
    heavy = (
        "aiohttp",
        "matplotlib",
        "pyarrow",
        "zstandard",
        "fsspec",
        "starlette",
        "uvicorn",
        "phonenumbers",
        "alibabacloud_openapi_util",
        "aliyunsdkcore",
        "requests",
        "openlineage",
    )
    code = (
        f"import sys, airflow.providers.common.compat.sdk as sdk; sdk.BaseOperator; sdk.BaseSensorOperator\n"
        f"before = set(sys.modules)\nimport {module}\n"
        f"print([name for name in {heavy} if name in sys.modules and name not in before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_provider_information_imports_nothing():
    assert imports(".")["get_provider_info.py"] == {"__future__.annotations", "typing.Any"}
