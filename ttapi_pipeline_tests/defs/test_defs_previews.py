# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which rows the web UI shows of a table, and how it writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from ttapi_pipeline.datasets.dataset import Preview
from ttapi_pipeline.defs.assets.previews import preview


def shown(frame: pl.DataFrame, declared: Preview | None) -> list[str]:
    return str(preview(frame.lazy(), declared).value).splitlines()


def symbols(lines: list[str]) -> list[str]:
    return [line.split("|")[1].strip() for line in lines[4:]]


def test_the_highest_and_the_lowest_rows_are_shown_and_what_is_unknown_is_not() -> None:
    frame = pl.DataFrame({"symbol": [f"S{n:02}" for n in range(21)], "rank": [None, *range(20)], "other": [0] * 21})
    lines = shown(frame, Preview(("symbol", "rank"), by="rank"))
    assert lines[0] == "10 of 20 rows, with the highest and the lowest `rank`:"
    assert lines[2] == "| symbol | rank |"
    assert symbols(lines) == [*(f"S{n}" for n in range(20, 15, -1)), *(f"S{n:02}" for n in range(5, 0, -1))]


def test_of_equal_rows_always_the_same_are_shown() -> None:
    frame = pl.DataFrame({"symbol": [f"S{n:02}" for n in range(30)], "rank": [1] * 30})
    declared = Preview(("symbol", "rank"), by="rank")
    assert symbols(shown(frame, declared)) == symbols(shown(frame.sample(fraction=1, shuffle=True, seed=1), declared))


def test_few_rows_are_all_shown() -> None:
    frame = pl.DataFrame({"symbol": ["A", "B", "C"], "rank": [2, 3, 1]})
    lines = shown(frame, Preview(("symbol", "rank"), by="rank"))
    assert (lines[0], symbols(lines)) == ("3 of 3 rows, by `rank`:", ["B", "A", "C"])


def test_of_bars_those_of_the_last_session_are_looked_at() -> None:
    days = [date(2026, 1, day) for day in (5, 6)]
    frame = pl.DataFrame({"symbol": ["A", "A", "B", "B"], "session": days * 2, "close": [9.0, 1.0, 8.0, 2.0]})
    lines = shown(frame, Preview(("symbol", "session", "close"), by="close", latest="session"))
    assert lines[0] == "2 of 2 rows with `session` 2026-01-06, by `close`:"
    assert symbols(lines) == ["B", "A"]


def test_without_a_column_to_rank_by_the_rows_are_at_even_distances() -> None:
    frame = pl.DataFrame({"symbol": [f"S{n:02}" for n in range(50)], **{f"c{n}": [n] * 50 for n in range(9)}})
    lines = shown(frame, None)
    assert lines[0] == "10 of 50 rows, at even distances:"
    assert lines[2] == "| symbol | c0 | c1 | c2 | c3 | c4 | c5 | c6 |"
    assert symbols(lines) == [f"S{n:02}" for n in range(0, 50, 5)]


def test_an_empty_table_is_an_empty_preview() -> None:
    frame = pl.DataFrame(schema={"symbol": pl.String, "session": pl.Date, "close": pl.Float64})
    for declared in (None, Preview(("symbol", "close"), by="close"), Preview(("symbol",), by=None)):
        assert shown(frame, declared)[0].startswith("0 of 0 rows")
    lines = shown(frame, Preview(("symbol", "session", "close"), by="close", latest="session"))
    assert lines[0].startswith("0 of 0 rows")


def test_cells_are_short_and_bars_in_them_are_escaped() -> None:
    frame = pl.DataFrame(
        {
            "text": ["a|b", "x" * 80, None],
            "number": [1 / 3, 2.5e8, None],
            "at": [datetime(2026, 1, 5, 21, 30, 1, 99, tzinfo=UTC), None, None],
        }
    )
    assert shown(frame, None)[4:] == [
        "| a\\|b | 0.333333 | 2026-01-05 21:30:01 |",
        f"| {'x' * 57}... | 250,000,000 |  |",
        "|  |  |  |",
    ]
