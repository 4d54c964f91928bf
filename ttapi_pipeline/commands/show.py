# SPDX-License-Identifier: MIT
"""`tt show`: one symbol on the terminal. The tables are in `terminal.show`."""

from __future__ import annotations

import argparse
from typing import Final

from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.storage.layout import open_folder

EXAMPLES: Final = {
    "tt show AAPL": "its volatility, cone and expirations",
    "tt show BRK/B --plot": "its charts as well",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain("Show what is stored of one symbol.", examples=EXAMPLES)
    parser.add_argument("symbol", metavar="SYMBOL", help="such as AAPL or BRK/B")
    parser.add_argument(
        "--plot", action="store_true", help="also draw its charts, light and dark, into plots/SYMBOL of the data folder"
    )


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print what is stored of the symbol.

    Raises:
        ConfigError: The stored data does not know the symbol.
        StorageError: A dataset is not stored, or cannot be read.
    """
    from ttapi_pipeline.terminal.console import SafeConsole
    from ttapi_pipeline.terminal.show import SymbolView, read_symbol

    folder = open_folder(settings.data_dir)
    rows = read_symbol(folder, options.symbol)
    console = SafeConsole()
    console.print(SymbolView(rows))
    if options.plot:
        from ttapi_pipeline.commands.symbol_charts import draw_symbol

        for path in draw_symbol(folder, rows):
            console.print(str(path), markup=False, soft_wrap=True)
    return OK
