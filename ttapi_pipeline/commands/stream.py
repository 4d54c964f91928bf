# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt stream`: runs the quote service until it is asked to stop, and says how that went.

The service is put together in `quote_recorder.service`; `terminal.live_quotes` shows it.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.commands.completers import complete_with, symbols
from ttapi_pipeline.commands.exit_codes import FAILED, INCOMPLETE, OK
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.commands.project_files import ensure_home
from ttapi_pipeline.commands.status import shown_places
from ttapi_pipeline.core.arguments import accepting
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.signals import ENDING, signals_of_loop
from ttapi_pipeline.core.ttl import ACCEPTED_DURATION, format_duration, parse_duration
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.terminal.streams import print_error

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from ttapi_pipeline.broker.broker import Broker
    from ttapi_pipeline.quote_recorder.recorder import RecorderHealth


EXAMPLES: Final = {
    "tt stream": "the universe, in a grid, until Ctrl-C",
    "tt stream AAPL BRK/B --duration 5": "two symbols, for five seconds",
    "tt stream AAPL --no-log --json --duration 5": "a line of JSON per report, and nothing is kept",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Live quotes of some symbols, or of the universe: in a grid on a terminal, a line per report elsewhere. "
        "What comes is kept in the quote log of TT_DATA_DIR; each session that has ended becomes a part of "
        "quote_history there. It runs until Ctrl-C (twice: without waiting), SIGTERM or SIGHUP.",
        examples=EXAMPLES,
        notes="keys: n and p turn the page, s sorts by something else, q ends\n\n"
        "exit codes:\n"
        "  0    stopped as asked, and nothing is missing\n"
        "  2    wrong usage or settings, an unknown symbol\n"
        "  3    stopped as asked; gaps, sales that were lost, values that could not be\n"
        "       read, or symbols that never answered\n"
        "  4    failed: credentials refused, another tt stream at work, rows that could\n"
        "       not be saved\n"
        "  130  a second Ctrl-C: what was not flushed is lost",
    )
    symbol = parser.add_argument(
        "symbol", nargs="*", metavar="SYMBOL", help="such as AAPL, BRK/B or .AAPL261218C150; by default the universe"
    )
    complete_with(symbol, symbols)
    parser.add_argument("--json", action="store_true", help="report health as a line of JSON, instead of a grid")
    parser.add_argument("--no-log", action="store_true", help="show only, keep nothing")
    parser.add_argument(
        "--duration",
        type=accepting(parse_duration, ACCEPTED_DURATION),
        metavar="TIME",
        help="stop by itself: seconds, or 5m, 6h, 2d",
    )
    parser.add_argument(
        "--flush-seconds",
        type=accepting(_seconds, "a number of seconds from 0.1 to 3600"),
        default=2.0,
        metavar="N",
        help="how much a crash may cost (default 2)",
    )
    parser.add_argument(
        "--report-seconds",
        type=accepting(_seconds, "a number of seconds from 0.1 to 3600"),
        default=5.0,
        metavar="N",
        help="from one report to the next (default 5)",
    )


def _seconds(text: str) -> float:
    if not 0.1 <= float(text) <= 3600:
        raise ValueError(text)
    return float(text)


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Stream until SIGINT, SIGTERM, SIGHUP, `q` or the end of the duration; a second SIGINT does not wait.

    Returns:
        0 when nothing is missing; 3 after gaps, losses, unreadable values or silent symbols; 4 when rows could not be
        saved.

    Raises:
        ConfigError: A symbol is not known; the log is not a local folder, or holds quotes of another origin.
        TTError: The credentials were refused; another service writes the log; its folder cannot be written.
        KeyboardInterrupt: The second SIGINT.
    """
    import asyncio

    from ttapi_pipeline.broker.broker import Broker
    from ttapi_pipeline.quote_recorder.service import folder_for_log
    from ttapi_pipeline.quote_recorder.symbols import named_symbols

    named = named_symbols(options.symbol)
    if not options.no_log:
        ensure_home(options.home, uses=[open_folder(settings.data_dir)])
    data = None if options.no_log else folder_for_log(settings)
    with Broker(settings) as broker:
        # Before the event loop takes the signals: a Ctrl-C may end the wait for a simulator.
        broker.server_url()
        end = asyncio.run(_stream(broker, options, named, data))
    # After SIGHUP the terminal may be gone.
    with suppress(OSError):
        print_error(end.sentence())
    if not end.is_saved:
        return FAILED
    return OK if end.health.is_complete else INCOMPLETE


@dataclass(frozen=True, slots=True)
class _End:
    """The state of a service that was asked to stop.

    Attributes:
        reason: What stopped it, as the beginning of a sentence: ``stopped by q``.
        health: After the last flush of the log.
        seconds: Its running time.
    """

    reason: str
    health: RecorderHealth
    seconds: float

    @property
    def is_saved(self) -> bool:
        """Whether everything that was taken for the log is on disk."""
        return self.health.log is None or not self.health.log.pending

    def sentence(self) -> str:
        """One line for the end of the output."""
        feed, log = self.health.feed, self.health.log
        words = [
            f"{feed.answered:,} of {feed.symbols:,} symbols answered",
            f"{feed.events:,} events",
            f"{feed.reconnects} reconnects",
            f"{feed.gaps} gaps",
            f"{feed.drops} sales dropped",
        ]
        if feed.lost:
            fields = ", ".join(f"{name} {count:,}" for name, count in sorted(feed.lost.items()))
            words.append(f"{sum(feed.lost.values()):,} values could not be read ({fields})")
        if log is not None:
            words.append(f"{log.quotes:,} quotes and {log.trades:,} trades in the log of {log.session}")
            if log.pending:
                words.append(f"{log.pending:,} rows NOT saved: {log.error}")
        return f"{self.reason} after {format_duration(timedelta(seconds=self.seconds))}: {', '.join(words)}"


async def _stream(broker: Broker, options: argparse.Namespace, named: Sequence[str], data: Path | None) -> _End:
    import asyncio

    from ttapi_pipeline.quote_recorder.service import quote_service
    from ttapi_pipeline.terminal.live_quotes import showing_grid, writing_reports

    loop, clock = asyncio.get_running_loop(), broker.clock
    stop, reasons = asyncio.Event(), list[str]()
    started = clock.monotonic()

    def ask_to_stop(reason: str) -> None:
        reasons.append(reason)
        stop.set()

    async with AsyncExitStack() as stack:
        stack.enter_context(signals_of_loop(loop, _handlers(loop, ask_to_stop)))
        service = await stack.enter_async_context(
            quote_service(broker, named, data=data, flush_seconds=options.flush_seconds)
        )
        if options.duration is not None:
            timer = loop.call_later(options.duration.total_seconds(), ask_to_stop, "stopped as asked")
            stack.callback(timer.cancel)
        if options.json or not sys.stdout.isatty():
            view = writing_reports(
                service, ask_to_stop, is_json=options.json, every_seconds=options.report_seconds, clock=clock
            )
        else:
            view = showing_grid(service, ask_to_stop, places=shown_places(broker.settings), clock=clock)
        await stack.enter_async_context(view)
        await service.recorder.run(stop)
        return _End(reasons[0], service.recorder.health(), clock.monotonic() - started)


def _handlers(
    loop: AbstractEventLoop, ask_to_stop: Callable[[str], None]
) -> Mapping[signal.Signals, Callable[[], object]]:
    """What asks to stop when a signal comes; the second Ctrl-C raises KeyboardInterrupt."""

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        ask_to_stop("stopped by Ctrl-C")

    others = [number for number in ENDING if number is not signal.SIGINT]
    by_name = {number: partial(ask_to_stop, f"stopped by {number.name}") for number in others}
    return {signal.SIGINT: interrupted, **by_name}
