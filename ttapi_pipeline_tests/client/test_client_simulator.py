# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Every method against the simulator over real sockets. What faults do to collections is in `test_client_chaos`."""

from __future__ import annotations

from datetime import date

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.sessions import is_session
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.server import build_simulator, serving

SYMBOLS = [member.symbol for member in sp500()][:60]


async def test_every_method_reads_what_the_simulator_serves() -> None:
    async with serving(build_simulator()) as url, TastytradeClient(Settings(), base_url=url) as client:
        accounts = await client.accounts()
        balance = await client.balance(accounts[0].account_number)
        metrics = await client.market_metrics([*SYMBOLS, "NOPE"])
        equities = await client.equities([*SYMBOLS, "NOPE"])
        snapshots = await client.market_data([*SYMBOLS, "SPX", "NOPE"], indices=frozenset({"SPX"}))
        chains = await client.nested_option_chains([*SYMBOLS, "NOPE"])
        active = await client.active_equities()
        watchlist = await client.public_watchlist("S&P 500")
        sessions = await client.market_sessions(date(2025, 1, 1), date(2026, 11, 20))
        holidays = await client.market_holidays()
        token = await client.quote_token()
        assert client.is_simulated
        assert client.stats.renewals == 1
    assert balance.account_number == accounts[0].account_number
    assert balance.net_liquidating_value is not None
    for collected in (metrics, equities):
        assert sorted(row.symbol for row in collected.rows) == sorted(SYMBOLS)
        assert list(collected.missing) == ["NOPE"]
        assert collected.rejected == []
    assert sorted(row.symbol for row in snapshots.rows) == sorted([*SYMBOLS, "SPX"])
    assert list(snapshots.missing) == ["NOPE"]
    assert all((row.symbol == "SPX") == (row.bid is None) for row in snapshots.rows)
    assert chains.empty == {"NOPE"}
    assert all(expiration.strikes for chain in chains.rows for root in chain.roots for expiration in root.expirations)
    assert set(SYMBOLS) <= {row.symbol for row in active}
    assert {entry.symbol for entry in watchlist.entries} >= set(SYMBOLS)
    assert all(is_session(session.session_date) for session in sessions)
    # XNYS had 250 sessions in 2025 (Carter's day of mourning was one fewer) and 224 in 2026 up to November 20.
    assert sum(session.session_date.year == 2025 for session in sessions) == 250
    assert date(2026, 11, 26) in holidays.holidays
    assert token.url.startswith("ws://127.0.0.1:")
