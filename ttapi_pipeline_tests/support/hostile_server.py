# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Servers over raw TCP that accept clients and let go of them. For deeds see `hostile_rest` and `hostile_dxlink`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

MEGABYTE: Final = 2**20


@dataclass
class TcpServer(ABC):
    """Serves each client in a task of its own.

    Attributes:
        url: Where it listens; put the name of a deed behind it.
        elsewhere: The URL of a second server, to which it redirects.
    """

    url: str = ""
    elsewhere: str = ""
    _tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve whoever has connected, until `stop`."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks[task] = writer
        task.add_done_callback(self._let_go)

    async def stop(self) -> None:
        """Let go of everybody."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The loop closes the sockets in its next turn.
        await asyncio.sleep(0)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task).transport.abort()

    @abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""


Server = TypeVar("Server", bound=TcpServer)


@asynccontextmanager
async def two_servers(make: Callable[[], Server], *, scheme: str) -> AsyncIterator[tuple[Server, Server]]:
    """A server on a free port of the loopback, and the one to which it redirects."""
    servers = make(), make()
    listening = [await asyncio.start_server(server.accept, "127.0.0.1", 0, limit=MEGABYTE) for server in servers]
    for server, each in zip(servers, listening, strict=True):
        server.url = f"{scheme}://127.0.0.1:{each.sockets[0].getsockname()[1]}"
    servers[0].elsewhere = servers[1].url
    try:
        yield servers
    finally:
        for each in listening:
            each.close()
        for server in servers:
            await server.stop()
