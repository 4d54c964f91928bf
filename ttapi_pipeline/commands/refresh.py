# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt refresh`: refreshes in this process what is due. A refresh of hits alone imports neither Polars nor Dagster."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ttapi_pipeline.commands.completers import complete_with, datasets
from ttapi_pipeline.commands.exit_codes import FAILED, INCOMPLETE, OK
from ttapi_pipeline.commands.parsers import CommandParser, one_of
from ttapi_pipeline.commands.project_files import ensure_home
from ttapi_pipeline.commands.status import print_grid, shown_places
from ttapi_pipeline.commands.unwatched import told_if_unwatched
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.progress import Phase, Progress, ProgressBoard, watched
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import DatasetStatus, places, read_statuses, refuse_to_overwrite
from ttapi_pipeline.datasets.verification import verify_inputs, verify_stored
from ttapi_pipeline.storage.claims import refuse_foreign_files
from ttapi_pipeline.storage.databases import check_instance, dagster_home, mend_databases
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.terminal.streams import print_error
from ttapi_pipeline.terminal.watch import Display, displaying

EXAMPLES: Final = {
    "tt refresh": "what is due, and what is made from it; `tt` alone is the same",
    "tt refresh quotes earnings": "these, and what they are made from",
    "tt refresh quotes --force": "whatever its age",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain("Refresh what is due.", examples=EXAMPLES)
    dataset = parser.add_argument(
        "dataset", nargs="*", type=one_of(DATASETS, what="dataset"), metavar="DATASET", help=", ".join(DATASETS)
    )
    complete_with(dataset, datasets)
    parser.add_argument("--force", action="store_true", help="refresh in any case: the datasets named, or all")
    parser.add_argument("--json", action="store_true", help="print the grid as JSON")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Refresh and print the grid; 0 when all is fresh and whole, 3 when rows or values are missing, 4 after a failure.

    Raises:
        ConfigError: The data folder holds real data, and the settings name the simulator.
        TTError: The data folder cannot be written, or has files of others in the places of datasets; or the run could
            not be started.
        KeyboardInterrupt: Ctrl-C ended it, or a signal that does the same; it says what was done by then.
    """
    with told_if_unwatched(settings):
        return _run(settings, options)


def _run(settings: Settings, options: argparse.Namespace) -> int:
    names: Sequence[str] = options.dataset
    forced = frozenset(names or DATASETS) if options.force else frozenset()
    folder = open_folder(settings.data_dir)
    board = ProgressBoard()
    with displaying(
        board,
        source=settings.origin,
        is_simulated=settings.is_simulated,
        places=shown_places(settings),
        is_quiet=options.json,
    ) as display:
        open_store(folder).remove_left_over()
        verify_stored(folder, now=SYSTEM_CLOCK.now())
        statuses = read_statuses(settings, now=SYSTEM_CLOCK.now(), forced=forced)
        selection = select(statuses, names)
        refuse_foreign_files(folder, places(map(DATASETS.__getitem__, selection)))
        refuse_to_overwrite(settings)
        if selection and verify_inputs(folder, selection):
            # What is damaged is made anew before anything is made from it.
            statuses = read_statuses(settings, now=SYSTEM_CLOCK.now(), forced=forced)
            selection = select(statuses, names)
        outcomes: Mapping[str, Progress] | None = None
        if selection:
            ensure_home(options.home, uses=[folder, dagster_home()])
            check_instance()
            open_store(folder).check_writable()
            display.begin(statuses, selection)
            try:
                outcomes = _refresh(settings, selection, board, display, forced=forced)
            except KeyboardInterrupt:
                now = read_statuses(settings, now=SYSTEM_CLOCK.now())
                raise KeyboardInterrupt(_interrupted(statuses, now, selection)) from None
            statuses = read_statuses(settings, now=SYSTEM_CLOCK.now())
    print_grid(settings, statuses, is_json=options.json, home=options.home, outcomes=outcomes, traffic=board.traffic())
    _explain_failures(outcomes or {})
    return exit_code(statuses, outcomes or {}, names)


def select(statuses: Mapping[str, DatasetStatus], names: Collection[str]) -> Sequence[str]:
    """The datasets to run, upstream first: those due among the named and above them, and those that a change may reach.

    Args:
        statuses: Of every dataset.
        names: The datasets that the user named; empty for all.
    """
    wanted = set(names or DATASETS)
    for name in reversed(list(DATASETS)):
        if name in wanted:
            wanted.update(upstream for upstream in DATASETS[name].upstream if upstream in DATASETS)
    selected: set[str] = set()
    for name, declaration in DATASETS.items():
        is_reached = any(upstream in selected for upstream in declaration.upstream)
        stored = statuses[name].stored
        is_due = not statuses[name].verdict.is_hit or stored.is_lagging or bool(stored.damage)
        if name in wanted and (is_due or is_reached):
            selected.add(name)
    return [name for name in DATASETS if name in selected]


def _refresh(
    settings: Settings, selection: Sequence[str], board: ProgressBoard, display: Display, *, forced: Collection[str]
) -> Mapping[str, Progress]:
    """Run the selection in this process, on the project's Dagster instance."""
    for mended in mend_databases(dagster_home()):
        display.say(mended)
    with watched(board):
        from ttapi_pipeline.defs.launch import refresh_datasets

        refresh_datasets(settings, selection, board, forced=forced, say=display.say)
    outcomes = dict(board.snapshot())
    for name in selection:
        if name not in outcomes:
            outcomes[name] = Progress(phase=Phase.SKIPPED, note="not run: something upstream failed")
    return outcomes


def _interrupted(
    before: Mapping[str, DatasetStatus], now: Mapping[str, DatasetStatus], selection: Sequence[str]
) -> str:
    """What an interrupted run has done and what it has left, in a sentence, by what is stored."""
    done = [name for name in selection if _write_id(now[name]) != _write_id(before[name])]
    left = [name for name in selection if name not in done]
    kept = f"stored data of {', '.join(left)} is as it was" if left else "it was done all the same"
    return (
        f"interrupted; refreshed before: {', '.join(done)}; {kept}" if done else "interrupted; stored data is as it was"
    )


def _write_id(status: DatasetStatus) -> str | None:
    return None if status.manifest is None else status.manifest.write_id


def _explain_failures(outcomes: Mapping[str, Progress]) -> None:
    """Print one sentence per cause, with every dataset that it stopped."""
    stopped: dict[str, list[str]] = {}
    for name, work in outcomes.items():
        if work.phase is Phase.FAILED:
            stopped.setdefault(work.note.removeprefix(f"{name}: "), []).append(name)
    for reason, names in stopped.items():
        print_error(f"error: {', '.join(names)}: {reason}")


def exit_code(statuses: Mapping[str, DatasetStatus], outcomes: Mapping[str, Progress], names: Collection[str]) -> int:
    """The exit code of a refresh of `names`, or of everything, that went as `outcomes` say and left `statuses`."""
    if any(work.phase in {Phase.FAILED, Phase.SKIPPED} for work in outcomes.values()):
        return FAILED
    asked = [statuses[name] for name in names or DATASETS]
    is_complete = all(status.verdict.is_hit and not _is_incomplete(status) for status in asked)
    return OK if is_complete else INCOMPLETE


def _is_incomplete(status: DatasetStatus) -> bool:
    """Whether a subject is missing, a value or row that came could not be read, or something should be looked at."""
    stored = None if status.manifest is None else status.manifest.provenance
    return stored is not None and bool(stored.missing or stored.lost or stored.doubts)
