# SPDX-License-Identifier: MIT
"""DXLink from the server's side without socket, clock and task: messages in, messages out.

The order of what is sent: answers to the client first, then market data, in which symbols take turns. Data is made when
it is asked for, so that a slow reader costs no memory and gets the newest quotes. The socket is in `endpoint`, values
are in `events` and `candle_bars`, their encoding is in `feed`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

import numpy as np

from ttapi_pipeline.simulator.dxlink.candle_bars import NO_BARS, CandleBars, CandleSource, Preparation, candle_or_none
from ttapi_pipeline.simulator.dxlink.candle_snapshots import (
    TX_PENDING,
    CandleRows,
    snapshot_rows,
    update_rows,
)
from ttapi_pipeline.simulator.dxlink.candle_symbols import CandleSymbol
from ttapi_pipeline.simulator.dxlink.events import EventSource
from ttapi_pipeline.simulator.dxlink.feed import EVENT_FIELDS, DataFormat, RowSender, event_message, layout
from ttapi_pipeline.simulator.dxlink.messages import (
    Auth,
    ChannelCancel,
    ChannelRequest,
    ClientError,
    Entry,
    FeedSetup,
    FeedSubscription,
    KeepAlive,
    Setup,
    decode,
    encode,
)
from ttapi_pipeline.simulator.faults import Fault

SERVER_VERSION: Final = "1.0-1.2.3-20240912-171526"
"""As production spelled it in a published capture."""

SNAPSHOTS_IN_FLIGHT: Final = 18
SNAPSHOT_LIMIT: Final = 8_000
MOST_CHANNELS: Final = 256
MOST_SUBSCRIPTIONS: Final = 50_000
KEEPALIVE_SECONDS: Final = 60.0
KEEPALIVE_INTERVAL: Final = 30.0

CONNECTION_FAULTS: Final = frozenset(
    {"dx-freeze", "dx-close", "dx-full", "dx-error", "dx-mute", "dx-layout", "dx-channel", "dx-repeat"}
)
"""Decided once per connection; they strike when the data message after the first `after` ones is due."""

_SHORTEST_TIMEOUT: Final = 1.0
_LONGEST_TIMEOUT: Final = 3_600.0
_LONGEST_PERIOD: Final = 3_600.0
_DEFAULT_PERIOD: Final = 0.1
_LAST_MS: Final = 4_102_444_800_000
_EVENTS_PER_MESSAGE: Final = 80
_WILDCARD: Final = "*"
_CONTRACTS: Final = frozenset({"TICKER", "STREAM", "HISTORY", "AUTO"})

Strike = Callable[[Collection[str]], Sequence[Fault]]


@dataclass(frozen=True, slots=True)
class Closing:
    """The server's wish to end the connection once everything before it is sent; 1006 means without a close frame."""

    code: int
    reason: str


@dataclass(slots=True)
class Subscription:
    """One (type, symbol) of a channel.

    Attributes:
        last: What was sent last, to send only what has changed.
        newest_time: Start of the newest bar that was sent.
        is_live: Updates may follow; a candle's snapshot comes first.
        is_wild: It came from a wildcard and goes with it.
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
        due: Keys of the subscriptions whose present value is to be sent.
    """

    channel: int
    contract: str
    data_format: DataFormat = "FULL"
    period: float = _DEFAULT_PERIOD
    wishes: dict[str, Sequence[str]] = field(default_factory=dict)
    announced: dict[str, tuple[str, ...]] = field(default_factory=dict)
    subscriptions: dict[tuple[str, str], Subscription] = field(default_factory=dict)
    due: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)
    evaluated_at: float = 0.0


@dataclass(slots=True)
class Snapshot:
    """A candle snapshot in flight: its rows are made when the first of them is sent."""

    feed: Feed
    subscription: Subscription
    preparation: Preparation | None = None
    sender: RowSender | None = None


class DxLinkSession:
    """One connection.

    Call `receive` with each text message, `tick` about once a second, and after both `next_message` until it returns
    None; then, if `closing` is set, close the socket. Times are the caller's: `monotonic` in seconds for timeouts, `at`
    for the market.
    """

    def __init__(
        self,
        candles: CandleSource,
        events: EventSource,
        *,
        is_valid_token: Callable[[str], bool],
        strike: Strike,
        monotonic: float,
        count: Callable[[str, int], None],
    ) -> None:
        self._candles = candles
        self._events = events
        self._is_valid_token = is_valid_token
        self._strike = strike
        self._count = count
        self._pending_faults = list(strike(CONNECTION_FAULTS))
        self._lifetimes = [(monotonic + fault.number("seconds"), fault) for fault in strike({"dx-lifetime"})]
        self._answers: deque[bytes] = deque()
        self._feeds: dict[int, Feed] = {}
        self._snapshots: OrderedDict[tuple[int, str], Snapshot] = OrderedDict()
        self._state: Literal["new", "greeted", "set up", "checked", "authorized"] = "new"
        self._is_strict = False
        self._client_timeout = KEEPALIVE_SECONDS
        self._own_timeout = KEEPALIVE_SECONDS
        self._heard_at = monotonic
        self._keepalive_at = monotonic + KEEPALIVE_INTERVAL
        self._data_messages = 0
        self._snapshot_turn = False
        self._was_forming = True
        self._is_frozen = False
        self._is_mute = False
        self._repeats = 0
        self.closing: Closing | None = None

    @property
    def backlog(self) -> int:
        """Answers that wait to be sent: stop reading from a client that does not read."""
        return len(self._answers)

    def receive(self, text: str | bytes, *, monotonic: float) -> None:
        """Take one message of the client. What is wrong with it becomes an ERROR message, never an exception."""
        self._heard_at = monotonic
        if self.closing is not None or self._is_frozen:
            return
        try:
            message = decode(text)
        except ValueError as error:
            self._error("INVALID_MESSAGE", str(error))
            return
        match message:
            case Setup():
                self._set_up(message, monotonic)
            case KeepAlive() | ClientError():
                pass
            case _ if self._state == "new":
                self._error("BAD_ACTION", "SETUP comes first")
            case _ if self._state in {"greeted", "checked"}:
                # As production wrote it to clients that did not wait (tastyware/tastytrade #338).
                self._error("UNAUTHORIZED", "AuthException: Session not found: api")
            case Auth():
                self._authorize(message)
            case _ if self._state != "authorized":
                self._error("UNAUTHORIZED", "Not authorized")
            case ChannelRequest():
                self._open(message)
            case ChannelCancel() | FeedSetup() | FeedSubscription():
                feed = self._feeds.get(message.channel)
                if feed is None:
                    self._error("BAD_ACTION", f"Channel {message.channel} is not open")
                elif isinstance(message, ChannelCancel):
                    self._close(feed)
                elif isinstance(message, FeedSetup):
                    self._configure(feed, message)
                else:
                    self._subscribe(feed, message)

    def tick(self, *, monotonic: float, at: datetime) -> None:
        """Let time pass: keepalives, a client that fell silent, values that may have changed."""
        if self.closing is not None or self._is_frozen:
            return
        if monotonic - self._heard_at > self._own_timeout:
            self._error("TIMEOUT", f"Nothing heard for {self._own_timeout:g} s")
            self.closing = Closing(1001, "timeout")
            return
        for ends_at, fault in self._lifetimes:
            if monotonic >= ends_at:
                self.closing = Closing(int(fault.number("code")), "simulated")
                return
        if self._state in {"greeted", "checked"}:
            self._tell_state()
        if monotonic >= self._keepalive_at:
            self._answer("KEEPALIVE", 0)
            self._keepalive_at = monotonic + min(KEEPALIVE_INTERVAL, self._client_timeout / 2)
        is_forming = self._events.is_forming(at)
        if is_forming or self._was_forming:
            for feed in self._feeds.values():
                period = 0.0 if feed.contract == "STREAM" else feed.period
                if monotonic - feed.evaluated_at >= period:
                    feed.evaluated_at = monotonic
                    feed.due.update((key, None) for key, sub in feed.subscriptions.items() if sub.is_live)
        # One more look after the close, or the last values of the session would never be sent.
        self._was_forming = is_forming

    def next_message(self, *, at: datetime) -> bytes | None:
        """The next message to send; None when there is nothing to say.

        An empty one is not to be sent: it says that a long snapshot is still being made, and gives the caller a turn.
        """
        while True:
            if self._is_frozen:
                return None
            if self._answers:
                return self._answers.popleft()
            if self.closing is not None or self._is_mute:
                return None
            if not (self._snapshots or any(feed.due for feed in self._feeds.values())):
                return None
            if self._strike_connection():
                continue
            self._snapshot_turn = not self._snapshot_turn
            message = self._next_data(at)
            if message:
                self._data_messages += 1
                if self._repeats:
                    self._repeats -= 1
                    self._answers.append(message)
            if message is not None:
                return message

    # Channel 0

    def _set_up(self, message: Setup, monotonic: float) -> None:
        if message.version.partition("-")[0] not in {"0.1", "1.0"}:
            self._error("UNSUPPORTED_PROTOCOL", "The protocol version is 0.1")
            return
        self._client_timeout = _timeout(message.keepalive_timeout)
        self._own_timeout = _timeout(message.accept_keepalive_timeout)
        self._keepalive_at = monotonic + min(KEEPALIVE_INTERVAL, self._client_timeout / 2)
        self._answer(
            "SETUP",
            0,
            version=SERVER_VERSION,
            keepaliveTimeout=_plain(self._own_timeout),
            acceptKeepaliveTimeout=_plain(self._client_timeout),
        )
        if self._state == "new":
            self._is_strict = bool(self._strike({"dx-strict-auth"}))
            self._state = "greeted"
            if not self._is_strict:
                self._tell_state()

    def _authorize(self, message: Auth) -> None:
        if self._strike({"dx-token"}) or not self._is_valid_token(message.token):
            # PyPI `tastytrade` answers every UNAUTHORIZED with another AUTH, so the link must end here.
            self._count("dxlink.refused", 1)
            self._state = "set up"
            self._answer("AUTH_STATE", 0, state="UNAUTHORIZED")
            self.closing = Closing(1008, "token refused")
            return
        self._count("dxlink.authorized", 1)
        self._state = "checked"
        if not self._is_strict:
            self._tell_state()

    def _tell_state(self) -> None:
        """Take the next step towards the authorization and tell the client, who may go on from there."""
        if self._state == "greeted":
            self._state = "set up"
            self._answer("AUTH_STATE", 0, state="UNAUTHORIZED")
        else:
            self._state = "authorized"
            self._answer("AUTH_STATE", 0, state="AUTHORIZED", userId="simulator")

    # Channels

    def _open(self, message: ChannelRequest) -> None:
        channel, contract = message.channel, message.parameters.contract
        if channel % 2 == 0:
            self._error("BAD_ACTION", "Protocol violation with an even channel usage.")
        elif channel < 0 or len(self._feeds) >= MOST_CHANNELS:
            self._error("BAD_ACTION", f"Channel {channel} is negative, or {MOST_CHANNELS} channels are open")
        elif channel in self._feeds:
            self._error("BAD_ACTION", f"Channel {channel} is already open", channel)
        elif message.service != "FEED":
            self._error("BAD_ACTION", "The only service is FEED", channel)
        elif contract not in _CONTRACTS:
            self._error("BAD_ACTION", f"The contract is one of {', '.join(sorted(_CONTRACTS))}", channel)
        else:
            self._feeds[channel] = Feed(channel, contract)
            parameters = {"contract": contract, "subFormat": "LIST"}
            self._answer("CHANNEL_OPENED", channel, service="FEED", parameters=parameters)

    def _close(self, feed: Feed) -> None:
        del self._feeds[feed.channel]
        self._drop_all(feed)
        self._answer("CHANNEL_CLOSED", feed.channel)

    # FEED

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
        self._announce(feed, {kind: names for kind, names in changed.items() if names != feed.announced[kind]})

    def _announce(self, feed: Feed, layouts: Mapping[str, tuple[str, ...]]) -> None:
        feed.announced.update(layouts)
        config: dict[str, object] = {"dataFormat": feed.data_format, "aggregationPeriod": _plain(feed.period)}
        if layouts:
            config["eventFields"] = dict(layouts)
        self._answer("FEED_CONFIG", feed.channel, **config)

    def _layout(self, feed: Feed, event_type: str) -> tuple[str, ...]:
        names = layout(event_type, feed.wishes.get(event_type, ()))
        for fault in self._strike({"dx-fewer-fields"}):
            names = names[: max(len(names) - int(fault.number("fields")), 1)]
        return names

    def _subscribe(self, feed: Feed, message: FeedSubscription) -> None:
        if message.reset:
            self._drop_all(feed)
        for entry in message.remove:
            candle = candle_or_none(entry.symbol) if entry.type == "Candle" else None
            self._drop(feed, (entry.type, candle.canonical if candle else entry.symbol))
            if entry.symbol == _WILDCARD:
                for key in [key for key, sub in feed.subscriptions.items() if sub.is_wild and key[0] == entry.type]:
                    self._drop(feed, key)
        if not message.add:
            return
        if self._strike({"dx-rate"}):
            self._error("BAD_ACTION", "Your subscription rate is too high", feed.channel)
            return
        self._count("dxlink.subscriptions", len(message.add))
        new = dict.fromkeys(e.type for e in message.add if e.type in EVENT_FIELDS and e.type not in feed.announced)
        if new:
            self._announce(feed, {event_type: self._layout(feed, event_type) for event_type in new})
        accepted = [self._add(feed, entry) for entry in message.add]
        if not all(accepted):
            self._error("BAD_ACTION", "Your subscription rate is too high", feed.channel)

    def _add(self, feed: Feed, entry: Entry) -> bool:
        """Whether there was room for it."""
        if entry.type not in EVENT_FIELDS:
            return True  # DXLink accepts any type and has nothing for it
        if entry.symbol == _WILDCARD and feed.contract == "STREAM" and entry.type != "Candle":
            return self._add_all(feed, entry.type)
        candle = candle_or_none(entry.symbol) if entry.type == "Candle" else None
        key = (entry.type, candle.canonical if candle else entry.symbol)
        if key not in feed.subscriptions and len(feed.subscriptions) >= MOST_SUBSCRIPTIONS:
            return False
        has_snapshot = entry.type == "Candle" and feed.contract in {"HISTORY", "AUTO"} and entry.from_time is not None
        flight = (feed.channel, key[1])
        if has_snapshot and flight not in self._snapshots and len(self._snapshots) >= SNAPSHOTS_IN_FLIGHT:
            return False
        self._drop(feed, key)
        from_time = min(max(entry.from_time or 0, 0), _LAST_MS)
        subscription = Subscription(entry.type, key[1], candle, from_time, is_live=not has_snapshot)
        feed.subscriptions[key] = subscription
        if has_snapshot:
            self._snapshots[flight] = Snapshot(feed, subscription)
        else:
            feed.due[key] = None
        return True

    def _add_all(self, feed: Feed, event_type: str) -> bool:
        """Everything that the market has, but for options; symbols that are subscribed to stay as they are."""
        for symbol in self._events.symbols:
            key = (event_type, symbol)
            if key in feed.subscriptions:
                continue
            if len(feed.subscriptions) >= MOST_SUBSCRIPTIONS:
                return False
            feed.subscriptions[key] = Subscription(event_type, symbol, is_wild=True)
            feed.due[key] = None
        return True

    def _drop(self, feed: Feed, key: tuple[str, str]) -> None:
        feed.subscriptions.pop(key, None)
        feed.due.pop(key, None)
        if key[0] == "Candle":
            self._snapshots.pop((feed.channel, key[1]), None)

    def _drop_all(self, feed: Feed) -> None:
        for key in tuple(feed.subscriptions):
            self._drop(feed, key)

    # Market data

    def _next_data(self, at: datetime) -> bytes | None:
        """Snapshots and present values take turns; None when no value has changed."""
        if self._snapshots and (self._snapshot_turn or not any(feed.due for feed in self._feeds.values())):
            return self._next_rows(at)
        feed = next(feed for feed in self._feeds.values() if feed.due)
        if next(iter(feed.due))[0] == "Candle":
            return self._next_update(feed, at)
        return self._next_events(feed, at)

    def _next_rows(self, at: datetime) -> bytes:
        flight, snapshot = next(iter(self._snapshots.items()))
        feed = snapshot.feed
        if snapshot.sender is None:
            snapshot.preparation = snapshot.preparation or self._prepare(snapshot, at)
            try:
                next(snapshot.preparation)
            except StopIteration as done:
                snapshot.sender = RowSender(self._snapshot_rows(snapshot.subscription, done.value))
            else:
                self._snapshots.move_to_end(flight)
                return b""
        message = snapshot.sender.next_message(feed.channel, feed.announced["Candle"], feed.data_format)
        if snapshot.sender.is_done:
            del self._snapshots[flight]
            snapshot.subscription.is_live = True
        else:
            self._snapshots.move_to_end(flight)
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
        self._remember(subscription, bars)
        self._count("dxlink.snapshots", 1)
        self._count("dxlink.bars", len(bars))
        return self._disturbed(snapshot_rows(subscription.symbol, bars, from_time=subscription.from_time))

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
        self._remember(subscription, bars)
        sender = RowSender(update_rows(subscription.symbol, bars))
        message = sender.next_message(feed.channel, feed.announced["Candle"], feed.data_format)
        if not sender.is_done:
            # More new bars than fit into one message: a clock that jumped. The rest comes as a snapshot.
            self._snapshots[feed.channel, subscription.symbol] = Snapshot(feed, subscription, sender=sender)
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
                events.append(event)
        if not events:
            return None
        self._count("dxlink.events", len(events))
        return event_message(feed.channel, event_type, events, feed.announced[event_type], feed.data_format)

    def _remember(self, subscription: Subscription, bars: CandleBars) -> None:
        if len(bars):
            subscription.newest_time = int(bars.time[0])
            subscription.last = _newest(bars)

    # Faults

    def _strike_connection(self) -> bool:
        """Carry out the next fault of this connection that is due; whether there was one."""
        for fault in self._pending_faults:
            if self._data_messages < fault.number("after"):
                continue
            self._pending_faults.remove(fault)
            match fault.kind:
                case "dx-freeze":
                    self._is_frozen = True
                case "dx-close":
                    self.closing = Closing(int(fault.number("code")), "simulated")
                case "dx-error":
                    self._error(fault.text("error"), fault.text("message"))
                case "dx-mute":
                    self._is_mute = True
                case "dx-layout":
                    for feed in self._feeds.values():
                        self._announce(feed, {kind: names[::-1] for kind, names in feed.announced.items()})
                case "dx-channel":
                    for feed in tuple(self._feeds.values()):
                        self._close(feed)
                case "dx-repeat":
                    self._repeats += int(fault.number("messages"))
                case _:
                    for feed in self._feeds.values():
                        feed.data_format = "FULL"
                        self._announce(feed, {})
            return True
        return False

    def _disturbed(self, rows: CandleRows) -> CandleRows:
        """The rows after the faults that concern their order and flags; first and last keep their places."""
        inner = len(rows) - 2
        for fault in self._strike({"dx-duplicate", "dx-reorder", "dx-pending"}):
            if inner < 1:
                break
            order = np.arange(len(rows))
            match fault.kind:
                case "dx-duplicate":
                    again = np.arange(1, 1 + min(int(fault.number("rows")), inner))
                    order = np.insert(order, again + 1, again)
                case "dx-reorder":
                    swapped = slice(1, 1 + min(max(int(fault.number("rows")), 0), inner))
                    order[swapped] = order[swapped][::-1].copy()
                case _:
                    rows = _pending(rows, max(int(fault.number("runs")), 1))
            rows = rows.taken(order)
            inner = len(rows) - 2
        return rows

    # Answers

    def _answer(self, kind: str, channel: int, **content: object) -> None:
        self._answers.append(encode(kind, channel, **content))

    def _error(self, error: str, message: str, channel: int = 0) -> None:
        self._count("dxlink.errors", 1)
        self._answer("ERROR", channel, error=error, message=message)


def _pending(rows: CandleRows, runs: int) -> CandleRows:
    """The snapshot's inner rows in transactions: each run but its last row is marked as pending."""
    marked = rows.flags
    for run in np.array_split(np.arange(1, len(rows) - 1), runs):
        marked[run[:-1]] |= TX_PENDING
    return rows.with_flags(marked)


def _newest(bars: CandleBars) -> tuple[float, ...]:
    """What tells whether the newest bar has changed."""
    return int(bars.time[0]), float(bars.close[0]), float(bars.high[0]), float(bars.low[0]), float(bars.volume[0])


def _timeout(seconds: float | None) -> float:
    return min(max(seconds or KEEPALIVE_SECONDS, _SHORTEST_TIMEOUT), _LONGEST_TIMEOUT)


def _plain(seconds: float) -> float:
    """A whole number of seconds as an integer, as production writes it."""
    return int(seconds) if seconds == int(seconds) else seconds
