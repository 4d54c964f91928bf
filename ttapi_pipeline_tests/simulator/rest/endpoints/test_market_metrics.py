# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/market-metrics`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import Api


async def test_volatilities_come_as_fractions_and_as_points(simulator: Api) -> None:
    [row] = (await simulator.get("/market-metrics?symbols=MSFT")).items
    index, thirty = float(row["implied-volatility-index"]), float(row["implied-volatility-30-day"])
    assert 0.02 < index < 2.0
    assert 2.0 < thirty < 200.0
    # The wire's own arithmetic: IV30 minus HV30, both as printed.
    difference = thirty - float(row["historical-volatility-30-day"])
    assert float(row["iv-hv-30-day-difference"]) == pytest.approx(difference, abs=1e-9)


async def test_metrics_are_made_once_a_minute(simulator: Api, clock: FakeClock) -> None:
    async def made_at() -> str:
        return str((await simulator.get("/market-metrics?symbols=MSFT")).items[0]["updated-at"])

    # The tests' clock starts at 15:30:20.
    assert await made_at() == "2026-11-20T15:30:00.000Z"
    clock.advance(timedelta(seconds=39))
    assert await made_at() == "2026-11-20T15:30:00.000Z"
    clock.advance(timedelta(seconds=1))
    assert await made_at() == "2026-11-20T15:31:00.000Z"


async def test_symbols_without_options_have_metrics_without_volatility_index(simulator: Api) -> None:
    market = simulator.simulator.market
    symbol = next(symbol for symbol, row in market.instruments.items() if not row.has_options)
    [row] = (await simulator.get(f"/market-metrics?symbols={symbol}")).items
    assert {"symbol", "market-cap", "updated-at"} <= set(row)
    assert "implied-volatility-index" not in row
    assert "option-expiration-implied-volatilities" not in row
    assert (await simulator.get(f"/option-chains/{symbol}/nested")).status == 404
