# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One connection of a feed, kept up: what each new link has to deliver, and the gaps between links.

The connections of a feed are held together in `feed`; one link is in `feed_link`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.errors import ApiError, AuthError, StreamClosedError, StreamError
from ttapi_pipeline.streaming.connection import DxLinkConnection, Received
from ttapi_pipeline.streaming.events import FeedData, Unreadable, joined, may_join
from ttapi_pipeline.streaming.feed_health import ConnectionHealth, FeedGap, LinkState, Window
from ttapi_pipeline.streaming.feed_link import FeedLink
from ttapi_pipeline.streaming.feed_options import FeedOptions
from ttapi_pipeline.streaming.links import Links, OpenConnection
from ttapi_pipeline.streaming.seen_sales import SeenSales

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Batch:
    """Neighbouring data events of one type and layout, and the time at which each came."""

    events: list[FeedData] = field(default_factory=list)
    times_us: list[int] = field(default_factory=list)


class FeedConnection:
    """Some symbols of a feed, and the link that delivers them now.

    Attributes:
        wanted: The symbols, in order.
        gap: The open gap; None while there is none.
        gaps: Number of gaps that have begun.
        events: Events received over all links.
    """

    def __init__(
        self,
        number: int,
        open_connection: OpenConnection,
        *,
        options: FeedOptions,
        clock: Clock,
        window: Window,
        on_data: Callable[[FeedData, NDArray[np.int64], SeenSales], None],
        on_unreadable: Callable[[int], None],
        on_gap: Callable[[FeedGap], None],
    ) -> None:
        """A connection that has neither symbols nor a link yet.

        Args:
            number: From 1.
            open_connection: Opens a link, each with a new token.
            options: Of the feed.
            clock: For delays and the times of gaps.
            window: Counts events and measures lags.
            on_data: Takes events, the arrival time of each in epoch microseconds, and the memory of this connection's
                sales.
            on_unreadable: Told how many parts of messages could not be read.
            on_gap: Told each gap when it has ended.
        """
        self.wanted: dict[str, None] = {}
        self.gap: FeedGap | None = None
        self.gaps = 0
        self.events = 0
        self._number = number
        self._open_connection = open_connection
        self._options = options
        self._clock = clock
        self._window = window
        self._on_data = on_data
        self._on_unreadable = on_unreadable
        self._on_gap = on_gap
        self._seen = SeenSales()
        self._symbols: tuple[str, ...] = ()
        self._connection: DxLinkConnection | None = None
        self._link: FeedLink | None = None
        self._witness = ""
        self._past_frames = self._past_bytes = self._past_errors = 0
        self._state = LinkState.CONNECTING
        self._since = clock.now()
        # The end of the time in which nothing can have been missed; a gap begins here.
        self._complete_until = self._since
        self._live_at: float | None = None
        self._reconnects = 0
        self._reason = ""
        self._links = Links(self._open, self, backoff=options.backoff, clock=clock, resumes_at_once=True)

    @property
    def frames(self) -> int:
        """Frames received over all links."""
        return self._past_frames + (0 if self._connection is None else self._connection.frames)

    @property
    def bytes(self) -> int:
        """Bytes received over all links."""
        return self._past_bytes + (0 if self._connection is None else self._connection.bytes)

    @property
    def errors(self) -> int:
        """ERROR messages received over all links."""
        return self._past_errors + (0 if self._link is None else self._link.errors)

    def want(self, symbols: Iterable[str]) -> None:
        """Subscribe these symbols, too."""
        self.wanted.update(dict.fromkeys(symbols))
        self._change()

    def unwant(self, symbols: Collection[str]) -> None:
        """End the subscription of these symbols."""
        for symbol in [symbol for symbol in self.wanted if symbol in symbols]:
            del self.wanted[symbol]
        self._change()

    def health(self) -> ConnectionHealth:
        """The state of the connection now."""
        return ConnectionHealth(
            connection=self._number,
            state=self._state,
            since=self._since,
            symbols=len(self.wanted),
            reconnects=self._reconnects,
            failures=self._links.failures,
            reason=self._reason,
        )

    async def run(self) -> None:
        """Open link after link until cancelled.

        Raises:
            TTError: No new link can mend it.
        """
        try:
            async for link in self._links:
                async with link as connection:
                    await self._work_over(connection)
        except AuthError as error:
            _LOGGER.error("%s: ended, %s", self.name, error)  # noqa: TRY400 - it is raised, here it is stated
            raise

    # What `links` asks

    @property
    def name(self) -> str:
        """For the log."""
        return f"quotes, connection {self._number}"

    @property
    def is_done(self) -> bool:
        """A feed needs its connections until it is cancelled."""
        return False

    @property
    def has_advanced(self) -> bool:
        """Whether the link that was lost delivered for long enough to count as healthy."""
        if self._live_at is None:
            return False
        return self._clock.monotonic() - self._live_at >= self._options.healthy_seconds

    def note_loss(self, error: ApiError | StreamError) -> None:
        """Begin a gap, unless one is open."""
        self._live_at = None
        self._reconnects += 1
        self._reason = str(error)
        self._begin_gap(self._reason, self._complete_until)
        self._enter(LinkState.WAITING)

    # One link

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[DxLinkConnection]:
        self._enter(LinkState.CONNECTING)
        seconds = self._options.open_seconds
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(seconds):
                    connection = await stack.enter_async_context(self._open_connection())
            except TimeoutError:
                raise StreamClosedError(f"no link within {seconds:g} s") from None
            yield connection

    async def _work_over(self, connection: DxLinkConnection) -> None:
        """Use a link until it fails."""
        link = FeedLink(
            connection,
            self.wanted,
            name=self.name,
            witness=self._witness,
            options=self._options,
            clock=self._clock,
            on_frames=self._take,
            on_live=self._go_live,
            on_doubt=self._doubt,
        )
        self._connection, self._link = connection, link
        self._enter(LinkState.SUBSCRIBING)
        try:
            await link.run()
        finally:
            if link.is_live:
                quiet = self._clock.monotonic() - link.data_at
                self._complete_until = self._clock.now() - timedelta(seconds=quiet)
            self._past_frames += connection.frames
            self._past_bytes += connection.bytes
            self._past_errors += link.errors
            self._witness = link.witness
            self._connection = self._link = None

    def _take(self, frames: Sequence[Received]) -> None:
        # Frames that came together are taken together: a few array operations per type, however small the frames are.
        batches: list[_Batch] = []
        newest: dict[str, _Batch] = {}
        for received in frames:
            for event in received.events:
                if isinstance(event, Unreadable):
                    self._on_unreadable(event.count)
                if isinstance(event, FeedData):
                    batch = newest.get(event.event_type)
                    if batch is None or not may_join(batch.events[0], event):
                        batch = newest[event.event_type] = _Batch()
                        batches.append(batch)
                    batch.events.append(event)
                    batch.times_us.append(received.at_us)
        count = 0
        for batch in batches:
            data = joined(batch.events)
            self._on_data(data, np.repeat(batch.times_us, [event.count for event in batch.events]), self._seen)
            count += data.count
        if count:
            self.events += count
            now = self._clock.monotonic()
            self._window.add(now, count, now - frames[0].monotonic)

    def _go_live(self) -> None:
        if self._live_at is None:
            self._live_at = self._clock.monotonic()
        self._enter(LinkState.LIVE)
        now = self._clock.now()
        gap, self.gap = self.gap, None
        if gap is None:
            _LOGGER.info("%s: live, %d symbols", self.name, len(self.wanted))
            return
        _LOGGER.info(
            "%s: live again, %d symbols, after a gap of %.1f s",
            self.name,
            len(self.wanted),
            (now - gap.since).total_seconds(),
        )
        self._on_gap(replace(gap, until=now))

    def _doubt(self, reason: str, since: datetime) -> None:
        self._reason = reason
        # Before the link was live, an open gap, or the start, already covers the time.
        if self._live_at is not None:
            self._begin_gap(reason, since)
        self._enter(LinkState.SUBSCRIBING)

    def _begin_gap(self, reason: str, since: datetime) -> None:
        if self.gap is None:
            self._symbols = self._symbols or tuple(self.wanted)
            self.gap = FeedGap(self._number, since, None, reason, self._symbols)
            self.gaps += 1

    def _change(self) -> None:
        self._symbols = ()
        if self._link is not None:
            self._link.rouse()

    def _enter(self, state: LinkState) -> None:
        if state is not self._state:
            self._state, self._since = state, self._clock.now()
            _LOGGER.debug("%s: %s", self.name, state)
