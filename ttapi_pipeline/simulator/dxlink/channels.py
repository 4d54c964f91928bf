# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""FEED channels of one connection: their contracts, layouts and subscriptions, and the snapshots in flight.

The messages that change them are answered here. The market data of the subscriptions is made in `market_data`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ttapi_pipeline.simulator.dxlink.candle_bars import Preparation
from ttapi_pipeline.simulator.dxlink.candle_symbols import CandleSymbol, candle_or_none
from ttapi_pipeline.simulator.dxlink.feed_data import EVENT_FIELDS, DataFormat, RowSender, layout
from ttapi_pipeline.simulator.dxlink.messages import (
    ChannelCancel,
    ChannelMessage,
    ChannelRequest,
    Entry,
    FeedSetup,
    FeedSubscription,
    plain_seconds,
)
from ttapi_pipeline.simulator.dxlink.outbox import Outbox
from ttapi_pipeline.simulator.faults import Strike

SNAPSHOTS_IN_FLIGHT: Final = 18
MOST_CHANNELS: Final = 256
MOST_SUBSCRIPTIONS: Final = 50_000

_LONGEST_PERIOD: Final = 3_600.0
_DEFAULT_PERIOD: Final = 0.1
_LAST_MS: Final = 4_102_444_800_000  # 2100-01-01, later than any bar
_WILDCARD: Final = "*"
_CONTRACTS: Final = frozenset({"TICKER", "STREAM", "HISTORY", "AUTO"})

Key = tuple[str, str]
"""Event type and symbol, in its canonical spelling for a candle."""


@dataclass(slots=True)
class Subscription:
    """One (type, symbol) of a channel.

    Attributes:
        last: The event or bar that was sent last: it is not sent again while it is the same.
        newest_time: Start of the newest bar that was sent.
        is_live: Whether updates may follow; a candle has to send its snapshot first.
        is_wild: Whether a wildcard made it; it goes when the wildcard is removed.
    """

    event_type: str
    symbol: str
    candle: CandleSymbol | None = None
    from_time: float = 0.0
    last: object = None
    newest_time: int = 0
    is_live: bool = True
    is_wild: bool = False


@dataclass(slots=True)
class Feed:
    """A FEED channel.

    Attributes:
        wishes: Fields that the client asked for, by type; merged over all its FEED_SETUPs.
        announced: Fields that the client was told, by type: the layout of what is sent.
        due: Keys of the subscriptions whose present value is to be sent, oldest first.
        evaluated_at: When its subscriptions were last looked over for changes.
    """

    channel: int
    contract: str
    data_format: DataFormat = "FULL"
    period: float = _DEFAULT_PERIOD
    wishes: dict[str, Sequence[str]] = field(default_factory=dict)
    announced: dict[str, tuple[str, ...]] = field(default_factory=dict)
    subscriptions: dict[Key, Subscription] = field(default_factory=dict)
    due: OrderedDict[Key, None] = field(default_factory=OrderedDict)
    evaluated_at: float = 0.0


@dataclass(slots=True)
class Snapshot:
    """A candle snapshot in flight; its rows are made when the first of them is to be sent."""

    feed: Feed
    subscription: Subscription
    preparation: Preparation | None = None
    sender: RowSender | None = None


class Channels:
    """The open channels of one connection.

    Attributes:
        feeds: By channel number.
        snapshots: By channel number and canonical candle symbol, in the order in which they take turns.
    """

    def __init__(
        self, outbox: Outbox, *, symbols: Iterable[str], strike: Strike, count: Callable[[str, int], None]
    ) -> None:
        """A wildcard stands for `symbols`."""
        self._outbox = outbox
        self._symbols = symbols
        self._strike = strike
        self._count = count
        self.feeds: dict[int, Feed] = {}
        self.snapshots: OrderedDict[tuple[int, str], Snapshot] = OrderedDict()

    @property
    def has_due(self) -> bool:
        """Whether the present value of a subscription is to be sent."""
        return any(feed.due for feed in self.feeds.values())

    def receive(self, message: ChannelMessage) -> None:
        """Take one message about a channel."""
        if isinstance(message, ChannelRequest):
            self._open(message)
            return
        feed = self.feeds.get(message.channel)
        match message:
            case _ if feed is None:
                self._outbox.error("BAD_ACTION", f"Channel {message.channel} is not open")
            case ChannelCancel():
                self._close(feed)
            case FeedSetup():
                self._configure(feed, message)
            case FeedSubscription():
                self._subscribe(feed, message)

    def mark_due(self, monotonic: float) -> None:
        """Mark the live subscriptions of every channel whose aggregation period is over."""
        for feed in self.feeds.values():
            period = 0.0 if feed.contract == "STREAM" else feed.period
            if monotonic - feed.evaluated_at >= period:
                feed.evaluated_at = monotonic
                feed.due.update((key, None) for key, sub in feed.subscriptions.items() if sub.is_live)

    def announce(self, feed: Feed, layouts: Mapping[str, tuple[str, ...]]) -> None:
        """Tell the client the format, the period and these layouts, which hold from here on."""
        feed.announced.update(layouts)
        config: dict[str, object] = {
            "dataFormat": feed.data_format,
            "aggregationPeriod": plain_seconds(feed.period),
        }
        if layouts:
            config["eventFields"] = dict(layouts)
        self._outbox.answer("FEED_CONFIG", feed.channel, **config)

    def close_all(self) -> None:
        """Close every channel, unasked."""
        for feed in tuple(self.feeds.values()):
            self._close(feed)

    def _open(self, message: ChannelRequest) -> None:
        channel, contract = message.channel, message.parameters.contract
        if channel % 2 == 0:
            self._outbox.error("BAD_ACTION", "Protocol violation with an even channel usage.")
        elif channel < 0 or len(self.feeds) >= MOST_CHANNELS:
            self._outbox.error("BAD_ACTION", f"Channel {channel} is negative, or {MOST_CHANNELS} channels are open")
        elif channel in self.feeds:
            self._outbox.error("BAD_ACTION", f"Channel {channel} is already open", channel)
        elif message.service != "FEED":
            self._outbox.error("BAD_ACTION", "The only service is FEED", channel)
        elif contract not in _CONTRACTS:
            self._outbox.error("BAD_ACTION", f"The contract is one of {', '.join(sorted(_CONTRACTS))}", channel)
        else:
            self.feeds[channel] = Feed(channel, contract)
            parameters = {"contract": contract, "subFormat": "LIST"}
            self._outbox.answer("CHANNEL_OPENED", channel, service="FEED", parameters=parameters)

    def _close(self, feed: Feed) -> None:
        del self.feeds[feed.channel]
        self._drop_all(feed)
        self._outbox.answer("CHANNEL_CLOSED", feed.channel)

    def _configure(self, feed: Feed, message: FeedSetup) -> None:
        if message.accept_aggregation_period is not None:
            feed.period = min(max(message.accept_aggregation_period, 0.0), _LONGEST_PERIOD)
        if message.accept_data_format == "FULL":
            feed.data_format = "FULL"
        elif message.accept_data_format == "COMPACT":
            feed.data_format = "COMPACT"
        known = {kind: fields for kind, fields in message.accept_event_fields.items() if kind in EVENT_FIELDS}
        feed.wishes.update(known)
        changed = {kind: self._layout(feed, kind) for kind in known if kind in feed.announced}
        self.announce(feed, {kind: names for kind, names in changed.items() if names != feed.announced[kind]})

    def _layout(self, feed: Feed, event_type: str) -> tuple[str, ...]:
        names = layout(event_type, feed.wishes.get(event_type, ()))
        for fault in self._strike({"dx-fewer-fields"}):
            names = names[: max(len(names) - int(fault.number("fields")), 1)]
        return names

    def _subscribe(self, feed: Feed, message: FeedSubscription) -> None:
        if message.reset:
            self._drop_all(feed)
        for entry in message.remove:
            self._remove(feed, entry)
        if not message.add:
            return
        if self._strike({"dx-rate"}):
            self._refuse_rate(feed)
            return
        self._count("dxlink.subscriptions", len(message.add))
        new = dict.fromkeys(e.type for e in message.add if e.type in EVENT_FIELDS and e.type not in feed.announced)
        if new:
            self.announce(feed, {event_type: self._layout(feed, event_type) for event_type in new})
        accepted = [self._add(feed, entry) for entry in message.add]
        if not all(accepted):
            self._refuse_rate(feed)

    def _refuse_rate(self, feed: Feed) -> None:
        self._outbox.error("BAD_ACTION", "Your subscription rate is too high", feed.channel)

    def _add(self, feed: Feed, entry: Entry) -> bool:
        """Add one subscription; whether there was room for it."""
        if entry.type not in EVENT_FIELDS:
            return True  # DXLink accepts any type and has nothing for it
        if entry.symbol == _WILDCARD and feed.contract == "STREAM" and entry.type != "Candle":
            return self._add_all(feed, entry.type)
        key, candle = _key(entry)
        if key not in feed.subscriptions and len(feed.subscriptions) >= MOST_SUBSCRIPTIONS:
            return False
        has_snapshot = entry.type == "Candle" and feed.contract in {"HISTORY", "AUTO"} and entry.from_time is not None
        flight = (feed.channel, key[1])
        if has_snapshot and flight not in self.snapshots and len(self.snapshots) >= SNAPSHOTS_IN_FLIGHT:
            return False
        self._drop(feed, key)
        from_time = min(max(entry.from_time or 0, 0), _LAST_MS)
        subscription = Subscription(entry.type, key[1], candle, from_time, is_live=not has_snapshot)
        feed.subscriptions[key] = subscription
        if has_snapshot:
            self.snapshots[flight] = Snapshot(feed, subscription)
        else:
            feed.due[key] = None
        return True

    def _add_all(self, feed: Feed, event_type: str) -> bool:
        """Add every symbol of the market but for options; existing subscriptions stay as they are."""
        for symbol in self._symbols:
            key = (event_type, symbol)
            if key in feed.subscriptions:
                continue
            if len(feed.subscriptions) >= MOST_SUBSCRIPTIONS:
                return False
            feed.subscriptions[key] = Subscription(event_type, symbol, is_wild=True)
            feed.due[key] = None
        return True

    def _remove(self, feed: Feed, entry: Entry) -> None:
        key, _ = _key(entry)
        self._drop(feed, key)
        if entry.symbol == _WILDCARD:
            for key in [key for key, sub in feed.subscriptions.items() if sub.is_wild and key[0] == entry.type]:
                self._drop(feed, key)

    def _drop(self, feed: Feed, key: Key) -> None:
        feed.subscriptions.pop(key, None)
        feed.due.pop(key, None)
        if key[0] == "Candle":
            self.snapshots.pop((feed.channel, key[1]), None)

    def _drop_all(self, feed: Feed) -> None:
        for key in tuple(feed.subscriptions):
            self._drop(feed, key)


def _key(entry: Entry) -> tuple[Key, CandleSymbol | None]:
    """The key of the subscription that an entry names, and its candle symbol where it has one."""
    candle = candle_or_none(entry.symbol) if entry.type == "Candle" else None
    return (entry.type, candle.canonical if candle else entry.symbol), candle
