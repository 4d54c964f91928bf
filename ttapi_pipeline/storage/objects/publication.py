# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Publishing a dataset in an object store. Which promises that keeps: see `storage.store`.

The order of writing:

1. The rows, below a name that nobody knows yet.
   Where the policy wants it, what they change of what is stored, with proof that it leads back.
2. What is replaced is entered into the log, if a writer that died has not done so.
3. The manifest, in place of exactly what was looked at. From here on the rows are published.
4. The entry in the log.
5. The CSV and the manifest that names it; the copies for people; what nobody needs any more is removed. In the
   background if an executor is given.

A writer that is killed before step 3 leaves rows that nobody names; after it, at most a missing CSV and stale copies,
which the next publication or `repair` makes.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import ConflictError, StorageError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.claims import has_traces, in_the_way
from ttapi_pipeline.storage.encode import EncodedTable, encode, encode_csv, making_csv
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.files import file_facts, temporary_folder
from ttapi_pipeline.storage.incremental.stored_pieces import StoredPieces
from ttapi_pipeline.storage.layout import DatasetFiles
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.changes import record_changes
from ttapi_pipeline.storage.objects.claims import foreign_objects
from ttapi_pipeline.storage.objects.damage import forget_damage
from ttapi_pipeline.storage.objects.history import enter, keep_replaced
from ttapi_pipeline.storage.objects.manifests import Current, commit, note_copy, read_current
from ttapi_pipeline.storage.objects.names import ObjectNames
from ttapi_pipeline.storage.objects.pruning import prune
from ttapi_pipeline.storage.publish import Published, done, lost_race
from ttapi_pipeline.storage.store import ANY, PublishOptions, VersionedManifest
from ttapi_pipeline.storage.versions.log import Publication
from ttapi_pipeline.storage.versions.recording import NewFile

if TYPE_CHECKING:
    import polars as pl

    from ttapi_pipeline.storage.incremental.pieces import Pieces
    from ttapi_pipeline.tables.schema import DatasetSchema

_COMMITS: Final = 8
"""Times that the same publication may get another version of its manifest in between."""


@dataclass(frozen=True, slots=True)
class ObjectPublisher:
    """Publishes one dataset."""

    names: ObjectNames
    how: PublishOptions

    def publish(
        self,
        frame: pl.DataFrame | pl.LazyFrame | Pieces,
        schema: DatasetSchema,
        provenance: Provenance,
    ) -> Published:
        """Store the rows; errors as of `storage.publish.publish`."""
        started, names = time.perf_counter(), self.names
        stored = self._look()
        with ExitStack() as held:
            folder = held.enter_context(temporary_folder())
            rows = folder / "rows.parquet"
            encoded = _encode(rows, frame, schema, provenance, names, is_sorted=self.how.is_sorted)
            manifest = self._put_rows(rows, encoded)
            new = NewFile(rows, encoded.footer, encoded.content)
            record_changes(names, schema, self.how.retention, stored.manifest, new)
            committed = self._commit(manifest, stored)
            if self.how.retention is not None:
                spent = time.perf_counter() - started
                enter(names, Publication.of(manifest, rows_of=manifest.write_id, after_seconds=spent))

            def write_rest() -> Manifest:
                return self._finish(committed, rows)

            csv = self.how.executor.submit(write_rest) if self.how.executor else done(write_rest)
            until_written = held.pop_all()
        csv.add_done_callback(lambda _: until_written.close())
        return Published(names.copy("csv"), manifest, csv)

    def _look(self) -> Current:
        """What is stored, if it may be replaced, before rows are computed for nothing."""
        stored = read_current(self.names.folder, self.names.dataset)
        self._check(stored)
        if stored.content is None and (found := foreign_objects(self.names)):
            raise StorageError(in_the_way(found))
        return stored

    def _check(self, stored: Current) -> None:
        if stored.manifest is None and stored.content is not None and not has_traces(stored.content.content):
            raise StorageError(in_the_way([self.names.manifest]))
        if self.how.replaces == ANY or stored.manifest is None:
            # A manifest that is gone or damaged says nothing of a later publication.
            return
        if stored.manifest.write_id != self.how.replaces:
            raise lost_race(self.names.dataset)

    def _put_rows(self, rows: Path, encoded: EncodedTable) -> Manifest:
        try:
            facts = file_facts(rows) if encoded.facts is None else encoded.facts
        except OSError as error:
            raise storage_error(rows, error) from error
        write_id = str(encoded.footer["write_id"])
        bucket.write(self.names.rows(write_id), rows)
        return encoded.manifest(self.names.named(facts, write_id), self.how.csv_choice)

    def _commit(self, manifest: Manifest, stored: Current) -> VersionedManifest:
        names = self.names
        try:
            for _ in range(_COMMITS):
                if self.how.retention is not None:
                    keep_replaced(names, stored)
                with suppress(ConflictError):
                    return VersionedManifest(manifest, commit(names.folder, manifest, if_version=stored.version))
                # The same publication may have got its CSV meanwhile: another version, the same rows.
                stored = read_current(names.folder, names.dataset)
                self._check(stored)
            raise lost_race(names.dataset)
        except BaseException:
            # Whether it was committed is not known when an answer never came. Rows that nobody names go in a day.
            with suppress(StorageError):
                if read_current(names.folder, names.dataset).manifest != manifest:
                    bucket.remove([names.rows(manifest.write_id)])
            raise

    def _finish(self, committed: VersionedManifest, rows: Path) -> Manifest:
        """Everything that readers need not wait for; the complete manifest."""
        complete = self._put_csv(committed, rows)
        forget_damage(self.names)
        refresh_copies(self.names, complete.manifest)
        if complete.version:
            note_copy(self.names.folder, complete.manifest, complete.version)
            prune(self.names, complete.manifest, self.how.retention)
        return complete.manifest

    def _put_csv(self, committed: VersionedManifest, rows: Path) -> VersionedManifest:
        if committed.manifest.csv_choice is CsvChoice.OFF:
            return committed
        return put_csv(self.names, committed, rows)


def put_csv(names: ObjectNames, committed: VersionedManifest, rows: Path) -> VersionedManifest:
    """Make the CSV of local rows, put it, and complete the manifest that has none yet.

    Returns:
        The complete manifest. Without a version where another program has published since: then nobody needs the CSV.

    Raises:
        StorageError: It cannot be made or put.
    """
    manifest = committed.manifest
    target, local = names.rows(manifest.write_id, "csv"), rows.with_suffix(".csv")
    with making_csv(target):
        count = encode_csv(local, rows, manifest.csv_choice)
        facts = file_facts(local)
    bucket.write(target, local)
    complete = replace(manifest, csv=names.named(facts, manifest.write_id, "csv"), csv_rows=count)
    try:
        return VersionedManifest(complete, commit(names.folder, complete, if_version=committed.version))
    except ConflictError:
        if read_current(names.folder, names.dataset).manifest != complete:
            return VersionedManifest(complete, "")
        raise


def refresh_copies(names: ObjectNames, manifest: Manifest) -> None:
    """Have the copies for people be those of what is stored, also when others publish at the same time."""
    for _ in range(_COMMITS):
        bucket.copy(names.parquet_of(manifest), names.copy("parquet"))
        csv = names.csv_of(manifest)
        if csv is not None:
            bucket.copy(csv, names.copy("csv"))
        elif manifest.csv_choice is CsvChoice.OFF:
            bucket.remove([names.copy("csv")])
        stored = read_current(names.folder, names.dataset).manifest
        if stored is None or stored.write_id == manifest.write_id:
            return
        manifest = stored


def _encode(
    rows: Path,
    frame: pl.DataFrame | pl.LazyFrame | Pieces,
    schema: DatasetSchema,
    provenance: Provenance,
    names: ObjectNames,
    *,
    is_sorted: bool,
) -> EncodedTable:
    # Pieces are copied from local files alone: of a table in an object store, all of them are encoded.
    local = DatasetFiles.of(rows.parent, schema.name)
    with closing(StoredPieces(local, schema, code_version=provenance.code_version, is_trusted=False)) as known:
        return encode(rows, frame, schema, provenance, known, is_sorted=is_sorted, target=names.manifest)
