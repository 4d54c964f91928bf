# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`tt export`: a stored table, or some of its rows, as a file for another program. The files: see `storage.export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.commands.completers import complete_with, tables
from ttapi_pipeline.commands.exit_codes import OK
from ttapi_pipeline.commands.json_output import print_json
from ttapi_pipeline.commands.parsers import CommandParser, one_of, typed_path
from ttapi_pipeline.commands.row_choice import add_as_of, add_row_options, named_symbols, no_rows, row_filters
from ttapi_pipeline.core.arguments import accepting
from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.signals import interrupts_outside_polars
from ttapi_pipeline.datasets.reading import dataset_of, open_dataset, schema_of
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES, REPORTS
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.terminal.sizes import size_in_words
from ttapi_pipeline.terminal.streams import print_error

if TYPE_CHECKING:
    import polars as pl

_FORMATS = ("csv", "parquet", "xlsx", "duckdb")


EXAMPLES: Final = {
    "tt export eod_snapshot --symbol AAPL --since 2020-01-01": "some rows, into eod_snapshot-AAPL.csv",
    "tt export symbols --as-of 2026-11-24T16:00": "what was known at an instant, into symbols.csv",
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
    dataset = parser.add_argument(
        "dataset", nargs="?", metavar="DATASET", help="such as returns_stddev; all, for duckdb"
    )
    complete_with(dataset, tables)
    add_row_options(parser)
    add_as_of(parser)
    parser.add_argument(
        "--format",
        type=one_of(_FORMATS, what="format"),
        choices=_FORMATS,
        help="csv by default, or by the extension of --output",
    )
    parser.add_argument(
        "--output", type=accepting(typed_path, "a path"), metavar="FILE", help="by default named after what is in it"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    parser.add_argument("--json", action="store_true", help="say what was written as a JSON object")


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Write the file and say so.

    Raises:
        ConfigError: The dataset is not known; the rows cannot be chosen so; the file is there; a package is missing.
        DataError: No row is left, or more than the format holds.
        StorageError: Nothing is stored, the rows of an instant are not kept, or the file cannot be written.
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
        raise ConfigError(f"name a dataset to export; there are {', '.join([*DATASETS, *REPORTS, *HISTORIES])}")
    schema = schema_of(options.dataset)
    symbols = named_symbols(options)
    path = _target(options, f"{'-'.join([schema.name, *(each.replace('/', '_') for each in symbols)])}.{file_format}")
    filters = row_filters(schema, options)
    frame = open_dataset(schema.name, settings.data_dir, as_of=options.as_of).filter(*filters)
    count = _count(frame)
    if not count:
        raise no_rows(schema, options, open_folder(settings.data_dir))
    is_private = dataset_of(schema.name).is_private
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


def _count(frame: pl.LazyFrame) -> int:
    import polars as pl

    return int(frame.select(pl.len()).collect().item())


def _stored_tables(settings: Settings, options: argparse.Namespace) -> list[tuple[str, Path]]:
    """Names and files of the tables that are stored, or of the one that is named."""
    if options.symbol or options.since:
        raise ConfigError("duckdb gets views of whole tables: leave --symbol and --since to its queries")
    if options.as_of:
        raise ConfigError("duckdb gets views of what is stored now; --as-of goes with csv, parquet and xlsx")
    folder = open_store(open_folder(settings.data_dir)).local_folder
    if folder is None:
        raise ConfigError(f"views read local files, and {settings.data_dir} is not a folder of this machine")
    names = [schema_of(options.dataset).name] if options.dataset else [*DATASETS, *REPORTS]
    if histories := [name for name in names if name in HISTORIES]:
        raise ConfigError(f"{histories[0]} has a file per session, and a view reads one: export it as parquet")
    files = {name: folder.absolute() / f"{name}.parquet" for name in names}
    stored = [(name, path) for name, path in files.items() if path.is_file()]
    if not stored:
        raise StorageError(f"nothing is stored in {folder.absolute()} yet; `tt` fills it")
    return stored


def _say(options: argparse.Namespace, path: Path, facts: dict[str, object], words: str) -> None:
    if options.json:
        print_json({**facts, "path": str(path), "bytes": path.stat().st_size})
    else:
        print_error(f"{words} in {path} ({size_in_words(path.stat().st_size)})")
