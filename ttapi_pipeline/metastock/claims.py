# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Gives each symbol to one spelling of a ticker, so that rows of two instruments are never put together.

Files of one dialect in one folder are taken for one vendor's, whose scheme their tickers prove together (`evidence`).
Where several spellings lead to one symbol, one of them has it and the others are set aside, by name. So are files of
one spelling that are two instruments (`rivals`). Only the user can say that they are one, by naming them in the symbol
map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from ttapi_pipeline.metastock.evidence import Scheme, find_scheme
from ttapi_pipeline.metastock.file_names import FileName, is_word
from ttapi_pipeline.metastock.identity import NO_SYMBOL, Symbols

_MEANINGS: Final = pl.Schema(
    {
        "place": pl.UInt32(),
        "is_named": pl.Boolean(),
        "spelling": pl.String(),
        "symbol": pl.String(),
        "no_symbol": pl.String(),
        "rule": pl.String(),
        "is_mapped": pl.Boolean(),
        "is_stripped": pl.Boolean(),
    }
)
_BESIDE: Final = 3
"""Names in small letters beside a word such as ``all`` that show it to be a ticker as well."""

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
        contents: As they were given, with `symbol`, which is null where rows are set aside, the `reason` for that, and
            the `rule` by which a ticker was read from the file's name; null for a name that is the ticker.
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
        files: rank, folder, dialect and is_named of each file.
        symbols: The meaning of a spelling in a scheme.
    """
    places = files.with_columns(place=pl.struct("folder", "dialect").rank("dense").cast(pl.UInt32) - 1)
    places = places.select("rank", "place", "dialect", "is_named")
    found = contents.join(places, on="rank", how="left", maintain_order="left")
    meanings, schemes = _meanings(found, symbols)
    found = found.join(meanings, on=["place", "is_named", "spelling"], how="left", maintain_order="left")
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
        reason=pl.when(pl.col("symbol").is_null()).then("no_symbol").when(is_lost).then(reason),
        symbol=pl.when(~is_lost).then("symbol"),
    )
    return Claims(
        settled.select(*contents.columns, "symbol", "reason", "rule"), schemes, conflicts.sort(CONFLICTS.names())
    )


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
    rows: list[tuple[object, ...]] = []
    schemes: list[tuple[str, str, int, int, str]] = []
    by_place = found.group_by("place", "dialect", "is_named", "spelling").agg(has_rows=(pl.col("rows") > 0).any())
    by_place = by_place.sort("place", "spelling", "is_named")
    for (place, dialect), group in by_place.group_by("place", "dialect", maintain_order=True):
        names = _file_names(group.filter("is_named")["spelling"].to_list(), str(dialect), symbols)
        known = group.select("is_named", "has_rows", "spelling").rows()
        # The name of a file without rows says nothing where others have rows.
        evidence = _evidence([each for each in known if each[1]], names) or _evidence(known, names)
        scheme = find_scheme(evidence, str(dialect))
        for is_named, _, spelling in known:
            meaning = (
                _of_name(spelling, names[spelling], scheme, symbols)
                if is_named
                else _of_ticker(spelling, scheme, symbols)
            )
            rows.append((place, is_named, spelling, *meaning))
        if evidence:
            schemes.append((str(dialect), scheme.name, 1, len(evidence), _example(evidence, scheme)))
    summed = (
        pl.DataFrame(schemes, schema=SCHEMES, orient="row")
        .group_by("dialect", "scheme")
        .agg(pl.col("folders", "spellings").sum(), pl.col("example").first())
        .sort("dialect", "scheme")
    )
    return pl.DataFrame(rows, schema=_MEANINGS, orient="row"), summed


def _of_ticker(spelling: str, scheme: Scheme, symbols: Symbols) -> tuple[object, ...]:
    """The columns of _MEANINGS for a ticker that a row or a header has."""
    symbol = symbols.symbol(spelling, scheme)
    no_symbol = NO_SYMBOL if symbol is None else None
    return symbol, no_symbol, None, symbols.is_mapped(spelling), symbols.is_stripped(spelling)


def _of_name(stem: str, name: FileName, scheme: Scheme, symbols: Symbols) -> tuple[object, ...]:
    """The same for the name of a file."""
    symbol, no_symbol = symbols.symbol_of_file(stem, name, scheme)
    rule = None if symbols.is_mapped(stem) else name.rule
    return symbol, no_symbol, rule, symbols.is_mapped(stem), symbols.is_stripped(name.ticker or stem)


def _file_names(stems: Sequence[str], dialect: str, symbols: Symbols) -> Mapping[str, FileName]:
    """What the names of the files of one place say."""
    small = sum(stem.isascii() and stem.isalpha() and stem.islower() and not is_word(stem) for stem in stems)
    return {stem: symbols.file_name(stem, dialect, are_words_tickers=small >= _BESIDE) for stem in stems}


def _evidence(known: Sequence[tuple[bool, bool, str]], names: Mapping[str, FileName]) -> Sequence[str]:
    """The tickers of spellings (is_named, has_rows, spelling) that prove a scheme together."""
    tickers = []
    for is_named, _, spelling in known:
        name = names[spelling] if is_named else FileName(spelling)
        if name.is_evidence:
            tickers.append(name.ticker or spelling)
    return tickers


def _example(spellings: Sequence[str], scheme: Scheme) -> str:
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
