# SPDX-License-Identifier: MIT
"""`tt export`: a stored table, or some of its rows, as a file for another program. The files: see `storage.export`."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.parsers import CommandParser, one_of, typed_path
from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.signals import interrupts_outside_polars
from ttapi_pipeline.core.symbology import canonical_symbol
from ttapi_pipeline.datasets.reading import open_dataset, schema_of
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.tables.schema import ColumnType, DatasetSchema
from ttapi_pipeline.terminal.streams import print_error

if TYPE_CHECKING:
    import polars as pl

_FORMATS = ("csv", "parquet", "xlsx", "duckdb")


EXAMPLES: Final = {
    "tt export eod_snapshot --symbol AAPL --since 2020-01-01": "some rows, into eod_snapshot-AAPL.csv",
    "tt export returns_stddev --format xlsx": "a workbook, returns_stddev.xlsx",
    "tt export --format duckdb --output tables.duckdb": "a view of every stored table",
}


def add_options(parser: CommandParser) -> None:
    """Give the command its options and its help."""
    parser.explain(
        "Write a stored table, or some of its rows, to a file for another program.",
        examples=EXAMPLES,
        notes="The whole CSV of a table is in the data folder already; that of eod_snapshot is\n"
        "more than a spreadsheet opens.",
    )
    parser.add_argument("dataset", nargs="?", metavar="DATASET", help="such as returns_stddev; all, for duckdb")
    parser.add_argument("--symbol", action="append", default=[], help="rows of this symbol; may be given several times")
    parser.add_argument("--since", type=_date, metavar="DATE", help="rows whose date is this one or later: 2020-01-31")
    parser.add_argument(
        "--format",
        type=one_of(_FORMATS, what="format"),
        choices=_FORMATS,
        help="csv by default, or by the extension of --output",
    )
    parser.add_argument("--output", type=typed_path, metavar="FILE", help="by default named after what is in it")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    parser.add_argument("--json", action="store_true", help="say what was written as a JSON object")


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2020-01-31") from None


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Write the file and say so.

    Raises:
        ConfigError: The dataset is not known; the rows cannot be chosen so; the file is there; a package is missing.
        DataError: No row is left, or more than the format holds.
        StorageError: Nothing is stored, or the file cannot be written.
    """
    from ttapi_pipeline.storage.export import ExportFormat, check_package, export_rows, export_views

    file_format = ExportFormat(options.format or _format_of(options.output))
    check_package(file_format)
    if file_format is ExportFormat.DUCKDB:
        path = _target(options, f"{options.dataset or 'ttapi_pipeline'}.duckdb")
        tables = _stored_tables(settings, options)
        export_views(tables, path)
        _say(options, path, {"views": [name for name, _ in tables]}, f"{len(tables)} views")
        return OK
    if options.dataset is None:
        raise ConfigError(f"name a dataset to export; there are {', '.join([*DATASETS, *REPORTS])}")
    schema = schema_of(options.dataset)
    symbols = [_symbol(text) for text in options.symbol]
    path = _target(options, f"{'-'.join([schema.name, *(each.replace('/', '_') for each in symbols)])}.{file_format}")
    filters = _filters(schema, symbols, options.since)
    frame = open_dataset(schema.name, settings.data_dir).filter(*filters)
    count = _count(frame)
    if not count:
        raise ConfigError(f"{schema.name} has no such rows: {_why_none(options, symbols)}")
    is_private = schema.name in DATASETS and DATASETS[schema.name].is_private
    with interrupts_outside_polars():
        export_rows(frame, path, file_format, is_private=is_private)
    _say(options, path, {"dataset": schema.name, "rows": count}, f"{count:,} rows of {schema.name}")
    return OK


def _format_of(output: Path | None) -> str:
    extension = "" if output is None else output.suffix.removeprefix(".").lower()
    return extension if extension in _FORMATS else "csv"


def _target(options: argparse.Namespace, name: str) -> Path:
    """The file to write; one that is there is replaced when the user says so."""
    path: Path = options.output or options.home.typed_in / name
    if path.is_dir():
        path /= name
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is not a folder; make it, or name another file with --output")
    if path.exists() and not options.overwrite:
        raise ConfigError(f"{path} is there already; --overwrite replaces it, --output names another file")
    return path


def _symbol(text: str) -> str:
    try:
        return canonical_symbol(text)
    except ValueError as error:
        raise ConfigError(f"--symbol: {error}") from error


def _filters(schema: DatasetSchema, symbols: list[str], since: date | None) -> list[pl.Expr]:
    import polars as pl

    columns = {column.name: column for column in schema.columns}
    filters = []
    if symbols:
        if "symbol" not in columns:
            raise ConfigError(f"{schema.name} has no symbols to choose from with --symbol")
        filters.append(pl.col("symbol").is_in(symbols))
    if since is not None:
        dates = [name for name in schema.key if columns[name].type is ColumnType.DATE]
        if not dates:
            raise ConfigError(f"{schema.name} has one row for any day, so that --since chooses nothing")
        filters.append(pl.col(dates[0]) >= since)
    return filters


def _count(frame: pl.LazyFrame) -> int:
    import polars as pl

    return int(frame.select(pl.len()).collect().item())


def _why_none(options: argparse.Namespace, symbols: list[str]) -> str:
    of = f"of {', '.join(symbols)}" if symbols else ""
    since = f"since {options.since}" if options.since else ""
    return " ".join(filter(None, [of, since])) or "it is empty"


def _stored_tables(settings: Settings, options: argparse.Namespace) -> list[tuple[str, Path]]:
    """Names and files of the tables that are stored, or of the one that is named."""
    if options.symbol or options.since:
        raise ConfigError("duckdb gets views of whole tables: leave --symbol and --since to its queries")
    folder = open_folder(settings.data_dir)
    if not isinstance(folder, Path):
        raise ConfigError(f"views read local files, and {settings.data_dir} is not a folder of this machine")
    names = [schema_of(options.dataset).name] if options.dataset else [*DATASETS, *REPORTS]
    files = {name: folder.absolute() / f"{name}.parquet" for name in names}
    stored = [(name, path) for name, path in files.items() if path.is_file()]
    if not stored:
        raise StorageError(f"nothing is stored in {folder.absolute()} yet; `tt` fills it")
    return stored


def _say(options: argparse.Namespace, path: Path, facts: dict[str, object], words: str) -> None:
    if options.json:
        sys.stdout.write(json.dumps({**facts, "path": str(path), "bytes": path.stat().st_size}, indent=2) + "\n")
    else:
        print_error(f"{words} in {path} ({path.stat().st_size / 1e6:,.1f} MB)")
