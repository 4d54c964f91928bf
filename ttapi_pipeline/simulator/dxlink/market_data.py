# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The market data of one connection, message by message: snapshots of candles, and values that have changed.

Nothing is made before it can be sent, so a slow client costs no memory and gets the newest values. The subscriptions
are kept in `channels`, the values come from `events` and `candle_bars`, their encoding is in `feed_data`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from ttapi_pipeline.simulator.dxlink.candle_bars import NO_BARS, CandleBars, CandleSource, Preparation
from ttapi_pipeline.simulator.dxlink.candle_rows import CandleRows, snapshot_rows, update_rows
from ttapi_pipeline.simulator.dxlink.channels import Channels, Feed, Snapshot, Subscription
from ttapi_pipeline.simulator.dxlink.event_faults import bars_left, event_left, rows_spoiled
from ttapi_pipeline.simulator.dxlink.events import EventSource
from ttapi_pipeline.simulator.dxlink.faults import disturbed
from ttapi_pipeline.simulator.dxlink.feed_data import RowSender, event_message
from ttapi_pipeline.simulator.faults import Strike

SNAPSHOT_LIMIT: Final = 8_000

_EVENTS_PER_MESSAGE: Final = 80


class MarketData:
    """Makes the next FEED_DATA message of a connection; symbols take turns, and so do snapshots and values."""

    def __init__(
        self,
        channels: Channels,
        candles: CandleSource,
        events: EventSource,
        *,
        strike: Strike,
        count: Callable[[str, int], None],
    ) -> None:
        self._channels = channels
        self._candles = candles
        self._events = events
        self._strike = strike
        self._count = count
        self._is_snapshot_turn = False

    @property
    def has_next(self) -> bool:
        """Whether there is something to make a message of."""
        return bool(self._channels.snapshots) or self._channels.has_due

    def next_message(self, at: datetime) -> bytes | None:
        """The next message, where `has_next`; None when the value turned out to be unchanged.

        An empty one is not to be sent: it says that a long snapshot is still being made.
        """
        self._is_snapshot_turn = not self._is_snapshot_turn
        if self._channels.snapshots and (self._is_snapshot_turn or not self._channels.has_due):
            return self._next_rows(at)
        feed = next(feed for feed in self._channels.feeds.values() if feed.due)
        if next(iter(feed.due))[0] == "Candle":
            return self._next_update(feed, at)
        return self._next_events(feed, at)

    def _next_rows(self, at: datetime) -> bytes:
        snapshots = self._channels.snapshots
        flight, snapshot = next(iter(snapshots.items()))
        feed = snapshot.feed
        if snapshot.sender is None:
            snapshot.preparation = snapshot.preparation or self._prepare(snapshot, at)
            try:
                next(snapshot.preparation)
            except StopIteration as done:
                snapshot.sender = RowSender(self._snapshot_rows(snapshot.subscription, done.value))
            else:
                snapshots.move_to_end(flight)
                return b""
        message = snapshot.sender.next_message(feed.channel, feed.announced["Candle"], feed.data_format)
        if snapshot.sender.is_done:
            del snapshots[flight]
            snapshot.subscription.is_live = True
        else:
            snapshots.move_to_end(flight)
        return message

    def _prepare(self, snapshot: Snapshot, at: datetime) -> Preparation:
        subscription = snapshot.subscription
        limit = SNAPSHOT_LIMIT
        for fault in self._strike({"dx-snip"}):
            limit = min(limit, max(int(fault.number("rows")), 1))
        if snapshot.feed.contract == "AUTO" and self._strike({"dx-auto-empty"}):
            # One empty snapshot and nothing after it, as production did (tastyware/tastytrade #353).
            subscription.candle = None
        if subscription.candle is None:
            return NO_BARS
        start = subscription.from_time
        return (yield from self._candles.prepare(subscription.candle, from_time=start, at=at, limit=limit))

    def _snapshot_rows(self, subscription: Subscription, bars: CandleBars) -> CandleRows:
        _remember(subscription, bars)
        bars = bars_left(bars, subscription, self._strike)
        self._count("dxlink.snapshots", 1)
        self._count("dxlink.bars", len(bars))
        rows = snapshot_rows(subscription.symbol, bars, from_time=subscription.from_time)
        return rows_spoiled(disturbed(rows, self._strike), subscription, self._strike)

    def _next_update(self, feed: Feed, at: datetime) -> bytes | None:
        """The forming bar of one candle, when it has moved, and bars that are new since."""
        key, _ = feed.due.popitem(last=False)
        subscription = feed.subscriptions[key]
        if subscription.candle is None:
            return None
        # A channel without history starts with the newest bar alone.
        has_history = subscription.newest_time > 0
        start = max(subscription.newest_time, subscription.from_time)
        limit = SNAPSHOT_LIMIT if has_history else 1
        bars = self._candles.bars(subscription.candle, from_time=start, at=at, limit=limit)
        if not len(bars) or _newest(bars) == subscription.last:
            return None
        _remember(subscription, bars)
        rows = update_rows(subscription.symbol, bars_left(bars, subscription, self._strike))
        if not len(rows):
            return None
        sender = RowSender(rows_spoiled(rows, subscription, self._strike))
        message = sender.next_message(feed.channel, feed.announced["Candle"], feed.data_format)
        if not sender.is_done:
            # More new bars than fit into one message: a clock that jumped. The rest comes as a snapshot.
            flight = (feed.channel, subscription.symbol)
            self._channels.snapshots[flight] = Snapshot(feed, subscription, sender=sender)
        return message

    def _next_events(self, feed: Feed, at: datetime) -> bytes | None:
        """Values of one type that have changed, as many as fit into one message."""
        event_type = next(iter(feed.due))[0]
        events: list[Mapping[str, object]] = []
        while feed.due and len(events) < _EVENTS_PER_MESSAGE and next(iter(feed.due))[0] == event_type:
            key, _ = feed.due.popitem(last=False)
            subscription = feed.subscriptions[key]
            event = self._events.event(event_type, subscription.symbol, at)
            if event is not None and event != subscription.last:
                subscription.last = event
                left = event_left(event, subscription, self._strike)
                if left is not None:
                    events.append(left)
        if not events:
            return None
        self._count("dxlink.events", len(events))
        return event_message(feed.channel, event_type, events, feed.announced[event_type], feed.data_format)


def _remember(subscription: Subscription, bars: CandleBars) -> None:
    if len(bars):
        subscription.newest_time = int(bars.time[0])
        subscription.last = _newest(bars)


def _newest(bars: CandleBars) -> tuple[float, ...]:
    """The figures by which a change of the newest bar is noticed."""
    return int(bars.time[0]), float(bars.close[0]), float(bars.high[0]), float(bars.low[0]), float(bars.volume[0])
