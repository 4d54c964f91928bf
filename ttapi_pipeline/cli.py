# SPDX-License-Identifier: MIT
"""The `tt` command. What needs Dagster or Polars is imported where it is used: `tt status` needs neither."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from ttapi_pipeline import __version__
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import ConfigError, TTError
from ttapi_pipeline.core.logs import configure_logging
from ttapi_pipeline.core.progress import Phase, ProgressBoard, Work, watched
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.ttl import ACCEPTED_DURATION, parse_duration
from ttapi_pipeline.datasets.registry import DATASETS, load_settings
from ttapi_pipeline.datasets.status import DatasetStatus, refuse_to_overwrite, survey
from ttapi_pipeline.storage.layout import check_writable, open_folder, state_folder
from ttapi_pipeline.terminal.grid import status_document, status_table
from ttapi_pipeline.terminal.watch import watching

OK: Final = 0
WRONG_USAGE: Final = 2
INCOMPLETE: Final = 3
FAILED: Final = 4
INTERRUPTED: Final = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 fresh, 3 incomplete, 4 failed, 2 wrong usage or settings."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["simulator"]:
        return _simulator(arguments[1:])
    options = _parser().parse_args(arguments)
    os.chdir(project_root())
    errors = Console(stderr=True, highlight=False)
    try:
        settings = load_settings()
        configure_logging(settings)
        match options.command:
            case "status":
                return _status(settings, is_json=options.json)
            case "refresh":
                return _refresh(settings, options.dataset, is_forced=options.force, is_json=options.json)
            case "import":
                return _import(settings, options.folder, is_json=options.json)
            case "show":
                return _show_symbol(settings, options.symbol)
            case "stream":
                return _stream(settings, options)
            case _:
                return _doctor(settings, is_repairing=options.repair)
    except ConfigError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return WRONG_USAGE
    except TTError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return FAILED
    except KeyboardInterrupt:
        errors.print("interrupted; stored data is as it was")
        return INTERRUPTED


def project_root() -> Path:
    """The folder that relative paths are relative to: the nearest one with a `dagster.yaml`, else the current one."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[1]):
        if (folder / "dagster.yaml").is_file():
            return folder
    return here


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tt",
        description="Local, always-fresh options tables.",
        epilog="Exit codes: 0 all fresh, 3 refreshed with missing rows or stale data kept, 4 failed, 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"tt {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    refresh = commands.add_parser("refresh", help="refresh what is due", description="Refresh what is due.")
    refresh.add_argument("dataset", nargs="*", choices=[[], *DATASETS], metavar="DATASET", help=", ".join(DATASETS))
    refresh.add_argument("--force", action="store_true", help="refresh in any case: the datasets named, or all")
    refresh.add_argument("--json", action="store_true", help="print the grid as JSON")
    status = commands.add_parser(
        "status", help="show how fresh every dataset is, and why", description="Show the grid."
    )
    status.add_argument("--json", action="store_true", help="print the grid as JSON")
    show = commands.add_parser(
        "show", help="show one symbol: volatility, cone, expirations", description="Show what is stored of one symbol."
    )
    show.add_argument("symbol", metavar="SYMBOL", help="such as AAPL or BRK/B")
    importing = commands.add_parser(
        "import",
        help="say what an import of a MetaStock folder would give",
        description="Say what an import of a MetaStock folder would give: files, symbols, rows, rejects.",
    )
    importing.add_argument("--dry-run", action="store_true", required=True, help="write nothing; `tt refresh` imports")
    importing.add_argument("--json", action="store_true", help="print it as JSON")
    importing.add_argument("folder", type=Path, metavar="DIR", help="read recursively")
    doctor = commands.add_parser("doctor", help="examine settings, storage, connection and clock; say what to do")
    doctor.add_argument("--repair", action="store_true", help="mend what the stored Parquet files allow to mend")
    _add_stream_options(commands.add_parser("stream", help="live quotes in a grid, accumulated to disk"))
    commands.add_parser("simulator", help="run the local exchange, or write its MetaStock files (see its --help)")
    return parser


def _add_stream_options(stream: argparse.ArgumentParser) -> None:
    stream.formatter_class = argparse.RawDescriptionHelpFormatter
    stream.description = (
        "Live quotes of some symbols, or of the universe: in a grid on a terminal, a line per report elsewhere.\n"
        "What comes is kept in the quote log of TT_DATA_DIR; each session that has ended becomes a part of\n"
        "quote_history there. It runs until Ctrl-C (twice: without waiting), SIGTERM or SIGHUP."
    )
    stream.epilog = (
        "keys: n and p turn the page, s sorts by something else, q ends\n\n"
        "exit codes:\n"
        "  0    stopped as asked, and nothing is missing\n"
        "  2    wrong usage or settings, an unknown symbol\n"
        "  3    stopped as asked; gaps, sales that were lost, or symbols that never answered\n"
        "  4    failed: credentials refused, another tt stream at work, rows that could not be saved\n"
        "  130  a second Ctrl-C: what was not flushed is lost"
    )
    stream.add_argument(
        "symbol", nargs="*", metavar="SYMBOL", help="such as AAPL, BRK/B or .AAPL261218C150; by default the universe"
    )
    stream.add_argument("--json", action="store_true", help="report health as a line of JSON, instead of a grid")
    stream.add_argument("--no-log", action="store_true", help="show only, keep nothing")
    stream.add_argument("--duration", type=_duration, metavar="TIME", help="stop by itself: seconds, or 5m, 6h, 2d")
    stream.add_argument(
        "--flush-seconds", type=_seconds, default=2.0, metavar="N", help="how much a crash may cost (default 2)"
    )
    stream.add_argument(
        "--report-seconds", type=_seconds, default=5.0, metavar="N", help="from one report to the next (default 5)"
    )


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; it accepts {ACCEPTED_DURATION}") from None


def _seconds(text: str) -> float:
    if not 0.1 <= float(text) <= 3600:
        raise ValueError(text)
    return float(text)


def _status(settings: Settings, *, is_json: bool) -> int:
    statuses = survey(settings, now=SYSTEM_CLOCK.now())
    _show(settings, statuses, is_json=is_json)
    return OK if all(status.verdict.is_hit for status in statuses.values()) else INCOMPLETE


def _show(
    settings: Settings,
    statuses: Mapping[str, DatasetStatus],
    *,
    is_json: bool,
    outcomes: Mapping[str, Work] | None = None,
) -> None:
    if is_json:
        document = {
            "origin": settings.origin,
            "is_simulated": settings.is_simulated,
            "datasets": status_document(statuses, outcomes=outcomes),
            "breakers": _breakers(settings),
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe or a file has no width; the reasons should not be folded at 80.
        console = Console(highlight=False, width=160)
    console.print(
        status_table(
            statuses,
            origin=settings.origin,
            is_simulated=settings.is_simulated,
            outcomes=outcomes,
            breakers=_breakers(settings),
        )
    )


def _breakers(settings: Settings) -> Mapping[str, str]:
    """Each circuit breaker that is not closed. Read as plain JSON: importing the client takes longer than the rest."""
    folder = state_folder(settings.data_dir)
    if folder is None:
        return {}
    try:
        states = json.loads((folder / "breakers.json").read_text(encoding="utf-8"))
        open_ones = {family: each["state"] for family, each in states.items() if each["state"] != "closed"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Nothing has failed yet, or another process is at it; the grid does without.
        return {}
    return {family: f"circuit breaker {state}" for family, state in open_ones.items()}


def _refresh(settings: Settings, names: Sequence[str], *, is_forced: bool, is_json: bool) -> int:
    forced = frozenset(names or DATASETS) if is_forced else frozenset()
    statuses = survey(settings, now=SYSTEM_CLOCK.now(), forced=forced)
    refuse_to_overwrite(settings)
    selection = _selection(statuses, names)
    outcomes: Mapping[str, Work] | None = None
    if selection:
        check_writable(open_folder(settings.data_dir))
        outcomes = _run(settings, selection, is_forced=is_forced, is_quiet=is_json)
        statuses = survey(settings, now=SYSTEM_CLOCK.now())
    _show(settings, statuses, is_json=is_json, outcomes=outcomes)
    _explain_failures(outcomes or {})
    return _exit_code(statuses, outcomes or {}, names)


def _explain_failures(outcomes: Mapping[str, Work]) -> None:
    """One sentence per cause, with everything that it stopped."""
    stopped: dict[str, list[str]] = {}
    for name, work in outcomes.items():
        if work.phase is Phase.FAILED:
            stopped.setdefault(work.note.removeprefix(f"{name}: "), []).append(name)
    errors = Console(stderr=True, highlight=False)
    for reason, names in stopped.items():
        errors.print(f"error: {', '.join(names)}: {reason}", markup=False, soft_wrap=True)


def _selection(statuses: Mapping[str, DatasetStatus], names: Sequence[str]) -> Sequence[str]:
    """What to run, upstream first: what is due among the named and above them, and what a change there may reach."""
    wanted = set(names or DATASETS)
    for name in reversed(list(DATASETS)):
        if name in wanted:
            wanted.update(upstream for upstream in DATASETS[name].upstream if upstream in DATASETS)
    selected: set[str] = set()
    for name, declaration in DATASETS.items():
        is_reached = any(upstream in selected for upstream in declaration.upstream)
        is_due = not statuses[name].verdict.is_hit or statuses[name].stored.is_lagging
        if name in wanted and (is_due or is_reached):
            selected.add(name)
    return [name for name in DATASETS if name in selected]


def _run(settings: Settings, selection: Sequence[str], *, is_forced: bool, is_quiet: bool) -> Mapping[str, Work]:
    """Run the selection in this process, on the project's Dagster instance."""
    os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
    board = ProgressBoard()
    # Dagster redirects the process's own stderr into its compute logs while a step runs.
    with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as terminal:
        console = Console(file=terminal, highlight=False, quiet=is_quiet)
        console.print(f"refreshing {len(selection)} of {len(DATASETS)} datasets from {settings.origin}", markup=False)
        with watched(board), watching(board, selection, console):
            from ttapi_pipeline.defs.operations.launch import refresh_datasets  # noqa: PLC0415 - a hit needs no Dagster

            refresh_datasets(settings, selection, board, is_forced=is_forced)
    outcomes = dict(board.snapshot())
    for name in selection:
        if name not in outcomes:
            outcomes[name] = Work(phase=Phase.SKIPPED, note="not run: something upstream failed")
    return outcomes


def _exit_code(statuses: Mapping[str, DatasetStatus], outcomes: Mapping[str, Work], names: Collection[str]) -> int:
    asked = [statuses[name] for name in names or DATASETS]
    if any(work.phase in {Phase.FAILED, Phase.SKIPPED} for work in outcomes.values()):
        return FAILED
    is_complete = all(status.verdict.is_hit and not _missing(status) for status in asked)
    return OK if is_complete else INCOMPLETE


def _missing(status: DatasetStatus) -> int:
    return len(status.manifest.provenance.missing) if status.manifest else 0


def _show_symbol(settings: Settings, symbol: str) -> int:
    from ttapi_pipeline.terminal.show import SymbolView, read_symbol  # noqa: PLC0415 - needs Polars

    Console(highlight=False).print(SymbolView(read_symbol(open_folder(settings.data_dir), symbol)))
    return OK


def _stream(settings: Settings, options: argparse.Namespace) -> int:
    from ttapi_pipeline.commands.stream import StreamRequest, run_stream  # noqa: PLC0415 - needs Polars

    end = run_stream(
        settings,
        StreamRequest(
            symbols=options.symbol,
            is_json=options.json,
            has_log=not options.no_log,
            duration=options.duration,
            flush_seconds=options.flush_seconds,
            report_seconds=options.report_seconds,
        ),
    )
    # After SIGHUP there may be nobody to tell.
    with suppress(OSError):
        Console(stderr=True, highlight=False).print(end.sentence(), markup=False, soft_wrap=True)
    if not end.is_saved:
        return FAILED
    return OK if end.health.is_complete else INCOMPLETE


def _import(settings: Settings, folder: Path, *, is_json: bool) -> int:
    from ttapi_pipeline.metastock.importer import preview_folder  # noqa: PLC0415 - needs Polars
    from ttapi_pipeline.metastock.symbol_map import read_symbol_map  # noqa: PLC0415
    from ttapi_pipeline.terminal.import_report import import_document, import_report  # noqa: PLC0415

    path = settings.metastock_symbol_map
    preview = preview_folder(folder, symbol_map=None if path is None else read_symbol_map(path))
    if is_json:
        sys.stdout.write(json.dumps(import_document(preview), indent=2) + "\n")
        return OK
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=160)
    console.print(import_report(preview))
    return OK


def _doctor(settings: Settings, *, is_repairing: bool) -> int:
    from ttapi_pipeline.commands.doctor import examine  # noqa: PLC0415 - needs Polars

    console = Console(highlight=False)
    findings = asyncio.run(examine(settings, is_repairing=is_repairing))
    for finding in findings:
        style = "green" if finding.is_good else "red"
        console.print(f"[{style}]{'ok  ' if finding.is_good else 'bad '}[/] ", end="")
        console.print(f"{finding.subject}: {finding.text}", markup=False, soft_wrap=True)
    return OK if all(finding.is_good for finding in findings) else FAILED


def _simulator(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["metastock"]:
        return _write_metastock(arguments[1:])
    from ttapi_pipeline.simulator.program import main as run_simulator  # noqa: PLC0415

    return run_simulator(arguments)


def _write_metastock(arguments: Sequence[str]) -> int:
    from ttapi_pipeline.simulator.market.market import Market  # noqa: PLC0415
    from ttapi_pipeline.simulator.market.metastock_files import (  # noqa: PLC0415
        DEFAULT_FIRST,
        default_last,
        write_metastock_files,
    )

    parser = argparse.ArgumentParser(
        prog="tt simulator metastock", description="Write MetaStock ASCII files of the simulated market."
    )
    parser.add_argument("folder", type=Path, help="a folder that is new or empty")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--first", type=date.fromisoformat, default=DEFAULT_FIRST, help="first session, YYYY-MM-DD")
    parser.add_argument(
        "--last", type=date.fromisoformat, help="last session; by default 30 before the last closed one"
    )
    parser.add_argument("--symbols", nargs="+", help="by default 95%% of the S&P 500")
    options = parser.parse_args(arguments)
    last = options.last or default_last(SYSTEM_CLOCK.now())
    try:
        files = write_metastock_files(
            Market(options.seed), options.folder, first=options.first, last=last, symbols=options.symbols
        )
    except (TTError, KeyError) as error:
        sys.stderr.write(f"error: {error}\n")
        return WRONG_USAGE
    sys.stdout.write(f"{files} files in {options.folder}, simulated, {options.first} to {last}\n")
    return OK


if __name__ == "__main__":
    sys.exit(main())
