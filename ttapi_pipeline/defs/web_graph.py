# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A short address for the asset graph with its groups open: `/graph` of the web UI. An ASGI middleware.

The web UI shows more than one group closed unless its address names those that are open, and remembers in the browser
what an address has named.
"""

from collections.abc import Sequence
from urllib.parse import quote

from ttapi_pipeline.defs.web_guard import App, Receive, Scope, Send

PATH = "/graph"


def address_of_graph(groups: Sequence[str]) -> str:
    """Where the web UI shows the graph with these groups open, on the same server."""
    # The web UI writes a group of every code location so.
    return f"/asset-groups?expanded={quote(','.join(f'global@global:{group}' for group in groups))}"


class GraphAddress:
    """Answers a request for PATH by the address of the graph, and hands on every other one."""

    def __init__(self, app: App, groups: Sequence[str]) -> None:
        self._app = app
        self._location = address_of_graph(groups).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 307, "headers": [(b"location", self._location)]})
        await send({"type": "http.response.body", "body": b""})
