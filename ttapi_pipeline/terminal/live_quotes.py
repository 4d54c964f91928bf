# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Shows a running quote service: as a grid on a terminal, or as one line per report.

The rows of the grid are in `quote_grid`. `screen` draws it, and `lines` writes the reports.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.quote_recorder.recorder import RecorderHealth
from ttapi_pipeline.quote_recorder.service import QuoteService
from ttapi_pipeline.streaming.background import beside
from ttapi_pipeline.terminal.figures import seconds
from ttapi_pipeline.terminal.held_logs import HeldLogs, holding_logs
from ttapi_pipeline.terminal.lines import LineWriter
from ttapi_pipeline.terminal.pen import glyphs_for
from ttapi_pipeline.terminal.quote_grid import QuoteGrid
from ttapi_pipeline.terminal.screen import showing
from ttapi_pipeline.terminal.status_grid import place_lines

AskToStop: TypeAlias = Callable[[str], None]
"""Takes the reason in words; to be called in the event loop."""

_HEIGHT_WITH_PLACES: Final = 20
"""Lines of a terminal from which on the places are shown; below, each line is better spent on a symbol."""

_STATUS_SECONDS: Final = 0.5
"""How often the last line of the grid changes: often enough to be live, seldom enough to be read."""

# A letter, then what a terminal sends for page up and down and for the arrows.
_NEXT_PAGE: Final = frozenset({b"n", b" ", b"\x1b[6~", b"\x1b[B", b"\x1b[C"})
_PREVIOUS_PAGE: Final = frozenset({b"p", b"\x1b[5~", b"\x1b[A", b"\x1b[D"})


class _GridView:
    """The grid, its last line, and the keys that turn it. The screen calls `frame` and `on_key` in its thread."""

    def __init__(self, service: QuoteService, ask_to_stop: Callable[[], object], places: Mapping[str, str]) -> None:
        self._stream = service.recorder
        self._ask_to_stop = ask_to_stop
        self._places = places
        self._is_coloured = not os.environ.get("NO_COLOR")
        self._grid = QuoteGrid(
            service.symbols,
            title=service.origin.name,
            is_simulated=service.origin.is_simulated,
            is_coloured=self._is_coloured,
        )
        self._status = _status_words(self._stream.health())
        self._height = 0

    async def follow(self, held: HeldLogs | None, clock: Clock) -> None:
        """Renew the last line until cancelled: the health of the stream and the newest warning."""
        while True:
            warning = "" if held is None else held.latest()
            self._status = [*_status_words(self._stream.health()), *([warning] if warning else [])]
            await clock.sleep(_STATUS_SECONDS)

    def frame(self, width: int, height: int) -> Sequence[str]:
        """The lines of a frame, see `screen.showing`."""
        below: Sequence[str] = []
        if height >= _HEIGHT_WITH_PLACES:
            glyphs = glyphs_for(sys.stdout)
            below = place_lines(self._places, width=width, is_coloured=self._is_coloured, glyphs=glyphs)
        self._height = height - len(below)
        lines = self._grid.lines(self._stream.board, self._status, width=width, height=self._height, at=time.time())
        return [*lines, *below]

    def on_key(self, key: bytes) -> None:
        """Turn the page, change the order, or ask to stop."""
        if key in _NEXT_PAGE:
            self._grid.turn(1, height=self._height)
        elif key in _PREVIOUS_PAGE:
            self._grid.turn(-1, height=self._height)
        elif key == b"s":
            self._grid.next_order()
        elif key == b"q":
            self._ask_to_stop()


@asynccontextmanager
async def showing_grid(
    service: QuoteService, ask_to_stop: AskToStop, *, places: Mapping[str, str], clock: Clock
) -> AsyncIterator[None]:
    """Show the grid on standard output, which must be a terminal, for the length of the block.

    Args:
        service: Which stream.
        ask_to_stop: Called for the key `q`.
        places: Labels and absolute paths, such as of the data folder, for a terminal of some height.
        clock: For the status.
    """
    loop = asyncio.get_running_loop()
    view = _GridView(service, lambda: loop.call_soon_threadsafe(ask_to_stop, "stopped by q"), places)
    output, keyboard = sys.stdout.fileno(), sys.stdin.fileno() if sys.stdin.isatty() else None
    with ExitStack() as stack:
        # Log records on the same terminal would be written across the grid.
        held = stack.enter_context(holding_logs()) if sys.stderr.isatty() else None
        stack.enter_context(showing(view.frame, view.on_key, sys.stdout, output=output, keys=keyboard))
        async with beside(view.follow(held, clock)):
            yield


@asynccontextmanager
async def writing_reports(
    service: QuoteService, ask_to_stop: AskToStop, *, is_json: bool, every_seconds: float, clock: Clock
) -> AsyncIterator[None]:
    """Write a line about the health of the stream to standard output every few seconds, and at the end of the block.

    Args:
        service: Which stream.
        ask_to_stop: Called when the reader of standard output has closed it.
        is_json: A line is an object, with the origin of the quotes in it; else words with two spaces between.
        every_seconds: From one line to the next.
        clock: For that.
    """
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # The interpreter flushes the buffer of standard output when it ends, and would fail on the closed pipe.
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        loop.call_soon_threadsafe(ask_to_stop, "stopped, nobody reads the output any more")

    writer = LineWriter(sys.stdout, stop)

    async def repeat() -> None:
        while True:
            await clock.sleep(every_seconds)
            writer.put(_report(service, is_json=is_json))

    try:
        async with beside(repeat()):
            yield
        writer.put(_report(service, is_json=is_json))
    finally:
        writer.close()


def _report(service: QuoteService, *, is_json: bool) -> str:
    health, origin = service.recorder.health(), service.origin
    if is_json:
        return json.dumps({"origin": origin.name, "is_simulated": origin.is_simulated} | health.to_document())
    mark = ["SIMULATED DATA"] if origin.is_simulated else []
    return "  ".join([health.feed.at.isoformat(timespec="seconds"), *mark, *_status_words(health)])


def _status_words(health: RecorderHealth) -> Sequence[str]:
    """The health of the stream in words, the most important first: for the last line of the grid, and for reports."""
    feed, log = health.feed, health.log
    oldest = feed.oldest_quote_seconds
    words = [
        _link_words(health),
        f"{feed.events_per_second:,.0f} ev/s",
        f"lag {feed.lag_seconds * 1e3:,.0f} ms",
        f"reconnects {feed.reconnects}",
        f"drops {feed.drops}",
        f"oldest {seconds(float('nan') if oldest is None else oldest)}",
        f"{feed.answered:,}/{feed.symbols:,}",
        f"gaps {feed.gaps}",
    ]
    if feed.lost:
        words.append(f"unreadable {sum(feed.lost.values()):,}")
    if log is not None:
        words.append(f"log {log.session} {log.quotes:,} quotes, {log.trades:,} trades")
    return words


def _link_words(health: RecorderHealth) -> str:
    if health.log is not None and health.log.error is not None:
        return "DISK REFUSES"
    links = health.feed.connections
    if health.feed.is_live:
        return "live"
    if len(links) == 1:
        return str(links[0].state)
    return f"{sum(link.state == 'live' for link in links)} of {len(links)} links live"
