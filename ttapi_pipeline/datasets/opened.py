# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A stored dataset with what is known of it, for notebooks and other programs. Its rows alone: see `reading`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import ConfigError, CorruptFileError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.places import find_home
from ttapi_pipeline.core.verdict import Verdict
from ttapi_pipeline.datasets.reading import data_folder, dataset_of, open_stored, schema_of
from ttapi_pipeline.datasets.registry import HISTORIES, load_settings_of
from ttapi_pipeline.datasets.status import read_status
from ttapi_pipeline.storage.layout import Folder, open_folder
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.tables.schema import Column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl


@dataclass(frozen=True, slots=True)
class Dataset:
    """A stored dataset, or a table that is published with one, as it was when it was opened.

    Open one with `Dataset.open`. Later refreshes do not change it: open it again to see them.

    Attributes:
        name: Of the table.
        frame: Its rows, as `open_dataset` gives them.
        manifest: What they are and what they were made from, as the file `<name>.json` has it.
        path: The Parquet file.
        opened_at: When it was opened, aware UTC.
    """

    name: str
    frame: pl.LazyFrame = field(repr=False)
    manifest: Manifest = field(repr=False)
    path: Folder
    opened_at: datetime
    _folder: Folder = field(repr=False)

    @classmethod
    def open(cls, name: str, data_dir: str | os.PathLike[str] | None = None, *, now: datetime | None = None) -> Dataset:
        """Open a stored dataset.

        Args:
            name: Of the dataset.
            data_dir: The data folder, as for `open_dataset`.
            now: The present, aware UTC; by default that of the machine's clock.

        Raises:
            ConfigError: There is no dataset of that name; or no data folder was given, and the settings cannot be used.
            StorageError: Nothing is stored there, or it cannot be read.
            CorruptFileError: The file is damaged, or this program did not write it.
        """
        schema = schema_of(name)
        if name in HISTORIES:
            raise ConfigError(f"{name} has a file per session and no manifest; `open_dataset` gives its rows")
        folder = open_folder(data_folder(data_dir))
        table = open_stored(folder, schema)
        if table.manifest is None:
            raise CorruptFileError(
                f"{folder / name}.parquet: no manifest or footer says what it is; `tt refresh` makes it again"
            )
        path = open_store(folder).path_of(table.manifest)
        return cls(name, table.frame, table.manifest, path, SYSTEM_CLOCK.now() if now is None else now, folder)

    @property
    def columns(self) -> Sequence[Column]:
        """The columns with their types, and in a sentence their meaning, their unit and what null means."""
        return schema_of(self.name).columns

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.manifest.rows

    @property
    def fetched_at(self) -> datetime:
        """When its collection, or its computation, began, aware UTC; older rows have a `fetched_at` of their own."""
        return self.manifest.provenance.fetched_at

    @property
    def age(self) -> timedelta:
        """From `fetched_at` until it was opened."""
        return self.opened_at - self.fetched_at

    @property
    def data_version(self) -> str:
        """Hash of the content: the same for the same rows, whenever they were fetched."""
        return self.manifest.data_version

    @property
    def missing(self) -> Mapping[str, str]:
        """The reason for each symbol, or other subject, that did not come. Its last known rows may be there."""
        return self.manifest.provenance.missing

    @property
    def is_simulated(self) -> bool:
        """Whether any of the rows is invented."""
        return self.manifest.provenance.is_simulated

    @property
    def verdict(self) -> Verdict:
        """Whether a refresh would use what is stored in the folder now, by the settings of now, and why.

        Of a table that is published with a dataset, the verdict on that dataset.

        Raises:
            ConfigError: The settings cannot be used.
            StorageError: The folder, or a file that a setting names, cannot be read.
        """
        settings = replace(load_settings_of(find_home()), data_dir=str(self._folder))
        return read_status(dataset_of(self.name), settings, now=self.opened_at, folder=self._folder).verdict
