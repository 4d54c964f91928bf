# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Invented daily bars of one symbol, for tests of formulas."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from ttapi_pipeline.core.sessions import sessions_between

SESSIONS = sessions_between(date(2012, 1, 3), date(2012, 4, 30))
CALENDAR = pl.LazyFrame({"session": SESSIONS})


def market(seed: int = 1, *, symbol: str = "AAPL") -> pl.DataFrame:
    """A bar per session whose high and low enclose its open and close."""
    rng = np.random.default_rng(seed)
    count = len(SESSIONS)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, count)))
    open_ = close * np.exp(rng.normal(0.0, 0.01, count))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, 0.005, count)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, 0.005, count)))
    return pl.DataFrame(
        {"symbol": symbol, "session": SESSIONS, "open": open_, "high": high, "low": low, "close": close}
    )
