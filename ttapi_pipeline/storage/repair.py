# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Finding and mending damage that a crash, a full disk, a failing disk or a person has done to stored files.

The Parquet file is the truth: manifest and CSV are made from it. One that is gone, or that somebody has replaced, is
put back from the same rows under their own name; see `own_rows`. Rows that are damaged themselves are made from the
CSV, if that has the bytes that were written. Publishing them: see `publish`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.core.csv_choice import CsvChoice
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.manifest import FileFacts, Manifest, with_damaged_file
from ttapi_pipeline.storage.claims import NOT_OURS, Claim, foreign_in
from ttapi_pipeline.storage.damage import Damage, note_damage
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.files import file_facts, remove_stale_files, stale_files
from ttapi_pipeline.storage.hashing import HASHED_BY, data_version, rule
from ttapi_pipeline.storage.layout import DatasetFiles, Folder
from ttapi_pipeline.storage.lock import DEFAULT_LOCK_TIMEOUT_SECONDS, is_lockable, locked
from ttapi_pipeline.storage.own_rows import MissingName, are_own_names_given, missing_name
from ttapi_pipeline.storage.parquet import scan_file
from ttapi_pipeline.storage.publish import publish_csv, publish_parquet, write_manifest
from ttapi_pipeline.storage.spreadsheet import scan_csv_back
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.verification import footer_facts, footer_manifest
from ttapi_pipeline.storage.versions.keeping import are_changes_kept, forget_rows, keep_whole
from ttapi_pipeline.storage.versions.recording import Recorder
from ttapi_pipeline.tables.older_types import in_types_of_now
from ttapi_pipeline.tables.schema import DatasetSchema

_OF_POLARS: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What Polars raises for a damaged file."""


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
    """What was found.

    Attributes:
        problems: What is wrong.
        rows: The Parquet file that was examined.
        truth: The manifest that the Parquet file gives; None when the file is not good.
        from_csv: The manifest of a publication whose Parquet file is damaged and whose CSV is good.
        seen: Size and hash of the Parquet file; None where there is none.
        csv_choice: Which rows the CSV is to have.
    """

    problems: list[Problem]
    rows: Path
    truth: Manifest | None
    from_csv: Manifest | None = None
    seen: FileFacts | None = None
    csv_choice: CsvChoice = CsvChoice.FULL


def check(
    folder: Folder,
    schema: DatasetSchema,
    *,
    lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS,
    csv_choice: CsvChoice | None = None,
) -> list[Problem]:
    """Examine a dataset's files and change nothing. The files are hashed, so each is read once.

    Args:
        folder: The data folder.
        schema: Of the dataset.
        lock_timeout_seconds: How long to wait for a writer.
        csv_choice: Which rows the CSV is to have; those that the manifest names by default.

    Raises:
        LockTimeoutError: A writer was not done in time.
        StorageError: The folder cannot be read.
    """
    return [*open_store(folder).check(schema, csv_choice=csv_choice, lock_timeout_seconds=lock_timeout_seconds)]


def check_files(
    folder: Path, schema: DatasetSchema, *, lock_timeout_seconds: float, csv_choice: CsvChoice | None
) -> list[Problem]:
    """As `check`, in a folder of this machine."""
    files = DatasetFiles.of(folder, schema.name)
    if not _is_anything_there(files):
        return []
    if foreign := _foreign(files):
        return foreign
    if not is_lockable(folder, schema.name):
        # A lock file stays for ever. Where there is none, nobody has ever written, as in a back-up that was restored.
        return _examine(files, schema, csv_choice, missing_name(files)).problems
    with locked(folder, schema.name, timeout_seconds=lock_timeout_seconds):
        return _examine(files, schema, csv_choice, missing_name(files)).problems


def repair(
    folder: Folder,
    schema: DatasetSchema,
    *,
    lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS,
    csv_choice: CsvChoice | None = None,
) -> list[Problem]:
    """Rebuild the manifest and the CSV from the Parquet file where they lag, and remove the files of dead writers.

    A damaged Parquet file is rebuilt from its CSV where that has every row and is as it was written. Arguments as of
    `check`.

    Returns:
        The problems that were found; the repairable ones are mended now.

    Raises:
        CorruptFileError: The Parquet file is damaged, and the CSV cannot take its place; it is left as it is.
        LockTimeoutError: A writer was not done in time.
        StorageError: The files cannot be read or written.
    """
    return [*open_store(folder).repair(schema, csv_choice=csv_choice, lock_timeout_seconds=lock_timeout_seconds)]


def repair_files(
    folder: Path, schema: DatasetSchema, *, lock_timeout_seconds: float, csv_choice: CsvChoice | None
) -> list[Problem]:
    """As `repair`, in a folder of this machine."""
    files = DatasetFiles.of(folder, schema.name)
    if not _is_anything_there(files):
        return []
    if foreign := _foreign(files):
        return foreign
    with locked(folder, schema.name, timeout_seconds=lock_timeout_seconds):
        missing = missing_name(files)
        if missing is not None:
            missing.give()
        examined = _examine(files, schema, csv_choice, missing)
        claim = Claim.of(files)
        remove_stale_files(files)
        if examined.from_csv is not None and examined.seen is not None:
            _restore(claim, schema, examined.from_csv, examined.seen, examined.csv_choice)
        elif examined.truth is None:
            damage = [str(problem) for problem in examined.problems if problem.path == files.parquet]
            if _exists(examined.rows):
                raise CorruptFileError("; ".join(damage))
        elif any(problem.path in (files.csv, files.manifest) for problem in examined.problems):
            truth = replace(examined.truth, csv_choice=examined.csv_choice)
            _name(files, truth)
            write_manifest(files, truth)
            publish_csv(claim, truth)
        return examined.problems


def _name(files: DatasetFiles, manifest: Manifest) -> None:
    """Give the rows that are about to be described by a manifest their own name."""
    if are_own_names_given(files):
        keep_whole(files.parquet, files.folder, manifest)


def _foreign(files: DatasetFiles) -> list[Problem]:
    """The files in the dataset's places that are not ours: they are named, and nothing is done to them."""
    return [Problem(files.dataset, path, NOT_OURS, is_repairable=False) for path in foreign_in(files)]


def _examine(
    files: DatasetFiles, schema: DatasetSchema, csv_choice: CsvChoice | None, missing: MissingName | None
) -> _Examined:
    problems: list[Problem] = []

    def found(path: Path, finding: str, *, is_repairable: bool = True) -> None:
        problems.append(Problem(files.dataset, path, finding, is_repairable))

    for path in stale_files(files):
        found(path, "was left by a writer that died")
    if missing is not None and missing.finding is not None:
        found(missing.target, missing.finding)
    manifest = None
    try:
        manifest = read_manifest(files.folder, files.dataset)
    except CorruptFileError as error:
        found(files.manifest, f"cannot be read: {error}")
    else:
        if manifest is None and _exists(files.parquet):
            found(files.manifest, "is gone")
    chosen = csv_choice or (CsvChoice.FULL if manifest is None else manifest.csv_choice)
    rows = files.parquet if missing is None else missing.source
    if manifest is not None and not _exists(rows):
        rows = files.rows_of(manifest.write_id)
    if not _exists(rows):
        if manifest is not None or _exists(files.csv):
            found(files.parquet, f"is gone; refresh {files.dataset}", is_repairable=False)
        return _Examined(problems, rows, None)
    # A large file takes seconds to be hashed.
    seen = _facts(rows)
    try:
        truth = _examine_parquet(files, rows, schema, manifest, seen)
    except CorruptFileError as error:
        _note(files, manifest, rows, seen)
        is_restorable = manifest is not None and _can_replace(files, manifest)
        way_out = f"refresh it with `tt refresh {files.dataset} --force`, or put a back-up in its place"
        if is_restorable:
            way_out = "the next `tt refresh`, or `tt doctor --repair`, makes it from its CSV, which is good"
        found(files.parquet, f"is damaged ({error}); {way_out}", is_repairable=is_restorable)
        return _Examined(problems, rows, None, manifest if is_restorable else None, seen, chosen)
    if manifest is not None and (manifest.write_id != truth.write_id or manifest.parquet != truth.parquet):
        found(files.manifest, "does not describe its Parquet file")
    if chosen is CsvChoice.OFF:
        if _exists(files.csv):
            found(files.csv, "is there, and TT_CSV=off wants none")
        elif manifest is not None and manifest.csv_choice is not chosen:
            found(files.manifest, "does not say that there is no CSV")
    elif manifest is not None and manifest.csv_choice is not chosen:
        found(files.csv, f"is that of TT_CSV={manifest.csv_choice}, and not of TT_CSV={chosen}")
    elif not _exists(files.csv):
        found(files.csv, "is gone")
    elif manifest is None or manifest.csv is None or manifest.write_id != truth.write_id:
        found(files.csv, "is not known to be of its Parquet file")
    elif not _is_as_written(files.csv, manifest.csv):
        found(files.csv, "is not what was written")
    return _Examined(problems, rows, truth, csv_choice=chosen)


def _examine_parquet(
    files: DatasetFiles, rows: Path, schema: DatasetSchema, manifest: Manifest | None, facts: FileFacts
) -> Manifest:
    """The manifest that the Parquet file with these facts gives; CorruptFileError when the file is damaged."""
    try:
        with rows.open("rb") as file:
            hashed_by = footer_facts(file).get("hashed_by")
            truth = footer_manifest(file, facts)
        if manifest is not None and manifest.parquet != facts and _is_misplaced(files, manifest, truth):
            raise CorruptFileError(str(Damage(files.parquet.name, manifest.parquet.xxh3_128, facts.xxh3_128)))
        if manifest is not None:
            # A footer does not say what its publication replaced.
            is_same = manifest.write_id == truth.write_id
            truth = replace(truth, after=manifest.after if is_same else manifest.write_id)
        frame = scan_file(rows)
        has_columns = in_types_of_now(frame, schema) is not None
    except OSError as error:
        raise storage_error(rows, error) from error
    except _OF_POLARS as error:
        raise CorruptFileError(str(error)) from error
    if not has_columns:
        raise CorruptFileError("its columns are not those of the dataset")
    if manifest is not None and manifest.parquet == facts:
        return truth
    # No manifest vouches for the file, so all of its rows are hashed.
    try:
        recomputed = data_version(frame)
    except _OF_POLARS as error:
        raise CorruptFileError(str(error)) from error
    if hashed_by == HASHED_BY + rule(schema.polars) and recomputed != truth.data_version:
        raise CorruptFileError(f"its rows hash to {recomputed}, and its footer says {truth.data_version}")
    return truth


def _is_misplaced(files: DatasetFiles, manifest: Manifest, truth: Manifest) -> bool:
    """Whether a whole Parquet file, which is not the one of the manifest, must not be taken for what is stored.

    A file as it was before stands where the CSV cannot take its place: rows of before are better than none.
    """
    if manifest.is_followed_by(truth):
        return False
    is_of_before = manifest.write_id != truth.write_id and manifest.provenance.dataset == truth.provenance.dataset
    return not is_of_before or _can_replace(files, manifest)


def _note(files: DatasetFiles, manifest: Manifest | None, rows: Path, seen: FileFacts) -> None:
    """Note damage of the Parquet file for the verdict, which does not hash files itself."""
    if manifest is not None and seen != manifest.parquet:
        note_damage(files, Damage(files.parquet.name, manifest.parquet.xxh3_128, seen.xxh3_128), rows)


def _restore(
    claim: Claim, schema: DatasetSchema, manifest: Manifest, damaged: FileFacts, csv_choice: CsvChoice
) -> None:
    """Make the Parquet file from the CSV. Whatever was built from the damaged file is built again."""
    files = claim.files
    provenance = with_damaged_file(manifest.provenance, damaged.xxh3_128)

    def unreadable(error: Exception) -> CorruptFileError:
        return CorruptFileError(f"{files.csv} does not read as {schema.name}: {error}")

    # The kept rows are in the same file, which is damaged. What is made now is kept by the next publication.
    forget_rows(files, manifest.write_id)
    with storage_errors(files.csv, of_polars=unreadable):
        rows = scan_csv_back(files.csv, schema)
        recorder = Recorder(files, schema, restored=manifest) if are_changes_kept(files) else None
        restored = publish_parquet(
            rows, schema, claim, provenance, is_sorted=True, csv_choice=csv_choice, recorder=recorder
        )
    _name(files, restored)
    write_manifest(files, restored)
    publish_csv(claim, restored)


def _can_replace(files: DatasetFiles, manifest: Manifest) -> bool:
    """Whether the Parquet file could be made from the CSV."""
    return manifest.is_csv_whole and _is_as_written(files.csv, manifest.csv)


def _is_as_written(path: Path, facts: FileFacts | None) -> bool:
    return facts is not None and _exists(path) and _facts(path) == facts


def _is_anything_there(files: DatasetFiles) -> bool:
    return any(_exists(path) for path in (files.parquet, files.csv, files.manifest)) or bool(stale_files(files))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise storage_error(path, error) from error


def _facts(path: Path) -> FileFacts:
    try:
        return file_facts(path)
    except OSError as error:
        raise storage_error(path, error) from error
