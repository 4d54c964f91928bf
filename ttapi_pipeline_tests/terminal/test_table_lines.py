# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows of a table on terminals of 60, 80 and 200 columns: what is shown, what is cut, and what is said of the rest."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from rich.cells import cell_len

from ttapi_pipeline.core.verdict import Rule, Verdict
from ttapi_pipeline.tables.schema import DATE, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema, required
from ttapi_pipeline.terminal.pen import ASCII, UNICODE, Glyphs, Pen
from ttapi_pipeline.terminal.table_cells import cells_of
from ttapi_pipeline.terminal.table_lines import ShownTable, row_lines, table_lines

FIGURES = [f"figure_number_{number}" for number in range(12)]
SCHEMA = DatasetSchema(
    "figures",
    (
        required("symbol", STRING, "Symbol"),
        required("session", DATE, "Session"),
        *(Column(name, FLOAT, "A figure") for name in FIGURES),
        Column("cautions", STRING, "What is doubtful"),
        Column("fetched_at", TIMESTAMP, "When it came"),
    ),
    key=("symbol", "session"),
)
AT = datetime(2026, 11, 20, 15, 30, 1, tzinfo=UTC)
ROW = {"symbol": "AAPL", "session": date(2026, 11, 20), "fetched_at": AT, **dict.fromkeys(FIGURES, 12.5)}
HIT = Verdict("figures", is_hit=True, rule=Rule.FRESH, reason="3m old, TTL 1d", ttl=timedelta(days=1))


def shown(*rows: dict[str, Any], **known: Any) -> ShownTable:
    frame = pl.DataFrame(list(rows), schema=SCHEMA.polars)
    facts: dict[str, Any] = {
        "chosen": frame.height,
        "stored": frame.height,
        "verdict": HIT,
        "is_simulated": False,
        "data_version": "0",
        "cautions": {},
        "has_named_columns": False,
    }
    return ShownTable(schema=SCHEMA, rows=frame, **{**facts, **known})


def lines_of(table: ShownTable, width: int, *, is_coloured: bool = False, glyphs: Glyphs = UNICODE) -> list[str]:
    return table_lines(table, Pen(is_coloured=is_coloured, glyphs=glyphs, width=width))


@pytest.mark.parametrize(("width", "figures"), [(60, 4), (80, 6), (200, 12)])
def test_as_many_columns_as_fit_are_shown_and_the_others_are_named(width: int, figures: int) -> None:
    """The key takes 6 + 2 + 10 cells, a figure 2 + 7 since its name is cut at underscores: figure_ number_ 11."""
    lines = lines_of(shown(ROW), width)
    assert max(map(cell_len, lines)) <= width
    (row,) = (line.split() for line in lines if line.startswith("AAPL"))
    assert row[:3] == ["AAPL", "2026-11-20", "12.5"]
    assert row.count("12.5") == figures
    left = [*FIGURES, "cautions", "fetched_at"][figures:]
    said = " ".join(" ".join(lines).split())
    if width < 200:
        assert f"{len(left)} more for a wider terminal, --columns or --json: {left[0]}, " in said
    else:
        assert row[-2:] == ["2026-11-20", "15:30:01Z"]
        assert "more for" not in said


def test_an_instant_is_shown_whole_where_a_text_of_its_length_is_cut() -> None:
    lines, columns = row_lines(
        pl.DataFrame({"known_at": [AT], "why": ["nothing is stored yet"]}),
        Pen(is_coloured=False, glyphs=UNICODE, width=60),
    )
    assert columns == 2
    assert lines[1] == "2026-11-20 15:30:01Z  nothing is sto…"


def test_a_caution_stands_beside_the_key_in_yellow_and_a_null_is_a_dash() -> None:
    doubtful = {**ROW, "symbol": "BRK/B", "cautions": "zero_volume", "figure_number_0": None}
    lines = lines_of(shown(ROW, doubtful), 80, is_coloured=True)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    (row,) = (line.split() for line in plain if line.startswith("BRK/B"))
    assert row[2:4] == ["zero_volume", "–"]
    assert any("\x1b[33mzero_volume" in line for line in lines)
    assert "\x1b" not in "".join(lines_of(shown(doubtful), 80))
    (row,) = (line.split() for line in lines_of(shown(doubtful), 80, glyphs=ASCII) if line.startswith("BRK/B"))
    assert row[3] == "-"


def test_the_head_says_age_and_verdict_and_the_foot_how_much_is_not_shown() -> None:
    due = Verdict("others", is_hit=False, rule=Rule.EXPIRED, reason="2d old, TTL 1d is over", ttl=timedelta(days=1))
    cautions = {"AAPL": "its file was cut short"}
    lines = lines_of(shown(ROW, chosen=30, stored=400, verdict=due, is_simulated=True, cautions=cautions), 120)
    assert lines[0] == "figures: published with others, miss, 2d old, TTL 1d is over   SIMULATED DATA"
    assert "the first 1 of 30 chosen rows of 400; --rows N shows more, `tt export` writes a file" in lines
    assert lines[-1] == "AAPL: its file was cut short"
    assert lines_of(shown(ROW), 120)[0] == "figures: hit, 3m old, TTL 1d"
    assert "all 1 rows" in lines_of(shown(ROW), 120)


def test_named_columns_are_in_the_order_in_which_they_were_named() -> None:
    table = shown(ROW)
    named = ShownTable(
        **{
            **{name: getattr(table, name) for name in ShownTable.__slots__},
            "rows": table.rows.select("figure_number_3", "symbol"),
            "has_named_columns": True,
        }
    )
    assert lines_of(named, 80)[5].split() == ["12.5", "AAPL"]


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([1.5, 2.25, None], ["1.50", "2.25", "–"]),
        ([222.34, 1234.5], ["222.34", "1,234.50"]),
        ([0.123456, 7.0], ["0.1235", "7.0000"]),
        ([0.00001234, 0.0], ["1.23e-05", "0.0000"]),
        ([7061238.0, 12.5], ["7,061,238", "12"]),
        ([1.0, 2.0], ["1", "2"]),
        ([1234567, None], ["1,234,567", "–"]),
        ([True, False, None], ["true", "false", "–"]),
        (["", "a\x1bb"], ['""', "a\\x1bb"]),
        ([date(2026, 1, 2)], ["2026-01-02"]),
        ([[95.0, 100.5]], ["95.0 100.5"]),
    ],
)
def test_a_value_is_as_short_as_the_others_of_its_column_allow(values: list[Any], cells: list[str]) -> None:
    assert cells_of(values, null="–") == cells
