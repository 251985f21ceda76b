"""Which part may import which, and what a DAG file must not bring along."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_ccc

PACKAGE = Path(airflow_provider_ccc.__file__).parent
CAMPAIGN = "airflow_provider_ccc.campaign"


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
        ("client", ("airflow.", "airflow_provider_ccc.hooks", "airflow_provider_ccc.simulator", "requests", "pycurl")),
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
                "pycurl",
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


@pytest.mark.parametrize(
    ("room", "others"),
    [
        ("source", ()),
        ("output", ("source",)),
        ("picking", ("source", "output")),
        ("report", ("output",)),
    ],
)
def test_rooms_of_a_campaign_know_only_those_before_them(room, others):
    allowed = tuple(f"{CAMPAIGN}.{other}" for other in (room, *others))
    modules = imports(f"campaign/{room}")
    assert modules
    for module, names in modules.items():
        assert not [name for name in names if name.startswith(f"{CAMPAIGN}.") and not name.startswith(allowed)], module


def test_no_module_imports_itself_by_way_of_others():
    """Wherever in a module an import stands, one for type checking only too."""
    modules = {named(path): names for path, names in imports(".").items()}
    graph = {
        module: {name if name in modules else name.rpartition(".")[0] for name in names} & modules.keys() - {module}
        for module, names in modules.items()
    }
    assert len(graph) > 90
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def named(path: str) -> str:
    return ".".join(("airflow_provider_ccc", *Path(path).with_suffix("").parts)).removesuffix(".__init__")


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
        "pycurl",
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


def test_nothing_stands_on_what_aiohttp_does_not_document():
    """Nor on aiohttp at all: the first transport took its connector's connections over."""
    for module, names in imports(".").items():
        assert not [name for name in names if name.partition(".")[0] in ("aiohttp", "httptools", "yarl")], module


def test_the_provider_information_imports_nothing():
    assert imports(".")["get_provider_info.py"] == {"__future__.annotations", "typing.Any"}
