# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`returns_stddev`: from MetaStock files and expirations to the golden values, and what it joins."""

from __future__ import annotations

import math
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
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline_tests.support.series import build_series

CalendarFrame = Callable[[date, date], pl.DataFrame]
ExpirationsFrame = Callable[[Mapping[str, Sequence[date]]], pl.DataFrame]
CandlesFrame = Callable[[Mapping[str, Mapping[date, float]]], pl.DataFrame]
Table = Callable[[str, Sequence[Mapping[str, object]]], pl.DataFrame]

_OPEN = pl.col("close").shift().fill_null(pl.col("close")) ** (2 / 3) * pl.col("close") ** (1 / 3)
NIGHTS: Mapping[str, pl.Expr] = {
    "open": _OPEN,
    "high": pl.max_horizontal(_OPEN, "close"),
    "low": pl.min_horizontal(_OPEN, "close"),
}
"""Opens a third of the way, in logarithms, from the close before to the close."""

NO_CANDLES = pl.LazyFrame(schema=DAILY_CANDLES.polars)

# docs/volatility.md, "Golden values": annualised close-close deviation of the last h sessions; number, root mean square
# and centred deviation of h-session returns in the year, or ten horizons, before.
GOLDEN_DAILY = {
    "SPX": {10: "0.354099", 21: "0.285244", 63: "0.237552"},
    "AAPL": {10: "0.210692", 21: "0.261666", 63: "0.411304"},
}
GOLDEN_HORIZON = {
    "SPX": {
        5: (248, "0.023679", "0.023845"),
        21: (232, "0.036663", "0.037770"),
        42: (379, "0.044610", "0.045928"),
        63: (568, "0.052587", "0.049168"),
    },
    "AAPL": {
        5: (248, "0.042388", "0.042622"),
        21: (232, "0.084551", "0.085988"),
        42: (379, "0.148004", "0.153733"),
        63: (568, "0.167699", "0.166038"),
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
    built = build_series(
        now,
        expiration_series=expirations_frame({symbol: list(expirations.values())}),
        eod_snapshot=snapshot,
        trading_calendar=calendar,
    )
    rows = {row["horizon_sessions"]: row for row in built.frame.lazy().collect().iter_rows(named=True)}
    assert set(rows) == set(expirations)
    for horizon, expected in GOLDEN_DAILY[symbol].items():
        assert f"{rows[horizon]['realized_volatility']:.6f}" == expected
        assert rows[horizon]["returns_stddev"] == pytest.approx(float(expected) / 252**0.5, abs=1e-7)
    for horizon, (count, usual, centered) in GOLDEN_HORIZON[symbol].items():
        row = rows[horizon]
        assert row["horizon_returns_used"] == count
        assert f"{row['usual_move']:.6f}" == usual
        assert f"{row['usual_move_centered']:.6f}" == centered
    if symbol == "SPX":
        assert f"{rows[1]['usual_move_centered']:.6f}" == f"{rows[1]['returns_stddev_lookback']:.6f}" == "0.010754"
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
    built = build_series(
        now, expiration_series=series, eod_snapshot=snapshot, implied_volatility=implied, trading_calendar=calendar
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
    built = build_series(now, expiration_series=series, eod_snapshot=snapshot, trading_calendar=calendar)
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


FRIDAY = date(2026, 11, 20)
"""The as-of session of `now`, a Saturday."""


class TestMoments:
    """Prices, implied volatilities and events of one row, and what is said where they do not go together."""

    @pytest.fixture
    def build(
        self,
        calendar_frame: CalendarFrame,
        candles_frame: CandlesFrame,
        expirations_frame: ExpirationsFrame,
        table: Table,
        now: datetime,
    ) -> Callable[..., pl.DataFrame]:
        """Rows of AAA from 200 sessions and an implied volatility of Friday's close; arguments change them."""

        def make(
            *,
            expirations: Sequence[date] = (date(2026, 12, 18),),
            computed: datetime | None = datetime(2026, 11, 20, 21, tzinfo=UTC),
            settlement: str = "PM",
            symbol: str = "AAA",
            **more: Mapping[str, object],
        ) -> pl.DataFrame:
            sessions = sessions_between(date(2026, 1, 2), FRIDAY)[-200:]
            closes = {day: 100.0 + index * 7 % 3 for index, day in enumerate(sessions)}
            snapshot = candles_frame({symbol: closes}).with_columns(adjustment=pl.lit("split"), **NIGHTS)
            series = expirations_frame({symbol: expirations}).with_columns(settlement_type=pl.lit(settlement))
            implied = [
                {
                    "symbol": symbol,
                    "expiration_date": day,
                    "settlement_type": settlement,
                    "option_chain_type": "Standard",
                    "implied_volatility": 0.25,
                    "implied_volatility_at": computed,
                    "fetched_at": datetime(2026, 11, 18, 20, tzinfo=UTC),
                }
                for day in expirations
            ]
            facts = {"symbol": symbol, "is_etf": False, "is_index": False, **more.get("symbols", {})}
            reports = [{"symbol": symbol, **more["earnings"]}] if "earnings" in more else []
            built = build_series(
                now,
                expiration_series=series,
                eod_snapshot=snapshot,
                implied_volatility=table("implied_volatility", implied),
                symbols=table("symbols", [facts]),
                earnings=table("earnings", reports),
                trading_calendar=calendar_frame(date(2026, 1, 2), date(2027, 12, 31)),
            )
            assert isinstance(built.frame, pl.DataFrame)
            return built.frame.sort("expiration_date")

        return make

    def test_a_row_says_how_its_figures_are_made(self, build: Callable[..., pl.DataFrame]) -> None:
        (row,) = build().rows(named=True)
        assert (row["last_session"], row["implied_volatility_at"]) == (FRIDAY, datetime(2026, 11, 20, 21, tzinfo=UTC))
        assert row["expected_move"] == pytest.approx(row["close"] * 0.25 * (28 / 365) ** 0.5)
        assert row["move_ratio"] == pytest.approx(row["expected_move"] / row["close"] / row["forecast_move"])
        assert row["move_ratio_z"] == pytest.approx(math.log(row["move_ratio"]) / row["forecast_move_rel_error"])
        assert (row["adjustment"], row["sessions_left"], row["lookback_sessions"]) == ("split", 19.0, 199)
        assert row["clock_ratio"] == pytest.approx((28 / 365 / (19 / 252)) ** 0.5)

    @pytest.mark.parametrize(
        ("computed", "reason"),
        [
            # Friday's open is 14:30, Monday's and Tuesday's are the next ones, UTC.
            (datetime(2026, 11, 20, 14, 29, tzinfo=UTC), "stale_implied_volatility"),
            (datetime(2026, 11, 20, 14, 30, tzinfo=UTC), None),
            (datetime(2026, 11, 24, 14, 29, tzinfo=UTC), None),
            (datetime(2026, 11, 24, 14, 30, tzinfo=UTC), "stale_close"),
            # The broker does not say: the moment of the fetch counts, a Wednesday.
            (None, "stale_implied_volatility"),
        ],
    )
    def test_a_volatility_of_another_session_is_not_divided_into_the_price(
        self, build: Callable[..., pl.DataFrame], computed: datetime | None, reason: str | None
    ) -> None:
        (row,) = build(computed=computed).rows(named=True)
        compared = ("expected_move", "move_ratio", "move_ratio_z", "share_inside_expected_move", "iv_rv_spread")
        assert {row[name] is None for name in compared} == {reason is not None}
        assert (row["expected_move_reason"], row["move_ratio_reason"]) == (reason, reason)
        assert row["implied_volatility"] == 0.25
        assert row["usual_move"] is not None

    @pytest.mark.parametrize(
        ("announced", "time", "expected"),
        [
            (date(2026, 12, 17), None, True),
            (date(2026, 12, 18), "BTO", True),
            (date(2026, 12, 18), "AMC", False),
            (date(2026, 12, 18), None, None),
            (date(2027, 1, 28), None, False),
            # After Friday's close it lies ahead; before its open it is in the price, and the next one is not known.
            (FRIDAY, "AMC", True),
            (FRIDAY, "BTO", None),
            (FRIDAY, None, None),
        ],
    )
    def test_reports_before_the_expiration(
        self, build: Callable[..., pl.DataFrame], announced: date, time: str | None, expected: bool | None
    ) -> None:
        rows = build(earnings={"announced_date": announced, "time_of_day": time})
        assert rows["has_earnings_before_expiration"].to_list() == [expected]

    def test_a_fund_reports_nothing_and_silence_says_nothing(self, build: Callable[..., pl.DataFrame]) -> None:
        assert build(symbols={"is_etf": True})["has_earnings_before_expiration"].to_list() == [False]
        assert build()["has_earnings_before_expiration"].to_list() == [None]

    @pytest.mark.parametrize(
        ("ex_date", "following", "paid", "expected"),
        [
            (date(2026, 12, 18), None, None, 0.4),
            (date(2026, 12, 21), None, None, 0.0),
            (date(2026, 9, 10), date(2026, 12, 10), date(2026, 9, 30), 0.4),
            # The next date is the payment of the last dividend, and no ex-date.
            (date(2026, 11, 9), date(2026, 12, 1), date(2026, 12, 1), None),
            (date(2026, 9, 10), None, None, None),
        ],
    )
    def test_dividends_before_the_expiration(
        self,
        build: Callable[..., pl.DataFrame],
        ex_date: date,
        following: date | None,
        paid: date | None,
        expected: float | None,
    ) -> None:
        dates = {"dividend_ex_date": ex_date, "dividend_next_date": following, "dividend_pay_date": paid}
        rows = build(symbols={**dates, "dividend_rate_per_share": 0.4})
        assert rows["dividend_before_expiration"].to_list() == [expected]

    @pytest.mark.parametrize(("expiration", "horizon"), [(date(2026, 11, 23), 1), (date(2026, 11, 30), 5)])
    def test_am_settlement_counts_to_the_open(
        self, build: Callable[..., pl.DataFrame], expiration: date, horizon: int
    ) -> None:
        (pm,), (am,) = (build(expirations=[expiration], settlement=each).rows(named=True) for each in ("PM", "AM"))
        # Nights of a third of the way from close to close, days of two thirds: 1 : 4 in variance.
        assert (am["overnight_share"], am["is_overnight_share_typical"]) == (pytest.approx(0.2), False)
        assert (pm["sessions_left"], am["sessions_left"]) == (horizon, pytest.approx(horizon - 1 + 0.2))
        scale = ((horizon - 0.8) / horizon) ** 0.5
        for name in ("usual_move", "forecast_move", "absolute_move_p68"):
            assert am[name] == pytest.approx(pm[name] * scale)
        assert am["move_ratio"] == pytest.approx(pm["move_ratio"] / scale)

    def test_few_sessions_and_options_on_a_future_say_what_they_are(self, build: Callable[..., pl.DataFrame]) -> None:
        dates = [date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 27), date(2026, 11, 30)]
        rows = build(symbol="VIX", expirations=dates, symbols={"is_index": True})
        assert rows["horizon_sessions"].to_list() == [0, 1, 4, 5]
        few, future = "few_sessions written_on_future", "written_on_future"
        assert rows["cautions"].to_list() == [future, few, few, future]
        assert rows["is_written_on_future"].all()
        # From a Friday to a Monday, three days of implied volatility meet one session.
        assert rows["clock_ratio"][1] == pytest.approx(1.44, abs=0.005)

    def test_an_index_without_volume_is_no_caution_and_a_share_is(
        self, calendar_frame: CalendarFrame, candles_frame: CandlesFrame, expirations_frame: ExpirationsFrame
    ) -> None:
        closes = {day: 100.0 + index % 2 for index, day in enumerate(sessions_between(date(2026, 9, 1), FRIDAY))}
        names = ["AAA", "SPX"]
        built = build_series(
            datetime(2026, 11, 21, 15, tzinfo=UTC),
            expiration_series=expirations_frame({name: [date(2026, 12, 18)] for name in names}),
            eod_snapshot=candles_frame(dict.fromkeys(names, closes)).with_columns(
                adjustment=pl.lit("split"), volume=0.0
            ),
            symbols=pl.DataFrame({"symbol": names, "is_etf": False, "is_index": [False, True]}, strict=False).select(
                pl.col(name) if name in ("symbol", "is_etf", "is_index") else pl.lit(None, dtype).alias(name)
                for name, dtype in DATASETS["symbols"].schema.polars.items()
            ),
            trading_calendar=calendar_frame(date(2026, 1, 2), date(2026, 12, 31)),
        )
        assert isinstance(built.frame, pl.DataFrame)
        assert dict(built.frame.select("symbol", "cautions").rows()) == {"AAA": "zero_volume", "SPX": None}


def test_the_build_draws_its_moves_and_the_cone_with_the_implied_volatility_of_today(
    calendar_frame: CalendarFrame, candles_frame: CandlesFrame, expirations_frame: ExpirationsFrame, now: datetime
) -> None:
    closes = {day: 100.0 + place * 7 % 3 for place, day in enumerate(sessions_between(date(2026, 6, 1), FRIDAY))}
    built = build_series(
        now,
        expiration_series=expirations_frame({"AAA": [date(2026, 12, 18)]}),
        eod_snapshot=candles_frame({"AAA": closes}).with_columns(adjustment=pl.lit("split")),
        trading_calendar=calendar_frame(date(2026, 1, 2), date(2026, 12, 31)),
    )
    assert set(built.charts) == {"implied_and_forecast_moves", "volatility_cone_with_iv"}
    for chart in built.charts.values():
        assert chart(is_simulated=True).startswith(b"\x89PNG")


def test_a_symbol_whose_last_bar_is_older_has_no_figure_of_today(
    calendar_frame: CalendarFrame, candles_frame: CandlesFrame, expirations_frame: ExpirationsFrame, now: datetime
) -> None:
    sessions = sessions_between(date(2026, 8, 3), FRIDAY)
    closes = {day: 100.0 + index % 3 for index, day in enumerate(sessions)}
    halted = {day: close for day, close in closes.items() if day < FRIDAY}
    built = build_series(
        now,
        expiration_series=expirations_frame({"AAA": [date(2026, 12, 18)], "OLD": [date(2026, 12, 18)]}),
        eod_snapshot=candles_frame({"AAA": closes, "OLD": halted}).with_columns(adjustment=pl.lit("split")),
        trading_calendar=calendar_frame(date(2026, 1, 2), date(2026, 12, 31)),
    )
    assert isinstance(built.frame, pl.DataFrame)
    rows = {row["symbol"]: row for row in built.frame.rows(named=True)}
    assert rows["AAA"]["usual_move"] is not None
    old = rows["OLD"]
    assert old["last_session"] == date(2026, 11, 19)
    assert {old[name] for name in old if name.endswith("_reason")} == {"not_current"}
    figures = ("close", "returns_stddev", "returns_stddev_lookback", "usual_move", "forecast_move", "expected_move")
    assert [old[name] for name in figures] == [None] * len(figures)
    assert "stale" in old["cautions"].split()
    assert "stale" not in (rows["AAA"]["cautions"] or "").split()
    assert built.statistics["symbols_not_current"] == 1
