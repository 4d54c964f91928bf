# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `expectations` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.analytics.tenors import METHODS
from ttapi_pipeline.core.declaration import Changes, Keeps
from ttapi_pipeline.datasets.columns import SERIES
from ttapi_pipeline.datasets.dataset import Dataset, Preview
from ttapi_pipeline.tables.schema import DATE, FLAG, FLOAT, SMALL, STRING, Column, DatasetSchema, required

FROZEN_AT: Final = (5, 21, 63, 126)
"""Sessions to an expiration within which it is frozen, once for each."""

BACKFILLED_AT: Final = 21
"""Sessions before its expiration at which a monthly option of the past is frozen: the span of the stored 30-day IV."""

IV_EXPIRATION: Final = "iv_expiration"
"""The method that takes the implied volatility of the expiration itself."""

EXPECTATIONS: Final = DatasetSchema(
    "expectations",
    (
        *SERIES,
        required("tenor_sessions", SMALL, "Frozen when first seen within so many sessions of the expiration"),
        required("method", STRING, f"The forecast: {', '.join(METHODS)}, or {IV_EXPIRATION} for its own IV"),
        required("source", STRING, "frozen on that session, or backfilled from what was stored of it"),
        required("frozen_session", DATE, "Session at whose close it was made; nothing later is in the forecast"),
        required("horizon_sessions", SMALL, "Sessions from there to the expiration"),
        required("dte", SMALL, "Calendar days from there to the expiration date"),
        Column("close", FLOAT, "Close of that session, in the share of the day on which the row was made"),
        required("expected_stddev", FLOAT, "One stddev of the log return to the expiration, as the method expects it"),
        Column("realised_return", FLOAT, "Log return from there to the close of the expiration; null before"),
        Column("realised_stddev", FLOAT, "Root of the sum of the squared daily log returns of that time"),
        Column("is_inside_68", FLAG, "Whether the return stayed in the central 68% band of the forecast"),
        Column("is_inside_90", FLAG, "The same for 90%"),
        Column("is_inside_95", FLAG, "The same for 95%"),
        Column("log_score", FLOAT, "Log density of the return under the forecast; higher is better"),
        Column("qlike", FLOAT, "QLIKE of the forecast variance; 0 is perfect; null also when nothing moved"),
        Column("reason", STRING, "Why it is not scored: pending until it expires, or gap for missing closes"),
    ),
    key=("symbol", "root_symbol", "expiration_date", "settlement_type", "tenor_sessions", "method"),
)

_BARS: Final = tuple(f"eod_snapshot.{name}" for name in ("open", "high", "low", "close", "session"))
_CLOSES: Final = ("eod_snapshot.close", "eod_snapshot.session", "trading_calendar.session")

DATASET: Final = Dataset(
    name=EXPECTATIONS.name,
    schema=EXPECTATIONS,
    description="Moves expected until an expiration, frozen and later scored; one row per series, tenor and method.",
    ttl=timedelta(days=1),
    code_version="1",
    group="analytics",
    source="computed, kept as expirations pass",
    upstream=("expiration_series", "implied_volatility", "eod_snapshot", "daily_candles", "trading_calendar"),
    # Each new session reads the calendar again. A closure announced for next year is no reason to start over.
    consults=("trading_calendar",),
    changes=Changes.ONCE_SETTLED,
    # Of some 400,000 rows for the S&P 500, a session adds or scores less than one in a hundred.
    keeps=Keeps.CHANGES,
    is_fetched=False,
    rules={
        "moves are positive": "expected_stddev > 0",
        "what is scored has no reason": "(realised_return IS NULL) = (reason IS NOT NULL)",
        "wider bands hold what narrower ones hold": "is_inside_68 <= is_inside_90 AND is_inside_90 <= is_inside_95",
        "the source is known": "source IN ('frozen', 'backfilled')",
    },
    lineage={
        "symbol": ("expiration_series.symbol", "daily_candles.symbol"),
        "root_symbol": ("expiration_series.root_symbol",),
        "expiration_date": ("expiration_series.expiration_date", "trading_calendar.session"),
        "expected_stddev": (
            *_BARS,
            "daily_candles.implied_volatility",
            "implied_volatility.implied_volatility",
            "implied_volatility.implied_volatility_at",
            "trading_calendar.session",
        ),
        "close": ("eod_snapshot.close",),
        **dict.fromkeys(("realised_*", "is_inside_*", "log_score", "qlike"), _CLOSES),
    },
    preview=Preview(
        ("symbol", "expiration_date", "horizon_sessions", "method", "close", "expected_stddev"),
        by="expected_stddev",
        latest="frozen_session",
    ),
    charts=(
        "variance_premium",
        "forecast_calibration",
    ),
)
