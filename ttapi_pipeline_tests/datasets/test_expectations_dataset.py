# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`variance_premium` and `expectations`: full on the first day, right by NumPy, and never made again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.analytics.tenors import METHODS, TENORS
from ttapi_pipeline.core.sessions import session_on_or_before, sessions_between
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.datasets.expectations.build import BARS_AT_A_TIME, build_expectations
from ttapi_pipeline.datasets.expectations.table import EXPECTATIONS, IV_EXPIRATION
from ttapi_pipeline.datasets.implied_volatility.table import IMPLIED_VOLATILITY
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.variance_premium.build import build_variance_premium, variance_premium_frame
from ttapi_pipeline.tables.rules import violations
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.rows import calendar_rows

SESSIONS = sessions_between(date(2018, 1, 2), date(2026, 11, 20))
AS_OF = SESSIONS[-1]
NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
CALENDAR = calendar_rows(SESSIONS[0], date(2027, 12, 30), fetched_at=NOW).lazy()
DAILY = 0.012
KEY = list(EXPECTATIONS.key)
FROZEN = ["source", "frozen_session", "horizon_sessions", "dte", "close", "expected_stddev"]


def market(*symbols: str, scale: float = 1.0, seed: int = 3, sessions: Sequence[date] = SESSIONS) -> pl.DataFrame:
    """Random walks, and the implied volatility that is fair for them times `scale`; one without options is NONE."""
    parts = []
    for number, symbol in enumerate(symbols):
        rng = np.random.default_rng(seed + number)
        close = 100 * np.exp(np.cumsum(rng.normal(0, DAILY, len(sessions))))
        parts.append(
            pl.DataFrame({"symbol": [symbol] * len(sessions), "session": sessions, "close": close}).with_columns(
                open=pl.col("close") * 1.001,
                high=pl.col("close") * 1.005,
                low=pl.col("close") * 0.995,
                implied_volatility=pl.lit(None if symbol == "NONE" else scale * DAILY * math.sqrt(252), pl.Float64),
            )
        )
    return pl.concat(parts)


def stored(frame: pl.DataFrame, schema: pl.Schema) -> pl.LazyFrame:
    given = frame.with_columns(is_final=pl.lit(value=True)).select(
        name for name in schema if name in {*frame.columns, "is_final"}
    )
    return pl.concat([schema.to_frame(), given], how="diagonal").lazy()


def bars(frame: pl.DataFrame) -> pl.LazyFrame:
    return stored(frame.drop("implied_volatility"), EOD_SNAPSHOT.polars)


def candles(frame: pl.DataFrame) -> pl.LazyFrame:
    return stored(frame, DAILY_CANDLES.polars)


def implied(rows: Sequence[tuple[str, date, float]], fetched_at: datetime = NOW) -> pl.LazyFrame:
    made = [(symbol, day, "PM", "Standard", value, fetched_at, "tastytrade", NOW) for symbol, day, value in rows]
    return pl.LazyFrame(made, schema=IMPLIED_VOLATILITY.polars, orient="row")


@pytest.fixture
def series(expirations_frame: Callable[..., pl.DataFrame]) -> pl.LazyFrame:
    days = [date(2026, 11, 27), date(2026, 12, 18), date(2027, 6, 18)]
    return expirations_frame({"A": days, "B": days}).lazy()


def premium(frame: pl.DataFrame, *, now: datetime = NOW) -> pl.DataFrame:
    built = build_variance_premium(bars(frame), candles(frame), CALENDAR, now=now).frame.lazy().collect()
    assert violations(built.lazy(), DATASETS["variance_premium"].rules) == {}
    return built


def expectations(
    series: pl.LazyFrame,
    frame: pl.DataFrame,
    *,
    own: pl.LazyFrame | None = None,
    previous: pl.DataFrame | None = None,
    now: datetime = NOW,
    bars_at_a_time: int = BARS_AT_A_TIME,
) -> pl.DataFrame:
    built = build_expectations(
        series,
        implied([]) if own is None else own,
        bars(frame),
        candles(frame),
        CALENDAR,
        previous=None if previous is None else previous.lazy(),
        now=now,
        bars_at_a_time=bars_at_a_time,
    )
    rows = built.frame.lazy().collect()
    assert violations(rows.lazy(), DATASETS["expectations"].rules) == {}
    assert not rows.select(KEY).is_duplicated().any()
    return rows


def test_an_implied_volatility_a_fifth_too_high_is_found_and_a_fair_one_left_alone() -> None:
    for scale, verdict in ((1.2, "overstates"), (1.0, "fair"), (1 / 1.2, "understates")):
        row = premium(market("A", scale=scale)).row(
            by_predicate=(pl.col("method") == "iv_30_day") & (pl.col("tenor_sessions") == 21), named=True
        )
        assert row["verdict"] == verdict
        assert abs(row["volatility_ratio"] - scale) < 3 * row["volatility_ratio_error"] < 0.12


def test_every_symbol_has_a_row_per_tenor_and_method_with_scores_or_a_reason() -> None:
    short = market("SHORT", sessions=SESSIONS[-100:])
    frame = premium(pl.concat([market("A", "NONE"), short]))
    assert frame.height == 3 * len(METHODS) * len(TENORS)
    reasons = dict(
        frame.filter(pl.col("tenor_sessions") == 21)
        .select(pl.concat_str("symbol", "method", separator=" "), "reason")
        .iter_rows()
    )
    assert {key for key, reason in reasons.items() if reason is None} == {
        *(f"A {method}" for method in METHODS),
        *(f"NONE {method}" for method in METHODS if method != "iv_30_day"),
    }
    assert (reasons["NONE iv_30_day"], reasons["SHORT har"]) == ("no_implied_volatility", "short_history")
    best = frame.filter("is_best").select("symbol", "tenor_sessions").is_duplicated()
    assert not best.any()


def test_neither_later_bars_nor_the_symbols_beside_it_change_a_score() -> None:
    whole = market("A", "B", "C")
    early = SESSIONS[-200]
    until = whole.filter(pl.col("session") <= early)
    arguments = (CALENDAR,)
    one = variance_premium_frame(bars(whole), candles(whole), *arguments, as_of=early)
    two = variance_premium_frame(bars(until), candles(until), *arguments, as_of=early, symbols_at_a_time=1)
    assert_frame_equal(one, two, rel_tol=1e-12)


def test_the_first_day_is_full_and_each_figure_is_numpys(series: pl.LazyFrame) -> None:
    frame = market("A", "B", "NONE")
    own = implied([("A", date(2026, 12, 18), 0.25)])
    rows = expectations(series, frame, own=own)
    past = rows.filter(pl.col("source") == "backfilled")
    assert set(past["symbol"]) == {"A", "B"}  # nothing was priced of the other
    assert past.filter(pl.col("reason").is_null()).height > 2 * 80 * len(METHODS)
    # The monthly expiration of June 2024 fell on Friday the 21st; 21 sessions before it was 21 May.
    row = rows.row(
        by_predicate=(pl.col("symbol") == "A")
        & (pl.col("expiration_date") == date(2024, 6, 21))
        & (pl.col("method") == "iv_30_day"),
        named=True,
    )
    assert (row["frozen_session"], row["dte"]) == (date(2024, 5, 21), 31)
    close = np.log(frame.filter(pl.col("symbol") == "A")["close"].to_numpy())
    begin, end = SESSIONS.index(date(2024, 5, 21)), SESSIONS.index(date(2024, 6, 21))
    variance = (DAILY * math.sqrt(252)) ** 2 * 31 / 365
    realised = float(np.sum(np.diff(close[begin : end + 1]) ** 2))
    moved = float(close[end] - close[begin])
    x = realised / variance
    assert row["expected_stddev"] == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert row["realised_return"] == pytest.approx(moved, rel=1e-12)
    assert row["realised_stddev"] == pytest.approx(math.sqrt(realised), rel=1e-12)
    assert row["qlike"] == pytest.approx(x - math.log(x) - 1, rel=1e-12)
    assert row["log_score"] == pytest.approx(-0.5 * (math.log(2 * math.pi * variance) + moved**2 / variance), rel=1e-12)
    assert row["is_inside_95"] == (abs(moved) <= 1.959963984540054 * math.sqrt(variance))
    # Of what is listed, the week and the month are near enough; the former has no implied volatility of its own.
    new = rows.filter((pl.col("source") == "frozen") & (pl.col("symbol") == "A"))
    assert set(new["expiration_date"]) == {date(2026, 11, 27), date(2026, 12, 18)}
    mine = new.row(by_predicate=pl.col("method") == IV_EXPIRATION, named=True)
    assert mine["expected_stddev"] == pytest.approx(0.25 * math.sqrt(28 / 365), rel=1e-12)
    assert set(new["reason"]) == {"pending"}


def test_an_implied_volatility_of_another_moment_is_not_frozen_until_one_of_the_session_comes(
    series: pl.LazyFrame,
) -> None:
    frame = market("A")
    listed = [("A", date(2026, 11, 27), 0.3), ("A", date(2026, 12, 18), 0.25)]
    too_early, too_late = datetime(2026, 11, 20, 14, 29, tzinfo=UTC), datetime(2026, 11, 23, 14, 31, tzinfo=UTC)
    rows = expectations(series, frame, own=implied(listed, too_early))
    assert IV_EXPIRATION not in set(rows["method"])
    assert IV_EXPIRATION not in set(expectations(series, frame, own=implied(listed, too_late))["method"])
    again = expectations(series, frame, own=implied(listed), previous=rows)
    added = again.join(rows, on=KEY, how="anti")
    assert set(added["method"]) == {IV_EXPIRATION}
    assert added.height == 2
    assert expectations(series, frame, own=implied(listed), previous=again).height == again.height


def test_what_expires_is_scored_and_what_was_frozen_is_not_made_again_with_later_bars(series: pl.LazyFrame) -> None:
    frame = market("A", "B")
    before = AS_OF - timedelta(days=8)
    first = expectations(series, frame.filter(pl.col("session") <= before), now=NOW - timedelta(days=8))
    later = frame.with_columns(
        pl.col("open", "high", "low", "close")
        * pl.when(pl.col("session") > session_on_or_before(before)).then(1.5).otherwise(1.0)
    )
    second = expectations(series, later, previous=first)
    kept = first.select(*KEY, *FROZEN).join(second.select(*KEY, *FROZEN), on=[*KEY, *FROZEN], how="semi")
    assert kept.height == first.height
    settled = first.filter(pl.col("realised_return").is_not_null())
    assert_frame_equal(settled.sort(KEY), second.join(settled.select(KEY), on=KEY, how="semi").sort(KEY))
    newly = second.filter(pl.col("realised_return").is_not_null()).join(settled.select(KEY), on=KEY, how="anti")
    assert set(newly["expiration_date"]) == {date(2026, 11, 20)}
    assert not newly["is_inside_95"].any()


def test_days_on_which_nothing_ran_are_filled_in_and_missing_closes_are_a_gap(series: pl.LazyFrame) -> None:
    frame = market("A")
    old = NOW - timedelta(days=150)
    first = expectations(series, frame.filter(pl.col("session") < old.date()), now=old)
    holed = frame.filter(pl.col("session") != date(2026, 8, 12))
    second = expectations(series, holed, previous=first)
    added = second.join(first.select(KEY), on=KEY, how="anti").filter(pl.col("source") == "backfilled")
    # The third Fridays whose freezing session lies since then; that of 21 August has a session without a close in it.
    assert set(added["expiration_date"]) == {
        date(2026, month, day) for month, day in ((8, 21), (9, 18), (10, 16), (11, 20), (12, 18))
    }
    assert set(added.filter(pl.col("reason") == "gap")["expiration_date"]) == {date(2026, 8, 21)}
    healed = expectations(series, frame, previous=second)
    assert healed.filter(pl.col("reason") == "gap").is_empty()


def test_the_memory_that_it_may_take_changes_nothing(series: pl.LazyFrame) -> None:
    frame = market("A", "B", "C")
    old = NOW - timedelta(days=150)
    first = expectations(series, frame.filter(pl.col("session") < old.date()), now=old)
    # B has stored rows and bars no more; D is new.
    later = pl.concat([frame.filter(pl.col("symbol") != "B"), market("D")])
    at_once, one_by_one = (expectations(series, later, previous=first, bars_at_a_time=bars) for bars in (1 << 20, 1))
    assert set(at_once["symbol"]) == {"A", "B", "C", "D"}
    assert_frame_equal(at_once, one_by_one)


@settings(max_examples=examples(8), deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(30, 400))
def test_rows_are_only_ever_added_whatever_the_bars_become(seed: int, back: int) -> None:
    nothing = pl.LazyFrame(schema=DATASETS["expiration_series"].schema.polars)
    early = SESSIONS[-back]
    at = datetime.combine(early, NOW.timetz()) + timedelta(days=1)
    frame = market("A", seed=seed)
    first = expectations(nothing, frame.filter(pl.col("session") <= early), now=at)
    other = market("A", seed=seed + 1)
    second = expectations(nothing, other, previous=first)
    settled = first.filter(pl.col("realised_return").is_not_null())
    assert second.join(settled, on=EXPECTATIONS.polars.names(), how="semi", nulls_equal=True).height == settled.height
    assert second.select(*KEY, *FROZEN).join(first, on=[*KEY, *FROZEN], how="semi").height == first.height
