# SPDX-License-Identifier: MIT
"""The parser class of the commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias


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


Subparsers: TypeAlias = "argparse._SubParsersAction[CommandParser]"
"""What `add_subparsers` returns; argparse has no public name for it."""
