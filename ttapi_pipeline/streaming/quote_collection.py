# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The present quotes of many symbols, once: subscribe them until each has answered, over as many links as it takes.

The values are described in `quote_board`, the replacing of a lost link is in `links`. A subscription that goes on is in
`feed`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.collection import Collection as Answers
from ttapi_pipeline.core.collection import ProgressCallback, no_progress
from ttapi_pipeline.core.errors import ApiError, AuthError, StreamClosedError, StreamError
from ttapi_pipeline.streaming.background import within
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.complaints import Complaints
from ttapi_pipeline.streaming.connection import DxLinkConnection
from ttapi_pipeline.streaming.events import (
    UNREADABLE_PART,
    ChannelClosed,
    ErrorReceived,
    Event,
    FeedData,
    TokenRefused,
    Unreadable,
)
from ttapi_pipeline.streaming.links import Links, OpenConnection
from ttapi_pipeline.streaming.market_data import TICKER_FIELDS
from ttapi_pipeline.streaming.messages import Contract, Subscription
from ttapi_pipeline.streaming.quote_board import EVENT_TYPES, QuoteBoard

NEEDED: Final = ("Quote", "Summary")
"""The event types that count as an answer. Every listed share has both; a symbol never traded has no Trade."""

UNQUOTED_NEEDED: Final = ("Summary",)
"""Those of a symbol that nobody can trade, such as an index: it may have no Quote."""

OPTIONAL: Final = "Trade"
"""The event type that is waited for only a moment longer, because it may never come."""

DEADLINE_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 10.0
"""The longest time without a new answer. The feed sends present values at once, so after this time the rest will not
come; and if nothing has come at all, the link is dead."""

GRACE_SECONDS: Final = 1.0
"""The wait for trades, and for quotes of indices, once every symbol has answered."""

SYMBOLS_PER_LINK: Final = 2_000
"""With three subscriptions each, this stays below the 6,700 at which servers have complained of the rate."""

MAX_FAILURES: Final = 4
"""Failures in a row, without a new answer in between, after which the symbols of a link are given up."""

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
    unquoted: Collection[str] = frozenset(),
    never_quoted: Collection[str] = frozenset(),
) -> Answers[str]:
    """Fill a board with the present values of its symbols, on TICKER channels.

    It ends as soon as every symbol has answered, when nothing new has come for QUIET_SECONDS, and at the deadline in
    any case. A lost link is replaced within the deadline, with a new token, and the symbols that have not answered are
    asked for again.

    Args:
        open_connection: Opens a link; asked for another one whenever a link is lost.
        board: Has the symbols, and takes their values; a value that does not come stays as it is.
        clock: For deadlines, delays and the arrival times of values.
        deadline_seconds: For the whole collection.
        progress: Told the number of symbols that have answered.
        backoff: Delays before a new link.
        symbols_per_link: A longer list goes over several links at once.
        unquoted: Symbols that answer without a Quote, too; it is waited for as a Trade is.
        never_quoted: Those of them whose Quote is not waited for at all, because it never came before.

    Returns:
        The streamer symbols that answered, in the board's order, and for each of the others the missing event types. A
        symbol that the feed does not know sends nothing, so it is missing after QUIET_SECONDS.

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

    is_unquoted, is_never_quoted = (
        np.array([symbol in names for symbol in board.symbols], dtype=np.bool_) for names in (unquoted, never_quoted)
    )
    share = partial(_Share, board, is_unquoted, is_never_quoted, clock=clock, on_answer=tell)
    shares = [share(slice(at, at + symbols_per_link)) for at in range(0, len(board), symbols_per_link)]
    delays = backoff or Backoff(0.5, most_seconds=5.0)
    tell()
    await within(deadline_seconds, _collect_all(shares, open_connection, delays), clock)
    return _collection(board, shares, otherwise=f"within {deadline_seconds:g} s")


async def _collect_all(shares: Sequence[_Share], open_connection: OpenConnection, backoff: Backoff) -> None:
    async with asyncio.TaskGroup() as tasks:
        for share in shares:
            tasks.create_task(share.collect(open_connection, backoff))


def _collection(board: QuoteBoard, shares: Sequence[_Share], *, otherwise: str) -> Answers[str]:
    """The symbols that answered, and the missing ones with the reason of their share, or `otherwise` if it has none."""
    for share in shares:
        if share.refusal is not None:
            raise share.refusal
    symbols = board.symbols
    has_sent = {event_type: board.has_answered(event_type) for event_type in NEEDED}
    missing = {}
    for share in shares:
        for position in share.unanswered():
            needed = share.needed(position)
            lacking = ", ".join(event_type for event_type in needed if not has_sent[event_type][position])
            missing[symbols[position]] = f"no {lacking} {share.reason or otherwise}"
    rows = [symbol for symbol in symbols if symbol not in missing]
    return Answers(rows, missing, requested=len(symbols), lost=dict(sorted(board.lost.items())))


class _Share:
    """The symbols of a board that go over the same link. It outlives its links.

    Attributes:
        reason: Why the latest link was given up; empty while a link is at work.
        refusal: Set when the credentials were refused.
    """

    name: Final = "quotes"

    def __init__(
        self,
        board: QuoteBoard,
        is_unquoted: NDArray[np.bool_],
        is_never_quoted: NDArray[np.bool_],
        positions: slice,
        *,
        clock: Clock,
        on_answer: Callable[[], None],
    ) -> None:
        self.reason = ""
        self.refusal: AuthError | None = None
        self._board = board
        self._is_unquoted = is_unquoted
        self._is_never_quoted = is_never_quoted
        self._positions = positions
        self._symbols = board.symbols
        self._clock = clock
        self._on_answer = on_answer
        self._complaints = Complaints(self.name)
        self._unanswered_at_loss = len(self.unanswered())

    async def collect(self, open_connection: OpenConnection, backoff: Backoff) -> None:
        """Ask for the symbols until all have answered, nothing new comes, or links fail too often."""
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
        """The positions of the symbols that have not answered."""
        has_quote, has_summary = (self._board.has_answered(event_type)[self._positions] for event_type in NEEDED)
        has_quote = has_quote | self._is_unquoted[self._positions]
        found = np.flatnonzero(~(has_quote & has_summary)) + self._positions.start
        positions: list[int] = found.tolist()
        return positions

    def needed(self, position: int) -> Sequence[str]:
        """The event types that count as an answer of a symbol."""
        return UNQUOTED_NEEDED if self._is_unquoted[position] else NEEDED

    def _answers(self) -> int:
        """The number of symbols and event types that have come, to see whether anything new does."""
        return sum(int(self._board.has_answered(event_type)[self._positions].sum()) for event_type in EVENT_TYPES)

    async def _receive(self, connection: DxLinkConnection) -> None:
        """Receive until all symbols have answered or nothing new comes.

        Raises:
            StreamError: The link failed, or brought nothing at all.
        """
        channel = await connection.open_feed(Contract.TICKER, TICKER_FIELDS)
        wanted = [self._symbols[position] for position in self.unanswered()]
        # Trades first: they are hardly waited for, and have mostly come by the time that the answers have.
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
                # Only a new answer gives more time. Updates of symbols that have answered do not.
                quiet_at = self._clock.monotonic() + QUIET_SECONDS
        await self._await_optional(connection)

    def _has_everything(self) -> bool:
        """Whether the events have come that may never come."""
        has_trade, has_quote = (self._board.has_answered(each)[self._positions] for each in (OPTIONAL, "Quote"))
        return bool((has_trade & (has_quote | self._is_never_quoted[self._positions])).all())

    async def _await_optional(self, connection: DxLinkConnection) -> None:
        until = self._clock.monotonic() + GRACE_SECONDS
        while not self._has_everything():
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
                case Unreadable():
                    self._board.lost[UNREADABLE_PART] += event.count
                case ErrorReceived(error="BAD_ACTION"):
                    # The server does not say which subscriptions it refused. A new link asks for the missing symbols.
                    raise StreamClosedError(f"{connection!r}: the server refused: {event.message}")
                case ErrorReceived():
                    self._complaints.note(event)
                case ChannelClosed():
                    raise StreamClosedError(f"{connection!r}: the server closed the quote channel")
                case TokenRefused():
                    raise StreamClosedError(f"{connection!r}: the session's token is no longer accepted")
                case _:
                    pass
        self._on_answer()
