# SPDX-License-Identifier: MIT
"""What the values of each dataset must satisfy; a null satisfies everything but nullability, which is the schema's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.cone import CONE_QUANTILES
from ttapi_pipeline.analytics.current import WINDOWS
from ttapi_pipeline.analytics.estimators import ESTIMATORS

_PRICES: Final = ("open", "high", "low", "close")


def _col(name: str) -> pl.Expr:
    return pl.col(name)


def _fraction(name: str, most: float) -> pl.Expr:
    return _col(name).is_between(0.0, most)


_BARS: Final = {
    "prices are positive": pl.all_horizontal(*(_col(name).fill_null(1.0) > 0 for name in _PRICES)),
    "low <= open, close <= high": pl.all_horizontal(
        *(_col("low") <= _col(name) for name in ("open", "close", "high")),
        *(_col("high") >= _col(name) for name in ("open", "close")),
    ),
    "volume is not negative": _col("volume") >= 0,
}

RULES: Final[Mapping[str, Mapping[str, pl.Expr]]] = MappingProxyType(
    {
        "trading_calendar": {
            "closes after it opens": _col("closes_at") > _col("opens_at"),
            "a session lasts at most 7 hours": _col("closes_at") - _col("opens_at") <= pl.duration(hours=7),
            "sessions are weekdays": _col("session").dt.weekday() <= 5,
        },
        "accounts": {
            "currency is a three-letter code": _col("currency").str.contains(r"^[A-Z]{3}$"),
        },
        "universe": {
            "symbols are spelt as tastytrade does": _col("symbol").str.contains(r"^[A-Z0-9]+(/[A-Z0-9]+)?$"),
        },
        "symbols": {
            "implied volatility is between 0 and 10": _fraction("implied_volatility_index", 10.0),
            "historical volatility is between 0 and 10": _fraction("historical_volatility_30_day", 10.0),
            "implied volatility percentile is between 0 and 1": _fraction("implied_volatility_percentile", 1.0),
            "liquidity rating is between 0 and 5": _col("liquidity_rating").is_between(0, 5),
            "market capitalisation is not negative": _col("market_cap") >= 0,
        },
        "implied_volatility": {
            "implied volatility is between 0 and 10": _fraction("implied_volatility", 10.0),
            "settlement is AM or PM": _col("settlement_type").is_in(["AM", "PM"]),
        },
        "quotes": {
            # A bid of nothing is a quote, and so is one above the ask; a trade at nothing is none.
            "prices are positive, bids at least zero": pl.all_horizontal(
                _col("bid_price").fill_null(0.0) >= 0,
                *(_col(name).fill_null(1.0) > 0 for name in ("last_price", "day_low", "previous_close")),
            ),
            "sizes and volume are not negative": pl.all_horizontal(
                *(_col(name).fill_null(0.0) >= 0 for name in ("bid_size", "ask_size", "last_size", "day_volume"))
            ),
            "day's low <= day's high": _col("day_low") <= _col("day_high"),
            "mid and spread are there with both sides": pl.all_horizontal(
                _col(name).is_not_null() == (_col("bid_price").is_not_null() & _col("ask_price").is_not_null())
                for name in ("mid_price", "spread")
            ),
            "source is dxlink or rest": _col("source").is_in(["dxlink", "rest"]),
        },
        "earnings": {
            "time of day is BTO or AMC": _col("time_of_day").is_in(["BTO", "AMC"]),
            "the source is known": _col("source").is_in(["tastytrade", "file"]),
        },
        "expiration_series": {
            "the session is on or before the expiration": _col("expiration_session") <= _col("expiration_date"),
            "the session is within 5 days of the expiration": _col("expiration_date") - _col("expiration_session")
            <= pl.duration(days=5),
            "strikes are positive and ordered": (_col("lowest_strike") > 0)
            & (_col("lowest_strike") <= _col("highest_strike")),
            "settlement is AM or PM": _col("settlement_type").is_in(["AM", "PM"]),
        },
        "daily_candles": dict(_BARS),
        "eod_snapshot": dict(_BARS),
        "returns_stddev": {
            "deviations are not negative": pl.all_horizontal(
                *(
                    _col(name).fill_null(0.0) >= 0
                    for name in ("returns_stddev", "returns_stddev_lookback", "horizon_returns_stddev")
                )
            ),
            "realized volatility is below 10": _col("realized_volatility") < 10.0,
            "sessions are at most days": _col("horizon_sessions") <= _col("dte"),
            "a null has a reason": _col("returns_stddev").is_null() == _col("returns_stddev_reason").is_not_null(),
        },
        "volatility": {
            "volatilities are between 0 and 10": pl.all_horizontal(
                *(
                    _fraction(f"{estimator}_{window}", 10.0).fill_null(value=True)
                    for estimator in ESTIMATORS
                    for window in WINDOWS
                )
            ),
            "a null has a reason": pl.all_horizontal(
                *(
                    _col(f"{estimator}_{window}").is_null() == _col(f"{estimator}_{window}_reason").is_not_null()
                    for estimator in ("close_to_close", "yang_zhang")
                    for window in WINDOWS
                )
            ),
            "ranks and percentiles are between 0 and 1": pl.all_horizontal(
                *(_fraction(name, 1.0).fill_null(value=True) for name in ("hv_rank", "hv_percentile"))
            ),
        },
        "volatility_cone": {
            "quantiles ascend": pl.all_horizontal(
                *(
                    (_col(lower) <= _col(higher) + 1e-12).fill_null(value=True)
                    for lower, higher in pairwise(CONE_QUANTILES)
                )
            ),
            "today's is within the cone": _col("current").is_between(_col("minimum"), _col("maximum")),
            "a null has a reason": _col("current").is_null() == _col("reason").is_not_null(),
        },
    }
)
"""Per dataset, an expression that is true (or null) for every good row, by what it says."""


def violations(frame: pl.LazyFrame, dataset: str) -> Mapping[str, int]:
    """How many rows break each rule of a dataset; rules that hold are left out."""
    broken = {name: (~rule).sum() for name, rule in RULES[dataset].items()}
    counts = frame.select(**broken).collect(engine="streaming")
    return {name: count for name, count in counts.row(0, named=True).items() if count}


def repeated_keys(frame: pl.LazyFrame, key: Sequence[str]) -> pl.DataFrame:
    """Up to five keys that are there more than once, with how often in `len`."""
    return frame.group_by(list(key)).len().filter(pl.col("len") > 1).head(5).collect(engine="streaming")
