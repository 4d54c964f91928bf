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
from ttapi_pipeline.tables.schema import DatasetSchema

if TYPE_CHECKING:
    import polars as pl


def open_dataset(name: str, data_dir: str | os.PathLike[str] | None = None) -> pl.LazyFrame:
    """The rows of a stored dataset, or of a table that is published with one, such as ``eod_rejects``.

    `Dataset.open` gives the same rows with the manifest, the age and the verdict.

    Args:
        name: Of the dataset.
        data_dir: The data folder, or the fsspec URL of one, as in TT_DATA_DIR; a relative path is relative to the
            current folder. By default the one that `tt` works with in the current folder, see `tt where`.

    Returns:
        One row per key, sorted by it; the columns are described in the dataset's `table` module. Nothing is read but
        the file's footer until the frame is collected. The frame keeps the file that it was made from: a refresh in
        between does not disturb it.

    Raises:
        ConfigError: There is no dataset of that name; or no data folder was given, and the settings cannot be used.
        StorageError: Nothing is stored there, or it cannot be read.
        CorruptFileError: The file is damaged, or another version of the program wrote it.
    """
    from ttapi_pipeline.storage.scan import scan  # noqa: PLC0415 - Polars, for what is read

    return scan(open_folder(data_folder(data_dir)), schema_of(name))


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> str:
    """The data folder that is named, or else the one that `tt` works with in the current folder.

    Raises:
        ConfigError: None was named, and the settings cannot be used.
    """
    return load_settings_of(find_home()).data_dir if data_dir is None else os.fspath(data_dir)


def stored_symbols(folder: Folder) -> Sequence[str]:
    """The symbols of the stored universe; none where it is not stored, or cannot be read."""
    from ttapi_pipeline.storage.scan import scan  # noqa: PLC0415 - Polars, for what is read

    try:
        return scan(folder, DATASETS["universe"].schema).select("symbol").collect()["symbol"].to_list()
    except StorageError:
        return []


def dataset_of(name: str) -> Dataset:
    """The dataset of that name, or the one that a table of that name is published with.

    Raises:
        ConfigError: There is neither.
    """
    schema = schema_of(name)
    return next(each for each in DATASETS.values() if each.name == name or schema in each.reports)


def schema_of(name: str) -> DatasetSchema:
    """The schema of a dataset, or of a table that is published with one; ConfigError when none has that name."""
    schemas = {**{known: dataset.schema for known, dataset in DATASETS.items()}, **REPORTS}
    if name not in schemas:
        raise ConfigError(unknown_word("dataset", name, schemas))
    return schemas[name]
