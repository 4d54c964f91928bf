# SPDX-License-Identifier: MIT
"""The REST contract of docs/protocols/tastytrade.md, "Check-list for a server", line by line, over the socket."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from ttapi_pipeline.core.sessions import is_session
from ttapi_pipeline.core.settings import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.simulator.server import build_simulator, serving

GRANT = {
    "grant_type": "refresh_token",
    "client_secret": SIMULATOR_CLIENT_SECRET,
    "refresh_token": SIMULATOR_REFRESH_TOKEN,
}


# 1. Raw paths


@pytest.mark.parametrize("path", ["/public-watchlists/S&P%20500", "/public-watchlists/S%26P%20500"])
async def test_an_ampersand_in_a_path_may_be_encoded_or_not(simulator: Any, path: str) -> None:
    reply = await simulator.get(path)
    assert reply.data["name"] == "S&P 500"
    assert reply.json["context"] == path


async def test_an_encoded_slash_stays_within_its_segment(simulator: Any) -> None:
    assert (await simulator.get("/instruments/equities/BRK%2FB")).data["symbol"] == "BRK/B"
    assert (await simulator.get("/option-chains/BRK%2FB/nested")).items[0]["root-symbol"] == "BRKB"
    assert (await simulator.get("/instruments/equities/BRK/B")).status == 404


async def test_option_symbols_keep_their_blanks(simulator: Any) -> None:
    call = (await simulator.get("/option-chains/AAPL/nested")).items[0]["expirations"][0]["strikes"][0]["call"]
    assert call.startswith("AAPL  ")
    path = f"/instruments/equity-options/{call.replace(' ', '%20')}"
    assert (await simulator.get(path)).data["symbol"] == call


async def test_a_future_option_comes_by_its_encoded_symbol(simulator: Any) -> None:
    symbol = (await simulator.get("/futures-option-chains/ES")).items[0]["symbol"]
    path = f"/instruments/future-options/{symbol.replace('/', '%2F').replace(' ', '%20')}"
    assert (await simulator.get(path)).data["symbol"] == symbol
    listed = await simulator.get("/instruments/future-options", params=None)
    assert (listed.status, listed.json["error"]["code"]) == (400, "validation_error")


# 2. Arrays in a query


@pytest.mark.parametrize(
    "query",
    [
        "equity%5B%5D=AAPL&equity%5B%5D=BRK%2FB",
        "equity[]=AAPL&equity[]=BRK/B",
        "equity=AAPL&equity=BRK%2FB",
        "equity=AAPL%2CBRK%2FB",
        "equity=AAPL,BRK/B",
    ],
)
async def test_lists_come_in_three_encodings(simulator: Any, query: str) -> None:
    reply = await simulator.get(f"/market-data/by-type?{query}")
    assert [row["symbol"] for row in reply.items] == ["AAPL", "BRK/B"]
    assert reply.json["pagination"] is None


async def test_a_plus_is_a_space_in_a_query_only(simulator: Any) -> None:
    option = (await simulator.get("/option-chains/AAPL")).items[0]["symbol"]
    reply = await simulator.get(f"/market-data/by-type?equity-option={option.replace(' ', '+')}")
    assert [row["symbol"] for row in reply.items] == [option]
    assert (await simulator.get("/public-watchlists/S&P+500")).status == 404


# 3. OAuth2


@pytest.mark.parametrize("encoding", ["json", "data"])
async def test_a_grant_is_flat_and_lasts_900_seconds(simulator: Any, encoding: str) -> None:
    reply = await simulator.post("/oauth/token", headers={"Authorization": ""}, **{encoding: GRANT})
    assert reply.status == 200
    assert set(reply.json) == {"access_token", "token_type", "expires_in"}
    assert (reply.json["token_type"], reply.json["expires_in"]) == ("Bearer", 900)


async def test_a_token_lasts_until_its_900th_second(simulator: Any, clock: Any) -> None:
    clock.advance(seconds=899)
    assert (await simulator.get("/customers/me")).status == 200
    clock.advance(seconds=1)
    reply = await simulator.get("/customers/me")
    assert reply.status == 401
    assert reply.json["error"]["code"] == "unauthorized"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer nonsense", "Basic YTpi"])
async def test_without_a_living_token_there_is_a_401_in_json(simulator: Any, authorization: str) -> None:
    reply = await simulator.get("/customers/me", headers={"Authorization": authorization})
    assert reply.status == 401
    assert isinstance(reply.json["error"], dict)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"refresh_token": "wrong"}, "invalid_grant"),
        ({"refresh_token": None}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
    ],
)
async def test_a_refused_grant_is_a_400_that_names_no_secret(simulator: Any, change: Any, code: str) -> None:
    reply = await simulator.post("/oauth/token", json={**GRANT, **change})
    assert (reply.status, reply.json["error"]["code"]) == (400, code)
    assert SIMULATOR_CLIENT_SECRET.encode() not in reply.body


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"grant_type": {}}'])
async def test_a_grant_request_that_is_no_object_is_a_400(simulator: Any, body: bytes) -> None:
    reply = await simulator.post("/oauth/token", data=body, headers={"Content-Type": "application/json"})
    assert reply.status == 400


# 4. and 5. Envelope and value types


async def test_lists_lie_in_data_items_and_pages_beside_data(simulator: Any) -> None:
    reply = await simulator.get("/instruments/equities/active?per-page=2&page-offset=1")
    assert set(reply.json) == {"data", "context", "pagination", "api-version"}
    assert len(reply.items) == 2
    pagination = reply.json["pagination"]
    assert (pagination["page-offset"], pagination["item-offset"], pagination["current-item-count"]) == (1, 2, 2)
    assert pagination["total-pages"] == -(-pagination["total-items"] // 2)


async def test_an_empty_result_still_has_items(simulator: Any) -> None:
    assert (await simulator.get("/instruments/equities?symbol[]=NOSUCH")).items == []
    assert (await simulator.get("/market-metrics?symbols=NOSUCH")).json == {"data": {"items": []}}


async def test_decimals_are_strings_counts_are_numbers_and_nothing_is_null(simulator: Any) -> None:
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


async def test_volatilities_come_as_fractions_and_as_points(simulator: Any) -> None:
    [row] = (await simulator.get("/market-metrics?symbols=MSFT")).items
    index, thirty = float(row["implied-volatility-index"]), float(row["implied-volatility-30-day"])
    assert 0.02 < index < 2.0
    assert 2.0 < thirty < 200.0
    # The wire's own arithmetic: IV30 minus HV30, both as printed.
    difference = thirty - float(row["historical-volatility-30-day"])
    assert float(row["iv-hv-30-day-difference"]) == pytest.approx(difference, abs=1e-9)


async def test_metrics_are_made_once_a_minute(simulator: Any, clock: Any) -> None:
    async def made_at() -> str:
        return str((await simulator.get("/market-metrics?symbols=MSFT")).items[0]["updated-at"])

    # The tests' clock starts at 15:30:20.
    assert await made_at() == "2026-11-20T15:30:00.000Z"
    clock.advance(seconds=39)
    assert await made_at() == "2026-11-20T15:30:00.000Z"
    clock.advance(seconds=1)
    assert await made_at() == "2026-11-20T15:31:00.000Z"


async def test_symbols_without_options_have_metrics_without_volatility_index(simulator: Any) -> None:
    market = simulator.simulator.market
    symbol = next(symbol for symbol, row in market.instruments.items() if not row.has_options)
    [row] = (await simulator.get(f"/market-metrics?symbols={symbol}")).items
    assert {"symbol", "market-cap", "updated-at"} <= set(row)
    assert "implied-volatility-index" not in row
    assert "option-expiration-implied-volatilities" not in row
    assert (await simulator.get(f"/option-chains/{symbol}/nested")).status == 404


async def test_a_halted_symbol_says_since_when(simulator: Any) -> None:
    market = simulator.simulator.market
    symbol = next(symbol for symbol, row in market.instruments.items() if row.is_halted)
    [row] = (await simulator.get(f"/market-data/by-type?equity={symbol}")).items
    assert row["is-trading-halted"]
    assert 0 < row["halt-start-time"] < datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000
    assert "halted-at" in (await simulator.get(f"/instruments/equities/{symbol}")).data


# 7. Quote tokens


async def test_the_dxlink_url_follows_the_host_header(simulator: Any) -> None:
    reply = await simulator.get("/api-quote-tokens", headers={"Host": "simulator.internal:9000"})
    assert reply.data["dxlink-url"] == "ws://simulator.internal:9000/realtime"
    assert simulator.simulator.tokens.is_valid(reply.data["token"])


async def test_a_quote_token_lasts_24_hours(simulator: Any, clock: Any) -> None:
    token = (await simulator.get("/api-quote-tokens")).data["token"]
    clock.advance(hours=23, minutes=59)
    assert simulator.simulator.tokens.is_valid(token)
    clock.advance(minutes=1)
    assert not simulator.simulator.tokens.is_valid(token)


# 8. Gateway errors that need no fault


async def test_no_user_agent_is_a_401_in_html(simulator: Any) -> None:
    reply = await simulator.get("/customers/me", headers={"User-Agent": ""})
    assert reply.status == 401
    assert reply.headers["Content-Type"] == "text/html"
    assert b"nginx" in reply.body


@pytest.mark.parametrize("version", ["20200101", "latest", "2025081"])
async def test_an_old_or_odd_contract_is_a_406_with_a_numeric_code(simulator: Any, version: str) -> None:
    reply = await simulator.get("/customers/me", headers={"Accept-Version": version})
    assert reply.status == 406
    assert reply.json["error"]["code"] == 406


async def test_balances_are_a_list_since_contract_20240501(simulator: Any, clock: Any) -> None:
    assert len((await simulator.get("/accounts/5WT00001/balances")).items) == 1
    # Before 2026-10-12 the old contract was still served.
    clock.at = datetime(2026, 10, 9, 15, 0, tzinfo=UTC)
    await simulator.login()
    reply = await simulator.get("/accounts/5WT00001/balances", headers={"Accept-Version": "20240430"})
    assert reply.data["account-number"] == "5WT00001"
    assert (await simulator.get("/accounts/5WT00001/balances/EUR")).status == 404


async def test_margin_rates_and_position_limits_as_the_npm_client_asks_for_them(simulator: Any) -> None:
    for number, rate in (("5WT00001", "0.5"), ("5WT00002", "1.0")):
        row = (await simulator.get(f"/accounts/{number}/margin-requirements/BRK%2FB/effective")).data
        assert (row["underlying-symbol"], row["long-equity-initial"]) == ("BRK/B", rate)
    assert (await simulator.get("/accounts/5WT00001/position-limit")).data["equity-position-size"] > 0


async def test_order_searches_need_a_start_since_contract_20261012(simulator: Any) -> None:
    new = {"Accept-Version": "20261012"}
    assert (await simulator.get("/accounts/5WT00001/orders", headers=new)).status == 400
    assert (await simulator.get("/accounts/5WT00001/orders?start-date=2026-01-01", headers=new)).items == []
    assert (await simulator.get("/accounts/5WT00001/orders")).status == 200


async def test_unknown_routes_symbols_accounts_and_methods(simulator: Any) -> None:
    assert (await simulator.get("/no/such/route")).status == 404
    assert (await simulator.get("/")).status == 404
    assert (await simulator.get("/instruments/equities/NOSUCH")).json["error"]["code"] == "not_found"
    assert (await simulator.get("/accounts/9ZZ99999/positions")).status == 403
    assert (await simulator.request("PATCH", "/watchlists/x")).status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/instruments/futures/ESF6",
        "/instruments/futures/NOSUCH",
        "/instruments/future-products/CME/NOSUCH",
        "/instruments/future-products/CFE/ES",
        "/instruments/future-option-products/CME/NOSUCH",
        "/instruments/future-options/.%2FESZ6%20EW3Z6%20261218C1",
        "/instruments/future-options/nonsense",
        "/futures-option-chains/RTY",
        "/futures-option-chains/NOSUCH/nested",
        "/instruments/cryptocurrencies/DOGE%2FUSD",
        "/instruments/warrants/NOSUCH",
        "/market-data/Future/NOSUCH",
        "/market-data/Future%20Option/NOSUCH",
        "/market-data/Cryptocurrency/NOSUCH",
        "/market-data/Moon/AAPL",
        "/market-data/Equity/SPX",
        "/market-metrics/historic-corporate-events/dividends/NOSUCH",
        "/pairs-watchlists/NOSUCH",
        "/accounts/5WT00001/transactions/1",
        "/accounts/5WT00001/orders/1",
        "/accounts/5WT00001/complex-orders/1",
    ],
)
async def test_what_does_not_exist_is_a_404(simulator: Any, path: str) -> None:
    reply = await simulator.get(path)
    assert (reply.status, reply.json["error"]["code"]) == (404, "not_found")


async def test_several_futures_and_future_options_in_one_request(simulator: Any) -> None:
    reply = await simulator.get("/instruments/futures?symbol[]=/ESZ6&symbol[]=NQZ6&symbol[]=/NOSUCH")
    assert [row["symbol"] for row in reply.items] == ["/ESZ6", "/NQZ6"]
    assert (await simulator.get("/instruments/futures?exchange=CFE")).items[0]["product-code"] == "VX"
    symbol = (await simulator.get("/futures-option-chains/NQ")).items[0]["symbol"]
    encoded = symbol.replace("/", "%2F").replace(" ", "%20")
    assert len((await simulator.get(f"/instruments/future-options?symbol[]={encoded}&symbol[]=x")).items) == 1
    assert len((await simulator.get("/instruments/cryptocurrencies?symbol[]=ETH%2FUSD")).items) == 1


async def test_futures_of_every_product_expire_on_sessions_in_order(simulator: Any) -> None:
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


# 9. Limits


async def test_by_type_takes_100_symbols_over_all_keys_and_not_101(simulator: Any) -> None:
    symbols = [row["symbol"] for row in (await simulator.get("/public-watchlists/S&P%20500")).data["watchlist-entries"]]
    query = f"equity={','.join(symbols[:99])}".replace("/", "%2F")
    assert len((await simulator.get(f"/market-data/by-type?{query}&index=SPX")).items) == 100
    reply = await simulator.get(f"/market-data/by-type?{query}&index=SPX,VIX")
    assert (reply.status, reply.json["error"]["code"]) == (400, "validation_error")


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
async def test_per_page_has_its_documented_maximum(simulator: Any, path: str, most: int) -> None:
    assert (await simulator.get(f"{path}?per-page={most}")).status == 200
    assert (await simulator.get(f"{path}?per-page={most + 1}")).status == 400


async def test_search_is_limited_to_100(simulator: Any) -> None:
    assert len((await simulator.get("/instruments/search?query=A&limit=3")).items) == 3
    assert (await simulator.get("/instruments/search?query=A&limit=101")).status == 400
    assert (await simulator.get("/instruments/search?query=apple")).items[0]["symbol"] == "AAPL"


@pytest.mark.parametrize(
    "path",
    [
        "/market-metrics",
        "/market-data/by-type",
        "/market-time/sessions",
        "/market-time/sessions/current",
        "/market-time/sessions/current?instrument-collections[]=Moon",
        "/market-time/equities/sessions/next?date=soon",
        "/market-metrics/historic-corporate-events/earnings-reports/AAPL",
        "/accounts/5WT00001/balance-snapshots",
        "/accounts/5WT00001/balance-snapshots?time-of-day=NOON",
        "/accounts/5WT00001/net-liq/history",
        "/accounts/5WT00001/transactions?sort=up",
        "/accounts/5WT00001/transactions?start-at=yesterday",
        "/instruments/equities?is-etf=maybe",
        "/instruments/equities?lendability=Impossible",
        "/instruments/equities?per-page=-1",
        "/instruments/equities?per-page=0",
        "/instruments/equities?page-offset=99999999999999999999",
        "/instruments/equity-options",
    ],
)
async def test_bad_parameters_are_a_400_that_names_them(simulator: Any, path: str) -> None:
    reply = await simulator.get(path)
    assert (reply.status, reply.json["error"]["code"]) == (400, "validation_error")
    assert {"domain", "reason"} <= set(reply.json["error"]["errors"][0])


# Market time


async def test_sessions_of_thanksgiving_week(simulator: Any) -> None:
    rows = (await simulator.get("/market-time/sessions?from-date=2026-11-23&to-date=2026-11-29")).items
    assert [row["session-date"] for row in rows] == ["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-27"]
    # The half day of docs/protocols/tastytrade.md, "Sessions and holidays".
    assert rows[-1] == {
        "instrument-collection": "Equity",
        "session-date": "2026-11-27",
        "start-at": "2026-11-27T13:15:00.000+00:00",
        "open-at": "2026-11-27T14:30:00.000+00:00",
        "close-at": "2026-11-27T18:00:00.000+00:00",
        "close-at-ext": "2026-11-27T22:00:00.000+00:00",
    }


async def test_sessions_span_nine_months_at_most(simulator: Any) -> None:
    assert (await simulator.get("/market-time/sessions?from-date=2026-01-31&to-date=2026-10-31")).status == 200
    assert (await simulator.get("/market-time/sessions?from-date=2026-01-31&to-date=2026-11-01")).status == 400
    assert (await simulator.get("/market-time/sessions?from-date=2026-02-02&to-date=2026-02-01")).status == 400
    # The end of February is nine months after the end of May.
    assert (await simulator.get("/market-time/sessions?from-date=2026-05-31&to-date=2027-02-28")).status == 200
    assert (await simulator.get("/market-time/sessions?from-date=2026-05-31&to-date=2027-03-01")).status == 400


@pytest.mark.parametrize(
    ("at", "state", "has_times", "following"),
    [
        ("2026-11-20T13:14:59Z", "Closed", True, "2026-11-23"),
        ("2026-11-20T13:15:00Z", "Pre-market", True, "2026-11-23"),
        ("2026-11-20T14:30:00Z", "Open", True, "2026-11-23"),
        ("2026-11-20T21:00:00Z", "Extended", True, "2026-11-23"),
        # After the extended hours the times are the coming session's.
        ("2026-11-21T01:00:00Z", "Closed", True, "2026-11-24"),
        ("2026-11-21T15:00:00Z", "Closed", False, "2026-11-23"),
        ("2026-11-26T15:00:00Z", "Closed", False, "2026-11-27"),
    ],
)
async def test_the_state_through_a_day(simulator: Any, at: str, state: str, has_times: bool, following: str) -> None:
    row = (await simulator.get(f"/market-time/equities/sessions/current?current-time={at}")).data
    assert row["state"] == state
    assert ("open-at" in row) is has_times
    assert row["next-session"]["session-date"] == following


async def test_next_previous_and_futures_sessions(simulator: Any) -> None:
    following = await simulator.get("/market-time/equities/sessions/next?date=2026-11-25")
    assert following.data["session-date"] == "2026-11-27"
    before = await simulator.get("/market-time/equities/sessions/previous?date=2026-11-27")
    assert before.data["session-date"] == "2026-11-25"
    # Globex opens at 18:00 New York time of the evening before.
    globex = await simulator.get("/market-time/futures/sessions/next/CME?date=2026-11-20")
    assert globex.data["open-at"] == "2026-11-22T23:00:00.000+00:00"
    assert (await simulator.get("/market-time/futures/sessions/previous/CFE")).data["session-date"] == "2026-11-19"
    assert len((await simulator.get("/market-time/futures/sessions/current")).items) == 2
    assert (await simulator.get("/market-time/futures/sessions/current/CME")).data["state"] == "Open"
    assert (await simulator.get("/market-time/futures/holidays/Moon")).status == 404


# Chains


async def test_compact_and_nested_chains_hold_the_same_contracts(simulator: Any) -> None:
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


async def test_a_chain_stays_the_same_all_day_and_moves_with_the_date(simulator: Any, clock: Any) -> None:
    morning = (await simulator.get("/option-chains/KO/nested")).body
    clock.advance(minutes=10)
    assert (await simulator.get("/option-chains/KO/nested")).body == morning
    days = (await simulator.get("/option-chains/KO/nested")).items[0]["expirations"][-1]["days-to-expiration"]
    clock.advance(days=3)
    await simulator.login()
    later = (await simulator.get("/option-chains/KO/nested")).items[0]["expirations"]
    assert days - 3 in {expiration["days-to-expiration"] for expiration in later}


async def test_options_settled_in_the_morning_stop_trading_the_day_before(simulator: Any) -> None:
    rows = (await simulator.get("/option-chains/SPX")).items
    # The December 2026 monthly: Friday the 18th at 9:30, last traded on Thursday until 16:00 New York time.
    row = next(row for row in rows if row["root-symbol"] == "SPX" and row["expiration-date"] == "2026-12-18")
    assert (row["stops-trading-at"], row["expires-at"]) == (
        "2026-12-17T21:00:00.000+00:00",
        "2026-12-18T14:30:00.000+00:00",
    )
    assert row["exercise-style"] == "European"


async def test_several_option_contracts_come_in_one_request(simulator: Any) -> None:
    wanted = [row["symbol"] for row in (await simulator.get("/option-chains/T")).items[:3]]
    query = "&".join(f"symbol[]={symbol.replace(' ', '%20')}" for symbol in [*wanted, "NOSUCH", wanted[0]])
    reply = await simulator.get(f"/instruments/equity-options?{query}")
    assert [row["symbol"] for row in reply.items] == wanted
    unknown = "/instruments/equity-options/T%20%20%20%20%20991218C00001000"
    assert (await simulator.get(unknown)).status == 404


# One market


async def test_before_its_first_session_an_instrument_is_unknown(simulator: Any, clock: Any) -> None:
    assert (await simulator.get("/instruments/equities/SPY")).status == 200
    clock.at = datetime(2004, 11, 1, 16, 0, tzinfo=UTC)  # GLD's first session was 2004-11-18
    await simulator.login()
    assert (await simulator.get("/instruments/equities/GLD")).status == 404
    assert (await simulator.get("/market-metrics?symbols=GLD,SPY")).items[0]["symbol"] == "SPY"
    assert (await simulator.get("/option-chains/GLD/nested")).status == 404
    assert (await simulator.get("/market-data/by-type?equity=GLD&future=/GCZ4&cryptocurrency=BTC/USD")).items == []
    assert (await simulator.get("/accounts/5WT00001/positions")).items == []


async def test_snapshot_metrics_and_account_speak_of_one_price(simulator: Any) -> None:
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


async def test_two_servers_of_one_seed_agree(simulator: Any, clock: Any) -> None:
    paths = ("/market-metrics?symbols=AAPL,SPX", "/option-chains/F/nested", "/accounts/5WT00002/balances/USD")
    first = [(await simulator.get(path)).body for path in paths]
    async with serving(build_simulator(clock=clock)) as url:
        simulator.url = url
        await simulator.login()
        assert [(await simulator.get(path)).body for path in paths] == first


async def test_every_answer_says_that_it_is_simulated(simulator: Any) -> None:
    for path in ("/customers/me", "/nowhere", "/simulator", "/realtime"):
        headers = (await simulator.get(path)).headers
        assert (headers["X-Simulated"], headers["Server"]) == ("true", "ttapi-simulator")


# Watchlists


@pytest.mark.parametrize(
    "body", [b"{}", b'{"name": ""}', b'{"name": "x", "watchlist-entries": [1]}', b"nonsense", b"[]"]
)
async def test_a_watchlist_without_name_or_with_odd_entries_is_refused(simulator: Any, body: bytes) -> None:
    assert (await simulator.post("/watchlists", data=body)).status == 400


async def test_renaming_a_watchlist_onto_another_is_refused(simulator: Any) -> None:
    for name in ("one", "two"):
        assert (await simulator.post("/watchlists", json={"name": name})).status == 201
    assert (await simulator.request("PUT", "/watchlists/one", json={"name": "two"})).status == 422
    assert (await simulator.request("PUT", "/watchlists/one", json={"name": "three"})).status == 200
    assert [row["name"] for row in (await simulator.get("/watchlists")).items] == ["two", "three"]
    assert (await simulator.request("DELETE", "/watchlists/one")).status == 404


# Transactions


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
async def test_transactions_filter(simulator: Any, query: str, count: int) -> None:
    reply = await simulator.get(f"/accounts/5WT00001/transactions?sort=Asc&{query}")
    assert reply.json["pagination"]["total-items"] == count
    dates = [date.fromisoformat(row["transaction-date"]) for row in reply.items]
    assert dates == sorted(dates)


# Garbage


async def _raw(url: str, *, data: bytes) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(4096), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\x16\x03\x01garbage\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000_000 + b"\r\n\r\n",
        b"GET /" + b"%2F" * 10_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /%zz%00%ff?%=%&&&[]== HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nConnection: close\r\n\r\n",
        b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nContent-Length: 99999999\r\n\r\n{}",
        b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET",
        b"",
    ],
    ids=[
        "binary",
        "no version",
        "version",
        "huge header",
        "long path",
        "bad escapes",
        "short",
        "chunks",
        "cut",
        "none",
    ],
)
async def test_garbage_neither_stops_the_server_nor_gets_data(simulator: Any, data: bytes) -> None:
    answer = await _raw(simulator.url, data=data)
    assert b" 200 " not in answer.split(b"\r\n", 1)[0]
    assert (await simulator.get("/customers/me")).status == 200


async def test_a_body_beyond_the_limit_is_a_413(simulator: Any) -> None:
    reply = await simulator.post("/watchlists", data=b"[" + b"1," * 200_000 + b"1]")
    assert reply.status == 413


async def test_idle_connections_do_not_keep_others_out(simulator: Any) -> None:
    parts = urlsplit(simulator.url)
    idle = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(200)]
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{simulator.url}/simulator") as response:
            assert response.status == 200
    finally:
        for _, writer in idle:
            writer.close()
