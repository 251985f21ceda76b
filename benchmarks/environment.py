"""The environments that peers run in: Airflow's, which is ours, and one of the official SDKs' own.

The SDKs are kept apart so that nothing of Airflow's can change what they depend on.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benchmarks" / ".venv"
REQUIREMENTS = ROOT / "benchmarks" / "requirements.txt"

OURS = (
    "apache-airflow",
    "apache-airflow-providers-http",
    "aiohttp",
    "pycurl",
    "uvloop",
    "msgspec",
    "requests",
    "urllib3",
)
THEIRS = (
    "alibabacloud-ccc20170705",
    "alibabacloud-tea-openapi",
    "aliyun-python-sdk-core",
    "aliyun-python-sdk-ccc",
    "aiohttp",
    "requests",
    "urllib3",
)

_VERSIONS = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"


class MissingEnvironmentError(Exception):
    """The official SDKs cannot be installed here; says why."""


def sdk_python() -> str:
    """Build the SDKs' environment if it is not there yet.

    :returns: its Python.
    :raises MissingEnvironmentError: if pip cannot install them, for example without a network.
    """
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / ".installed"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return str(python)
    print("installing the official SDKs into benchmarks/.venv (once; a minute)", flush=True)
    venv.create(FOLDER, clear=True, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--requirement", str(REQUIREMENTS)], env=for_children(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise MissingEnvironmentError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
    stamp.write_text(wanted, encoding="ascii")
    return str(python)


def for_children(**variables: str) -> dict[str, str]:
    """Return what child processes get as their environment.

    Byte code may be cached, nothing of an Airflow that is configured on this machine counts, and no proxy comes
    between, which the SDKs would send even calls to this machine through.

    :param variables: what is set besides.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW")
        and name.lower() not in ("http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle", "curl_ca_bundle")
        and name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED")
    }
    return kept | variables


def described(sdk: str | None) -> list[tuple[str, str]]:
    """Name what the figures depend on.

    :param sdk: the Python of the SDKs' environment, if there is one.
    """
    facts = [("Python", platform.python_version()), ("cores", str(len(os.sched_getaffinity(0))))]
    facts += [(name, importlib.metadata.version(name)) for name in OURS]
    if sdk:
        done = subprocess.run([sdk, "-c", _VERSIONS, *THEIRS], capture_output=True, text=True, check=True)
        facts += [(f"{name} (SDKs' environment)", version) for name, version in json.loads(done.stdout).items()]
    return facts
