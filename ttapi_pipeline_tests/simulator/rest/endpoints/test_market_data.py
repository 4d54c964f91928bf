# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/market-data`, and that it agrees with other endpoints."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import Api


async def test_a_halted_symbol_says_since_when(simulator: Api) -> None:
    market = simulator.simulator.market
    symbol = next(symbol for symbol, row in market.instruments.items() if row.is_halted)
    [row] = (await simulator.get(f"/market-data/by-type?equity={symbol}")).items
    assert row["is-trading-halted"]
    assert 0 < row["halt-start-time"] < datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000
    assert "halted-at" in (await simulator.get(f"/instruments/equities/{symbol}")).data


async def test_by_type_takes_100_symbols_over_all_keys_and_not_101(simulator: Api) -> None:
    symbols = [row["symbol"] for row in (await simulator.get("/public-watchlists/S&P%20500")).data["watchlist-entries"]]
    query = f"equity={','.join(symbols[:99])}".replace("/", "%2F")
    assert len((await simulator.get(f"/market-data/by-type?{query}&index=SPX")).items) == 100
    reply = await simulator.get(f"/market-data/by-type?{query}&index=SPX,VIX")
    assert (reply.status, reply.json["error"]["code"]) == (400, "validation_error")


async def test_before_its_first_session_an_instrument_is_unknown(simulator: Api, clock: FakeClock) -> None:
    assert (await simulator.get("/instruments/equities/SPY")).status == 200
    clock.at = datetime(2004, 11, 1, 16, 0, tzinfo=UTC)  # GLD's first session was 2004-11-18
    await simulator.login()
    assert (await simulator.get("/instruments/equities/GLD")).status == 404
    assert (await simulator.get("/market-metrics?symbols=GLD,SPY")).items[0]["symbol"] == "SPY"
    assert (await simulator.get("/option-chains/GLD/nested")).status == 404
    assert (await simulator.get("/market-data/by-type?equity=GLD&future=/GCZ4&cryptocurrency=BTC/USD")).items == []
    assert (await simulator.get("/accounts/5WT00001/positions")).items == []


async def test_snapshot_metrics_and_account_speak_of_one_price(simulator: Api) -> None:
    [quote] = (await simulator.get("/market-data/by-type?equity=AAPL")).items
    assert float(quote["bid"]) < float(quote["ask"])
    assert float(quote["day-low-price"]) <= float(quote["last"]) <= float(quote["day-high-price"])
    assert float(quote["year-low-price"]) <= float(quote["last"]) <= float(quote["year-high-price"])
    position = next(
        row
        for row in (await simulator.get("/accounts/5WT00001/positions?include-marks=true")).items
        if row["symbol"] == "AAPL"
    )
    assert float(position["close-price"]) == pytest.approx(float(quote["prev-close"]), abs=0.006)
    # The snapshot is of the full minute, 20 seconds before the position's mark.
    assert quote["updated-at"] == "2026-11-20T15:30:00.000Z"
    assert float(position["mark-price"]) == pytest.approx(float(quote["last"]), rel=0.01)
