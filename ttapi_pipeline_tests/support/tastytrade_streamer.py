# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The DXLink streamer of the package `tastytrade`, another client of the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tastytrade import DXLinkStreamer, Session


@asynccontextmanager
async def tastytrade_streamer(session: Session) -> AsyncIterator[DXLinkStreamer]:
    """The streamer of a session."""
    streamer = DXLinkStreamer(session)
    try:
        async with streamer:
            yield streamer
    finally:
        # The package leaves its queues open, which warns when they are collected.
        for queue in (*streamer._send.values(), *streamer._recv.values()):
            await queue.aclose()
