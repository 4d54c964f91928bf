# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Publishing a dataset: Parquet, manifest and CSV, each whole at every instant. Mending them: see `repair`.

The order of writing, under the dataset's lock:

1. The Parquet file, whose footer repeats the manifest's facts. Where every change of a row is kept, it is staged, and
   what it changes is stored, before it takes its place.
2. Its own name, which readers open, where versions are kept; see `own_rows`.
3. The manifest, without a CSV.
4. The CSV, made from that Parquet file; in the background if an executor is given. One that is not wanted is removed.
5. The manifest again, with the CSV's size and hash.

Each file is staged, synced and renamed. A crash after step 1 or 2 leaves a manifest whose write id is not in the
footer; readers go on with the rows of that manifest. A crash after step 3 or 4 leaves a manifest that knows no CSV.
`stored.read_stored` sees both, and `repair` rebuilds the files that lag from the Parquet file. The lock is held until
step 5 is done, so that a CSV never comes from another publication than its Parquet file. A table in pieces is published
in the same order; `incremental` copies the bytes of pieces that stay the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import ConflictError, CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.storage.claims import Claim, refuse_foreign_files
from ttapi_pipeline.storage.damage import forget_damage
from ttapi_pipeline.storage.encode import encode, encode_csv, making_csv
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.files import remove_stale_files, staged, write_file
from ttapi_pipeline.storage.incremental.note import NotedPiece, write_note
from ttapi_pipeline.storage.incremental.pieces import Pieces
from ttapi_pipeline.storage.incremental.stored_pieces import StoredPieces
from ttapi_pipeline.storage.incremental.write_csv import write_csv
from ttapi_pipeline.storage.incremental.write_parquet import WrittenParquet
from ttapi_pipeline.storage.layout import DatasetFiles, Folder, make_folder
from ttapi_pipeline.storage.lock import DEFAULT_LOCK_TIMEOUT_SECONDS, DatasetLock
from ttapi_pipeline.storage.own_rows import forget_cut_short
from ttapi_pipeline.storage.store import ANY, PublishOptions, open_store
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.versions.budget import keep_within
from ttapi_pipeline.storage.versions.keeping import Retention, keep_stored, keep_whole
from ttapi_pipeline.storage.versions.packed_versions import pack_last_of_session
from ttapi_pipeline.storage.versions.recording import NewFile, Recorder
from ttapi_pipeline.tables.schema import DatasetSchema


@dataclass(frozen=True, slots=True)
class Published:
    """A dataset whose Parquet file is durable; its CSV may still be on its way.

    Attributes:
        csv: Where the CSV is, or will be.
        parquet_manifest: The manifest after the Parquet file, when size and hash of the CSV were not known.
    """

    csv: Folder
    parquet_manifest: Manifest
    _csv: Future[Manifest]

    @property
    def data_version(self) -> str:
        """Hash of the content."""
        return self.parquet_manifest.data_version

    def wait(self, timeout_seconds: float | None = None) -> Manifest:
        """Wait for the CSV.

        Returns:
            The complete manifest, as it is stored.

        Raises:
            StorageError: The CSV could not be written, or not in time; the Parquet file is good.
        """
        try:
            return self._csv.result(timeout_seconds)
        except (TimeoutError, CancelledError) as error:
            reason = "was not written in time" if isinstance(error, TimeoutError) else "was cancelled"
            raise StorageError(f"{self.csv} {reason}; `tt doctor --repair` writes it") from error

    @property
    def csv_error(self) -> StorageError | None:
        """Why the CSV could not be written; None while it is being written, and when it is there."""
        if not self._csv.done():
            return None
        try:
            self.wait()
        except StorageError as error:
            return error
        return None


def publish(
    frame: pl.DataFrame | pl.LazyFrame | Pieces,
    schema: DatasetSchema,
    folder: Folder,
    provenance: Provenance,
    *,
    replaces: str | None = ANY,
    executor: Executor | None = None,
    lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS,
    is_sorted: bool = False,
    is_note_trusted: bool = True,
    csv_choice: CsvChoice = CsvChoice.FULL,
    retention: Retention | None = None,
) -> Published:
    """Conform, check and store a dataset in place of the publication before.

    Args:
        frame: The rows in any order; `conform` says what they may look like. A lazy frame is streamed. Pieces come
            sorted, and pieces that are stored already are copied; see `storage.incremental`.
        schema: Of the dataset.
        folder: The data folder; it is created when it is not there.
        provenance: What the rows were made from.
        replaces: Write id of the publication that the rows were made with a look at, None where nothing was stored: it
            alone may be replaced. By default whatever is there.
        executor: Writes the CSV, which without one is written before this returns. The dataset stays locked until then,
            so the executor's threads must not publish themselves.
        lock_timeout_seconds: How long to wait for another writer of the dataset, where there are locks.
        is_sorted: Whether the rows come sorted by `schema.sort_by`, nulls first; this is checked. Sorting takes memory.
        is_note_trusted: Whether stored pieces may be copied; otherwise all are encoded.
        csv_choice: Which rows the CSV has.
        retention: Which publications keep their rows; without it, this one takes the place of the one before.

    Raises:
        MissingColumnError: See `conform`.
        DataError: See `conform`; or a key is there twice, a value is null that must not be, or the rows are not in the
            promised order. After this and the errors below, the stored files are as they were.
        ConflictError: Another publication than `replaces` says is there.
        LockTimeoutError: Another writer was not done in time.
        StorageError: The files cannot be written, or one in their places is not ours (see `claims`).
    """
    how = PublishOptions(
        replaces=replaces,
        executor=executor,
        lock_timeout_seconds=lock_timeout_seconds,
        is_sorted=is_sorted,
        is_note_trusted=is_note_trusted,
        csv_choice=csv_choice,
        retention=retention,
    )
    return open_store(folder).publish(frame, schema, provenance, how)


def publish_locally(
    frame: pl.DataFrame | pl.LazyFrame | Pieces,
    schema: DatasetSchema,
    folder: Path,
    provenance: Provenance,
    how: PublishOptions,
) -> Published:
    """As `publish`, in a folder of this machine."""
    files, started = DatasetFiles.of(folder, schema.name), time.perf_counter()
    # Before a lock file is made in a folder that may be somebody else's, and again under the lock.
    refuse_foreign_files(folder, [schema.name])
    make_folder(folder)
    lock = DatasetLock(folder, schema.name)
    lock.acquire(timeout_seconds=how.lock_timeout_seconds)
    with ExitStack() as held:
        held.callback(lock.release)
        _refuse_lost_race(files, how.replaces)
        claim = Claim.of(files)
        remove_stale_files(files)
        forget_cut_short(files)
        keep_stored(files, how.retention)
        recorder = Recorder.of(files, schema, how.retention)
        manifest, write_rest = _put_parquet(frame, schema, claim, provenance, held, how=how, recorder=recorder)
        claim.check(files.manifest)
        if how.retention is not None:
            keep_whole(files.parquet, folder, manifest)
        write_manifest(files, manifest)
        keep_stored(files, how.retention, after_seconds=time.perf_counter() - started)
        pack_last_of_session(files, schema, how.retention)
        keep_within(files, schema, how.retention)
        csv = how.executor.submit(write_rest) if how.executor else done(write_rest)
        until_written = held.pop_all()
    # Runs at once if the CSV is there already, and also if the executor drops its work.
    csv.add_done_callback(lambda _: until_written.close())
    return Published(files.csv, manifest, csv)


def lost_race(dataset: str) -> ConflictError:
    """What to say to a writer whose rows were made with a look at a publication that is not the last one any more."""
    return ConflictError(f"{dataset} was refreshed by another program meanwhile; what is due is decided anew")


def _refuse_lost_race(files: DatasetFiles, replaces: str | None) -> None:
    if replaces == ANY:
        return
    try:
        stored = read_manifest(files.folder, files.dataset)
    except CorruptFileError:
        # It says nothing of a later publication, and whoever published one would have replaced it.
        return
    if stored is not None and stored.write_id != replaces:
        raise lost_race(files.dataset)


def _put_parquet(
    frame: pl.DataFrame | pl.LazyFrame | Pieces,
    schema: DatasetSchema,
    claim: Claim,
    provenance: Provenance,
    held: ExitStack,
    *,
    how: PublishOptions,
    recorder: Recorder | None,
) -> tuple[Manifest, partial[Manifest]]:
    """Put the Parquet file in place; its manifest, and what writes the CSV."""
    if not isinstance(frame, Pieces):
        manifest = publish_parquet(
            frame, schema, claim, provenance, is_sorted=how.is_sorted, csv_choice=how.csv_choice, recorder=recorder
        )
        return manifest, partial(publish_csv, claim, manifest)
    stored = StoredPieces(claim.files, schema, code_version=provenance.code_version, is_trusted=how.is_note_trusted)
    known = held.enter_context(closing(stored))
    parquet = claim.files.parquet
    with staged(parquet) as staging:
        encoded = encode(staging.path, frame, schema, provenance, known, is_sorted=True, target=parquet)
        claim.check(parquet)
        if encoded.written is None:
            raise AssertionError("a table in pieces is written in pieces")
        if recorder is not None:
            differing = known.ranges_that_differ(encoded.written.pieces)
            with storage_errors(parquet):
                recorder.record(NewFile(staging.path, encoded.footer, encoded.content, differing))
        manifest = _following(claim.files, encoded.manifest(staging.commit(encoded.facts), how.csv_choice))
    return manifest, partial(_publish_csv_of_pieces, claim, schema, manifest, known, encoded.written)


def _publish_csv_of_pieces(
    claim: Claim, schema: DatasetSchema, manifest: Manifest, known: StoredPieces, written: WrittenParquet
) -> Manifest:
    """Do as `publish_csv` does, but copy the lines of pieces that did not change."""
    files = claim.files
    noted: Sequence[NotedPiece] = written.pieces
    if manifest.csv_choice is CsvChoice.FULL:
        with staged(files.csv) as staging, making_csv(files.csv):
            rows = files.rows_file(manifest.write_id)
            noted, facts = write_csv(staging.path, rows, schema, known, written)
            claim.check(files.csv)
            complete = replace(manifest, csv=staging.commit(facts))
        write_manifest(files, complete)
    else:
        complete = publish_csv(claim, manifest)
    # Without the note, the next publication encodes everything.
    with suppress(OSError):
        write_note(files, manifest, written.footer, noted)
    return complete


def publish_parquet(
    frame: pl.DataFrame | pl.LazyFrame,
    schema: DatasetSchema,
    claim: Claim,
    provenance: Provenance,
    *,
    is_sorted: bool,
    csv_choice: CsvChoice,
    recorder: Recorder | None = None,
) -> Manifest:
    """Store the rows as the Parquet file alone; arguments and errors as of `publish`. The caller holds the lock.

    What it changes is told to the recorder before the file takes its place.
    """
    parquet = claim.files.parquet
    with staged(parquet) as staging:
        encoded = encode(staging.path, frame, schema, provenance, None, is_sorted=is_sorted, target=parquet)
        claim.check(parquet)
        if recorder is not None:
            with storage_errors(parquet):
                recorder.record(NewFile(staging.path, encoded.footer, encoded.content))
        return _following(claim.files, encoded.manifest(staging.commit(encoded.facts), csv_choice))


def _following(files: DatasetFiles, manifest: Manifest) -> Manifest:
    """A manifest that says which publication it replaces; it is not in place yet."""
    try:
        stored = read_manifest(files.folder, files.dataset)
    except CorruptFileError:
        return manifest
    return manifest if stored is None else replace(manifest, after=stored.write_id)


def write_manifest(files: DatasetFiles, manifest: Manifest) -> None:
    """Put a manifest in place; StorageError when that fails. The caller holds the dataset's lock."""
    write_file(files.manifest, manifest.to_json())
    forget_damage(files)


def publish_csv(claim: Claim, manifest: Manifest) -> Manifest:
    """Make the CSV from the Parquet file and complete the manifest. The caller holds the dataset's lock.

    Where the manifest says that there is to be no CSV, the one of an earlier publication is removed.

    Raises:
        CorruptFileError: The Parquet file cannot be read.
        StorageError: The CSV or the manifest cannot be written, or somebody has put a file into the CSV's empty place.
    """
    files = claim.files
    if manifest.csv_choice is CsvChoice.OFF:
        claim.check(files.csv)
        try:
            files.csv.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(files.csv, error) from error
        return manifest
    with staged(files.csv) as staging, making_csv(files.csv):
        rows = encode_csv(staging.path, files.rows_file(manifest.write_id), manifest.csv_choice)
        claim.check(files.csv)
        complete = replace(manifest, csv=staging.commit(), csv_rows=rows)
    write_manifest(files, complete)
    return complete


def done(write: Callable[[], Manifest]) -> Future[Manifest]:
    """Write now, and keep the result or the error in a future, as an executor would."""
    future: Future[Manifest] = Future()
    try:
        future.set_result(write())
    except StorageError as error:
        future.set_exception(error)
    return future
