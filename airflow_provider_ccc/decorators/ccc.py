"""TaskFlow: a function that returns callees becomes a task that resolves them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.compat import (
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)
from airflow_provider_ccc.operators.batch import CalleeList, CccPickOutboundNumbersBatchOperator
from airflow_provider_ccc.tasks import permanent_errors_end_the_task

if TYPE_CHECKING:
    from airflow_provider_ccc.compat import Context, TaskDecorator

#: What a function may give besides the callees.
_MAY_GIVE = frozenset({"callees", "candidate_numbers", "skill_group_ids"})


class _Argument:
    """A rendered argument of the function, which Airflow shows without the phone numbers that are in it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __str__(self) -> str:
        from airflow_provider_ccc.campaign.files import mask  # not at the top: DAG files are parsed often

        if isinstance(self.value, Sized) and not isinstance(self.value, str):
            return f"{type(self.value).__name__} of {len(self.value)}"
        return mask(str(self.value))

    __repr__ = __str__


class _CccPickDecoratedOperator(DecoratedOperator, CccPickOutboundNumbersBatchOperator):
    """Calls the function and resolves what it returns.

    :param python_callable: returns callees, as the operator's ``callees`` takes them; or a dictionary with ``callees``
        and, if it likes, ``candidate_numbers`` or ``skill_group_ids``.
    """

    custom_operator_name = "@task.ccc_pick"
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        # The callees are not there yet when templates are rendered.
        *(name for name in CccPickOutboundNumbersBatchOperator.template_fields if name != "callees"),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {**DecoratedOperator.template_fields_renderers}

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if "callees" in kwargs:
            raise TypeError("callees is what the decorated function returns; do not give it to @task.ccc_pick")
        super().__init__(
            python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, callees=CalleeList(()), **kwargs
        )

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        super()._do_render_template_fields(*args, **kwargs)
        self.op_args = [_hide(value) for value in self.op_args]
        self.op_kwargs = {name: _hide(value) for name, value in self.op_kwargs.items()}

    def execute(self, context: Context) -> dict[str, Any]:
        """Call the function, and resolve the callees that it returns.

        :returns: the manifest.
        """
        positional = [_reveal(value) for value in self.op_args]
        context_merge(context, {name: _reveal(value) for name, value in self.op_kwargs.items()})
        arguments = determine_kwargs(self.python_callable, positional, context)
        returned = self.python_callable(*positional, **arguments)
        with permanent_errors_end_the_task():
            self._take(returned)
        self._hide_callees()
        return CccPickOutboundNumbersBatchOperator.execute(self, context)

    def _take(self, returned: Any) -> None:
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


def _hide(value: Any) -> _Argument:
    return value if isinstance(value, _Argument) else _Argument(value)


def _reveal(value: Any) -> Any:
    return value.value if isinstance(value, _Argument) else value


def ccc_pick_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a task of a function that returns callees: ``@task.ccc_pick(output_path=..., candidate_numbers=[...])``.

    :param python_callable: the function.
    :param kwargs: what :class:`~airflow_provider_ccc.operators.ccc.CccPickOutboundNumbersBatchOperator` takes, but
        ``callees``.
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_CccPickDecoratedOperator, **kwargs
    )
