"""What operators and sensors share."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_ccc import compat
from airflow_provider_ccc.client.errors import CccError, CccParameterError
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


def rendered_integer(value: Any) -> Any:
    """Read an integer that a template rendered as text. Whatever else it is stays, for its own check to refuse."""
    is_text = isinstance(value, str) and len(value) < 20 and value.isascii() and value.strip().isdecimal()
    return int(value) if is_text else value


def is_given(value: Any) -> bool:
    """Say whether a templated field was given: a template renders what is absent to "" or None."""
    return value is not None and value != ""


def rendered_number(value: Any) -> Any:
    """Read an integer or a decimal fraction that a template rendered as text, as :func:`rendered_integer` does."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{0,9}\.[0-9]{1,9}", value.strip()):
        return float(value)
    return rendered_integer(value)


def one_of(candidate_numbers: Any, skill_group_ids: Any) -> str:
    """Say which of the two was given.

    :raises CccParameterError: both were, or none.
    """
    by_candidates, by_groups = is_given(candidate_numbers), is_given(skill_group_ids)
    if by_candidates == by_groups:
        raise CccParameterError(
            "candidate_numbers",
            f"and skill_group_ids are {'both given' if by_groups else 'both missing'}; give one of them",
        )
    return "candidate_numbers" if by_candidates else "skill_group_ids"
