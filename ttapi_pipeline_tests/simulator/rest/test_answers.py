# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How answers are written: envelope, pages, types of values."""

from __future__ import annotations

import pytest

from ttapi_pipeline.simulator.server import build_simulator, serving
from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import Api


async def test_lists_lie_in_data_items_and_pages_beside_data(simulator: Api) -> None:
    reply = await simulator.get("/instruments/equities/active?per-page=2&page-offset=1")
    assert set(reply.json) == {"data", "context", "pagination", "api-version"}
    assert len(reply.items) == 2
    pagination = reply.json["pagination"]
    assert (pagination["page-offset"], pagination["item-offset"], pagination["current-item-count"]) == (1, 2, 2)
    assert pagination["total-pages"] == -(-pagination["total-items"] // 2)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/instruments/equities", 1000),
        ("/instruments/equities/active", 5000),
        ("/instruments/futures", 1000),
        ("/instruments/future-products", 1000),
        ("/instruments/future-option-products", 1000),
        ("/accounts/5WT00001/transactions", 2000),
        ("/accounts/5WT00001/orders", 200),
        ("/accounts/5WT00001/complex-orders", 200),
    ],
)
async def test_per_page_has_its_documented_maximum(simulator: Api, path: str, most: int) -> None:
    assert (await simulator.get(f"{path}?per-page={most}")).status == 200
    assert (await simulator.get(f"{path}?per-page={most + 1}")).status == 400


async def test_an_empty_result_still_has_items(simulator: Api) -> None:
    assert (await simulator.get("/instruments/equities?symbol[]=NOSUCH")).items == []
    assert (await simulator.get("/market-metrics?symbols=NOSUCH")).json == {"data": {"items": []}}


async def test_decimals_are_strings_counts_are_numbers_and_nothing_is_null(simulator: Api) -> None:
    [metrics] = (await simulator.get("/market-metrics?symbols=AAPL")).items
    assert isinstance(metrics["implied-volatility-index"], str)
    assert isinstance(metrics["market-cap"], int)
    assert isinstance(metrics["liquidity-rating"], int)
    option = (await simulator.get("/option-chains/AAPL")).items[0]
    assert isinstance(option["days-to-expiration"], int)
    symbol = option["symbol"].replace(" ", "%20")
    [row] = (await simulator.get(f"/market-data/by-type?equity-option={symbol}")).items
    assert isinstance(row["open-interest"], int)
    assert all(isinstance(row[name], str) for name in ("bid", "delta", "gamma", "theta", "vega", "rho", "volatility"))
    for found in (metrics, option, row):
        assert None not in found.values()


async def test_two_servers_of_one_seed_agree(simulator: Api, clock: FakeClock) -> None:
    paths = ("/market-metrics?symbols=AAPL,SPX", "/option-chains/F/nested", "/accounts/5WT00002/balances/USD")
    first = [(await simulator.get(path)).body for path in paths]
    async with serving(build_simulator(clock=clock)) as url:
        simulator.url = url
        await simulator.login()
        assert [(await simulator.get(path)).body for path in paths] == first


async def test_every_answer_says_that_it_is_simulated(simulator: Api) -> None:
    for path in ("/customers/me", "/nowhere", "/simulator", "/realtime"):
        headers = (await simulator.get(path)).headers
        assert (headers["X-Simulated"], headers["Server"]) == ("true", "ttapi-simulator")
