# SPDX-License-Identifier: MIT
"""The parser class of the commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ttapi_pipeline.core.variables import path_of


class CommandParser(argparse.ArgumentParser):
    """A parser that may be given its options when its command is chosen, and not before.

    Attributes:
        add_options: Called once, when the command is on the command line or asked for its help. For a command whose
            options come from modules that take long to import.
    """

    add_options: Callable[[CommandParser], None] | None = None

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As in the base class; argparse calls it for the command that was chosen."""
        if self.add_options is not None:
            add_options, self.add_options = self.add_options, None
            add_options(self)
        return super().parse_known_args(args, namespace)


def typed_path(text: str) -> Path:
    """A path on the command line, for argparse: relative to the folder where it was typed; a leading ~ is the home.

    The commands run in the folder of the project, so that a relative path would mean another file by then.
    """
    return path_of(text).absolute()


Subparsers: TypeAlias = "argparse._SubParsersAction[CommandParser]"
"""What `add_subparsers` returns; argparse has no public name for it."""
