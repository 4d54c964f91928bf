# SPDX-License-Identifier: MIT
"""The present quotes of many symbols, once: as long as it takes until each has answered, over replaceable links.

What the values are is `quote_board`'s; a subscription that goes on is none of this module's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.collection import Collection, ProgressCallback, no_progress
from ttapi_pipeline.core.errors import ApiError, AuthError, StreamClosedError, StreamError
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import DxLinkConnection
from ttapi_pipeline.streaming.history import OpenConnection
from ttapi_pipeline.streaming.market_data import TICKER_FIELDS
from ttapi_pipeline.streaming.messages import Contract, Subscription
from ttapi_pipeline.streaming.protocol import ChannelClosed, ErrorReceived, Event, FeedData, TokenRefused
from ttapi_pipeline.streaming.quote_board import EVENT_TYPES, QuoteBoard

NEEDED: Final = ("Quote", "Summary")
"""What a symbol has to send to have answered. Every listed one has these; one that was never traded has no Trade."""

OPTIONAL: Final = "Trade"
"""What is waited for a moment longer and no more, since it need not come."""

DEADLINE_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 10.0
"""How long a link may bring nothing new. The feed sends present values at once: what has not come by then is not
coming, or, when nothing has come at all, the link is dead."""

GRACE_SECONDS: Final = 1.0
"""For the trades that are still on their way when everything that is needed is there."""

SYMBOLS_PER_LINK: Final = 2_000
"""Three subscriptions each stay below the 6,700 at which servers have complained of the rate."""

MAX_FAILURES: Final = 4
"""Links that may fail in a row without an answer in between."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_LOGGER: Final = logging.getLogger(__name__)


async def collect_quotes(
    open_connection: OpenConnection,
    board: QuoteBoard,
    *,
    clock: Clock = SYSTEM_CLOCK,
    deadline_seconds: float = DEADLINE_SECONDS,
    progress: ProgressCallback = no_progress,
    backoff: Backoff | None = None,
    symbols_per_link: int = SYMBOLS_PER_LINK,
) -> Collection[str]:
    """Fill a board with the present values of its symbols, on TICKER channels.

    It ends as soon as every symbol has sent what is NEEDED, when no symbol has sent anything new for QUIET_SECONDS, and
    at the deadline in any case. A lost link is replaced within the deadline, with a new token, and those that have not
    answered are asked for again.

    Args:
        open_connection: Opens a link; asked for another one whenever a link is lost.
        board: Its symbols are what is asked for; a value that does not come stays as it is.
        clock: For deadlines, delays and the time at which a value came.
        deadline_seconds: For everything together.
        progress: Told how many symbols have answered.
        backoff: Delays before a new link.
        symbols_per_link: A longer list goes over several links at once.

    Returns:
        The streamer symbols that answered, in the board's order, and for each other one what it did not send. A symbol
        that the feed does not know sends nothing, so that it takes QUIET_SECONDS to miss it.

    Raises:
        AuthError: The credentials were refused.
    """
    collector = _Collector(open_connection, board, clock, progress, backoff or Backoff(0.5, most_seconds=5.0))
    links = [slice(start, start + symbols_per_link) for start in range(0, len(board), symbols_per_link)]
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(collector.collect(links))
        alarm = tasks.create_task(clock.sleep(deadline_seconds))
        await asyncio.wait({work, alarm}, return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        alarm.cancel()
    return collector.result(links, otherwise=f"within {deadline_seconds:g} s")


class _Collector:
    """Who has answered, and why a link was given up; it outlives the links."""

    def __init__(
        self,
        open_connection: OpenConnection,
        board: QuoteBoard,
        clock: Clock,
        progress: ProgressCallback,
        backoff: Backoff,
    ) -> None:
        self._open_connection = open_connection
        self._board = board
        self._symbols = board.symbols
        self._clock = clock
        self._progress = progress
        self._backoff = backoff
        self._reported = -1
        self._reasons: dict[int, str] = {}
        self._refusal: AuthError | None = None

    async def collect(self, links: Sequence[slice]) -> None:
        self._report()
        async with asyncio.TaskGroup() as tasks:
            for link in links:
                tasks.create_task(self._collect(link))

    def result(self, links: Sequence[slice], *, otherwise: str) -> Collection[str]:
        """What came; `otherwise` is the reason for what did not, where its link knows no other."""
        if self._refusal is not None:
            raise self._refusal
        has_sent = {event_type: self._board.has_answered(event_type) for event_type in NEEDED}
        missing = {}
        for link in links:
            reason = self._reasons.get(link.start, otherwise)
            for position in self._unanswered(link):
                lacking = ", ".join(event_type for event_type in NEEDED if not has_sent[event_type][position])
                missing[self._symbols[position]] = f"no {lacking} {reason}"
        rows = [symbol for symbol in self._symbols if symbol not in missing]
        return Collection(rows, missing, requested=len(self._symbols))

    async def _collect(self, link: slice) -> None:
        """Ask for one link's symbols until all have answered, or links fail too often."""
        failures = 0
        while waiting := len(self._unanswered(link)):
            try:
                async with self._open_connection() as connection:
                    self._reasons.pop(link.start, None)
                    await self._receive(connection, link)
                return
            except AuthError as refusal:
                self._refusal = refusal
                return
            except (ApiError, StreamError) as error:
                left = len(self._unanswered(link))
                failures = 1 if left < waiting else failures + 1
                self._reasons[link.start] = f"because the link failed: {error}"
                may_recover = error.retryable or isinstance(error, StreamError)
                if not left or not may_recover or failures >= MAX_FAILURES:
                    return
                delay = self._backoff.seconds(failures)
                _LOGGER.warning("quotes: %s; a new link in %.1f s", error, delay)
                await self._clock.sleep(delay)

    async def _receive(self, connection: DxLinkConnection, link: slice) -> None:
        """Receive until all symbols of the link have answered or nothing new comes, or it fails with a StreamError."""
        channel = await connection.open_feed(Contract.TICKER, TICKER_FIELDS)
        wanted = [self._symbols[position] for position in self._unanswered(link)]
        # What is not waited for goes first, and has mostly come by the time that the rest has.
        order = (OPTIONAL, *NEEDED)
        await connection.subscribe(channel, add=[Subscription(kind, symbol) for kind in order for symbol in wanted])
        answers, quiet_at = 0, self._clock.monotonic() + QUIET_SECONDS
        while self._unanswered(link):
            left = quiet_at - self._clock.monotonic()
            if left <= 0:
                if not self._answers(link):
                    raise StreamClosedError(f"{connection!r}: nothing came within {QUIET_SECONDS:g} s")
                self._reasons[link.start] = f"after {QUIET_SECONDS:g} s without a new answer"
                return
            self._take(connection, await connection.next_events(within=left))
            before, answers = answers, self._answers(link)
            if answers > before:
                # Further values of what has answered already are no sign that the rest is on its way.
                quiet_at = self._clock.monotonic() + QUIET_SECONDS
        await self._await_trades(connection, link)

    async def _await_trades(self, connection: DxLinkConnection, link: slice) -> None:
        until = self._clock.monotonic() + GRACE_SECONDS
        while not self._board.has_answered(OPTIONAL)[link].all():
            within = until - self._clock.monotonic()
            if within <= 0:
                return
            self._take(connection, await connection.next_events(within=within))

    def _take(self, connection: DxLinkConnection, events: Sequence[Event]) -> None:
        received_at = (self._clock.now() - _EPOCH) // _MICROSECOND
        for event in events:
            match event:
                case FeedData():
                    self._board.receive(event, received_at)
                case ErrorReceived(error="BAD_ACTION"):
                    # The server does not say which subscriptions it refused; a new link asks again for what is open.
                    raise StreamClosedError(f"{connection!r}: the server refused: {event.message}")
                case ErrorReceived():
                    _LOGGER.warning("quotes: the server said %s: %s", event.error, event.message)
                case ChannelClosed():
                    raise StreamClosedError(f"{connection!r}: the server closed the quote channel")
                case TokenRefused():
                    raise StreamClosedError(f"{connection!r}: the session's token is no longer accepted")
                case _:
                    pass
        self._report()

    def _unanswered(self, link: slice) -> Sequence[int]:
        """Positions of the symbols that have not sent what is needed."""
        has_answered = np.logical_and.reduce([self._board.has_answered(event_type)[link] for event_type in NEEDED])
        found: list[int] = (np.flatnonzero(~has_answered) + (link.start or 0)).tolist()
        return found

    def _answers(self, link: slice) -> int:
        """How many first values have come, of all types."""
        return sum(int(np.count_nonzero(self._board.has_answered(event_type)[link])) for event_type in EVENT_TYPES)

    def _report(self) -> None:
        done = len(self._symbols) - len(self._unanswered(slice(None)))
        if done != self._reported:
            self._reported = done
            self._progress(done, len(self._symbols))
