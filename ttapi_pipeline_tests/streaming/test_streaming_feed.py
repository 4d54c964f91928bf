# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A feed over real sockets, undisturbed; what it does when things go wrong is in `test_streaming_feed_faults`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ttapi_pipeline.core.errors import AuthError, ConfigError
from ttapi_pipeline.simulator.server import Simulator, build_simulator
from ttapi_pipeline.streaming.feed import QuoteFeed, quote_feed
from ttapi_pipeline.streaming.feed_health import LinkState
from ttapi_pipeline.streaming.feed_options import FeedOptions, recovery_seconds
from ttapi_pipeline_tests.support.clocks import until
from ttapi_pipeline_tests.support.dxlink import linked
from ttapi_pipeline_tests.support.virtual_time import LoopClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from ttapi_pipeline.streaming.connection import DxLinkConnection

FRIDAY_MORNING = datetime(2026, 11, 20, 15, 30, 20, tzinfo=UTC)
SYMBOLS = ("AAPL", "MSFT", "SPY", "NOSUCH", "KO")


pytestmark = pytest.mark.virtual_time


@asynccontextmanager
async def simulated(*symbols: str, **options: Any) -> AsyncIterator[tuple[Simulator, QuoteFeed]]:
    simulator = build_simulator(seed=7, clock=LoopClock(FRIDAY_MORNING))
    # Times of trades are whole seconds: from here on, each is after the start.
    await simulator.clock.sleep(1.0)
    async with (
        linked(simulator) as open_link,
        quote_feed(open_link, symbols, options=FeedOptions(**options), clock=simulator.clock) as feed,
    ):
        yield simulator, feed


async def test_every_known_symbol_answers_with_what_the_market_has() -> None:
    async with simulated(*SYMBOLS) as (simulator, feed):
        board = feed.board
        await until(lambda: all(board.has_answered(kind).sum() == 4 for kind in ("Quote", "Trade", "Summary")))
        assert not board.has_answered("Quote")[SYMBOLS.index("NOSUCH")]
        spot = simulator.market.spot("KO")
        assert board.day_open[4] == spot.open
        assert board.previous_close[4] == spot.previous_close
        assert 0 < board.bid_price[4] < board.ask_price[4]
        assert board.last_trade_at[4] > FRIDAY_MORNING.timestamp() * 1e6
        # The first event after the last subscription says that all of them hold.
        await until(lambda: feed.health().is_live)
        health = feed.health()
    assert (health.symbols, health.answered, health.reconnects, health.gaps) == (5, 4, 0, 0)
    assert health.is_live
    assert min(health.events, health.frames, health.bytes) > 0
    assert health.oldest_quote_seconds is not None


async def test_a_long_list_is_spread_over_connections_evenly() -> None:
    async with simulated(*SYMBOLS, symbols_per_connection=2) as (simulator, feed):
        await until(lambda: feed.board.has_answered("Quote").sum() == 4)
        assert [connection.symbols for connection in feed.health().connections] == [1, 2, 2]
        assert feed.symbols == list(SYMBOLS)
        assert simulator.counters.count("dxlink.authorized") == 3


async def test_a_consumer_of_quotes_gets_what_changed_and_one_of_sales_every_sale() -> None:
    async with simulated("SPY", "KO", has_sales=True) as (_, feed), feed.quotes() as quotes, feed.sales() as sales:
        async with asyncio.timeout(20):
            await quotes.wait()
            await sales.wait()
        assert set(quotes.take().tolist()) <= {0, 1}
        await until(lambda: feed.health().sales >= 10)
        taken = sales.take()
        assert len(taken) >= 10
        assert len(set(zip(taken.position.tolist(), taken.time_ms.tolist(), strict=True))) == len(taken)
        assert feed.health().event_lag_seconds is not None


async def test_symbols_come_and_go_while_it_runs() -> None:
    async with simulated("SPY", symbols_per_connection=2) as (_, feed):
        await until(lambda: feed.board.has_answered("Quote").all())
        feed.add(("KO", "AAPL", "KO"))
        assert feed.symbols == ["SPY", "KO", "AAPL"]
        await until(lambda: feed.board.has_answered("Quote").all())
        assert [connection.symbols for connection in feed.health().connections] == [2, 1]
        feed.remove(["SPY", "AAPL"])
        assert feed.symbols == ["KO"]
        await until(lambda: len(feed.health().connections) == 2 and feed.health().is_live)
        quoted = feed.board.quote_received_at[0]
        await until(lambda: feed.board.quote_received_at[1] > quoted + 5_000_000)
        before = feed.board.quote_received_at[0]
        changed = feed.board.quote_received_at[1]
        await until(lambda: feed.board.quote_received_at[1] > changed + 3_000_000)
        assert feed.board.quote_received_at[0] == before
        assert feed.health().gaps == 0


async def test_a_feed_without_symbols_waits_for_some() -> None:
    async with simulated() as (_, feed):
        assert feed.health().connections == []
        feed.add(["SPY"])
        await until(lambda: feed.board.has_answered("Quote").all())


@pytest.mark.parametrize("error", [AuthError("the grant was refused"), ConfigError("no such server")])
async def test_what_no_new_link_can_mend_ends_the_feed(error: Exception) -> None:
    def open_connection() -> AbstractAsyncContextManager[DxLinkConnection]:
        raise error

    with pytest.raises(type(error)) as caught:
        async with quote_feed(open_connection, SYMBOLS, options=FeedOptions(symbols_per_connection=2)):
            await asyncio.Event().wait()
    assert caught.value is error


async def test_an_exception_of_the_block_leaves_as_it_is_and_no_task_stays() -> None:
    with pytest.raises(ValueError, match="mine"):
        async with simulated(*SYMBOLS):
            raise ValueError("mine")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_bound_adds_up() -> None:
    options = FeedOptions(probe_seconds=20, open_seconds=10, pace_seconds=0.1)
    # 60 s of silence, 4 s for goodbyes, 60 s delay, 20 s to open, and 2000 / 60 + 2 frames of 0.1 s each.
    assert recovery_seconds(options, silence_seconds=60, symbols=2000) == pytest.approx(
        60 + 4 + 60 + 20 + 3.5333, abs=0.01
    )


def test_states_are_words() -> None:
    assert [state.value for state in LinkState] == ["connecting", "subscribing", "live", "waiting"]
