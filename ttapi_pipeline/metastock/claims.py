# SPDX-License-Identifier: MIT
"""Gives each symbol to one spelling of a ticker, so that rows of two instruments are never put together.

Files of one dialect in one folder are taken for one vendor's, whose scheme their tickers prove together (`evidence`).
Where several spellings lead to one symbol, one of them has it and the others are set aside, by name. So are files of
one spelling that are two instruments (`rivals`). Only the user can say that they are one, by naming them in the symbol
map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from ttapi_pipeline.metastock.evidence import Scheme, find_scheme
from ttapi_pipeline.metastock.identity import NO_SYMBOL, Symbols

_MEANINGS: Final = pl.Schema(
    {
        "place": pl.UInt32(),
        "spelling": pl.String(),
        "symbol": pl.String(),
        "is_mapped": pl.Boolean(),
        "is_stripped": pl.Boolean(),
    }
)

SCHEMES: Final = pl.Schema(
    {
        "dialect": pl.String(),
        "scheme": pl.String(),
        "folders": pl.UInt32(),
        "spellings": pl.UInt32(),
        "example": pl.String(),
    }
)
"""How the tickers of each dialect are read: one row per dialect and scheme, with the number of folders and spellings,
and one of the spellings; in the scheme `UNPROVEN` one that has a suffix."""

CONFLICTS: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "kept": pl.String(),
        "spelling": pl.String(),
        "file": pl.UInt32(),
        "rows": pl.UInt32(),
        "files": pl.UInt32(),
        "why": pl.String(),
    }
)
"""One row per file and spelling that is set aside: the symbol, which spelling has it, and the rank of the file. Where
files of one spelling are two instruments: one row per source, with its first file, the number of its files, and why."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What is settled.

    Attributes:
        contents: As they were given, with `symbol`, which is null where rows are set aside, and the `reason` for that.
        schemes: Schema SCHEMES.
        conflicts: Schema CONFLICTS.
    """

    contents: pl.DataFrame
    schemes: pl.DataFrame
    conflicts: pl.DataFrame


def settle(contents: pl.DataFrame, files: pl.DataFrame, symbols: Symbols) -> Claims:
    """Find out which symbol each spelling of each file stands for.

    Args:
        contents: rank, spelling and rows; other columns stay.
        files: rank, folder and dialect of each file.
        symbols: The meaning of a spelling in a scheme.
    """
    places = files.with_columns(place=pl.struct("folder", "dialect").rank("dense").cast(pl.UInt32) - 1)
    found = contents.join(places.select("rank", "place", "dialect"), on="rank", how="left", maintain_order="left")
    meanings, schemes = _meanings(found, symbols)
    found = found.join(meanings, on=["place", "spelling"], how="left", maintain_order="left")
    lost = _losers(found)
    found = found.join(lost, on=["symbol", "spelling"], how="left", maintain_order="left")
    is_lost = pl.col("kept").is_not_null() & (pl.col("rows") > 0)
    conflicts = (
        found.filter(is_lost)
        .with_columns(file="rank", files=pl.lit(1, pl.UInt32), why=pl.lit(None, pl.String))
        .select(CONFLICTS.names())
    )
    reason = pl.format(
        "{} leads to {} as {} does, which has it: rows of two spellings are never put together; name both in"
        " TT_METASTOCK_SYMBOL_MAP if they are one instrument",
        "spelling",
        "symbol",
        "kept",
    )
    settled = found.with_columns(
        reason=pl.when(pl.col("symbol").is_null()).then(pl.lit(NO_SYMBOL)).when(is_lost).then(reason),
        symbol=pl.when(~is_lost).then("symbol"),
    )
    return Claims(settled.select(*contents.columns, "symbol", "reason"), schemes, conflicts.sort(CONFLICTS.names()))


def without_rivals(claims: Claims, rivals: pl.DataFrame, sources: pl.Series, names: pl.Series) -> Claims:
    """Set the files of other instruments aside.

    Args:
        claims: As `settle` gives them.
        rivals: Schema `rivals.RIVALS`.
        sources: The source of each file, by rank.
        names: Likewise its name.
    """
    found = claims.contents.with_columns(source=sources.gather(claims.contents["rank"]))
    named = rivals.with_columns(kept=names.gather(rivals["kept"]))
    found = found.join(named, on=["symbol", "source"], how="left", maintain_order="left")
    is_lost = pl.col("why").is_not_null() & (pl.col("rows") > 0)
    conflicts = (
        found.filter(is_lost)
        .sort("rank")
        .group_by("symbol", "source", "spelling", "why", maintain_order=True)
        .agg(
            kept=pl.format("{} of {}", "spelling", "kept").first(),
            file=pl.first("rank"),
            rows=pl.sum("rows"),
            files=pl.len(),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in CONFLICTS.items())
    )
    reason = pl.format(
        "{} is another instrument here than in {}, since {}: rows of two instruments are never put together; name it in"
        " TT_METASTOCK_SYMBOL_MAP if they are one",
        "spelling",
        "kept",
        "why",
    )
    contents = found.with_columns(
        reason=pl.when(is_lost).then(reason).otherwise("reason"), symbol=pl.when(~is_lost).then("symbol")
    ).select(claims.contents.columns)
    return Claims(contents, claims.schemes, pl.concat([claims.conflicts, conflicts]).sort(CONFLICTS.names()))


def _meanings(found: pl.DataFrame, symbols: Symbols) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The symbol of each spelling at each place, and the schemes."""
    rows: list[tuple[int, str, str | None, bool, bool]] = []
    schemes: list[tuple[str, str, int, int, str]] = []
    by_place = found.group_by("place", "dialect", "spelling").agg(has_rows=(pl.col("rows") > 0).any())
    for (place, dialect), group in by_place.sort("place", "spelling").group_by("place", "dialect", maintain_order=True):
        spellings = group["spelling"].to_list()
        # The name of a file without rows says nothing where others have rows.
        scheme = find_scheme(group.filter("has_rows")["spelling"].to_list() or spellings, str(dialect))
        for spelling in spellings:
            symbol = symbols.symbol(spelling, scheme)
            rows.append((place, spelling, symbol, symbols.is_mapped(spelling), symbols.is_stripped(spelling)))
        schemes.append((str(dialect), scheme.name, 1, len(spellings), _example(spellings, scheme)))
    summed = (
        pl.DataFrame(schemes, schema=SCHEMES, orient="row")
        .group_by("dialect", "scheme")
        .agg(pl.col("folders", "spellings").sum(), pl.col("example").first())
        .sort("dialect", "scheme")
    )
    return pl.DataFrame(rows, schema=_MEANINGS, orient="row"), summed


def _example(spellings: list[str], scheme: Scheme) -> str:
    if scheme is Scheme.UNPROVEN:
        return next((each for each in spellings if find_scheme([each, "A"]) is Scheme.UNPROVEN), spellings[0])
    return spellings[0]


def _losers(found: pl.DataFrame) -> pl.DataFrame:
    """The spellings that do not get the symbol that they lead to: symbol, spelling, and which spelling is kept.

    Before others comes a spelling from which the user says that a suffix be stripped, then one that is the symbol as it
    stands, then the one with the most rows.
    """
    claims = (
        found.filter(pl.col("rows") > 0, pl.col("symbol").is_not_null(), ~pl.col("is_mapped"))
        .group_by("symbol", "spelling")
        .agg(pl.col("rows").cast(pl.Int64).sum(), pl.col("is_stripped").any())
        .filter(pl.len().over("symbol") > 1)
    )
    is_exact = pl.col("spelling").str.to_uppercase().str.replace_all("[.-]", "/") == pl.col("symbol")
    ordered = claims.with_columns(is_exact=is_exact).sort(
        "symbol", "is_stripped", "is_exact", "rows", "spelling", descending=[False, True, True, True, False]
    )
    kept = pl.col("spelling").first().over("symbol")
    return (
        ordered.with_columns(kept=kept)
        .filter(pl.col("spelling") != pl.col("kept"))
        .select("symbol", "spelling", "kept")
    )
