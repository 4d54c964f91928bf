# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A server that speaks S3 on this machine: `moto`, as a program of its own. It prints its address and serves.

moto compares ETags and then writes, which two threads can do at the same time; a store that promises conditional writes
does not allow that. So requests that change something are carried out one after the other.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

_CHANGING = frozenset({"DELETE", "POST", "PUT"})


class OneChangeAtATime:
    """A WSGI application whose changing requests wait for one another."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._lock = Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in _CHANGING:
            with self._lock:
                return list(self._app(environ, start_response))
        return self._app(environ, start_response)


class KeepingConnections(WSGIRequestHandler):
    """Keeps a connection for the next request, as a store does; says nothing."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def main() -> None:
    """Serve until the process is ended."""
    logging.disable(logging.WARNING)
    app = OneChangeAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=KeepingConnections)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
