# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What every dataset module returns, and what several of them do to stored rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Protocol

import polars as pl

from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.core.manifest import Fact
from ttapi_pipeline.storage.incremental.pieces import Pieces

_SEVERAL: Final = 3
_SHOWN: Final = 3
_OPEN_FOR: Final = timedelta(days=4)
"""How long a list may hold an expiration that has passed: on the Tuesday after a holiday, that of the Friday before."""


class Chart(Protocol):
    """Something that can be drawn once the dataset is stored."""

    def __call__(self, *, is_simulated: bool) -> bytes:
        """A PNG, which says so when the data is simulated."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A dataset's new content, not yet stored.

    Attributes:
        frame: Rows in the dataset's schema, in any order, or in sorted pieces.
        is_sorted: The rows come in the order of the dataset's key, which spares sorting millions of them in memory.
        missing: Reason for each subject that should be in it and is not, or is there with its last known row.
        statistics: Figures for the manifest.
        sources: Rows per source.
        reports: Tables beside it, such as the rows that were set aside, by the name that REPORTS has of each.
        inputs: Data version of upstream that is no dataset and was read here, as it was before reading.
        charts: Pictures of the content, by file name without its extension.
        after_publication: Called once the rows are durable; tidies up what a killed run would have needed.
        is_simulated: Whether a source turned out to be a simulator, whatever the settings say.
        fetched_at: When the collection of rows that it keeps began; None when all are of this refresh.
    """

    frame: pl.DataFrame | pl.LazyFrame | Pieces
    is_sorted: bool = False
    missing: Mapping[str, str] = field(default_factory=dict)
    statistics: Mapping[str, Fact] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    reports: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    charts: Mapping[str, Chart] = field(default_factory=dict)
    after_publication: Callable[[], None] | None = None
    is_simulated: bool = False
    fetched_at: datetime | None = None


def rows_per_source(frame: pl.DataFrame) -> Mapping[str, int]:
    """How many rows came from each source."""
    counts = frame.group_by("source").len().sort("source")
    return dict(zip(counts["source"].to_list(), counts["len"].to_list(), strict=True))


def carry_over(
    fresh: pl.DataFrame, previous: pl.LazyFrame | None, missing: Mapping[str, str], *, subject: str = "symbol"
) -> pl.DataFrame:
    """Add the last known rows of the subjects that did not come; each keeps its own `fetched_at`.

    Args:
        fresh: What came.
        previous: What is stored, in the same schema; None when there is nothing that may be carried over.
        missing: The subjects that did not come.
        subject: The column that names them.
    """
    if previous is None or not missing:
        return fresh
    wanted = set(missing) - set(fresh[subject].unique().to_list())
    kept = previous.filter(pl.col(subject).is_in(sorted(wanted))).collect()
    return pl.concat([fresh, kept.select(fresh.columns)])


def require_options(universe: pl.DataFrame, *, has_some: bool, dataset: str) -> None:
    """Doubt an answer by which not one symbol of several has options: that is silence of the service.

    Args:
        universe: The symbols that were asked for. One or two may well be without options.
        has_some: Whether an expiration came for any symbol, or a reason why it did not.
        dataset: For the message.

    Raises:
        DataError: The answer is doubted.
    """
    if not has_some and universe.height >= _SEVERAL:
        raise DataError(
            f"{dataset}: not one of {universe.height} symbols has an expiration by the answers; that is no answer, and "
            "what is stored stays as it was"
        )


def unexpired(previous: pl.LazyFrame | None, symbols: Iterable[str], *, today: date) -> list[str]:
    """Those of the symbols of which an expiration that is still ahead is stored.

    A source that has nothing of them any more is silent, and does not say that they have no options.

    Args:
        previous: Stored rows with `symbol` and `expiration_date`; None when there are none.
        symbols: Of which nothing came.
        today: In New York; an expiration of that day is ahead.
    """
    asked = sorted(symbols)
    if previous is None or not asked:
        return []
    alive = previous.filter((pl.col("expiration_date") >= today) & pl.col("symbol").is_in(asked))
    return alive.select(pl.col("symbol").unique().sort()).collect()["symbol"].to_list()


def is_past(expiration_date: date, *, today: date) -> bool:
    """Whether an expiration has passed for too long to be in a list of open ones, be the list one of the last session.

    Args:
        expiration_date: As the source lists it.
        today: In New York.
    """
    return expiration_date < today - _OPEN_FOR


def left_out(
    fresh: pl.DataFrame, previous: pl.LazyFrame | None, key: Sequence[str], *, missing: Iterable[str], today: date
) -> pl.DataFrame:
    """The stored rows of expirations that are still ahead and did not come although others of their symbol did.

    Args:
        fresh: What came.
        previous: What is stored, in the same schema; None when there is nothing that may be carried over.
        key: The columns that tell one row from another.
        missing: The symbols that are carried over whole.
        today: In New York. An expiration of today may have closed, and an AM-settled one of tomorrow.

    Returns:
        Rows of `previous`. A kind of chain other than Standard that is gone as a whole was delisted, and is not among
        them: contracts that a corporate action adjusted go in that way.
    """
    if previous is None:
        return fresh.clear()
    is_am = pl.col("settlement_type") == "AM"
    last_day = pl.when(is_am).then(pl.lit(today + timedelta(days=1))).otherwise(pl.lit(today))
    is_ahead = pl.col("expiration_date") > last_day
    chain = [name for name in ("symbol", "root_symbol", "option_chain_type") if name in fresh.columns]
    came = fresh.lazy()
    gone = (
        previous.filter(is_ahead, ~pl.col("symbol").is_in(sorted(missing)))
        .join(came, on="symbol", how="semi")
        .join(came, on=list(key), how="anti")
    )
    is_standard = pl.col("option_chain_type") == "Standard"
    adjusted = gone.filter(~is_standard).join(came, on=chain, how="semi")
    return pl.concat([gone.filter(is_standard), adjusted]).select(fresh.columns).collect()


def named(rows: pl.DataFrame, *, what: str) -> Mapping[str, str]:
    """A reason for each symbol with rows that were left out, with the first of their dates.

    Args:
        rows: What `left_out` found.
        what: The things that did not come, in words.
    """
    by_symbol = rows.group_by("symbol").agg(pl.len(), pl.col("expiration_date").unique().sort()).sort("symbol")
    reasons = {}
    for symbol, count, days in by_symbol.iter_rows():
        shown = ", ".join(day.isoformat() for day in days[:_SHOWN])
        more = " and later" if len(days) > _SHOWN else ""
        reasons[symbol] = f"{count} of the stored {what} ahead did not come and stay as they were: {shown}{more}"
    return reasons
