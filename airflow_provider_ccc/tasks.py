"""What operators and sensors share: the hook, errors that end the task, and notes for its links."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_ccc import compat
from airflow_provider_ccc.client.errors import CccError
from airflow_provider_ccc.compat import AirflowFailException
from airflow_provider_ccc.hiding import HidesNumbersMixin

if TYPE_CHECKING:
    from airflow_provider_ccc.hooks.ccc import CccHook

log = logging.getLogger(__name__)

#: What holds what a task's links lead to: attributes of the operator, or XComs.
CONSOLE_URL, ERROR_CODE, REPORT_URL = "ccc_console_url", "ccc_error_code", "ccc_report_url"


@contextmanager
def permanent_errors_end_the_task(context: Any = None) -> Iterator[None]:
    """Turn an error that no retry can fix into the exception that makes Airflow stop retrying.

    :param context: the task's; where it is given, the service's code is noted for the link to the error center.
    :raises AirflowFailException: whose cause is the :class:`~airflow_provider_ccc.client.errors.CccError`.
    """
    try:
        yield
    except CccError as error:
        if error.http_status is not None and error.request_id:  # the service's own code, and no proxy's status
            note(context, ERROR_CODE, error.code)
        if error.retryable:
            raise
        raise AirflowFailException(str(error)) from error


def note(context: Any, key: str, value: str) -> None:
    """Note what a link leads to, where it looks for it. A link is not worth failing for."""
    task_instance = (context or {}).get("ti")
    if task_instance is None or not value:
        return
    try:
        if compat.TASKS_MAKE_LINKS:
            # The context has another copy of the task in Airflow 3.0 and 3.1.
            setattr(task_instance.task, key, value)
        else:
            task_instance.xcom_push(key=key, value=value)
    except Exception as problem:
        log.warning("Cannot note %s for the task's links: %s", key, type(problem).__name__)


class CccTaskMixin(HidesNumbersMixin):
    """A task with a connection, whose phone numbers Airflow does not show."""

    ccc_conn_id: str

    @cached_property
    def hook(self) -> CccHook:
        """The hook of the task's connection."""
        # Imported here, because providers-http's hook brings aiohttp along, and DAG files are parsed often.
        from airflow_provider_ccc.hooks.ccc import CccHook

        return CccHook(self.ccc_conn_id)
