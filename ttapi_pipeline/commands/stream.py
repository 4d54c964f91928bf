# SPDX-License-Identifier: MIT
"""`tt stream`: puts client, feed, quote log and terminal together, and runs them until it is asked to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from ttapi_pipeline.broker.broker import Broker
from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.quote_recorder.recorder import FLUSH_SECONDS, RecorderHealth
from ttapi_pipeline.quote_recorder.service import QuoteService, folder_for_log, quote_service
from ttapi_pipeline.quote_recorder.symbols import named_symbols
from ttapi_pipeline.terminal.live_quotes import AskToStop, showing_grid, writing_reports

REPORT_SECONDS: Final = 5.0


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
class StreamEnd:
    """How it was, when it had been asked to stop.

    Attributes:
        reason: Who asked.
        health: The last one.
        seconds: How long it had run.
    """

    reason: str
    health: RecorderHealth
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
    data = folder_for_log(settings) if request.has_log else None
    with Broker(settings, clock=clock) as broker:
        # Before the event loop takes the signals: a Ctrl-C may end the wait for a simulator.
        broker.server_url()
        return asyncio.run(_run(broker, request, named, data=data))


async def _run(broker: Broker, request: StreamRequest, named: Sequence[str], *, data: Path | None) -> StreamEnd:
    clock, stop, reasons = broker.clock, asyncio.Event(), list[str]()
    started = clock.monotonic()

    def ask_to_stop(reason: str) -> None:
        reasons.append(reason)
        stop.set()

    async with AsyncExitStack() as stack:
        stack.enter_context(_signals(ask_to_stop))
        service = await stack.enter_async_context(
            quote_service(broker, named, data=data, flush_seconds=request.flush_seconds)
        )
        if request.duration is not None:
            timer = asyncio.get_running_loop().call_later(
                request.duration.total_seconds(), ask_to_stop, "stopped as asked"
            )
            stack.callback(timer.cancel)
        await stack.enter_async_context(_view(service, request, ask_to_stop, clock))
        await service.recorder.run(stop)
        return StreamEnd(reasons[0], service.recorder.health(), clock.monotonic() - started)


def _view(
    service: QuoteService, request: StreamRequest, ask_to_stop: AskToStop, clock: Clock
) -> AbstractAsyncContextManager[None]:
    if not request.is_json and sys.stdout.isatty():
        return showing_grid(service, ask_to_stop, clock=clock)
    return writing_reports(
        service, ask_to_stop, is_json=request.is_json, every_seconds=request.report_seconds, clock=clock
    )


@contextmanager
def _signals(ask_to_stop: AskToStop) -> Iterator[None]:
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
