# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What people have met on the feed, played by the simulator: what a run stores of it, and how it says what it lost."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import polars as pl

from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline_tests.support.worlds import FIRST, SYMBOLS

LAST = sessions_between(FIRST, date(2026, 11, 20))[::-1]
"""Sessions, the newest first, as the bars of a snapshot are."""


def spoil(
    world: Any, symbol: str, field: str, value: str, *, first: int = 0, rows: int = 1, kind: str = "Candle"
) -> None:
    """Have the feed send another value in some bars of a symbol, counted from the newest."""
    parameters = {"field": field, "value": value, "first": first, "rows": rows}
    world.exchange.fault("dx-event", f"{kind}/{symbol}", parameters=parameters)


def drop(world: Any, route: str, **parameters: float) -> None:
    """Have the feed leave events out."""
    world.exchange.fault("dx-drop", route, parameters=parameters)


def candles(world: Any) -> pl.DataFrame:
    return pl.read_parquet(world.data / "daily_candles.parquet").drop("fetched_at")


def bar(frame: pl.DataFrame, symbol: str, session: date) -> dict[str, Any] | None:
    found = frame.filter(symbol=symbol, session=session)
    return found.row(0, named=True) if found.height else None


def coverage(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = (
        each
        for each in result.get_asset_check_evaluations()
        if each.check_name == "coverage" and each.asset_key.to_user_string() == name
    )
    return found


def milliseconds(day: date) -> str:
    return str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000))


def test_values_and_times_that_cannot_be_cost_themselves_and_are_named(world: Any) -> None:
    before = candles(world)
    # In the window of ten sessions, where bars are stored, and far behind it.
    for number, value in enumerate(["Infinity", "-Infinity", "0", "-1", "1e308", "true", '"dear"']):
        spoil(world, "AAPL", "close", value, first=10 + number)
    # Of a close outside of its own low and high, nothing is believed; of a high or low far away, the rest.
    spoil(world, "AAPL", "close", "0.01")
    spoil(world, "AAPL", "close", "99999.99", first=20)
    spoil(world, "KO", "high", "99999", first=30)
    spoil(world, "KO", "low", "0.0001", first=31)
    for number, value in enumerate(["Infinity", "0", "-1", "1e308", "true"]):
        spoil(world, "KO", "volume", value, first=10 + number)
        spoil(world, "KO", "vwap", value, first=20 + number)
    spoil(world, "KO", "count", "NaN", first=3)
    spoil(world, "IBM", "time", "-86400000", first=5)
    spoil(world, "IBM", "time", milliseconds(date(2199, 1, 4)), first=30)
    spoil(world, "MSFT", "time", milliseconds(date(2026, 11, 23)))
    result = world.run("daily_candles", force=True)
    assert result.success
    after, stored = candles(world), world.manifest("daily_candles").provenance
    # Bars without a close, or of a time that cannot be, do not touch the stored ones.
    for symbol in ("AAPL", "IBM", "MSFT", "SPY", "BRK/B"):
        assert after.filter(symbol=symbol).equals(before.filter(symbol=symbol)), symbol
    for number in range(5):
        spoiled = bar(after, "KO", LAST[10 + number])
        assert spoiled == {**(bar(before, "KO", LAST[10 + number]) or {}), "volume": None}
        spoiled = bar(after, "KO", LAST[20 + number])
        assert spoiled == {**(bar(before, "KO", LAST[20 + number]) or {}), "vwap": None}
    assert bar(after, "KO", LAST[3]) == {**(bar(before, "KO", LAST[3]) or {}), "trade_count": None}
    for number, field in ((30, "high"), (31, "low")):
        assert bar(after, "KO", LAST[number]) == {**(bar(before, "KO", LAST[number]) or {}), field: None}
    fields = {"close": 9, "high": 1, "low": 1, "time": 3, "volume": 5, "vwap": 5}
    assert stored.lost == {f"candle.{name}": count for name, count in fields.items()}
    assert stored.missing == {}
    check = coverage(result, "daily_candles")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == "24 values could not be read"
    # Nothing of it is left behind: the next run is whole again.
    world.exchange.reset()
    assert world.run("daily_candles", force=True).success
    assert candles(world).equals(before)
    assert world.manifest("daily_candles").provenance.lost == {}


def test_silence_of_one_symbol_is_named_and_silence_of_all_fails(world: Any) -> None:
    before, first = candles(world), world.manifest("daily_candles")
    drop(world, "Candle/KO")
    drop(world, "Candle/IBM", first=0, rows=12)
    result = world.run("daily_candles", "eod_snapshot", force=True)
    assert result.success
    stored = world.manifest("daily_candles").provenance
    bars = before.filter(symbol="IBM").height
    assert dict(stored.missing) == {
        "IBM": f"the feed answered with {bars - 12} of the {bars} stored bars that it was asked for; the others stay",
        "KO": "the feed answered twice that it has no candles of it",
    }
    assert candles(world).equals(before)
    kept = pl.read_parquet(world.data / "daily_candles.parquet").filter(symbol="KO")
    assert set(kept["fetched_at"]) == {first.provenance.fetched_at}
    assert coverage(result, "daily_candles").description == "2 missing"
    drop(world, "Candle")
    second = world.manifest("daily_candles")
    result = world.run("daily_candles", force=True)
    assert not result.success
    said: Any = result.failure_data_for_node("daily_candles")
    assert "daily_candles: 6 of 6 are missing" in said.user_failure_data.description
    assert world.manifest("daily_candles") == second


def test_holes_of_answers_and_of_the_stored_table_are_filled_or_named(world: Any) -> None:
    before = candles(world)
    for suffix in ("parquet", "json", "csv"):
        (world.data / f"daily_candles.{suffix}").unlink()
    drop(world, "Candle/AAPL", first=100, rows=3)
    drop(world, "Candle/MSFT", first=0, rows=60)
    world.exchange.fault("dx-drop", "Candle/IBM", parameters={"share": 0.1, "first": 1, "rows": 400}, count=1, seed=5)
    result = world.run("daily_candles", force=True)
    assert result.success
    stored, after = world.manifest("daily_candles").provenance, candles(world)
    first, last = LAST[102], LAST[100]
    said = f"the feed has no bars of 3 sessions between others, from {first} to {last}"
    ended = f"the feed has no bar after {LAST[60]}, and 60 sessions have closed since"
    assert dict(stored.missing) == {"AAPL": said, "MSFT": ended}
    is_after_end = (pl.col("symbol") == "MSFT") & (pl.col("session") > LAST[60])
    is_hole = (pl.col("symbol") == "AAPL") & pl.col("session").is_between(first, last)
    # The answer of IBM lacked some forty bars, and the second answer had them.
    assert after.equals(before.filter(~is_hole & ~is_after_end))
    assert stored.statistics["holes_filled"] > 10
    absences = pl.read_parquet(world.data / "candle_absences.parquet")
    assert absences["session"].to_list() == [first, LAST[101], last, LAST[59]]
    # The feed has found them: without --force, too, they are asked for and put in.
    world.exchange.reset()
    world.clock.at = world.clock.at.replace(hour=23)
    assert world.run("daily_candles", force=True).success
    assert candles(world).equals(before)
    assert world.manifest("daily_candles").provenance.missing == {}
    assert pl.read_parquet(world.data / "candle_absences.parquet").is_empty()


def test_quotes_have_no_placeholder_for_a_price(world: Any) -> None:
    before = pl.read_parquet(world.data / "quotes.parquet").drop("fetched_at", "received_at")
    spoiled = {
        ("AAPL", "Quote", "bidPrice", "0"): ("bid_price", "bid_size", "mid_price", "spread"),
        ("IBM", "Quote", "askPrice", "Infinity"): ("ask_price", "ask_size", "mid_price", "spread"),
        ("KO", "Trade", "price", "-1"): ("last_price",),
        ("MSFT", "Summary", "prevDayClosePrice", "1e308"): ("previous_close",),
        ("SPY", "Summary", "dayLowPrice", "true"): ("day_low",),
        ("BRK/B", "Trade", "time", "-5"): ("last_trade_at",),
    }
    for symbol, kind, field, value in spoiled:
        spoil(world, symbol, field, value, kind=kind)
    result = world.run("quotes", force=True)
    assert result.success
    after = pl.read_parquet(world.data / "quotes.parquet").drop("fetched_at", "received_at")
    for (symbol, *_), columns in spoiled.items():
        (was,), (now,) = (frame.filter(symbol=symbol).rows(named=True) for frame in (before, after))
        assert now == {**was, **dict.fromkeys(columns)}, symbol
    stored = world.manifest("quotes").provenance
    # A zero is how the feed says that nobody bids, and no loss.
    assert stored.lost == {
        "Quote.askPrice": 1,
        "Summary.dayLowPrice": 1,
        "Summary.prevDayClosePrice": 1,
        "Trade.price": 1,
        "Trade.time": 1,
    }
    assert coverage(result, "quotes").description == "5 values could not be read"
    assert set(SYMBOLS) == set(after["symbol"])
