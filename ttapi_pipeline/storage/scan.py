# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Reading the rows of stored tables: what is read is what was written. Tables are written in `publish`.

A file is compared with the hash in its manifest before a row of it is given out; see `verification`. In a file that the
manifest does not describe (the publication was cut short, or is under way), the rows themselves are hashed and compared
with the footer.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import FileFacts, Manifest
from ttapi_pipeline.storage.damage import Damage, note_damage
from ttapi_pipeline.storage.errors import storage_errors
from ttapi_pipeline.storage.hashing import HASHED_BY, data_version, rule
from ttapi_pipeline.storage.layout import DatasetFiles, Folder
from ttapi_pipeline.storage.spreadsheet import read_csv_back
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.stored import read_manifest_file
from ttapi_pipeline.storage.table import StoredTable
from ttapi_pipeline.storage.verification import facts_at, facts_of, footer_facts, footer_manifest
from ttapi_pipeline.tables.older_types import in_types_of_now
from ttapi_pipeline.tables.schema import DatasetSchema

__all__ = ["open_table", "read_csv_back", "scan"]

_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.01
_WAY_OUT: Final = "the next `tt refresh` mends it, and `tt doctor` says at what cost"

_PROVEN: Final[set[str]] = set()
"""XXH3-128 of files whose rows this process has hashed and found to be as their footers say."""


def scan(folder: Folder, schema: DatasetSchema) -> pl.LazyFrame:
    """Scan the rows of a dataset that are stored now, sorted by `schema.sort_by`; see `open_table`."""
    return open_table(folder, schema).frame


def open_table(folder: Folder, schema: DatasetSchema) -> StoredTable:
    """Verify and open a dataset: its rows, sorted by `schema.sort_by`, and the manifest that describes exactly them.

    The frame keeps the file that it was made from: a later publication does not disturb it.

    Raises:
        CorruptFileError: The file has other bytes than were written, which is noted for the next refresh; or it is not
            of this schema.
        StorageError: Nothing is stored, or it cannot be read.
    """
    return open_store(folder).open_table(schema)


def open_table_file(folder: Path, schema: DatasetSchema) -> StoredTable:
    """As `open_table`, in a folder of this machine."""
    files = DatasetFiles.of(folder, schema.name)
    with storage_errors(files.parquet, of_polars=lambda error: _damaged(files, error)):
        table = _open(files)
        frame = in_types_of_now(table.frame, schema)
    if frame is None:
        raise CorruptFileError(f"{files.parquet} is not what {schema.name} holds now; refresh it with --force")
    # Polars then groups 29 million rows by symbol without hashing them: a group is a range of rows.
    return StoredTable(frame.set_sorted(schema.sort_by[0]), table.manifest, table.xxh3_128)


def _open(files: DatasetFiles) -> StoredTable:
    for attempt in range(1, _ATTEMPTS + 1):
        manifest = _manifest(files)
        own = None if manifest is None else _own(files, manifest)
        if own is not None:
            return own
        with files.parquet.open("rb") as file:
            seen = facts_of(file)
            if manifest is not None and seen == manifest.parquet:
                return StoredTable(_frame(file), manifest, seen.xxh3_128)
            truth = _told_by_footer(files, file, manifest, seen)
            if truth is None or manifest is None:
                return _proven(files, file, truth, seen)
            if attempt == _ATTEMPTS:
                if not manifest.is_followed_by(truth):
                    raise _differing(files, manifest, seen, files.parquet)
                return _proven(files, file, truth, seen)
        # A publication has put its Parquet file in place, and not yet its manifest; or it was cut short there.
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last attempt returns")


def _own(files: DatasetFiles, manifest: Manifest) -> StoredTable | None:
    """The rows of a manifest under their own name; None where they have none.

    Raises:
        CorruptFileError: They are damaged there, and the file for people has other rows or is gone.
        OSError: They cannot be read.
    """
    own = files.rows_of(manifest.write_id)
    try:
        with own.open("rb") as file:
            seen = facts_of(file)
            if seen == manifest.parquet:
                return StoredTable(_frame(file), manifest, seen.xxh3_128)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if facts_at(files.parquet) == manifest.parquet:
        return None
    raise _differing(files, manifest, seen, own)


def _told_by_footer(files: DatasetFiles, file: BinaryIO, manifest: Manifest | None, seen: FileFacts) -> Manifest | None:
    """The manifest in the footer of a file that the stored one does not describe; None for a file that is not ours.

    Raises:
        CorruptFileError: The file should be of the publication that the manifest describes, or does not say of which it
            is.
    """
    try:
        if manifest is None and not footer_facts(file):
            return None
        truth = footer_manifest(file, seen)
        if manifest is None or truth.write_id != manifest.write_id:
            return truth
    except CorruptFileError as error:
        if manifest is None:
            raise _damaged(files, error) from error
    raise _differing(files, manifest, seen, files.parquet)


def _differing(files: DatasetFiles, manifest: Manifest, seen: FileFacts, path: Path) -> CorruptFileError:
    """Note that the file is not the one of the manifest; the error that says so."""
    damage = Damage(files.parquet.name, manifest.parquet.xxh3_128, seen.xxh3_128)
    note_damage(files, damage, path)
    return CorruptFileError(f"{files.parquet.parent}: {damage}; {_WAY_OUT}")


def _proven(files: DatasetFiles, file: BinaryIO, truth: Manifest | None, seen: FileFacts) -> StoredTable:
    """The table of a file whose rows are what its footer says; what is not of ours, or older, nothing can prove."""
    frame = _frame(file)
    if truth is not None and seen.xxh3_128 not in _PROVEN:
        is_comparable = footer_facts(file).get("hashed_by") == HASHED_BY + rule(frame.collect_schema())
        version = data_version(frame) if is_comparable else truth.data_version
        if version != truth.data_version:
            raise _damaged(files, f"its rows hash to {version}, and its footer says {truth.data_version}")
        _PROVEN.add(seen.xxh3_128)
    return StoredTable(frame, truth, seen.xxh3_128)


def _frame(file: BinaryIO) -> pl.LazyFrame:
    # Polars keeps the open file, so that the frame reads that file, whole, even if it is collected after another file
    # has taken its place. Scanned by path, the frame would read the new file by the footer of the old one.
    file.seek(0)
    return pl.scan_parquet(file)


def _manifest(files: DatasetFiles) -> Manifest | None:
    """The manifest; None without one, and for a damaged one, whose place the footer takes."""
    try:
        found = read_manifest_file(files.folder, files.dataset)
        return None if found is None else found.manifest
    except CorruptFileError:
        return None


def _damaged(files: DatasetFiles, reason: object) -> CorruptFileError:
    return CorruptFileError(f"{files.parquet} is damaged: {reason}; {_WAY_OUT}")
