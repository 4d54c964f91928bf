# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Daily candles of many symbols, over as many links as it takes.

The rules of one series are in `candles`, the replacing of a lost link in `links`.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Final

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.collection import Collection, ProgressCallback, no_progress
from ttapi_pipeline.core.errors import ApiError, StreamClosedError, StreamError
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.candle_symbols import daily_candle_symbol
from ttapi_pipeline.streaming.candles import CANDLE_FIELDS, LAST_SESSION, CandleHistory, CandleSeries, candle_rows
from ttapi_pipeline.streaming.complaints import Complaints
from ttapi_pipeline.streaming.connection import DxLinkConnection
from ttapi_pipeline.streaming.events import (
    UNREADABLE_PART,
    ChannelClosed,
    ErrorReceived,
    FeedData,
    TokenRefused,
    Unreadable,
)
from ttapi_pipeline.streaming.links import Links, OpenConnection
from ttapi_pipeline.streaming.messages import Contract, Subscription

MAX_IN_FLIGHT: Final = 18
DEADLINE_SECONDS: Final = 30.0
MAX_FAILURES: Final = 6
"""Failures in a row, of links or of subscriptions, without a symbol completed in between, that end the collection."""

MUTE_SECONDS: Final = 15.0
MAX_MUTE_LINKS: Final = 3
"""A link is mute when nothing of any symbol has come for this long, though some are subscribed. Keepalives prove no
feed behind them, and without this rule each 18 symbols would take their whole deadline."""

MOST_EVENTS: Final = 50_000
"""The most events of one symbol that are kept: a century of sessions, each of them twice. A snapshot with more has no
end, and would fill the memory."""

_LOGGER: Final = logging.getLogger(__name__)


async def collect_daily_candles(
    open_connection: OpenConnection,
    requests: Mapping[str, date],
    *,
    last_session: date = LAST_SESSION,
    in_flight: int = MAX_IN_FLIGHT,
    deadline_seconds: float = DEADLINE_SECONDS,
    clock: Clock = SYSTEM_CLOCK,
    progress: ProgressCallback = no_progress,
    on_symbol: Callable[[CandleHistory], None] | None = None,
    returns_rows: bool = True,
    backoff: Backoff | None = None,
    max_failures: int = MAX_FAILURES,
) -> Collection[CandleHistory]:
    """Fetch daily candles, extended hours included, on a HISTORY channel.

    A lost link is replaced, and the symbols that were not complete are asked for again, after all others. So is a link
    that brings nothing for MUTE_SECONDS; MAX_MUTE_LINKS of these in a row end the collection.

    Args:
        open_connection: Opens a link; asked for another one whenever a link is lost.
        requests: First session wanted, by streamer symbol. A bar before it is set aside.
        last_session: The present session. A bar after it is set aside.
        in_flight: Number of symbols that are subscribed at a time.
        deadline_seconds: For one symbol. It counts only on a link that is alive, because a frozen link is replaced,
            but it never takes more than three times as long.
        clock: For deadlines and delays.
        progress: Told the number of symbols that are settled, that is complete, empty or missing.
        on_symbol: Told each history as soon as it is complete.
        returns_rows: Whether the result has the histories, and memory all of them; else `on_symbol` alone gets them.
        backoff: Delays before a new link and after a refused subscription.
        max_failures: So many in a row, without a symbol completed in between, end the collection.

    Returns:
        A history per symbol that has bars, in the order of completion. `empty` holds the symbols for which the feed
        had nothing, twice; `missing` holds those without a complete snapshot, or without a bar that can be. An unknown
        symbol is empty. `lost` counts values and bars that cannot be, as ``candle.`` and the name of the field.

    Raises:
        TTError: `open_connection` raised it and never opened a link, or `on_symbol` raised it.
    """
    # Reads better in one piece: what each argument is for, and where it goes.
    collector = _Collector(
        requests,
        last_session=last_session,
        in_flight=in_flight,
        deadline_seconds=deadline_seconds,
        clock=clock,
        progress=progress,
        on_symbol=on_symbol,
        returns_rows=returns_rows,
    )
    delays = backoff or Backoff()
    links = Links(open_connection, collector, backoff=delays, clock=clock, max_failures=max_failures)
    try:
        async for link in links:
            async with link as connection:
                await collector.collect_over(connection, delays, max_failures)
    except (ApiError, StreamError) as error:
        if not links.has_opened:
            raise
        collector.give_up(f"the link was lost and not replaced: {error}")
    return collector.result()


@dataclass(slots=True)
class _Request:
    """One symbol that is waiting or in flight."""

    symbol: str
    candle_symbol: str
    first_session: date
    from_time: int
    is_retry: bool = False
    subscribed_at: float = 0.0
    series: CandleSeries = field(default_factory=CandleSeries)

    @property
    def subscription(self) -> Subscription:
        return Subscription("Candle", self.candle_symbol, self.from_time)


class _Collector:
    """The symbols that wait, are in flight, or are settled. It outlives its links."""

    def __init__(
        self,
        requests: Mapping[str, date],
        *,
        last_session: date,
        in_flight: int,
        deadline_seconds: float,
        clock: Clock,
        progress: ProgressCallback,
        on_symbol: Callable[[CandleHistory], None] | None,
        returns_rows: bool,
    ) -> None:
        self._total = len(requests)
        self._last_session = last_session
        self._most_in_flight = in_flight
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._progress = progress
        self._on_symbol = on_symbol
        self._waiting: deque[_Request] = deque()
        self._in_flight: dict[str, _Request] = {}
        self._returns_rows = returns_rows
        self._rows: list[CandleHistory] = []
        self._done = 0
        self._empty: set[str] = set()
        self._missing: dict[str, str] = {}
        self._lost: Counter[str] = Counter()
        self._complaints = Complaints("candles")
        self._resumes_at = clock.monotonic()
        self._asked_or_heard_at = clock.monotonic()
        self._mute_links = 0
        for symbol, session in requests.items():
            from_time = int(datetime.combine(session, time(), UTC).timestamp()) * 1000
            try:
                self._waiting.append(_Request(symbol, daily_candle_symbol(symbol), session, from_time))
            except ValueError as error:
                self._missing[symbol] = str(error)
        self._settled_at_loss = self.settled
        self._progress(self.settled, self._total)

    @property
    def settled(self) -> int:
        return self._done + len(self._empty) + len(self._missing)

    @property
    def unsettled(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    # What `links` asks

    @property
    def name(self) -> str:
        return f"candles, {self.unsettled} symbols to go"

    @property
    def is_done(self) -> bool:
        return not self.unsettled

    @property
    def has_advanced(self) -> bool:
        return self.settled > self._settled_at_loss

    def note_loss(self, _: ApiError | StreamError) -> None:
        self._settled_at_loss = self.settled
        self._requeue()

    # What is collected

    def result(self) -> Collection[CandleHistory]:
        return Collection(
            rows=self._rows,
            missing=self._missing,
            empty=frozenset(self._empty),
            requested=self._total,
            lost={f"candle.{name}": count for name, count in sorted(self._lost.items())},
        )

    def _requeue(self) -> None:
        """Forget the unfinished snapshots of a lost link. Their symbols go last: one may be why the link was lost."""
        for request in self._in_flight.values():
            request.series = CandleSeries()
            self._waiting.append(request)
        self._in_flight.clear()

    def give_up(self, reason: str) -> None:
        self._requeue()
        self._missing.update((request.symbol, reason) for request in self._waiting)
        self._waiting.clear()
        self._progress(self.settled, self._total)

    async def collect_over(self, connection: DxLinkConnection, backoff: Backoff, max_refusals: int) -> None:
        """Collect until everything is settled, or the link fails with a StreamError."""
        channel = await connection.open_feed(Contract.HISTORY, {"Candle": CANDLE_FIELDS})
        refusals = 0
        finished: list[_Request] = []
        while True:
            started = self._start()
            await connection.subscribe(
                channel,
                remove=[request.subscription for request in finished],
                add=[request.subscription for request in started],
            )
            if self.is_done or self._is_given_up(connection):
                return
            finished, is_refused = [], False
            for event in await connection.next_events(within=self._seconds_to_alarm()):
                match event:
                    case FeedData(event_type="Candle"):
                        self._receive(event)
                    case Unreadable():
                        self._lost[UNREADABLE_PART] += event.count
                    case ErrorReceived():
                        self._complaints.note(event)
                        is_refused |= event.error == "BAD_ACTION"
                    case ChannelClosed():
                        raise StreamClosedError(f"{connection!r}: the server closed the candle channel")
                    case TokenRefused():
                        raise StreamClosedError(f"{connection!r}: the session's token is no longer accepted")
                    case _:
                        pass
            finished = self._take_finished()
            refusals = 0 if finished else refusals
            finished += self._take_expired(connection.heard_at)
            finished += self._take_endless()
            # A server may refuse a burst of subscriptions entry by entry. All of that counts as one refusal.
            if is_refused and not self._is_paused:
                refusals += 1
                if refusals >= max_refusals:
                    raise StreamClosedError(f"{connection!r}: {refusals} subscriptions in a row were refused")
                self._resumes_at = self._clock.monotonic() + backoff.seconds(refusals)
                # The server does not say which entries it refused. A symbol whose snapshot has begun was not refused.
                finished += self._take_unbegun()

    def _start(self) -> list[_Request]:
        """Put symbols in flight while there is room, unless the server wants a pause."""
        started: list[_Request] = []
        if self._is_paused:
            return started
        while self._waiting and len(self._in_flight) < self._most_in_flight:
            request = self._waiting.popleft()
            request.subscribed_at = self._asked_or_heard_at = self._clock.monotonic()
            self._in_flight[request.candle_symbol] = request
            started.append(request)
        return started

    def _receive(self, data: FeedData) -> None:
        for symbol, rows in candle_rows(data, self._lost):
            # Updates of a series that was removed may still be under way.
            request = self._in_flight.get(symbol)
            if request is not None:
                request.series.receive(rows)
                self._asked_or_heard_at, self._mute_links = self._clock.monotonic(), 0

    def _is_given_up(self, connection: DxLinkConnection) -> bool:
        """Whether too many links in a row were mute, so that nothing is left to do.

        Raises:
            StreamClosedError: This one is, and another is to be tried.
        """
        if not self._in_flight or self._clock.monotonic() < self._asked_or_heard_at + MUTE_SECONDS:
            return False
        self._mute_links += 1
        reason = f"{connection!r}: no candle within {MUTE_SECONDS:g} s of a subscription"
        if self._mute_links < MAX_MUTE_LINKS:
            raise StreamClosedError(reason)
        self.give_up(f"{reason}, on {self._mute_links} links in a row")
        return True

    def _take_finished(self) -> list[_Request]:
        finished = [request for request in self._in_flight.values() if request.series.is_available]
        for request in finished:
            del self._in_flight[request.candle_symbol]
            self._settle(request)
        return finished

    def _settle(self, request: _Request) -> None:
        history = request.series.daily_history(request.symbol, first=request.first_session, last=self._last_session)
        if history.lost:
            _LOGGER.warning("candles of %s: values that cannot be, by field: %s", request.symbol, dict(history.lost))
        if len(history):
            self._lost.update(history.lost)
            self._done += 1
            if self._returns_rows:
                self._rows.append(history)
            if self._on_symbol is not None:
                self._on_symbol(history)
        elif request.is_retry:
            self._lost.update(history.lost)
            if history.lost:
                said = ", ".join(f"{name} in {count}" for name, count in history.lost.items())
                self._missing[request.symbol] = f"no bar that came can be: {said}"
            else:
                self._empty.add(request.symbol)
        else:
            # A server under load answers with an empty snapshot at times, so the symbol is asked for once more.
            self._waiting.append(replace(request, is_retry=True, series=CandleSeries()))
            return
        self._progress(self.settled, self._total)

    def _take_expired(self, heard_at: float) -> list[_Request]:
        now = self._clock.monotonic()
        expired = []
        for request in list(self._in_flight.values()):
            deadline = request.subscribed_at + self._deadline_seconds
            # A link that was heard after the deadline is alive, so the symbol is at fault.
            if heard_at >= deadline or now >= deadline + 2 * self._deadline_seconds:
                del self._in_flight[request.candle_symbol]
                self._missing[request.symbol] = f"no complete snapshot within {self._deadline_seconds:g} s"
                self._progress(self.settled, self._total)
                expired.append(request)
        return expired

    def _take_endless(self) -> list[_Request]:
        endless = [request for request in self._in_flight.values() if request.series.events > MOST_EVENTS]
        for request in endless:
            del self._in_flight[request.candle_symbol]
            self._missing[request.symbol] = f"a snapshot without an end: {request.series.events:,} events"
            self._progress(self.settled, self._total)
        return endless

    def _take_unbegun(self) -> list[_Request]:
        """Put the symbols whose snapshot has not begun back to the front of the queue."""
        unbegun = [request for request in self._in_flight.values() if not request.series.has_begun]
        for request in unbegun:
            del self._in_flight[request.candle_symbol]
        self._waiting.extendleft(reversed(unbegun))
        return unbegun

    @property
    def _is_paused(self) -> bool:
        return self._clock.monotonic() < self._resumes_at

    def _seconds_to_alarm(self) -> float:
        """The longest time to wait for events: until a deadline is due or a pause ends."""
        now = self._clock.monotonic()
        alarms = [request.subscribed_at + self._deadline_seconds for request in self._in_flight.values()]
        if self._in_flight:
            alarms.append(self._asked_or_heard_at + MUTE_SECONDS)
        if self._is_paused:
            alarms.append(self._resumes_at)
        # Past deadlines wait for a sign of life. That may be a keepalive, which is no event, so look again soon.
        soon = self._deadline_seconds / 4
        return min((alarm - now if alarm > now else soon for alarm in alarms), default=soon)
