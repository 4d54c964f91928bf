# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows of a stored table as a file for another program: CSV, Parquet, an Excel workbook, a DuckDB database of views.

Choosing the rows and naming the file: see `commands.export`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import polars as pl

from ttapi_pipeline.core.csv_choice import MOST_SHEET_ROWS
from ttapi_pipeline.core.errors import ConfigError, DataError
from ttapi_pipeline.core.files import replacing
from ttapi_pipeline.storage.errors import storage_errors
from ttapi_pipeline.storage.files import file_for_polars
from ttapi_pipeline.storage.parquet import COMPRESSION_LEVEL
from ttapi_pipeline.storage.spreadsheet import sink_csv, with_lists_as_text

_OWNER_ONLY: Final = 0o600
_EVERYBODY: Final = 0o666
_OPTION: Final = "--output"


class ExportFormat(StrEnum):
    """The kinds of files, by their extension."""

    CSV = "csv"
    PARQUET = "parquet"
    XLSX = "xlsx"
    DUCKDB = "duckdb"


_PACKAGES: Final = {ExportFormat.XLSX: "xlsxwriter", ExportFormat.DUCKDB: "duckdb"}


def check_package(file_format: ExportFormat) -> None:
    """Raise ConfigError when the package that writes a format is not installed."""
    name = _PACKAGES.get(file_format)
    if name is None:
        return
    try:
        import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{file_format} needs the package {name}: pip install 'ttapi-pipeline[{file_format}]'; csv and parquet "
            "need no further one"
        ) from error


def export_rows(frame: pl.LazyFrame, path: Path, file_format: ExportFormat, *, is_private: bool) -> None:
    """Write rows to a file, which appears when it is whole.

    Args:
        frame: The rows, in the order of the file.
        path: In a folder that exists; a file there is replaced.
        file_format: Any but DUCKDB, which has views in place of rows.
        is_private: Whether nobody but its owner may read the file.

    Raises:
        DataError: There are more rows than a sheet of Excel has.
        ConfigError: See `check_package`.
        StorageError: The file cannot be written.
    """
    check_package(file_format)
    if file_format is ExportFormat.XLSX:
        rows = frame.select(pl.len()).collect().item()
        if rows > MOST_SHEET_ROWS:
            raise DataError(
                f"{rows:,} rows, and a sheet of Excel has {MOST_SHEET_ROWS:,}: choose some with --symbol or --since, "
                "or take csv or parquet"
            )
    mode = _OWNER_ONLY if is_private else _EVERYBODY
    errors = storage_errors(
        path,
        of_polars=lambda error: DataError(f"{path} cannot be made: {error}"),
        is_writing=file_format is ExportFormat.PARQUET,
        option=_OPTION,
    )
    with errors, replacing(path, mode=mode) as staging:
        match file_format:
            case ExportFormat.CSV:
                sink_csv(frame, staging)
            case ExportFormat.PARQUET:
                with file_for_polars(staging) as file:
                    frame.sink_parquet(file, compression="zstd", compression_level=COMPRESSION_LEVEL)
            case _:
                _write_workbook(frame.collect(), staging, title=path.stem)


def _write_workbook(rows: pl.DataFrame, path: Path, *, title: str) -> None:
    """One sheet: the header stays in sight, dates are dates, and no text is taken for a formula or a link."""
    workbook_class: Any = import_module("xlsxwriter").Workbook
    # Excel knows no time zones: the times stay UTC.
    naive = with_lists_as_text(rows).with_columns(pl.col(pl.Datetime).dt.replace_time_zone(None))
    options = {"strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True}
    with workbook_class(str(path), options) as workbook:
        naive.write_excel(
            workbook,
            worksheet=title[:31],
            autofit=True,
            freeze_panes=(1, 0),
            dtype_formats={pl.Datetime: "yyyy-mm-dd hh:mm:ss", pl.Date: "yyyy-mm-dd", pl.Float64: "General"},
        )


def export_views(tables: Iterable[tuple[str, Path]], path: Path) -> None:
    """Write a DuckDB database with a view per table. The views read the Parquet files anew with every query.

    Args:
        tables: Names and absolute paths of Parquet files.
        path: In a folder that exists; a file there is replaced.

    Raises:
        ConfigError: See `check_package`.
        StorageError: The file cannot be written.
    """
    check_package(ExportFormat.DUCKDB)
    duckdb: Any = import_module("duckdb")
    with storage_errors(path, option=_OPTION), replacing(path) as staging:
        # DuckDB makes the file itself, and refuses an empty one.
        staging.unlink()
        try:
            with duckdb.connect(str(staging)) as database:
                for name, file in tables:
                    quoted = str(file).replace("'", "''")
                    database.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{quoted}')")  # noqa: S608 - our names
        except duckdb.IOException as error:
            raise OSError(str(error)) from error
