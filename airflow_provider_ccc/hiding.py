"""What Airflow shows of a task's rendered fields: how many phone numbers there are, and not which.

Airflow stores rendered templates and shows them in its UI. A list of numbers becomes a :class:`Hidden`, which Airflow
writes as "3 numbers". A single number stays text and is registered as a secret, so that UI and logs show ``***``. Lists
are never registered: Airflow's masker compiles all its secrets for each one that is added, and every line of every
log pays for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import TYPE_CHECKING, Any

from airflow_provider_ccc import compat
from airflow_provider_ccc.client import numbers
from airflow_provider_ccc.client.errors import CccError
from airflow_provider_ccc.client.privacy import counted
from airflow_provider_ccc.compat import AirflowFailException, mask_secret

if TYPE_CHECKING:
    from airflow_provider_ccc.compat import Context


class Hidden:
    """A rendered value that Airflow shows in other words, because it is no JSON and so taken by its ``str``.

    :param value: what it is.
    :param shown: how it is shown.
    """

    def __init__(self, value: Any, shown: str) -> None:
        self.value = value
        self._shown = shown

    def __str__(self) -> str:
        return self._shown

    __repr__ = __str__


def reveal(field: Any) -> Any:
    """Return what a field holds, hidden or not."""
    return field.value if isinstance(field, Hidden) else field


class HidesNumbersMixin:
    """A task whose fields hold phone numbers.

    There is no public method that Airflow calls after it has rendered any task's templates, mapped ones too. So that a
    release which renames the private one is noticed, ``execute`` calls :meth:`refuse_to_show_numbers` first.
    """

    #: The templated fields that hold phone numbers: one, or a list of them.
    phone_number_fields: Sequence[str] = ()
    task_id: str
    _numbers_are_hidden = False

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        super()._do_render_template_fields(*args, **kwargs)  # type: ignore[misc]
        parent = args[0] if args else kwargs.get("parent")
        if parent is self:  # and no value of a field, with templates of its own
            self.hide_numbers()
            self._numbers_are_hidden = True

    def hide_numbers(self) -> None:
        """Hide what the fields hold, once they are rendered."""
        for name in self.phone_number_fields:
            setattr(self, name, _hide(getattr(self, name)))

    def refuse_to_show_numbers(self, context: Context | None) -> None:
        """Refuse to run as a task whose numbers were not hidden.

        :raises AirflowFailException: Airflow rendered the fields and did not call what hides them.
        """
        is_this_task = getattr((context or {}).get("ti"), "task_id", None) == self.task_id
        if is_this_task and not self._numbers_are_hidden:
            raise AirflowFailException(
                f"airflow-provider-ccc cannot hide phone numbers from the UI of Airflow {compat.VERSION}, which renders"
                " templates in a new way. The task stopped before any request. Use a version of airflow-provider-ccc"
                " that supports this Airflow."
            )


def _hide(value: Any) -> Any:
    if value is None or isinstance(value, (bool, Hidden)):
        return value
    if numbers.is_mobile(value):  # native rendering makes integers of these
        value = str(value)
    if isinstance(value, str):
        for form in {value, _normalised(value)}:
            if sum(character.isdigit() for character in form) > 4:  # Airflow masks nothing that is shorter
                mask_secret(form)
        return value
    if not isinstance(value, Sized) and isinstance(value, Iterable):
        value = list(value)
    if isinstance(value, Sized):
        return Hidden(value, counted(len(value), "number"))
    return Hidden(value, "***")


def _normalised(number: str) -> str:
    try:
        return numbers.normalise(number, "")
    except CccError:
        return number
