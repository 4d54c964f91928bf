# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The WebSocket under a link: its opening, its bounds, and its log. What goes over it is in `connection`."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import urlsplit

import websockets.asyncio.client as websockets_client
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException

from ttapi_pipeline.core.errors import ProtocolError, TransportError
from ttapi_pipeline.core.hosts import is_loopback, public_part, websocket_fault

MAX_MESSAGE_BYTES: Final = 2 * 2**20
"""Servers keep their messages below 64 KiB."""

CLOSE_SECONDS: Final = 2.0
"""How long the closing handshake of a link may take."""


class _WithoutFrames(logging.LoggerAdapter[logging.Logger]):
    """The logger of `websockets` without DEBUG: at that level it writes out every frame, and one holds the token."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name is logging's
        return level > logging.DEBUG and super().isEnabledFor(level)


class _BoundedConnection(websockets_client.ClientConnection):
    """Does not read from a server that does not read: the answers to its pings would fill the memory."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.paused:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.recv_messages.paused:
            self.transport.resume_reading()


class _Connect(websockets_client.connect):
    """Follows no redirect: the quote token is for the server that the broker has named."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_websocket(url: str, open_seconds: float) -> websockets_client.ClientConnection:
    """Open a WebSocket within this time.

    Raises:
        ProtocolError: The URL is not a WebSocket URL.
        TransportError: No WebSocket could be opened.
    """
    place, fault = public_part(url), websocket_fault(url)
    if fault is not None:
        raise ProtocolError(f"{place} is not a WebSocket URL: {fault}")
    try:
        return await _Connect(
            url,
            create_connection=_BoundedConnection,
            # The broker's servers can do without, and on a loopback link inflating costs more than it saves.
            compression=None,
            # A proxy from the environment must not get between us and the simulator.
            proxy=None if is_loopback(urlsplit(url).hostname) else True,
            open_timeout=open_seconds,
            close_timeout=CLOSE_SECONDS,
            # DXLink has a keepalive of its own, and the watchdog counts DXLink frames.
            ping_interval=None,
            max_size=MAX_MESSAGE_BYTES,
            logger=_WithoutFrames(logging.getLogger("websockets.client"), {}),
        )
    except InvalidURI as error:
        raise ProtocolError(f"{place} is not a WebSocket URL") from error
    except InvalidStatus as error:
        raise TransportError(f"{place}: no WebSocket, HTTP {error.response.status_code}") from error
    except TimeoutError as error:
        raise TransportError(f"{place}: no answer within {open_seconds:g} s") from error
    except (OSError, WebSocketException, ImportError) as error:
        raise TransportError(f"{place}: cannot connect, {error}") from error
