# SPDX-License-Identifier: MIT
"""`returns_stddev`: from MetaStock files and expirations to the golden values, and what it joins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.eod_snapshot.build import build_eod_snapshot
from ttapi_pipeline.datasets.eod_snapshot.reading import last_final_session
from ttapi_pipeline.datasets.implied_volatility.table import IMPLIED_VOLATILITY
from ttapi_pipeline.datasets.returns_stddev.build import build_returns_stddev

CalendarFrame = Callable[[date, date], pl.DataFrame]
ExpirationsFrame = Callable[[Mapping[str, Sequence[date]]], pl.DataFrame]
CandlesFrame = Callable[[Mapping[str, Mapping[date, float]]], pl.DataFrame]
Table = Callable[[str, Sequence[Mapping[str, object]]], pl.DataFrame]

NO_CANDLES = pl.LazyFrame(schema=DAILY_CANDLES.polars)
NO_IMPLIED = pl.LazyFrame(schema=IMPLIED_VOLATILITY.polars)

# docs/volatility.md, "Golden values": annualised close-close deviation of the last h sessions; deviation of h-session
# returns in the 252 before, corrected for overlap, and annualised.
GOLDEN_DAILY = {
    "SPX": {10: "0.354099", 21: "0.285244", 63: "0.237552"},
    "AAPL": {10: "0.210692", 21: "0.261666", 63: "0.411304"},
}
GOLDEN_HORIZON = {
    "SPX": {
        5: (248, "0.023652", "0.023845", "0.169280"),
        21: (232, "0.036152", "0.037770", "0.130840"),
        42: (211, "0.047974", "0.053043", "0.129928"),
        63: (190, "0.060735", "0.072140", "0.144281"),
    },
    "AAPL": {
        5: (248, "0.042279", "0.042622", "0.302589"),
        21: (232, "0.082304", "0.085988", "0.297870"),
        42: (211, "0.122392", "0.135323", "0.331471"),
        63: (190, "0.156374", "0.185740", "0.371480"),
    },
}
LAST = {"SPX": date(2018, 12, 31), "AAPL": date(2013, 3, 1)}


@pytest.mark.parametrize("symbol", ["SPX", "AAPL"])
def test_real_prices_from_metastock_files_give_the_golden_values(
    symbol: str,
    real_metastock_folder: Callable[[str], Path],
    calendar_frame: CalendarFrame,
    expirations_frame: ExpirationsFrame,
    now: datetime,
) -> None:
    calendar = calendar_frame(date(1998, 1, 2), date(2020, 12, 31)).lazy()
    snapshot = build_eod_snapshot(
        real_metastock_folder(symbol), NO_CANDLES, calendar, metastock_version="v"
    ).frame.lazy()
    ahead = sessions_between(LAST[symbol], date(2020, 12, 31))
    expirations = {horizon: ahead[horizon] for horizon in (1, 5, 10, 21, 42, 63)}
    built = build_returns_stddev(
        expirations_frame({symbol: list(expirations.values())}).lazy(),
        snapshot,
        NO_IMPLIED,
        calendar,
        now=now,
        lookback=252,
        annualization=252,
    )
    rows = {row["horizon_sessions"]: row for row in built.frame.lazy().collect().iter_rows(named=True)}
    assert set(rows) == set(expirations)
    for horizon, expected in GOLDEN_DAILY[symbol].items():
        assert f"{rows[horizon]['realized_volatility']:.6f}" == expected
        assert rows[horizon]["returns_stddev"] == pytest.approx(float(expected) / 252**0.5, abs=1e-7)
    for horizon, (count, plain, corrected, annualised) in GOLDEN_HORIZON[symbol].items():
        row = rows[horizon]
        assert row["horizon_returns_used"] == count
        assert f"{row['horizon_returns_stddev']:.6f}" == plain
        assert f"{row['horizon_returns_stddev_corrected']:.6f}" == corrected
        assert f"{row['horizon_volatility']:.6f}" == annualised
    if symbol == "SPX":
        assert f"{rows[1]['horizon_returns_stddev']:.6f}" == f"{rows[1]['returns_stddev_lookback']:.6f}" == "0.010754"
    assert {row["as_of_session"] for row in rows.values()} == {LAST[symbol]}


def test_each_series_gets_its_own_volatility_and_the_close_of_the_as_of_session(
    calendar_frame: CalendarFrame,
    candles_frame: CandlesFrame,
    expirations_frame: ExpirationsFrame,
    table: Table,
    now: datetime,
) -> None:
    calendar = calendar_frame(date(2026, 1, 2), date(2026, 12, 31)).lazy()
    sessions = sessions_between(date(2026, 9, 1), date(2026, 11, 20))
    closes = {session: 100.0 + index % 2 for index, session in enumerate(sessions)}
    snapshot = candles_frame({"AAA": closes}).lazy().with_columns(adjustment=pl.lit("raw"))
    december = date(2026, 12, 18)
    implied = table(
        "implied_volatility",
        [
            {
                "symbol": "AAA",
                "expiration_date": december,
                "settlement_type": settlement,
                "option_chain_type": "Standard",
                "implied_volatility": value,
            }
            for settlement, value in (("PM", 0.25), ("AM", 0.75))
        ],
    )
    series = expirations_frame({"AAA": [december], "NONE": [december]})
    built = build_returns_stddev(
        series.lazy(), snapshot, implied.lazy(), calendar, now=now, lookback=252, annualization=252
    )
    # In any order, as every dataset comes before it is published.
    known, unknown = built.frame.lazy().sort("symbol").collect().rows(named=True)
    assert known["implied_volatility"] == 0.25
    assert known["close"] == closes[date(2026, 11, 20)]
    # 2026-11-20 to 2026-12-18: four weeks of five sessions less Thanksgiving.
    assert (known["dte"], known["horizon_sessions"]) == (28, 19)
    assert known["iv_rv_spread"] == pytest.approx(0.25 - known["realized_volatility"])
    assert (known["cautions"], unknown["cautions"]) == ("unknown_adjustment", None)
    assert (unknown["returns_stddev"], unknown["returns_stddev_reason"]) == (None, "no_bars")
    assert built.statistics["symbols_without_bars"] == 1
    assert built.statistics["rows_without_implied_volatility"] == 1
    assert built.statistics["as_of_session"] == "2026-11-20"


def test_series_that_have_expired_are_left_out(
    calendar_frame: CalendarFrame, candles_frame: CandlesFrame, expirations_frame: ExpirationsFrame, now: datetime
) -> None:
    calendar = calendar_frame(date(2026, 1, 2), date(2026, 12, 31)).lazy()
    series = expirations_frame({"AAA": [date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 27)]}).lazy()
    snapshot = candles_frame({"AAA": {date(2026, 11, 20): 10.0}}).lazy().with_columns(adjustment=pl.lit("split"))
    built = build_returns_stddev(series, snapshot, NO_IMPLIED, calendar, now=now, lookback=252, annualization=252)
    frame = built.frame.lazy().sort("expiration_date").collect()
    assert frame["expiration_date"].to_list() == [date(2026, 11, 20), date(2026, 11, 27)]
    assert frame["returns_stddev_reason"].to_list()[0] == "zero_horizon"


def test_nothing_counts_from_a_bar_on_a_day_that_is_no_session_or_is_yet_to_come(
    calendar_frame: CalendarFrame, candles_frame: CandlesFrame
) -> None:
    calendar = calendar_frame(date(2026, 1, 2), date(2026, 12, 31)).lazy()
    snapshot = candles_frame(
        {"AAA": {date(2026, 11, 19): 1.0, date(2026, 11, 20): 1.0, date(2026, 11, 21): 1.0, date(2026, 12, 1): 1.0}}
    ).lazy()
    saturday = datetime(2026, 11, 21, 15, tzinfo=UTC)
    assert last_final_session(snapshot, calendar, now=saturday) == date(2026, 11, 20)
    friday_noon = datetime(2026, 11, 20, 17, tzinfo=UTC)
    assert last_final_session(snapshot, calendar, now=friday_noon) == date(2026, 11, 19)


def test_without_a_final_bar_there_is_no_session_to_count_from(calendar_frame: CalendarFrame, now: datetime) -> None:
    calendar = calendar_frame(date(2026, 1, 2), date(2026, 12, 31)).lazy()
    with pytest.raises(DataError, match="no final bar"):
        last_final_session(NO_CANDLES, calendar, now=now)
