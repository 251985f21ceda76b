"""moto's S3 server on a port: ``python -m tests.system.distributed.object_store PORT``.

``POST /refuse?1`` has it answer writes as an overloaded S3 does, until ``POST /refuse?0``; either is answered with how
many it refused so far.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Refusing:
    """Stands in front of an application (WSGI)."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._refuses = False
        self._refused = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/refuse":
            self._refuses = environ["QUERY_STRING"] == "1"
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(self._refused).encode()]
        if self._refuses and environ["REQUEST_METHOD"] in ("PUT", "POST"):
            self._refused += 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [_SLOW_DOWN]
        return self._app(environ, start_response)


if __name__ == "__main__":
    run_simple(
        "127.0.0.1",
        int(sys.argv[1]),
        Refusing(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
