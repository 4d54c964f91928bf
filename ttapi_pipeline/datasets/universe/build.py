# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`universe`: which symbols are tracked, and what they are; no prices, no metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.client import UNKNOWN_SYMBOL, Equity, TastytradeClient, lost_in, rejected_in
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.core.manifest import lost_facts
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import (
    SP500_AS_OF,
    TRADED,
    SymbolList,
    likely_symbol,
    lists_of,
    read_symbol_file,
    sp500,
)
from ttapi_pipeline.datasets.build import Build, carry_over, rows_per_source
from ttapi_pipeline.datasets.placeholders import known_text
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.universe.table import UNIVERSE
from ttapi_pipeline.datasets.young_rows import YoungRows, kept_rows, of_all, to_ask

EQUITY_TYPES: Final = frozenset({"Equity", "Index", "ETF"})
_OPTIONABLE: Final = "active optionable equities"


@dataclass(frozen=True, slots=True)
class Membership:
    """A list of symbols and its name, for the `membership` column.

    `lost` counts the entries of a watchlist that could not be read, by field.
    """

    name: str
    symbols: Sequence[str]
    lost: Mapping[str, int] = field(default_factory=dict)


async def collect_memberships(client: TastytradeClient, settings: Settings) -> list[Membership]:
    """The lists that TT_LIST names, but for that of every active optionable equity, which comes with its rows."""
    return [
        await _membership(client, settings, each)
        for each in lists_of(settings.universe)
        if each != SymbolList.OPTIONABLE
    ]


async def _membership(client: TastytradeClient, settings: Settings, named: str) -> Membership:
    match named:
        case SymbolList.WATCHLIST:
            return await _watchlist(client, settings.watchlist)
        case SymbolList.SP500:
            return Membership(f"S&P 500 as of {SP500_AS_OF}", tuple(member.symbol for member in sp500()))
        case SymbolList.TRADED:
            return Membership("most traded ETFs and indices", TRADED)
        case path:
            return Membership(Path(path).name, read_symbol_file(Path(path)))


async def _watchlist(client: TastytradeClient, name: str) -> Membership:
    watchlist = await client.public_watchlist(name)
    symbols = tuple(
        dict.fromkeys(
            entry.symbol
            for entry in watchlist.entries
            if entry.symbol and entry.instrument_type in {None, *EQUITY_TYPES}
        )
    )
    nameless = Counter({"watchlist-entries[].symbol": sum(not entry.symbol for entry in watchlist.entries)})
    if not symbols:
        raise DataError(f"watchlist {name!r} has no equity; name another one in TT_WATCHLIST")
    return Membership(f"watchlist {name}", symbols, lost_in([watchlist]) + nameless)


def universe_frame(equities: Sequence[Equity], *, membership: Mapping[str, str], fetched_at: datetime) -> pl.DataFrame:
    """One row per symbol; `membership` names the lists of each."""
    rows = [
        {
            "symbol": equity.symbol,
            "streamer_symbol": known_text(equity.streamer_symbol) or equity.symbol,
            "description": known_text(equity.description),
            "instrument_type": known_text(equity.instrument_type),
            "listed_market": known_text(equity.listed_market),
            "is_etf": equity.is_etf,
            "is_index": equity.is_index,
            "is_active": equity.active,
            "is_illiquid": equity.is_illiquid,
            "is_closing_only": equity.is_closing_only,
            "is_options_closing_only": equity.is_options_closing_only,
            "membership": membership[equity.symbol],
            "source": "tastytrade",
            "fetched_at": fetched_at,
        }
        for equity in equities
    ]
    return pl.DataFrame(rows, schema=UNIVERSE.polars)


async def collect_active_optionable(client: TastytradeClient, *, progress: ProgressCallback) -> Collection[Equity]:
    """Every active equity that has options; the broker gives option tick sizes to those alone."""
    equities = await client.active_equities(progress=progress)
    rows = [equity for equity in equities if equity.option_tick_sizes and not equity.is_options_closing_only]
    if not rows:
        raise DataError("the list of active equities has none with options; the stored universe stays as it was")
    rejected = rejected_in(equities)
    missing = dict(rejected)
    return Collection(rows, missing, requested=len(rows) + len(missing), rejected=rejected, lost=lost_in(equities))


def _names_by_symbol(memberships: Sequence[Membership]) -> Mapping[str, str]:
    """For each symbol, the names of the lists that it is in."""
    names: dict[str, list[str]] = {}
    for each in memberships:
        for symbol in each.symbols:
            names.setdefault(symbol, []).append(each.name)
    return {symbol: "; ".join(lists) for symbol, lists in names.items()}


async def _with_members(
    client: TastytradeClient, listed: Collection[Equity], symbols: Sequence[str], *, progress: ProgressCallback
) -> Collection[Equity]:
    """What was listed, and the facts of the other members; the reason of an unknown one names the likely symbol."""
    known = {equity.symbol for equity in listed.rows}
    others = [symbol for symbol in symbols if symbol not in known]
    if not others:
        return listed
    came = await client.equities(others, progress=progress)
    reasons = {
        symbol: reason + likely_symbol(symbol) if UNKNOWN_SYMBOL in reason else reason
        for symbol, reason in came.missing.items()
    }
    return Collection(
        [*listed.rows, *came.rows],
        {**listed.missing, **reasons},
        requested=listed.requested + came.requested,
        rejected=[*listed.rejected, *came.rejected],
        lost=Counter(listed.lost) + Counter(came.lost),
    )


async def build_universe(
    client: TastytradeClient,
    settings: Settings,
    *,
    previous: pl.LazyFrame | None,
    now: datetime,
    progress: ProgressCallback,
    young: YoungRows | None = None,
) -> Build:
    """Fetch the facts of every member that is not known yet; a member that the broker does not know is missing.

    Args:
        client: Of the broker.
        settings: Name the lists.
        previous: The stored rows, for what does not come; None for none.
        now: When the collection began.
        progress: Told how many members came.
        young: Stored rows that need not be fetched again; None for none.

    Raises:
        CoverageError: Too little came.
        DataError: A list is empty.
    """
    memberships = await collect_memberships(client, settings)
    listed: Collection[Equity] = Collection(())
    if SymbolList.OPTIONABLE in lists_of(settings.universe):
        listed = await collect_active_optionable(client, progress=progress)
        memberships.append(Membership(_OPTIONABLE, tuple(equity.symbol for equity in listed.rows)))
    names = _names_by_symbol(memberships)
    members = list(names)
    asked = to_ask(members, young)
    equities = of_all(await _with_members(client, listed, asked, progress=progress), members)
    equities.require(settings.min_coverage, subject="universe")
    fresh = universe_frame(equities.rows, membership=names, fetched_at=now)
    kept = kept_rows(fresh, members, [*asked, *fresh["symbol"]], young)
    kept = kept.with_columns(pl.col("symbol").replace_strict(names, default="").alias("membership"))
    frame = pl.concat([carry_over(fresh, previous, equities.missing), kept])
    losses = [equities.lost, *(each.lost for each in memberships)]
    return Build(
        frame=frame,
        missing=equities.missing,
        sources=rows_per_source(frame),
        statistics={
            "coverage": equities.coverage,
            "membership": "; ".join(dict.fromkeys(frame["membership"].sort())),
            "rows_carried_over": frame.height - fresh.height - kept.height,
            **({} if young is None else {"rows_kept": kept.height}),
            **lost_facts(sum((Counter(lost) for lost in losses), Counter[str]())),
        },
        is_simulated=client.is_simulated or (young is not None and young.is_simulated),
        fetched_at=None if young is None else young.fetched_at,
    )


async def build(refresh: Refresh) -> Build:
    """Fetch what the members are."""
    young = refresh.young_rows(may_differ=("universe", "watchlist"))
    async with refresh.connect() as client:
        return await build_universe(
            client,
            refresh.settings,
            previous=refresh.previous() if young is None else young.rows,
            now=refresh.now,
            progress=refresh.progress("instruments"),
            young=young,
        )
