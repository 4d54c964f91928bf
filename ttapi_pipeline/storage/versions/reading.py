# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The publications of a dataset, and the table as it was known at an instant. Keeping them: see `keeping`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.layout import DatasetFiles, Folder
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.stored import footer_has, read_manifest
from ttapi_pipeline.storage.versions.log import Publication, PublicationLog
from ttapi_pipeline.storage.versions.steps import Trail, steps_of, trails

if TYPE_CHECKING:
    from ttapi_pipeline.storage.table import StoredTable
    from ttapi_pipeline.tables.schema import DatasetSchema

_ATTEMPTS: Final = 20

_UNKNOWN: Final = ""
"""The hash of a stored file that no manifest describes; see `verification.stored_footer`."""


@dataclass(frozen=True, slots=True)
class Version:
    """A publication as it can be read now.

    Attributes:
        publication: What was published, when and why.
        file: The Parquet file with its rows, or with those that `trail` leads back from; None when they are not kept.
        written_by: The manifest of the publication that wrote the file: this one's, that of one with the same rows, or
            of a later one with a trail.
        is_current: Whether it is what is stored now.
        trail: The changes between this publication and the one that wrote the file; None where there are none.
        is_before_loss: Whether a publication between it and the next one that is known has been lost.
        is_after_loss: Whether the publication that it replaced has been lost.
    """

    publication: Publication
    file: Folder | None
    written_by: Manifest
    is_current: bool
    trail: Trail | None = None
    is_before_loss: bool = False
    is_after_loss: bool = False

    @property
    def manifest(self) -> Manifest:
        """Facts of the publication."""
        return self.publication.manifest

    @property
    def known_at(self) -> datetime:
        """When readers could see its rows."""
        return self.publication.known_at

    def files(self) -> Sequence[Folder]:
        """The files that its rows are read from; none when they are not kept."""
        if self.file is None:
            return []
        return [self.file, *(step.path for step in (self.trail.steps() if self.trail else ()))]


def versions(folder: Folder, dataset: str) -> Sequence[Version]:
    """Every publication of a dataset that is known, oldest first.

    What is stored now is the last one, also where the log does not have it: a writer was killed, or an earlier version
    of the program wrote it. Kept rows whose line in the log is damaged are known by the footer of their file. A line
    that is lost without them is noticed by the line after it.

    Raises:
        StorageError: The log or the manifest cannot be read.
        CorruptFileError: The manifest is damaged.
    """
    return open_store(folder).versions(dataset)


def versions_in(folder: Path, dataset: str) -> Sequence[Version]:
    """As `versions`, in a folder of this machine."""
    files = DatasetFiles.of(folder, dataset)
    manifest = read_manifest(folder, dataset)
    logged = PublicationLog.of(folder, dataset).read()
    if manifest is not None and manifest.write_id not in {each.manifest.write_id for each in logged}:
        logged.append(Publication.of(manifest, rows_of=manifest.write_id))
    logged += _of_footers(folder, dataset, {each.manifest.write_id for each in logged})
    after_losses = _after_losses(logged)
    before_losses = _before_losses(logged, after_losses)
    current = None if manifest is None else manifest.write_id
    # The clock may have been set back in between.
    logged.sort(key=lambda each: (each.manifest.write_id == current, each.known_at))
    kept = _Kept.of(folder, files, logged, manifest)
    found = [_version(each, kept, is_current=each.manifest.write_id == current) for each in logged]
    return [
        replace(
            each,
            is_before_loss=each.manifest.write_id in before_losses,
            is_after_loss=each.manifest.write_id in after_losses,
        )
        for each in found
    ]


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
        CorruptFileError: What was known then is lost, or may be.
    """
    if found and not found[-1].manifest.provenance.is_simulated:
        found = [each for each in found if not each.manifest.provenance.is_simulated]
    before = [each for each in found if each.known_at <= instant]
    if not before:
        since = f"it is known since {found[0].known_at.isoformat(timespec='seconds')}" if found else "it is not stored"
        if found and found[0].is_after_loss:
            raise CorruptFileError(
                f"the log of {dataset}'s publications has lost its lines: what was published before "
                f"{found[0].known_at.isoformat(timespec='seconds')} is not known any more"
            )
        raise ConfigError(f"nothing was known of {dataset} at {instant.isoformat(timespec='seconds')}: {since}")
    newest = max(before, key=lambda each: each.known_at)
    later = [each.known_at for each in found if each.known_at > newest.known_at]
    if newest.is_before_loss and newest.known_at < instant and later:
        first, last = (each.isoformat(timespec="seconds") for each in (newest.known_at, min(later)))
        raise CorruptFileError(
            f"a line of the log of {dataset}'s publications is damaged or gone: what was published after {first} and "
            f"before {last} is lost; name one of the two for what was known then"
        )
    return newest


def _after_losses(found: Sequence[Publication]) -> Collection[str]:
    """The publications that replaced one which is not known any more: its line was damaged, or the log was cut."""
    ids = {each.manifest.write_id for each in found}
    return {each.manifest.write_id for each in found if each.after is not None and each.after not in ids}


def _before_losses(found: Sequence[Publication], after_losses: Collection[str]) -> Collection[str]:
    """The publications after which one is lost, up to the next one that is known; those of a log in its order."""
    lost = set()
    for each in found:
        if each.manifest.write_id not in after_losses:
            continue
        earlier = [other for other in found if other.known_at < each.known_at]
        if earlier:
            lost.add(max(earlier, key=lambda other: other.known_at).manifest.write_id)
    return lost


def open_version(folder: Folder, schema: DatasetSchema, version: Version) -> StoredTable:
    """The rows of a publication, with the columns that the dataset had then, sorted as they were stored.

    Of estimates, the digits that count are there, also while a version has not been packed: it is the same table
    whenever it is read. A text that is a list of numbers in the schema of now is that list. A publication in between
    does not disturb it.

    Raises:
        StorageError: Its rows are not kept; the message names the nearest that are.
        CorruptFileError: The kept file has other bytes than were written.
    """
    return open_store(folder).open_version(schema, version)


def open_version_file(folder: Path, schema: DatasetSchema, version: Version) -> StoredTable:
    """As `open_version`, in a folder of this machine."""
    from ttapi_pipeline.storage.errors import storage_errors  # noqa: PLC0415 - the list of versions needs no Polars

    write_id = version.manifest.write_id
    for _ in range(_ATTEMPTS):
        if not isinstance(version.file, Path):
            break
        try:
            with storage_errors(version.file), version.file.open("rb") as file:
                table = _opened(file, schema, version)
        except StorageError:
            # A file can have been removed since it was looked up, because the rows are kept in another way now.
            if all(path.exists() for path in version.files() if isinstance(path, Path)):
                raise
            table = None
        if table is not None:
            return table
        version = next(each for each in versions(folder, schema.name) if each.manifest.write_id == write_id)
    raise StorageError(not_kept(schema.name, version, versions(folder, schema.name)))


def _opened(file: BinaryIO, schema: DatasetSchema, version: Version) -> StoredTable | None:
    """The rows of a publication; None when the file is that of a publication after the version was looked up."""
    import polars as pl  # noqa: PLC0415 - the list of versions needs no Polars

    from ttapi_pipeline.storage.table import StoredTable  # noqa: PLC0415 - see above
    from ttapi_pipeline.storage.verification import facts_of  # noqa: PLC0415 - see above
    from ttapi_pipeline.storage.versions.restoring import led_back  # noqa: PLC0415 - see above
    from ttapi_pipeline.tables.older_types import in_types_of_now  # noqa: PLC0415 - see above
    from ttapi_pipeline.tables.rounding import rounded  # noqa: PLC0415 - see above

    seen, written = facts_of(file), version.written_by.parquet
    if written.xxh3_128 == _UNKNOWN:
        _prove(file, version.written_by)
    elif seen != written:
        if _is_of_another(file, version.written_by):
            return None
        raise CorruptFileError(
            f"{version.file} is damaged: it has XXH3-128 {seen.xxh3_128}, and {written.xxh3_128} was written; this "
            "version is lost, and others are not touched by it"
        )
    file.seek(0)
    frame = rounded(pl.scan_parquet(file))
    if version.trail is not None:
        frame = led_back(frame, list(version.trail.steps()), schema.key)
    of_now = in_types_of_now(frame, schema)
    return StoredTable(frame if of_now is None else of_now, version.manifest, seen.xxh3_128)


def _is_of_another(file: BinaryIO, manifest: Manifest) -> bool:
    """Whether an open file, which is not the one of the manifest, is sound and of another publication."""
    from ttapi_pipeline.storage.verification import footer_manifest  # noqa: PLC0415 - for a rare case

    try:
        return footer_manifest(file, manifest.parquet).write_id != manifest.write_id
    except CorruptFileError:
        return False


def _prove(file: BinaryIO, written_by: Manifest) -> None:
    """Compare the rows of an open file that no manifest describes with its footer, where this program can."""
    import polars as pl  # noqa: PLC0415 - see above

    from ttapi_pipeline.storage.hashing import HASHED_BY, data_version, rule  # noqa: PLC0415 - see above
    from ttapi_pipeline.storage.verification import footer_facts  # noqa: PLC0415 - see above

    is_comparable = footer_facts(file).get("hashed_by") == HASHED_BY + rule(written_by.schema)
    file.seek(0)
    if is_comparable and data_version(pl.scan_parquet(file)) != written_by.data_version:
        raise CorruptFileError(f"{written_by.provenance.dataset} is damaged: its rows are not those of its footer")


@dataclass(frozen=True, slots=True)
class _WholeFile:
    """A publication whose rows are in a file."""

    publication: Publication
    file: Path


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a dataset.

    Attributes:
        by_rows: The publications with a file of their own, oldest first, by data version; those with the same rows
            share a file.
        heads: The same, and the publication that the stored Parquet file is of, by write id.
        trails: The way from a head to each publication that can be read, by write id.
    """

    by_rows: Mapping[str, Sequence[_WholeFile]]
    heads: Mapping[str, _WholeFile]
    trails: Mapping[str, Trail]

    @classmethod
    def of(cls, folder: Path, files: DatasetFiles, known: Sequence[Publication], manifest: Manifest | None) -> _Kept:
        """Look at what is there.

        Args:
            folder: The data folder.
            files: Of the dataset.
            known: Its publications, oldest first.
            manifest: The stored one.
        """
        paths = {path.stem: path for path in (folder / files.dataset).glob("*.parquet")}
        by_rows: dict[str, list[_WholeFile]] = {}
        heads = {}
        for each in known:
            path = paths.get(each.manifest.write_id)
            if path is not None:
                heads[each.manifest.write_id] = whole = _WholeFile(each, path)
                by_rows.setdefault(each.manifest.data_version, []).append(whole)
        stored = _stored_file(files, manifest)
        if stored is not None:
            heads.setdefault(stored.publication.manifest.write_id, stored)
        return cls(by_rows, heads, trails(steps_of(folder, files.dataset), heads))


def _stored_file(files: DatasetFiles, manifest: Manifest | None) -> _WholeFile | None:
    """The publication that the stored Parquet file is of; None where there is none that can be told."""
    path = files.parquet if manifest is None else files.rows_file(manifest.write_id)
    if manifest is not None and footer_has(path, manifest.write_id):
        return _WholeFile(Publication.of(manifest, rows_of=manifest.write_id), path)
    # Between its Parquet file and its manifest, the next publication may have been cut short.
    from ttapi_pipeline.storage.verification import stored_footer  # noqa: PLC0415 - after a crash alone

    try:
        footer = stored_footer(path)
    except CorruptFileError:
        return None
    return None if footer is None else _WholeFile(Publication.of(footer, rows_of=footer.write_id), path)


def _version(publication: Publication, kept: _Kept, *, is_current: bool) -> Version:
    manifest = publication.manifest
    for each in reversed(kept.by_rows.get(manifest.data_version, ())):
        if _has_rows_of(each.publication, publication):
            return Version(publication, each.file, each.publication.manifest, is_current)
    trail = kept.trails.get(manifest.write_id) or kept.trails.get(publication.rows_of or manifest.write_id)
    if trail is None:
        return Version(publication, None, manifest, is_current)
    head = kept.heads[trail.head]
    return Version(
        publication,
        head.file,
        head.publication.manifest,
        is_current,
        trail=trail if trail.step is not None else None,
    )


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


def not_kept(dataset: str, version: Version, known: Sequence[Version]) -> str:
    """What to say of a publication without rows."""
    kept = [each.known_at for each in known if each.file is not None]
    before = [at for at in kept if at < version.known_at]
    after = [at for at in kept if at > version.known_at]
    nearest = [f"the last before it is of {max(before).isoformat(timespec='seconds')}"] if before else []
    nearest += [f"the next after it is of {min(after).isoformat(timespec='seconds')}"] if after else []
    return (
        f"the rows of {dataset} of {version.known_at.isoformat(timespec='seconds')} are not kept"
        f"{'; ' if nearest else ''}{', '.join(nearest)}"
    )
