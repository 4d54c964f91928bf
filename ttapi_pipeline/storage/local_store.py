# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The store of a folder on this machine's disk. What it promises is in `store`; the work is done by the modules beside.

Manifests are replaced by a rename under the dataset's lock. Polars is imported by the methods that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import ConflictError, CorruptFileError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.layout import Folder, check_folder_rights, check_folder_writable, make_folder
from ttapi_pipeline.storage.store import PublishOptions, VersionedManifest, rows_as_of
from ttapi_pipeline.storage.stored import Stored, read_manifest_file, read_stored_files

if TYPE_CHECKING:
    import polars as pl

    from ttapi_pipeline.core.shared_state import StatePlace
    from ttapi_pipeline.storage.damage import Damage
    from ttapi_pipeline.storage.incremental.pieces import Pieces
    from ttapi_pipeline.storage.publish import Published
    from ttapi_pipeline.storage.repair import Problem
    from ttapi_pipeline.storage.session_table import SessionTable
    from ttapi_pipeline.storage.table import StoredTable
    from ttapi_pipeline.storage.versions.log import Publication
    from ttapi_pipeline.storage.versions.reading import Version
    from ttapi_pipeline.storage.versions.usage import Usage
    from ttapi_pipeline.tables.schema import DatasetSchema

# ruff: noqa: PLC0415 - `tt status` opens a store and must answer at once


_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class LocalStore:
    """See `store.Store`.

    Attributes:
        folder: The data folder; it need not exist.
    """

    folder: Path

    @property
    def local_folder(self) -> Path | None:
        return self.folder

    def state_place(self) -> StatePlace:
        from ttapi_pipeline.storage.layout import STATE_FOLDER

        return self.folder / STATE_FOLDER

    def check_rights(self) -> None:
        check_folder_rights(self.folder)

    def look_around(self) -> None:
        # To look at a file costs nothing.
        return

    def check_writable(self) -> None:
        check_folder_writable(self.folder)

    def remove_left_over(self) -> None:
        from ttapi_pipeline.storage.files import remove_left_over

        remove_left_over(self.folder)

    def read_file(self, name: str, *, since: datetime | None = None) -> bytes | None:
        path = self.folder / name
        try:
            if since is not None and path.stat().st_mtime < since.timestamp():
                return None
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise storage_error(path, error) from error

    def write_file(self, name: str, content: bytes) -> Path:
        from ttapi_pipeline.storage.files import write_file

        path = self.folder / name
        make_folder(path.parent)
        write_file(path, content)
        return path

    def read_manifest(self, dataset: str) -> VersionedManifest | None:
        return read_manifest_file(self.folder, dataset)

    def read_manifests(self, datasets: Collection[str]) -> Mapping[str, VersionedManifest | CorruptFileError | None]:
        return {name: _or_damage(self.read_manifest, name) for name in datasets}

    def commit(self, manifest: Manifest, *, if_version: str | None) -> str:
        from ttapi_pipeline.storage.layout import DatasetFiles
        from ttapi_pipeline.storage.lock import locked
        from ttapi_pipeline.storage.publish import write_manifest

        dataset = manifest.provenance.dataset
        make_folder(self.folder)
        with locked(self.folder, dataset):
            stored = self.read_manifest(dataset)
            if (None if stored is None else stored.version) != if_version:
                raise ConflictError(f"the manifest of {dataset} was replaced by another program meanwhile")
            write_manifest(DatasetFiles.of(self.folder, dataset), manifest)
            written = self.read_manifest(dataset)
        if written is None:
            raise ConflictError(f"the manifest of {dataset} was removed while it was written")
        return written.version

    def source(self, schema: DatasetSchema, *, as_of: datetime | None = None) -> pl.LazyFrame:
        return rows_as_of(self, schema, as_of)

    def open_table(self, schema: DatasetSchema) -> StoredTable:
        from ttapi_pipeline.storage.scan import open_table_file

        return open_table_file(self.folder, schema)

    def read_stored(self, dataset: str) -> Stored:
        return read_stored_files(self.folder, dataset)

    def read_all_stored(
        self,
        datasets: Collection[str],
        *,
        is_survey: bool = False,  # noqa: ARG002 - to look at a local file costs nothing
    ) -> Mapping[str, Stored | CorruptFileError]:
        return {name: _or_damage(self.read_stored, name) for name in datasets}

    def publish(
        self,
        frame: pl.DataFrame | pl.LazyFrame | Pieces,
        schema: DatasetSchema,
        provenance: Provenance,
        how: PublishOptions,
    ) -> Published:
        from ttapi_pipeline.storage.publish import publish_locally

        return publish_locally(frame, schema, self.folder, provenance, how)

    def find_damage(self, dataset: str, *, most_csv_bytes: int | None = None) -> Sequence[Damage]:
        from ttapi_pipeline.storage.verification import find_damaged_files

        return find_damaged_files(self.folder, dataset, most_csv_bytes=most_csv_bytes)

    def has_rows(self, dataset: str) -> bool:
        if (self.folder / f"{dataset}.parquet").exists():
            return True
        found = _or_damage(self.read_manifest, dataset)
        return isinstance(found, VersionedManifest) and self.path_of(found.manifest).exists()

    def manifest_of_rows(self, dataset: str) -> Manifest | None:
        from ttapi_pipeline.storage.verification import stored_footer

        return stored_footer(self.folder / f"{dataset}.parquet")

    def path_of(self, manifest: Manifest) -> Path:
        from ttapi_pipeline.storage.layout import DatasetFiles

        return DatasetFiles.of(self.folder, manifest.provenance.dataset).rows_file(manifest.write_id)

    def put_away(self, dataset: str) -> str:
        from ttapi_pipeline.storage.layout import STATE_FOLDER

        name = f"{dataset}.parquet"
        found = _or_damage(self.read_manifest, dataset)
        path = self.path_of(found.manifest) if isinstance(found, VersionedManifest) else self.folder / name
        try:
            # Copied, since the publication that follows replaces the file.
            content = path.read_bytes()
        except OSError as error:
            raise storage_error(path, error) from error
        return str(self.write_file(f"{STATE_FOLDER}/damaged/{name}", content))

    def held(self, name: str, what: str, *, timeout_seconds: float) -> AbstractContextManager[object]:
        from ttapi_pipeline.storage.lock import locked

        make_folder(self.folder / name)
        return locked(self.folder / name, what, timeout_seconds=timeout_seconds)

    def check(
        self, schema: DatasetSchema, *, csv_choice: CsvChoice | None, lock_timeout_seconds: float
    ) -> Sequence[Problem]:
        from ttapi_pipeline.storage.repair import check_files

        return check_files(self.folder, schema, lock_timeout_seconds=lock_timeout_seconds, csv_choice=csv_choice)

    def repair(
        self, schema: DatasetSchema, *, csv_choice: CsvChoice | None, lock_timeout_seconds: float
    ) -> Sequence[Problem]:
        from ttapi_pipeline.storage.repair import repair_files

        return repair_files(self.folder, schema, lock_timeout_seconds=lock_timeout_seconds, csv_choice=csv_choice)

    def foreign_files(self, dataset: str) -> Sequence[Path]:
        from ttapi_pipeline.storage.claims import foreign_in
        from ttapi_pipeline.storage.layout import DatasetFiles

        return foreign_in(DatasetFiles.of(self.folder, dataset))

    def versions(self, dataset: str) -> Sequence[Version]:
        from ttapi_pipeline.storage.versions.reading import versions_in

        return versions_in(self.folder, dataset)

    def open_version(self, schema: DatasetSchema, version: Version) -> StoredTable:
        from ttapi_pipeline.storage.versions.reading import open_version_file

        return open_version_file(self.folder, schema, version)

    def look_at_history(self, datasets: Collection[str]) -> None:  # noqa: ARG002 - as `look_around`
        return

    def publications(self, dataset: str, *, since: date | None) -> Sequence[Publication]:
        from ttapi_pipeline.storage.versions.by_session import publications_in

        return publications_in(self.folder, dataset, since)

    def ends_of_log(self, dataset: str) -> tuple[Publication | None, Publication | None]:
        from ttapi_pipeline.storage.versions.log import PublicationLog

        log = PublicationLog.of(self.folder, dataset)
        return log.first(), log.newest()

    def rows_of(self, dataset: str, publication: Publication) -> Path | None:
        from ttapi_pipeline.storage.versions.by_session import file_with_rows

        return file_with_rows(self.folder, dataset, publication)

    def open_rows(self, publication: Publication, place: Folder) -> pl.LazyFrame:
        from ttapi_pipeline.storage.versions.by_session import open_file_with_rows

        return open_file_with_rows(publication, Path(str(place)))

    def usage(self) -> Sequence[Usage]:
        from ttapi_pipeline.storage.versions.usage import usage

        return usage(self.folder)

    def damaged_versions(self) -> Sequence[str]:
        from ttapi_pipeline.storage.versions.usage import damaged_versions

        return damaged_versions(self.folder)

    def session_table(self, schema: DatasetSchema) -> SessionTable:
        from ttapi_pipeline.storage.local_sessions import LocalSessionTable

        return LocalSessionTable(self.folder / schema.name, schema)

    def is_published_after(self, table: str, datasets: Collection[str]) -> bool:
        from ttapi_pipeline.storage.session_table import PARTS
        from ttapi_pipeline.storage.versions.log import PublicationLog

        try:
            written = (self.folder / table / PARTS).stat().st_mtime_ns
            logs = (PublicationLog.of(self.folder, name).path for name in datasets)
            return any(path.stat().st_mtime_ns >= written for path in logs if path.exists())
        except OSError:
            return True


def _or_damage(read: Callable[[str], _Found], dataset: str) -> _Found | CorruptFileError:
    """What a reader of one dataset gives, or that it is damaged."""
    try:
        return read(dataset)
    except CorruptFileError as error:
        return error
