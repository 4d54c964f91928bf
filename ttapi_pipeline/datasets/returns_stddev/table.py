# SPDX-License-Identifier: MIT
"""What `returns_stddev` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.core.declaration import Changes
from ttapi_pipeline.datasets.columns import CLOSES_OF_SNAPSHOT, QUALITY_OF_SNAPSHOT, SERIES
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.tables.schema import DATE, FLAG, FLOAT, SMALL, STRING, Column, DatasetSchema, required

RETURNS_STDDEV: Final = DatasetSchema(
    "returns_stddev",
    (
        *SERIES,
        required("option_chain_type", STRING, "Standard or Non-standard"),
        Column(
            "expiration_session", DATE, "The session on which it falls, or the last one before it; null beyond them"
        ),
        required("as_of_session", DATE, "Last final session of the snapshot; everything counts from there"),
        required("dte", SMALL, "Calendar days from the as-of session to the expiration date"),
        Column("horizon_sessions", SMALL, "Sessions after the as-of session up to the expiration"),
        required("is_settled_at_open", FLAG, "Whether it settles on an opening price"),
        Column("close", FLOAT, "Close of the as-of session; null when that bar is missing"),
        Column("returns_stddev", FLOAT, "Sample stddev of the last horizon_sessions log returns, not annualised"),
        Column("returns_stddev_rel_error", FLOAT, "Its relative standard error"),
        Column("returns_stddev_lookback", FLOAT, "The same over the lookback, one for all horizons"),
        Column("returns_stddev_lookback_rel_error", FLOAT, "Its relative standard error"),
        Column("horizon_returns_stddev", FLOAT, "Sample stddev of overlapping horizon-long returns in the lookback"),
        Column("horizon_returns_stddev_corrected", FLOAT, "The same without the bias of overlap and estimated mean"),
        Column("horizon_returns_stddev_rel_error", FLOAT, "Relative standard error of both"),
        Column("variance_ratio", FLOAT, "Horizon variance over daily variance times horizon; below 1 moves cancel"),
        Column("realized_volatility", FLOAT, "returns_stddev, annualised"),
        Column("horizon_volatility", FLOAT, "horizon_returns_stddev_corrected, annualised"),
        Column("implied_volatility", FLOAT, "Annualised implied volatility of this expiration"),
        Column("expected_move", FLOAT, "Priced move to expiration in US dollars, one standard deviation"),
        Column("move_ratio", FLOAT, "Priced move over the usual one, horizon_returns_stddev_corrected"),
        Column("iv_rv_spread", FLOAT, "implied_volatility less realized_volatility"),
        required("returns_used", SMALL, "Daily returns in the window of returns_stddev"),
        required("returns_lookback_used", SMALL, "Daily returns in the lookback"),
        required("horizon_returns_used", SMALL, "Horizon-long returns in the lookback"),
        Column("returns_stddev_reason", STRING, "Why returns_stddev is null; null when it is not"),
        Column("returns_stddev_lookback_reason", STRING, "Why returns_stddev_lookback is null"),
        Column("horizon_returns_stddev_reason", STRING, "Why the horizon columns are null"),
        Column("cautions", STRING, "What is odd about the bars behind the row, see `volatility`; null when nothing is"),
    ),
    key=("symbol", "root_symbol", "expiration_date", "settlement_type"),
)

_FROM_SERIES: Final = (*(column.name for column in SERIES), "option_chain_type", "expiration_session")
_HORIZON: Final = (*CLOSES_OF_SNAPSHOT, "expiration_series.expiration_session")

DATASET: Final = Dataset(
    name=RETURNS_STDDEV.name,
    schema=RETURNS_STDDEV,
    description="Realised returns stddev over the span of each expiration; one row per expiration series.",
    ttl=timedelta(days=1),
    code_version="2",
    group="analytics",
    source="computed",
    upstream=("expiration_series", "eod_snapshot", "implied_volatility", "trading_calendar"),
    # Each new session reads the calendar again. A closure announced for next year is no reason to start over.
    consults=("trading_calendar",),
    shaped_by=("origin", "lookback_sessions", "annualization_sessions"),
    changes=Changes.ONCE_SETTLED,
    is_fetched=False,
    rules={
        "deviations are not negative": " AND ".join(
            f"COALESCE({name}, 0) >= 0"
            for name in ("returns_stddev", "returns_stddev_lookback", "horizon_returns_stddev")
        ),
        "realized volatility is below 10": "realized_volatility < 10",
        "sessions are at most days": "horizon_sessions <= dte",
        "a null has a reason": "(returns_stddev IS NULL) = (returns_stddev_reason IS NOT NULL)",
    },
    lineage={
        **{column: (f"expiration_series.{column}",) for column in _FROM_SERIES},
        "as_of_session": ("eod_snapshot.session", "eod_snapshot.is_final"),
        "dte": ("expiration_series.expiration_date", "eod_snapshot.session"),
        "horizon_sessions": ("expiration_series.expiration_session", "trading_calendar.session"),
        "close": ("eod_snapshot.close",),
        "returns_stddev": _HORIZON,
        "returns_stddev_rel_error": _HORIZON,
        "returns_stddev_lookback*": CLOSES_OF_SNAPSHOT,
        "horizon_returns_*": _HORIZON,
        "variance_ratio": _HORIZON,
        "realized_volatility": _HORIZON,
        "horizon_volatility": _HORIZON,
        "implied_volatility": ("implied_volatility.implied_volatility",),
        "expected_move": ("eod_snapshot.close", "implied_volatility.implied_volatility"),
        "move_ratio": (*_HORIZON, "implied_volatility.implied_volatility"),
        "iv_rv_spread": (*_HORIZON, "implied_volatility.implied_volatility"),
        "cautions": QUALITY_OF_SNAPSHOT,
    },
)
