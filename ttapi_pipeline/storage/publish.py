# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Publishing a dataset: Parquet, manifest and CSV, each whole at every instant. Mending them: see `repair`.

The order of writing, under the dataset's lock:

1. The Parquet file, which is the truth and whose footer repeats the manifest's facts. Where every change of a row is
   kept, it is staged, and what it changes is stored, before it takes its place.
2. The manifest, without a CSV.
3. The CSV, made from that Parquet file; in the background if an executor is given. One that is not wanted is removed.
4. The manifest again, with the CSV's size and hash.

Each file is staged, synced and renamed. A crash after step 1 leaves a manifest whose write id is not in the footer; a
crash after step 2 or 3 leaves a manifest that knows no CSV. `stored.read_stored` sees both, and `repair` rebuilds the
files that lag from the Parquet file. The lock is held until step 4 is done, so that a CSV never comes from another
publication than its Parquet file. A table in pieces is published in the same order; `incremental` copies the bytes of
pieces that stay the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import CorruptFileError, DataError, StorageError
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.seals import with_checksum
from ttapi_pipeline.storage.claims import Claim, refuse_foreign_files
from ttapi_pipeline.storage.damage import forget_damage
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.files import remove_stale_files, staged, write_file
from ttapi_pipeline.storage.footer import FOOTER_KEY
from ttapi_pipeline.storage.hashing import HASHED_BY, ContentHash
from ttapi_pipeline.storage.incremental.note import NotedPiece, write_note
from ttapi_pipeline.storage.incremental.pieces import Pieces
from ttapi_pipeline.storage.incremental.stored_pieces import StoredPieces
from ttapi_pipeline.storage.incremental.write_csv import write_csv
from ttapi_pipeline.storage.incremental.write_parquet import WrittenParquet, write_parquet
from ttapi_pipeline.storage.layout import DatasetFiles, Folder, make_folder
from ttapi_pipeline.storage.lock import DEFAULT_LOCK_TIMEOUT_SECONDS, DatasetLock
from ttapi_pipeline.storage.parquet import COMPRESSION_LEVEL, ROW_GROUP_ROWS, scan_file
from ttapi_pipeline.storage.recent_rows import recent_rows
from ttapi_pipeline.storage.spreadsheet import sink_csv
from ttapi_pipeline.storage.versions.budget import keep_within
from ttapi_pipeline.storage.versions.keeping import Retention, keep_stored
from ttapi_pipeline.storage.versions.recording import NewFile, Recorder
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.tables.constraints import check_keys, check_nulls
from ttapi_pipeline.tables.schema import DatasetSchema


@dataclass(frozen=True, slots=True)
class Published:
    """A dataset whose Parquet file is durable; its CSV may still be on its way.

    Attributes:
        files: Its paths.
        parquet_manifest: The manifest after the Parquet file, when size and hash of the CSV were not known.
    """

    files: DatasetFiles
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
            raise StorageError(f"{self.files.csv} {reason}; `tt doctor --repair` writes it") from error

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
        executor: Writes the CSV, which without one is written before this returns. The dataset stays locked until then,
            so the executor's threads must not publish themselves.
        lock_timeout_seconds: How long to wait for another writer of the dataset.
        is_sorted: Whether the rows come sorted by `schema.sort_by`, nulls first; this is checked. Sorting takes memory.
        is_note_trusted: Whether stored pieces may be copied; otherwise all are encoded.
        csv_choice: Which rows the CSV has.
        retention: Which publications keep their rows; without it, this one takes the place of the one before.

    Raises:
        MissingColumnError: See `conform`.
        DataError: See `conform`; or a key is there twice, a value is null that must not be, or the rows are not in the
            promised order. After this and the errors below, the stored files are as they were.
        LockTimeoutError: Another writer was not done in time.
        StorageError: The files cannot be written, or one in their places is not ours (see `claims`).
    """
    files, started = DatasetFiles.of(folder, schema.name), time.perf_counter()
    # Before a lock file is made in a folder that may be somebody else's, and again under the lock.
    refuse_foreign_files([files])
    make_folder(folder)
    lock = DatasetLock(folder, schema.name)
    lock.acquire(timeout_seconds=lock_timeout_seconds)
    with ExitStack() as held:
        held.callback(lock.release)
        claim = Claim.of(files)
        remove_stale_files(files)
        keep_stored(files, retention)
        put = partial(_put_parquet, csv_choice=csv_choice, is_sorted=is_sorted, is_note_trusted=is_note_trusted)
        manifest, write_rest = put(
            frame, schema, claim, provenance, held, recorder=Recorder.of(files, schema, retention)
        )
        claim.check(files.manifest)
        write_manifest(files, manifest)
        keep_stored(files, retention, after_seconds=time.perf_counter() - started)
        keep_within(files, schema, retention)
        csv = executor.submit(write_rest) if executor else _done(write_rest)
        until_written = held.pop_all()
    # Runs at once if the CSV is there already, and also if the executor drops its work.
    csv.add_done_callback(lambda _: until_written.close())
    return Published(files, manifest, csv)


def _put_parquet(
    frame: pl.DataFrame | pl.LazyFrame | Pieces,
    schema: DatasetSchema,
    claim: Claim,
    provenance: Provenance,
    held: ExitStack,
    *,
    csv_choice: CsvChoice,
    is_sorted: bool,
    is_note_trusted: bool,
    recorder: Recorder | None,
) -> tuple[Manifest, partial[Manifest]]:
    """Put the Parquet file in place; its manifest, and what writes the CSV."""
    if not isinstance(frame, Pieces):
        manifest = publish_parquet(
            frame, schema, claim, provenance, is_sorted=is_sorted, csv_choice=csv_choice, recorder=recorder
        )
        return manifest, partial(publish_csv, claim, manifest)
    stored = StoredPieces(claim.files, schema, code_version=provenance.code_version, is_trusted=is_note_trusted)
    known = held.enter_context(closing(stored))
    manifest, written = _publish_pieces(
        frame, schema, claim, provenance, known, csv_choice=csv_choice, recorder=recorder
    )
    return manifest, partial(_publish_csv_of_pieces, claim, schema, manifest, known, written)


def _publish_pieces(
    table: Pieces,
    schema: DatasetSchema,
    claim: Claim,
    provenance: Provenance,
    known: StoredPieces,
    *,
    csv_choice: CsvChoice,
    recorder: Recorder | None,
) -> tuple[Manifest, WrittenParquet]:
    files, write_id = claim.files, uuid4().hex
    footer: dict[str, Any] = {}
    content = ContentHash(schema.polars)

    def facts(hashed: ContentHash) -> dict[str, str]:
        content.add(hashed.rows, hashed.sums)
        footer.update(_footer(provenance, schema, content, write_id))
        return {FOOTER_KEY: json.dumps(footer, ensure_ascii=False)}

    with staged(files.parquet) as staging, _computing(files.parquet, schema):
        written = write_parquet(staging.path, table, schema, known, key_values=facts)
        claim.check(files.parquet)
        if recorder is not None:
            recorder.record(NewFile(staging.path, footer, content, known.ranges_that_differ(written.pieces)))
        manifest = Manifest.from_footer(footer, staging.commit(written.facts))
        return replace(manifest, csv_choice=csv_choice), written


def _publish_csv_of_pieces(
    claim: Claim, schema: DatasetSchema, manifest: Manifest, known: StoredPieces, written: WrittenParquet
) -> Manifest:
    """Do as `publish_csv` does, but copy the lines of pieces that did not change."""
    files = claim.files
    if not isinstance(files.parquet, Path):
        return publish_csv(claim, manifest)
    noted: Sequence[NotedPiece] = written.pieces
    if manifest.csv_choice is CsvChoice.FULL:
        with staged(files.csv) as staging, _making_csv(files.csv):
            noted, facts = write_csv(staging.path, files.parquet, schema, known, written)
            claim.check(files.csv)
            complete = replace(manifest, csv=staging.commit(facts))
        write_manifest(files, complete)
    else:
        complete = publish_csv(claim, manifest)
    # Without the note, the next publication encodes everything.
    with suppress(OSError):
        write_note(files, manifest, written.footer, noted)
    return complete


def _footer(provenance: Provenance, schema: DatasetSchema, content: ContentHash, write_id: str) -> Mapping[str, Any]:
    """The facts of the manifest that a Parquet footer repeats about the rows above it."""
    facts = provenance.to_document() | {
        "data_version": content.hexdigest(),
        "write_id": write_id,
        "rows": content.rows,
        "schema": {name: str(dtype) for name, dtype in schema.polars.items()},
        "hashed_by": HASHED_BY,
    }
    return with_checksum(facts)


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
    ordered = conform(frame.lazy(), schema)
    if not is_sorted:
        ordered = ordered.sort(schema.sort_by, nulls_last=False, maintain_order=False)
    content = ContentHash(schema.polars)
    files, write_id = claim.files, uuid4().hex
    footer: dict[str, Any] = {}

    def inspect(batch: pl.DataFrame) -> pl.DataFrame:
        check_nulls(batch, schema)
        content.update(batch)
        return batch

    def facts(_: object) -> dict[str, str]:
        # Polars asks for the metadata when it writes the footer, and by then every row has been through `inspect`: the
        # footer holds the hash of the rows above it after a single pass. On 4 million rows x 12 columns, the detour
        # over `collect_batches` and pyarrow's writer takes 1.5 times as long for a file 14% larger, in the same memory.
        footer.update(_footer(provenance, schema, content, write_id))
        return {FOOTER_KEY: json.dumps(footer, ensure_ascii=False)}

    with staged(files.parquet) as staging, _computing(files.parquet, schema):
        ordered.map_batches(inspect, streamable=True, schema=schema.polars).sink_parquet(
            staging.path,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            statistics=True,
            row_group_size=ROW_GROUP_ROWS,
            maintain_order=True,
            metadata=facts,
        )
        check_keys(pl.scan_parquet(staging.path, glob=False), schema)
        claim.check(files.parquet)
        if recorder is not None:
            recorder.record(NewFile(staging.path, footer, content))
        return replace(Manifest.from_footer(footer, staging.commit()), csv_choice=csv_choice)


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
    with staged(files.csv) as staging, _making_csv(files.csv):
        table, rows = scan_file(files.parquet), None
        if manifest.csv_choice is CsvChoice.RECENT:
            table, rows = recent_rows(table)
        sink_csv(table, staging.path)
        claim.check(files.csv)
        complete = replace(manifest, csv=staging.commit(), csv_rows=rows)
    write_manifest(files, complete)
    return complete


def _computing(path: Folder, schema: DatasetSchema) -> AbstractContextManager[None]:
    """Our errors for a block in which Polars computes a dataset's rows and writes them."""
    return storage_errors(
        path, of_polars=lambda error: DataError(f"{schema.name} cannot be computed: {error}"), is_writing=True
    )


def _making_csv(path: Folder) -> AbstractContextManager[None]:
    """Our errors for a block in which Polars reads the Parquet file and writes the CSV."""
    return storage_errors(path, of_polars=lambda error: CorruptFileError(f"{path} cannot be made: {error}"))


def _done(write: partial[Manifest]) -> Future[Manifest]:
    """Write now, and keep the result or the error in a future, as an executor would."""
    future: Future[Manifest] = Future()
    try:
        future.set_result(write())
    except StorageError as error:
        future.set_exception(error)
    return future
