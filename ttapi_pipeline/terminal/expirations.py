# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The expirations of one symbol, for `tt show`: what options price in beside what the past lets expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl
from rich.table import Table
from rich.text import Text

from ttapi_pipeline.terminal.symbol_cells import in_words, named_table, number, percent, points

_NOTES: Final = {
    "report": "earnings come before the expiration",
    "few": "1 to 4 sessions are left, and a weekend raises the ratio",
}
"""Short words about an expiration, since a terminal of 80 columns has room for six letters, and what they mean."""

_MOST_LABELS: Final = ("expiration", "days", "IV", "implied", "usual", "forecast", "ratio", "z")
LABELS: Final = (
    (*_MOST_LABELS, "dollars", "IV−RV", "sessions", "var. ratio"),
    _MOST_LABELS,
    ("expiration", "days", "IV", "implied", "forecast", "ratio", "z"),
    ("expiration", "implied", "forecast", "ratio", "z"),
)
"""The columns of the table of expirations, for terminals that are ever narrower."""


def notes(series: pl.DataFrame) -> Sequence[Text]:
    """What is said below the table of expirations."""
    if series.is_empty():
        return [Text("No listed expirations.")]
    said = {word for row in series.iter_rows(named=True) for word in _note(row).split(", ")}
    lines = [Text(f"{word}: {meaning}") for word, meaning in _NOTES.items() if word in said]
    if series["is_written_on_future"].any():
        lines.append(Text("The options are on a future; close and moves are those of the index.", style="yellow"))
    return lines


def expirations(series: pl.DataFrame, labels: Sequence[str]) -> Table:
    """Each column explains the next: ratio is implied over forecast, z the logarithm of the ratio over its error."""
    table = named_table("Moves until each expiration, one deviation; ratio is implied / forecast")
    table.padding = (0, 1, 0, 0)
    for label in labels:
        table.add_column(label, justify="left" if label == "expiration" else "right", no_wrap=True)
    noted = [_note(row) for row in series.iter_rows(named=True)]
    longest = max((len(word) for note in noted for word in note.split()), default=0)
    table.add_column("note", overflow="fold", min_width=min(max(longest, len("note")), len("report")))
    has_roots = series["root_symbol"].n_unique() > 1
    # A root with one settlement says it by its name, as SPX and SPXW do.
    has_settlements = series.select("root_symbol", "settlement_type").n_unique() > series["root_symbol"].n_unique()
    for row, note in zip(series.iter_rows(named=True), noted, strict=True):
        name = str(row["expiration_date"])
        name += f" {row['root_symbol']}" if has_roots else ""
        name += f" {row['settlement_type']}" if has_settlements else ""
        implied = None if not row["close"] or row["expected_move"] is None else row["expected_move"] / row["close"]
        cells = {
            "expiration": name,
            "days": str(row["dte"]),
            "IV": percent(row["implied_volatility"]),
            "implied": percent(implied),
            "usual": percent(row["usual_move"]),
            "forecast": _forecast(row) if "usual" in labels else percent(row["forecast_move"]),
            "ratio": number(row["move_ratio"]),
            "z": "–" if row["move_ratio_z"] is None else f"{row['move_ratio_z']:+.1f}".replace("-", "−"),
            "dollars": "–" if row["expected_move"] is None else f"{row['expected_move']:,.2f}",
            "IV−RV": points(row["iv_rv_spread"]),
            "sessions": "–" if row["horizon_sessions"] is None else str(row["horizon_sessions"]),
            "var. ratio": number(row["variance_ratio"]),
        }
        table.add_row(*(cells[label] for label in labels), note)
    return table


def _forecast(row: dict[str, Any]) -> str:
    move, error = row["forecast_move"], row["forecast_move_rel_error"]
    if move is None or error is None:
        return percent(move)
    return f"{percent(move)} ± {percent(move * error, digits=1 if move * error >= 0.001 else 2)}"


def _note(row: dict[str, Any]) -> str:
    """Why a figure is missing, each reason once, and the words of _NOTES that hold."""
    named = (row[f"{name}_reason"] for name in ("expected_move", "move_ratio", "usual_move"))
    words = list(dict.fromkeys(in_words(reason) for reason in named if reason))
    cautions = (row["cautions"] or "").split()
    holds = {"report": row["has_earnings_before_expiration"], "few": "few_sessions" in cautions}
    return ", ".join([*words, *(word for word in _NOTES if holds[word])])
