# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Comparing stored files with the hashes in their manifests, before their rows reach a table or a screen.

A file is hashed once per process: as long as it is the same file with the same size and times, its hash is known. What
is found damaged is noted, see `damage`. Opening a table whose file is verified: see `scan`.

No Polars, since `tt refresh` verifies files before it knows whether a run is needed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

from ttapi_pipeline.core.errors import CorruptFileError, LockTimeoutError, StorageError
from ttapi_pipeline.core.manifest import FileFacts, Manifest
from ttapi_pipeline.storage.damage import Damage, note_damage
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.files import hashed
from ttapi_pipeline.storage.footer import FOOTER_KEY
from ttapi_pipeline.storage.incremental.row_groups import read_footer
from ttapi_pipeline.storage.layout import DatasetFiles, Folder
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.stored import read_manifest

_KNOWN: Final[dict[tuple[int, ...], FileFacts]] = {}
"""Size and hash of the files that this process has read, by what changes when a file is written."""


def facts_of(file: IO[bytes]) -> FileFacts:
    """Size and XXH3-128 of an open file, which is read once per process; the position is at its start then.

    Raises:
        OSError: It cannot be read.
    """
    identity = _identity(file)
    known = None if identity is None else _KNOWN.get(identity)
    if known is None:
        file.seek(0)
        known = hashed(file)
        if identity is not None and identity == _identity(file):
            _KNOWN[identity] = known
    file.seek(0)
    return known


def footer_facts(file: BinaryIO) -> dict[str, Any]:
    """The facts that the footer of an open Parquet file repeats; empty where the footer has none of ours.

    Raises:
        CorruptFileError: It is not a Parquet file, or its facts are no JSON object.
        OSError: It cannot be read.
    """
    footer, _ = read_footer(file)
    text = footer.key_values.get(FOOTER_KEY.encode())
    if text is None:
        return {}
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise CorruptFileError(f"its footer cannot be read: {error}") from error


def footer_manifest(file: BinaryIO, facts: FileFacts) -> Manifest:
    """The manifest that the footer of an open Parquet file gives, without a CSV.

    Args:
        file: The open file.
        facts: Its size and hash.

    Raises:
        CorruptFileError: Its footer has no facts of a published dataset, or differs from its checksum.
        OSError: It cannot be read.
    """
    try:
        return Manifest.from_footer(footer_facts(file), facts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(f"its footer lacks the facts of a published dataset: {error!r}") from error


def stored_footer(path: Path) -> Manifest | None:
    """The manifest in the footer of a Parquet file, with its size and no hash; None when there is no file.

    Raises:
        CorruptFileError: As `footer_manifest`.
        StorageError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return footer_manifest(file, FileFacts(bytes=file.seek(0, os.SEEK_END), xxh3_128=""))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(path, error) from error


def find_damage(folder: Folder, dataset: str, *, most_csv_bytes: int | None = None) -> Sequence[Damage]:
    """Hash the files of a dataset that this process has not read yet, and note what is damaged.

    Args:
        folder: The data folder. In an object store no file is read for it: the store itself compares what it gives out
            with what it was given.
        dataset: The name of a dataset, or of a table that is published with one.
        most_csv_bytes: The CSV is left out when it is larger; None verifies it in any case.

    Raises:
        StorageError: The manifest cannot be read.
    """
    return open_store(folder).find_damage(dataset, most_csv_bytes=most_csv_bytes)


def find_damaged_files(folder: Path, dataset: str, *, most_csv_bytes: int | None = None) -> Sequence[Damage]:
    """As `find_damage`, in a folder of this machine."""
    files = DatasetFiles.of(folder, dataset)
    if not list(_differing(files, most_csv_bytes)):
        return []
    from ttapi_pipeline.storage.lock import locked  # noqa: PLC0415 - for damage alone

    try:
        # A writer may have replaced the file between the two reads. Under the lock, no writer does.
        with locked(folder, dataset, timeout_seconds=0.0):
            found = list(_differing(files, most_csv_bytes))
    except LockTimeoutError:
        # The file is being replaced.
        return []
    except StorageError:
        # A folder that this user can read and not write has no writer either.
        found = list(_differing(files, most_csv_bytes))
    for damage, path in found:
        note_damage(files, damage, path)
    return [damage for damage, _ in found]


def _differing(files: DatasetFiles, most_csv_bytes: int | None) -> Iterator[tuple[Damage, Path]]:
    """The files that differ from the manifest; a publication that was cut short is not taken for damage.

    Of the rows, the file that is read is compared. What became of the one for people beside it is no damage.
    """
    try:
        manifest = read_manifest(files.folder, files.dataset)
    except CorruptFileError:
        return
    if manifest is None:
        return
    rows = files.rows_file(manifest.write_id)
    seen = facts_at(rows)
    if seen is not None and seen != manifest.parquet:
        if rows == files.parquet and is_of_a_later_publication(rows, manifest):
            return
        yield Damage(files.parquet.name, manifest.parquet.xxh3_128, seen.xxh3_128), rows
    csv = manifest.csv
    if csv is None or (most_csv_bytes is not None and csv.bytes > most_csv_bytes):
        return
    seen = facts_at(files.csv)
    if seen is not None and seen != csv:
        yield Damage(files.csv.name, csv.xxh3_128, seen.xxh3_128), files.csv


def is_of_a_later_publication(path: Path, manifest: Manifest) -> bool:
    """Whether the footer, which has a checksum of its own, names a publication after the one of the manifest."""
    try:
        with path.open("rb") as file:
            return manifest.is_followed_by(footer_manifest(file, manifest.parquet))
    except (OSError, CorruptFileError):
        return False


def facts_at(path: Path) -> FileFacts | None:
    """Size and hash; None for a file that is gone or cannot be read, as its reader will say."""
    try:
        with path.open("rb") as file:
            return facts_of(file)
    except OSError:
        return None


def _identity(file: IO[bytes]) -> tuple[int, ...] | None:
    """What changes when a file is written or replaced; None for bytes in memory."""
    try:
        found = os.fstat(file.fileno())
    except (OSError, AttributeError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
