# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The parser class of the commands, and types of arguments that several of them take."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from ttapi_pipeline.core.nearest import did_you_mean, unknown_word
from ttapi_pipeline.core.variables import path_of

_WIDTH: Final = 80
"""Columns of the texts of a help, whose lines are not cut by argparse."""


class CommandParser(argparse.ArgumentParser):
    """A parser that is given its options when its command is chosen, and not before.

    An option that it does not know ends the program with the nearest one that it does.

    Attributes:
        add_options: Called once, when the command is on the command line or asked for its help. The options come from
            the module of the command, which may take long to import.
    """

    add_options: Callable[[CommandParser], None] | None = None

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As in the base class; argparse calls it for the command that was chosen."""
        self.complete()
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._hint(unknown)}")
        return namespace, unknown

    def complete(self) -> None:
        """Add the options, unless they are there already."""
        if self.add_options is not None:
            add_options, self.add_options = self.add_options, None
            add_options(self)

    def explain(self, description: str, *, examples: Mapping[str, str], notes: str = "") -> None:
        """Say in the help what the command does.

        Args:
            description: One sentence or more.
            examples: What a command line does, by command line.
            notes: What the help ends with, in lines that are cut already.
        """
        self.formatter_class = argparse.RawDescriptionHelpFormatter
        self.description = "\n".join(fill(line, _WIDTH) for line in description.split("\n"))
        shown = [f"  {line}\n      {meaning}" for line, meaning in examples.items()]
        self.epilog = "\n".join(["examples:", *shown, *(["", notes] if notes else [])])

    def _hint(self, unknown: Sequence[str]) -> str:
        options = [each.partition("=")[0] for each in unknown if each.startswith("-")]
        return did_you_mean(options[0], self._option_string_actions) if options else ""


def typed_path(text: str) -> Path:
    """A path on the command line, for argparse: relative to the folder where it was typed; a leading ~ is the home.

    The commands run in the folder of the project, so that a relative path would mean another file by then.
    """
    return path_of(text).absolute()


def one_of(known: Iterable[str], *, what: str) -> Callable[[str], str]:
    """One of some words, for argparse; the nearest is named in place of another one.

    Args:
        known: The words.
        what: What they are, such as ``dataset``.
    """
    words = list(known)

    def parse(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(unknown_word(what, text, words))
        return text

    return parse
