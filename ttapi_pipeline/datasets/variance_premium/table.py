# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `variance_premium` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.analytics.tenors import METHODS
from ttapi_pipeline.core.declaration import Changes
from ttapi_pipeline.datasets.columns import SYMBOL
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import (
    DATE,
    FLAG,
    SMALL,
    STRING,
    Column,
    DatasetSchema,
    estimate,
    required,
)

VARIANCE_PREMIUM: Final = DatasetSchema(
    "variance_premium",
    (
        SYMBOL,
        required("tenor_sessions", SMALL, "Sessions that the forecast looks ahead; 21 are 30 calendar days"),
        required("method", STRING, f"The forecast: {', '.join(METHODS)}"),
        required("as_of_session", DATE, "Last final session of the snapshot"),
        estimate("expected_stddev", "One stddev of the log return over the tenor to come; null without a forecast"),
        Column("first_session", DATE, "Session at which the first scored span begins; null without scores"),
        Column("last_session", DATE, "Session at which the last scored span begins"),
        required("spans_used", SMALL, "Spans scored, which begin at every session and overlap; 0 without scores"),
        required("spans_apart", SMALL, "How many spans of this length they hold end to end: independent ones"),
        estimate("volatility_ratio", "Expected over realised volatility: 1.18 overstates it by 18%"),
        estimate("volatility_ratio_error", "Its standard error, which allows for the overlap"),
        estimate("volatility_ratio_t", "Logarithm of the ratio over its error"),
        Column("verdict", STRING, "overstates, understates or fair, tested at 1%"),
        estimate("median_log_ratio", "Median of ln(expected over realised volatility): of a typical span"),
        *(
            estimate(f"inside_{percent}", f"Share of the spans whose return stayed in the {percent}% band")
            for percent in (68, 90, 95)
        ),
        estimate("log_score", "Mean log density of the return under the forecast; higher is better"),
        estimate("log_score_error", "Its standard error"),
        estimate("qlike", "Mean QLIKE of the forecast variance; 0 is perfect, lower is better"),
        estimate("qlike_error", "Its standard error"),
        estimate("qlike_excess", "qlike less that of the best method"),
        estimate("qlike_excess_error", "Its standard error; null for the best"),
        Column("is_best", FLAG, "Whether no method has a lower qlike; null without scores"),
        Column("best_method", STRING, "The method with the lowest qlike of this symbol and tenor; null without scores"),
        Column("reason", STRING, "Why there are no scores: no_implied_volatility or short_history"),
    ),
    key=("symbol", "tenor_sessions", "method"),
)

_BARS: Final = tuple(f"eod_snapshot.{name}" for name in ("open", "high", "low", "close", "session"))
_SCORED: Final = (*_BARS, "daily_candles.implied_volatility", "trading_calendar.session")

DATASET: Final = Dataset(
    name=VARIANCE_PREMIUM.name,
    schema=VARIANCE_PREMIUM,
    description="How good forecasts and implied volatility have been; one row per symbol, tenor and method.",
    ttl=timedelta(days=1),
    code_version="1",
    group="analytics",
    source="computed",
    upstream=("eod_snapshot", "daily_candles", "trading_calendar"),
    # Each new session reads the calendar again. A closure announced for next year is no reason to start over.
    consults=("trading_calendar",),
    changes=Changes.ONCE_SETTLED,
    is_fetched=False,
    rules={
        "a null score has a reason": "(qlike IS NULL) = (reason IS NOT NULL)",
        "shares are between 0 and 1": "COALESCE(inside_68 BETWEEN 0 AND inside_90 AND inside_95 <= 1, TRUE)",
        "the best has no excess": "COALESCE(qlike_excess >= 0 AND (is_best = (method = best_method)), TRUE)",
        "ratios are positive": "COALESCE(volatility_ratio > 0, TRUE)",
    },
    lineage={
        "symbol": ("eod_snapshot.symbol",),
        **dict.fromkeys(
            ("expected_stddev", "volatility_ratio*", "median_log_ratio", "inside_*", "log_score*", "qlike*"), _SCORED
        ),
    },
    preview=Preview(
        ("symbol", "tenor_sessions", "method", "volatility_ratio", "volatility_ratio_t", "qlike", "is_best"),
        by="volatility_ratio",
    ),
)
