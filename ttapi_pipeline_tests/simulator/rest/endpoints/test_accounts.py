# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Balances, margin, orders and transactions of the accounts."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import Api


async def test_balances_are_a_list_since_contract_20240501(simulator: Api, clock: FakeClock) -> None:
    assert len((await simulator.get("/accounts/5WT00001/balances")).items) == 1
    # Before 2026-10-12 the old contract was still served.
    clock.at = datetime(2026, 10, 9, 15, 0, tzinfo=UTC)
    await simulator.login()
    reply = await simulator.get("/accounts/5WT00001/balances", headers={"Accept-Version": "20240430"})
    assert reply.data["account-number"] == "5WT00001"
    assert (await simulator.get("/accounts/5WT00001/balances/EUR")).status == 404


async def test_margin_rates_and_position_limits_as_the_npm_client_asks_for_them(simulator: Api) -> None:
    for number, rate in (("5WT00001", "0.5"), ("5WT00002", "1.0")):
        row = (await simulator.get(f"/accounts/{number}/margin-requirements/BRK%2FB/effective")).data
        assert (row["underlying-symbol"], row["long-equity-initial"]) == ("BRK/B", rate)
    assert (await simulator.get("/accounts/5WT00001/position-limit")).data["equity-position-size"] > 0


async def test_order_searches_need_a_start_since_contract_20261012(simulator: Api) -> None:
    new = {"Accept-Version": "20261012"}
    assert (await simulator.get("/accounts/5WT00001/orders", headers=new)).status == 400
    assert (await simulator.get("/accounts/5WT00001/orders?start-date=2026-01-01", headers=new)).items == []
    assert (await simulator.get("/accounts/5WT00001/orders")).status == 200


@pytest.mark.parametrize(
    ("query", "count"),
    [
        # 2010 to 2026 has 17 Januaries and 68 quarters.
        ("type=Money%20Movement", 17),
        ("types[]=Trade&symbol=SPY", 68),
        ("sub-type[]=Buy%20to%20Open&underlying-symbol=BRK%2FB", 68),
        ("start-date=2026-01-01&end-date=2026-03-31", 5),
        ("start-at=2026-10-01T00:00:00Z&end-at=2026-10-31T00:00:00Z", 4),
        ("futures-symbol=%2FESZ6", 0),
        ("currency=EUR", 0),
    ],
)
async def test_transactions_filter(simulator: Api, query: str, count: int) -> None:
    reply = await simulator.get(f"/accounts/5WT00001/transactions?sort=Asc&{query}")
    assert reply.json["pagination"]["total-items"] == count
    dates = [date.fromisoformat(row["transaction-date"]) for row in reply.items]
    assert dates == sorted(dates)
