# SPDX-License-Identifier: MIT
"""`tt show`: one symbol on the terminal. The tables are in `terminal.show`."""

from __future__ import annotations

import argparse

from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.parsers import Subparsers
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.storage.layout import open_folder


def add_parser(commands: Subparsers) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "show", help="show one symbol: volatility, cone, expirations", description="Show what is stored of one symbol."
    )
    parser.add_argument("symbol", metavar="SYMBOL", help="such as AAPL or BRK/B")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print what is stored of the symbol.

    Raises:
        ConfigError: The stored data does not know the symbol.
        StorageError: A dataset is not stored, or cannot be read.
    """
    from ttapi_pipeline.terminal.console import SafeConsole
    from ttapi_pipeline.terminal.show import SymbolView, read_symbol

    SafeConsole().print(SymbolView(read_symbol(open_folder(settings.data_dir), options.symbol)))
    return OK
