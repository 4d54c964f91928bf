# SPDX-License-Identifier: MIT
"""Parses the command line of `tt`, reads the settings, calls the module of the command, and reports errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ttapi_pipeline import __version__
from ttapi_pipeline.commands import (
    doctor,
    export,
    import_files,
    init,
    refresh,
    show,
    simulator,
    status,
    stream,
    ui,
    where,
)
from ttapi_pipeline.commands.exit_codes import FAILED, WRONG_USAGE
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.core.errors import ConfigError, TTError
from ttapi_pipeline.core.logs import configure_logging
from ttapi_pipeline.core.places import Home, find_home
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import load_settings_of
from ttapi_pipeline.storage.layout import state_folder
from ttapi_pipeline.terminal.console import accept_any_text, print_error

_COMMANDS = {
    "refresh": refresh,
    "status": status,
    "show": show,
    "export": export,
    "import": import_files,
    "doctor": doctor,
    "stream": stream,
    "ui": ui,
    "where": where,
}
"""By name, in the order of the help. `init` and the simulator, which work in any folder, are apart."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 fresh, 3 incomplete, 4 failed, 2 wrong usage or settings.

    Raises:
        KeyboardInterrupt: Ctrl-C ended it, or a signal that does the same; it may say what was done by then.
    """
    accept_any_text()
    options = _parser().parse_args(_with_command(sys.argv[1:] if argv is None else argv))
    if options.command == "simulator":
        # It runs beside any project: no settings are read, and relative paths stay relative to the current folder.
        return simulator.run(options)
    try:
        if options.command == "init":
            return init.run(options)
        options.home = find_home()
        with _working_in(options.home):
            settings = load_settings_of(options.home)
            _keep_caches(settings)
            configure_logging(settings)
            code: int = _COMMANDS[options.command].run(settings, options)
            return code
    except ConfigError as error:
        print_error(f"error: {error}")
        return WRONG_USAGE
    except TTError as error:
        print_error(f"error: {error}")
        return FAILED


def _with_command(words: Sequence[str]) -> Sequence[str]:
    """`tt` alone, or with options of `tt refresh` alone, refreshes what is due."""
    is_named = any(not word.startswith("-") for word in words[:1])
    return words if is_named or {"-h", "--help", "--version"} & set(words[:1]) else ["refresh", *words]


@contextmanager
def _working_in(home: Home) -> Iterator[None]:
    """Make the folder the current one, if it is there, and have the environment fit; that of before comes back."""
    before = dict(os.environ)
    os.environ.update(home.environment())
    try:
        if home.folder.is_dir():
            os.chdir(home.folder)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _keep_caches(settings: Settings) -> None:
    """Have Matplotlib keep its list of fonts beside the data, and not in the home folder, unless it is told where."""
    folder = state_folder(settings.data_dir)
    if folder is not None:
        os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tt",
        description="Local, always-fresh options tables. Without a command: `tt refresh`.",
        epilog="Exit codes: 0 all fresh, 3 refreshed with missing rows or stale data kept, 4 failed, 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"tt {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=CommandParser)
    for command in (init, *_COMMANDS.values(), simulator):
        command.add_parser(commands)
    return parser
