# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt status`: how fresh every dataset is, and why."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ttapi_pipeline.commands.exit_codes import INCOMPLETE, OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.commands.state_notes import breaker_states
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.places import Home
from ttapi_pipeline.core.progress import Progress
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.traffic import Traffic
from ttapi_pipeline.datasets.status import DatasetStatus, read_statuses
from ttapi_pipeline.storage.databases import dagster_home, instance_problem
from ttapi_pipeline.terminal.dataset_rows import dataset_row
from ttapi_pipeline.terminal.pen import glyphs_for
from ttapi_pipeline.terminal.status_document import status_document
from ttapi_pipeline.terminal.status_grid import (
    Frame,
    grid_lines,
    headline,
    remarks_about_files,
    simulated_words,
    traffic_words,
)
from ttapi_pipeline.terminal.streams import is_coloured, output_width, print_lines

EXAMPLES: Final = {
    "tt status": "age, TTL, verdict and reason of every dataset",
    "tt status --json": "the same for a program",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain("Show how fresh every dataset is, and why. Nothing is fetched.", examples=EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print the grid as JSON")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print the grid; 0 when every dataset is a hit, else 3."""
    statuses = read_statuses(settings, now=SYSTEM_CLOCK.now())
    print_grid(settings, statuses, is_json=options.json, home=options.home)
    return OK if all(status.verdict.is_hit for status in statuses.values()) else INCOMPLETE


def print_grid(
    settings: Settings,
    statuses: Mapping[str, DatasetStatus],
    *,
    is_json: bool,
    home: Home,
    outcomes: Mapping[str, Progress] | None = None,
    traffic: Traffic | None = None,
) -> None:
    """Write the grid to standard output, as a table or as one JSON object.

    Args:
        settings: Name the origin, where the data is, and where circuit breakers are remembered.
        statuses: By dataset, upstream first.
        is_json: An object instead of a table.
        home: The folder that the command works in.
        outcomes: By dataset, of the run that has just ended; None when there was none.
        traffic: Of that run with the API; None when it made no request.
    """
    breakers = _waiting_breakers(settings)
    if is_json:
        document = {
            "origin": settings.origin,
            "is_simulated": settings.is_simulated,
            "data_dir": data_place(settings),
            "datasets": status_document(statuses, outcomes=outcomes),
            "breakers": breakers,
        }
        print_json(document)
        return
    frame = Frame(
        rows=[
            dataset_row(status, (outcomes or {}).get(name), is_run=bool(outcomes)) for name, status in statuses.items()
        ],
        headline=headline(statuses, outcomes),
        source=settings.origin,
        simulated=simulated_words(statuses, is_simulated=settings.is_simulated),
        places=shown_places(settings),
        traffic=traffic_words(traffic),
        breakers=breakers,
        remarks=[*remarks_about_files(statuses), *_remarks_about_instance(home)],
    )
    glyphs = glyphs_for(sys.stdout)
    print_lines(grid_lines(frame, width=output_width(), is_coloured=is_coloured(sys.stdout), glyphs=glyphs))


def shown_places(settings: Settings) -> Mapping[str, str]:
    """The data folder and the Dagster instance, with absolute paths."""
    return {"data": data_place(settings), "dagster and logs": str(dagster_home())}


def data_place(settings: Settings) -> str:
    """The data folder as an absolute path, or its URL."""
    return settings.data_dir if "://" in settings.data_dir else str(Path(settings.data_dir).absolute())


def _remarks_about_instance(home: Home) -> list[str]:
    """What would keep the next run from starting, although the stored data can be read without."""
    problem = None if home.is_to_be_made else instance_problem(dagster_home())
    return [] if problem is None else [problem]


def _waiting_breakers(settings: Settings) -> Mapping[str, str]:
    """Each circuit breaker of the server of the settings that is not closed, by endpoint family."""
    states = breaker_states(settings)
    return {family: f"circuit breaker {state}" for family, state in states.items() if state != "closed"}
