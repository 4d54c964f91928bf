# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Puts the quote service together: symbols, feed and log, from the settings and a broker.

The running service is in `recorder`. Signals and exit codes are in `commands.stream`; `terminal.live_quotes` shows it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ttapi_pipeline.broker.broker import Broker
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.status import refuse_to_overwrite
from ttapi_pipeline.quote_recorder.log import Origin
from ttapi_pipeline.quote_recorder.log_writer import LogWriter
from ttapi_pipeline.quote_recorder.recorder import FLUSH_SECONDS, QuoteRecorder, recording
from ttapi_pipeline.quote_recorder.symbols import streamer_symbols
from ttapi_pipeline.storage.layout import check_folder_writable
from ttapi_pipeline.storage.places import quotes_folder
from ttapi_pipeline.streaming.feed_options import FeedOptions


@dataclass(frozen=True, slots=True)
class QuoteService:
    """A quote service that is ready to run.

    Attributes:
        recorder: Has a feed that is subscribed, and a log; `QuoteRecorder.run` writes the log.
        symbols: By position on the board of the feed.
        origin: Where the quotes come from.
    """

    recorder: QuoteRecorder
    symbols: Sequence[str]
    origin: Origin


def folder_for_log(settings: Settings) -> Path:
    """The data folder, once it is known that a quote log may be written there; it is created when it is not there.

    Raises:
        ConfigError: The folder is not local, or holds real data while the settings name the simulator.
        StorageError: It cannot be read or written.
    """
    folder = quotes_folder(settings)
    if folder is None:
        raise ConfigError(
            f"the quote log needs a folder of this machine, and TT_DATA_DIR is {settings.data_dir}: set "
            "TT_QUOTE_LOG_DIR, or use --no-log"
        )
    refuse_to_overwrite(settings)
    check_folder_writable(folder)
    return folder


@asynccontextmanager
async def quote_service(
    broker: Broker, named: Sequence[str], *, data: Path | None, flush_seconds: float = FLUSH_SECONDS
) -> AsyncIterator[QuoteService]:
    """Subscribe symbols, and open the log, for the length of the block.

    Args:
        broker: Opens the client that finds the symbols, and each link of the feed.
        named: Symbols as `symbols.named_symbols` returns them; empty for the universe.
        data: The data folder, see `folder_for_log`; None to keep nothing.
        flush_seconds: From one flush of the log to the next.

    Raises:
        ConfigError: The broker does not know a symbol, or the log holds quotes of another origin.
        TTError: The credentials were refused, another service writes the log, or its folder cannot be written.
    """
    settings, clock = broker.settings, broker.clock
    async with AsyncExitStack() as stack:
        async with broker.connect() as client:
            symbols = await streamer_symbols(client, settings, named, now=clock.now())
            origin = Origin(settings.origin, settings.is_simulated or client.is_simulated)
        log = None if data is None else stack.enter_context(LogWriter(data, origin, now=clock.now()))
        recorder = await stack.enter_async_context(
            recording(
                broker.open_link,
                symbols,
                log=log,
                data=data,
                flush_seconds=flush_seconds,
                options=FeedOptions(has_sales=data is not None),
                clock=clock,
            )
        )
        yield QuoteService(recorder, list(symbols.values()), origin)
