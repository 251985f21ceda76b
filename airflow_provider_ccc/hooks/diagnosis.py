"""What the test button of the connection form says about an error: which field to look at."""

from __future__ import annotations

from airflow_provider_ccc.client.errors import (
    CccCertificateError,
    CccClockError,
    CccConnectionError,
    CccCredentialsError,
    CccError,
    CccInstanceCreatingError,
    CccInstanceUnavailableError,
    CccNotFoundError,
    CccParameterError,
    CccPermissionError,
    CccThrottledError,
    CccTokenError,
    CccUnexpectedAnswerError,
    CccUnreadableAnswerError,
)

_ACCESS_KEY_ID = "Check login (AccessKey ID)."
_HOST = "Check host (Endpoint), port and region_id."

#: First match wins, so subclasses stand before their bases.
_BY_CLASS: tuple[tuple[type[CccError], str], ...] = (
    (CccParameterError, ""),  # its text names the field
    (CccCertificateError, "Check host (Endpoint) and verify."),
    (CccConnectionError, f"{_HOST[:-1]}, and proxy if there is one."),
    (CccUnreadableAnswerError, _HOST),
    (CccUnexpectedAnswerError, _HOST),
    (CccTokenError, "Check security_token: it may have expired."),
    (CccCredentialsError, "Check login (AccessKey ID) and password (AccessKey Secret)."),
    (CccPermissionError, "The fields are right; the RAM policy must allow this operation."),
    (CccInstanceCreatingError, "The fields are right; the instance is not ready yet."),
    (CccInstanceUnavailableError, "Check instance_id: this instance has ceased or is disabled."),
    (
        CccNotFoundError,
        "Check instance_id, that api_version goes with it (a 2.x instance needs 2020-07-01), and region_id or host.",
    ),
    (CccThrottledError, "The fields are right; too many requests are being made."),
    (CccClockError, "Set this machine's clock."),
)

_BY_CODE = {
    "SignatureDoesNotMatch": "Check password (AccessKey Secret).",
    "InvalidAccessKeyId.NotFound": _ACCESS_KEY_ID,
    "InvalidAccessKeyId.Inactive": _ACCESS_KEY_ID,
    "MissingSecurityToken": "Set security_token: this AccessKey is a temporary one.",
}


def diagnose(error: CccError) -> str:
    """Say what is wrong and which field to look at.

    :param error: what the test call raised.
    """
    advice = _BY_CODE.get(error.code, "")
    if not advice:
        advice = next((advice for kind, advice in _BY_CLASS if isinstance(error, kind)), "")
    return f"{error} {advice}".strip()
