# SPDX-License-Identifier: MIT
"""The present quotes of many symbols, once: subscribe them until each has answered, over as many links as it takes.

The values are described in `quote_board`, the replacing of a lost link is in `links`. A subscription that goes on is in
`feed`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.collection import Collection, ProgressCallback, no_progress
from ttapi_pipeline.core.errors import ApiError, AuthError, StreamClosedError, StreamError
from ttapi_pipeline.streaming.background import within
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import DxLinkConnection
from ttapi_pipeline.streaming.events import ChannelClosed, ErrorReceived, Event, FeedData, TokenRefused
from ttapi_pipeline.streaming.links import Links, OpenConnection
from ttapi_pipeline.streaming.market_data import TICKER_FIELDS
from ttapi_pipeline.streaming.messages import Contract, Subscription
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
    told = -1

    def tell() -> None:
        nonlocal told
        done = len(board) - sum(len(share.unanswered()) for share in shares)
        if done != told:
            told = done
            progress(done, len(board))

    starts = range(0, len(board), symbols_per_link)
    shares = [_Share(board, slice(start, start + symbols_per_link), clock=clock, on_answer=tell) for start in starts]
    delays = backoff or Backoff(0.5, most_seconds=5.0)
    tell()
    await within(deadline_seconds, _collect_all(shares, open_connection, delays), clock)
    return _collection(board, shares, otherwise=f"within {deadline_seconds:g} s")


async def _collect_all(shares: Sequence[_Share], open_connection: OpenConnection, backoff: Backoff) -> None:
    async with asyncio.TaskGroup() as tasks:
        for share in shares:
            tasks.create_task(share.collect(open_connection, backoff))


def _collection(board: QuoteBoard, shares: Sequence[_Share], *, otherwise: str) -> Collection[str]:
    """What came. The reason for a symbol that is missing is that of its share, or `otherwise` if it has none."""
    for share in shares:
        if share.refusal is not None:
            raise share.refusal
    symbols = board.symbols
    has_sent = {event_type: board.has_answered(event_type) for event_type in NEEDED}
    missing = {}
    for share in shares:
        for position in share.unanswered():
            lacking = ", ".join(event_type for event_type in NEEDED if not has_sent[event_type][position])
            missing[symbols[position]] = f"no {lacking} {share.reason or otherwise}"
    rows = [symbol for symbol in symbols if symbol not in missing]
    return Collection(rows, missing, requested=len(symbols))


class _Share:
    """The symbols of a board that go over one link; it outlives its links.

    Attributes:
        reason: Why the latest link was given up; empty while a link is at work.
        refusal: Set when the credentials were refused.
    """

    name: Final = "quotes"

    def __init__(self, board: QuoteBoard, positions: slice, *, clock: Clock, on_answer: Callable[[], None]) -> None:
        self.reason = ""
        self.refusal: AuthError | None = None
        self._board = board
        self._positions = positions
        self._symbols = board.symbols
        self._clock = clock
        self._on_answer = on_answer
        self._unanswered_at_loss = len(self.unanswered())

    async def collect(self, open_connection: OpenConnection, backoff: Backoff) -> None:
        """Ask until all symbols have answered, nothing new comes, or links fail too often."""
        links = Links(open_connection, self, backoff=backoff, clock=self._clock, max_failures=MAX_FAILURES)
        try:
            async for link in links:
                async with link as connection:
                    self.reason = ""
                    await self._receive(connection)
        except AuthError as refusal:
            self.refusal = refusal
        except (ApiError, StreamError) as error:
            self.note_loss(error)

    # What `links` asks

    @property
    def is_done(self) -> bool:
        return not self.unanswered()

    @property
    def has_advanced(self) -> bool:
        return len(self.unanswered()) < self._unanswered_at_loss

    def note_loss(self, error: ApiError | StreamError) -> None:
        self.reason = f"because the link failed: {error}"
        self._unanswered_at_loss = len(self.unanswered())

    # What is collected

    def unanswered(self) -> Sequence[int]:
        """Positions of the symbols that have not sent what is needed."""
        has_answered = [self._board.has_answered(event_type)[self._positions] for event_type in NEEDED]
        found = np.flatnonzero(~np.logical_and.reduce(has_answered)) + self._positions.start
        positions: list[int] = found.tolist()
        return positions

    def _answers(self) -> int:
        """How many first values have come, of all types."""
        return sum(int(self._board.has_answered(event_type)[self._positions].sum()) for event_type in EVENT_TYPES)

    async def _receive(self, connection: DxLinkConnection) -> None:
        """Receive until all symbols have answered or nothing new comes, or it fails with a StreamError."""
        channel = await connection.open_feed(Contract.TICKER, TICKER_FIELDS)
        wanted = [self._symbols[position] for position in self.unanswered()]
        # What is not waited for goes first, and has mostly come by the time that the rest has.
        order = (OPTIONAL, *NEEDED)
        await connection.subscribe(channel, add=[Subscription(kind, symbol) for kind in order for symbol in wanted])
        answers, quiet_at = 0, self._clock.monotonic() + QUIET_SECONDS
        while self.unanswered():
            left = quiet_at - self._clock.monotonic()
            if left <= 0:
                if not self._answers():
                    raise StreamClosedError(f"{connection!r}: nothing came within {QUIET_SECONDS:g} s")
                self.reason = f"after {QUIET_SECONDS:g} s without a new answer"
                return
            self._take(connection, await connection.next_events(within=left))
            before, answers = answers, self._answers()
            if answers > before:
                # Further values of what has answered already are no sign that the rest is on its way.
                quiet_at = self._clock.monotonic() + QUIET_SECONDS
        await self._await_trades(connection)

    async def _await_trades(self, connection: DxLinkConnection) -> None:
        until = self._clock.monotonic() + GRACE_SECONDS
        while not self._board.has_answered(OPTIONAL)[self._positions].all():
            left = until - self._clock.monotonic()
            if left <= 0:
                return
            self._take(connection, await connection.next_events(within=left))

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
        self._on_answer()
