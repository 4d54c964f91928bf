# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Histories of candles as the feed's client hands them over, made without a feed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np

from ttapi_pipeline.streaming.candles import CandleHistory


def history(symbol: str, closes: Mapping[date, float], *, is_snipped: bool = False) -> CandleHistory:
    """Bars in which every price is the close, and so is the volume; one trade each, and no options."""
    values = np.array(list(closes.values()), dtype=np.float64)
    return CandleHistory(
        symbol=symbol,
        session=np.array(list(closes), dtype="datetime64[D]"),
        open=values,
        high=values,
        low=values,
        close=values,
        volume=values,
        vwap=values,
        count=np.ones(len(values)),
        implied_volatility=values * np.nan,
        open_interest=values * np.nan,
        is_snipped=is_snipped,
    )
