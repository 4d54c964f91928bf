# SPDX-License-Identifier: MIT
"""The settings, clients and stored rows that the builder of a dataset may use besides its inputs."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from ttapi_pipeline.broker.broker import Broker
from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import ProgressCallback
from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.progress import current_board
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.registry import REPORTS
from ttapi_pipeline.datasets.status import shaping_settings
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.files import write_file
from ttapi_pipeline.storage.layout import STATE_FOLDER, DatasetFiles, Folder, make_folder
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.tables.schema import DatasetSchema

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refresh:
    """Handed to the builder of a dataset, together with the frames of what is upstream.

    Attributes:
        settings: The checked settings.
        now: When the refresh began; the dataset's age counts from here.
        clock: For deadlines.
        broker: Opens REST clients and links to the feed.
        is_forced: Whether the user wants it built whatever is stored; then no cache is trusted.
        is_whole: Whether everything is to be fetched again, and not only what can be new.
    """

    settings: Settings
    now: datetime
    clock: Clock
    broker: Broker
    is_forced: bool
    _dataset: Dataset
    _folder: Folder
    _manifest: Manifest | None
    is_whole: bool = False

    def connect(self) -> AbstractAsyncContextManager[TastytradeClient]:
        """A REST client."""
        return self.broker.connect()

    def previous(self) -> pl.LazyFrame | None:
        """The stored rows, when they were made by the same code from the same settings; None otherwise."""
        manifest, dataset = self._manifest, self._dataset
        if (
            manifest is None
            or manifest.provenance.code_version != dataset.code_version
            or dict(manifest.provenance.settings) != dict(shaping_settings(self.settings, dataset))
        ):
            return None
        return self._stored(dataset.schema)

    def kept(self) -> pl.LazyFrame | None:
        """The stored rows of this environment, whatever code and settings made them; None where there are none to read.

        For rows that a new fetch replaces one by one: those that it does not bring stay.
        """
        return self._stored(self._dataset.schema) if self._is_of_this_environment() else None

    def recorded(self, report: str) -> pl.LazyFrame | None:
        """What is stored of a table beside the dataset, under the conditions of `kept`."""
        return self._stored(REPORTS[report]) if self._is_of_this_environment() else None

    def _is_of_this_environment(self) -> bool:
        manifest = self._manifest
        return manifest is not None and manifest.provenance.settings.get("origin") == self.settings.origin

    def accumulated(self) -> pl.LazyFrame | None:
        """The stored rows, whatever code and settings made them; None when there are none of this environment.

        For rows that cannot be fetched again. A forced refresh, a new version or another setting must not lose them.

        Raises:
            CorruptFileError: They are there and cannot be read, from the CSV neither; building without them would lose
                them. A forced refresh does so, after putting the damaged file away in `.state`.
            StorageError: Likewise.
        """
        manifest, name = self._manifest, self._dataset.name
        is_there = DatasetFiles.of(self._folder, name).parquet.exists()
        if (manifest is None and not is_there) or (
            manifest is not None and manifest.provenance.settings.get("origin") != self.settings.origin
        ):
            return None
        try:
            if manifest is None:
                raise CorruptFileError(f"the manifest of {name} cannot be read; `tt doctor --repair` rebuilds it")
            return scan(self._folder, self._dataset.schema)
        except CorruptFileError as error:
            if not self.is_forced:
                raise CorruptFileError(f"{error}; `tt refresh {name} --force` goes on without its rows") from error
            _LOGGER.warning("%s; its rows are lost, and the file is kept as %s", error, self._put_away())
            return None

    def _put_away(self) -> str:
        """Keep a copy of the damaged Parquet file, for a person to look at."""
        path = DatasetFiles.of(self._folder, self._dataset.name).parquet
        target = self._folder / STATE_FOLDER / "damaged" / path.name
        make_folder(target.parent)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise storage_error(path, error) from error
        # Copied, since object stores have no rename; the publication replaces the file.
        write_file(target, content)
        return str(target)

    def _stored(self, schema: DatasetSchema) -> pl.LazyFrame | None:
        try:
            return scan(self._folder, schema)
        except (CorruptFileError, StorageError):
            # Damaged rows cannot be carried over. The refresh replaces them.
            return None

    def progress(self, step: str) -> ProgressCallback:
        """A callback that shows how far a step has come."""
        board, name = current_board(), self._dataset.name

        def report(done: int, total: int) -> None:
            board.count(name, step, done, total)

        return report
