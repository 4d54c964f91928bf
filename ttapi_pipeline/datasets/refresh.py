# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The settings, clients and stored rows that the builder of a dataset may use besides its inputs."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from ttapi_pipeline.broker.broker import Broker
from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import ProgressCallback
from ttapi_pipeline.core.declaration import SettingName
from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.progress import current_board
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.registry import REPORTS
from ttapi_pipeline.datasets.status import shaping_settings
from ttapi_pipeline.datasets.young_rows import YoungRows
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.store import open_store
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
        is_young: Whether what is stored is not due by its age; see `Verdict.is_young`.
        input_versions: Data version of each dataset upstream, as it is handed to the builder.
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
    is_young: bool = False
    input_versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def dataset(self) -> Dataset:
        """What is built."""
        return self._dataset

    @property
    def folder(self) -> Folder:
        """The data folder."""
        return self._folder

    def connect(self) -> AbstractAsyncContextManager[TastytradeClient]:
        """A REST client."""
        return self.broker.connect()

    def previous(self) -> pl.LazyFrame | None:
        """The stored rows, when they were made by the same code from the same settings; None otherwise."""
        manifest, dataset = self._manifest, self._dataset
        if manifest is None or not self._is_of_this_code(manifest) or self._settings_that_differ(manifest):
            return None
        return self._stored(dataset.schema)

    def young_rows(self, *, may_differ: Collection[SettingName] = ()) -> YoungRows | None:
        """The stored rows, when they are not due by their age, so that only what they lack has to be fetched.

        None when everything has to be fetched: nothing is stored, it is due, damaged, forced, or of other code or
        settings.

        Args:
            may_differ: Settings that choose the subjects and change nothing in their rows.
        """
        manifest, dataset = self._manifest, self._dataset
        if (
            manifest is None
            or not self.is_young
            or self.is_whole
            or not self._is_of_this_code(manifest)
            or self._settings_that_differ(manifest) - set(may_differ)
            or (rows := self._stored(dataset.schema)) is None
        ):
            return None
        made = manifest.provenance
        return YoungRows(rows, made.fetched_at, frozenset(made.missing), made.is_simulated)

    def _is_of_this_code(self, manifest: Manifest) -> bool:
        return manifest.provenance.code_version in {self._dataset.code_version, *self._dataset.carries_on}

    def _settings_that_differ(self, manifest: Manifest) -> set[str]:
        was, is_now = manifest.provenance.settings, shaping_settings(self.settings, self._dataset)
        return {name for name in {*was, *is_now} if was.get(name) != is_now.get(name)}

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
        is_there = open_store(self._folder).has_rows(name)
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
            _LOGGER.warning(
                "%s; its rows are lost, and the file is kept as %s", error, open_store(self._folder).put_away(name)
            )
            return None

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
