# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt quality`: what became of every dataset in each session. Decided in `datasets.quality`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from ttapi_pipeline.commands.completers import complete_with, datasets
from ttapi_pipeline.commands.exit_codes import INCOMPLETE, OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser, one_of
from ttapi_pipeline.core.arguments import accepting
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.quality import State
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.terminal.pen import Pen, glyphs_for, wrapped
from ttapi_pipeline.terminal.streams import is_coloured, output_width, print_lines

if TYPE_CHECKING:
    import polars as pl

EXAMPLES: Final = {
    "tt quality": "the last sessions of every dataset",
    "tt quality symbols --since 2026-11-01": "those of one, with the reason of each",
}

_NAME_CELLS: Final = 18
_SESSION_CELLS: Final = 6
_WORDS: Final[Mapping[str, str]] = {
    State.AVAILABLE: "ok",
    State.DEGRADED: "part",
    State.PENDING: "wait",
    State.MISSING: "none",
}
_STYLES: Final[Mapping[str, str]] = {
    State.AVAILABLE: "32",
    State.DEGRADED: "33",
    State.PENDING: "2",
    State.MISSING: "31",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Show what became of every dataset in each session: ok, part (rows or values\n"
        "are missing, or something should be looked at), wait (it can still come), none\n"
        "(nothing came while the session lasted), and why.",
        examples=EXAMPLES,
        notes="Exit code 3 when a session that is shown is not ok or wait.",
    )
    name = parser.add_argument("dataset", nargs="?", type=one_of(DATASETS, what="dataset"), metavar="DATASET")
    complete_with(name, datasets)
    parser.add_argument(
        "--since",
        type=accepting(date.fromisoformat, "a date such as 2026-11-02"),
        metavar="DATE",
        help="sessions from this one on; by default as many as fit",
    )
    parser.add_argument("--json", action="store_true", help="print them as a JSON object")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print the states, with the reasons of those that are not available; 3 when one is degraded or missing.

    Raises:
        StorageError: Nothing was published yet, a log cannot be read, or the data is in an object store.
        CorruptFileError: What is stored of a session is damaged.
    """
    import polars as pl

    from ttapi_pipeline.datasets.quality_table import open_quality

    frame = open_quality(open_folder(settings.data_dir), now=SYSTEM_CLOCK.now(), ttl_of=settings.ttl)
    if options.dataset:
        frame = frame.filter(dataset=options.dataset)
    pen = Pen(is_coloured=is_coloured(sys.stdout), glyphs=glyphs_for(sys.stdout), width=output_width())
    rows = frame.collect()
    sessions = rows["session"].unique().sort().to_list()
    if options.since is not None:
        sessions = [session for session in sessions if session >= options.since]
    elif not options.json:
        sessions = sessions[-_columns(pen) :]
    rows = rows.filter(pl.col("session").is_in(sessions))
    if options.json:
        print_json({"sessions": [_document(row) for row in rows.iter_rows(named=True)]})
    else:
        print_lines(_lines(rows, sessions, pen))
    return INCOMPLETE if rows["state"].is_in([State.DEGRADED, State.MISSING]).any() else OK


def _columns(pen: Pen) -> int:
    return max(1, (pen.width - _NAME_CELLS) // _SESSION_CELLS)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    known_at = row["known_at"]
    return row | {
        "session": row["session"].isoformat(),
        "known_at": None if known_at is None else known_at.isoformat(),
    }


def _lines(rows: pl.DataFrame, sessions: Sequence[date], pen: Pen) -> Sequence[str]:
    """A grid of words, some sessions at a time where not all fit, and below it the reasons."""
    states = {(name, session): state for name, session, state in rows.select("dataset", "session", "state").iter_rows()}
    names = [name for name in DATASETS if any(name == known for known, _ in states)]
    lines: list[str] = []
    for start in range(0, len(sessions), _columns(pen)):
        shown = sessions[start : start + _columns(pen)]
        head = "".join(f"{session:%m-%d}".rjust(_SESSION_CELLS) for session in shown)
        lines += [*([""] if lines else []), pen.styled(f"{shown[0].year}".ljust(_NAME_CELLS) + head, "1")]
        for name in names:
            cells = [_cell(states.get((name, session)), pen) for session in shown]
            lines.append(pen.cut(name, _NAME_CELLS).ljust(_NAME_CELLS) + "".join(cells))
    return [*lines, *_reasons(rows, pen)]


def _cell(state: str | None, pen: Pen) -> str:
    word = pen.glyphs.null if state is None else _WORDS[state]
    return " " * (_SESSION_CELLS - len(word)) + pen.styled(word, "" if state is None else _STYLES[state])


def _reasons(rows: pl.DataFrame, pen: Pen) -> Sequence[str]:
    """One line per reason and dataset, with the sessions that it is the reason of."""
    told: dict[tuple[str, str, str], list[date]] = {}
    for row in rows.sort("dataset", "session").iter_rows(named=True):
        if row["state"] != State.AVAILABLE:
            told.setdefault((row["dataset"], row["state"], row["reason"]), []).append(row["session"])
    lines = []
    for (name, state, reason), sessions in told.items():
        days = f"{sessions[0]}" if len(sessions) == 1 else f"{sessions[0]} to {sessions[-1]}, {len(sessions)} sessions"
        lines += wrapped(f"{name}, {days}: {state}, {reason}", pen.width)
    return ["", *lines] if lines else []
