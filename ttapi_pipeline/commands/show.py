# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt show`: one symbol (`terminal.show`), rows of a stored table (`terminal.table_lines`), or what its columns mean
(`terminal.column_lines`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.commands.completers import columns, complete_with, symbols_or_tables
from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser
from ttapi_pipeline.commands.row_choice import add_as_of, add_row_options, add_rows, chosen_columns
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.descriptions import table_description
from ttapi_pipeline.datasets.membership_schema import MEMBERSHIP
from ttapi_pipeline.datasets.reading import SESSION_QUALITY, schema_of, stored_symbols
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES, REPORTS
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.terminal.pen import Pen, glyphs_for
from ttapi_pipeline.terminal.streams import is_coloured, output_width, print_error, print_lines

if TYPE_CHECKING:
    from ttapi_pipeline.core.verdict import Verdict
    from ttapi_pipeline.terminal.show import SymbolRows

_ROWS: Final = 20
_OF_SYMBOL: Final = ("volatility", "symbols", "volatility_cone", "returns_stddev", "variance_premium")
"""The datasets that a symbol's tables come from."""

EXAMPLES: Final = {
    "tt show AAPL --plot": "a symbol: volatility, cone, expirations; --plot draws charts as well",
    "tt show eod_snapshot --symbol AAPL --sort session:desc": "rows of a table, the newest first",
    "tt show volatility --columns symbol,iv_rank --sort iv_rank:desc --rows 5": "the five highest",
    "tt show volatility --describe": "what its columns mean",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Show what is stored of a symbol, or the rows of a stored table, and how old it is. A word that is "
        "both is the table in small letters and the symbol in capital ones.",
        examples=EXAMPLES,
    )
    what = parser.add_argument("what", metavar="SYMBOL|DATASET", help="such as AAPL, BRK/B or volatility")
    complete_with(what, symbols_or_tables)
    parser.add_argument("--json", action="store_true", help="print it as a JSON object")
    add_as_of(parser)
    of_symbol = parser.add_argument_group("of a symbol")
    of_symbol.add_argument(
        "--plot", action="store_true", help="draw its charts, light and dark, into plots/SYMBOL of the data folder"
    )
    of_table = parser.add_argument_group("of a dataset")
    add_rows(of_table, f"how many, or all (default {_ROWS})", default=_ROWS)
    named = of_table.add_argument("--columns", metavar="A,B", help="these, in this order; by default those that fit")
    complete_with(named, columns)
    order = of_table.add_argument("--sort", metavar="A,B:desc", help="by these columns; by default by the key")
    complete_with(order, columns)
    add_row_options(of_table)
    of_table.add_argument(
        "--describe", action="store_true", help="say what its columns mean, or those of --columns, and show no rows"
    )


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print what is stored of the symbol, or rows of the table.

    Raises:
        ConfigError: There is neither a symbol nor a table of that name; an option is for the other of them; or see
            `table_rows.read_rows`.
        StorageError: A dataset is not stored, cannot be read, or its rows of that instant are not kept.
    """
    if options.what == SESSION_QUALITY:
        raise ConfigError(f"{SESSION_QUALITY} is what `tt quality` shows")
    if options.what in {*DATASETS, *REPORTS, *HISTORIES, MEMBERSHIP.name}:
        return _show_table(settings, options)
    if "_" in options.what:
        # No symbol has one.
        schema_of(options.what)
    return _show_symbol(settings, options)


def _show_table(settings: Settings, options: argparse.Namespace) -> int:
    from ttapi_pipeline.commands.table_rows import read_rows
    from ttapi_pipeline.terminal.table_document import table_document
    from ttapi_pipeline.terminal.table_lines import table_lines

    if options.plot:
        raise ConfigError(f"{options.what} is a dataset, and --plot draws the charts of a symbol")
    pen = Pen(is_coloured=is_coloured(sys.stdout), glyphs=glyphs_for(sys.stdout), width=output_width())
    if options.describe:
        return _describe(options, pen)
    table = read_rows(settings, options, now=SYSTEM_CLOCK.now())
    if options.what.upper() in stored_symbols(open_folder(settings.data_dir)):
        print_error(f"{options.what} is the dataset; `tt show {options.what.upper()}` shows the symbol of that name")
    if options.json:
        print_json(table_document(table))
    else:
        print_lines(table_lines(table, pen))
    return OK


def _describe(options: argparse.Namespace, pen: Pen) -> int:
    """Print what the columns of a table mean. Nothing of it needs to be stored."""
    from ttapi_pipeline.terminal.column_lines import column_lines, columns_document

    if given := [*_row_options(options), *(["--as-of"] if options.as_of else [])]:
        raise ConfigError(f"--describe shows no rows, which {given[0]} is for; leave one of the two out")
    schema, description = schema_of(options.what), table_description(options.what)
    chosen = chosen_columns(schema, options.columns)
    if options.json:
        print_json(columns_document(schema, description, chosen))
    else:
        print_lines(column_lines(schema, description, chosen, pen))
    return OK


def _show_symbol(settings: Settings, options: argparse.Namespace) -> int:
    from ttapi_pipeline.terminal.console import SafeConsole
    from ttapi_pipeline.terminal.show import SymbolView, read_symbol
    from ttapi_pipeline.terminal.table_document import symbol_document

    _refuse_table_options(options)
    if options.plot and options.as_of:
        raise ConfigError("--plot draws what is stored now; leave it or --as-of out")
    folder = open_folder(settings.data_dir)
    rows = read_symbol(folder, options.what, as_of=options.as_of)
    statuses = read_statuses(settings, now=SYSTEM_CLOCK.now())
    verdicts = {name: statuses[name].verdict for name in _OF_SYMBOL}
    charts: list[str] = []
    if options.plot:
        # Before Matplotlib says in two lines of its own that it cannot keep its fonts there.
        open_store(folder).check_rights()
        from ttapi_pipeline.commands.symbol_charts import draw_symbol

        charts = [str(path) for path in draw_symbol(folder, rows)]
    if options.json:
        print_json(symbol_document(rows, verdicts) | {"charts": charts})
        return OK
    console = SafeConsole()
    console.print(SymbolView(rows))
    for line in _ages(verdicts) if options.as_of is None else _versions(rows):
        console.print(line, markup=False)
    for path in charts:
        console.print(path, markup=False, soft_wrap=True)
    return OK


def _refuse_table_options(options: argparse.Namespace) -> None:
    named = [
        *(["--columns"] if options.columns else []),
        *(["--describe"] if options.describe else []),
        *_row_options(options),
    ]
    if named:
        raise ConfigError(f"{named[0]} is for a dataset, and {options.what} is none; there are {', '.join(DATASETS)}")


def _row_options(options: argparse.Namespace) -> list[str]:
    """The options given that choose rows of a table, or order them."""
    given = {"--sort": options.sort, "--symbol": options.symbol, "--since": options.since}
    return [name for name, value in given.items() if value] + (["--rows"] if options.rows != _ROWS else [])


def _versions(rows: SymbolRows) -> list[str]:
    """Which versions of the datasets are shown."""
    from ttapi_pipeline.terminal.table_lines import known_words

    return [f"{name} {known_words(*known)}" for name, known in rows.known.items()]


def _ages(verdicts: Mapping[str, Verdict]) -> list[str]:
    """How old the volatility is, and every dataset that is due."""
    first, *others = verdicts.values()
    told = [first, *(verdict for verdict in others if not verdict.is_hit)]
    return [f"{verdict.dataset}: {'hit' if verdict.is_hit else 'miss'}, {verdict.reason}" for verdict in told]
