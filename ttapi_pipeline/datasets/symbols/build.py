# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`symbols`: the universe with its market metrics, from `/market-metrics`.

The payload mixes units: fields that it states in percentage points become fractions here, and nowhere else. Values that
stand for "unknown" become null, see `placeholders`. Another table of the same payload is `implied_volatility`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import polars as pl

from ttapi_pipeline.client import Earnings, MarketMetrics, TastytradeClient
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.manifest import lost_facts
from ttapi_pipeline.datasets.build import Build, rows_per_source
from ttapi_pipeline.datasets.implied_volatility.build import is_of_expiration
from ttapi_pipeline.datasets.metrics import without_impossible
from ttapi_pipeline.datasets.placeholders import (
    known_date,
    known_moment,
    known_text,
    next_dividend,
    not_zero,
    positive,
)
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.symbols.table import SYMBOLS
from ttapi_pipeline.datasets.young_rows import YoungRows, kept_rows, of_all, to_ask
from ttapi_pipeline.tables.dtypes import UTC_DATETIME

_FACTS: Final = ("symbol", "description", "listed_market", "is_etf", "is_index")
_INDEX: Final = "implied-volatility-index"
_FIGURES: Final = [
    name for name in SYMBOLS.polars.names() if name not in {*_FACTS, "metrics_updated_at", "source", "fetched_at"}
]


def symbols_frame(metrics: Sequence[MarketMetrics], universe: pl.DataFrame, *, fetched_at: datetime) -> pl.DataFrame:
    """One row per symbol of the universe; its metrics are null where none came."""
    facts = universe.select(_FACTS)
    schema = {name: dtype for name, dtype in SYMBOLS.polars.items() if name == "symbol" or name not in _FACTS}
    companies = frozenset(facts.filter(~(pl.col("is_etf") | pl.col("is_index")))["symbol"].to_list())
    rows = [_metrics_row(each, fetched_at, is_company=each.symbol in companies) for each in metrics]
    frame = facts.join(pl.DataFrame(rows, schema=schema), on="symbol", how="left").with_columns(
        pl.col("source").fill_null("universe"), pl.col("fetched_at").fill_null(pl.lit(fetched_at, UTC_DATETIME))
    )
    return frame.select(SYMBOLS.polars.names())


def _metrics_row(metrics: MarketMetrics, fetched_at: datetime, *, is_company: bool) -> dict[str, object]:
    return {
        "symbol": metrics.symbol,
        "implied_volatility_index": positive(metrics.implied_volatility_index),
        "implied_volatility_index_5_day_change": metrics.implied_volatility_index_5_day_change,
        "implied_volatility_rank": metrics.implied_volatility_index_rank,
        "implied_volatility_rank_source": known_text(metrics.implied_volatility_index_rank_source),
        "tos_implied_volatility_rank": metrics.tos_implied_volatility_index_rank,
        "tw_implied_volatility_rank": metrics.tw_implied_volatility_index_rank,
        "implied_volatility_percentile": metrics.implied_volatility_percentile,
        "implied_volatility_30_day": _fraction(positive(metrics.implied_volatility_30_day)),
        "historical_volatility_30_day": _fraction(positive(metrics.historical_volatility_30_day)),
        "historical_volatility_60_day": _fraction(positive(metrics.historical_volatility_60_day)),
        "historical_volatility_90_day": _fraction(positive(metrics.historical_volatility_90_day)),
        "iv_hv_30_day_difference": _fraction(metrics.iv_hv_30_day_difference),
        "liquidity_rating": metrics.liquidity_rating,
        "liquidity_value": metrics.liquidity_value,
        "liquidity_rank": metrics.liquidity_rank,
        "beta": metrics.beta,
        "corr_spy_3_month": metrics.corr_spy_3month,
        **_company_figures(metrics, is_company=is_company),
        "dividend_yield": metrics.dividend_yield,
        "dividend_rate_per_share": metrics.dividend_rate_per_share,
        "annual_dividend_per_share": metrics.annual_dividend_per_share,
        "dividend_ex_date": known_date(metrics.dividend_ex_date),
        "dividend_next_date": next_dividend(metrics.dividend_next_date, metrics.dividend_ex_date),
        "dividend_pay_date": known_date(metrics.dividend_pay_date),
        **_earnings_figures(metrics.earnings),
        "lendability": known_text(metrics.lendability),
        "borrow_rate": metrics.borrow_rate,
        "metrics_updated_at": known_moment(metrics.updated_at),
        "source": "tastytrade",
        "fetched_at": fetched_at,
    }


def _company_figures(metrics: MarketMetrics, *, is_company: bool) -> dict[str, object]:
    ratio, capital = not_zero(metrics.price_earnings_ratio), positive(metrics.market_cap)
    # A company may earn nothing in a year, down to the cent. Then it has a capitalisation all the same.
    has_earnings = is_company and capital is not None
    earned = metrics.earnings_per_share
    return {
        "market_cap": None if capital is None else round(capital),
        "price_earnings_ratio": ratio,
        "earnings_per_share": earned if has_earnings else not_zero(earned),
    }


def _earnings_figures(earnings: Earnings | None) -> dict[str, object]:
    if earnings is None or earnings.visible is False:
        return {}
    return {
        "earnings_date": known_date(earnings.expected_report_date),
        "earnings_time_of_day": earnings.time_of_day,
        "is_earnings_date_estimated": earnings.estimated,
        "earnings_actual_eps": earnings.actual_eps,
        "earnings_consensus_estimate": earnings.consensus_estimate,
    }


def _fraction(points: float | None) -> float | None:
    return None if points is None else points / 100.0


def without_hollow(
    metrics: Collection[MarketMetrics], fresh: pl.DataFrame, previous: pl.LazyFrame | None
) -> Collection[MarketMetrics]:
    """Count as missing the symbols whose answer has less than half of the stored figures, or contradicts itself.

    Args:
        metrics: What came. A field that came and could not be read counts as one that came, since it is counted itself.
        fresh: The rows of it.
        previous: What is stored; None when there is nothing that may be carried over.
    """
    if previous is None:
        return metrics
    lost = {each.symbol: each.lost_fields for each in metrics.rows}
    priced = {
        each.symbol
        for each in metrics.rows
        if any(positive(entry.implied_volatility) for entry in each.option_expiration_implied_volatilities)
    }
    both = _known(previous).join(_known(fresh.lazy()), on="symbol", suffix="_now").sort("symbol").collect()
    reasons = {}
    for symbol, stored, had_index, came, has_index in both.iter_rows():
        if symbol not in lost:
            continue
        if 2 * (came + len(lost[symbol])) < stored:
            reasons[symbol] = f"{came} figures came, and {stored} are stored"
        elif had_index and not has_index and symbol in priced and _INDEX not in lost[symbol]:
            reasons[symbol] = "no implied volatility index came, although its options have volatilities"
    rows = [each for each in metrics.rows if each.symbol not in reasons]
    return replace(metrics, rows=rows, missing={**metrics.missing, **reasons}) if reasons else metrics


def _known(rows: pl.LazyFrame) -> pl.LazyFrame:
    """How many figures each row has, and whether the implied volatility index is among them."""
    return rows.select(
        "symbol",
        pl.sum_horizontal(pl.col(_FIGURES).is_not_null().cast(pl.Int32)).alias("figures"),
        pl.col("implied_volatility_index").is_not_null().alias("has_index"),
    )


async def build_symbols(
    client: TastytradeClient,
    universe: pl.DataFrame,
    *,
    previous: pl.LazyFrame | None,
    now: datetime,
    min_coverage: float,
    progress: ProgressCallback,
    young: YoungRows | None = None,
) -> Build:
    """Fetch the metrics of the universe; a symbol without any, or with few, keeps its last known row.

    With young rows, the metrics of the symbols that they lack. What the universe says of a symbol is taken over anew.
    """
    members = universe["symbol"].to_list()
    asked = to_ask(members, young)
    kept = _with_facts(kept_rows(SYMBOLS.polars.to_frame(), members, asked, young), universe)
    universe = universe.filter(pl.col("symbol").is_in(asked))
    metrics = of_all(await client.market_metrics(asked, progress=progress), members)
    metrics = without_impossible(metrics, now=now)
    metrics = without_hollow(metrics, symbols_frame(metrics.rows, universe, fetched_at=now), previous)
    metrics.require(min_coverage, subject="symbols")
    came = {each.symbol for each in metrics.rows}
    failed = [symbol for symbol in universe["symbol"] if symbol not in came and symbol in metrics.missing]
    known = previous.filter(pl.col("symbol").is_in(failed)).collect() if previous is not None and failed else None
    fresh_facts = universe if known is None else universe.filter(~pl.col("symbol").is_in(known["symbol"].to_list()))
    fresh = symbols_frame(metrics.rows, fresh_facts, fetched_at=now)
    carried = fresh if known is None else pl.concat([fresh, known.select(fresh.columns)])
    frame = pl.concat([carried, kept])
    return Build(
        frame=frame,
        missing=metrics.missing,
        sources=rows_per_source(frame),
        statistics={
            "coverage": metrics.coverage,
            "rows_carried_over": carried.height - fresh.height,
            **({} if young is None else {"rows_kept": kept.height}),
            "rows_rejected": len(metrics.rejected),
            **lost_facts({name: count for name, count in metrics.lost.items() if not is_of_expiration(name)}),
        },
        is_simulated=client.is_simulated or (young is not None and young.is_simulated),
        fetched_at=None if young is None else young.fetched_at,
    )


def _with_facts(rows: pl.DataFrame, universe: pl.DataFrame) -> pl.DataFrame:
    """Stored rows with what the universe says of their symbols now."""
    others = rows.drop([name for name in _FACTS if name != "symbol"])
    return others.join(universe.select(_FACTS), on="symbol").select(rows.columns)


async def build(refresh: Refresh, universe: pl.LazyFrame) -> Build:
    """Fetch the metrics of the universe."""
    async with refresh.connect() as client:
        return await build_symbols(
            client,
            universe.collect(),
            previous=refresh.previous(),
            now=refresh.now,
            min_coverage=refresh.settings.min_coverage,
            progress=refresh.progress("metrics"),
            young=refresh.young_rows(),
        )
