"""The classification table against every code that is known."""

from __future__ import annotations

import pickle

import pytest

from airflow_provider_ccc.campaign.output.ownership import OutputInUseError
from airflow_provider_ccc.campaign.source.queries import QueryError
from airflow_provider_ccc.client import errors
from airflow_provider_ccc.client.errors import CccError, CccParameterError, classify
from tests.support import fixture

TAXONOMY = fixture("errors.json")["taxonomy"]

#: The fixture's suggested classes, as ours.
CLASSES = {
    "throttle": errors.CccThrottledError,
    "transient": errors.CccTransientError,
    "retry-new-nonce": errors.CccStaleSignatureError,
    "clock": errors.CccClockError,
    "refresh-credentials": errors.CccTokenError,
    "auth": errors.CccCredentialsError,
    "permission": errors.CccPermissionError,
}
#: Where the fixture only says whose mistake it is ("bug", "caller", "instance-state").
BY_CODE = {
    "AbnormalService.Creating": errors.CccInstanceCreatingError,
    "AbnormalService.Ceased": errors.CccInstanceUnavailableError,
    "AbnormalService.Disabled": errors.CccInstanceUnavailableError,
    "OssNotOpen": errors.CccNotFoundError,
    "InvalidApi.NotFound": errors.CccNotFoundError,
    "InvalidAction.NotFound": errors.CccNotFoundError,
    "InvalidProduct.NotFound": errors.CccNotFoundError,
}


def expected(entry: dict) -> type[CccError]:
    code = entry["code"]
    if code in BY_CODE:
        return BY_CODE[code]
    if code.startswith(("NotExist.", "NotExists.")):
        return errors.CccNotFoundError
    return CLASSES.get(entry["class"], errors.CccRequestError)


@pytest.mark.parametrize("entry", TAXONOMY, ids=[entry["code"] for entry in TAXONOMY])
def test_every_known_code_under_every_status_it_is_seen_with(entry):
    code = entry["code"].replace("{ParameterName}", "InstanceId").replace("{Name}", "InstanceId")
    for status in entry["http"]:
        assert classify(code, status or 400) is expected(entry)


def test_a_known_code_counts_more_than_the_status():
    assert classify("Throttling.User", 503) is errors.CccThrottledError
    assert classify("SignatureDoesNotMatch", 500) is errors.CccCredentialsError
    assert classify("ServiceUnavailable", 400) is errors.CccTransientError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, CccError),
        (400, errors.CccRequestError),
        (401, errors.CccCredentialsError),
        (403, errors.CccPermissionError),
        (404, errors.CccNotFoundError),
        (408, errors.CccTransientError),
        (418, CccError),
        (429, errors.CccThrottledError),
        (500, errors.CccTransientError),
        (502, errors.CccTransientError),
        (599, errors.CccTransientError),
    ],
)
@pytest.mark.parametrize("code", ["", "SomethingNew"])
def test_the_status_decides_where_the_code_says_nothing(code, status, kind):
    assert classify(code, status) is kind


def test_what_asks_to_wait_is_throttled():
    assert classify("Whatever", 400, asks_to_wait=True) is errors.CccThrottledError


def test_what_a_task_may_retry():
    def family(kind):
        return {kind}.union(*(family(child) for child in kind.__subclasses__()))

    assert {kind for kind in family(CccError) if kind.retryable} == {
        OutputInUseError,
        QueryError,
        errors.CccThrottledError,
        errors.CccTransientError,
        errors.CccConnectionError,
        errors.CccUnreadableAnswerError,
        errors.CccStaleSignatureError,
        errors.CccInstanceCreatingError,
    }


def test_text_has_code_and_request_id():
    assert str(CccError("no", code="A.B", request_id="R-1")) == "A.B: no (RequestId R-1)"
    assert str(CccError("no")) == "no"


@pytest.mark.parametrize(
    "error",
    [CccError("no", code="A", http_status=400, request_id="R", retry_after=1.5), CccParameterError("count", "x")],
)
def test_errors_survive_pickling(error):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_parameter_error_is_a_value_error():
    assert isinstance(CccParameterError("count", "x"), ValueError)
