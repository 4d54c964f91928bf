# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The PyPI package `tastytrade`, unmodified but for its base URL, reads everything that its models know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from tastytrade import Account, DXLinkStreamer, Session
from tastytrade.dxfeed import Candle, Greeks, Profile, Quote, Summary, TimeAndSale, Trade
from tastytrade.dxfeed.event import Event
from tastytrade.instruments import (
    Cryptocurrency,
    Equity,
    Forex,
    Future,
    FutureOption,
    FutureOptionProduct,
    FutureProduct,
    NestedFutureOptionChain,
    NestedOptionChain,
    Option,
    Warrant,
    get_future_option_chain,
    get_option_chain,
    get_quantity_decimal_precisions,
)
from tastytrade.market_data import get_market_data, get_market_data_by_type
from tastytrade.market_sessions import (
    ExchangeType,
    MarketStatus,
    get_futures_holidays,
    get_market_holidays,
    get_market_sessions,
)
from tastytrade.metrics import get_dividends, get_earnings, get_market_metrics, get_risk_free_rate
from tastytrade.order import InstrumentType
from tastytrade.search import symbol_search
from tastytrade.utils import TastytradeError
from tastytrade.watchlists import PairsWatchlist, PrivateWatchlist, PublicWatchlist

from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.server import OffsetClock, build_simulator, serving
from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import Api
from ttapi_pipeline_tests.support.tastytrade_streamer import tastytrade_streamer

T = TypeVar("T", bound=Event)


@pytest.fixture
async def session(simulator: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    monkeypatch.setattr("tastytrade.session.API_URL", simulator.url)
    async with Session(SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN) as opened:
        yield opened


async def test_the_customer_and_a_valid_session(session: Session) -> None:
    assert (await session.get_customer()).email == "desk@example.org"
    assert await session.validate()


async def test_accounts_without_and_with_the_closed_one(session: Session) -> None:
    assert [account.account_number for account in await Account.get(session)] == ["5WT00001", "5WT00002"]
    assert len(await Account.get(session, include_closed=True)) == 3
    assert (await Account.get(session, "5WT00002")).margin_or_cash == "Cash"


async def test_an_account_is_worth_its_cash_and_positions(session: Session) -> None:
    account = await Account.get(session, "5WT00001")
    balance = await account.get_balances(session)
    positions = await account.get_positions(session, include_marks=True)
    assert all(position.mark is not None for position in positions)
    marks = sum(position.mark or Decimal(0) for position in positions)
    # Each mark is rounded to a cent on its own.
    assert abs(balance.cash_balance + marks - balance.net_liquidating_value) < Decimal("0.05")
    assert [p.symbol for p in await account.get_positions(session, underlying_symbols=["BRK/B"])] == ["BRK/B"]


async def test_transactions_of_all_pages_add_up_to_the_cash(session: Session) -> None:
    account = await Account.get(session, "5WT00001")
    transactions = await account.get_history(session, per_page=100, page_offset=None)
    balance = await account.get_balances(session)
    # 17 Januaries from 2010 to 2026 with a deposit, 68 quarters with 4 purchases each.
    assert len(transactions) == 17 + 68 * 4
    assert len({transaction.id for transaction in transactions}) == len(transactions)
    assert abs(sum(t.net_value for t in transactions) - balance.cash_balance) < Decimal("0.01")
    assert transactions[0].executed_at > transactions[-1].executed_at
    one = await account.get_transaction(session, transactions[0].id)
    assert one == transactions[0]
    fees = await account.get_total_fees(session, one.transaction_date)
    assert fees.total_fees < 0


async def test_balance_snapshots_and_net_liq_history_agree(session: Session) -> None:
    account = await Account.get(session, "5WT00001")
    snapshots = await account.get_balance_snapshots(
        session, start_date=date(2026, 11, 2), end_date=date(2026, 11, 19), page_offset=None
    )
    history = await account.get_net_liquidating_value_history(session, start_time=datetime(2026, 11, 2, tzinfo=UTC))
    # 2 to 19 November 2026: 14 weekdays, no holiday; the 20th is in progress and has no closing balance yet.
    assert [s.snapshot_date for s in snapshots][:1] == [date(2026, 11, 2)]
    assert len(snapshots) == 14
    closes = {row.time[:10]: row.close for row in history}
    assert len(closes) == 15
    assert all(closes[s.snapshot_date.isoformat()] == s.net_liquidating_value for s in snapshots)
    assert await account.get_net_liquidating_value_history(session, time_back="1y")


async def test_trading_status_margin_and_orders(session: Session) -> None:
    account = await Account.get(session, "5WT00001")
    assert not (await account.get_trading_status(session)).is_closed
    report = await account.get_margin_requirements(session)
    assert report.margin_requirement < 0 < report.margin_equity
    assert await account.get_live_orders(session) == []
    assert await account.get_live_complex_orders(session) == []
    assert await account.get_order_history(session, page_offset=None) == []
    assert await account.get_complex_order_history(session, page_offset=None) == []
    with pytest.raises(TastytradeError, match="not_found"):
        await account.get_order(session, 1)


async def test_equities_one_many_and_all_active(session: Session) -> None:
    assert (await Equity.get(session, "BRK/B")).symbol == "BRK/B"
    found = await Equity.get(session, ["SPY", "BRK/B", "NOSUCH"])
    assert {equity.symbol: equity.is_etf for equity in found} == {"SPY": True, "BRK/B": False}
    active = await Equity.get_active_equities(session, per_page=100, page_offset=None)
    assert len(active) == len({equity.symbol for equity in active}) > 500
    indices = await Equity.get(session, ["SPX", "SPY"], is_index=True)
    assert [equity.symbol for equity in indices] == ["SPX"]


async def test_a_chain_is_the_same_nested_and_flat(session: Session) -> None:
    nested = await NestedOptionChain.get(session, "BRK/B")
    flat = await get_option_chain(session, "BRK/B")
    from_nested = {
        side
        for root in nested
        for expiration in root.expirations
        for strike in expiration.strikes
        for side in (strike.call, strike.put)
    }
    assert {option.symbol for options in flat.values() for option in options} == from_nested
    option = next(iter(flat.values()))[0]
    assert await Option.get(session, option.symbol) == option


async def test_spx_has_a_morning_and_an_evening_root(session: Session) -> None:
    roots = {root.root_symbol: root for root in await NestedOptionChain.get(session, "SPX")}
    assert set(roots) == {"SPX", "SPXW"}
    assert {expiration.settlement_type for expiration in roots["SPX"].expirations} == {"AM"}
    assert {expiration.settlement_type for expiration in roots["SPXW"].expirations} == {"PM"}


async def test_futures_products_and_their_options(session: Session) -> None:
    futures = await Future.get(session, product_codes=["ES", "NQ"])
    assert {future.product_code for future in futures} == {"ES", "NQ"}
    # The December contract expires on the third Friday, 18 December 2026.
    december = await Future.get(session, "/ESZ6")
    assert (december.expiration_date, december.streamer_symbol) == (date(2026, 12, 18), "/ESZ26:XCME")
    assert {product.code for product in await FutureProduct.get(session)} >= {"ES", "GC", "VX"}
    assert (await FutureProduct.get(session, "ES")).notional_multiplier == 50
    assert await FutureOptionProduct.get(session)
    assert (await FutureOptionProduct.get(session, "EW3")).expiration_type == "Weekly"
    chain = await NestedFutureOptionChain.get(session, "ES")
    flat = await get_future_option_chain(session, "ES")
    strikes = [strike for e in chain.option_chains[0].expirations for strike in e.strikes]
    assert len({s.call for s in strikes}) * 2 == sum(len(options) for options in flat.values())
    option = next(iter(flat.values()))[0]
    assert await FutureOption.get(session, option.symbol) == option


async def test_what_is_left_of_the_instruments(session: Session) -> None:
    assert (await Cryptocurrency.get(session, "BTC/USD")).symbol == "BTC/USD"
    assert len(await Cryptocurrency.get(session)) == 2
    warrants = await Warrant.get(session)
    assert await Warrant.get(session, warrants[0].symbol) == warrants[0]
    assert await Forex.get(session)
    assert await get_quantity_decimal_precisions(session)


async def test_metrics_come_for_symbols_with_and_without_options(session: Session) -> None:
    rows = {row.symbol: row for row in await get_market_metrics(session, ["AAPL", "BRK/B", "SPX", "NOSUCH"])}
    assert set(rows) == {"AAPL", "BRK/B", "SPX"}
    assert 0 <= float(rows["AAPL"].implied_volatility_index_rank or "nan") <= 1
    assert rows["AAPL"].option_expiration_implied_volatilities


async def test_corporate_events(session: Session) -> None:
    dividends = await get_dividends(session, "AAPL")
    assert [d.occurred_date for d in dividends] == sorted((d.occurred_date for d in dividends), reverse=True)
    earnings = await get_earnings(session, "BRK/B", date(2025, 1, 1))
    assert [e.occurred_date for e in earnings] == sorted(e.occurred_date for e in earnings)
    assert all(e.occurred_date >= date(2025, 1, 1) for e in earnings)
    assert await get_risk_free_rate(session) == Decimal("0.0433")


async def test_snapshots_of_every_type(session: Session) -> None:
    option = (await NestedOptionChain.get(session, "AAPL"))[0].expirations[-1].strikes[10].call
    future_option = (await NestedFutureOptionChain.get(session, "ES")).option_chains[0].expirations[0].strikes[0].put
    rows = await get_market_data_by_type(
        session,
        cryptocurrencies=["BTC/USD"],
        equities=["AAPL", "BRK/B", "NOSUCH"],
        futures=["/ESZ6"],
        future_options=[future_option],
        indices=["VIX"],
        options=[option],
    )
    assert [row.symbol for row in rows] == ["VIX", "AAPL", "BRK/B", option, "/ESZ6", future_option, "BTC/USD"]
    by_symbol = {row.symbol: row for row in rows}
    assert by_symbol["AAPL"].bid is not None
    assert by_symbol["AAPL"].ask is not None
    assert by_symbol["AAPL"].bid < by_symbol["AAPL"].ask
    for symbol, kind in (
        ("BRK/B", InstrumentType.EQUITY),
        ("/ESZ6", InstrumentType.FUTURE),
        (option, InstrumentType.EQUITY_OPTION),
        ("VIX", InstrumentType.INDEX),
    ):
        assert await get_market_data(session, symbol, kind) == by_symbol[symbol]


async def test_sessions_and_holidays(session: Session, clock: FakeClock) -> None:
    sessions = await get_market_sessions(session, [ExchangeType.NYSE, ExchangeType.CME, ExchangeType.CFE])
    assert [row.status for row in sessions] == [MarketStatus.OPEN] * 3
    calendar = await get_market_holidays(session)
    # Thanksgiving 2026 and the half day after it, from the exchange's published calendar.
    assert date(2026, 11, 26) in calendar.holidays
    assert date(2026, 11, 27) in calendar.half_days
    assert (await get_futures_holidays(session, ExchangeType.CME)).holidays == calendar.holidays
    clock.advance(timedelta(days=1))
    await session.refresh(force=True)
    assert [row.status for row in await get_market_sessions(session, [ExchangeType.NYSE])] == [MarketStatus.CLOSED]


async def test_search_and_watchlists(session: Session) -> None:
    await session.refresh()
    assert "AAPL" in {row.symbol for row in await symbol_search(session, "AAP")}
    assert [row.symbol for row in await symbol_search(session, "BRK/B")] == ["BRK/B"]
    public = await PublicWatchlist.get(session, "S&P 500")
    assert len(public.watchlist_entries or []) > 490
    assert public.name in {row.name for row in await PublicWatchlist.get(session)}
    assert all(row.watchlist_entries is None for row in await PublicWatchlist.get(session, counts_only=True))
    pairs = await PairsWatchlist.get(session)
    assert await PairsWatchlist.get(session, pairs[0].name) == pairs[0]


async def test_a_private_watchlist_from_creation_to_removal(session: Session) -> None:
    mine = PrivateWatchlist(name="Core / new & old")
    mine.add_symbol("SPY", InstrumentType.EQUITY)
    await mine.upload(session)
    with pytest.raises(TastytradeError, match="watchlist_already_exists"):
        await mine.upload(session)
    mine.add_symbol("BRK/B", InstrumentType.EQUITY)
    await mine.update(session)
    assert await PrivateWatchlist.get(session, mine.name) == mine
    await PrivateWatchlist.remove(session, mine.name)
    assert await PrivateWatchlist.get(session) == []


async def test_a_token_that_has_expired_is_refused_and_a_new_one_helps(session: Session, clock: FakeClock) -> None:
    await session.get_customer()
    clock.advance(timedelta(seconds=901))
    with pytest.raises(TastytradeError, match="unauthorized"):
        await session.get_customer()
    await session.refresh(force=True)
    assert (await session.get_customer()).id == "me"


async def test_wrong_credentials_raise_the_clients_own_error(simulator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tastytrade.session.API_URL", simulator.url)
    async with Session("wrong", SIMULATOR_REFRESH_TOKEN) as refused:
        with pytest.raises(TastytradeError, match="invalid_client"):
            await refused.refresh()


@pytest.fixture
async def live_session(market: Market, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    """A session with a server whose clock runs: a link lives by it."""
    simulator = build_simulator(clock=OffsetClock(datetime(2026, 11, 20, 15, 30, 20, tzinfo=UTC)), market=market)
    async with serving(simulator) as url:
        monkeypatch.setattr("tastytrade.session.API_URL", url)
        async with Session(SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN) as opened:
            yield opened


async def _next(streamer: DXLinkStreamer, event_class: type[T]) -> T:
    return await asyncio.wait_for(streamer.get_event(event_class), 10)


async def test_every_quote_type_event_comes_over_the_link_that_the_session_gets(live_session: Session) -> None:
    chain = await NestedOptionChain.get(live_session, "SPY")
    strikes = next(e for e in chain[0].expirations if e.expiration_date == date(2026, 12, 18)).strikes
    option = strikes[len(strikes) // 2].call_streamer_symbol
    async with tastytrade_streamer(live_session) as streamer:
        for event_class in (Quote, Trade, Summary, Profile, TimeAndSale):
            await streamer.subscribe(event_class, ["AAPL", "BRK/B"])
            events = [await _next(streamer, event_class) for _ in range(2)]
            assert {event.event_symbol for event in events} == {"AAPL", "BRK/B"}
        await streamer.subscribe(Greeks, [option])
        assert (await _next(streamer, Greeks)).event_symbol == option
        [snapshot] = await get_market_data_by_type(live_session, equities=["AAPL"])
        await streamer.subscribe(Quote, ["AAPL"])
        quote = await _next(streamer, Quote)
        # The snapshot is of the full minute, 20 seconds before.
        assert float(quote.bid_price) == pytest.approx(float(snapshot.bid or 0), rel=0.01)


@pytest.mark.parametrize(
    ("interval", "start", "bars"),
    [
        # 2 January to 20 November 2026, both Fridays: 231 weekdays less 7 holidays.
        ("1d", datetime(2026, 1, 2, tzinfo=UTC), 224),
        ("1w", datetime(2026, 11, 2, tzinfo=UTC), 3),
        # An hour and 20 seconds after the open: the hours from 9 and 10, 13 times 5 minutes, 61 minutes.
        ("1h", datetime(2026, 11, 20, tzinfo=UTC), 2),
        ("5m", datetime(2026, 11, 20, tzinfo=UTC), 13),
        ("1m", datetime(2026, 11, 20, tzinfo=UTC), 61),
    ],
)
async def test_candle_history_of_any_period_over_the_link_that_the_session_gets(
    live_session: Session, interval: str, start: datetime, bars: int
) -> None:
    async with tastytrade_streamer(live_session) as streamer:
        await streamer.subscribe_candle(["AAPL", "SPX"], interval, start_time=start, extended_trading_hours=True)
        received: dict[str, list[Candle]] = {}
        ended = 0
        while ended < 2:
            candle = await _next(streamer, Candle)
            ended += candle.snapshot_end
            if not candle.remove:
                received.setdefault(candle.event_symbol.partition("{")[0], []).append(candle)
    assert {symbol: len(candles) for symbol, candles in received.items()} == {"AAPL": bars, "SPX": bars}
    for candle in received["AAPL"]:
        assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high


async def test_a_year_from_now_everything_still_parses(session: Session, clock: FakeClock) -> None:
    clock.at = datetime(2027, 11, 26, 20, 0, tzinfo=UTC) + timedelta(days=2)  # a Sunday
    await session.refresh(force=True)
    assert await NestedOptionChain.get(session, "AAPL")
    assert len(await get_market_metrics(session, ["AAPL", "SPY"])) == 2
    assert (await NestedFutureOptionChain.get(session, "NQ")).futures[0].symbol == "/NQZ7"
