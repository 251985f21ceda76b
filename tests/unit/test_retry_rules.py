"""The rules that docs/retries.md shows do what they say, and permanent errors never come before them."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_ccc.client import errors
from airflow_provider_ccc.tasks import permanent_errors_end_the_task

sdk = pytest.importorskip("airflow.sdk", reason="retry policies came with Airflow 3.3")
if not hasattr(sdk, "ExceptionRetryPolicy"):
    pytest.skip("retry policies came with Airflow 3.3", allow_module_level=True)

PAGE = Path(__file__).parents[2] / "docs" / "retries.md"


@pytest.fixture(scope="module")
def patience():
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(snippet, names)  # noqa: S102
    return names["patience"]


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (errors.CccThrottledError, "RETRY", timedelta(minutes=15)),
        (errors.CccTransientError, "RETRY", timedelta(minutes=1)),
        (errors.CccConnectionError, "RETRY", timedelta(minutes=1)),
        (errors.CccUnreadableAnswerError, "RETRY", timedelta(minutes=1)),
        (errors.CccInstanceCreatingError, "FAIL", None),
        (errors.CccStaleSignatureError, "DEFAULT", None),
    ],
)
def test_rules(patience, error, action, delay):
    decision = patience.evaluate(error("m"), 1, 5)
    assert decision.action is sdk.RetryAction[action]
    assert decision.retry_delay == delay


@pytest.mark.parametrize(
    "kind",
    sorted(
        (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CccError)),
        key=lambda kind: kind.__name__,
    ),
)
def test_only_what_may_be_retried_comes_before_a_policy(kind):
    error = kind("p", "m") if issubclass(kind, errors.CccParameterError) else kind("m")
    with pytest.raises((errors.CccError, AirflowFailException)) as caught, permanent_errors_end_the_task():
        raise error
    assert isinstance(caught.value, AirflowFailException) is not error.retryable
