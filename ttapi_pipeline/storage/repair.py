# SPDX-License-Identifier: MIT
"""Finding and mending damage that a crash, a full disk or a person has done to stored files.

The Parquet file is the truth: manifest and CSV are made from it. Publishing them: see `publish`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import FileFacts, Manifest
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.files import file_facts, remove_stale_files, stale_files
from ttapi_pipeline.storage.footer import FOOTER_KEY
from ttapi_pipeline.storage.hashing import HASHED_BY, data_version
from ttapi_pipeline.storage.layout import DatasetFiles, Folder
from ttapi_pipeline.storage.lock import DEFAULT_LOCK_TIMEOUT_SECONDS, locked
from ttapi_pipeline.storage.parquet import scan_file
from ttapi_pipeline.storage.publish import manifest_from_footer, publish_csv, write_manifest
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.tables.schema import DatasetSchema


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a stored file.

    Attributes:
        dataset: The name of the dataset.
        path: The file.
        finding: What is wrong with the file, and the way out.
        is_repairable: Whether `repair` can mend it; otherwise only a refresh can.
    """

    dataset: str
    path: Folder
    finding: str
    is_repairable: bool = True

    def __str__(self) -> str:
        return f"{self.path} {self.finding}"


@dataclass(frozen=True, slots=True)
class _Examined:
    """The problems that were found, and the manifest that the Parquet file gives; None when the file is not good."""

    problems: list[Problem]
    truth: Manifest | None


def check(
    folder: Folder, schema: DatasetSchema, *, lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS
) -> list[Problem]:
    """Examine a dataset's files and change nothing. The files are hashed, so each is read once.

    Raises:
        LockTimeoutError: A writer was not done in time.
        StorageError: The folder cannot be read.
    """
    files = DatasetFiles.of(folder, schema.name)
    if not _is_anything_there(files):
        return []
    with locked(folder, schema.name, timeout_seconds=lock_timeout_seconds):
        return _examine(files, schema).problems


def repair(
    folder: Folder, schema: DatasetSchema, *, lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS
) -> list[Problem]:
    """Rebuild the manifest and the CSV from the Parquet file where they lag, and remove the files of dead writers.

    Returns:
        The problems that were found; the repairable ones are mended now.

    Raises:
        CorruptFileError: The Parquet file is damaged; it is left as it is.
        LockTimeoutError: A writer was not done in time.
        StorageError: The files cannot be read or written.
    """
    files = DatasetFiles.of(folder, schema.name)
    if not _is_anything_there(files):
        return []
    with locked(folder, schema.name, timeout_seconds=lock_timeout_seconds):
        examined = _examine(files, schema)
        remove_stale_files(files)
        if examined.truth is None:
            damage = [str(problem) for problem in examined.problems if problem.path == files.parquet]
            if _exists(files.parquet):
                raise CorruptFileError("; ".join(damage))
        elif any(problem.path in (files.csv, files.manifest) for problem in examined.problems):
            write_manifest(files, examined.truth)
            publish_csv(files, examined.truth)
        return examined.problems


def _examine(files: DatasetFiles, schema: DatasetSchema) -> _Examined:
    problems: list[Problem] = []

    def found(path: Folder, finding: str, *, is_repairable: bool = True) -> None:
        problems.append(Problem(files.dataset, path, finding, is_repairable))

    for path in stale_files(files):
        found(path, "was left by a writer that died")
    manifest = None
    try:
        manifest = read_manifest(files.folder, files.dataset)
    except CorruptFileError as error:
        found(files.manifest, f"cannot be read: {error}")
    else:
        if manifest is None and _exists(files.parquet):
            found(files.manifest, "is gone")
    if not _exists(files.parquet):
        if manifest is not None or _exists(files.csv):
            found(files.parquet, f"is gone; refresh {files.dataset}", is_repairable=False)
        return _Examined(problems, None)
    try:
        truth = _examine_parquet(files, schema, manifest)
    except CorruptFileError as error:
        way_out = f"refresh it with `tt refresh {files.dataset} --force`, or put a back-up in its place"
        found(files.parquet, f"is damaged ({error}); {way_out}", is_repairable=False)
        return _Examined(problems, None)
    if manifest is not None and (manifest.write_id != truth.write_id or manifest.parquet != truth.parquet):
        found(files.manifest, "does not describe its Parquet file")
    if not _exists(files.csv):
        found(files.csv, "is gone")
    elif manifest is None or manifest.csv is None or manifest.write_id != truth.write_id:
        found(files.csv, "is not known to be of its Parquet file")
    elif _facts(files.csv) != manifest.csv:
        found(files.csv, "is not what was written")
    return _Examined(problems, truth)


def _examine_parquet(files: DatasetFiles, schema: DatasetSchema, manifest: Manifest | None) -> Manifest:
    """The manifest that the Parquet file gives; CorruptFileError when the file is damaged."""
    facts = _facts(files.parquet)
    try:
        with files.parquet.open("rb") as file:
            footer: dict[str, Any] = json.loads(pl.read_parquet_metadata(file)[FOOTER_KEY])
        truth = manifest_from_footer(footer, facts)
        frame = scan_file(files.parquet)
        actual = frame.collect_schema()
    except OSError as error:
        raise storage_error(files.parquet, error) from error
    except pl.exceptions.PolarsError as error:
        raise CorruptFileError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(f"its footer lacks the facts of a published dataset: {error!r}") from error
    if actual != schema.polars:
        raise CorruptFileError("its columns are not those of the dataset")
    if manifest is not None and manifest.write_id == truth.write_id and manifest.parquet == facts:
        return truth
    # No manifest vouches for the file, so all of its rows are hashed.
    try:
        recomputed = data_version(frame)
    except pl.exceptions.PolarsError as error:
        raise CorruptFileError(str(error)) from error
    if footer.get("hashed_by") == HASHED_BY and recomputed != truth.data_version:
        raise CorruptFileError(f"its rows hash to {recomputed}, and its footer says {truth.data_version}")
    return truth


def _is_anything_there(files: DatasetFiles) -> bool:
    return any(_exists(path) for path in (files.parquet, files.csv, files.manifest)) or bool(stale_files(files))


def _exists(path: Folder) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise storage_error(path, error) from error


def _facts(path: Folder) -> FileFacts:
    try:
        return file_facts(path)
    except OSError as error:
        raise storage_error(path, error) from error
