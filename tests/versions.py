"""Every difference between the Airflow versions that tests run on; elsewhere in tests there is none.

Nothing of Airflow is imported with this module: conftest.py comes first, and gives Airflow a home of its own.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

try:
    import structlog.testing as structlog_testing
except ImportError:  # Airflow 2 logs through the standard library alone
    structlog_testing = None

AIRFLOW = tuple(int(part) for part in version("apache-airflow").split(".")[:2])
#: The connection form's fields of the extra are read from the provider information; before, there are none.
READS_CONN_FIELDS = AIRFLOW >= (3, 2)
#: The form's fields of the extra that are secret are hidden while they are typed.
FORM_HIDES_SECRETS = AIRFLOW >= (3, 3)
#: So are the commands of providers; before, the package's own command line is all there is.
READS_CLI = AIRFLOW >= (3, 2)
#: The connection type's name is read there too; before, the hook's attribute is.
READS_HOOK_NAME = AIRFLOW >= (3, 3)
#: What this Airflow deprecates has a successor that the package must use; older ones are done with.
IS_NEWEST = AIRFLOW >= (3, 3)
#: As filters for pytest: what Airflow warns with when something of its own is deprecated, and any deprecation, of other
#: packages too, that code of this repository causes. What Airflow's own modules use that others deprecate stays out.
DEPRECATIONS = (
    "error::airflow.exceptions.RemovedInAirflow4Warning",
    "error::airflow.exceptions.AirflowProviderDeprecationWarning",
    "error::airflow.sdk.exceptions.RemovedInAirflow4Warning",
    "error::airflow.utils.deprecation_tools.DeprecatedImportWarning",
    "error::DeprecationWarning:airflow_provider_ccc",
    "error::DeprecationWarning:tests",
)


def attach(protocol: str, **arguments: Any) -> Any:
    """Make a file system known to Airflow's ObjectStoragePath."""
    if AIRFLOW < (3, 0):
        from airflow.io.store import attach as airflows
    else:
        from airflow.sdk.io import attach as airflows
    return airflows(protocol, **arguments)


def connection_types() -> Any:
    """List the connection types that Airflow found in provider informations."""
    if AIRFLOW < (3, 3):
        from airflow.providers_manager import ProvidersManager as Manager
    else:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as Manager
    return Manager().hooks


def connection_forms() -> tuple[Any, Any]:
    """Give the fields of the extra, and how the standard ones look, that Airflow's pages show."""
    from airflow.providers_manager import ProvidersManager

    if (3, 0) <= AIRFLOW < (3, 2):
        # The web server makes forms without flask-appbuilder, which hooks still ask for, by putting stand-ins there.
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

        ProvidersManager()._cleanup()
        _, fields, behaviours = HookMetaService._get_hooks_with_mocked_fab()
        return fields, behaviours
    manager = ProvidersManager()
    return manager.connection_form_widgets, manager.field_behaviours


def store_of(path: Any) -> str | None:
    """Give the id of the connection that an ObjectStoragePath goes by."""
    return path.conn_id if hasattr(path, "conn_id") else path.storage_options.get("conn_id")


def stored_text(cell: Any) -> Any:
    """Read a cell of Airflow's database; Airflow 2 keeps JSON as bytes."""
    return cell.decode() if isinstance(cell, bytes) else cell


def task_timeout() -> Any:
    """Give what Airflow puts around a task that has an ``execution_timeout``."""
    if AIRFLOW < (3, 0):
        from airflow.utils.timeout import timeout
    else:
        from airflow.sdk.execution_time.timeout import timeout
    return timeout
