"""What goes back over the wire: answers and errors, rendered as JSON or XML.

Data is built once as plain dictionaries and lists; the format only decides how it is written down. A list becomes a
JSON array, and in XML the repetition of the element that it is the value of.
"""

from __future__ import annotations

import html
import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST_ID = "ccc.cn-shanghai.aliyuncs.com"
#: What every answer of API 2017-07-05 holds beside its data and its ``RequestId``.
ENVELOPE: Mapping[str, Any] = {"HttpStatusCode": 200, "Code": "OK", "Success": True}
CONTENT_TYPES = {
    "JSON": b"application/json;charset=utf-8",
    "XML": b"text/xml;charset=utf-8",
    "HTML": b"text/html; charset=utf-8",
    "TEXT": b"text/plain; charset=utf-8",
}
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
#: What XML 1.0 cannot hold, not even escaped.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer.

    :param status: the HTTP status.
    :param code: the API's code, ``OK`` or an error's; for the journal, it is in the body already.
    :param body: the bytes.
    :param kind: a key of :data:`CONTENT_TYPES`.
    """

    status: int
    code: str
    body: bytes
    kind: str


class ApiError(Exception):
    """A refusal, in the API's terms.

    :param status: the HTTP status.
    :param code: the error code, such as ``NotExist.Instance``.
    :param message: the text that goes with it.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    @classmethod
    def missing(cls, name: str) -> ApiError:
        """Refuse a request that lacks the parameter `name`."""
        return cls(400, f"Missing{name}", f"{name} is mandatory for this action.")

    @classmethod
    def invalid(cls, name: str, why: str) -> ApiError:
        """Refuse a request whose parameter `name` has a value that does not do, because of `why`."""
        return cls(400, f"Invalid{name}", f"The specified parameter {name} is not valid: {why}.")


def success(action: str, data: dict[str, Any], kind: str, envelope: Mapping[str, Any] = ENVELOPE) -> Answer:
    """Wrap what an operation answers in the API's envelope.

    :param action: the operation's name; XML's root element is named after it.
    :param data: what the operation answers, ``{}`` or ``{name: value}``.
    :param kind: ``JSON`` or ``XML``.
    :param envelope: what comes with the data. It differs between APIs, and between a few operations of one.
    """
    body = {"RequestId": _request_id(), **envelope, **data}
    return Answer(200, "OK", _render(f"{action}Response", body, kind), kind)


def failure(error: ApiError, kind: str, host_id: str = HOST_ID) -> Answer:
    """Write down a refusal.

    :param error: the refusal.
    :param kind: ``JSON`` or ``XML``.
    :param host_id: the name of the service that refuses.
    """
    body = {
        "RequestId": _request_id(),
        "HostId": host_id,
        "Code": error.code,
        "Message": error.message,
        "Recommend": f"https://error-center.aliyun.com/status/search?Keyword={error.code}&source=PopGw",
    }
    return Answer(error.status, error.code, _render("Error", body, kind), kind)


def _request_id() -> str:
    return str(uuid.uuid4()).upper()


def _render(root: str, data: dict[str, Any], kind: str) -> bytes:
    if kind == "JSON":
        return _to_json(data).encode()
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element(root, data)}'.encode()


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    if isinstance(value, dict):
        return f"<{name}>{''.join(_element(key, item) for key, item in value.items())}</{name}>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{html.escape(_NOT_IN_XML.sub('�', text), quote=False)}</{name}>"
