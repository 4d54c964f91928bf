# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `volatility` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.analytics.estimators import ESTIMATORS, WINDOWS
from ttapi_pipeline.core.declaration import Changes
from ttapi_pipeline.datasets.columns import CLOSES_OF_SNAPSHOT, QUALITY_OF_SNAPSHOT, SYMBOL
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import (
    DATE,
    FLAG,
    FLOAT,
    SMALL,
    STRING,
    TIMESTAMP,
    Column,
    DatasetSchema,
    estimate,
    required,
)

BROKER_WINDOWS: Final = (30, 60, 90)
"""Days of the broker's historical volatilities."""

CALENDAR_WINDOWS: Final = {30: 21, 90: 63}
"""Sessions that as many calendar days have, about."""

EX_EARNINGS_WINDOWS: Final = (30, 90)
"""Sessions in the windows of the volatilities without earnings."""

VOLATILITY: Final = DatasetSchema(
    "volatility",
    (
        SYMBOL,
        Column("is_index", FLAG, "Whether it is an index: estimators with a range read low; null outside the universe"),
        required("as_of_session", DATE, "Last final session of the snapshot; every window ends there"),
        Column("first_session", DATE, "Session of the first final bar; null without bars"),
        Column("last_session", DATE, "Session of the last final bar; null without bars"),
        required("session_count", SMALL, "Final bars"),
        required("has_more_than_30_sessions", FLAG, "Whether there are more than 30 of them"),
        Column("close", FLOAT, "Close of the as-of session; null when that bar is missing"),
        estimate("close_mean", "Mean of all final closes"),
        estimate("close_stddev", "Sample stddev of all final closes, in US dollars: of prices, not of returns"),
        *(
            estimate(f"{estimator}_{window}", f"Annualised over {window} sessions: {words}")
            for estimator, words in ESTIMATORS.items()
            for window in WINDOWS
        ),
        *(
            Column(f"{estimator}_{window}_reason", STRING, f"Why {family} of {window} sessions are null")
            for estimator, family in (
                ("close_to_close", "close_to_close and zero_mean"),
                ("yang_zhang", "yang_zhang and the other estimators with a range"),
            )
            for window in WINDOWS
        ),
        estimate("hv_rank", "Place of close_to_close_30 between the low and the high of a year, 0 to 1"),
        estimate("hv_percentile", "Share of the 252 sessions before with a lower close_to_close_30"),
        Column("hv_values_used", SMALL, "Sessions of the year with a close_to_close_30; below 126 both are null"),
        *(
            Column(f"historical_volatility_{days}_day", FLOAT, f"Annualised over {days} days, the broker's")
            for days in BROKER_WINDOWS
        ),
        *(
            estimate(f"historical_volatility_{days}_day_difference", f"close_to_close_{days} less the broker's")
            for days in BROKER_WINDOWS
        ),
        *(
            estimate(
                f"historical_volatility_{days}_day_difference_{sessions}",
                f"close_to_close_{sessions}, of about as many sessions as {days} calendar days have, less the broker's",
            )
            for days, sessions in CALENDAR_WINDOWS.items()
        ),
        Column("broker_volatility_counts", STRING, "What its windows count: sessions or days; null when undecided"),
        Column("is_far_from_broker", FLAG, "Whether one of these is above 3 points; null without the broker's"),
        Column("implied_volatility", FLOAT, "Annualised implied volatility at the close of the as-of session"),
        estimate("iv_rank", "Its place between the low and the high of 252 sessions, today included, 0 to 1"),
        estimate("iv_percentile", "Share of these sessions with a lower one, 0 to 1"),
        estimate("iv_zscore", "Its distance from their mean, in their sample stddevs"),
        Column("iv_values_used", SMALL, "How many of these sessions have one; below 126 the three are null"),
        estimate("iv_5_day_change", "Less that of 5 sessions before, as a fraction"),
        estimate("iv_21_day_change", "Less that of 21 sessions before, as a fraction"),
        Column(
            "iv_reason", STRING, "Why iv_rank is null: no_implied_volatility, not_current, short_history, unchanged"
        ),
        Column("implied_volatility_rank", FLOAT, "The broker's rank, 0 to 1, as of metrics_updated_at"),
        estimate("iv_rank_difference", "iv_rank less the broker's"),
        Column("implied_volatility_percentile", FLOAT, "The broker's percentile, 0 to 1, as of metrics_updated_at"),
        estimate("iv_percentile_difference", "iv_percentile less the broker's"),
        Column("metrics_updated_at", TIMESTAMP, "When the broker computed its metrics; null without metrics"),
        Column("implied_volatility_30_day", FLOAT, "Annualised implied volatility at 30 days"),
        estimate("iv_rv_spread_21", "implied_volatility_30_day less close_to_close_21, about as many sessions"),
        estimate("iv_rv_spread_30", "implied_volatility_30_day less close_to_close_30"),
        Column("iv_rv_spread_reason", STRING, "Why iv_rv_spread_21 is null"),
        Column("earnings_date", DATE, "Expected report date; null when none is known"),
        Column("earnings_time_of_day", STRING, "BTO before the open, AMC after the close"),
        *(
            column
            for window in EX_EARNINGS_WINDOWS
            for column in (
                estimate(
                    f"close_to_close_{window}_ex_earnings",
                    f"close_to_close_{window} without the sessions of known announcements",
                ),
                Column(
                    f"earnings_sessions_left_out_{window}", SMALL, "How many were left out; null unless all are known"
                ),
                Column(f"close_to_close_{window}_ex_earnings_reason", STRING, "Why it is null"),
            )
        ),
        estimate("implied_earnings_move", "Jump priced into the next report, one standard deviation, a fraction"),
        Column("implied_earnings_move_reason", STRING, "Why it is null"),
        estimate("earnings_move", "Root mean square of the moves at the last known reports, up to 12; null without"),
        Column("earnings_moves_used", SMALL, "How many they are"),
        estimate("earnings_move_ratio", "implied_earnings_move over earnings_move"),
        Column("missing_sessions", SMALL, "Sessions without a bar in the last 252; null without bars there"),
        Column("unchanged_closes", SMALL, "Returns of exactly 0 in the last 252 sessions"),
        Column("zero_volume_sessions", SMALL, "Bars without volume in the last 252 sessions"),
        Column("has_unknown_adjustment", FLAG, "Whether some of these bars are not known to be in today's share"),
        Column("cautions", STRING, "What is odd about these bars, words separated by spaces; null when nothing is"),
    ),
    key=("symbol",),
)

DATASET: Final = Dataset(
    name=VOLATILITY.name,
    schema=VOLATILITY,
    description="Realised volatility by every estimator, its rank, the broker's beside it; one row per symbol.",
    ttl=timedelta(days=1),
    code_version="7",
    group="analytics",
    source="computed",
    upstream=("eod_snapshot", "daily_candles", "symbols", "implied_volatility", "earnings", "trading_calendar"),
    # Each new session reads the calendar again. A closure announced for next year is no reason to start over.
    consults=("trading_calendar",),
    shaped_by=("origin", "annualization_sessions"),
    changes=Changes.ONCE_SETTLED,
    is_fetched=False,
    rules={
        "volatilities are between 0 and 10": " AND ".join(
            f"COALESCE({estimator}_{window} BETWEEN 0 AND 10, TRUE)" for estimator in ESTIMATORS for window in WINDOWS
        ),
        "a null has a reason": " AND ".join(
            f"({estimator}_{window} IS NULL) = ({estimator}_{window}_reason IS NOT NULL)"
            for estimator in ("close_to_close", "yang_zhang")
            for window in WINDOWS
        ),
        "ranks and percentiles are between 0 and 1": (
            "COALESCE(hv_rank BETWEEN 0 AND 1, TRUE) AND COALESCE(hv_percentile BETWEEN 0 AND 1, TRUE)"
        ),
        "ranks and percentiles of implied volatility are between 0 and 1": (
            "COALESCE(iv_rank BETWEEN 0 AND 1, TRUE) AND COALESCE(iv_percentile BETWEEN 0 AND 1, TRUE)"
        ),
        "a null spread and a null jump have a reason": (
            "(iv_rv_spread_21 IS NULL) = (iv_rv_spread_reason IS NOT NULL) AND "
            "(implied_earnings_move IS NULL) = (implied_earnings_move_reason IS NOT NULL)"
        ),
        "a null rank of implied volatility has a reason": "(iv_rank IS NULL) = (iv_reason IS NOT NULL)",
    },
    lineage={
        "symbol": ("eod_snapshot.symbol",),
        "close*": CLOSES_OF_SNAPSHOT,
        "hv_*": CLOSES_OF_SNAPSHOT,
        "zero_mean_*": CLOSES_OF_SNAPSHOT,
        **{
            f"{estimator}_*": tuple(f"eod_snapshot.{price}" for price in ("open", "high", "low", "close"))
            for estimator in ("parkinson", "garman_klass", "rogers_satchell", "yang_zhang")
        },
        **{
            f"historical_volatility_{days}_day": (f"symbols.historical_volatility_{days}_day",)
            for days in BROKER_WINDOWS
        },
        **{
            f"historical_volatility_{days}_day_difference": (
                *CLOSES_OF_SNAPSHOT,
                f"symbols.historical_volatility_{days}_day",
            )
            for days in BROKER_WINDOWS
        },
        **dict.fromkeys(
            ("implied_volatility", "iv_rank", "iv_percentile", "iv_zscore", "iv_values_used", "iv_*_day_change"),
            ("daily_candles.implied_volatility",),
        ),
        **{
            f"iv_{place}_difference": ("daily_candles.implied_volatility", f"symbols.implied_volatility_{place}")
            for place in ("rank", "percentile")
        },
        **{f"implied_volatility_{place}": (f"symbols.implied_volatility_{place}",) for place in ("rank", "percentile")},
        "metrics_updated_at": ("symbols.metrics_updated_at",),
        "implied_volatility_30_day": ("symbols.implied_volatility_30_day",),
        "iv_rv_spread_30": ("symbols.implied_volatility_30_day", *CLOSES_OF_SNAPSHOT),
        "earnings_date": ("symbols.earnings_date",),
        "iv_rv_spread_21": ("symbols.implied_volatility_30_day", *CLOSES_OF_SNAPSHOT),
        "broker_volatility_counts": (
            *CLOSES_OF_SNAPSHOT,
            *(f"symbols.historical_volatility_{days}_day" for days in BROKER_WINDOWS),
        ),
        "implied_earnings_move": ("implied_volatility.implied_volatility", "earnings.announced_date"),
        "earnings_move": (*CLOSES_OF_SNAPSHOT, "earnings.announced_date", "earnings.time_of_day"),
        "*_ex_earnings": (*CLOSES_OF_SNAPSHOT, "earnings.announced_date", "earnings.time_of_day"),
        "cautions": QUALITY_OF_SNAPSHOT,
        "earnings_sessions_left_out_*": ("earnings.announced_date", "earnings.time_of_day"),
    },
    preview=Preview(
        (
            "symbol",
            "implied_volatility_30_day",
            "close_to_close_30",
            "iv_rv_spread_30",
            "iv_rank",
            "iv_percentile",
            "earnings_date",
        ),
        by="iv_rv_spread_30",
    ),
    charts=(
        "iv_rv_ranking",
        "implied_volatility",
    ),
)
