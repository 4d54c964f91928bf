# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Stored datasets by name, for notebooks and other programs. Which datasets there are is in `registry`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.core.nearest import unknown_word
from ttapi_pipeline.core.places import find_home
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.registry import DATASETS, REPORTS, load_settings_of
from ttapi_pipeline.storage.layout import Folder, open_folder
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.tables.schema import DatasetSchema

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from ttapi_pipeline.storage.table import StoredTable
    from ttapi_pipeline.storage.versions.reading import Version


def open_dataset(
    name: str, data_dir: str | os.PathLike[str] | None = None, *, as_of: datetime | None = None
) -> pl.LazyFrame:
    """The rows of a stored dataset, or of a table that is published with one, such as ``eod_rejects``.

    `Dataset.open` gives the same rows with the manifest, the age and the verdict.

    Args:
        name: Of the dataset.
        data_dir: The data folder, or the fsspec URL of one, as in TT_DATA_DIR; a relative path is relative to the
            current folder. By default the one that `tt` works with in the current folder, see `tt where`.
        as_of: An instant, with its time zone: the table as it was known then, with the columns that it had then. No
            row that was fetched later is in it. Invented rows do not count where real ones are stored now.

    Returns:
        One row per key, sorted by it; the columns are described in the dataset's `table` module. Nothing is read but
        the file's footer until the frame is collected. The frame keeps the file that it was made from: a refresh in
        between does not disturb it.

    Raises:
        ConfigError: There is no dataset of that name; no data folder was given, and the settings cannot be used; or
            nothing was known of the dataset at that instant.
        StorageError: Nothing is stored there, it cannot be read, or the rows of that instant are not kept.
        CorruptFileError: The file is damaged, or another version of the program wrote it.
    """
    schema, folder = schema_of(name), open_folder(data_folder(data_dir))
    return (open_stored(folder, schema) if as_of is None else table_as_of(folder, schema, as_of)).frame


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> str:
    """The data folder that is named, or else the one that `tt` works with in the current folder.

    Raises:
        ConfigError: None was named, and the settings cannot be used.
    """
    return load_settings_of(find_home()).data_dir if data_dir is None else os.fspath(data_dir)


def table_as_of(folder: Folder, schema: DatasetSchema, instant: datetime) -> StoredTable:
    """A stored table as it was known at an instant; arguments and errors as of `open_dataset`."""
    from ttapi_pipeline.storage.versions.reading import open_version  # noqa: PLC0415 - Polars, see above

    return open_version(folder, schema, version_as_of(folder, schema, instant))


def version_as_of(folder: Folder, schema: DatasetSchema, instant: datetime) -> Version:
    """The publication of a table that was known at an instant; arguments and errors as of `open_dataset`."""
    from ttapi_pipeline.storage.versions.reading import version_at  # noqa: PLC0415 - see above

    if instant.tzinfo is None:
        raise ConfigError(f"{instant} has no time zone, so that it is no instant; give one, such as UTC")
    return version_at(folder, schema.name, instant)


def stored_symbols(folder: Folder) -> Sequence[str]:
    """The symbols of the stored universe; none where it is not stored, or cannot be read."""
    from ttapi_pipeline.storage.scan import scan  # noqa: PLC0415 - Polars, for what is read

    try:
        return scan(folder, DATASETS["universe"].schema).select("symbol").collect()["symbol"].to_list()
    except StorageError:
        return []


def open_stored(folder: Folder, schema: DatasetSchema) -> StoredTable:
    """`storage.scan.open_table`, with an error that says of a table that was never stored what makes it."""
    from ttapi_pipeline.storage.scan import open_table  # noqa: PLC0415 - Polars, for what is read

    try:
        return open_table(folder, schema)
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError) and read_manifest(folder, schema.name) is None:
            raise not_stored(folder, schema.name) from error
        raise


def dataset_of(name: str) -> Dataset:
    """The dataset of that name, or the one that a table of that name is published with.

    Raises:
        ConfigError: There is neither.
    """
    schema = schema_of(name)
    return next(each for each in DATASETS.values() if each.name == name or schema in each.reports)


def not_stored(folder: Folder, name: str) -> StorageError:
    """The error that says of a table that is not stored what makes it."""
    return StorageError(f"{name} is not stored in {folder} yet; `tt refresh {dataset_of(name).name}` makes it")


def schema_of(name: str) -> DatasetSchema:
    """The schema of a dataset, or of a table that is published with one; ConfigError when none has that name."""
    schemas = {**{known: dataset.schema for known, dataset in DATASETS.items()}, **REPORTS}
    if name not in schemas:
        raise ConfigError(unknown_word("dataset", name, schemas))
    return schemas[name]
