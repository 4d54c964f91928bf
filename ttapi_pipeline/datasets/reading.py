# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Stored datasets by name, for notebooks and other programs. Which datasets there are is in `registry`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.core.nearest import unknown_word
from ttapi_pipeline.core.places import find_home
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.membership_schema import MEMBERSHIP
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES, REPORTS, load_settings_of
from ttapi_pipeline.storage.layout import Folder, open_folder
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.tables.schema import DatasetSchema

SESSION_QUALITY: Final = "session_quality"
"""Name of the table of `quality_table`, which no file has whole: the present session is decided when it is read."""

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from ttapi_pipeline.storage.table import StoredTable
    from ttapi_pipeline.storage.versions.reading import Version


def open_dataset(
    name: str, data_dir: str | os.PathLike[str] | None = None, *, as_of: datetime | None = None
) -> pl.LazyFrame:
    """The rows of a stored dataset, of a table that is published with one, such as ``eod_rejects``, or of a history.

    A history, such as ``symbols_history``, has the rows of a dataset at the end of every session, one below another;
    ``session_quality`` says of each dataset and session whether they came, and why not; ``membership`` says which
    symbol was in which list, from when to when.

    `Dataset.open` gives the same rows with the manifest, the age and the verdict.

    Args:
        name: Of the dataset.
        data_dir: The data folder, or the fsspec URL of one, as in TT_DATA_DIR; a relative path is relative to the
            current folder. By default the one that `tt` works with in the current folder, see `tt where`.
        as_of: An instant, with its time zone: the table as it was known then, with the columns that it had then. No
            row that was fetched later is in it. Invented rows do not count where real ones are stored now.

    Returns:
        One row per key, sorted by it; `tt show NAME --describe` says what the columns mean. Nothing is read but the
        file's footer until the frame is collected. The frame keeps the file that it was made from: a refresh in
        between does not disturb it. Files of a history that were replaced stay for an hour.

    Raises:
        ConfigError: There is no dataset of that name; no data folder was given, and the settings cannot be used; or
            nothing was known of the dataset at that instant.
        StorageError: Nothing is stored there, it cannot be read, or the rows of that instant are not kept.
        CorruptFileError: The file is damaged, or another version of the program wrote it.
    """
    if name == SESSION_QUALITY:
        return _quality(data_dir, as_of)
    schema, folder = schema_of(name), open_folder(data_folder(data_dir))
    return (open_stored(folder, schema) if as_of is None else table_as_of(folder, schema, as_of)).frame


def _membership(folder: Folder) -> StoredTable:
    from ttapi_pipeline.datasets.membership import open_membership  # noqa: PLC0415 - Polars, for what is read
    from ttapi_pipeline.storage.table import StoredTable  # noqa: PLC0415 - see above

    return StoredTable(open_membership(folder), None, "")


def _quality(data_dir: str | os.PathLike[str] | None, as_of: datetime | None) -> pl.LazyFrame:
    from ttapi_pipeline.datasets.quality_table import open_quality  # noqa: PLC0415 - Polars, for what is read

    if as_of is not None:
        raise ConfigError(f"{SESSION_QUALITY} is decided from what is known now, and has no earlier version")
    return open_quality(open_folder(data_folder(data_dir)), now=SYSTEM_CLOCK.now())


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> str:
    """The data folder that is named, or else the one that `tt` works with in the current folder.

    Raises:
        ConfigError: None was named, and the settings cannot be used.
    """
    return load_settings_of(find_home()).data_dir if data_dir is None else os.fspath(data_dir)


def table_as_of(folder: Folder, schema: DatasetSchema, instant: datetime) -> StoredTable:
    """A stored table, or a history, as it was known at an instant; arguments and errors as of `open_dataset`."""
    if schema is MEMBERSHIP:
        raise ConfigError(f"{schema.name} has the past in its dates, and no earlier version")
    if schema.name in HISTORIES:
        from ttapi_pipeline.datasets.history_reading import history_as_of  # noqa: PLC0415 - Polars, see above

        return history_as_of(folder, HISTORIES[schema.name], _aware(instant))
    from ttapi_pipeline.storage.versions.reading import open_version  # noqa: PLC0415 - Polars, see above

    return open_version(folder, schema, version_as_of(folder, schema, instant))


def version_as_of(folder: Folder, schema: DatasetSchema, instant: datetime) -> Version:
    """The publication of a table that was known at an instant; arguments and errors as of `open_dataset`."""
    from ttapi_pipeline.storage.versions.reading import version_at  # noqa: PLC0415 - see above

    return version_at(folder, schema.name, _aware(instant))


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ConfigError(f"{instant} has no time zone, so that it is no instant; give one, such as UTC")
    return instant


def stored_symbols(folder: Folder) -> Sequence[str]:
    """The symbols of the stored universe; none where it is not stored, or cannot be read."""
    from ttapi_pipeline.storage.scan import scan  # noqa: PLC0415 - Polars, for what is read

    try:
        return scan(folder, DATASETS["universe"].schema).select("symbol").collect()["symbol"].to_list()
    except StorageError:
        return []


def open_stored(folder: Folder, schema: DatasetSchema) -> StoredTable:
    """A stored table or history, with an error that says of one that was never stored what makes it.

    Raises:
        CorruptFileError, StorageError: As `open_dataset`.
    """
    if schema is MEMBERSHIP:
        return _membership(folder)
    if schema.name in HISTORIES:
        from ttapi_pipeline.datasets.history_reading import open_history  # noqa: PLC0415 - Polars, for what is read

        return open_history(folder, HISTORIES[schema.name])
    from ttapi_pipeline.storage.scan import open_table  # noqa: PLC0415 - see above

    try:
        return open_table(folder, schema)
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError) and read_manifest(folder, schema.name) is None:
            raise not_stored(folder, schema.name) from error
        raise


def dataset_of(name: str) -> Dataset:
    """The dataset of that name, the one that a table of that name is published with, or that of a history.

    Raises:
        ConfigError: There is none of these.
    """
    schema = schema_of(name)
    if name in HISTORIES:
        return DATASETS[HISTORIES[name].of]
    if schema is MEMBERSHIP:
        return DATASETS["universe"]
    return next(each for each in DATASETS.values() if each.name == name or schema in each.reports)


def not_stored(folder: Folder, name: str) -> StorageError:
    """The error that says of a table that is not stored what makes it."""
    return StorageError(f"{name} is not stored in {folder} yet; `tt refresh {dataset_of(name).name}` makes it")


def schema_of(name: str) -> DatasetSchema:
    """The schema of a dataset, of a table that is published with one, or of a history.

    Raises:
        ConfigError: There is none of that name.
    """
    histories = {known: history.schema for known, history in HISTORIES.items()}
    schemas = {**{known: dataset.schema for known, dataset in DATASETS.items()}, **REPORTS, **histories}
    schemas[MEMBERSHIP.name] = MEMBERSHIP
    if name not in schemas:
        raise ConfigError(unknown_word("dataset", name, schemas))
    return schemas[name]
