# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Futures, options on them, cryptocurrencies."""

from __future__ import annotations

from datetime import date

from ttapi_pipeline.core.sessions import is_session
from ttapi_pipeline_tests.support.simulator import Api


async def test_several_futures_and_future_options_in_one_request(simulator: Api) -> None:
    reply = await simulator.get("/instruments/futures?symbol[]=/ESZ6&symbol[]=NQZ6&symbol[]=/NOSUCH")
    assert [row["symbol"] for row in reply.items] == ["/ESZ6", "/NQZ6"]
    assert (await simulator.get("/instruments/futures?exchange=CFE")).items[0]["product-code"] == "VX"
    symbol = (await simulator.get("/futures-option-chains/NQ")).items[0]["symbol"]
    encoded = symbol.replace("/", "%2F").replace(" ", "%20")
    assert len((await simulator.get(f"/instruments/future-options?symbol[]={encoded}&symbol[]=x")).items) == 1
    assert len((await simulator.get("/instruments/cryptocurrencies?symbol[]=ETH%2FUSD")).items) == 1


async def test_futures_of_every_product_expire_on_sessions_in_order(simulator: Api) -> None:
    by_product: dict[str, list[date]] = {}
    for row in (await simulator.get("/instruments/futures")).items:
        by_product.setdefault(row["product-code"], []).append(date.fromisoformat(row["expiration-date"]))
    assert set(by_product) == {"ES", "MES", "NQ", "RTY", "YM", "GC", "CL", "VX"}
    for days in by_product.values():
        assert days == sorted(set(days))
        assert all(is_session(day) for day in days)
    # Published: crude oil for January 2027 stops three business days before 25 December 2026, a holiday (so before
    # the 24th); VIX futures for December 2026 settle on Wednesday the 16th.
    assert by_product["CL"][1] == date(2026, 12, 21)
    assert by_product["VX"][0] == date(2026, 12, 16)
