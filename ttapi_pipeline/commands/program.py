# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Parses the command line of `tt`, reads the settings, calls the module of the command, and reports errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any, Final

from ttapi_pipeline import __version__
from ttapi_pipeline.commands.exit_codes import FAILED, WRONG_USAGE
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.core.errors import ConfigError, TTError
from ttapi_pipeline.core.logs import configure_logging
from ttapi_pipeline.core.nearest import unknown_word
from ttapi_pipeline.core.places import Home, find_home
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS, load_settings_of
from ttapi_pipeline.storage.places import cache_folder
from ttapi_pipeline.terminal.streams import accept_any_text, print_error

COMMANDS: Final = {
    "init": "set up a folder for settings, data and Dagster instance",
    "refresh": "refresh what is due",
    "status": "show how fresh every dataset is, and why",
    "show": "show one symbol (volatility, cone, expirations), or rows of a table",
    "history": "list the publications of a dataset: when, why, what changed",
    "diff": "compare a dataset with what it was before",
    "quality": "show what became of every dataset in each session, and why",
    "export": "write a stored table, or some of its rows, to a file",
    "import": "say what an import of a MetaStock folder would give",
    "doctor": "examine settings, storage, connection and clock; say what to do",
    "stream": "live quotes in a grid, accumulated to disk",
    "alert": "look once, and tell TT_ALERT_URLS what is wrong",
    "metrics": "print the metrics of every dataset for Prometheus",
    "ui": "start Dagster's web UI and daemon, which keep everything fresh",
    "where": "show which folders and files are used here, and why",
    "completion": "print the script that has a shell complete commands, options, symbols",
    "simulator": "run the local exchange, or write its MetaStock files",
}
"""What each command does, in the order of the help; that of one command comes from its module."""

_ASKED_FOR_WORDS: Final = "_ARGCOMPLETE"
"""The variable with which the script of `tt completion` asks for the words that may come next."""

_IN_ANY_FOLDER: Final = frozenset({"completion", "init", "simulator"})
"""They run beside any project: no settings are read, and relative paths stay relative to the current folder."""

EXAMPLES: Final = {
    "tt": "refresh what is due, and show the grid",
    "tt status": "how fresh everything is, and why",
    "tt show AAPL": "what is stored of a symbol",
    "tt show --help": "the options of a command, with examples",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 fresh, 3 incomplete, 4 failed, 2 wrong usage or settings.

    Raises:
        KeyboardInterrupt: Ctrl-C ended it, or a signal that does the same; it may say what was done by then.
    """
    accept_any_text()
    if _ASKED_FOR_WORDS in os.environ:
        _answer_shell()
    words, (parser, _) = _with_command(sys.argv[1:] if argv is None else argv), _parsers()
    if words[0] not in COMMANDS and not words[0].startswith("-"):
        parser.error(_unknown_command(words[0]))
    options = parser.parse_args(words)
    command = _module(options.command)
    code: int
    try:
        if options.command in _IN_ANY_FOLDER:
            code = command.run(options)
            return code
        options.home = find_home()
        with _working_in(options.home):
            settings = load_settings_of(options.home)
            _keep_caches(settings)
            configure_logging(settings)
            code = command.run(settings, options)
            return code
    except ConfigError as error:
        print_error(f"error: {error}")
        return WRONG_USAGE
    except TTError as error:
        print_error(f"error: {error}")
        return FAILED
    except PermissionError as error:
        # Where this user may not even look, which any question whether something is there can meet.
        print_error(f"error: {error.filename}: {error.strerror}; give this user the right to read and write there")
        return FAILED


def _module(command: str) -> Any:
    """The module of a command: `add_options`, `run`, `EXAMPLES`. Only the one that is typed is imported."""
    # `import` is a word of Python.
    return import_module(f"ttapi_pipeline.commands.{'import_files' if command == 'import' else command}")


def _unknown_command(word: str) -> str:
    if word in DATASETS:
        return f"{word} is a dataset, and not a command: `tt show {word}`, `tt refresh {word}`, `tt export {word}`"
    return unknown_word("command", word, COMMANDS)


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
    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder(settings) / "matplotlib"))


def _answer_shell() -> None:
    """Write the words that may come next, and end the process; see `completion`."""
    parser, commands = _parsers()
    for word in os.environ.get("COMP_LINE", "").split()[1:2]:
        if word in commands:
            # argcomplete looks at the options of a command before it has it parse anything.
            commands[word].complete()
    _module("completion").answer(parser)


def _parsers() -> tuple[CommandParser, Mapping[str, CommandParser]]:
    """The parser of the whole command line, and those of the commands by name."""
    parser = CommandParser(prog="tt")
    parser.explain(
        "Local, always-fresh options tables. Without a command: `tt refresh`.",
        examples=EXAMPLES,
        notes="Exit codes: 0 all fresh, 3 refreshed with missing rows or stale data kept,\n4 failed, 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"tt {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in COMMANDS.items():
        commands.add_parser(name, help=meaning).add_options = partial(_add_options, name)
    return parser, commands.choices


def _add_options(command: str, parser: CommandParser) -> None:
    _module(command).add_options(parser)
