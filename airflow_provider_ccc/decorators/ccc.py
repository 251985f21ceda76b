"""TaskFlow: a function that returns callees becomes a task that resolves them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.privacy import excerpt
from airflow_provider_ccc.compat import (
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)
from airflow_provider_ccc.hiding import Hidden, reveal
from airflow_provider_ccc.operators.batch import CccPickOutboundNumbersBatchOperator
from airflow_provider_ccc.tasks import permanent_errors_end_the_task

if TYPE_CHECKING:
    from airflow_provider_ccc.compat import Context, TaskDecorator

#: The parameters that what a function returns stands for.
_RETURNED = ("callees", "callees_sql")
#: What a function may give besides the callees.
_MAY_GIVE = frozenset({"callees", "candidate_numbers", "skill_group_ids"})


class _CccPickDecoratedOperator(DecoratedOperator, CccPickOutboundNumbersBatchOperator):
    """Calls the function and resolves what it returns.

    :param python_callable: returns callees, as the operator's ``callees`` takes them; or a dictionary with ``callees``
        and, if it likes, ``candidate_numbers`` or ``skill_group_ids``.
    """

    custom_operator_name = "@task.ccc_pick"
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        # The callees are not there yet when templates are rendered.
        *(name for name in CccPickOutboundNumbersBatchOperator.template_fields if name not in _RETURNED),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **CccPickOutboundNumbersBatchOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if given := [name for name in _RETURNED if name in kwargs]:
            raise TypeError(f"the decorated function returns the callees; do not give {given[0]} to @task.ccc_pick")
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            callees=Hidden((), "what the function returns"),
            **kwargs,
        )

    def hide_numbers(self) -> None:
        """Hide the function's arguments, too: callees may come from another task."""
        super().hide_numbers()
        self.op_args = [_hidden(value) for value in self.op_args]
        self.op_kwargs = {name: _hidden(value) for name, value in self.op_kwargs.items()}

    def execute(self, context: Context) -> dict[str, Any]:
        """Call the function, and resolve the callees that it returns.

        :returns: the manifest.
        """
        self.refuse_to_show_numbers(context)
        positional = [reveal(value) for value in self.op_args]
        context_merge(context, {name: reveal(value) for name, value in self.op_kwargs.items()})
        arguments = determine_kwargs(self.python_callable, positional, context)
        returned = self.python_callable(*positional, **arguments)
        with permanent_errors_end_the_task():
            self._take(returned)
        self.hide_numbers()
        return CccPickOutboundNumbersBatchOperator.execute(self, context)

    def _take(self, returned: Any) -> None:
        if returned is None:
            raise CccParameterError("callees", "the function returned nothing; return the callees, or a path")
        if not (isinstance(returned, Mapping) and "callees" in returned):
            self.callees = returned
            return
        if unknown := returned.keys() - _MAY_GIVE:
            raise CccParameterError(
                "callees",
                f"the function returned a dictionary with {', '.join(sorted(map(str, unknown)))}, and may return"
                f" {', '.join(sorted(_MAY_GIVE))} only",
            )
        for name, value in returned.items():
            setattr(self, name, value)


def _hidden(value: Any) -> Hidden:
    if isinstance(value, Hidden):
        return value
    if isinstance(value, Sized) and not isinstance(value, str):
        return Hidden(value, f"{type(value).__name__} of {len(value)}")
    return Hidden(value, excerpt(str(value)))


def ccc_pick_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a task of a function that returns callees: ``@task.ccc_pick(output_path=..., candidate_numbers=[...])``.

    :param python_callable: the function.
    :param kwargs: what :class:`~airflow_provider_ccc.operators.ccc.CccPickOutboundNumbersBatchOperator` takes, but
        ``callees``.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_CccPickDecoratedOperator, **kwargs
    )
