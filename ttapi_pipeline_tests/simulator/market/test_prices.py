# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Bars, spots and prices within a session: one path per seed and symbol, cut off at an instant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.sessions import session_hours, sessions_between
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.prices import Bars
from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.simulator import shared_market

MARKET = shared_market()
OPEN_AT = datetime(2026, 11, 20, 16, 12, 33, 250_000, tzinfo=UTC)  # a Friday, 11:12 in New York
WEEKEND = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
COLUMNS = ("open", "high", "low", "close", "vwap", "volume", "count", "implied_volatility")
SOME = ("AAPL", "BRK/B", "SPX", "XSP", "SPY", "VIX", "TLT", "NOOPT", "NEWCO", "HALTD", "F")
some_symbols = st.sampled_from(SOME)
instants = st.integers(0, 13_880 * 86_400).map(
    lambda seconds: datetime(1996, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def assert_same_prefix(shorter: Bars, longer: Bars, count: int) -> None:
    np.testing.assert_array_equal(shorter.sessions[:count], longer.sessions[:count])
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(shorter, name)[:count], getattr(longer, name)[:count])


def test_it_lists_the_sp500_the_main_indices_and_funds_and_some_oddities() -> None:
    instruments = MARKET.instruments
    assert {member.symbol for member in sp500()} <= set(instruments)
    assert {instruments[s].kind for s in ("SPX", "NDX", "RUT", "VIX", "XSP", "DJX")} == {"Index"}
    assert sum(i.kind == "ETF" for i in instruments.values()) >= 30
    assert not instruments["NOOPT"].has_options
    assert [i.symbol for i in instruments.values() if i.is_halted] == ["HALTD"]
    assert len({i.instrument_id for i in instruments.values()}) == len(instruments)


def test_more_equities_come_on_request_and_change_nothing_else() -> None:
    market = Market(7, extra_equities=12_000)
    assert len(market.instruments) == len(MARKET.instruments) + 12_000
    assert_same_prefix(market.bars("AAPL", at=WEEKEND), MARKET.bars("AAPL", at=WEEKEND), 10**6)
    extra = list(market.instruments)[-1]
    assert len(market.bars(extra, at=WEEKEND).sessions)


def test_two_markets_of_one_seed_agree_and_another_seed_does_not() -> None:
    again, other = Market(7), Market(8)
    for symbol in SOME:
        assert_same_prefix(again.bars(symbol, at=OPEN_AT), MARKET.bars(symbol, at=OPEN_AT), 10**6)
        assert again.spot(symbol, OPEN_AT) == MARKET.spot(symbol, OPEN_AT)
        assert again.metrics(symbol, OPEN_AT) == MARKET.metrics(symbol, OPEN_AT)
    assert other.bars("AAPL", at=WEEKEND).close[0] != MARKET.bars("AAPL", at=WEEKEND).close[0]


@settings(max_examples=examples(60))
@given(symbol=some_symbols, at=instants, later=st.timedeltas(timedelta(0), timedelta(days=700)))
def test_a_past_bar_never_changes(symbol: str, at: datetime, later: timedelta) -> None:
    then, now = MARKET.bars(symbol, at=at), MARKET.bars(symbol, at=at + later)
    assert len(now.sessions) >= len(then.sessions)
    finished = len(then.sessions) - int(MARKET.is_forming(at))
    assert_same_prefix(then, now, max(0, finished))


@settings(max_examples=examples(60))
@given(symbol=some_symbols, at=instants)
def test_bars_are_well_formed(symbol: str, at: datetime) -> None:
    bars = MARKET.bars(symbol, at=at)
    assert np.all(bars.low <= np.minimum(bars.open, bars.close))
    assert np.all(bars.high >= np.maximum(bars.open, bars.close))
    assert np.all((bars.low <= bars.vwap) & (bars.vwap <= bars.high))
    assert np.all(bars.low > 0)
    for name in ("open", "high", "low", "close", "vwap"):
        np.testing.assert_array_equal(getattr(bars, name), np.round(getattr(bars, name), 4))
    np.testing.assert_array_equal(bars.volume, np.rint(bars.volume))
    assert np.all(np.diff(bars.sessions.astype(np.int64)) > 0)


def test_sessions_are_the_exchanges() -> None:
    bars = MARKET.bars("SPY", at=WEEKEND)
    assert bars.sessions.tolist() == list(sessions_between(date(1995, 1, 3), date(2026, 11, 20)))
    assert MARKET.bars("SPY", first=date(2026, 11, 18), at=WEEKEND).sessions.tolist() == [
        date(2026, 11, 18),
        date(2026, 11, 19),
        date(2026, 11, 20),
    ]
    assert len(MARKET.bars("SPY", first=date(2026, 11, 23), at=WEEKEND).sessions) == 0


def test_new_and_halted_symbols_have_bars_only_while_they_trade() -> None:
    assert MARKET.bars("NEWCO", at=WEEKEND).sessions[0].item() == date(2026, 8, 20)
    assert MARKET.bars("HALTD", at=WEEKEND).sessions[-1].item() == date(2026, 9, 14)
    assert not MARKET.spot("HALTD", OPEN_AT).is_forming
    with pytest.raises(ValueError, match="NEWCO has no bar yet"):
        MARKET.spot("NEWCO", datetime(2026, 8, 1, tzinfo=UTC))
    assert len(MARKET.bars("NEWCO", at=datetime(2026, 8, 1, tzinfo=UTC)).sessions) == 0


@pytest.mark.parametrize("session", [date(2026, 11, 20), date(2025, 11, 28), date(2011, 6, 1)])
@pytest.mark.parametrize("symbol", ["AAPL", "SPX", "F", "BRK/B"])
def test_the_forming_bar_follows_the_spot_and_ends_as_the_final_bar(symbol: str, session: date) -> None:
    hours = session_hours(session)  # the second one is a half day
    before = MARKET.bars(symbol, at=hours.opens_at - timedelta(seconds=1))
    assert before.sessions[-1].item() < session
    final = MARKET.bars(symbol, at=hours.closes_at)
    assert not MARKET.is_forming(hours.closes_at)
    seen: list[float] = []
    length = int((hours.closes_at - hours.opens_at).total_seconds())
    volume = 0.0
    for second in (*range(0, length, 1_801), length - 1):
        at = hours.opens_at + timedelta(seconds=second)
        bars, spot = MARKET.bars(symbol, at=at), MARKET.spot(symbol, at)
        assert bars.sessions[-1].item() == session == spot.session
        assert MARKET.is_forming(at)
        assert spot.is_forming
        assert (spot.open, spot.high, spot.low, spot.price, spot.volume) == (
            bars.open[-1],
            bars.high[-1],
            bars.low[-1],
            bars.close[-1],
            bars.volume[-1],
        )
        assert spot.previous_close == before.close[-1]
        seen.append(spot.price)
        assert spot.low <= min(seen)
        assert spot.high >= max(seen)
        assert final.low[-1] <= spot.low
        assert spot.high <= final.high[-1]
        assert spot.volume >= volume
        volume = spot.volume
        if spot.bid is not None and spot.ask is not None:
            assert 0 < spot.bid < spot.ask
    assert seen[0] == final.open[-1]
    assert len(set(seen)) > 1
    prices = MARKET.intraday(symbol, session, at=hours.closes_at)
    assert (prices.prices[0], prices.prices.max(), prices.prices.min(), prices.prices[-1], prices.volumes[-1]) == (
        final.open[-1],
        final.high[-1],
        final.low[-1],
        final.close[-1],
        final.volume[-1],
    )


def test_intraday_prices_end_at_the_present_and_are_empty_without_trading() -> None:
    so_far = MARKET.intraday("AAPL", date(2026, 11, 20), at=OPEN_AT)
    assert len(so_far.prices) == (3_600 + 42 * 60 + 33) // 5 + 1  # 1:42:33 after the open
    assert len(MARKET.intraday("AAPL", date(2026, 11, 23), at=OPEN_AT).prices) == 0
    assert len(MARKET.intraday("HALTD", date(2026, 11, 20), at=OPEN_AT).prices) == 0


def test_the_price_moves_from_second_to_second() -> None:
    prices = {MARKET.spot("SPY", OPEN_AT + timedelta(seconds=n)).price for n in range(60)}
    assert len(prices) > 5


def test_the_clock_gives_the_present() -> None:
    market = Market(7, clock=FakeClock(OPEN_AT))
    assert market.spot("AAPL") == MARKET.spot("AAPL", OPEN_AT)
    assert market.is_forming()


def test_opens_differ_from_previous_closes_and_prices_are_sane() -> None:
    lows, volatilities = [], []
    for symbol in list(MARKET.instruments)[::9]:
        bars = MARKET.bars(symbol, at=WEEKEND)
        if len(bars.close) < 500 or symbol == "VIX":
            continue
        assert np.mean(bars.open[1:] != bars.close[:-1]) > 0.85  # a cent is much for a low price
        lows.append(bars.low.min())
        assert bars.high.max() < 60_000
        volatilities.append(np.std(np.diff(np.log(bars.close))) * np.sqrt(252))
    assert min(lows) > 0.25
    assert min(volatilities) > 0.08
    assert max(volatilities) < 0.8


def test_funds_and_indices_follow_the_same_market() -> None:
    spx, xsp, spy, vix = (MARKET.bars(s, at=WEEKEND) for s in ("SPX", "XSP", "SPY", "VIX"))
    np.testing.assert_allclose(xsp.close, spx.close / 10, atol=0.006)
    returns = [np.diff(np.log(bars.close)) for bars in (spx, spy, vix)]
    correlations = np.corrcoef(returns)
    assert correlations[0, 1] > 0.99
    assert correlations[0, 2] < -0.4
    np.testing.assert_allclose(vix.close, 100 * spx.implied_volatility, atol=0.006)


def test_volatility_comes_in_clusters() -> None:
    moves = np.abs(np.diff(np.log(MARKET.bars("SPX", at=WEEKEND).close)))
    assert np.corrcoef(moves[21:], moves[:-21])[0, 1] > 0.05


def test_an_unknown_symbol_and_a_naive_instant_are_refused() -> None:
    with pytest.raises(KeyError):
        MARKET.bars("NOSUCH", at=WEEKEND)
    with pytest.raises(ValueError, match="no time zone"):
        MARKET.bars("AAPL", at=datetime(2026, 1, 5))  # noqa: DTZ001 - what is refused
