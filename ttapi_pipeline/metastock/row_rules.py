# SPDX-License-Identifier: MIT
"""The rules that a row must keep to become a bar: one list, for the scan and for the careful reading.

A rule says once, as a Polars expression, what holds for a good row. The scan asks only whether all rules hold; the
careful reading also takes the words of the first rule that does not. A file with a row that breaks a rule is passed
from the scan to the careful reading, so both ways keep the same rows.

A rule may name these columns: `ticker` and `date` as text (null when empty), `period` and `time` where the layout has
them, each numeric column as text under its role and as a number by `row_values.number_of`, `code` (a number for the
symbol, null when the ticker stands for none), `session`, and for a reason `date_fault`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from ttapi_pipeline.metastock.dates import EARLIEST, NOT_A_DATE
from ttapi_pipeline.metastock.layout import PRICES, QUANTITIES, Layout
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline.metastock.row_values import number_of

Subject = Literal["ticker", "row", "session"]

_IN_ORDER: Final = (("low", "high"), ("low", "open"), ("low", "close"), ("open", "high"), ("close", "high"))


@dataclass(frozen=True, slots=True)
class RowRule:
    """One condition for keeping a row.

    Attributes:
        holds: True for a row that may be kept; false and null reject it.
        reason: Why a row is rejected, in words; looked at only where `holds` is not true.
        subject: Which rows the condition is about: those of one ``ticker``, each ``row`` by itself, or all rows of one
            ``session``. The scan asks once per run of rows with equal tickers, once per row, and once per file.
        in_scan: Stands in for `holds` in the scan, which knows no times of day. It may be false more often, and must
            never be true where `holds` is not. None: `holds` itself.
    """

    holds: pl.Expr
    reason: pl.Expr
    subject: Subject = "row"
    in_scan: pl.Expr | None = None


def row_rules(layout: Layout, options: ImportOptions) -> Sequence[RowRule]:
    """The rules for rows of a layout. Of several rules that a row breaks, the first gives the reason."""
    return [
        _ticker_rule(),
        *_date_rules(options),
        *_period_rules(layout, options),
        *(_price_rule(role) for role in PRICES if role in layout.columns),
        *(_quantity_rule(role) for role in QUANTITIES if role in layout.columns),
        *(_order_rule(low, high) for low, high in _IN_ORDER if low in layout.columns and high in layout.columns),
        *_intraday_rules(layout),
    ]


def all_hold(rules: Iterable[RowRule], subject: Subject) -> pl.Expr:
    """Whether the scan finds nothing against a subject; never null."""
    conditions = [rule.holds if rule.in_scan is None else rule.in_scan for rule in rules if rule.subject == subject]
    return pl.all_horizontal(conditions).fill_null(value=False)


def first_reason(rules: Iterable[RowRule]) -> pl.Expr:
    """Why the careful reading rejects a row; null when it keeps it."""
    return pl.coalesce(pl.when(~rule.holds.fill_null(value=False)).then(rule.reason) for rule in rules)


def _ticker_rule() -> RowRule:
    unknown = pl.lit("the ticker is no symbol that we can spell; name it in the symbol map")
    reason = pl.when(pl.col("ticker").is_null()).then(pl.lit("there is no ticker")).otherwise(unknown)
    return RowRule(pl.col("code").is_not_null(), reason, subject="ticker")


def _date_rules(options: ImportOptions) -> Iterator[RowRule]:
    fault = pl.coalesce("date_fault", pl.lit(NOT_A_DATE))
    reason = pl.when(pl.col("date").is_null()).then(pl.lit("there is no date")).otherwise(fault)
    yield RowRule(pl.col("session") >= EARLIEST, reason)
    if options.as_of is not None:
        yield RowRule(pl.col("session") <= options.as_of, pl.lit(f"the date is later than {options.as_of}"))


def _period_rules(layout: Layout, options: ImportOptions) -> Iterator[RowRule]:
    """A row without a period counts as daily."""
    if "period" in layout.columns:
        # Listing the spellings is faster than changing the case of each row's text.
        periods = sorted({spell(name) for name in options.daily_periods for spell in (str.upper, str.lower, str.title)})
        yield RowRule(pl.col("period").is_in(periods).fill_null(value=True), pl.lit("the period is not daily"))


def _price_rule(role: str) -> RowRule:
    number = number_of(role)
    reason = (
        pl.when(pl.col(role).is_null())
        .then(pl.lit(f"{role} is missing"))
        .when(_is_finite(number))
        .then(pl.lit(f"{role} is not positive"))
        .otherwise(pl.lit(f"{role} is not a number"))
    )
    # NaN counts as greater than infinity in Polars, so that two comparisons leave nothing but usable prices.
    return RowRule((number > 0) & (number < math.inf), reason)


def _quantity_rule(role: str) -> RowRule:
    """A quantity may be missing, and may be 0."""
    number = number_of(role)
    reason = (
        pl.when(_is_finite(number)).then(pl.lit(f"{role} is negative")).otherwise(pl.lit(f"{role} is not a number"))
    )
    return RowRule(pl.col(role).is_null() | ((number >= 0) & (number < math.inf)), reason)


def _is_finite(number: pl.Expr) -> pl.Expr:
    return number.is_finite().fill_null(value=False)


def _order_rule(low: str, high: str) -> RowRule:
    reason = f"low is above {high}" if low == "low" else f"high is below {low}"
    return RowRule(number_of(low) <= number_of(high), pl.lit(reason))


def _intraday_rules(layout: Layout) -> Iterator[RowRule]:
    """Without a period, only the times of day can tell that rows are not daily."""
    if "time" in layout.columns and "period" not in layout.columns:
        times = pl.col("time").n_unique().over("ticker", "session")
        yield RowRule(
            times <= 1,
            pl.lit("one session has several times of day, so these are no daily rows"),
            subject="session",
            # A session with several times has several rows. One with several rows may still have one time.
            in_scan=~pl.struct("file", "code", "session").is_duplicated(),
        )
