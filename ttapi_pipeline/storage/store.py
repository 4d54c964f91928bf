# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a place for datasets promises, on a local disk and in an object store alike, and finding the one of a folder.

The promises, which the tests hold for both implementations:

- A publication is seen as a whole or not at all. What decides is the manifest, which changes in one step.
- Of two publications that were made from the same one before, one is stored. The other gets a `ConflictError`, has
  changed nothing, and decides anew.
- What a reader has opened stays readable while it is read: its rows are those of one publication, whatever is published
  meanwhile. On a disk the open file holds them; in an object store, files outlive their publication by a day.
- A writer that is killed at any instant loses nothing that was stored, and keeps no other writer away.
- Only the store knows where something lies. No other module asks whether data is on this machine's disk.

Nothing heavy is imported here: `tt status` finds its store within milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Manifest, Provenance

if TYPE_CHECKING:
    import polars as pl

    from ttapi_pipeline.core.shared_state import StatePlace
    from ttapi_pipeline.storage.damage import Damage
    from ttapi_pipeline.storage.incremental.pieces import Pieces
    from ttapi_pipeline.storage.layout import Folder
    from ttapi_pipeline.storage.publish import Published
    from ttapi_pipeline.storage.repair import Problem
    from ttapi_pipeline.storage.session_table import SessionTable
    from ttapi_pipeline.storage.stored import Stored
    from ttapi_pipeline.storage.table import StoredTable
    from ttapi_pipeline.storage.versions.keeping import Retention
    from ttapi_pipeline.storage.versions.log import Publication
    from ttapi_pipeline.storage.versions.reading import Version
    from ttapi_pipeline.storage.versions.usage import Usage
    from ttapi_pipeline.tables.schema import DatasetSchema

ANY: Final = "*"
"""For `Store.publish`: whatever is stored may be replaced."""


@dataclass(frozen=True, slots=True)
class VersionedManifest:
    """A manifest, and the token of the very bytes that it was read from, for `Store.commit`."""

    manifest: Manifest
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """How a dataset is stored; each is an argument of `storage.publish.publish`, which says what it means."""

    replaces: str | None
    executor: Executor | None
    lock_timeout_seconds: float
    is_sorted: bool
    is_note_trusted: bool
    csv_choice: CsvChoice
    retention: Retention | None


class Store(Protocol):
    """A place for datasets: a folder of this machine, or a prefix in an object store.

    Every method may raise StorageError when the place cannot be read or written; further errors are named with each.
    """

    @property
    def folder(self) -> Folder:
        """The place."""

    @property
    def local_folder(self) -> Path | None:
        """The folder of this machine that is the place, for what else belongs there; None where there is none."""

    def state_place(self) -> StatePlace:
        """Where state is that every process on the same data has to know."""

    def check_rights(self) -> None:
        """Check that the place could be written, or made where it is missing, by looking at it alone.

        Raises:
            StorageError: It could not.
        """

    def look_around(self) -> None:
        """Look at everything at once, where each look costs time, and remember it for later questions."""

    def check_writable(self) -> None:
        """Check that the place can be written, before anything is fetched. A folder is made; a bucket is not.

        Raises:
            StorageError: It cannot be made or written.
        """

    def remove_left_over(self) -> None:
        """Remove what writers that died have left half made."""

    def read_file(self, name: str, *, since: datetime | None = None) -> bytes | None:
        """A small file that is no dataset, such as a chart; None where there is none.

        Args:
            name: Relative to the place, with slashes.
            since: One that was written before this instant, aware, is none.
        """

    def write_file(self, name: str, content: bytes) -> Folder:
        """Put such a file, as a whole; where it is."""

    def read_manifest(self, dataset: str) -> VersionedManifest | None:
        """The manifest of a dataset in one read; None where nothing is stored.

        Raises:
            CorruptFileError: What is in its place is no manifest.
        """

    def read_manifests(self, datasets: Collection[str]) -> Mapping[str, VersionedManifest | CorruptFileError | None]:
        """The manifests of several datasets, by name, at the same time where that is faster."""

    def commit(self, manifest: Manifest, *, if_version: str | None) -> str:
        """Put a manifest, whose files are there already, in place of exactly one version.

        Args:
            manifest: The new one.
            if_version: What it replaces; None where there must be none.

        Returns:
            The version that it has now.

        Raises:
            ConflictError: Another version is there.
        """

    def source(self, schema: DatasetSchema, *, as_of: datetime | None = None) -> pl.LazyFrame:
        """The rows of a dataset, sorted by `schema.sort_by`; when they are collected, only what is needed is read.

        Args:
            schema: Of the dataset.
            as_of: The rows that readers saw at this instant, aware, with the columns of then; those of now by default.

        Raises:
            ConfigError: Nothing was known at that instant.
            CorruptFileError: The rows are damaged.
        """

    def open_table(self, schema: DatasetSchema) -> StoredTable:
        """The rows of now and the manifest that describes exactly them; errors as of `source`."""

    def read_stored(self, dataset: str) -> Stored:
        """The manifest of a dataset, and how its files compare with it.

        Raises:
            CorruptFileError: What is in the manifest's place is none.
        """

    def read_all_stored(
        self, datasets: Collection[str], *, is_survey: bool = False
    ) -> Mapping[str, Stored | CorruptFileError]:
        """As `read_stored` of several datasets.

        Args:
            datasets: Which.
            is_survey: Whether what a reader has noted about files is enough, so that none is looked at.
        """

    def publish(
        self,
        frame: pl.DataFrame | pl.LazyFrame | Pieces,
        schema: DatasetSchema,
        provenance: Provenance,
        how: PublishOptions,
    ) -> Published:
        """Store a dataset in place of the publication before; errors as of `storage.publish.publish`."""

    def find_damage(self, dataset: str, *, most_csv_bytes: int | None = None) -> Sequence[Damage]:
        """Look for damage that no process has noted yet, and note it; see `storage.verification.find_damage`."""

    def has_rows(self, dataset: str) -> bool:
        """Whether there is anything of a dataset, described by a manifest or not."""

    def manifest_of_rows(self, dataset: str) -> Manifest | None:
        """What the stored rows say of themselves where the manifest is lost; None where there are none.

        Raises:
            CorruptFileError: They say nothing that can be believed.
        """

    def path_of(self, manifest: Manifest) -> Folder:
        """Where the rows of a stored manifest are."""

    def put_away(self, dataset: str) -> str:
        """Keep a copy of damaged rows, for a person to look at; where it is."""

    def held(self, name: str, what: str, *, timeout_seconds: float) -> AbstractContextManager[object]:
        """Keep other programs of this machine out for a block; in an object store there is nothing to do that with.

        Args:
            name: Of a folder in the place; ``.`` for the place itself.
            what: What is kept to oneself.
            timeout_seconds: How long to wait for another program.

        Raises:
            LockTimeoutError: It was not done in time.
        """

    def check(
        self, schema: DatasetSchema, *, csv_choice: CsvChoice | None, lock_timeout_seconds: float
    ) -> Sequence[Problem]:
        """Examine what is stored of a dataset and change nothing; see `storage.repair.check`."""

    def repair(
        self, schema: DatasetSchema, *, csv_choice: CsvChoice | None, lock_timeout_seconds: float
    ) -> Sequence[Problem]:
        """Mend what can be made from the rows; see `storage.repair.repair`."""

    def foreign_files(self, dataset: str) -> Sequence[Folder]:
        """Files in the places of a dataset that nothing of ours claims; they are never replaced."""

    def versions(self, dataset: str) -> Sequence[Version]:
        """Every publication of a dataset that is known, oldest first, what is stored now last."""

    def open_version(self, schema: DatasetSchema, version: Version) -> StoredTable:
        """The rows of one of them.

        Raises:
            StorageError: They are not kept.
            CorruptFileError: They are damaged.
        """

    def look_at_history(self, datasets: Collection[str]) -> None:
        """Look at the publications of several datasets, where each look costs time, and remember it."""

    def publications(self, dataset: str, *, since: date | None) -> Sequence[Publication]:
        """The publications of a dataset, oldest first, what is stored now last.

        Args:
            dataset: Its name.
            since: All of the sessions from this one on are among them, and perhaps earlier ones; None for all.

        Raises:
            CorruptFileError: The manifest is damaged.
        """

    def ends_of_log(self, dataset: str) -> tuple[Publication | None, Publication | None]:
        """The first and the last publication in the log of a dataset; None for one that cannot be read."""

    def rows_of(self, dataset: str, publication: Publication) -> Folder | None:
        """Where the rows of a publication are; None where they are not kept as a whole."""

    def open_rows(self, publication: Publication, place: Folder) -> pl.LazyFrame:
        """The rows that `rows_of` has found, with the columns that the dataset had then.

        Raises:
            CorruptFileError: The file has other rows than were published.
        """

    def usage(self) -> Sequence[Usage]:
        """The room that earlier versions take, by dataset, in the order of the names."""

    def damaged_versions(self) -> Sequence[str]:
        """A sentence for each kept file that has other bytes than were written, or in an object store another size."""

    def session_table(self, schema: DatasetSchema) -> SessionTable:
        """A table in parts; nothing is read."""

    def is_published_after(self, table: str, datasets: Collection[str]) -> bool:
        """Whether any of the datasets was published after the list of a table in parts was written."""


def rows_as_of(store: Store, schema: DatasetSchema, as_of: datetime | None) -> pl.LazyFrame:
    """As `Store.source`, for the stores themselves."""
    if as_of is None:
        return store.open_table(schema).frame
    from ttapi_pipeline.storage.versions.reading import known_at  # noqa: PLC0415 - for the past alone

    return store.open_version(schema, known_at(store.versions(schema.name), schema.name, as_of)).frame


def open_store(folder: Folder) -> Store:
    """The store of a data folder; nothing is read or made."""
    if isinstance(folder, Path):
        from ttapi_pipeline.storage.local_store import LocalStore  # noqa: PLC0415 - one of the two, when it is needed

        return LocalStore(folder)
    from ttapi_pipeline.storage.objects.store import ObjectStore  # noqa: PLC0415 - see above

    return ObjectStore(folder)
