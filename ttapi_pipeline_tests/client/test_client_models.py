# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows are read as the examples of docs/protocols/tastytrade.md say, and what is broken is set aside."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.client.models import (
    Balance,
    Equity,
    MarketData,
    MarketHolidays,
    MarketMetrics,
    OptionRoot,
    QuoteToken,
    Watchlist,
)
from ttapi_pipeline.client.payloads import MAX_MESSAGE_CHARS, error_message, list_decoder, lost_in, single_decoder
from ttapi_pipeline.core.errors import PayloadError
from ttapi_pipeline_tests.support.examples import examples

METRICS = list_decoder(MarketMetrics)
EQUITIES = list_decoder(Equity)
SNAPSHOTS = list_decoder(MarketData)
ROOTS = list_decoder(OptionRoot)

# A row as tastytrade writes one: decimals are strings, counts are numbers, fields without a value are left out.
AAPL: dict[str, Any] = {
    "symbol": "AAPL",
    "implied-volatility-index": "0.2412",
    "implied-volatility-index-5-day-change": "-0.0125",
    "implied-volatility-30-day": "27.16",
    "liquidity-rating": 4,
    "market-cap": 3846000000000,
    "updated-at": "2026-11-20T20:54:11.250Z",
    "option-expiration-implied-volatilities": [
        {"expiration-date": "2026-12-18", "option-chain-type": "Standard", "settlement-type": "PM",
         "implied-volatility": "0.2481"},
        {"expiration-date": "2028-12-15", "option-chain-type": "Standard", "settlement-type": "PM"},
    ],
    "liquidity-running-state": {"sum": "39000000.5", "count": 48, "started-at": "2026-11-16T11:00:00.000Z"},
    "corr-spy-3month": "0.79",
    "dividend-ex-date": "2026-11-09",
    "earnings": {"visible": True, "expected-report-date": "2027-01-28", "late-flag": 0, "time-of-day": "AMC"},
    "a-field-of-next-year": {"x": [1]},
}  # fmt: skip


def body(*rows: object, **beside: object) -> bytes:
    return json.dumps({"data": {"items": list(rows)}, **beside}).encode()


def test_a_snapshot_is_read_as_the_documents_write_one() -> None:
    # docs/protocols/tastytrade.md, "Market data".
    text = """{"symbol": "AAPL", "instrument-type": "Equity", "updated-at": "2026-11-20T20:59:58.535Z",
        "bid": "251.55", "bid-size": "2.0", "ask": "251.6", "ask-size": "1.0", "mid": "251.575", "mark": "251.575",
        "last": "251.57", "open": "249.1", "day-high-price": "252.24", "day-low-price": "248.37",
        "close-price-type": "Regular", "prev-close": "248.9", "summary-date": "2026-11-20",
        "is-trading-halted": false, "halt-start-time": -1, "volume": "35350000.0"}"""
    (row,) = SNAPSHOTS(body(json.loads(text), pagination=None, context="/market-data/by-type"), "GET /x").rows
    assert (row.bid, row.bid_size, row.ask, row.ask_size, row.last) == (251.55, 2.0, 251.6, 1.0, 251.57)
    assert (row.open, row.day_high_price, row.day_low_price, row.close) == (249.1, 252.24, 248.37, None)
    assert (row.prev_close, row.volume, row.summary_date) == (248.9, 35_350_000.0, date(2026, 11, 20))
    assert row.updated_at == datetime(2026, 11, 20, 20, 59, 58, 535_000, tzinfo=UTC)
    assert row.is_trading_halted is False


def test_metrics_are_read_in_the_units_of_the_wire() -> None:
    (row,) = METRICS(body(AAPL), "GET /x").rows
    assert row.implied_volatility_index == 0.2412
    assert row.implied_volatility_index_5_day_change == -0.0125
    assert row.implied_volatility_30_day == 27.16
    assert row.market_cap == 3_846_000_000_000
    assert row.liquidity_rating == 4
    assert row.corr_spy_3month == 0.79
    assert row.updated_at == datetime(2026, 11, 20, 20, 54, 11, 250_000, tzinfo=UTC)
    assert row.dividend_ex_date == date(2026, 11, 9)
    near, far = row.option_expiration_implied_volatilities
    assert (near.expiration_date, near.implied_volatility) == (date(2026, 12, 18), 0.2481)
    assert far.implied_volatility is None
    assert row.earnings is not None
    assert row.earnings.expected_report_date == date(2027, 1, 28)
    assert row.beta is None


def test_a_symbol_without_options_is_a_row_too() -> None:
    (row,) = METRICS(body({"symbol": "NOOPT", "market-cap": 125000000}), "GET /x").rows
    assert (row.implied_volatility_index, row.option_expiration_implied_volatilities) == (None, ())


@pytest.mark.parametrize(
    ("field", "value", "lost"),
    [
        ("implied-volatility-index", "NaN", "implied-volatility-index"),
        ("implied-volatility-index", "-inf", "implied-volatility-index"),
        ("implied-volatility-index", "a lot", "implied-volatility-index"),
        ("implied-volatility-index", ["0.2"], "implied-volatility-index"),
        ("market-cap", {"amount": 1}, "market-cap"),
        ("liquidity-rating", "N/A", "liquidity-rating"),
        ("borrow-rate", "", "borrow-rate"),
        ("updated-at", "2026-11-20T20:54:11", "updated-at"),
        ("updated-at", "yesterday", "updated-at"),
        ("dividend-ex-date", "2026-02-30", "dividend-ex-date"),
        ("dividend-ex-date", "2026-11-09T00:00:00.000Z", "dividend-ex-date"),
        ("option-expiration-implied-volatilities", None, "option-expiration-implied-volatilities"),
        (
            "option-expiration-implied-volatilities",
            [{"implied-volatility": "0.2"}],
            "option-expiration-implied-volatilities[]",
        ),
        ("earnings", {"visible": True, "actual-eps": "NaN"}, "earnings.actual-eps"),
        ("earnings", "none", "earnings"),
    ],
)
def test_a_field_that_cannot_be_read_costs_no_other(field: str, value: object, lost: str) -> None:
    page = METRICS(body(AAPL, {"symbol": "BAD", "beta": "1.2", field: value}, {"symbol": "NOOPT"}), "GET /x")
    assert [row.symbol for row in page.rows] == ["AAPL", "BAD", "NOOPT"]
    assert page.rejected == []
    assert [row.lost_fields for row in page.rows] == [(), (lost,), ()]
    assert page.rows[1].beta == 1.2


def test_one_expiration_without_a_number_costs_that_number() -> None:
    expirations = [
        {"expiration-date": "2026-12-18", "implied-volatility": "NaN"},
        {"expiration-date": "2027-01-15", "implied-volatility": "0.25"},
        {"expiration-date": "soon", "implied-volatility": "0.26"},
    ]
    (row,) = METRICS(body({"symbol": "A", "option-expiration-implied-volatilities": expirations}), "GET /x").rows
    read = [(each.expiration_date, each.implied_volatility) for each in row.option_expiration_implied_volatilities]
    assert read == [(date(2026, 12, 18), None), (date(2027, 1, 15), 0.25)]
    name = "option-expiration-implied-volatilities[]"
    assert lost_in([row]) == {f"{name}.implied-volatility": 1, name: 1}


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_know_costs_its_field(word: str) -> None:
    text = body(AAPL | {"beta": "here"}, {"symbol": "B"}).replace(b'"here"', word.encode())
    page = METRICS(text, "GET /x")
    assert [(row.symbol, row.beta, row.lost_fields) for row in page.rows] == [
        ("AAPL", None, ("beta",)),
        ("B", None, ()),
    ]
    assert page.rows[0].implied_volatility_index == 0.2412


def test_fields_that_no_table_holds_are_not_read() -> None:
    equity = {
        "symbol": "AAPL",
        "cusip": 37833100,
        "tick-sizes": [{"value": ""}, {"value": "NaN"}],
        "option-tick-sizes": None,
        "borrow-rate": "N/A",
    }
    (row,) = EQUITIES(body(equity), "GET /x").rows
    assert (row.symbol, row.option_tick_sizes, row.lost_fields) == ("AAPL", None, ())
    root = {"root-symbol": "F", "underlying-symbol": "F", "deliverables": [{"percent": "N/A"}], "tick-sizes": ["x"]}
    (read,) = ROOTS(body(root), "GET /x").rows
    assert read.lost_fields == ()
    balance = b'{"data": {"account-number": 5, "bond-margin-requirement": "", "cash-balance": "3.5"}}'
    read_balance = single_decoder(Balance)(balance, "GET /x")
    assert (read_balance.cash_balance, read_balance.lost_fields) == (3.5, ("account-number",))


def test_a_strike_that_cannot_be_read_costs_no_other() -> None:
    strikes = [{"strike-price": "2.5"}, {"strike-price": ""}, {"strike-price": "NaN"}, {"strike-price": "5"}]
    root = {
        "root-symbol": "F",
        "underlying-symbol": "F",
        "expirations": [{"expiration-date": "2026-12-18", "strikes": strikes}, {"strikes": []}],
    }
    (read,) = ROOTS(body(root), "GET /x").rows
    (expiration,) = read.expirations
    assert [strike.strike_price for strike in expiration.strikes] == [2.5, 5.0]
    assert lost_in([read]) == {"expirations[].strikes[]": 2, "expirations[]": 1}


def test_a_row_without_a_readable_symbol_is_named_by_its_place() -> None:
    page = EQUITIES(body({"symbol": "AAPL"}, {"symbol": ""}, 7, None, {"symbol": 5}), "GET /x")
    assert [name for name, _ in page.rejected] == ["row 2", "row 3", "row 4", "row 5"]


def test_a_nested_chain_keeps_roots_expirations_and_strikes() -> None:
    root = {
        "underlying-symbol": "F", "root-symbol": "F", "option-chain-type": "Standard", "shares-per-contract": 100,
        "tick-sizes": [{"value": "0.01", "threshold": "3.0"}, {"value": "0.05"}],
        "expirations": [{"expiration-type": "Regular", "expiration-date": "2026-12-18", "days-to-expiration": 28,
                         "settlement-type": "PM", "strikes": [
                             {"strike-price": "2.02", "call": "F     261218C00002020",
                              "call-streamer-symbol": ".F261218C2.02", "put": "F     261218P00002020"}]}],
    }  # fmt: skip
    (read,) = ROOTS(body(root), "GET /x").rows
    (expiration,) = read.expirations
    (strike,) = expiration.strikes
    assert strike.strike_price == 2.02


def test_holidays_and_watchlists_have_keys_of_their_own() -> None:
    holidays = single_decoder(MarketHolidays)(
        b'{"data": {"market-holidays": ["2026-11-26"], "market-half-days": ["2026-11-27"]}}', "GET /x"
    )
    assert (holidays.holidays, holidays.half_days) == ((date(2026, 11, 26),), (date(2026, 11, 27),))
    watchlist = single_decoder(Watchlist)(
        b'{"data": {"name": "S&P 500", "watchlist-entries": [{"symbol": "AAPL"}, {"instrument-type": "Equity"}]}}', "x"
    )
    assert [entry.symbol for entry in watchlist.entries] == ["AAPL", None]


@pytest.mark.parametrize(
    "text", ["", "<html>", '{"data": {"items": [', "\x00", '{"data": {"items": [{"symbol": "\xff"']
)
def test_a_body_that_is_not_json_is_worth_asking_for_again(text: str) -> None:
    with pytest.raises(PayloadError, match=r"GET /x: the body of .* is not JSON") as caught:
        METRICS(text.encode("latin-1"), "GET /x")
    assert caught.value.retryable


@pytest.mark.parametrize("text", ["[]", "{}", '{"data": null}', '{"data": {"items": {}}}', '{"data": []}', "7"])
def test_a_body_of_another_shape_is_not_asked_for_again(text: str) -> None:
    with pytest.raises(PayloadError, match="GET /x: breaks its contract") as caught:
        METRICS(text.encode(), "GET /x")
    assert not caught.value.retryable


def test_a_single_row_that_breaks_its_contract_names_the_request() -> None:
    with pytest.raises(PayloadError, match=r"GET /x: breaks its contract.*name"):
        single_decoder(Watchlist)(b'{"data": {"name": 5}}', "GET /x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"error": {"code": "unauthorized", "message": "No"}}', "unauthorized: No"),
        (
            '{"error": {"code": 1, "message": 0, "errors": [{"domain": "a", "reason": 7}, {"code": 2, "message": 3}]}}',
            "1: 0 (a 7; 2: 3)",
        ),
        ('{"error": {"code": 406, "message": "Too old"}}', "406: Too old"),
        ('{"error": {"message": "No"}}', "No"),
        ('{"error": {"code": "only_code"}}', "only_code"),
        ('{"error": "invalid_grant"}', "invalid_grant"),
        ('{"error": "invalid_grant", "error_description": "Grant revoked"}', "invalid_grant: Grant revoked"),
        ("<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>", "502 Bad Gateway"),
        ("<center>no &amp; title</center>", "no & title"),
        ("", "no message"),
        ("[1, 2]", "[1,2]"),
        ('{"error": {"code": 1, "message": "No", "errors": [2]}}', "1: No (2)"),
        ('{"error": "a\\nb\\u001b[31m"}', "a b [31m"),
    ],
)
def test_an_error_body_of_any_form_becomes_one_line(text: str, said: str) -> None:
    assert error_message(text.encode()) == said


def test_an_error_message_repeats_no_secret() -> None:
    text = b'{"error": {"code": "bad", "message": "token abc-secret is unknown"}}'
    assert error_message(text, secrets=["abc-secret", ""]) == "bad: token *** is unknown"


def test_a_quote_token_does_not_show_itself() -> None:
    assert "canary" not in repr(QuoteToken(token="canary", url="ws://x"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
field_names = st.sampled_from([name.replace("_", "-") for name in MarketMetrics.__struct_fields__])


@settings(max_examples=examples(60))
@given(st.lists(st.dictionaries(field_names, json_values, max_size=6) | json_values, max_size=5))
def test_every_row_is_either_read_or_set_aside(rows: list[object]) -> None:
    page = METRICS(body(AAPL, *rows, AAPL), "GET /x")
    assert len(page.rows) + len(page.rejected) == len(rows) + 2
    assert page.rows[0] == page.rows[-1]


@given(st.binary(max_size=400) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_raises_anything_but_a_payload_error(raw: bytes) -> None:
    for decode in (METRICS, single_decoder(Watchlist)):
        try:
            decode(raw, "GET /x")
        except PayloadError as error:
            assert str(error).startswith("GET /x: ")  # noqa: PT017 - a body may well be good
    message = error_message(raw)
    assert 0 < len(message) <= MAX_MESSAGE_CHARS
    assert not any(unicodedata.category(character) == "Cc" for character in message)
