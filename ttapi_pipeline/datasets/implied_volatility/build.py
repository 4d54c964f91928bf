# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`implied_volatility`: what each listed expiration is priced at, from the same payload as `symbols`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import msgspec
import polars as pl

from ttapi_pipeline.client import MarketMetrics, TastytradeClient
from ttapi_pipeline.client.models import ExpirationVolatility
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.manifest import lost_facts
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.datasets.build import (
    Build,
    carry_over,
    is_past,
    left_out,
    named,
    require_options,
    rows_per_source,
    unexpired,
)
from ttapi_pipeline.datasets.implied_volatility.table import IMPLIED_VOLATILITY
from ttapi_pipeline.datasets.metrics import without_impossible
from ttapi_pipeline.datasets.placeholders import is_impossible, known_date, known_moment, known_text, positive
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.young_rows import YoungRows, kept_rows, of_all, to_ask

_LIST: Final = "option-expiration-implied-volatilities"
_SAME: Final = 0.01
"""Relative; two roots of one date are rounded and interpolated apart by less."""


def implied_volatility_frame(metrics: Sequence[MarketMetrics], *, fetched_at: datetime) -> pl.DataFrame:
    """One row per symbol, expiration date, settlement and chain type."""
    rows = [
        (
            each.symbol,
            entry.expiration_date,
            *_kind(entry),
            positive(entry.implied_volatility),
            known_moment(each.implied_volatility_updated_at or each.updated_at),
            "tastytrade",
            fetched_at,
        )
        for each in metrics
        for entry in each.option_expiration_implied_volatilities
        if known_date(entry.expiration_date) is not None
    ]
    frame = pl.DataFrame(rows, schema=IMPLIED_VOLATILITY.polars, orient="row")
    # The payload lists an expiration once per root; two roots of one kind on one date have one volatility. One that is
    # null does not hide the other.
    first_known = frame.sort(pl.col("implied_volatility").is_null(), maintain_order=True)
    return first_known.unique(IMPLIED_VOLATILITY.key, keep="first", maintain_order=True)


def _kind(entry: ExpirationVolatility) -> tuple[str, str]:
    """Settlement and chain type, the usual ones where the broker leaves them out."""
    return entry.settlement_type or "PM", known_text(entry.option_chain_type) or "Standard"


def is_of_expiration(lost_field: str) -> bool:
    """Whether a field of `/market-metrics` that could not be read is in this table, by its name on the wire."""
    return lost_field.startswith(("option-expiration-implied-volatilities", "implied-volatility-updated-at"))


def open_only(
    metrics: Collection[MarketMetrics], *, today: date
) -> tuple[Collection[MarketMetrics], Mapping[str, int]]:
    """Set aside the expirations that have passed, and count them and what contradicts itself.

    Returns:
        The metrics with the expirations that may be open, and how often an expiration had passed, or came again with
        another volatility, or had a negative one that is no placeholder, by its name on the wire.
    """
    lost = Counter[str]()
    rows = []
    for each in metrics.rows:
        listed = each.option_expiration_implied_volatilities
        kept = tuple(
            entry
            for entry in listed
            if known_date(entry.expiration_date) is None or not is_past(entry.expiration_date, today=today)
        )
        lost[f"{_LIST}[].expiration-date"] += len(listed) - len(kept)
        lost[f"{_LIST}[].implied-volatility"] += sum(is_impossible(entry.implied_volatility) for entry in kept)
        lost[f"{_LIST}[]"] += _contradictions(kept)
        is_same = len(kept) == len(listed)
        rows.append(each if is_same else msgspec.structs.replace(each, option_expiration_implied_volatilities=kept))
    return replace(metrics, rows=rows), lost


def _contradictions(entries: Iterable[ExpirationVolatility]) -> int:
    """How many entries repeat an expiration with a volatility that differs by more than rounding does."""
    first = dict[tuple[date, str, str], float]()
    count = 0
    for entry in entries:
        if (value := positive(entry.implied_volatility)) is not None:
            key = (entry.expiration_date, *_kind(entry))
            count += not math.isclose(first.setdefault(key, value), value, rel_tol=_SAME)
    return count


def without_vanished(
    metrics: Collection[MarketMetrics], previous: pl.LazyFrame | None, *, today: date
) -> Collection[MarketMetrics]:
    """Count as missing the symbols without a volatility of any expiration although stored ones have not expired.

    The volatility is the point of a row: a list of expirations without a single one is as silent as an empty list.
    """
    silent = {each.symbol for each in metrics.rows if not each.option_expiration_implied_volatilities}
    hollow = {
        each.symbol
        for each in metrics.rows
        if each.symbol not in silent
        and not any(positive(entry.implied_volatility) for entry in each.option_expiration_implied_volatilities)
    }
    known = None if previous is None else previous.filter(pl.col("implied_volatility").is_not_null())
    reasons = dict.fromkeys(
        unexpired(previous, silent, today=today), "no expiration came, and stored ones are still ahead"
    ) | dict.fromkeys(
        # That of today has no volatility any more once it has expired.
        unexpired(known, hollow, today=today + timedelta(days=1)),
        "no implied volatility came, and stored ones are still ahead",
    )
    if not reasons:
        return metrics
    rows = [each for each in metrics.rows if each.symbol not in reasons]
    return replace(metrics, rows=rows, missing={**metrics.missing, **dict(sorted(reasons.items()))})


async def build_implied_volatility(
    client: TastytradeClient,
    universe: pl.DataFrame,
    *,
    previous: pl.LazyFrame | None,
    now: datetime,
    min_coverage: float,
    progress: ProgressCallback,
    young: YoungRows | None = None,
) -> Build:
    """Fetch the volatility of every listed expiration of the universe; with young rows, of the symbols they lack."""
    members = universe["symbol"].to_list()
    asked = to_ask(members, young)
    metrics = of_all(await client.market_metrics(asked, progress=progress), members)
    today = now.astimezone(NEW_YORK).date()
    metrics, lost = open_only(without_impossible(metrics, now=now), today=today)
    metrics = without_vanished(metrics, previous, today=today)
    metrics.require(min_coverage, subject="implied_volatility")
    fresh = implied_volatility_frame(metrics.rows, fetched_at=now)
    stored = kept_rows(fresh, members, asked, young)
    has_some = bool(metrics.missing) or not (fresh.is_empty() and stored.is_empty())
    require_options(universe, has_some=has_some, dataset="implied_volatility")
    known = None if previous is None else previous.filter(pl.col("implied_volatility").is_not_null())
    kept = left_out(fresh, known, IMPLIED_VOLATILITY.key, missing=metrics.missing, today=today)
    carried = pl.concat([carry_over(fresh, previous, metrics.missing), kept])
    frame = pl.concat([carried, stored])
    of_table = {name: count for name, count in metrics.lost.items() if is_of_expiration(name)}
    return Build(
        frame=frame,
        missing={**metrics.missing, **named(kept, what="volatilities")},
        sources=rows_per_source(frame),
        statistics={
            "coverage": metrics.coverage,
            "symbols_without_options": sum(not each.option_expiration_implied_volatilities for each in metrics.rows),
            "rows_carried_over": carried.height - fresh.height,
            **({} if young is None else {"rows_kept": stored.height}),
            "rows_rejected": len(metrics.rejected),
            **lost_facts(Counter(of_table) + Counter(lost)),
        },
        is_simulated=client.is_simulated or (young is not None and young.is_simulated),
        fetched_at=None if young is None else young.fetched_at,
    )


async def build(refresh: Refresh, universe: pl.LazyFrame) -> Build:
    """Fetch the metrics of the universe."""
    async with refresh.connect() as client:
        return await build_implied_volatility(
            client,
            universe.collect(),
            previous=refresh.previous(),
            now=refresh.now,
            min_coverage=refresh.settings.min_coverage,
            progress=refresh.progress("metrics"),
            young=refresh.young_rows(),
        )
