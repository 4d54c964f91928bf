# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which expirations are to be frozen: listed ones as they come near, monthly ones of the past once. Made by `build`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from ttapi_pipeline.datasets.expectations.table import BACKFILLED_AT, FROZEN_AT
from ttapi_pipeline.datasets.histories import Sessions

SERIES_KEY: Final = ("symbol", "root_symbol", "expiration_date", "settlement_type", "tenor_sessions")


def listed(series: pl.LazyFrame, sessions: Sessions) -> pl.DataFrame:
    """The listed expirations near enough to be frozen at the as-of session.

    Standard ones that are settled at the close: the last step of an AM-settled one is a night, which no stored bar of a
    session measures by itself.

    Returns:
        SERIES_KEY, `expiration_number` (of its session), `frozen_number` (of the as-of session), `horizon_sessions` and
        `dte` (Int32).
    """
    as_of = sessions.date(sessions.last)
    rows = series.filter(
        (pl.col("settlement_type") == "PM")
        & (pl.col("option_chain_type") == "Standard")
        & (pl.col("expiration_session") > as_of)
    ).collect()
    numbers = np.searchsorted(sessions.days, rows["expiration_session"].to_physical().to_numpy())
    horizon = pl.Series("horizon_sessions", numbers - sessions.last, dtype=pl.Int32)
    tenor = pl.lit(None, pl.Int32)
    for limit in sorted(FROZEN_AT, reverse=True):
        tenor = pl.when(pl.col("horizon_sessions") <= limit).then(limit).otherwise(tenor)
    return (
        rows.with_columns(horizon)
        .with_columns(
            tenor_sessions=tenor.cast(pl.Int32),
            expiration_number=pl.Series(numbers, dtype=pl.Int64),
            frozen_number=pl.lit(sessions.last, pl.Int64),
            dte=(pl.col("expiration_date") - pl.lit(as_of)).dt.total_days().cast(pl.Int32),
        )
        .drop_nulls("tenor_sessions")
        .select(*SERIES_KEY, "expiration_number", "frozen_number", "horizon_sessions", "dte")
    )


def monthly(sessions: Sessions, *, first: date) -> pl.DataFrame:
    """Monthly expirations whose freezing session lies between `first` and the one before the as-of session.

    They fall on the third Friday, or on the session before it when that is none (Options Clearing Corporation; before
    2015 the contracts said the Saturday after, with Friday as the last day of trading).

    Returns:
        One row per expiration: as `listed`, without symbol and root.
    """
    beyond = sessions.days[min(sessions.last + BACKFILLED_AT, len(sessions.days) - 1)]
    days = np.arange((first - date(1970, 1, 1)).days, int(beyond) + 1, dtype=np.int64)
    # 1970-01-01 was a Thursday; a third Friday is a Friday from the 15th to the 21st.
    day_of_month = (days.astype("datetime64[D]") - days.astype("datetime64[D]").astype("datetime64[M]")).astype(int) + 1
    fridays = days[((days + 3) % 7 == 4) & (day_of_month >= 15) & (day_of_month <= 21)]
    numbers = np.searchsorted(sessions.days, fridays, side="right") - 1
    frozen = numbers - BACKFILLED_AT
    is_past = (frozen >= 0) & (frozen < sessions.last)
    frame = pl.DataFrame(
        {"expiration_number": numbers[is_past], "frozen_number": frozen[is_past]},
        schema={"expiration_number": pl.Int64, "frozen_number": pl.Int64},
    )
    expires, freezes = (sessions.dates(frame[name].to_numpy()) for name in ("expiration_number", "frozen_number"))
    return frame.with_columns(
        expiration_date=expires,
        settlement_type=pl.lit("PM"),
        tenor_sessions=pl.lit(BACKFILLED_AT, pl.Int32),
        horizon_sessions=pl.lit(BACKFILLED_AT, pl.Int32),
        dte=pl.Series((expires - freezes).dt.total_days().cast(pl.Int32)),
    ).filter(freezes >= first)


def roots(series: pl.LazyFrame, symbols: pl.DataFrame) -> pl.DataFrame:
    """The root that most standard expirations of each symbol have; the symbol without its slash when none is listed.

    Args:
        series: `expiration_series`.
        symbols: `symbol`.
    """
    common = (
        series.filter(pl.col("option_chain_type") == "Standard")
        .group_by("symbol", "root_symbol")
        .len()
        .sort("symbol", -pl.col("len").cast(pl.Int64), "root_symbol")
        .unique("symbol", keep="first", maintain_order=True)
        .select("symbol", "root_symbol")
        .collect()
    )
    own = pl.col("symbol").str.replace_all("/", "", literal=True)
    return symbols.join(common, on="symbol", how="left").with_columns(pl.col("root_symbol").fill_null(own))


def since(previous: pl.DataFrame, symbols: pl.DataFrame, *, beginning: date) -> pl.DataFrame:
    """From which session on the monthly expirations of each symbol are still to be frozen.

    Args:
        previous: Stored rows.
        symbols: `symbol`.
        beginning: Of a symbol without stored rows.

    Returns:
        `symbol` and `since`: the day after the last session at which anything of it was frozen.
    """
    last = previous.group_by("symbol").agg(since=pl.col("frozen_session").max() + timedelta(days=1))
    return symbols.join(last, on="symbol", how="left").with_columns(pl.col("since").fill_null(beginning))
