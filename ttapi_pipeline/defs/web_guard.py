# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The check in front of Dagster's web server: which host was asked, and which site asks. An ASGI middleware.

Against a page of another site that has the user's browser ask (cross-site request forgery), and against a name of
another site that is made to mean this machine (DNS rebinding). A program that is no browser sends no origin, and is
checked by the host alone.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ttapi_pipeline.core.hosts import is_loopback

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PAGES = {"GET", "HEAD"}
_OPENED_FROM_ANYWHERE = {"document"}


class Guard:
    """Hands on what comes from this machine's own pages and programs, and refuses the rest with 403."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        why = refusal(scope)
        if why is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": why})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": f"refused: {why}\n".encode()})


def refusal(scope: Scope) -> str | None:
    """Why a request or the opening of a WebSocket is refused; None when it is not."""
    headers = _headers(scope)
    host = headers.get("host", "")
    if not _is_this_machine(f"//{host}"):
        return "it was sent to a host that is not this machine; ask for 127.0.0.1 or localhost"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "a page of another site asked for it"
    path, method = str(scope.get("path", "")), str(scope.get("method", "GET"))
    site = headers.get("sec-fetch-site", "none")
    is_a_page = method in _PAGES and headers.get("sec-fetch-dest") in _OPENED_FROM_ANYWHERE and not _is_data(path)
    # A link on another site may open a page of the web UI. It may not ask for data.
    if origin is None and site not in {"none", "same-origin"} and not is_a_page:
        return "a page of another site asked for it"
    if method in _PAGES and scope["type"] == "http" and path.rstrip("/").endswith("/graphql"):
        query = parse_qs(bytes(scope.get("query_string", b"")).decode("latin-1"))
        if "query" in query:
            return "a query by GET may be a link of another site; send it by POST"
    return None


def _headers(scope: Scope) -> Mapping[str, str]:
    """By name; of a header that comes twice there is none that is right."""
    found: dict[str, str] = {}
    for raw, value in scope.get("headers", []):
        name = raw.decode("latin-1").lower()
        found[name] = value.decode("latin-1") if name not in found else "?"
    return found


def _is_this_machine(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname)
    except ValueError:
        return False


def _is_data(path: str) -> bool:
    """Whether a path gives data or does something, rather than showing a page."""
    first = path.strip("/").partition("/")[0]
    return first.startswith(("graphql", "logs", "download_debug", "report_asset", "notebook", "dagit"))
