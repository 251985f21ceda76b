"""What the cluster's Airflow is told in Python; this folder is on the path of all its processes."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from typing import Any


def task_policy(task: Any) -> None:
    """Let no test wait for a retry."""
    task.retry_delay = timedelta(seconds=3)


def hostname() -> str:
    """Give each worker the name that a machine of its own would have."""
    return os.environ.get("CCC_HOSTNAME") or socket.gethostname()
