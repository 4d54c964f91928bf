# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Quotes of option contracts."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Literal

import pytest

from ttapi_pipeline.core.symbology import OptionSymbol
from ttapi_pipeline_tests.support.simulator import shared_market

MARKET = shared_market()
OPEN_AT = datetime(2026, 11, 20, 16, 12, 33, tzinfo=UTC)


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


@pytest.mark.parametrize("occ", ["AAPL  261218C00000001", "ZZZZZ 261218C00100000", "AAPL  261217C00250000", "AAPL"])
def test_a_contract_that_is_not_listed_is_a_key_error(occ: str) -> None:
    with pytest.raises(KeyError):
        MARKET.option_quote(occ, OPEN_AT)
