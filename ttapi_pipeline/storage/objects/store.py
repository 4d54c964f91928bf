# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The store of a prefix in an object store. What it promises is in `storage.store`; the work is done beside.

Polars is imported by the methods that need it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.layout import STATE_FOLDER, Folder
from ttapi_pipeline.storage.objects import bucket, manifests
from ttapi_pipeline.storage.objects.claims import foreign_objects
from ttapi_pipeline.storage.objects.damage import difference, noted_damage
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.manifests import Beside
from ttapi_pipeline.storage.objects.names import ObjectNames
from ttapi_pipeline.storage.store import PublishOptions, VersionedManifest, rows_as_of
from ttapi_pipeline.storage.stored import Stored

if TYPE_CHECKING:
    import polars as pl

    from ttapi_pipeline.core.shared_state import StatePlace
    from ttapi_pipeline.storage.damage import Damage
    from ttapi_pipeline.storage.incremental.pieces import Pieces
    from ttapi_pipeline.storage.objects.by_session import Histories
    from ttapi_pipeline.storage.publish import Published
    from ttapi_pipeline.storage.repair import Problem
    from ttapi_pipeline.storage.session_table import SessionTable
    from ttapi_pipeline.storage.table import StoredTable
    from ttapi_pipeline.storage.versions.log import Publication
    from ttapi_pipeline.storage.versions.reading import Version
    from ttapi_pipeline.storage.versions.usage import Usage
    from ttapi_pipeline.tables.schema import DatasetSchema

# ruff: noqa: PLC0415 - `tt status` opens a store and must answer at once


@dataclass(slots=True)
class ObjectStore:
    """See `storage.store.Store`. What was seen of the whole folder is remembered: open a store for every look.

    Attributes:
        folder: The prefix.
    """

    folder: ObjectPath
    _beside: Beside | None = field(default=None, repr=False)
    _histories: Histories | None = field(default=None, repr=False)

    @property
    def local_folder(self) -> None:
        return None

    def state_place(self) -> StatePlace:
        from ttapi_pipeline.storage.objects.state import ObjectStateFolder

        return ObjectStateFolder(self.folder / STATE_FOLDER)

    def check_rights(self) -> None:
        # Only writing can tell whether writing is allowed; this tells whether there is a bucket that may be listed.
        bucket.listed_beside(self.folder)

    def look_around(self) -> None:
        self._look()

    def check_writable(self) -> None:
        probe = self.folder / STATE_FOLDER / f"writable-{uuid4().hex}"
        bucket.write(probe, b"")
        bucket.remove([probe])

    def remove_left_over(self) -> None:
        # Rows that nobody names go when their dataset is pruned, which is with its next publication.
        return

    def read_file(self, name: str, *, since: datetime | None = None) -> bytes | None:
        found = bucket.read(self.folder / name)
        if found is None or (since is not None and found.written_at + timedelta(seconds=1) < since):
            # The store tells times to the second.
            return None
        return found.content

    def write_file(self, name: str, content: bytes) -> ObjectPath:
        path = self.folder / name
        bucket.write(path, content)
        return path

    def read_manifest(self, dataset: str) -> VersionedManifest | None:
        return manifests.read_manifest(self.folder, dataset)

    def read_manifests(self, datasets: Collection[str]) -> Mapping[str, VersionedManifest | CorruptFileError | None]:
        return manifests.read_manifests(self.folder, datasets)

    def commit(self, manifest: Manifest, *, if_version: str | None) -> str:
        return manifests.commit(self.folder, manifest, if_version=if_version)

    def source(self, schema: DatasetSchema, *, as_of: datetime | None = None) -> pl.LazyFrame:
        return rows_as_of(self, schema, as_of)

    def open_table(self, schema: DatasetSchema) -> StoredTable:
        from ttapi_pipeline.storage.objects.table import open_objects

        return open_objects(self.folder, schema)

    def read_stored(self, dataset: str) -> Stored:
        found = self.read_all_stored([dataset])[dataset]
        if isinstance(found, CorruptFileError):
            raise found
        return found

    def read_all_stored(
        self, datasets: Collection[str], *, is_survey: bool = False
    ) -> Mapping[str, Stored | CorruptFileError]:
        if is_survey:
            beside = self._look()
            damaged = beside.damaged
            found = manifests.survey_manifests(self.folder, datasets, beside)
        else:
            found = manifests.read_manifests(self.folder, datasets)
            damaged = manifests.noted_damages(self.folder)
        there = {
            name: self._with_damage(name, each.manifest, damaged)
            for name, each in found.items()
            if isinstance(each, VersionedManifest)
        }
        if not is_survey:
            there = dict(zip(there, bucket.at_once(self._with_lost_files, list(there.values())), strict=True))
        return {
            name: each if isinstance(each, CorruptFileError) else there.get(name, Stored(None))
            for name, each in found.items()
        }

    def publish(
        self,
        frame: pl.DataFrame | pl.LazyFrame | Pieces,
        schema: DatasetSchema,
        provenance: Provenance,
        how: PublishOptions,
    ) -> Published:
        from ttapi_pipeline.storage.objects.publication import ObjectPublisher

        return ObjectPublisher(ObjectNames(self.folder, schema.name), how).publish(frame, schema, provenance)

    def find_damage(
        self,
        dataset: str,  # noqa: ARG002 - see below
        *,
        most_csv_bytes: int | None = None,  # noqa: ARG002
    ) -> Sequence[Damage]:
        # What a reader finds it notes itself, and to hash an object is to download it.
        return []

    def has_rows(self, dataset: str) -> bool:
        names = ObjectNames(self.folder, dataset)
        return any(bucket.at_once(bucket.facts_of, [names.manifest, names.copy("parquet")]))

    def manifest_of_rows(self, dataset: str) -> Manifest | None:
        from ttapi_pipeline.storage.objects.history import newest_logged

        return newest_logged(ObjectNames(self.folder, dataset))

    def path_of(self, manifest: Manifest) -> ObjectPath:
        return ObjectNames(self.folder, manifest.provenance.dataset).parquet_of(manifest)

    def put_away(self, dataset: str) -> str:
        names = ObjectNames(self.folder, dataset)
        stored = manifests.read_current(self.folder, dataset).manifest
        target = self.folder / STATE_FOLDER / "put_away" / f"{dataset}.parquet"
        bucket.copy(names.copy("parquet") if stored is None else names.parquet_of(stored), target)
        return str(target)

    def held(
        self,
        name: str,  # noqa: ARG002 - there are no locks
        what: str,  # noqa: ARG002
        *,
        timeout_seconds: float,  # noqa: ARG002
    ) -> AbstractContextManager[object]:
        return nullcontext()

    def check(
        self,
        schema: DatasetSchema,
        *,
        csv_choice: CsvChoice | None,
        lock_timeout_seconds: float,  # noqa: ARG002 - there are no locks
    ) -> Sequence[Problem]:
        from ttapi_pipeline.storage.objects.examination import check

        return check(self.folder, schema.name, csv_choice)

    def repair(
        self,
        schema: DatasetSchema,
        *,
        csv_choice: CsvChoice | None,
        lock_timeout_seconds: float,  # noqa: ARG002 - there are no locks
    ) -> Sequence[Problem]:
        from ttapi_pipeline.storage.objects.examination import repair

        return repair(self.folder, schema.name, csv_choice)

    def foreign_files(self, dataset: str) -> Sequence[ObjectPath]:
        return foreign_objects(ObjectNames(self.folder, dataset), self._beside)

    def versions(self, dataset: str) -> Sequence[Version]:
        from ttapi_pipeline.storage.objects.history import versions

        return versions(self.folder, dataset)

    def open_version(self, schema: DatasetSchema, version: Version) -> StoredTable:
        from ttapi_pipeline.storage.objects.table import open_kept

        return open_kept(self.folder, schema, version)

    def look_at_history(self, datasets: Collection[str]) -> None:
        self._listed().look(datasets)

    def publications(self, dataset: str, *, since: date | None) -> Sequence[Publication]:
        return self._listed().of(dataset).publications(since)

    def ends_of_log(self, dataset: str) -> tuple[Publication | None, Publication | None]:
        return self._listed().of(dataset).ends()

    def rows_of(self, dataset: str, publication: Publication) -> ObjectPath | None:
        return self._listed().of(dataset).rows_of(publication)

    def open_rows(self, publication: Publication, place: Folder) -> pl.LazyFrame:
        from ttapi_pipeline.storage.objects.by_session import open_rows

        return open_rows(publication, ObjectPath.of(str(place)))

    def usage(self) -> Sequence[Usage]:
        from ttapi_pipeline.storage.objects.usage import usage

        return usage(self.folder)

    def damaged_versions(self) -> Sequence[str]:
        from ttapi_pipeline.storage.objects.usage import damaged_versions

        return damaged_versions(self.folder)

    def session_table(self, schema: DatasetSchema) -> SessionTable:
        from ttapi_pipeline.storage.objects.sessions import ObjectSessionTable

        return ObjectSessionTable(self.folder / schema.name, schema)

    def is_published_after(self, table: str, datasets: Collection[str]) -> bool:
        from ttapi_pipeline.storage.session_table import PARTS

        written = bucket.facts_of(self.folder / table / PARTS)
        paths = {ObjectNames(self.folder, name).manifest for name in datasets}
        beside = bucket.listed_beside(self.folder)
        return written is None or any(each.written_at >= written.written_at for each in beside if each.path in paths)

    def _listed(self) -> Histories:
        from ttapi_pipeline.storage.objects.by_session import Histories

        if self._histories is None:
            self._histories = Histories(self.folder)
        return self._histories

    def _look(self) -> Beside:
        if self._beside is None:
            self._beside = Beside.of(self.folder)
        return self._beside

    def _with_damage(self, dataset: str, manifest: Manifest, damaged: Collection[str]) -> Stored:
        is_lagging = manifest.csv is None and manifest.csv_choice is not CsvChoice.OFF
        damage = noted_damage(ObjectNames(self.folder, dataset), manifest) if dataset in damaged else {}
        return Stored(manifest, is_lagging=is_lagging, damage=damage)

    def _with_lost_files(self, stored: Stored) -> Stored:
        """The same, after a look at the objects that the manifest names."""
        manifest = stored.manifest
        if manifest is None:
            return stored
        names = ObjectNames(self.folder, manifest.provenance.dataset)
        csv = names.csv_of(manifest)
        paths = [names.parquet_of(manifest), *([] if csv is None else [csv])]
        parquet, *rest = bucket.at_once(bucket.facts_of, paths)
        lost = [f"{names.dataset}.parquet"] if difference(manifest, parquet) is not None else []
        lost += [f"{names.dataset}.csv"] if csv is not None and rest == [None] else []
        is_lagging = stored.is_lagging or any(
            each is not None and manifest.csv is not None and each.bytes != manifest.csv.bytes for each in rest
        )
        are_rows_there = f"{names.dataset}.parquet" not in lost
        return Stored(manifest, tuple(lost), is_lagging, stored.damage, are_rows_there=are_rows_there)
