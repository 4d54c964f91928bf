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
    estimate,
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
        estimate("overnight_share", "Share of a session's variance that happens before its open"),
        Column("is_overnight_share_typical", FLAG, "Whether that is the one of other symbols, for want of opens"),
        estimate("sessions_left", "horizon_sessions, less for AM settlement the part of the last one that is lost"),
        required(
            "is_written_on_future", FLAG, "Whether its options are on a future (VIX): close and moves are not theirs"
        ),
        Column("has_earnings_before_expiration", FLAG, "Whether a report comes before; null when nobody knows"),
        Column("dividend_before_expiration", FLOAT, "Next dividend if it goes ex by then, else 0; null when unknown"),
        Column("close", FLOAT, "Close of the as-of session; null when that bar is missing"),
        Column("adjustment", STRING, "Least certain one of the bars behind the row: split, rebased, raw, unknown"),
        estimate("returns_stddev", "Sample stddev of the last horizon_sessions log returns, not annualised"),
        estimate("returns_stddev_rel_error", "Its relative standard error"),
        estimate("returns_stddev_lookback", "The same over the usual lookback, one for all horizons"),
        estimate("returns_stddev_lookback_rel_error", "Its relative standard error"),
        required(
            "lookback_sessions", SMALL, "Sessions that the next columns look back on: ten horizons, a year at least"
        ),
        estimate("usual_move", "Root mean square of horizon-long returns around zero, one deviation"),
        estimate("usual_move_rel_error", "Its relative standard error"),
        estimate("usual_move_centered", "The same around their mean: without the trend, and without bias of overlap"),
        estimate("absolute_move_p50", "Half of the past moves were no larger, as a fraction of the price"),
        estimate("absolute_move_p68", "68% of them were no larger"),
        estimate("absolute_move_p90", "90% of them were no larger"),
        estimate("forecast_move", "usual_move, shrunk towards daily stddev times root of horizon: one deviation"),
        estimate("forecast_move_rel_error", "Its relative standard error, and that of move_ratio"),
        estimate("variance_ratio", "Horizon variance over daily variance times horizon; below 1 moves cancel"),
        estimate("variance_ratio_z", "Its distance from 1 in standard errors"),
        estimate("realized_volatility", "returns_stddev, annualised"),
        estimate("usual_volatility", "usual_move, annualised over sessions_left"),
        Column("implied_volatility", FLOAT, "Annualised implied volatility of this expiration"),
        Column("implied_volatility_at", TIMESTAMP, "When the broker computed it, else when it was fetched"),
        estimate("expected_move", "Priced move to expiration in US dollars, one standard deviation"),
        estimate("clock_ratio", "What 365 calendar days against 252 sessions add to move_ratio: 1.44 over a weekend"),
        estimate("move_ratio", "Priced move over forecast_move; 1 for fair options"),
        estimate("move_ratio_z", "log(move_ratio) in its standard errors: dear above 2, cheap below -2"),
        estimate("share_inside_expected_move", "Share of the past moves that were no larger than today's priced one"),
        estimate("iv_rv_spread", "implied_volatility less realized_volatility"),
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
