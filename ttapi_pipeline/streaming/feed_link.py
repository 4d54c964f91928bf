# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One link of a feed: its channels and subscriptions, and whether it still delivers.

`feed_connection` replaces it when it fails.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.errors import StreamClosedError, TTError
from ttapi_pipeline.streaming.background import ungrouped
from ttapi_pipeline.streaming.complaints import Complaints
from ttapi_pipeline.streaming.connection import DxLinkConnection, Received
from ttapi_pipeline.streaming.events import ChannelClosed, ErrorReceived, FeedData, FeedReady, TokenRefused
from ttapi_pipeline.streaming.feed_options import FeedOptions
from ttapi_pipeline.streaming.market_data import SALE_FIELDS, TICKER_FIELDS
from ttapi_pipeline.streaming.messages import MAX_ENTRIES, Contract, Subscription

_FORGET_SECONDS: Final = 600.0
"""A refusal counts as the first when there was no other in this time before it."""

_PROBED_SYMBOLS: Final = 20

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Delivery:
    """A channel, and the subscriptions that it has.

    Attributes:
        number: Of the channel; 0 before it was asked for.
        closings: How often the server has closed it.
        asked_at: When it was asked for last, on the clock's monotonic scale.
        subscribed: The symbols that were subscribed, in order.
    """

    contract: Contract
    fields: Mapping[str, Sequence[str]]
    number: int = 0
    is_ready: bool = False
    is_closed: bool = False
    needs_reset: bool = True
    closings: int = 0
    asked_at: float = 0.0
    subscribed: dict[str, None] = field(default_factory=dict)

    def forget(self) -> None:
        """The server has closed the channel, and its subscriptions are gone."""
        self.is_ready = False
        self.is_closed = self.needs_reset = True
        self.closings += 1
        self.subscribed.clear()


class FeedLink:
    """Keeps the subscriptions of an open link equal to the wanted symbols, until the link fails.

    Sales are subscribed before quotes. A server works in order, so the first quote after the last subscription says
    that all of them hold.

    Attributes:
        errors: ERROR messages so far.
        data_at: When the last event came, on the clock's monotonic scale. Keepalives do not count: a mute link has
            them too.
        witness: A symbol known to have quotes, which the probe asks for; empty when none is known.
    """

    def __init__(
        self,
        connection: DxLinkConnection,
        wanted: Mapping[str, None],
        *,
        name: str,
        witness: str,
        options: FeedOptions,
        clock: Clock,
        on_frames: Callable[[Sequence[Received]], None],
        on_live: Callable[[], None],
        on_doubt: Callable[[str, datetime], None],
    ) -> None:
        """A link that is open, without channels.

        Args:
            connection: The authorised link.
            wanted: The symbols, in order; call `rouse` when it has changed.
            name: For the log.
            witness: The witness of the link before; empty when there is none.
            options: Of the feed.
            clock: For paces and deadlines.
            on_frames: Takes all frames that have events. An exception of it ends the link.
            on_live: Called whenever all subscriptions hold, for the first time or again.
            on_doubt: Called when some subscriptions may not hold, with the reason and the time since when.
        """
        self.errors = 0
        self.data_at = clock.monotonic()
        self.witness = witness
        self._connection = connection
        self._wanted = wanted
        self._name = name
        self._options = options
        self._clock = clock
        self._on_frames = on_frames
        self._on_live = on_live
        self._on_doubt = on_doubt
        self._channels = [_Delivery(Contract.TICKER, TICKER_FIELDS)]
        if options.has_sales:
            self._channels.insert(0, _Delivery(Contract.STREAM, {"TimeAndSale": SALE_FIELDS}))
        self._ticker = self._channels[-1]
        self._is_settled = False
        self._is_live = False
        self._is_refused = False
        self._began_at = clock.now()
        self._refusals = 0
        self._refused_at = 0.0
        self._probed_at: float | None = None
        self._complaints = Complaints(name)
        self._has_work = asyncio.Event()

    @property
    def is_live(self) -> bool:
        """Whether all subscriptions hold, as far as the link can tell."""
        return self._is_live

    def rouse(self) -> None:
        """Look again: the wanted symbols, or the subscriptions, have changed."""
        if self._is_settled:
            self._is_settled = False
            self._began_at = self._clock.now()
        self._has_work.set()

    async def run(self) -> None:
        """Work until the link fails.

        Raises:
            TTError: The reason.
        """
        with ungrouped(TTError):
            async with asyncio.TaskGroup() as tasks:
                for channel in self._channels:
                    await self._open(channel)
                tasks.create_task(self._consume())
                tasks.create_task(self._subscribe())
                tasks.create_task(self._watch())
                # In Python 3.11, a group whose body has ended when a task fails leaves its own task looking cancelled.
                await asyncio.Event().wait()

    async def _open(self, channel: _Delivery) -> None:
        channel.asked_at = self._clock.monotonic()
        if channel.is_closed:
            channel.is_closed = False
            await self._connection.reopen_feed(channel.number)
        else:
            channel.number = await self._connection.open_feed(
                channel.contract, channel.fields, aggregation_seconds=self._options.aggregation_seconds
            )

    # Receiving

    async def _consume(self) -> None:
        while True:
            frames = await self._connection.next_frames()
            self._on_frames(frames)
            for received in frames:
                for event in received.events:
                    match event:
                        case FeedData():
                            self._heard(event, received.monotonic)
                        case FeedReady():
                            self._ready(event.channel)
                        case ChannelClosed():
                            self._closed(event.channel)
                        case ErrorReceived():
                            self._refused(event)
                        case TokenRefused():
                            raise StreamClosedError(f"{self._connection!r}: the session's token is no longer accepted")
                        case _:
                            pass

    def _heard(self, data: FeedData, monotonic: float) -> None:
        if not any(data.event_type in channel.fields for channel in self._channels):
            # Events that nobody asked for say nothing about the subscriptions.
            return
        self.data_at = monotonic
        if data.channel != self._ticker.number:
            return
        self._probed_at = None
        symbol = data.columns["eventSymbol"][-1]
        if data.event_type == "Quote" and isinstance(symbol, str) and symbol in self._wanted:
            self.witness = symbol
        if self._is_settled and not self._is_live:
            self._become_live()

    def _become_live(self) -> None:
        self._is_live = True
        self._on_live()

    def _doubt(self, reason: str, since: datetime) -> None:
        self._is_live = False
        self.rouse()
        self._on_doubt(reason, since)

    def _ready(self, number: int) -> None:
        for channel in self._channels:
            if channel.number == number:
                channel.is_ready = True
        self._has_work.set()

    def _closed(self, number: int) -> None:
        for channel in self._channels:
            if channel.number == number:
                channel.forget()
        _LOGGER.warning("%s: the server closed channel %d; it is opened again", self._name, number)
        self._doubt(f"the server closed channel {number}", self._clock.now())

    def _refused(self, error: ErrorReceived) -> None:
        self.errors += 1
        self._complaints.note(error)
        if error.error == "TIMEOUT":
            raise StreamClosedError(f"{self._connection!r}: the server timed out: {error.message}")
        if error.error == "BAD_ACTION" and not self._is_refused:
            # The server does not say which entries it refused, so all are sent again. Those that hold stay as they are.
            self._is_refused = True
            # Nor does it say which frame they were in, so the gap begins with the first frame that it can have been.
            self._doubt(f"a subscription was refused: {error.message}", self._began_at)

    # Subscribing

    async def _subscribe(self) -> None:
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            await self._repair()
            while await self._send_next():
                await self._clock.sleep(self._options.pace_seconds)
                await self._repair()
            # There was no await since `_send_next` found nothing to send, so that still holds.
            if all(channel.is_ready for channel in self._channels):
                self._is_settled = True
                if not self._wanted and not self._is_live:
                    self._become_live()

    async def _repair(self) -> None:
        if self._is_refused:
            now = self._clock.monotonic()
            self._refusals = 1 if now - self._refused_at > _FORGET_SECONDS else self._refusals + 1
            self._refused_at = now
            await self._clock.sleep(self._options.backoff.seconds(self._refusals))
            self._is_refused = False
            for channel in self._channels:
                channel.subscribed.clear()
        for channel in self._channels:
            if channel.is_closed:
                await self._clock.sleep(self._options.backoff.seconds(channel.closings))
                await self._open(channel)

    async def _send_next(self) -> bool:
        """Send the next frame of subscriptions; False when there is nothing to send."""
        for channel in self._channels:
            if not channel.is_ready:
                continue
            most = MAX_ENTRIES // len(channel.fields)
            removed = list(islice((symbol for symbol in channel.subscribed if symbol not in self._wanted), most))
            added = [] if removed else self._next_added(channel, most)
            if not removed and not added:
                continue
            for symbol in removed:
                del channel.subscribed[symbol]
            channel.subscribed.update(dict.fromkeys(added))
            needs_reset, channel.needs_reset = channel.needs_reset, False
            await self._connection.subscribe(
                channel.number,
                remove=_entries(channel, removed),
                add=_entries(channel, added),
                reset=needs_reset,
            )
            return True
        return False

    def _next_added(self, channel: _Delivery, most: int) -> list[str]:
        if len(channel.subscribed) == len(self._wanted):
            return []
        return list(islice((symbol for symbol in self._wanted if symbol not in channel.subscribed), most))

    # Watching

    async def _watch(self) -> None:
        while True:
            now = self._clock.monotonic()
            for channel in self._channels:
                if (
                    not channel.is_ready
                    and not channel.is_closed
                    and now >= channel.asked_at + self._options.open_seconds
                ):
                    raise StreamClosedError(
                        f"{self._connection!r}: no {channel.contract} channel within {self._options.open_seconds:g} s"
                    )
            quiet = now - max(self.data_at, self._probed_at or 0.0)
            if quiet >= self._options.probe_seconds:
                await self._probe()
                quiet = 0.0
            await self._clock.sleep(min(self._options.probe_seconds - quiet, self._options.open_seconds))

    async def _probe(self) -> None:
        """Ask for a value that must come: without events the market may be quiet, or the link mute.

        Raises:
            StreamClosedError: The probe before was not answered.
        """
        if self._probed_at is not None:
            raise StreamClosedError(
                f"{self._connection!r}: no event for {self._clock.monotonic() - self.data_at:.0f} s, "
                "and none after a new subscription"
            )
        subscribed = self._ticker.subscribed
        # While no symbol is known to answer, ask for several. A link that never delivered anything is not trusted.
        symbols = [self.witness] if self.witness in subscribed else list(islice(subscribed, _PROBED_SYMBOLS))
        if not symbols:
            return
        self._probed_at = self._clock.monotonic()
        entries = [Subscription("Quote", symbol) for symbol in symbols]
        await self._connection.subscribe(self._ticker.number, remove=entries, add=entries)


def _entries(channel: _Delivery, symbols: Sequence[str]) -> list[Subscription]:
    # By type, because a message holds events of one type: values that are sent in this order fill few messages.
    return [Subscription(event_type, symbol) for event_type in channel.fields for symbol in symbols]
