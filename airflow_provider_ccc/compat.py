"""What differs between the versions of Airflow that this package supports, beyond what common.compat evens out."""

from __future__ import annotations

from airflow import __version__
from packaging.version import Version

AIRFLOW = Version(__version__).release

#: Whether the triggerer renders the templates in the arguments of a task that starts from its trigger.
RENDERS_TRIGGER_ARGUMENTS = AIRFLOW >= (3, 3)

#: Whether a task makes its links itself when it ends; before, the web server does, which knows of it by XCom only.
TASKS_MAKE_LINKS = AIRFLOW >= (3, 0)
