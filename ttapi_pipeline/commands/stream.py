# SPDX-License-Identifier: MIT
"""`tt stream`: puts client, feed, quote log and terminal together, and runs them until it is asked to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.datasets.status import refuse_to_overwrite, survey
from ttapi_pipeline.quote_recorder.log import Origin, QuoteLog
from ttapi_pipeline.quote_recorder.recorder import FLUSH_SECONDS, QuoteStream, StreamHealth, quote_stream
from ttapi_pipeline.quote_recorder.subscription import named_symbols, streamer_symbols
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.layout import check_writable, open_folder, state_folder
from ttapi_pipeline.streaming.background import beside
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect
from ttapi_pipeline.streaming.feed import FeedOptions
from ttapi_pipeline.terminal.held_logs import HeldLogs, holding_logs
from ttapi_pipeline.terminal.lines import LineWriter
from ttapi_pipeline.terminal.screen import showing
from ttapi_pipeline.terminal.stream_grid import QuoteGrid, status_words

REPORT_SECONDS: Final = 5.0
_STATUS_SECONDS: Final = 0.5
_NEXT_PAGE: Final = frozenset({b"n", b" ", b"\x1b[6~", b"\x1b[B", b"\x1b[C"})
_PREVIOUS_PAGE: Final = frozenset({b"p", b"\x1b[5~", b"\x1b[A", b"\x1b[D"})


_AskToStop = Callable[[str], None]
"""Takes the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """What the command line asks for.

    Attributes:
        symbols: As they were typed; none for the universe.
        is_json: A line of JSON per report on standard output, instead of a grid or lines.
        has_log: Whether the quote log is written.
        duration: When to stop by itself; None for never.
        flush_seconds: From one flush of the log to the next.
        report_seconds: From one report to the next, where there is no grid.
    """

    symbols: Sequence[str] = ()
    is_json: bool = False
    has_log: bool = True
    duration: timedelta | None = None
    flush_seconds: float = FLUSH_SECONDS
    report_seconds: float = REPORT_SECONDS


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the quotes come from."""

    name: str
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """How it was, when it had been asked to stop.

    Attributes:
        reason: Who asked.
        health: The last one.
        seconds: How long it had run.
    """

    reason: str
    health: StreamHealth
    seconds: float

    @property
    def is_saved(self) -> bool:
        """Whether everything that was taken for the log is on disk."""
        return self.health.log is None or not self.health.log.pending

    def sentence(self) -> str:
        """For the end of the output."""
        feed, log = self.health.feed, self.health.log
        words = [
            f"{feed.answered:,} of {feed.symbols:,} symbols answered",
            f"{feed.events:,} events",
            f"{feed.reconnects} reconnects",
            f"{feed.gaps} gaps",
            f"{feed.drops} sales dropped",
        ]
        if log is not None:
            words.append(f"{log.quotes:,} quotes and {log.trades:,} trades in the log of {log.session}")
            if log.pending:
                words.append(f"{log.pending:,} rows NOT saved: {log.error}")
        return f"{self.reason} after {format_duration(timedelta(seconds=self.seconds))}: {', '.join(words)}"


def run_stream(settings: Settings, request: StreamRequest, *, clock: Clock = SYSTEM_CLOCK) -> StreamEnd:
    """Stream until SIGINT, SIGTERM, SIGHUP, `q` or the end of the duration; a second SIGINT does not wait.

    Raises:
        ConfigError: A symbol is not known; the log is no local folder or holds what came from somewhere else.
        TTError: The credentials were refused; another service writes the log; its folder cannot be written.
        KeyboardInterrupt: The second SIGINT.
    """
    named = named_symbols(request.symbols)
    data = _log_folder(settings, clock) if request.has_log else None
    with ExitStack() as stack:
        url = settings.api_url
        if url is None:
            url = stack.enter_context(SimulatorProcess(seed=settings.simulator_seed)).url
        return asyncio.run(_run(settings, request, named, url=url, data=data, clock=clock))


def _log_folder(settings: Settings, clock: Clock) -> Path:
    folder = open_folder(settings.data_dir)
    if not isinstance(folder, Path):
        raise ConfigError(f"the quote log needs a local folder, and TT_DATA_DIR is {settings.data_dir}: use --no-log")
    refuse_to_overwrite(settings, survey(settings, now=clock.now()))
    check_writable(folder)
    return folder


async def _run(
    settings: Settings, request: StreamRequest, named: Sequence[str], *, url: str, data: Path | None, clock: Clock
) -> StreamEnd:
    stop, reasons = asyncio.Event(), list[str]()
    started = clock.monotonic()

    def ask_to_stop(reason: str) -> None:
        reasons.append(reason)
        stop.set()

    async with AsyncExitStack() as stack:
        stack.enter_context(_signals(ask_to_stop))
        client = await stack.enter_async_context(
            TastytradeClient(settings, base_url=url, clock=clock, state_dir=state_folder(settings.data_dir))
        )
        symbols = await streamer_symbols(client, settings, named, now=clock.now())
        is_simulated = settings.is_simulated or client.is_simulated
        log = None
        if data is not None:
            origin = Origin(settings.origin, is_simulated)
            log = stack.enter_context(QuoteLog(data, origin, now=clock.now()))

        @asynccontextmanager
        async def open_connection() -> AsyncIterator[DxLinkConnection]:
            token = await client.quote_token()
            async with connect(token.url, token.token, clock=clock) as link:
                yield link

        stream = await stack.enter_async_context(
            quote_stream(
                open_connection,
                symbols,
                log=log,
                data=data,
                flush_seconds=request.flush_seconds,
                options=FeedOptions(has_sales=data is not None),
                clock=clock,
            )
        )
        if request.duration is not None:
            timer = asyncio.get_running_loop().call_later(
                request.duration.total_seconds(), ask_to_stop, "stopped as asked"
            )
            stack.callback(timer.cancel)
        is_grid = not request.is_json and sys.stdout.isatty()
        show = _show_grid if is_grid else _report
        await stack.enter_async_context(
            show(stream, request, list(symbols.values()), _Source(settings.origin, is_simulated), ask_to_stop, clock)
        )
        await stream.run(stop)
        return StreamEnd(reasons[0], stream.health(), clock.monotonic() - started)


@contextmanager
def _signals(ask_to_stop: _AskToStop) -> Iterator[None]:
    """Ask to stop when a signal comes; the second Ctrl-C raises KeyboardInterrupt."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        ask_to_stop("stopped by Ctrl-C")

    loop.add_signal_handler(signal.SIGINT, interrupted)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask_to_stop, f"stopped by {number.name}")
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def _show_grid(
    stream: QuoteStream,
    _request: StreamRequest,
    symbols: Sequence[str],
    source: _Source,
    ask_to_stop: _AskToStop,
    clock: Clock,
) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    held: HeldLogs | None = None
    grid = QuoteGrid(
        symbols, title=source.name, is_simulated=source.is_simulated, is_coloured=not os.environ.get("NO_COLOR")
    )
    status, lines = status_words(stream.health()), 0

    async def follow() -> None:
        nonlocal status
        while True:
            warning = "" if held is None else held.latest()
            status = [*status_words(stream.health()), *([warning] if warning else [])]
            await clock.sleep(_STATUS_SECONDS)

    def frame(width: int, height: int) -> Sequence[str]:
        nonlocal lines
        lines = height
        return grid.lines(stream.board, status, width=width, height=height, at=time.time())

    def on_key(key: bytes) -> None:
        if key in _NEXT_PAGE:
            grid.turn(1, height=lines)
        elif key in _PREVIOUS_PAGE:
            grid.turn(-1, height=lines)
        elif key == b"s":
            grid.next_order()
        elif key == b"q":
            loop.call_soon_threadsafe(ask_to_stop, "stopped by q")

    output, keyboard = sys.stdout.fileno(), sys.stdin.fileno() if sys.stdin.isatty() else None
    with ExitStack() as stack:
        if sys.stderr.isatty():
            held = stack.enter_context(holding_logs())
        stack.enter_context(showing(frame, on_key, sys.stdout, output=output, keys=keyboard))
        async with beside(follow()):
            yield


@asynccontextmanager
async def _report(
    stream: QuoteStream,
    request: StreamRequest,
    _symbols: Sequence[str],
    source: _Source,
    ask_to_stop: _AskToStop,
    clock: Clock,
) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # The interpreter flushes what is left in the buffer when it ends, and fails if nobody takes it.
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        loop.call_soon_threadsafe(ask_to_stop, "stopped, nobody reads the output any more")

    writer = LineWriter(sys.stdout, stop)

    def say() -> None:
        health = stream.health()
        if request.is_json:
            facts = {"origin": source.name, "is_simulated": source.is_simulated}
            writer.put(json.dumps(facts | health.to_document()))
        else:
            at = health.feed.at.isoformat(timespec="seconds")
            mark = ["SIMULATED DATA"] if source.is_simulated else []
            writer.put("  ".join([at, *mark, *status_words(health)]))

    async def repeat() -> None:
        while True:
            await clock.sleep(request.report_seconds)
            say()

    try:
        async with beside(repeat()):
            yield
        say()
    finally:
        writer.close()
