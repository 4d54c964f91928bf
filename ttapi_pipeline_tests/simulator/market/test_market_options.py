# SPDX-License-Identifier: MIT
"""Metrics, chains and option quotes of the synthetic market, computed again here from bars and first principles."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.sessions import is_session, next_session, session_hours, sessions_between
from ttapi_pipeline.core.symbology import OptionSymbol
from ttapi_pipeline.simulator.market.chains import third_friday, volatility_expiration
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.pricing import Greeks, greeks

MARKET = Market(7)
OPEN_AT = datetime(2026, 11, 20, 16, 12, 33, tzinfo=UTC)
WEEKEND = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize("symbol", ["AAPL", "BRK/B", "SPY", "NVDA"])
def test_implied_volatility_figures_follow_from_the_symbols_own_path(symbol: str) -> None:
    metrics, implied = MARKET.metrics(symbol, OPEN_AT), MARKET.bars(symbol, at=OPEN_AT).implied_volatility[-252:]
    now = implied[-1]
    assert metrics.implied_volatility_index == pytest.approx(now, abs=1e-6)
    assert metrics.implied_volatility_rank == pytest.approx(
        (now - implied.min()) / (implied.max() - implied.min()), abs=1e-5
    )
    assert metrics.implied_volatility_percentile == pytest.approx(sum(implied < now) / 252, abs=1e-6)
    assert metrics.implied_volatility_index_5_day_change == pytest.approx(now - implied[-6], abs=1e-6)


@pytest.mark.parametrize("symbol", ["AAPL", "SPX", "TLT"])
def test_historical_volatility_and_beta_follow_from_closed_bars(symbol: str) -> None:
    metrics = MARKET.metrics(symbol, OPEN_AT)
    returns = np.diff(np.log(MARKET.bars(symbol, at=OPEN_AT).close[:-1]))  # without the forming bar
    market = np.diff(np.log(MARKET.bars("SPY", at=OPEN_AT).close[:-1]))
    for days, value in (
        (30, metrics.historical_volatility_30_day),
        (60, metrics.historical_volatility_60_day),
        (90, metrics.historical_volatility_90_day),
    ):
        window = returns[-days:]
        expected = math.sqrt(sum((r - window.mean()) ** 2 for r in window) / (days - 1) * 252)
        assert value == pytest.approx(expected, abs=1e-6)
    slope = np.polyfit(market[-252:], returns[-252:], 1)[0]
    assert metrics.beta == pytest.approx(slope, abs=1e-5)
    assert metrics.correlation_spy_3_month == pytest.approx(np.corrcoef(market[-63:], returns[-63:])[0, 1], abs=1e-5)


def test_what_does_not_apply_is_none() -> None:
    metrics = MARKET.metrics("NOOPT", WEEKEND)
    assert metrics.implied_volatility_index is None
    assert metrics.implied_volatility_rank is None
    assert metrics.earnings is None
    assert metrics.expiration_volatilities == ()
    assert MARKET.metrics("NEWER", WEEKEND).beta is None
    lacking = [
        s
        for s, instrument in MARKET.instruments.items()
        if instrument.kind == "Equity" and MARKET.metrics(s, WEEKEND).historical_volatility_30_day is None
    ]
    assert 0.05 < len(lacking) / len(MARKET.instruments) < 0.2


def test_fundamentals_agree_with_the_price() -> None:
    spot, metrics = MARKET.spot("AAPL", WEEKEND), MARKET.metrics("AAPL", WEEKEND)
    reports, dividends = MARKET.earnings("AAPL", WEEKEND), MARKET.dividends("AAPL", WEEKEND)
    trailing = float(sum(report.eps or 0 for report in reports[-4:]))
    assert metrics.earnings_per_share == pytest.approx(trailing)
    assert metrics.price_earnings_ratio == pytest.approx(spot.price / trailing, abs=1e-3)
    assert metrics.last_earnings == reports[-1]
    assert metrics.earnings is not None
    assert metrics.earnings.eps is None
    assert metrics.earnings.report_date > date(2026, 11, 21)
    assert metrics.dividend_ex_date == dividends[-1].ex_date <= date(2026, 11, 22)
    assert metrics.dividend_next_date is not None
    assert metrics.dividend_next_date > date(2026, 11, 22)
    assert all(is_session(dividend.ex_date) for dividend in dividends)
    assert MARKET.dividends("NOOPT", WEEKEND) == () or MARKET.dividends("NOOPT", WEEKEND)[0].amount > 0


@pytest.mark.parametrize(
    ("year", "month", "expected"),
    [
        (2025, 4, date(2025, 4, 17)),
        (2026, 12, date(2026, 12, 18)),
        (2027, 6, date(2027, 6, 17)),
        (2019, 4, date(2019, 4, 18)),
    ],
)  # Good Friday 2025 and 2019 and the Juneteenth of 2027, observed on a Friday, move it to the Thursday
def test_monthlies_expire_on_the_third_friday_or_the_session_before(year: int, month: int, expected: date) -> None:
    assert third_friday(year, month) == expected


def test_vix_options_expire_thirty_days_before_the_next_monthly() -> None:
    # Cboe's calendar: 2026-12-16 and 2027-01-20.
    assert volatility_expiration(2026, 12) == date(2026, 12, 16)
    assert volatility_expiration(2027, 1) == date(2027, 1, 20)


def test_every_expiration_is_a_session_and_listed_once_with_strikes_on_both_sides_of_the_price() -> None:
    for symbol in (*list(MARKET.instruments)[::7], "SPX", "NDX", "RUT", "VIX", "XSP", "DJX", "SPY", "QQQ"):
        expirations = MARKET.expirations(symbol, OPEN_AT)
        assert bool(expirations) == MARKET.instruments[symbol].has_options
        keys = [(e.root_symbol, e.expiration_date) for e in expirations]
        assert len(set(keys)) == len(keys)
        assert keys == sorted(keys) or symbol == "VIX"
        price = MARKET.spot(symbol, OPEN_AT).price
        for listed in expirations:
            assert is_session(listed.expiration_date)
            assert listed.expiration_date >= date(2026, 11, 20)
            # Up to four reviews, with many strikes in common, and what a price that moved far has added.
            assert 20 <= len(listed.strikes) <= 250
            assert listed.strikes[0] < price < listed.strikes[-1]
            assert all(b > a for a, b in pairwise(listed.strikes))


@pytest.mark.parametrize("symbol", ["AAPL", "SPX", "SPY", "VIX", "KO", "NEWCO", "NVDA"])
def test_a_listed_contract_stays_listed_until_it_expires(symbol: str) -> None:
    before: dict[tuple[str, date], set[Decimal]] = {}
    for session in sessions_between(date(2026, 8, 21), date(2027, 5, 14)):
        chain = MARKET.expirations(symbol, session_hours(session).closes_at)
        now = {(e.root_symbol, e.expiration_date): set(e.strikes) for e in chain}
        for key, strikes in before.items():
            assert key[1] < session or strikes <= now[key], (session, key)
        before = now
    assert before


def test_spx_has_two_roots_that_differ_in_settlement() -> None:
    expirations = MARKET.expirations("SPX", WEEKEND)
    assert {(e.root_symbol, e.settlement_type) for e in expirations} == {("SPX", "AM"), ("SPXW", "PM")}
    monthlies = [e.expiration_date for e in expirations if e.root_symbol == "SPX"]
    assert date(2026, 12, 18) in monthlies
    assert all(day == third_friday(day.year, day.month) for day in monthlies)
    weeklys = {e.expiration_date: e.expiration_type for e in expirations if e.root_symbol == "SPXW"}
    assert set(sessions_between(date(2026, 11, 23), date(2026, 12, 18))) <= set(weeklys)
    assert weeklys[date(2026, 12, 31)] == "Quarterly"
    assert weeklys[date(2026, 11, 30)] == "End-Of-Month"
    assert weeklys[date(2026, 12, 18)] == "Regular"


def test_an_equity_has_five_weeklys_and_januaries_two_years_out() -> None:
    expirations = MARKET.expirations("AAPL", WEEKEND)
    weeklys = [e.expiration_date for e in expirations if e.expiration_type == "Weekly"]
    # Christmas 2026 and New Year 2027 are Fridays.
    assert weeklys == [
        date(2026, 11, 27),
        date(2026, 12, 4),
        date(2026, 12, 11),
        date(2026, 12, 24),
        date(2026, 12, 31),
    ]
    assert expirations[-1].expiration_date == date(2029, 1, 19)
    assert {e.root_symbol for e in MARKET.expirations("BRK/B", WEEKEND)} == {"BRKB"}


def test_some_chain_has_contracts_with_an_adjusted_deliverable() -> None:
    adjusted = [
        listed
        for symbol in MARKET.instruments
        for listed in MARKET.expirations(symbol, WEEKEND)
        if listed.option_chain_type == "Non-standard"
    ]
    assert adjusted
    assert all(listed.root_symbol.endswith("1") for listed in adjusted)


def test_a_chain_is_the_same_all_day() -> None:
    opens = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    chains = {MARKET.expirations("SPY", opens + timedelta(hours=hour)) for hour in range(-9, 14)}
    assert len(chains) == 1


def implied(symbol: str, expiration: date, side: Literal["C", "P"], index: int) -> str:
    listed = next(e for e in MARKET.expirations(symbol, OPEN_AT) if e.expiration_date == expiration)
    price = MARKET.spot(symbol, OPEN_AT).price
    middle = min(range(len(listed.strikes)), key=lambda at: abs(float(listed.strikes[at]) - price))
    return OptionSymbol(listed.root_symbol, expiration, side, listed.strikes[middle + index]).occ


@pytest.mark.parametrize("symbol", ["AAPL", "SPY", "BRK/B"])
@pytest.mark.parametrize("index", [-10, 0, 10])
def test_quotes_satisfy_put_call_parity_and_bracket_the_value(symbol: str, index: int) -> None:
    expiration = date(2026, 12, 18)
    call = MARKET.option_quote(implied(symbol, expiration, "C", index), OPEN_AT)
    put = MARKET.option_quote(implied(symbol, expiration, "P", index), OPEN_AT)
    assert call.implied_volatility == put.implied_volatility
    years = (datetime(2026, 12, 18, 21, 0, tzinfo=UTC) - OPEN_AT).total_seconds() / (365 * 86_400)
    # delta_call - delta_put is the dividend discount, so parity needs no more than the rate.
    forward_value = call.underlying_price * (call.delta - put.delta) - float(call.strike) * math.exp(-0.0433 * years)
    assert call.theoretical_price - put.theoretical_price == pytest.approx(forward_value, abs=1e-9)
    for quote in (call, put):
        assert quote.bid <= quote.theoretical_price <= quote.ask
        assert round(quote.bid / quote.tick_size, 6) == round(quote.bid / quote.tick_size)
        assert quote.open_interest > 0
        if quote.last is not None and quote.high is not None and quote.low is not None:
            assert quote.low <= quote.last <= quote.high


@settings(max_examples=100, deadline=None)
@given(
    side=st.sampled_from(("C", "P")),
    moneyness=st.floats(0.7, 1.4),
    years=st.floats(0.02, 3.0),
    volatility=st.floats(0.08, 1.2),
    dividend_yield=st.floats(0.0, 0.06),
)
def test_greeks_are_the_derivatives_of_the_price(
    side: Literal["C", "P"], moneyness: float, years: float, volatility: float, dividend_yield: float
) -> None:
    def value(spot: float = 100.0, years: float = years, volatility: float = volatility, rate: float = 0.04) -> Greeks:
        return greeks(
            side,
            spot=spot,
            strike=100.0 * moneyness,
            years=years,
            volatility=volatility,
            dividend_yield=dividend_yield,
            rate=rate,
        )

    at, h = value(), 1e-3
    assert at.delta == pytest.approx((value(spot=100 + h).price - value(spot=100 - h).price) / (2 * h), abs=1e-5)
    assert at.gamma == pytest.approx((value(spot=100 + h).delta - value(spot=100 - h).delta) / (2 * h), abs=1e-5)
    t = 1e-5
    slope = (value(years=years - t).price - value(years=years + t).price) / (2 * t)
    assert at.theta == pytest.approx(slope / 365, abs=1e-4)
    v = 1e-5
    slope = (value(volatility=volatility + v).price - value(volatility=volatility - v).price) / (2 * v)
    assert at.vega == pytest.approx(slope / 100, abs=1e-4)
    slope = (value(rate=0.04 + v).price - value(rate=0.04 - v).price) / (2 * v)
    assert at.rho == pytest.approx(slope / 100, abs=1e-4)


def test_black_scholes_gives_the_textbook_value() -> None:
    # Hull, Options, Futures, and Other Derivatives: S 42, K 40, r 10%, sigma 20%, half a year: call 4.76, put 0.81.
    values = {
        side: greeks(side, spot=42, strike=40, years=0.5, volatility=0.2, dividend_yield=0.0, rate=0.1).price
        for side in ("C", "P")
    }
    assert values == {"C": pytest.approx(4.76, abs=0.005), "P": pytest.approx(0.81, abs=0.005)}


def test_an_expired_option_is_worth_its_intrinsic_value() -> None:
    assert greeks("C", spot=42, strike=40, years=0.0, volatility=0.2, dividend_yield=0.0) == Greeks(2, 1, 0, 0, 0, 0)
    assert greeks("P", spot=42, strike=40, years=-1.0, volatility=0.2, dividend_yield=0.0).price == 0


def test_volatility_rises_into_earnings_and_falls_after() -> None:
    report = next(r for r in MARKET.earnings("AAPL", WEEKEND) if r.report_date.year == 2025)
    day = next_session(report.report_date) if report.time_of_day == "AMC" else report.report_date
    bars = MARKET.bars("AAPL", at=WEEKEND)
    at = int(np.searchsorted(bars.sessions, np.datetime64(day)))
    assert bars.implied_volatility[at - 1] > 1.05 * bars.implied_volatility[at]


@pytest.mark.parametrize("occ", ["AAPL  261218C00000001", "ZZZZZ 261218C00100000", "AAPL  261217C00250000", "AAPL"])
def test_a_contract_that_is_not_listed_is_a_key_error(occ: str) -> None:
    with pytest.raises(KeyError):
        MARKET.option_quote(occ, OPEN_AT)
