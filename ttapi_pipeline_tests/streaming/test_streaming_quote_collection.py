# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Present quotes, once: against scripted links without a socket, and against the simulator with its faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from ttapi_pipeline.core.errors import AuthError, HttpError, StreamClosedError, TransportError
from ttapi_pipeline.simulator.server import Simulator, build_simulator
from ttapi_pipeline.streaming import quote_collection
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import DxLinkConnection
from ttapi_pipeline.streaming.events import ChannelClosed, ErrorReceived, Event, FeedData, TokenRefused
from ttapi_pipeline.streaming.quote_board import QuoteBoard
from ttapi_pipeline.streaming.quote_collection import (
    DEADLINE_SECONDS,
    GRACE_SECONDS,
    MAX_FAILURES,
    QUIET_SECONDS,
    collect_quotes,
)
from ttapi_pipeline_tests.support.clocks import SteppedClock
from ttapi_pipeline_tests.support.dxlink import linked
from ttapi_pipeline_tests.support.virtual_time import LoopClock

if TYPE_CHECKING:
    from ttapi_pipeline.core.collection import Collection

SESSION = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
"""13:00 in New York on a Friday: prices move."""

NO_DELAY = Backoff(first_seconds=0.001, uniform=lambda: 0.0)


def quote(*symbols: str) -> FeedData:
    return FeedData(1, "Quote", len(symbols), {"eventSymbol": symbols, "bidPrice": [1.0] * len(symbols)})


def summary(*symbols: str) -> FeedData:
    return FeedData(1, "Summary", len(symbols), {"eventSymbol": symbols, "prevDayClosePrice": [2.0] * len(symbols)})


def trade(*symbols: str) -> FeedData:
    return FeedData(1, "Trade", len(symbols), {"eventSymbol": symbols, "price": [3.0] * len(symbols)})


@dataclass
class Links:
    """Opens scripted links, one script after the other; an exception in a script is raised where it stands.

    Attributes:
        clock: A link that has nothing more to say lets the time pass that its consumer is ready to wait.
        scripts: Per link what it says, in order. A number is seconds that pass until the next quote of A.
        hangs: A link that has nothing more to say lets no time pass; `is_hanging` is set then.
        added: What each link was asked for, as (type, symbol).
    """

    clock: SteppedClock
    scripts: list[Sequence[Event | Exception | float] | Exception]
    added: list[list[tuple[str, str]]] = field(default_factory=list)
    hangs: bool = False
    is_hanging: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self) -> AbstractAsyncContextManager[DxLinkConnection]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[DxLinkConnection]:
        script = self.scripts.pop(0)
        self.added.append([])
        if isinstance(script, Exception):
            raise script
        yield cast("DxLinkConnection", _Link(self, iter(script), self.added[-1]))


class _Link:
    def __init__(self, links: Links, script: Any, added: list[tuple[str, str]]) -> None:
        self._links, self._script, self._added = links, script, added

    def __repr__(self) -> str:
        return "link"

    async def open_feed(self, *_: object) -> int:
        return 1

    async def subscribe(self, channel: int, *, add: Any) -> None:
        self._added.extend((each.event_type, each.symbol) for each in add)

    async def next_events(self, *, within: float | None = None) -> Sequence[Event]:
        said = next(self._script, None)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, float):
            self._links.clock.seconds += said
            return [quote("A")]
        if said is not None:
            return [said]
        if self._links.hangs:
            self._links.is_hanging.set()
            await asyncio.Event().wait()
        assert within is not None
        self._links.clock.seconds += within
        return []


@pytest.fixture
def links(clock: SteppedClock) -> Callable[..., Links]:
    def make(*scripts: Sequence[Event | Exception | float] | Exception, hangs: bool = False) -> Links:
        return Links(clock, list(scripts), hangs=hangs)

    return make


async def gather(links: Links, symbols: str, **options: Any) -> tuple[QuoteBoard, Collection[str]]:
    board = QuoteBoard(symbols.split())
    return board, await collect_quotes(links, board, clock=links.clock, **options)


class TestScripted:
    async def test_it_ends_as_soon_as_every_symbol_has_sent_all_three(self, links: Callable[..., Links]) -> None:
        made = links([quote("A", "B"), trade("B", "A"), summary("A"), summary("B"), AssertionError("asked again")])
        steps: list[tuple[int, int]] = []
        board, came = await gather(made, "A B", progress=lambda done, total: steps.append((done, total)))
        assert (came.rows, came.missing, came.requested) == (["A", "B"], {}, 2)
        assert (board.bid_price.tolist(), board.previous_close.tolist(), board.last_price.tolist()) == (
            [1.0, 1.0],
            [2.0, 2.0],
            [3.0, 3.0],
        )
        assert steps == [(0, 2), (1, 2), (2, 2)]
        # The stepped clock's time of day, 21:16:40 UTC, in microseconds.
        assert set(board.received_at.tolist()) == {
            int(datetime(2026, 11, 20, 21, 16, 40, tzinfo=UTC).timestamp()) * 10**6
        }

    async def test_each_symbol_is_asked_for_once_per_type_trades_first(self, links: Callable[..., Links]) -> None:
        made = links([quote("A", "B"), trade("B", "A"), summary("A", "B")])
        await gather(made, "A B")
        assert made.added == [[(kind, symbol) for kind in ("Trade", "Quote", "Summary") for symbol in "AB"]]

    async def test_a_trade_is_waited_for_a_moment_and_no_longer(
        self, links: Callable[..., Links], clock: SteppedClock
    ) -> None:
        before = clock.seconds
        _, came = await gather(links([quote("A"), summary("A")]), "A")
        assert came.rows == ["A"]
        assert clock.seconds - before == GRACE_SECONDS

    async def test_an_index_without_a_quote_answers_with_its_trade_and_summary(
        self, links: Callable[..., Links], clock: SteppedClock
    ) -> None:
        script = [quote("A"), trade("A", "SPX"), summary("A", "SPX")]
        for never_quoted, waited in (([], GRACE_SECONDS), (["SPX"], 0.0)):
            before = clock.seconds
            board, came = await gather(links(script), "A SPX", unquoted=["SPX"], never_quoted=never_quoted)
            assert (came.rows, came.missing) == (["A", "SPX"], {})
            assert board.last_price.tolist() == [3.0, 3.0]
            assert clock.seconds - before == waited
        # A share without a quote is no answer.
        _, came = await gather(links(script), "A SPX")
        assert list(came.missing) == ["SPX"]

    async def test_at_the_deadline_what_is_missing_is_named_with_what_it_lacks(
        self, links: Callable[..., Links], clock: SteppedClock
    ) -> None:
        made = links([quote("A", "B"), summary("A", "C"), trade("A", "D")], hangs=True)
        async with asyncio.TaskGroup() as tasks:
            collecting = tasks.create_task(gather(made, "A B C D", deadline_seconds=15.0))
            await made.is_hanging.wait()
            await clock.pass_sleep(15.0)
        _, came = collecting.result()
        assert came.rows == ["A"]
        assert came.missing == {
            "B": "no Summary within 15 s",
            "C": "no Quote within 15 s",
            "D": "no Quote, Summary within 15 s",
        }

    async def test_what_has_not_come_when_nothing_new_comes_is_missing(
        self, links: Callable[..., Links], clock: SteppedClock
    ) -> None:
        before = clock.seconds
        _, came = await gather(links([trade("A"), quote("A"), summary("A"), quote("B")]), "A B C")
        assert came.rows == ["A"]
        assert came.missing == {
            "B": "no Summary after 10 s without a new answer",
            "C": "no Quote, Summary after 10 s without a new answer",
        }
        assert clock.seconds - before == QUIET_SECONDS

    async def test_further_quotes_of_what_has_answered_are_nothing_new(
        self, links: Callable[..., Links], clock: SteppedClock
    ) -> None:
        before = clock.seconds
        made = links([trade("A"), quote("A"), summary("A"), 6.0, 6.0, AssertionError("asked again")])
        _, came = await gather(made, "A B")
        assert list(came.missing) == ["B"]
        assert clock.seconds - before == 12.0

    async def test_a_slow_feed_has_its_time_as_long_as_it_goes_on(self, links: Callable[..., Links]) -> None:
        made = links([quote("A"), 9.0, trade("B"), 9.0, quote("B"), 9.0, summary("A", "B"), trade("A")])
        _, came = await gather(made, "A B")
        assert came.missing == {}

    @pytest.mark.parametrize(
        "end",
        [
            StreamClosedError("gone"),
            ChannelClosed(1, is_requested=False),
            TokenRefused(),
            ErrorReceived(1, "BAD_ACTION", "Your subscription rate is too high"),
            FeedData(1, "Quote", 1, {"bidPrice": ["a price of nothing"]}),
        ],
    )
    async def test_after_a_lost_link_those_that_are_left_are_asked_for_again(
        self, links: Callable[..., Links], clock: SteppedClock, end: Event | Exception
    ) -> None:
        made = links(
            [quote("A", "B"), summary("A"), trade("A"), end],
            TransportError("HTTP 502"),
            [summary("B"), trade("B"), quote("B")],
        )
        async with asyncio.TaskGroup() as tasks:
            collecting = tasks.create_task(
                gather(made, "A B", backoff=Backoff(2.0, most_seconds=2.0, uniform=lambda: 1.0))
            )
            await clock.pass_sleep(2.0)
            await clock.pass_sleep(2.0)
        _, came = collecting.result()
        assert came.missing == {}
        assert [sorted({symbol for _, symbol in added}) for added in made.added] == [["A", "B"], [], ["B"]]

    async def test_an_error_that_closes_nothing_is_no_reason_for_another_link(
        self, links: Callable[..., Links]
    ) -> None:
        made = links([ErrorReceived(0, "UNKNOWN", "so what"), quote("A"), trade("A"), summary("A")])
        _, came = await gather(made, "A")
        assert (came.rows, len(made.added)) == (["A"], 1)

    async def test_a_link_that_brings_nothing_is_replaced(
        self, links: Callable[..., Links], clock: SteppedClock
    ) -> None:
        made = links([], [quote("A"), trade("A"), summary("A")])
        async with asyncio.TaskGroup() as tasks:
            collecting = tasks.create_task(gather(made, "A", backoff=Backoff(2.0, uniform=lambda: 1.0)))
            await clock.pass_sleep(2.0)
        assert collecting.result()[1].rows == ["A"]

    async def test_links_that_keep_failing_are_given_up_with_the_reason(self, links: Callable[..., Links]) -> None:
        made = links([quote("A"), StreamClosedError("gone")], *[TransportError("HTTP 502")] * MAX_FAILURES)

        class Hurried(SteppedClock):
            async def sleep(self, seconds: float) -> None:
                if seconds == DEADLINE_SECONDS:
                    await asyncio.Event().wait()

        made.clock = Hurried(SESSION)
        _, came = await gather(made, "A")
        assert came.missing == {"A": "no Summary because the link failed: HTTP 502"}
        assert len(made.added) == MAX_FAILURES

    async def test_what_will_not_pass_is_not_tried_again(self, links: Callable[..., Links]) -> None:
        refused = HttpError(404, "no customer", subject="GET /api-quote-tokens")
        made = links(refused)
        _, came = await gather(made, "A B")
        assert set(came.missing.values()) == {f"no Quote, Summary because the link failed: {refused}"}

    async def test_refused_credentials_leave_as_they_are(self, links: Callable[..., Links]) -> None:
        with pytest.raises(AuthError, match="refused"):
            await gather(links(AuthError("refused")), "A")

    async def test_a_long_list_goes_over_several_links(self, links: Callable[..., Links]) -> None:
        made = links(
            [quote("A", "B"), trade("A", "B"), summary("A", "B")],
            HttpError(403, "no", subject="GET /api-quote-tokens"),
            [quote("E"), trade("E"), summary("E")],
        )
        _, came = await gather(made, "A B C D E", symbols_per_link=2)
        assert came.rows == ["A", "B", "E"]
        assert sorted(came.missing) == ["C", "D"]
        assert [sorted({symbol for _, symbol in added}) for added in made.added] == [["A", "B"], [], ["E"]]

    async def test_no_symbols_open_no_link(self, links: Callable[..., Links]) -> None:
        _, came = await gather(links(), "")
        assert (came.rows, came.missing, came.requested) == ([], {}, 0)

    async def test_a_cancelled_collection_leaves_nothing_running(self, links: Callable[..., Links]) -> None:
        made = links([quote("A")], hangs=True)
        collecting = asyncio.create_task(gather(made, "A"))
        await made.is_hanging.wait()
        collecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await collecting
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def collect(
    symbols: str, *faults: str, deadline_seconds: float = 10.0, **options: Any
) -> tuple[QuoteBoard, Collection[str], Simulator]:
    clock = LoopClock(SESSION, is_stopped=True)
    simulator = build_simulator(seed=7, clock=clock)
    for fault in faults:
        simulator.faults.add_option(fault)
    board = QuoteBoard(symbols.split())
    async with linked(simulator) as open_link:
        came = await collect_quotes(
            open_link, board, clock=clock, deadline_seconds=deadline_seconds, backoff=NO_DELAY, **options
        )
    return board, came, simulator


@pytest.mark.virtual_time
class TestSimulator:
    async def test_the_values_are_the_market_s(self) -> None:
        board, came, simulator = await collect("AAPL BRK/B SPX")
        assert came.rows == ["AAPL", "BRK/B", "SPX"]
        for symbol, place in board.positions.items():
            spot = simulator.market.spot(symbol, SESSION)
            # An index is quoted at its value and without sizes.
            bid, ask = spot.bid or spot.price, spot.ask or spot.price
            assert (board.bid_price[place], board.ask_price[place]) == (bid, ask)
            assert np.isnan(board.bid_size[place]) == (symbol == "SPX")
            assert (board.last_price[place], board.day_volume[place]) == (spot.price, spot.volume)
            assert (board.day_open[place], board.day_high[place], board.day_low[place]) == (
                spot.open,
                spot.high,
                spot.low,
            )
            assert board.previous_close[place] == spot.previous_close
            assert np.isnan(board.day_close[place])

    async def test_a_symbol_that_the_feed_does_not_know_is_missing_by_name(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(quote_collection, "QUIET_SECONDS", 1.5)
        _, came, _ = await collect("AAPL NOSUCH")
        assert came.rows == ["AAPL"]
        assert came.missing == {"NOSUCH": "no Quote, Summary after 1.5 s without a new answer"}

    @pytest.mark.parametrize(
        "fault",
        [
            "dx-full",
            "dx-error:count=1",
            "dx-token:count=1",
            "dx-rate:count=1",
            "dx-upgrade:count=2",
            "dx-close:count=1",
            "dx-close:code=1001,after=1,count=1",
            "dx-close:code=1006,after=2,count=1",
            "dx-channel:after=1,count=1",
            "dx-layout:after=1",
            "dx-repeat:messages=3",
            "dx-fewer-fields:fields=1",
            "dx-strict-auth",
        ],
    )
    async def test_no_fault_that_passes_loses_a_symbol_or_changes_a_value(self, fault: str) -> None:
        board, came, simulator = await collect("AAPL BRK/B IBM SPX", fault, symbols_per_link=2)
        assert came.missing == {}
        prices = {symbol: simulator.market.spot(symbol, SESSION).price for symbol in board.symbols}
        assert dict(zip(board.symbols, board.last_price.tolist(), strict=True)) == prices

    async def test_a_socket_that_cannot_be_opened_is_the_reason_of_every_symbol(self) -> None:
        _, came, _ = await collect("AAPL IBM", "dx-upgrade")
        assert came.rows == []
        assert set(came.missing) == {"AAPL", "IBM"}
        assert all("no WebSocket, HTTP 502" in reason for reason in came.missing.values())

    @pytest.mark.parametrize("fault", ["dx-freeze", "dx-mute"])
    async def test_a_link_that_freezes_at_once_is_replaced(self, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
        monkeypatch.setattr(quote_collection, "QUIET_SECONDS", 1.5)
        _, came, _ = await collect("AAPL IBM", f"{fault}:count=1")
        assert came.missing == {}

    async def test_a_link_that_freezes_half_way_ends_at_the_deadline_with_what_came(self) -> None:
        _, came, _ = await collect("AAPL IBM", "dx-freeze:after=1", deadline_seconds=0.5)
        assert came.rows == []
        assert set(came.missing) == {"AAPL", "IBM"}
