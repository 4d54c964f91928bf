# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The publications of a dataset, and the table as it was known at an instant. Keeping them: see `keeping`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.layout import DatasetFiles, Folder
from ttapi_pipeline.storage.stored import footer_has, read_manifest
from ttapi_pipeline.storage.versions.log import Publication, PublicationLog

if TYPE_CHECKING:
    from ttapi_pipeline.storage.table import StoredTable
    from ttapi_pipeline.tables.schema import DatasetSchema


@dataclass(frozen=True, slots=True)
class Version:
    """A publication as it can be read now.

    Attributes:
        publication: What was published, when and why.
        file: The Parquet file with its rows; None when they are not kept.
        written_by: The manifest of the publication that wrote the file: this one's, or that of one with the same rows.
        is_current: Whether it is what is stored now.
    """

    publication: Publication
    file: Path | None
    written_by: Manifest
    is_current: bool

    @property
    def manifest(self) -> Manifest:
        """Facts of the publication."""
        return self.publication.manifest

    @property
    def known_at(self) -> datetime:
        """When readers could see its rows."""
        return self.publication.known_at


def versions(folder: Folder, dataset: str) -> Sequence[Version]:
    """Every publication of a dataset that is known, oldest first.

    What is stored now is the last one, also where the log does not have it: a writer was killed, or an earlier version
    of the program wrote it. Kept rows whose line in the log is damaged are known by the footer of their file.

    Raises:
        StorageError: The log or the manifest cannot be read, or the data is not on this machine's disk.
        CorruptFileError: The manifest is damaged.
    """
    if not isinstance(folder, Path):
        raise StorageError(f"{folder}: versions are kept on a local disk alone, and {dataset} is in an object store")
    files = DatasetFiles.of(folder, dataset)
    manifest = read_manifest(folder, dataset)
    logged = PublicationLog.of(folder, dataset).read()
    known = {each.manifest.write_id for each in logged}
    logged += _of_footers(folder, dataset, known)
    if manifest is not None and manifest.write_id not in {each.manifest.write_id for each in logged}:
        logged.append(Publication.of(manifest, rows_of=manifest.write_id))
    current = None if manifest is None else manifest.write_id
    # The clock may have been set back in between.
    logged.sort(key=lambda each: (each.manifest.write_id == current, each.known_at))
    kept = _kept(folder, dataset, logged)
    return [_version(files, each, kept, is_current=each.manifest.write_id == current) for each in logged]


def version_at(folder: Folder, dataset: str, instant: datetime) -> Version:
    """The publication that readers saw at an instant; see `known_at`.

    Raises:
        ConfigError: As for `known_at`.
        StorageError, CorruptFileError: As for `versions`.
    """
    return known_at(versions(folder, dataset), dataset, instant)


def known_at(found: Sequence[Version], dataset: str, instant: datetime) -> Version:
    """The version, of those that `versions` gave, that readers saw at an instant.

    Invented rows are no knowledge: where real rows are stored now, simulated publications before them do not count.

    Raises:
        ConfigError: Nothing was known by then; the message says since when something is.
    """
    if found and not found[-1].manifest.provenance.is_simulated:
        found = [each for each in found if not each.manifest.provenance.is_simulated]
    before = [each for each in found if each.known_at <= instant]
    if not before:
        since = f"it is known since {found[0].known_at.isoformat(timespec='seconds')}" if found else "it is not stored"
        raise ConfigError(f"nothing was known of {dataset} at {instant.isoformat(timespec='seconds')}: {since}")
    return max(before, key=lambda each: each.known_at)


def open_version(folder: Folder, schema: DatasetSchema, version: Version) -> StoredTable:
    """The rows of a publication, with the columns that the dataset had then, sorted as they were stored.

    A text that is a list of numbers in the schema of now is that list.

    Raises:
        StorageError: Its rows are not kept; the message names the nearest that are.
        CorruptFileError: The kept file has other bytes than were written.
    """
    import polars as pl  # noqa: PLC0415 - the list of versions needs no Polars

    from ttapi_pipeline.storage.errors import storage_errors  # noqa: PLC0415 - see above
    from ttapi_pipeline.storage.table import StoredTable  # noqa: PLC0415 - see above
    from ttapi_pipeline.storage.verification import facts_of  # noqa: PLC0415 - see above
    from ttapi_pipeline.tables.older_types import in_types_of_now  # noqa: PLC0415 - see above

    if version.file is None:
        raise StorageError(_not_kept(schema.name, version, versions(folder, schema.name)))
    with storage_errors(version.file), version.file.open("rb") as file:
        seen, written = facts_of(file), version.written_by.parquet
        if seen != written:
            raise CorruptFileError(
                f"{version.file} is damaged: it has XXH3-128 {seen.xxh3_128}, and {written.xxh3_128} was written; this "
                "version is lost, and others are not touched by it"
            )
        frame = pl.scan_parquet(file)
        of_now = in_types_of_now(frame, schema)
        return StoredTable(frame if of_now is None else of_now, version.manifest, seen.xxh3_128)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A publication whose rows are in a file of its own."""

    publication: Publication
    file: Path


def _kept(folder: Path, dataset: str, known: Sequence[Publication]) -> Mapping[str, Sequence[_Kept]]:
    """What is kept, oldest first, by data version; publications with the same rows share a file."""
    files = {path.stem: path for path in (folder / dataset).glob("*.parquet")}
    found: dict[str, list[_Kept]] = {}
    for each in known:
        file = files.get(each.manifest.write_id)
        if file is not None:
            found.setdefault(each.manifest.data_version, []).append(_Kept(each, file))
    return found


def _version(
    files: DatasetFiles, publication: Publication, kept: Mapping[str, Sequence[_Kept]], *, is_current: bool
) -> Version:
    manifest = publication.manifest
    for each in reversed(kept.get(manifest.data_version, ())):
        if _has_rows_of(each.publication, publication):
            return Version(publication, each.file, each.publication.manifest, is_current)
    # Between its Parquet file and its manifest, the next publication may have been cut short.
    stored = files.parquet
    if is_current and isinstance(stored, Path) and footer_has(stored, manifest.write_id):
        return Version(publication, stored, manifest, is_current)
    return Version(publication, None, manifest, is_current)


def _has_rows_of(kept: Publication, publication: Publication) -> bool:
    """Whether a publication with the same rows as another one was made no later, whatever the clock said."""
    return kept.manifest.write_id == publication.rows_of or kept.known_at <= publication.known_at


def _of_footers(folder: Path, dataset: str, known: Collection[str]) -> list[Publication]:
    """The publications of kept files that are not known, as their footers tell them; others are left out."""
    from ttapi_pipeline.storage.files import file_facts  # noqa: PLC0415 - for a damaged log alone
    from ttapi_pipeline.storage.verification import footer_manifest  # noqa: PLC0415 - see above

    found = []
    for path in sorted((folder / dataset).glob("*.parquet")):
        if path.stem in known:
            continue
        try:
            with path.open("rb") as file:
                manifest = footer_manifest(file, file_facts(path))
        except (OSError, CorruptFileError):
            continue
        if manifest.write_id == path.stem and manifest.provenance.dataset == dataset:
            found.append(Publication.of(manifest, rows_of=manifest.write_id))
    return found


def _not_kept(dataset: str, version: Version, known: Sequence[Version]) -> str:
    kept = [each.known_at for each in known if each.file is not None]
    before = [at for at in kept if at < version.known_at]
    after = [at for at in kept if at > version.known_at]
    nearest = [f"the last before it is of {max(before).isoformat(timespec='seconds')}"] if before else []
    nearest += [f"the next after it is of {min(after).isoformat(timespec='seconds')}"] if after else []
    return (
        f"the rows of {dataset} of {version.known_at.isoformat(timespec='seconds')} are not kept"
        f"{'; ' if nearest else ''}{', '.join(nearest)}"
    )
