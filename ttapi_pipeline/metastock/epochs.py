# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads times that TradingView writes as seconds since 1970. All other dates are read in `dates`."""

from __future__ import annotations

from typing import Final

import polars as pl

_DAY: Final = 86_400
_SECONDS: Final = r"^-?\d{1,10}$"
_NO_DATE: Final = r"^(?:-\d{1,10}|\d{9,10})$"


def dates_of_seconds(texts: pl.Series) -> pl.Series:
    """Seconds since 1970 as ``2026-11-20 09:30:00``, by the clocks of New York; other texts stay as they are.

    The bar of a session of the US begins in the morning there. A bar that begins at midnight UTC is of that date.

    Args:
        texts: Of one file. Eight digits are seconds, too, where some of the texts can be nothing else.
    """
    text = pl.col(texts.name)
    if not texts.str.contains(_NO_DATE).any():
        return texts
    seconds = pl.when(text.str.contains(_SECONDS)).then(text.cast(pl.Int64, strict=False))
    moment = pl.from_epoch(seconds, time_unit="s").dt.replace_time_zone("UTC")
    there = moment.dt.convert_time_zone("America/New_York").dt.strftime("%Y-%m-%d %H:%M:%S")
    named = pl.when(seconds % _DAY == 0).then(moment.dt.strftime("%Y-%m-%d")).otherwise(there)
    return texts.to_frame().select(pl.coalesce(named, text)).to_series().alias(texts.name)
