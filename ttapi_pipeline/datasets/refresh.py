# SPDX-License-Identifier: MIT
"""The settings, clients and stored rows that the builder of a dataset may use besides its inputs."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

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
from ttapi_pipeline.storage.layout import DatasetFiles, Folder
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.tables.schema import DatasetSchema


@dataclass(frozen=True, slots=True)
class Refresh:
    """Handed to the builder of a dataset, together with the frames of what is upstream.

    Attributes:
        settings: The checked settings.
        now: When the refresh began; the dataset's age counts from here.
        clock: For deadlines.
        broker: Opens REST clients and links to the feed.
    """

    settings: Settings
    now: datetime
    clock: Clock
    broker: Broker
    _dataset: Dataset
    _folder: Folder
    _manifest: Manifest | None

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

    def recorded(self, report: str) -> pl.LazyFrame | None:
        """What is stored of a table beside the dataset, when the dataset's own rows may be carried over."""
        return None if self.previous() is None else self._stored(REPORTS[report])

    def accumulated(self) -> pl.LazyFrame | None:
        """The stored rows, whatever code and settings made them; None when there are none of this environment.

        For rows that cannot be fetched again. A forced refresh, a new version or another setting must not lose them.

        Raises:
            CorruptFileError: They are there and cannot be read; building without them would lose them.
            StorageError: Likewise.
        """
        manifest, name = self._manifest, self._dataset.name
        if manifest is None and DatasetFiles.of(self._folder, name).parquet.exists():
            raise CorruptFileError(f"the manifest of {name} cannot be read; `tt doctor --repair` rebuilds it")
        if manifest is None or manifest.provenance.settings.get("origin") != self.settings.origin:
            return None
        return scan(self._folder, self._dataset.schema)

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
