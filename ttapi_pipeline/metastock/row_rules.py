# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The rules that a row must keep to become a bar: one list, for the scan and for the careful reading.

Only the key and the close decide on a row. Any other number that is none, is a placeholder, or contradicts the rest of
its row is null, and counts as lost.

Whether rows are daily, no row says by itself: see `series`.

A rule says once, as a Polars expression, what holds for a good row. The scan asks only whether all rules hold; the
careful reading also takes the words of the first rule that does not. A file with a row that breaks a rule is passed
from the scan to the careful reading, so both ways keep the same rows.

A rule may name these columns: `ticker` and `date` as text (null when empty), `period` and `time` where the layout has
them, each numeric column as numbers (NaN where its text is none), `code` (a number for the symbol, null when the ticker
stands for none), `session`, and for a reason `date_fault`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import polars as pl

from ttapi_pipeline.metastock.dates import EARLIEST, NOT_A_DATE, PLACEHOLDERS
from ttapi_pipeline.metastock.identity import NO_SYMBOL
from ttapi_pipeline.metastock.layout import FIELDS, PRICES, Layout
from ttapi_pipeline.metastock.options import ImportOptions

Subject = Literal["ticker", "row", "range"]

_MOST: Final = 1e13
"""No price and no quantity is as large. Old prices, adjusted for repeated reverse splits, come up to 1e12."""

_IN_ORDER: Final = (("low", "high"), ("low", "open"), ("low", "close"), ("open", "high"), ("close", "high"))


@dataclass(frozen=True, slots=True)
class RowRule:
    """One condition for keeping a row.

    Attributes:
        holds: True for a row that may be kept; false and null reject it.
        reason: Why a row is rejected, in words; looked at only where `holds` is not true.
        subject: Which rows the condition is about: those of one ``ticker``, each ``row`` by itself, or its close beside
            what `without_unusable` leaves of its ``range``. The scan asks once per run of rows with equal tickers, once
            per row, and once per row that is not `is_sound`.
    """

    holds: pl.Expr
    reason: pl.Expr
    subject: Subject = "row"


def row_rules(layout: Layout, options: ImportOptions, today: date | None = None) -> Sequence[RowRule]:
    """The rules for rows of a layout. Of several rules that a row breaks, the first gives the reason.

    Args:
        layout: Says which columns there are.
        options: How to read what the files leave open.
        today: The exchange's date, after which there can be no bar yet; None accepts any date.
    """
    return [
        _ticker_rule(),
        *_date_rules(options, today),
        *_period_rules(layout, options),
        _close_rule(),
        *_range_rules(layout),
    ]


def all_hold(rules: Iterable[RowRule], subject: Subject) -> pl.Expr:
    """Whether the scan finds nothing against a subject; never null."""
    conditions = [rule.holds for rule in rules if rule.subject == subject]
    return pl.all_horizontal(*conditions, pl.lit(value=True)).fill_null(value=False)


def first_reason(rules: Iterable[RowRule]) -> pl.Expr:
    """Why the careful reading rejects a row; null when it keeps it."""
    return pl.coalesce(pl.when(~rule.holds.fill_null(value=False)).then(rule.reason) for rule in rules)


def is_sound(layout: Layout) -> pl.Expr:
    """Whether every number of a row can be believed beside the others, so that `without_unusable` leaves it as it is.

    The close counts as a part of the range only; whether it is a price is a rule of the row.
    """
    order = [pl.col(low) <= pl.col(high) for low, high in _IN_ORDER if {low, high} <= set(layout.columns)]
    fields = [_is_usable(role) for role in FIELDS if role in layout.columns]
    # A number that is not there contradicts nothing.
    return pl.all_horizontal(*fields, *order, pl.lit(value=True)).fill_null(value=True)


def without_unusable(rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Make null what cannot be believed of open, high, low, volume and open interest; the close stays as it is.

    A number is believed that is below 1e13, above 0 (at least 0 for quantities), and not contradicted: of a low above
    its high, those count that hold open and close on their side; an open outside low and high is not one.

    Args:
        rows: The numeric columns of the layout as numbers; NaN where the text was no number.
        layout: Says which columns there are.

    Returns:
        The rows, and ``<field>_lost`` for each field of the layout: whether it was there and is null now.
    """
    fields = [role for role in FIELDS if role in layout.columns]
    found = rows.with_columns(pl.col(role).is_not_null().alias(f"{role}_lost") for role in fields)
    found = found.with_columns(pl.when(_is_usable(role)).then(role).alias(role) for role in fields)
    close, has_range = pl.col("close"), {"low", "high"} <= set(fields)
    others = [close, *([pl.col("open")] if "open" in fields else [])]
    if has_range:
        is_crossed = (pl.col("low") > pl.col("high")).fill_null(value=False)
        found = found.with_columns(
            low=pl.when(~is_crossed | (pl.col("low") <= pl.min_horizontal(others))).then("low"),
            high=pl.when(~is_crossed | (pl.col("high") >= pl.max_horizontal(others))).then("high"),
        )
    if "open" in fields:
        outside = [pl.col("open") < pl.col("low")] if "low" in fields else []
        outside += [pl.col("open") > pl.col("high")] if "high" in fields else []
        is_inside = ~pl.any_horizontal(*outside, pl.lit(value=False)).fill_null(value=False)
        found = found.with_columns(open=pl.when(is_inside).then("open"))
    return found.with_columns(pl.col(f"{role}_lost") & pl.col(role).is_null() for role in fields)


def _is_usable(role: str) -> pl.Expr:
    """Whether a number can be a fact; null where there is none.

    NaN counts as greater than infinity in Polars, so that two comparisons leave nothing else.
    """
    number = pl.col(role)
    return ((number > 0) if role in PRICES else (number >= 0)) & (number < _MOST)


def _ticker_rule() -> RowRule:
    unknown = pl.lit(NO_SYMBOL)
    reason = pl.when(pl.col("ticker").is_null()).then(pl.lit("there is no ticker")).otherwise(unknown)
    return RowRule(pl.col("code").is_not_null(), reason, subject="ticker")


def _date_rules(options: ImportOptions, today: date | None) -> Iterator[RowRule]:
    fault = pl.coalesce("date_fault", pl.lit(NOT_A_DATE))
    reason = pl.when(pl.col("date").is_null()).then(pl.lit("there is no date")).otherwise(fault)
    yield RowRule(pl.col("session") >= EARLIEST, reason)
    is_placeholder = pl.col("session").is_in(PLACEHOLDERS)
    yield RowRule(~is_placeholder, pl.lit("the date is a placeholder: programs count days from it"))
    if today is not None:
        future = pl.lit(f"the date had not come when the file was read, on {today}")
        yield RowRule(pl.col("session") <= today, future)
    if options.as_of is not None:
        yield RowRule(pl.col("session") <= options.as_of, pl.lit(f"the date is later than {options.as_of}"))


def _period_rules(layout: Layout, options: ImportOptions) -> Iterator[RowRule]:
    """A row without a period counts as daily."""
    if "period" in layout.columns:
        # Listing the spellings is faster than changing the case of each row's text.
        periods = sorted({spell(name) for name in options.daily_periods for spell in (str.upper, str.lower, str.title)})
        yield RowRule(
            pl.col("period").is_in(periods).fill_null(value=True),
            pl.lit("the period is not daily; TT_METASTOCK_PERIODS names those that are"),
        )


def _close_rule() -> RowRule:
    close = pl.col("close")
    reason = (
        pl.when(close.is_null())
        .then(pl.lit("close is missing"))
        .when(close.is_finite() & (close <= 0))
        .then(pl.lit("close is not positive"))
        .when(close.is_finite())
        .then(pl.lit("close is too large to be a price"))
        .otherwise(pl.lit("close is not a number"))
    )
    return RowRule(_is_usable("close"), reason)


def _range_rules(layout: Layout) -> Iterator[RowRule]:
    """A close outside of low and high: any of the three may be the wrong one."""
    for low, high in (("low", "close"), ("close", "high")):
        if {low, high} <= set(layout.columns):
            reason = "low is above close" if low == "low" else "high is below close"
            holds = (pl.col(low) <= pl.col(high)).fill_null(value=True)
            yield RowRule(holds, pl.lit(reason), subject="range")
