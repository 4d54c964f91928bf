# SPDX-License-Identifier: MIT
"""Reading the rows of stored tables. Manifests are read in `stored`, and tables are written in `publish`."""

from __future__ import annotations

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.errors import storage_errors
from ttapi_pipeline.storage.layout import DatasetFiles, Folder
from ttapi_pipeline.storage.parquet import scan_file
from ttapi_pipeline.storage.spreadsheet import read_csv_back
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.table import StoredTable
from ttapi_pipeline.tables.schema import DatasetSchema

__all__ = ["read_csv_back", "scan"]


def scan(folder: Folder, schema: DatasetSchema) -> pl.LazyFrame:
    """Scan the rows of a dataset that are stored now, sorted by `schema.sort_by`.

    The frame keeps the file that it was made from: a later publication does not disturb it.

    Raises:
        CorruptFileError: The file is damaged, or is not of this schema. Damage inside it shows when the frame is
            collected, as Polars' ComputeError; `storage.repair.check` looks for it.
        StorageError: Nothing is stored, or it cannot be read.
    """
    path = DatasetFiles.of(folder, schema.name).parquet
    with storage_errors(path, of_polars=lambda error: _damaged(path, schema, error)):
        frame = scan_file(path)
        actual = frame.collect_schema()
    if actual != schema.polars:
        raise CorruptFileError(f"{path} is not what {schema.name} holds now; refresh it with --force")
    # Polars then groups 29 million rows by symbol without hashing them: a group is a range of rows.
    return frame.set_sorted(schema.sort_by[0])


def open_table(folder: Folder, schema: DatasetSchema) -> StoredTable:
    """Open a dataset together with its data version; raises as `scan` does."""
    # The manifest first: a publication between the two reads makes the rows newer than the version that is noted, which
    # costs one rebuild of what is made from them. In the other order that rebuild would be missed.
    manifest = read_manifest(folder, schema.name)
    return StoredTable(scan(folder, schema), manifest)


def _damaged(path: Folder, schema: DatasetSchema, error: Exception) -> CorruptFileError:
    return CorruptFileError(f"{path} is damaged: {error}; refresh {schema.name} with --force")
