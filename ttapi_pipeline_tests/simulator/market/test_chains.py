# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which option contracts are listed, by the published calendars of the exchanges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from ttapi_pipeline.core.sessions import is_session, session_hours, sessions_between
from ttapi_pipeline.simulator.market.chains import third_friday, volatility_expiration
from ttapi_pipeline_tests.support.simulator import shared_market

MARKET = shared_market()
OPEN_AT = datetime(2026, 11, 20, 16, 12, 33, tzinfo=UTC)
WEEKEND = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


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
            # Up to four reviews with many strikes in common, and strikes that a far move of the price has added.
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
