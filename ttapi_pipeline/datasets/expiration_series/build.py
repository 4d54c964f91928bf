# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`expiration_series`: every listed expiration and the session it falls on.

Facts only: `dte` and `horizon_sessions` change every day and belong to `returns_stddev`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final

import msgspec
import polars as pl

from ttapi_pipeline.client import Expiration, OptionChain, OptionRoot, Strike, TastytradeClient
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.errors import InvalidFormatError
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
from ttapi_pipeline.datasets.expiration_series.table import EXPIRATION_SERIES
from ttapi_pipeline.datasets.placeholders import known_date, known_text
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.young_rows import YoungRows, kept_rows, of_all, to_ask
from ttapi_pipeline.tables.dtypes import UTC_DATETIME

_COLLECTED: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "root_symbol": pl.String(),
        "expiration_date": pl.Date(),
        "settlement_type": pl.String(),
        "option_chain_type": pl.String(),
        "expiration_type": pl.String(),
        "shares_per_contract": pl.Int32(),
        "strikes": pl.List(pl.Float64()),
    }
)


def expiration_series_frame(
    chains: Sequence[OptionChain], calendar: pl.DataFrame, *, fetched_at: datetime
) -> pl.DataFrame:
    """One row per root, expiration date and settlement.

    A series that the broker lists under several types, such as End-Of-Month and Quarterly, is one row with the strikes
    of all of them.

    Args:
        chains: Roots with their expirations, as the broker lists them.
        calendar: `trading_calendar`.
        fetched_at: When the chains were fetched.

    Returns:
        Rows of the schema EXPIRATION_SERIES. The session of an expiration beyond the calendar is null.

    Raises:
        InvalidFormatError: The calendar has no session.
    """
    if calendar.is_empty():
        raise InvalidFormatError("trading_calendar has no session; run `tt refresh trading_calendar --force`")
    listed = pl.DataFrame(_listed(chains), schema=_COLLECTED, orient="row")
    frame = on_sessions(listed, calendar).with_columns(
        strike_count=pl.col("strikes").list.len().cast(EXPIRATION_SERIES.polars["strike_count"]),
        lowest_strike=pl.col("strikes").list.first(),
        highest_strike=pl.col("strikes").list.last(),
        source=pl.lit("tastytrade"),
        fetched_at=pl.lit(fetched_at, UTC_DATETIME),
    )
    return frame.select(EXPIRATION_SERIES.polars.names())


def _listed(chains: Sequence[OptionChain]) -> Sequence[tuple[object, ...]]:
    """One row per key of the table, in the columns of _COLLECTED."""
    series: dict[tuple[str, str, date, str], list[tuple[OptionRoot, Expiration]]] = {}
    for chain in chains:
        for root in chain.roots:
            for expiration in root.expirations:
                if known_date(expiration.expiration_date) is not None:
                    settlement = expiration.settlement_type or "PM"
                    key = (chain.symbol, root.root_symbol, expiration.expiration_date, settlement)
                    series.setdefault(key, []).append((root, expiration))
    return [
        (
            *key,
            known_text(listings[0][0].option_chain_type) or "Standard",
            ", ".join(sorted({known_text(expiration.expiration_type) or "Regular" for _, expiration in listings})),
            _shares(listings[0][0]),
            sorted(
                {each.strike_price for _, expiration in listings for each in expiration.strikes if _is_strike(each)}
            ),
        )
        for key, listings in series.items()
    ]


def _shares(root: OptionRoot) -> int | None:
    """Null when the number came and could not be read: an adjusted contract may deliver any number of shares."""
    if root.shares_per_contract is None:
        return None if "shares-per-contract" in root.lost_fields else 100
    return root.shares_per_contract


def _is_strike(strike: Strike) -> bool:
    return strike.strike_price > 0


def placeholders_in(chains: Sequence[OptionChain]) -> Mapping[str, int]:
    """How many expirations and strikes are left out because their date or price stands for "unknown"."""
    expirations = [each for chain in chains for root in chain.roots for each in root.expirations]
    return {
        "expirations[].expiration-date": sum(known_date(each.expiration_date) is None for each in expirations),
        "expirations[].strikes[].strike-price": sum(
            not _is_strike(strike) for each in expirations for strike in each.strikes
        ),
    }


def on_sessions(series: pl.DataFrame, calendar: pl.DataFrame) -> pl.DataFrame:
    """Add, or tell anew, the session on which each expiration falls: on its date or the last one before it.

    Both columns are null for an expiration before the calendar's first session or after its last one.
    """
    sessions = calendar.select(expiration_session=pl.col("session")).sort("expiration_session")
    last = pl.lit(sessions["expiration_session"].max(), pl.Date)
    is_within = pl.col("expiration_date") <= last
    return (
        series.drop("expiration_session", "is_expiration_on_session", strict=False)
        .sort("expiration_date")
        .join_asof(sessions, left_on="expiration_date", right_on="expiration_session", coalesce=False)
        .with_columns(pl.when(is_within).then("expiration_session"))
        .with_columns(is_expiration_on_session=pl.col("expiration_session") == pl.col("expiration_date"))
    )


def open_only(chains: Collection[OptionChain], *, today: date) -> tuple[Collection[OptionChain], Mapping[str, int]]:
    """Set aside the expirations that have passed, and count them and the ones that are listed twice as one type.

    Returns:
        The chains with the expirations that may be open, and the counts by the name on the wire.
    """
    lost = Counter[str]()
    rows = []
    for chain in chains.rows:
        roots = []
        for root in chain.roots:
            kept = tuple(each for each in root.expirations if not _is_past(each, today=today))
            lost["expirations[].expiration-date"] += len(root.expirations) - len(kept)
            types = {
                (each.expiration_date, each.settlement_type or "PM", known_text(each.expiration_type) or "Regular")
                for each in kept
            }
            lost["expirations[]"] += len(kept) - len(types)
            roots.append(msgspec.structs.replace(root, expirations=kept))
        rows.append(replace(chain, roots=tuple(roots)))
    return replace(chains, rows=rows), lost


def _is_past(expiration: Expiration, *, today: date) -> bool:
    # A placeholder is counted by itself.
    return known_date(expiration.expiration_date) is not None and is_past(expiration.expiration_date, today=today)


def _has_expiration(chain: OptionChain) -> bool:
    return any(known_date(each.expiration_date) is not None for root in chain.roots for each in root.expirations)


def without_vanished(
    chains: Collection[OptionChain], previous: pl.LazyFrame | None, *, today: date
) -> Collection[OptionChain]:
    """Count as missing the symbols that have no options any more although stored ones have not expired.

    A broker whose chain service answers "not found" for everybody would empty the table otherwise.
    """
    hollow = {chain.symbol for chain in chains.rows if not _has_expiration(chain)}
    vanished = set(unexpired(previous, chains.empty | hollow, today=today))
    if not vanished:
        return chains
    reasons = dict.fromkeys(sorted(vanished), "no option chain came, and stored expirations are still ahead")
    return replace(
        chains,
        rows=[chain for chain in chains.rows if chain.symbol not in vanished],
        empty=chains.empty - vanished,
        missing={**chains.missing, **reasons},
    )


async def build_expiration_series(
    client: TastytradeClient,
    universe: pl.DataFrame,
    calendar: pl.DataFrame,
    *,
    previous: pl.LazyFrame | None,
    now: datetime,
    min_coverage: float,
    progress: ProgressCallback,
    young: YoungRows | None = None,
) -> Build:
    """Fetch the chain of every symbol of the universe; what fails or is left out keeps its last known rows.

    With young rows, the chains of the symbols that they lack. All rows get their sessions from the calendar of now.
    """
    members = universe["symbol"].to_list()
    asked = to_ask(members, young)
    chains = of_all(await client.nested_option_chains(asked, progress=progress), members)
    today = now.astimezone(NEW_YORK).date()
    chains, lost = open_only(chains, today=today)
    chains = without_vanished(chains, previous, today=today)
    chains.require(min_coverage, subject="expiration_series")
    fresh = expiration_series_frame(chains.rows, calendar, fetched_at=now)
    stored = kept_rows(fresh, members, asked, young)
    has_some = bool(chains.missing) or not (fresh.is_empty() and stored.is_empty())
    require_options(universe, has_some=has_some, dataset="expiration_series")
    # Rows that are carried over were made with an older calendar, perhaps with another one.
    kept = left_out(fresh, previous, EXPIRATION_SERIES.key, missing=chains.missing, today=today)
    carried = pl.concat([carry_over(fresh, previous, chains.missing), kept])
    frame = on_sessions(pl.concat([carried, stored]), calendar)
    beyond = frame["expiration_session"].null_count()
    return Build(
        frame=frame,
        missing={**chains.missing, **named(kept, what="expirations")},
        sources=rows_per_source(frame),
        statistics={
            "coverage": chains.coverage,
            "symbols_without_options": len(chains.empty),
            "rows_carried_over": carried.height - fresh.height,
            **({} if young is None else {"rows_kept": stored.height}),
            "rows_rejected": len(chains.rejected),
            **({"expirations_without_session": beyond} if beyond else {}),
            **lost_facts(Counter(chains.lost) + Counter(lost) + Counter(placeholders_in(chains.rows))),
        },
        is_simulated=client.is_simulated or (young is not None and young.is_simulated),
        fetched_at=None if young is None else young.fetched_at,
    )


async def build(refresh: Refresh, trading_calendar: pl.LazyFrame, universe: pl.LazyFrame) -> Build:
    """Fetch the option chains of the universe."""
    async with refresh.connect() as client:
        return await build_expiration_series(
            client,
            universe.collect(),
            trading_calendar.collect(),
            previous=refresh.previous(),
            now=refresh.now,
            min_coverage=refresh.settings.min_coverage,
            progress=refresh.progress("chains"),
            young=refresh.young_rows(),
        )
