# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The publications of a dataset by the session that they belong to, read from the end of the log.

What a table per session is made from: see `datasets.history_updates`. Any publication, and the one of an instant: see
`reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.layout import DatasetFiles, Folder
from ttapi_pipeline.storage.store import Store
from ttapi_pipeline.storage.stored import footer_has
from ttapi_pipeline.storage.versions.keeping import session_at, version_file
from ttapi_pipeline.storage.versions.log import Publication, PublicationLog
from ttapi_pipeline.storage.versions.reading import versions_in
from ttapi_pipeline.storage.versions.steps import PACKED_SUFFIX, steps_of, trails

if TYPE_CHECKING:
    import polars as pl

_FIRST_LOOK: Final = 32
"""Publications that are looked at first; nearly always the session before is among them."""


@dataclass(frozen=True, slots=True)
class LastOfSession:
    """The last publication of a session whose rows can be read.

    Attributes:
        session: Which one.
        publication: What was published.
        file: The Parquet file with its rows.
    """

    session: date
    publication: Publication
    file: Folder


def publications_of(store: Store, dataset: str, *, since: date | None = None) -> Mapping[date, Sequence[Publication]]:
    """The publications by session, ascending; those of a session in the order of writing.

    Invented rows are no knowledge: where real rows are stored now, simulated publications are left out.

    Args:
        store: Of the data folder.
        dataset: Its name.
        since: Earlier sessions are left out, and the log is read from its end only as far as this needs; None for all,
            with what is known by the footers of kept files alone.

    Raises:
        StorageError: The log or the manifest cannot be read.
        CorruptFileError: The manifest is damaged.
    """
    known = store.publications(dataset, since=since)
    if known and not known[-1].manifest.provenance.is_simulated:
        known = [each for each in known if not each.manifest.provenance.is_simulated]
    found: dict[date, list[Publication]] = {}
    for each in known:
        session = session_at(each.known_at)
        if since is None or session >= since:
            found.setdefault(session, []).append(each)
    return {session: found[session] for session in sorted(found)}


def first_session(store: Store, dataset: str) -> date | None:
    """The session of the first publication of a dataset that counts; None when nothing is known of it.

    Raises:
        StorageError, CorruptFileError: As `publications_of`.
    """
    first, newest = store.ends_of_log(dataset)
    if (
        first is None
        or newest is None
        or first.manifest.provenance.is_simulated != newest.manifest.provenance.is_simulated
    ):
        return next(iter(publications_of(store, dataset)), None)
    return session_at(first.known_at)


def last_of_sessions(store: Store, dataset: str, *, since: date | None = None) -> Sequence[LastOfSession]:
    """The last publication of each session whose rows are there, ascending; arguments and errors as above."""
    found = []
    for session, publications in publications_of(store, dataset, since=since).items():
        for each in reversed(publications):
            file = store.rows_of(dataset, each)
            if file is not None:
                found.append(LastOfSession(session, each, file))
                break
    return found


def publications_in(folder: Path, dataset: str, since: date | None) -> Sequence[Publication]:
    """As `Store.publications`, in a folder of this machine."""
    # A table of an earlier version of the program has no log until it is published again.
    if since is None or PublicationLog.of(folder, dataset).newest() is None:
        return [each.publication for each in versions_in(folder, dataset)]
    return _newest(folder, dataset, since)


def open_file_with_rows(publication: Publication, path: Path) -> pl.LazyFrame:
    """As `Store.open_rows`, in a folder of this machine."""
    import polars as pl  # noqa: PLC0415 - the list of publications needs no Polars

    if path.name.endswith(PACKED_SUFFIX):
        return _open_packed(publication, path)
    dataset = publication.manifest.provenance.dataset
    if path.parent.name == dataset and not path.exists():
        # Since it was found, a publication has packed it.
        packed = file_with_rows(path.parent.parent, dataset, publication)
        if packed is not None and packed.name.endswith(PACKED_SUFFIX):
            return _open_packed(publication, packed)
    from ttapi_pipeline.storage.errors import storage_errors  # noqa: PLC0415 - see above
    from ttapi_pipeline.storage.hashing import HASHED_BY, data_version, rule  # noqa: PLC0415 - see above
    from ttapi_pipeline.storage.verification import facts_of, footer_facts  # noqa: PLC0415 - see above
    from ttapi_pipeline.tables.rounding import rounded  # noqa: PLC0415 - see above

    manifest = publication.manifest
    with storage_errors(path), path.open("rb") as file:
        told = footer_facts(file)
        if told.get("write_id") == manifest.write_id:
            is_sound = facts_of(file) == manifest.parquet
        else:
            # The publication that wrote the file may be far back in the log: the rows themselves are compared.
            file.seek(0)
            is_comparable = told.get("hashed_by") == HASHED_BY + rule(manifest.schema)
            is_sound = not is_comparable or data_version(pl.scan_parquet(file)) == manifest.data_version
        if not is_sound:
            raise CorruptFileError(f"{path} is damaged: its rows are not those that were published")
        file.seek(0)
        return rounded(pl.scan_parquet(file))


def _newest(folder: Path, dataset: str, since: date) -> list[Publication]:
    log, count = PublicationLog.of(folder, dataset), _FIRST_LOOK
    while True:
        found = log.tail(count)
        if len(found) < count or session_at(found[0].known_at) < since:
            return found
        count *= 4


def _open_packed(publication: Publication, path: Path) -> pl.LazyFrame:
    """The rows of a publication that are packed against those of others."""
    import polars as pl  # noqa: PLC0415 - the list of publications needs no Polars

    from ttapi_pipeline.storage.errors import storage_errors  # noqa: PLC0415 - see above
    from ttapi_pipeline.storage.hashing import HASHED_BY, data_version, rule  # noqa: PLC0415 - see above
    from ttapi_pipeline.storage.verification import footer_facts  # noqa: PLC0415 - see above
    from ttapi_pipeline.storage.versions.restoring import led_back  # noqa: PLC0415 - see above
    from ttapi_pipeline.tables.rounding import rounded  # noqa: PLC0415 - see above

    kept = path.parent.parent
    steps = [step for step in steps_of(kept.parent, kept.name) if step.is_packed]
    ways = trails(steps, {each.stem for each in kept.glob("*.parquet")})
    trail = next((ways[step.before] for step in steps if step.path == path and step.before in ways), None)
    if trail is None:
        raise CorruptFileError(f"{path} cannot be read: a file that it is packed against is gone")
    whole = version_file(kept.parent, kept.name, trail.head)
    with storage_errors(whole), whole.open("rb") as file:
        is_comparable = footer_facts(file).get("hashed_by") == HASHED_BY + rule(publication.manifest.schema)
        file.seek(0)
        rows = led_back(rounded(pl.scan_parquet(file)), list(trail.steps()), ()).collect()
    if is_comparable and data_version(rows) != publication.manifest.data_version:
        raise CorruptFileError(f"{path} is damaged: its rows are not those that were published")
    return rows.lazy()


def file_with_rows(folder: Path, dataset: str, publication: Publication) -> Path | None:
    """Where the rows of a publication are, whole or packed; None where they are not kept."""
    write_ids = dict.fromkeys((publication.rows_of, publication.manifest.write_id))
    for write_id in write_ids:
        if write_id is not None and (path := version_file(folder, dataset, write_id)).exists():
            return path
    for step in steps_of(folder, dataset):
        if step.is_packed and step.before in write_ids:
            return step.path
    stored = DatasetFiles.of(folder, dataset).parquet
    return stored if footer_has(stored, publication.manifest.write_id) else None
