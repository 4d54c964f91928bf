# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reads numbers as people and spreadsheets write them: ``$252.30``, ``6,700.10``, ``6.700,10``, ``1.23M``.

A comma or a point may be the decimal mark or stand between thousands. Which it is, the numbers of a file prove
together; where they contradict each other, neither mark is taken for the other. `careful` uses this; `scan` reads plain
numbers alone, and leaves files with any other to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Final, Literal

import polars as pl

Mark = Literal[".", ","]
_MARKS: Final[tuple[Mark, ...]] = (".", ",")

_CURRENCIES: Final = "$€£¥"
_SPACES: Final = " '\u00a0\u202f\u2009\u2019"
"""What stands between thousands in some countries, besides points and commas."""

_UNITS: Final = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_WITH_UNIT: Final = r"^(.*\d)\s?([KMBTkmbt])$"

# Exactly three digits behind a single mark may be thousands. Anything else tells what the mark is.
_PROOF: Final = (
    r"^[^{m}]*{m}(?:\d{{0,2}}|\d{{4,}})(?:[eE][-+]?\d+)?$"
    r"|^[-+]?0*{m}"
    r"|^[-+]?\d{{4,}}{m}"
    r"|{o}[^{m}]*{m}"
    r"|{o}.*{o}"
)


@dataclass(frozen=True, slots=True)
class Marks:
    """What some numbers say of the marks in them.

    Attributes:
        seen: Which of the two occur.
        proven: Which of them some number proves to be the decimal mark.
    """

    seen: frozenset[Mark] = frozenset()
    proven: frozenset[Mark] = frozenset()

    def __or__(self, other: Marks) -> Marks:
        return Marks(self.seen | other.seen, self.proven | other.proven)

    def decimal(self, *, delimiter: str) -> Mark | None:
        """The decimal mark; None where numbers contradict each other.

        Without a proof it is the point, unless there are commas alone, which do not separate the values either.
        """
        if len(self.proven) == 1:
            return next(iter(self.proven))
        if self.proven or len(self.seen) > 1:
            return None
        return "," if "," in self.seen and delimiter != "," else "."


def marks_of(texts: Iterable[pl.Series]) -> Marks:
    """What columns of text say of the marks in their numbers."""
    return reduce(Marks.__or__, map(_marks, texts), Marks())


def numbers_of(texts: pl.Series, *, decimal: Mark | None, has_units: bool) -> pl.Series:
    """The numbers in a column of text: null where it is empty, NaN where its text is not a number.

    Args:
        texts: Without surrounding space.
        decimal: The decimal mark; None takes points for it, and no number with a comma.
        has_units: Whether ``1.23M`` is a number, as it is for volumes.
    """
    # Most columns hold nothing but plain numbers.
    plain = texts.cast(pl.Float64, strict=False)
    is_odd = texts.is_not_null() & (plain.is_null() if decimal != "," else True)
    if not is_odd.any():
        return plain
    odd = texts.filter(is_odd).to_frame("text").with_columns(_bare().alias("text"))
    odd = odd.with_columns(pl.col("text").str.extract_groups(_WITH_UNIT).alias("parts") if has_units else _no_parts())
    parts = pl.col("parts").struct
    odd = odd.with_columns(
        pl.coalesce(parts[0], "text").alias("text"),
        unit=parts[1].str.to_uppercase().replace_strict(_UNITS, default=1.0, return_dtype=pl.Float64),
    )
    thousands = "" if decimal is None else _between_thousands(decimal)
    mark = "." if decimal is None else decimal
    grammar = rf"^[-+]?(?:\d{{1,3}}(?:[{thousands}{_SPACES}]\d{{3}})+|\d+)?(?:{_quoted(mark)}\d*)?(?:[eE][-+]?\d+)?$"
    digits = pl.col("text").str.replace_all(f"[{thousands}{_SPACES}]", "").str.replace(mark, ".", literal=True)
    words = pl.col("text").str.contains("[.,]").not_()
    value = pl.when(pl.col("text").str.contains(grammar)).then(digits).when(words).then("text")
    read = odd.select((value.cast(pl.Float64, strict=False) * pl.col("unit")).fill_null(math.nan)).to_series()
    return plain.scatter(is_odd.arg_true(), read)


def _marks(texts: pl.Series) -> Marks:
    points, commas = (texts.str.contains(mark, literal=True) for mark in (".", ","))
    seen: frozenset[Mark] = frozenset(_named(".", points) + _named(",", commas))
    if not seen:
        return Marks()
    without_unit = _bare().str.replace(r"\s?[KMBTkmbt]$", "")
    bare = texts.filter(points | commas).to_frame("text").select(without_unit).to_series()
    proven = (_named(mark, bare.str.contains(_proof(mark))) for mark in _MARKS)
    return Marks(seen, frozenset(mark for each in proven for mark in each))


def _named(mark: Mark, holds: pl.Series) -> tuple[Mark, ...]:
    return (mark,) if holds.any() else ()


def _bare() -> pl.Expr:
    """Without the sign of a currency."""
    return pl.col("text").str.strip_chars(_CURRENCIES + _SPACES)


def _no_parts() -> pl.Expr:
    return pl.struct(pl.lit(None, pl.String).alias("1"), pl.lit(None, pl.String).alias("2")).alias("parts")


def _proof(mark: Mark) -> str:
    return _PROOF.format(m=_quoted(mark), o=_quoted(_between_thousands(mark)))


def _between_thousands(decimal: Mark) -> Mark:
    return "," if decimal == "." else "."


def _quoted(mark: str) -> str:
    return rf"\{mark}" if mark == "." else mark
