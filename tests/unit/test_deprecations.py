"""On the newest Airflow, neither the package nor the example DAGs use anything that Airflow deprecates.

Other tests fail on deprecations by themselves; here are those of imports, which happen once in a process, and of the
example DAGs, which other tests run in processes of Airflow's.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.versions import DEPRECATIONS, IS_NEWEST

ROOT = Path(__file__).parents[2]
CODE = """
import pkgutil, runpy, sys, warnings
from importlib import import_module
import airflow, airflow.exceptions, airflow.sdk.exceptions, airflow.utils.deprecation_tools
for line in sys.argv[2:]:
    _, _, category, *_ = line.split(":")
    place, _, name = category.rpartition(".")
    if place:
        warnings.simplefilter("error", getattr(import_module(place), name))
for caller in ("airflow_provider_ccc", "<run_path>", "ccc_"):
    warnings.filterwarnings("error", category=DeprecationWarning, module=caller)
import airflow_provider_ccc
for module in pkgutil.walk_packages(airflow_provider_ccc.__path__, "airflow_provider_ccc."):
    if not module.name.endswith("__main__"):
        import_module(module.name)
        print(module.name)
from pathlib import Path
for example in sorted(Path(sys.argv[1]).glob("*.py")):
    runpy.run_path(str(example), run_name=example.stem)
    print(example.name)
"""


@pytest.mark.skipif(not IS_NEWEST, reason="what the newest Airflow deprecates is what older ones have")
def test_nothing_deprecated_is_imported_or_used_in_the_examples():
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(ROOT / "example_dags"), *DEPRECATIONS],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert {"airflow_provider_ccc.hooks.ccc", "ccc_campaign.py"} <= set(done.stdout.split())


@pytest.mark.skipif(not IS_NEWEST, reason="the filters are set on the newest Airflow only")
def test_deprecations_are_errors():
    from airflow.providers_manager import ProvidersManager
    from airflow.utils.deprecation_tools import DeprecatedImportWarning

    with pytest.raises(DeprecatedImportWarning):
        _ = ProvidersManager().hooks
