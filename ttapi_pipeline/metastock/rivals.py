# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Finds two instruments of one ticker: Citigroup in the folder of one exchange, another company C in that of another.

Files that continue or repeat each other are one series. Files whose closes contradict each other on the sessions that
both have are two, and so are files between which the price steps further than any split explains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.splits import SPLIT_RATIOS

OTHER_CLOSE: Final = 0.05
"""Closes of one session that differ by more, as a fraction, in the median of the sessions that two sources share, are
of two instruments, or on two scales: vendors round and revise by less."""

SEAM_STEP: Final = math.log(2.0)
"""From the last close of one source to the open of the next, prices of one instrument step by less within a month, as a
logarithm. Over a longer gap it grows with the square root of time, as a random walk does."""

SEAM_DAYS: Final = 30

SPLIT_TOLERANCE: Final = 0.05
"""How far such a step may lie from the ratio of a split, as a logarithm."""

_DATE: Final = r"(?:19|20)\d{2}(?:[-_./]?\d{2}){0,2}"
_DAILY_NAME: Final = r"/([A-Za-z]{2,})[ _-]?(?:19|20)\d{6}\.[^/]*$"

RIVALS: Final = pl.Schema({"symbol": pl.String(), "source": pl.String(), "kept": pl.UInt32(), "why": pl.String()})
"""One row per symbol and source that is set aside: the rank of a file of the source that is kept, and the reason."""


def sources_of(names: pl.Series) -> pl.Series:
    """Whose files these are, as far as their names say: one text per name.

    A vendor's files are in one folder. Folders whose names differ by a date alone are increments of one vendor. Where a
    file has the name of an exchange and a date (``NYSE_20261120.txt``), the exchange counts too.
    """
    folder = names.str.replace("/?[^/]*$", "").str.replace_all(_DATE, "#")
    exchange = ("/" + names).str.extract(_DAILY_NAME).fill_null("")
    return (folder + "/" + exchange).alias("source")


def find_rivals(rows: pl.DataFrame) -> pl.DataFrame:
    """The sources of each symbol that are set aside, schema RIVALS.

    Of two instruments the one with the most sessions is kept, then the one with the latest, then the first by name.

    Args:
        rows: symbol, session, open, close, file (its rank) and source.
    """
    last = rows.sort("symbol", "session", "source", "file").unique(
        ["symbol", "session", "source"], keep="last", maintain_order=True
    )
    found = [pl.DataFrame(schema=RIVALS)]
    for _, bars in last.filter(_is_doubtful().any().over("symbol")).group_by("symbol", maintain_order=True):
        found.append(pl.DataFrame(list(_set_aside(bars)), schema=RIVALS, orient="row"))
    return pl.concat(found)


def _is_doubtful() -> pl.Expr:
    """Whether a row is far from the row before it, of the same symbol and another source. Cheap: most symbols are not.

    Rows have one bar of each source per session.
    """
    step = (pl.col("close") / pl.col("close").shift(1)).log().abs()
    is_same_session = pl.col("session") == pl.col("session").shift(1)
    # Half of what contradicts: a source between two others hides how far these are from each other.
    is_other = (pl.col("symbol") == pl.col("symbol").shift(1)) & (pl.col("source") != pl.col("source").shift(1))
    far = pl.when(is_same_session).then(math.log1p(OTHER_CLOSE) / 2).otherwise(SEAM_STEP / 2)
    return (is_other & (step > far)).fill_null(value=False)


@dataclass(slots=True)
class _Instrument:
    """Sources that fit together: their names and bars."""

    sources: list[str]
    bars: pl.DataFrame


def _set_aside(bars: pl.DataFrame) -> Iterator[tuple[str, str, int, str]]:
    """The sources of one symbol that are set aside: rows of RIVALS."""
    found: list[_Instrument] = []
    parts = bars.partition_by("source", maintain_order=True)
    for part in sorted(parts, key=lambda each: (each["session"][0], each["source"][0])):
        name = str(part["source"][0])
        fit = next((each for each in found if contradiction(each.bars, part) is None), None)
        if fit is None:
            found.append(_Instrument([name], part))
        else:
            fit.sources.append(name)
            fit.bars = pl.concat([fit.bars, part]).sort("session", maintain_order=True)
    first, *others = sorted(found, key=_precedence)
    for other in others:
        for name in other.sources:
            why = contradiction(first.bars, other.bars.filter(source=name)) or "they contradict other files of theirs"
            yield str(bars["symbol"][0]), name, int(first.bars["file"][-1]), why


def _precedence(found: _Instrument) -> tuple[int, int, Sequence[str]]:
    return -found.bars["session"].n_unique(), -found.bars["session"].to_physical().to_list()[-1], sorted(found.sources)


def contradiction(one: pl.DataFrame, other: pl.DataFrame) -> str | None:
    """Why the bars of two sources cannot be of one instrument; None where they can.

    Args:
        one: session, open and close, by session; of one source or of several that fit together.
        other: Likewise.
    """
    both = one.unique("session", keep="last", maintain_order=True).join(
        other.select("session", other="close"), on="session", maintain_order="left"
    )
    if both.height:
        far = both.filter((pl.col("close") / pl.col("other")).log().abs() > math.log1p(OTHER_CLOSE))
        if 2 * far.height <= both.height:
            return None
        session, close, there = far.select("session", "close", "other").row(-1)
        return (
            f"their closes differ in {far.height:,} of {both.height:,} sessions that both have,"
            f" {close:g} and {there:g} on {session}"
        )
    marked = pl.concat([one.with_columns(mark=pl.lit(0)), other.with_columns(mark=pl.lit(1))]).sort("session")
    for before, after in pairwise(marked.select("session", "open", "close", "mark").iter_rows()):
        if before[3] != after[3] and _is_no_step(before[2], after[1], after[2], (after[0] - before[0]).days):
            return f"the price steps from {before[2]:g} on {before[0]} to {after[2]:g} on {after[0]}, which is no split"
    return None


def _is_no_step(before: float, opening: float | None, close: float, days: int) -> bool:
    """Whether a price cannot have gone from one close to the next bar, by trading or by a split."""
    limit = SEAM_STEP * math.sqrt(max(1.0, days / SEAM_DAYS))
    steps = [abs(math.log(price / before)) for price in (opening, close) if price is not None]
    splits = [abs(step - math.log(ratio)) for step in steps for ratio in SPLIT_RATIOS]
    return min(steps) > limit and min(splits) > SPLIT_TOLERANCE
