# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The options of `tt show` and `tt export` that choose rows and columns of a table, and what they stand for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from ttapi_pipeline.commands.completers import complete_with, symbols
from ttapi_pipeline.commands.instants import ACCEPTED, instant
from ttapi_pipeline.core.arguments import accepting
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.nearest import did_you_mean, unknown_word
from ttapi_pipeline.core.symbology import canonical_symbol
from ttapi_pipeline.datasets.reading import stored_symbols
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.tables.schema import Column, ColumnType, DatasetSchema

if TYPE_CHECKING:
    import polars as pl

    from ttapi_pipeline.commands.parsers import CommandParser


def add_row_options(parser: CommandParser | argparse._ArgumentGroup) -> None:
    """Add `--symbol` and `--since`."""
    symbol = parser.add_argument(
        "--symbol", action="append", default=[], metavar="S", help="rows of this symbol; may be given several times"
    )
    complete_with(symbol, symbols)
    parser.add_argument(
        "--since",
        type=accepting(date.fromisoformat, "a date such as 2020-01-31"),
        metavar="DATE",
        help="rows whose date is this one or later: 2020-01-31",
    )


def add_rows(parser: CommandParser | argparse._ArgumentGroup, words: str, *, default: int) -> None:
    """Add `--rows`, which is None for all of them."""
    parser.add_argument(
        "--rows", type=accepting(_rows, "a number from 1 on, or all"), default=default, metavar="N", help=words
    )


def _rows(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(text)
    return int(text)


def add_as_of(parser: CommandParser | argparse._ArgumentGroup) -> None:
    """Add `--as-of`."""
    parser.add_argument(
        "--as-of",
        type=accepting(instant, ACCEPTED),
        metavar="INSTANT",
        help="what was known then: 2026-11-24 (to its end) or 2026-11-24T16:00, in New York",
    )


def words(text: str | None) -> Sequence[str]:
    """The words between commas."""
    return [word for each in (text or "").split(",") if (word := each.strip())]


def known_column(name: str, schema: DatasetSchema, names: Sequence[str]) -> str:
    """The name, which is one of the columns.

    Raises:
        ConfigError: It is none of them; the nearest one is named.
    """
    if name not in names:
        raise ConfigError(unknown_word(f"column of {schema.name}", name, names))
    return name


def chosen_columns(schema: DatasetSchema, text: str | None) -> Sequence[Column]:
    """The columns that are named between commas, in that order; all where none is.

    Raises:
        ConfigError: The table has no such column.
    """
    columns = {column.name: column for column in schema.columns}
    return [columns[known_column(name, schema, list(columns))] for name in words(text)] or schema.columns


def named_symbols(options: argparse.Namespace) -> Sequence[str]:
    """The symbols of `--symbol`, as they are stored.

    Raises:
        ConfigError: One cannot be a symbol.
    """
    try:
        return [canonical_symbol(text) for text in options.symbol]
    except ValueError as error:
        raise ConfigError(f"--symbol: {error}") from error


def row_filters(schema: DatasetSchema, options: argparse.Namespace) -> Sequence[pl.Expr]:
    """The conditions of `--symbol` and `--since`, all of which a row has to meet; none where neither is given.

    Raises:
        ConfigError: The table has no symbols or no dates, or a symbol cannot be one.
    """
    import polars as pl

    columns = {column.name: column for column in schema.columns}
    filters = []
    if symbols := named_symbols(options):
        if "symbol" not in columns:
            raise ConfigError(f"{schema.name} has no symbols to choose from with --symbol")
        filters.append(pl.col("symbol").is_in(symbols))
    if options.since is not None:
        dates = [name for name in schema.key if columns[name].type is ColumnType.DATE]
        if not dates:
            raise ConfigError(f"{schema.name} has one row for any day, so that --since chooses nothing")
        filters.append(pl.col(dates[0]) >= options.since)
    return filters


def no_rows(schema: DatasetSchema, options: argparse.Namespace, folder: Folder) -> ConfigError:
    """The error that says that no row meets the conditions, with stored symbols that are near to those asked for."""
    symbols = named_symbols(options)
    known = set(stored_symbols(folder))
    hints = [did_you_mean(symbol, known) for symbol in symbols if symbol not in known]
    of = f"of {', '.join(symbols)}{''.join(hints[:1])}" if symbols else ""
    since = f"since {options.since}" if options.since else ""
    return ConfigError(f"{schema.name} has no such rows: {' '.join(filter(None, [of, since])) or 'it is empty'}")
