"""What differs between the versions of Airflow that this package supports.

All other modules take from here what Airflow has moved. It does not come from common.compat: the versions of that
provider in the constraints of older Airflows lack much of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow import __version__
from packaging.version import Version

if TYPE_CHECKING:
    from airflow.sdk import BaseHook as BaseHook
    from airflow.sdk import BaseOperator as BaseOperator
    from airflow.sdk import BaseOperatorLink as BaseOperatorLink
    from airflow.sdk import BaseSensorOperator as BaseSensorOperator
    from airflow.sdk import Context as Context
    from airflow.sdk import ObjectStoragePath as ObjectStoragePath
    from airflow.sdk import PokeReturnValue as PokeReturnValue
    from airflow.sdk.bases.decorator import DecoratedOperator as DecoratedOperator
    from airflow.sdk.bases.decorator import TaskDecorator as TaskDecorator
    from airflow.sdk.bases.decorator import determine_kwargs as determine_kwargs
    from airflow.sdk.bases.decorator import task_decorator_factory as task_decorator_factory
    from airflow.sdk.configuration import conf as conf
    from airflow.sdk.definitions.context import context_merge as context_merge
    from airflow.sdk.exceptions import AirflowException as AirflowException
    from airflow.sdk.exceptions import AirflowFailException as AirflowFailException
    from airflow.sdk.exceptions import AirflowSensorTimeout as AirflowSensorTimeout
    from airflow.sdk.exceptions import AirflowSkipException as AirflowSkipException
    from airflow.sdk.execution_time.xcom import XCom as XCom
    from airflow.sdk.log import mask_secret as mask_secret
    from airflow.sdk.observability.stats import Stats as Stats

VERSION = __version__
AIRFLOW = Version(__version__).release

#: Whether the triggerer renders the templates in the arguments of a task that starts from its trigger.
RENDERS_TRIGGER_ARGUMENTS = AIRFLOW >= (3, 3)

#: Whether a task makes its links itself when it ends; before, the web server does, which knows of it by XCom only.
TASKS_MAKE_LINKS = AIRFLOW >= (3, 0)

#: The module that has a name from a version of Airflow on, that version, and the module that has it before.
_PLACES = {
    "AirflowException": ("airflow.sdk.exceptions", (3, 2), "airflow.exceptions"),
    "AirflowFailException": ("airflow.sdk.exceptions", (3, 2), "airflow.exceptions"),
    "AirflowSensorTimeout": ("airflow.sdk.exceptions", (3, 2), "airflow.exceptions"),
    "AirflowSkipException": ("airflow.sdk.exceptions", (3, 2), "airflow.exceptions"),
    "BaseHook": ("airflow.sdk", (3, 0), "airflow.hooks.base"),
    "BaseOperator": ("airflow.sdk", (3, 0), "airflow.models.baseoperator"),
    "BaseOperatorLink": ("airflow.sdk", (3, 0), "airflow.models.baseoperatorlink"),
    "BaseSensorOperator": ("airflow.sdk", (3, 0), "airflow.sensors.base"),
    "Context": ("airflow.sdk", (3, 0), "airflow.utils.context"),
    "DecoratedOperator": ("airflow.sdk.bases.decorator", (3, 0), "airflow.decorators.base"),
    "ObjectStoragePath": ("airflow.sdk", (3, 0), "airflow.io.path"),
    "PokeReturnValue": ("airflow.sdk", (3, 0), "airflow.sensors.base"),
    "Stats": ("airflow.sdk.observability.stats", (3, 2), "airflow.stats"),
    "TaskDecorator": ("airflow.sdk.bases.decorator", (3, 0), "airflow.decorators.base"),
    "XCom": ("airflow.sdk.execution_time.xcom", (3, 0), "airflow.models.xcom"),
    "conf": ("airflow.sdk.configuration", (3, 2), "airflow.configuration"),
    "context_merge": ("airflow.sdk.definitions.context", (3, 0), "airflow.utils.context"),
    "determine_kwargs": ("airflow.sdk.bases.decorator", (3, 2), "airflow.utils.operator_helpers"),
    "mask_secret": ("airflow.sdk.log", (3, 0), "airflow.utils.log.secrets_masker"),
    "task_decorator_factory": ("airflow.sdk.bases.decorator", (3, 0), "airflow.decorators.base"),
}


def __getattr__(name: str) -> Any:
    # With its first use only: some bring much along, and DAG files are parsed often.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place, since, before = _PLACES[name]
    value = globals()[name] = getattr(import_module(place if since <= AIRFLOW else before), name)
    return value
