"""What tests share: the documented answers and vectors of tests/fixtures, and the seed page's own example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

INSTANCE_ID = "9cfad875-6260-4a53-ab6e-b13e3fb31f7d"
CALLEE = "165787876896"
CANDIDATE = "01089767654"
SECRET = "testsecret"


def fixture(name: str) -> Any:
    """Read a file of tests/fixtures."""
    return json.loads((Path(__file__).parent / "fixtures" / name).read_text(encoding="utf-8"))


def connection_to(simulator: str) -> str:
    """Write the connection to a simulator as the environment variable of a connection has it.

    :param simulator: its address.
    """
    fields = {"conn_type": "ccc", "login": "testid", "password": SECRET, "host": simulator}
    return json.dumps(fields | {"extra": {"instance_id": INSTANCE_ID}})
