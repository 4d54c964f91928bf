# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Keeping the rows of publications, and removing those that a dataset's policy does not keep.

Everything here is called under the dataset's lock, before and after a publication: what is stored is kept before it is
replaced, so that a writer that was killed, or an earlier version of the program, has lost nothing. Changes of rows are
in `recording`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.core.files import put_in_place, staging, sync
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.sessions import NEW_YORK, previous_session, session_hours, session_on_or_before
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.files import file_facts
from ttapi_pipeline.storage.layout import DatasetFiles
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.versions.log import Publication, PublicationLog
from ttapi_pipeline.storage.versions.steps import steps_of, trails

LOOKED_AT: Final = 50
"""Publications before the newest ones that are looked at for what may go: every publication looks."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Which publications of a dataset keep their rows.

    Attributes:
        keeps: The policy of the dataset.
        newest: How many of the newest with different rows stay in any case.
        most_bytes: Room for the versions of all datasets together; see `budget`. None for any.
    """

    keeps: Keeps
    newest: int
    most_bytes: int | None = None


def version_file(folder: Path, dataset: str, write_id: str) -> Path:
    """Where the rows of a publication are kept."""
    return DatasetFiles.of(folder, dataset).rows_of(write_id)


def keep_stored(files: DatasetFiles, retention: Retention | None, *, after_seconds: float = 0.0) -> None:
    """Enter what is stored now into the log, and keep its rows if the policy does; nothing, if that has been done.

    Nothing happens for a table without a policy, and where nothing whole is stored.

    Args:
        files: Of the dataset.
        retention: Its policy.
        after_seconds: The time from the end of the computation until the rows were stored.

    Raises:
        StorageError: The rows cannot be kept, or the log cannot be written.
    """
    folder = files.folder
    if retention is None:
        return
    try:
        manifest = read_manifest(folder, files.dataset)
    except CorruptFileError:
        return
    rows = None if manifest is None else files.rows_file(manifest.write_id)
    if manifest is None or rows is None or not _is_of(rows, manifest):
        return
    log = PublicationLog.of(folder, files.dataset)
    newest = log.newest()
    if newest is not None and newest.manifest.write_id == manifest.write_id:
        return
    rows_of = None
    if retention.keeps is not Keeps.CHANGES:
        rows_of = _kept_before(folder, files.dataset, newest, manifest) or keep_whole(rows, folder, manifest)
    entry = Publication.of(manifest, rows_of=rows_of, after_seconds=after_seconds)
    # A manifest of an earlier version of the program does not say what it replaced.
    log.append(replace(entry, after=entry.after or (None if newest is None else newest.manifest.write_id)))
    if retention.keeps is Keeps.CHANGES:
        _remove_replaced(files, manifest, newest)
    else:
        _remove_second_names(files, log, manifest)
    if retention.keeps is Keeps.LAST_OF_SESSION:
        _prune(folder, files.dataset, log, retention.newest)


def forget_rows(files: DatasetFiles, write_id: str) -> None:
    """Remove the rows of a publication whose file was found damaged, durably: nobody may read them any more.

    Raises:
        StorageError: They cannot be removed.
    """
    path = version_file(files.folder, files.dataset, write_id)
    if not path.exists():
        return
    _remove(path)
    try:
        sync(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error


def are_changes_kept(files: DatasetFiles) -> bool:
    """Whether the dataset's last publication was one whose changes of rows are kept, and not its rows.

    Raises:
        StorageError: The log cannot be read.
    """
    newest = PublicationLog.of(files.folder, files.dataset).newest()
    return newest is not None and newest.rows_of is None


def session_of(instant: datetime) -> date:
    """The session that an instant belongs to: the last one that had opened by then, nights and weekends included.

    A state that was fetched before the open of a session is the last one of the session before.

    Raises:
        ValueError: The instant is outside of the packaged calendar.
    """
    session = session_on_or_before(instant.astimezone(NEW_YORK).date())
    return session if session_hours(session).opens_at <= instant else previous_session(session)


def session_at(instant: datetime) -> date:
    """As `session_of`; outside of the packaged calendar (a clock that was never set) each day counts as a session."""
    try:
        return session_of(instant)
    except ValueError:
        return instant.date()


def removable(publications: Sequence[Publication], newest: int) -> list[str]:
    """The publications whose rows may go under LAST_OF_SESSION.

    Args:
        publications: Oldest first; the last one is what is stored now.
        newest: How many of the newest with different rows stay in any case.

    Returns:
        Write ids. Never among them: what is stored now, and the rows that were the last of some session.
    """
    ordered = list(dict.fromkeys(each.rows_of for each in publications if each.rows_of is not None))
    last = {session_of_publication(each): each.rows_of for each in publications if each.rows_of is not None}
    stays = {*ordered[max(0, len(ordered) - newest) :], *ordered[-1:], *last.values()}
    return [write_id for write_id in ordered if write_id not in stays]


def without_leading(folder: Path, dataset: str, write_ids: Sequence[str]) -> Iterator[str]:
    """Those of some publications that no other version is packed against, or led to from.

    A clock that was set back gives a session that is over another last publication.
    """
    leading = {step.after for step in steps_of(folder, dataset)} if write_ids else set()
    return (write_id for write_id in write_ids if write_id not in leading)


def session_of_publication(publication: Publication) -> date:
    """The session that a publication belongs to, also outside of the packaged calendar."""
    return session_at(publication.known_at)


def _is_of(parquet: Path, manifest: Manifest) -> bool:
    """Whether a file can be the one of a manifest; its bytes are compared when it is read."""
    try:
        return parquet.stat().st_size == manifest.parquet.bytes
    except OSError:
        return False


def _kept_before(folder: Path, dataset: str, newest: Publication | None, manifest: Manifest) -> str | None:
    """The kept publication with the same rows as this one, if the one before this one has them."""
    if newest is None or newest.rows_of is None or newest.manifest.data_version != manifest.data_version:
        return None
    return newest.rows_of if version_file(folder, dataset, newest.rows_of).exists() else None


def keep_whole(parquet: Path, folder: Path, manifest: Manifest) -> str:
    """Give the Parquet file of a publication a second name; where the file system has no links, make a copy.

    Returns:
        The write id of the publication.

    Raises:
        StorageError: Neither can be made.
    """
    target = version_file(folder, manifest.provenance.dataset, manifest.write_id)
    try:
        target.parent.mkdir(exist_ok=True)
        sync(folder)
        try:
            os.link(parquet, target)
            sync(target.parent)
        except FileExistsError:
            return manifest.write_id
        except OSError:
            with staging(target) as path:
                shutil.copy(parquet, path)
                put_in_place(path, target)
    except OSError as error:
        raise storage_error(target, error) from error
    return manifest.write_id


def _remove_replaced(files: DatasetFiles, manifest: Manifest, before: Publication | None) -> None:
    """Remove the own names of earlier publications that nothing is read from any more.

    They are those that changes lead back to from what is stored; and the one before, if it was invented and this one is
    not, or if it is damaged.
    """
    led_to = trails(steps_of(files.folder, files.dataset), {manifest.write_id}).keys() - {manifest.write_id}
    for write_id in led_to:
        _remove(files.rows_of(write_id))
    if before is None or not (own := files.rows_of(before.manifest.write_id)).exists():
        return
    is_invented = before.manifest.provenance.is_simulated and not manifest.provenance.is_simulated
    try:
        if is_invented or file_facts(own) != before.manifest.parquet:
            _remove(own)
    except OSError as error:
        raise storage_error(own, error) from error


def _remove_second_names(files: DatasetFiles, log: PublicationLog, manifest: Manifest) -> None:
    """Remove the own names of earlier publications whose rows are kept as those of another one."""
    for each in log.tail(LOOKED_AT):
        write_id = each.manifest.write_id
        if each.rows_of not in {None, write_id} and write_id != manifest.write_id:
            _remove(files.rows_of(write_id))


def _prune(folder: Path, dataset: str, log: PublicationLog, newest: int) -> None:
    for write_id in without_leading(folder, dataset, removable(log.tail(newest + LOOKED_AT), newest)):
        _remove(version_file(folder, dataset, write_id))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error
