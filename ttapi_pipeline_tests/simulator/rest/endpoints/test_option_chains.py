# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/option-chains` and `/instruments/equity-options`."""

from __future__ import annotations

from datetime import timedelta

from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import Api


async def test_compact_and_nested_chains_hold_the_same_contracts(simulator: Api) -> None:
    nested, compact = (
        (await simulator.get("/option-chains/SPX/nested")).items,
        (await simulator.get("/option-chains/SPX/compact")).items,
    )
    from_nested = {
        (strike[side], strike[f"{side}-streamer-symbol"])
        for root in nested
        for expiration in root["expirations"]
        for strike in expiration["strikes"]
        for side in ("call", "put")
    }
    from_compact = {pair for group in compact for pair in zip(group["symbols"], group["streamer-symbols"], strict=True)}
    assert from_nested == from_compact


async def test_a_chain_stays_the_same_all_day_and_moves_with_the_date(simulator: Api, clock: FakeClock) -> None:
    morning = (await simulator.get("/option-chains/KO/nested")).body
    clock.advance(timedelta(minutes=10))
    assert (await simulator.get("/option-chains/KO/nested")).body == morning
    days = (await simulator.get("/option-chains/KO/nested")).items[0]["expirations"][-1]["days-to-expiration"]
    clock.advance(timedelta(days=3))
    await simulator.login()
    later = (await simulator.get("/option-chains/KO/nested")).items[0]["expirations"]
    assert days - 3 in {expiration["days-to-expiration"] for expiration in later}


async def test_options_settled_in_the_morning_stop_trading_the_day_before(simulator: Api) -> None:
    rows = (await simulator.get("/option-chains/SPX")).items
    # The December 2026 monthly: Friday the 18th at 9:30, last traded on Thursday until 16:00 New York time.
    row = next(row for row in rows if row["root-symbol"] == "SPX" and row["expiration-date"] == "2026-12-18")
    assert (row["stops-trading-at"], row["expires-at"]) == (
        "2026-12-17T21:00:00.000+00:00",
        "2026-12-18T14:30:00.000+00:00",
    )
    assert row["exercise-style"] == "European"


async def test_several_option_contracts_come_in_one_request(simulator: Api) -> None:
    wanted = [row["symbol"] for row in (await simulator.get("/option-chains/T")).items[:3]]
    query = "&".join(f"symbol[]={symbol.replace(' ', '%20')}" for symbol in [*wanted, "NOSUCH", wanted[0]])
    reply = await simulator.get(f"/instruments/equity-options?{query}")
    assert [row["symbol"] for row in reply.items] == wanted
    unknown = "/instruments/equity-options/T%20%20%20%20%20991218C00001000"
    assert (await simulator.get(unknown)).status == 404
