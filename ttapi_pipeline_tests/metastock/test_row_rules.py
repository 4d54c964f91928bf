# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The rules of a row, beside the same rules in plain Python, and the two ways of reading beside each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.metastock import scan
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline.metastock.layout import NUMBERS, Layout
from ttapi_pipeline.metastock.options import ImportOptions
from ttapi_pipeline.metastock.row_rules import all_hold, first_reason, is_sound, row_rules, without_unusable
from ttapi_pipeline.metastock.sniff import sniff_lines
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of

PRICES = ("open", "high", "low", "close")
NUMBERS_TO_TRY = (None, math.nan, math.inf, -math.inf, -1.0, 0.0, 1.0, 2.0)


def layout_of(*columns: str) -> Layout:
    layout = sniff_lines([",".join(columns).replace("open_interest", "oi")]).layout
    assert layout is not None
    assert layout.columns == columns
    return layout


@dataclass(frozen=True)
class Judged:
    """What becomes of a row: why it is rejected, and the fields that are lost where it is not."""

    reason: str | None
    lost: frozenset[str] = frozenset()


def judge(row: Mapping[str, float | None]) -> Judged:
    """The rules for numbers, as a vendor's support would tell them."""
    close = row["close"]
    if close is None:
        return Judged("close is missing")
    if not math.isfinite(close):
        return Judged("close is not a number")
    if close <= 0:
        return Judged("close is not positive")
    there = {name: number for name, number in row.items() if number is not None}
    kept = {
        name: number
        for name, number in there.items()
        if math.isfinite(number) and (number > 0 or (number == 0 and name in {"volume", "open_interest"}))
    }
    others = [kept[name] for name in ("open", "close") if name in kept]
    if "low" in kept and "high" in kept and kept["low"] > kept["high"]:
        doubted = {"low": kept["low"] <= min(others), "high": kept["high"] >= max(others)}
        for name, stands in doubted.items():
            if not stands:
                del kept[name]
    if "open" in kept and not kept.get("low", -math.inf) <= kept["open"] <= kept.get("high", math.inf):
        del kept["open"]
    if kept.get("low", close) > close:
        return Judged("low is above close")
    if kept.get("high", close) < close:
        return Judged("high is below close")
    return Judged(None, frozenset(there) - frozenset(kept))


@pytest.mark.parametrize(
    "columns", [PRICES, ("close",), ("high", "close"), ("low", "close"), ("open", "close", "volume", "open_interest")]
)
def test_every_mixture_of_numbers_is_judged_as_plain_words_say(columns: tuple[str, ...]) -> None:
    layout = layout_of("ticker", "date", *columns)
    rows = [dict(zip(columns, numbers, strict=True)) for numbers in product(NUMBERS_TO_TRY, repeat=len(columns))]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.Float64()), orient="row")
    frame = frame.with_columns(
        ticker=pl.lit("X"), code=pl.lit(0), date=pl.lit(""), session=date(2026, 1, 2)
    ).with_columns(date_fault=pl.lit(None, pl.String))
    rules = row_rules(layout, ImportOptions())
    judged = without_unusable(frame, layout).with_columns(
        reason=first_reason(rules), is_good=all_hold(rules, "row") & all_hold(rules, "range")
    )
    expected = [judge(row) for row in rows]
    assert judged["reason"].to_list() == [each.reason for each in expected]
    assert judged["is_good"].to_list() == [each.reason is None for each in expected]
    lost = [
        frozenset(name for name in columns if row.get(f"{name}_lost"))
        for row in judged.filter("is_good").iter_rows(named=True)
    ]
    assert lost == [each.lost for each in expected if each.reason is None]
    # The scan looks no further at a row that is sound.
    sound = frame.with_columns(is_sound=is_sound(layout), is_good=judged["is_good"], at=pl.int_range(pl.len()))
    left_alone = sound.filter("is_sound", "is_good")["at"].to_list()
    assert left_alone == [at for at, each in enumerate(expected) if each == Judged(None)]
    assert 0 < judged["is_good"].sum() < len(rows)


@pytest.mark.parametrize("start", ["", "\n"])
def test_a_number_beyond_any_size_is_lost_and_a_close_is_rejected(start: str) -> None:
    header = "Ticker,Date,Open,High,Low,Close,Volume\n"
    lines = [
        "X,20260105,10,6.67e307,9,10,100",
        "X,20260106,10,11,9,10,1e30",
        "X,20260107,9e11,1e12,8e11,1e12,100",
        "X,20260108,1e13,1e13,1e13,1e13,100",
    ]
    with folder_of({"X.csv": start + header + "\n".join(lines)}) as folder:
        result = import_folder(folder)
    bars = check_account(result)
    assert bars["close"].to_list() == [10.0, 10.0, 1e12]
    assert bars["high"].to_list() == [None, 11.0, 1e12]
    assert result.lost == {"high": 1, "volume": 1}
    assert result.rejects["reason"].to_list() == ["close is too large to be a price"]


FORMS = (
    ("<TICKER>,<PER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>", "X,D,{:%Y%m%d},10,11,9,10.5,100,0"),
    ("TICKER;DATE;TIME;HIGH;CLOSE", "X;{:%Y-%m-%d};1600;11;3.5"),
)
SPACED = (" ", " 2026011", "2026011 ")
DATES_OF_SEVERAL_FORMS = ("20260115", "2026-01-15", "15.01.2026", "260115")
NO_PLAIN_NUMBERS = ("x", "?", "10-", "1_0", "1 0", "D", "d", "W", "2026-02-30", "\u0661\u0660", "1\u00a00")
SPACED_DATES = ("2026 115", "2026 1 5", "2026-1- 5", "2026- 1-15")
CELLS = (
    *("", "x", "-", "0", "-1", "1", "1 0", "10.25", "10.", ".1", "1e1", "1E+01", "1_0", "+10", "10-", "99", "1e400"),
    *("nan", "inf", "-inf", "infinity", "null", "NA", "D", "d", "W", "?", "0931", "000000", "\u0661\u0660", "1\u00a00"),
    *("+2026011", "-2026011", "20260231", "17991231", "2026-02-30"),
    *SPACED_DATES,
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
    rules = row_rules(layout, ImportOptions())

    def scanned_rows(text: str, *, is_typed: bool) -> pl.DataFrame:
        found = scan._query(layout, text.encode(), ImportOptions(), is_typed=is_typed).collect()
        counted, judged = scan._judged(found.with_columns(file=pl.lit(0, pl.UInt32)), layout, rules)
        is_out_of_range = pl.col("row").is_in(judged.filter(~pl.col("is_good"))["row"].implode())
        return counted.with_row_index("row").filter("is_good", ~is_out_of_range)

    scanned = scanned_rows("\n".join(rows), is_typed=False)
    accepted = set(scanned["row"])
    # A blank first line sends a file to the careful reading. Lines count from 1, and the header is one.
    (tmp_path / "X.txt").write_text("\n".join(["", header, *rows]))
    read = import_folder(tmp_path)
    kept = set(range(len(rows))) - {line - 3 for line in read.rejects["line"]}
    assert accepted <= kept
    # The scan leaves to the careful reading what needs more than the rules: spaces, dates of another form, and texts
    # that are no plain numbers.
    assert {cells[at] for at in kept - accepted} <= {*SPACED, *DATES_OF_SEVERAL_FORMS, *NO_PLAIN_NUMBERS, *SPACED_DATES}
    accepted_typed = [scanned.clear()]
    for at, row in enumerate(rows):
        # A typed scan ends at a text that is not a number.
        with suppress(pl.exceptions.PolarsError):
            typed = scanned_rows(row, is_typed=True)
            assert typed.is_empty() or at in kept
            accepted_typed.append(typed)
    bars = read.bars.select("session", *NUMBERS).collect()
    for good in (scanned, pl.concat(accepted_typed)):
        once = good.filter(pl.col("session").is_unique()).select("session", *NUMBERS)
        assert once.height > 50
        assert_frame_equal(once, bars.join(once, on="session", how="semi"), check_row_order=False)


@st.composite
def rows_with_bad_fields(draw: st.DrawFn) -> Sequence[str]:
    """Rows of one symbol, in order; any number of them, the close too, may be something else."""
    bad = st.sampled_from(("", "0", "0.0", "-1", "NaN", "-", "N/A", "inf", "-Infinity", "1e400", "3.9", "390", "x"))
    rows = []
    for day in range(draw(st.integers(1, 25))):
        cells = ["39.1", "39.5", "38.7", "39.0", "1000", "0"]
        for at in draw(st.sets(st.integers(0, 5), max_size=2)):
            cells[at] = draw(bad)
        rows.append(",".join(["X", f"{date(2026, 1, 1) + timedelta(days=day):%Y%m%d}", *cells]))
    return rows


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(rows_with_bad_fields(), min_size=1, max_size=3))
def test_both_ways_of_reading_keep_the_same_rows_and_count_the_same_lost_fields(files: list[Sequence[str]]) -> None:
    header = "TICKER,DATE,OPEN,HIGH,LOW,CLOSE,VOL,OI\n"
    scanned, careful = (
        {f"X{number}.txt": start + header + "\n".join(rows) for number, rows in enumerate(files)}
        # A blank first line sends a file to the careful reading.
        for start in ("", "\n")
    )
    with folder_of(scanned) as folder:
        fast = import_folder(folder)
    with folder_of(careful) as folder:
        slow = import_folder(folder)
    assert_frame_equal(check_account(fast), check_account(slow), check_exact=True)
    assert_frame_equal(fast.files, slow.files)
    assert_frame_equal(fast.rejects.drop("line"), slow.rejects.drop("line"))
    expected: Counter[str] = Counter()
    rejected = 0
    for row in (row for rows in files for row in rows):
        numbers = {name: number_in(cell) for name, cell in zip(NUMBERS, row.split(",")[2:], strict=True)}
        judged = judge(numbers)
        rejected += judged.reason is not None
        expected.update(judged.lost)
    assert fast.lost == dict(expected)
    # A row of 3.9 or 390 between others is set aside by what they are together, and has no line.
    assert fast.rejects.drop_nulls("line").height == rejected


def number_in(cell: str) -> float | None:
    """The number that a cell says; NaN where it says something else."""
    if not cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return math.nan
