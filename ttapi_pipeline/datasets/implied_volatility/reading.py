# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Whether an implied volatility and a close are of one moment, asked by the datasets that divide one by the other."""

from __future__ import annotations

from datetime import date
from typing import Final

import polars as pl

REASONS: Final = {
    "no_implied_volatility": "the broker has none",
    "stale_implied_volatility": "the implied volatility is from before the open of the as-of session",
    "stale_close": "two sessions have opened between the close and the implied volatility",
}
"""Why an implied volatility is not compared with prices of the as-of session."""


def moment_reason(implied_volatility: pl.Expr, at: pl.Expr, calendar: pl.LazyFrame, *, as_of: date) -> pl.Expr:
    """A key of REASONS where the implied volatility cannot be compared with the close of a session, else null.

    An implied volatility of the session itself, of the night and of the next session is compared.

    Args:
        implied_volatility: Null where there is none.
        at: When it was computed (UTC); null is older than everything.
        calendar: `session`, `opens_at`.
        as_of: The session of the close.
    """
    opens = (calendar.filter(pl.col("session") >= as_of).sort("session").select(pl.col("opens_at").head(3)).collect())[
        "opens_at"
    ]
    nothing = pl.when(implied_volatility.is_null()).then(pl.lit("no_implied_volatility"))
    if opens.is_empty():
        return nothing
    stale = nothing.when((at < pl.lit(opens[0])).fill_null(value=True)).then(pl.lit("stale_implied_volatility"))
    return stale if len(opens) < 3 else stale.when(at >= pl.lit(opens[2])).then(pl.lit("stale_close"))
