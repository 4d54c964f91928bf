# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `returns_stddev` is: its columns, when it is due, what its rows must satisfy. Made by `build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ttapi_pipeline.core.declaration import Changes
from ttapi_pipeline.datasets.columns import CLOSES_OF_SNAPSHOT, QUALITY_OF_SNAPSHOT, SERIES
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
    required,
)

RETURNS_STDDEV: Final = DatasetSchema(
    "returns_stddev",
    (
        *SERIES,
        required("option_chain_type", STRING, "Standard or Non-standard"),
        Column(
            "expiration_session", DATE, "The session on which it falls, or the last one before it; null beyond them"
        ),
        required("as_of_session", DATE, "Last final session of the snapshot; everything counts from there"),
        Column("last_session", DATE, "Session of the symbol's last final bar; every figure of today is null if older"),
        required("dte", SMALL, "Calendar days from the as-of session to the expiration date"),
        Column("horizon_sessions", SMALL, "Sessions after the as-of session up to the expiration"),
        required("is_settled_at_open", FLAG, "Whether it settles on an opening price"),
        Column("overnight_share", FLOAT, "Share of a session's variance that happens before its open"),
        Column("is_overnight_share_typical", FLAG, "Whether that is the one of other symbols, for want of opens"),
        Column(
            "sessions_left", FLOAT, "horizon_sessions, less for AM settlement the part of the last one that is lost"
        ),
        required(
            "is_written_on_future", FLAG, "Whether its options are on a future (VIX): close and moves are not theirs"
        ),
        Column("has_earnings_before_expiration", FLAG, "Whether a report comes before; null when nobody knows"),
        Column("dividend_before_expiration", FLOAT, "Next dividend if it goes ex by then, else 0; null when unknown"),
        Column("close", FLOAT, "Close of the as-of session; null when that bar is missing"),
        Column("adjustment", STRING, "Least certain one of the bars behind the row: split, rebased, raw, unknown"),
        Column("returns_stddev", FLOAT, "Sample stddev of the last horizon_sessions log returns, not annualised"),
        Column("returns_stddev_rel_error", FLOAT, "Its relative standard error"),
        Column("returns_stddev_lookback", FLOAT, "The same over the usual lookback, one for all horizons"),
        Column("returns_stddev_lookback_rel_error", FLOAT, "Its relative standard error"),
        required(
            "lookback_sessions", SMALL, "Sessions that the next columns look back on: ten horizons, a year at least"
        ),
        Column("usual_move", FLOAT, "Root mean square of horizon-long returns around zero, one deviation"),
        Column("usual_move_rel_error", FLOAT, "Its relative standard error"),
        Column(
            "usual_move_centered", FLOAT, "The same around their mean: without the trend, and without bias of overlap"
        ),
        Column("absolute_move_p50", FLOAT, "Half of the past moves were no larger, as a fraction of the price"),
        Column("absolute_move_p68", FLOAT, "68% of them were no larger"),
        Column("absolute_move_p90", FLOAT, "90% of them were no larger"),
        Column("forecast_move", FLOAT, "usual_move, shrunk towards daily stddev times root of horizon: one deviation"),
        Column("forecast_move_rel_error", FLOAT, "Its relative standard error, and that of move_ratio"),
        Column("variance_ratio", FLOAT, "Horizon variance over daily variance times horizon; below 1 moves cancel"),
        Column("variance_ratio_z", FLOAT, "Its distance from 1 in standard errors"),
        Column("realized_volatility", FLOAT, "returns_stddev, annualised"),
        Column("usual_volatility", FLOAT, "usual_move, annualised over sessions_left"),
        Column("implied_volatility", FLOAT, "Annualised implied volatility of this expiration"),
        Column("implied_volatility_at", TIMESTAMP, "When the broker computed it, else when it was fetched"),
        Column("expected_move", FLOAT, "Priced move to expiration in US dollars, one standard deviation"),
        Column(
            "clock_ratio", FLOAT, "What 365 calendar days against 252 sessions add to move_ratio: 1.44 over a weekend"
        ),
        Column("move_ratio", FLOAT, "Priced move over forecast_move; 1 for fair options"),
        Column("move_ratio_z", FLOAT, "log(move_ratio) in its standard errors: dear above 2, cheap below -2"),
        Column(
            "share_inside_expected_move", FLOAT, "Share of the past moves that were no larger than today's priced one"
        ),
        Column("iv_rv_spread", FLOAT, "implied_volatility less realized_volatility"),
        required("returns_used", SMALL, "Daily returns in the window of returns_stddev"),
        required("returns_lookback_used", SMALL, "Daily returns in the usual lookback"),
        required("horizon_returns_used", SMALL, "Horizon-long returns in the lookback, which overlap"),
        Column("returns_stddev_reason", STRING, "Why returns_stddev is null; null when it is not"),
        Column("returns_stddev_lookback_reason", STRING, "Why returns_stddev_lookback is null"),
        Column("usual_move_reason", STRING, "Why usual_move is null"),
        Column("expected_move_reason", STRING, "Why expected_move is null"),
        Column("move_ratio_reason", STRING, "Why move_ratio is null"),
        Column("cautions", STRING, "What is odd about the row or the bars behind it; null when nothing is"),
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
    code_version="5",
    group="analytics",
    source="computed",
    upstream=("expiration_series", "eod_snapshot", "implied_volatility", "symbols", "earnings", "trading_calendar"),
    # Each new session reads the calendar again. A closure announced for next year is no reason to start over.
    consults=("trading_calendar",),
    shaped_by=("origin", "lookback_sessions", "annualization_sessions"),
    changes=Changes.ONCE_SETTLED,
    is_fetched=False,
    rules={
        "deviations are not negative": " AND ".join(
            f"COALESCE({name}, 0) >= 0"
            for name in ("returns_stddev", "returns_stddev_lookback", "usual_move", "forecast_move", "expected_move")
        ),
        "realized volatility is below 10": "realized_volatility < 10",
        "sessions are at most days": "horizon_sessions <= dte",
        "shares are between 0 and 1": (
            "COALESCE(overnight_share BETWEEN 0 AND 1, TRUE) AND "
            "COALESCE(share_inside_expected_move BETWEEN 0 AND 1, TRUE)"
        ),
        "a null has a reason": " AND ".join(
            f"({name} IS NULL) = ({name}_reason IS NOT NULL)"
            for name in ("returns_stddev", "returns_stddev_lookback", "usual_move", "expected_move", "move_ratio")
        ),
        "nothing is said of today without a bar of today": (
            "last_session = as_of_session OR COALESCE(close, returns_stddev_lookback, forecast_move) IS NULL"
        ),
    },
    lineage={
        **{column: (f"expiration_series.{column}",) for column in _FROM_SERIES},
        "as_of_session": ("eod_snapshot.session", "eod_snapshot.is_final"),
        "last_session": ("eod_snapshot.session", "eod_snapshot.is_final"),
        "dte": ("expiration_series.expiration_date", "eod_snapshot.session"),
        "horizon_sessions": ("expiration_series.expiration_session", "trading_calendar.session"),
        "overnight_share": ("eod_snapshot.open", "eod_snapshot.close", "eod_snapshot.session"),
        "has_earnings_before_expiration": ("earnings.announced_date", "earnings.time_of_day", "symbols.is_etf"),
        "dividend_before_expiration": ("symbols.dividend_ex_date", "symbols.dividend_rate_per_share"),
        "close": ("eod_snapshot.close",),
        "adjustment": ("eod_snapshot.adjustment",),
        "returns_stddev": _HORIZON,
        "returns_stddev_rel_error": _HORIZON,
        "returns_stddev_lookback*": CLOSES_OF_SNAPSHOT,
        **dict.fromkeys(
            ("usual_*", "absolute_move_*", "forecast_*", "variance_ratio*", "realized_volatility"), _HORIZON
        ),
        "horizon_returns_used": _HORIZON,
        "implied_volatility": ("implied_volatility.implied_volatility",),
        "implied_volatility_at": ("implied_volatility.implied_volatility_at",),
        "expected_move": ("eod_snapshot.close", "implied_volatility.implied_volatility"),
        **dict.fromkeys(
            ("move_ratio*", "share_inside_expected_move", "iv_rv_spread"),
            (*_HORIZON, "implied_volatility.implied_volatility"),
        ),
        "cautions": QUALITY_OF_SNAPSHOT,
    },
    preview=Preview(
        ("symbol", "expiration_date", "dte", "expected_move", "forecast_move", "usual_move", "move_ratio", "cautions"),
        by="move_ratio",
    ),
    charts=(
        "implied_and_forecast_moves",
        "volatility_cone_with_iv",
    ),
)
