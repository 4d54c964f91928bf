# SPDX-License-Identifier: MIT
"""The rules of a row, beside the same rules in plain Python, and the two ways of reading beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.metastock import scan
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline.metastock.layout import NUMBERS, Layout
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline.metastock.row_rules import all_hold, first_reason, row_rules
from ttapi_pipeline.metastock.row_values import numbers_as_they_are
from ttapi_pipeline.metastock.sniff import sniff_lines

PRICES = ("open", "high", "low", "close")
NUMBERS_TO_TRY = (None, math.nan, math.inf, -math.inf, -1.0, 0.0, 1.0, 2.0)


def layout_of(*columns: str) -> Layout:
    layout = sniff_lines([",".join(columns).replace("open_interest", "oi")]).layout
    assert layout is not None
    assert layout.columns == columns
    return layout


def reason_of(row: Mapping[str, float | None]) -> str | None:
    """The rules for numbers, as a vendor's support would tell them."""
    for name in PRICES:
        if name in row:
            number = row[name]
            if number is None:
                return f"{name} is missing"
            if not math.isfinite(number):
                return f"{name} is not a number"
            if number <= 0:
                return f"{name} is not positive"
    for name in ("volume", "open_interest"):
        number = row.get(name)
        if number is not None:
            if not math.isfinite(number):
                return f"{name} is not a number"
            if number < 0:
                return f"{name} is negative"
    prices = {name: number for name, number in row.items() if number is not None}
    for low, high in (("low", "high"), ("low", "open"), ("low", "close"), ("open", "high"), ("close", "high")):
        if low in row and high in row and prices[low] > prices[high]:
            return f"low is above {high}" if low == "low" else f"high is below {low}"
    return None


@pytest.mark.parametrize(
    "columns", [PRICES, ("close",), ("high", "close"), ("low", "close"), ("open", "close", "volume", "open_interest")]
)
def test_every_mixture_of_numbers_is_judged_as_plain_words_say(columns: tuple[str, ...]) -> None:
    layout = layout_of("ticker", "date", *columns)
    rows = [dict(zip(columns, numbers, strict=True)) for numbers in product(NUMBERS_TO_TRY, repeat=len(columns))]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.Float64()), orient="row")
    frame = frame.with_columns(
        *numbers_as_they_are(layout), ticker=pl.lit("X"), code=pl.lit(0), date=pl.lit(""), session=date(2026, 1, 2)
    ).with_columns(date_fault=pl.lit(None, pl.String))
    rules = row_rules(layout, ImportOptions())
    judged = frame.select(first_reason(rules).alias("reason"), all_hold(rules, "row").alias("is_good"))
    expected = [reason_of(row) for row in rows]
    assert judged["reason"].to_list() == expected
    assert judged["is_good"].to_list() == [reason is None for reason in expected]
    assert 0 < judged["is_good"].sum() < len(rows)


FORMS = (
    ("<TICKER>,<PER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>", "X,D,{:%Y%m%d},10,11,9,10.5,100,0"),
    ("TICKER;DATE;TIME;HIGH;CLOSE", "X;{:%Y-%m-%d};1600;11;10.5"),
)
SPACED = (" ", " 2026011", "2026011 ")
DATES_OF_SEVERAL_FORMS = ("20260115", "2026-01-15", "15.01.2026", "260115")
CELLS = (
    *("", "x", "-", "0", "-1", "1", "1 0", "10.25", "10.", ".1", "1e1", "1E+01", "1_0", "+10", "10-", "99", "1e400"),
    *("nan", "inf", "-inf", "infinity", "null", "NA", "D", "d", "W", "?", "0931", "000000", "\u0661\u0660", "1\u00a00"),
    *("2026 115", "2026 1 5", "+2026011", "-2026011", "20260231", "17991231", "2026-1- 5", "2026- 1-15", "2026-02-30"),
    *SPACED,
    *DATES_OF_SEVERAL_FORMS,
)


def rows_with_one_cell(form: str) -> Iterator[tuple[str, str]]:
    """Good rows, which are the sample, and then rows with one cell replaced; the ticker stays."""
    delimiter = ";" if ";" in form else ","
    days = iter(date(2000, 1, 1) + timedelta(days=at) for at in range(10_000))
    for _ in range(10):
        yield "", form.format(next(days))
    for at, cell in product(range(1, form.count(delimiter) + 1), CELLS):
        cells = form.format(next(days)).split(delimiter)
        yield cell, delimiter.join([*cells[:at], cell, *cells[at + 1 :]])


@pytest.mark.parametrize(("header", "form"), FORMS)
def test_the_scan_accepts_nothing_that_the_careful_reading_rejects(header: str, form: str, tmp_path: Path) -> None:
    cells, rows = zip(*rows_with_one_cell(form), strict=True)
    layout = sniff_lines([header, *rows], is_plain=True).layout
    assert layout is not None
    assert layout.is_plain
    scanned = scan._query(layout, "\n".join(rows).encode(), ImportOptions(), is_typed=False).collect()
    accepted = {at for at, is_good in enumerate(scanned["is_good"]) if is_good}
    # A blank first line sends a file to the careful reading. Lines count from 1, and the header is one.
    (tmp_path / "X.txt").write_text("\n".join(["", header, *rows]))
    read = import_folder(tmp_path)
    kept = set(range(len(rows))) - {line - 3 for line in read.rejects["line"]}
    assert accepted <= kept
    # The scan leaves to the careful reading what needs more than the rules: spaces, and dates of another form.
    assert {cells[at] for at in kept - accepted} <= {*SPACED, *DATES_OF_SEVERAL_FORMS}
    accepted_typed = [scanned.clear()]
    for at, row in enumerate(rows):
        # A typed scan ends at a text that is not a number.
        with suppress(pl.exceptions.PolarsError):
            typed = scan._query(layout, row.encode(), ImportOptions(), is_typed=True).collect().filter("is_good")
            assert typed.is_empty() or at in kept
            accepted_typed.append(typed)
    bars = read.bars.select("session", *NUMBERS).collect()
    for good in (scanned.filter("is_good"), pl.concat(accepted_typed)):
        once = good.filter(pl.col("session").is_unique()).select("session", *NUMBERS)
        assert once.height > 50
        assert_frame_equal(once, bars.join(once, on="session", how="semi"), check_row_order=False)
