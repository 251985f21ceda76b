"""The error family, and the one place that says what an error code means.

The classes follow what a caller can do about an error; :func:`classify` maps an answer's ``Code``, and where that
says nothing its HTTP status, to one of them. Codes and statuses: Alibaba Cloud's error center,
https://error-center.aliyun.com/status/product/CCC, and the public codes of its API gateway.
"""

from __future__ import annotations

from datetime import datetime


class CccError(Exception):
    """Anything that went wrong in a call to CCC.

    :param message: what happened, free of secrets and full phone numbers.
    :param code: the service's error code; the class's own where the service named none.
    :param http_status: the answer's HTTP status; ``None`` where there was no answer.
    :param request_id: the service's id of the request, which Alibaba Cloud's support asks for; "" where none is known.
    :param retry_after: seconds that the service asked to wait, where it did.
    :param server_time: the server's clock when it answered, from the ``Date`` header.
    """

    #: Whether the same call may succeed later without anybody changing anything. Tasks retry only these.
    retryable = False
    #: The code of an error that is found here, and not named by the service.
    own_code = ""

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        http_status: int | None = None,
        request_id: str = "",
        retry_after: float | None = None,
        server_time: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.own_code
        self.http_status = http_status
        self.request_id = request_id
        self.retry_after = retry_after
        self.server_time = server_time
        #: The connection that was used, by its id and host; "" where no call was made.
        self.where = ""

    def __str__(self) -> str:
        what = f"{self.code}: {self.message}" if self.code else self.message
        known = "; ".join(part for part in (self.request_id and f"RequestId {self.request_id}", self.where) if part)
        return f"{what} ({known})" if known else what


class CccThrottledError(CccError):
    """Too many requests for the account's quota: wait, then go slower. A retry can help."""

    retryable = True


class CccTransientError(CccError):
    """The service failed for the moment. A retry can help."""

    retryable = True


class CccConnectionError(CccTransientError):
    """No answer: refused, reset, or cut off; ``code`` is ``Timeout`` if it did not come in time."""

    own_code = "ConnectionFailed"


class CccUnreadableAnswerError(CccTransientError):
    """An answer that is empty, cut short, or a proxy's page."""

    own_code = "UnreadableAnswer"


class CccStaleSignatureError(CccError):
    """The nonce was used already, so an earlier attempt did arrive. Signing anew helps."""

    retryable = True


class CccClockError(CccError):
    """This machine's clock is more than 15 minutes off, and correcting by the server's did not help."""


class CccTokenError(CccError):
    """The STS token expired, or does not belong to the AccessKey. Fresh credentials are needed."""


class CccCredentialsError(CccError):
    """AccessKey ID or AccessKey Secret are wrong, disabled or missing. No retry can help."""


class CccPermissionError(CccError):
    """The credentials are good but may not do this: the RAM policy must allow it. No retry can help."""


class CccNotFoundError(CccError):
    """The instance, or something else that was named, does not exist. No retry can help."""


class CccInstanceCreatingError(CccError):
    """The instance is still being created. It will be ready in a while."""

    retryable = True


class CccInstanceUnavailableError(CccError):
    """The instance has ceased, is disabled or was released. No retry can help."""


class CccRequestError(CccError):
    """The service refused the request's parameters. No retry can help."""


class CccParameterError(CccRequestError, ValueError):
    """A parameter or connection field that was refused before any request.

    :param parameter: the name of the parameter or field.
    :param what: what is wrong with it and what to do.
    """

    own_code = "InvalidArgument"

    def __init__(self, parameter: str, what: str) -> None:
        super().__init__(f"{parameter}: {what}")
        self.parameter = parameter
        self.what = what

    def __reduce__(self) -> tuple[type[CccParameterError], tuple[str, str]]:
        return type(self), (self.parameter, self.what)


class CccCertificateError(CccError):
    """The server's TLS certificate is not trusted. No retry can help."""

    own_code = "CertificateNotTrusted"


class CccUnexpectedAnswerError(CccError):
    """An answer that can be read but not be right. No retry can help."""

    own_code = "UnexpectedAnswer"


_BY_CODE: dict[str, type[CccError]] = {
    "ServiceUnavailable": CccTransientError,
    "InternalError": CccTransientError,
    "UnknownError": CccTransientError,
    "SignatureNonceUsed": CccStaleSignatureError,
    "InvalidTimeStamp.Expired": CccClockError,
    "IllegalTimestamp": CccClockError,
    "SignatureDoesNotMatch": CccCredentialsError,
    "IncompleteSignature": CccCredentialsError,
    "MissingSecurityToken": CccCredentialsError,
    "Forbidden.AccessKeyDisabled": CccCredentialsError,
    "NoPermission": CccPermissionError,
    "InvalidAction.NotFound": CccNotFoundError,
    "InvalidApi.NotFound": CccNotFoundError,
    "InvalidProduct.NotFound": CccNotFoundError,
    "AbnormalService.Creating": CccInstanceCreatingError,
    "UnsupportedHTTPMethod": CccRequestError,
    "OssNotOpen": CccNotFoundError,
}

#: First match wins, so the longer prefix stands first.
_BY_PREFIX: tuple[tuple[str, type[CccError]], ...] = (
    ("Throttling", CccThrottledError),
    ("InternalService.", CccTransientError),
    ("InvalidSecurityToken.", CccTokenError),
    ("InvalidAccessKeyId", CccCredentialsError),
    ("InvalidBearerToken.", CccCredentialsError),
    ("Forbidden", CccPermissionError),
    ("Permission.", CccPermissionError),
    ("NotExist.", CccNotFoundError),
    ("NotExists.", CccNotFoundError),
    ("AbnormalService.", CccInstanceUnavailableError),
    ("Missing", CccRequestError),
    ("Invalid", CccRequestError),
    ("Parameter.", CccRequestError),
)

_BY_STATUS: dict[int, type[CccError]] = {
    400: CccRequestError,
    401: CccCredentialsError,
    403: CccPermissionError,
    404: CccNotFoundError,
    408: CccTransientError,
    429: CccThrottledError,
}


def classify(code: str, http_status: int, *, asks_to_wait: bool = False) -> type[CccError]:
    """Say what class of error an answer is: by its code first, by its status second.

    :param code: the answer's ``Code``; "" where it had none.
    :param http_status: the answer's HTTP status.
    :param asks_to_wait: whether the answer carried ``x-acs-retry-after``, which only throttling does.
    """
    if asks_to_wait:
        return CccThrottledError
    if code in _BY_CODE:
        return _BY_CODE[code]
    for prefix, error in _BY_PREFIX:
        if code.startswith(prefix):
            return error
    if http_status >= 500:
        return CccTransientError
    return _BY_STATUS.get(http_status, CccError)
