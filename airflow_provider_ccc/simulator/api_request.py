"""One API request as it arrived, before anything of it has been checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What signatures are calculated from, and what operations read.

    :param method: the HTTP method.
    :param headers: the headers; names match in any case.
    :param query: the query's parameters, decoded.
    :param body: the body as it came.
    :param parameters: those of query and form body together, decoded. It does not matter where one stands.
    """

    method: str
    headers: Headers
    query: dict[str, str]
    body: bytes
    parameters: dict[str, str]


async def read(request: Request) -> ApiRequest:
    """Read a request to its end.

    :raises starlette.requests.ClientDisconnect: the client went away before.
    """
    query = _decode(request.scope["query_string"])
    body = await request.body()
    headers = request.headers
    parameters = query
    if body and headers.get("content-type", "").startswith(FORM):
        parameters = {**query, **_decode(body)}
    return ApiRequest(request.method, headers, query, body, parameters)


def _decode(form: bytes) -> dict[str, str]:
    return dict(parse_qsl(form.decode(errors="replace"), keep_blank_values=True, errors="replace"))
