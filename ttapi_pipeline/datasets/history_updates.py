# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Keeps a history up to date: makes the rows of each session from the last publication that is kept of it.

Nothing is fetched. A session that is over and whose rows are stored is not looked at again; that of the present is made
again with every publication. The files: see `storage.session_table`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.core.errors import CorruptFileError, DataError, StorageError
from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.datasets.history import History, HistoryRows, SessionState
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.errors import storage_errors
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.session_table import Part, SessionTable
from ttapi_pipeline.storage.store import Store, open_store
from ttapi_pipeline.storage.versions.by_session import LastOfSession, last_of_sessions

if TYPE_CHECKING:
    import polars as pl

_LOCK_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update has done.

    Attributes:
        parts: The sessions whose rows were made, ascending.
        problems: Why the rows of a session could not be made; what was stored of it stays.
    """

    parts: Sequence[Part] = ()
    problems: Mapping[date, str] = field(default_factory=dict)


def update_history(
    data_folder: Folder, history: History, *, now: datetime, again: Collection[date] | None = None
) -> Updated:
    """Make what a history lacks, or some of its sessions again.

    Args:
        data_folder: With the dataset and its versions.
        history: Which one.
        now: Aware UTC.
        again: Sessions that are made again, whatever is stored of them; None for what is lacking or out of date.

    Raises:
        StorageError: The history cannot be read or written.
        CorruptFileError: The manifest of the dataset is damaged.
    """
    store = open_store(data_folder)
    table = store.session_table(history.schema)
    with store.held(".", history.name, timeout_seconds=_LOCK_SECONDS):
        parts = table.parts()
        lasts = _last_of(store, history, table, parts, again)
        # Invented rows are no knowledge where real ones are stored.
        is_real = bool(lasts) and not lasts[-1].publication.manifest.provenance.is_simulated
        invented = {session for session, part in parts.items() if part.is_simulated} if is_real else set()
        made: list[Part] = []
        problems: dict[date, str] = {}
        for last in lasts:
            stored = None if last.session in invented else parts.get(last.session)
            if again is None and stored is not None and _is_of(stored, last, history) and table.is_there(stored):
                continue
            try:
                made.append(_make(store, table, history, last, now=now, invented=invented))
            except (CorruptFileError, DataError) as error:
                problems[last.session] = str(error)
    return Updated(tuple(made), problems)


def _last_of(
    store: Store, history: History, table: SessionTable, parts: Mapping[date, Part], again: Collection[date] | None
) -> Sequence[LastOfSession]:
    """The publications to look at, ascending."""
    if again is not None:
        found = last_of_sessions(store, history.of, since=min(again)) if again else []
        return [last for last in found if last.session in again]
    if not parts or any(part.code_version != history.code_version for part in parts.values()):
        return last_of_sessions(store, history.of)
    gone = [session for session, part in parts.items() if not table.is_there(part)]
    return last_of_sessions(store, history.of, since=min(gone, default=max(parts)))


def _is_of(part: Part, last: LastOfSession, history: History) -> bool:
    return part.made_from == last.publication.manifest.write_id and part.code_version == history.code_version


def _make(
    store: Store,
    table: SessionTable,
    history: History,
    last: LastOfSession,
    *,
    now: datetime,
    invented: Collection[date],
) -> Part:
    manifest = last.publication.manifest
    made = rows_of_session(store, history, last, without=invented)
    part = Part(
        session=last.session,
        file="",
        facts=FileFacts(bytes=0, xxh3_128=""),
        rows=0,
        data_version="",
        code_version=history.code_version,
        made_from=manifest.write_id,
        known_at=last.publication.known_at,
        is_simulated=manifest.provenance.is_simulated,
        counts={
            "missing": len(manifest.provenance.missing),
            "carried_over": int(made.rows["is_carried_over"].sum()),
            **made.counts,
        },
    )
    is_private = DATASETS[history.of].is_private
    return table.put(made.rows, part, made_at=now, instead_of=invented, is_private=is_private)


def rows_of_session(
    store: Store, history: History, last: LastOfSession, *, without: Collection[date] = ()
) -> HistoryRows:
    """The rows that a publication gives for its session.

    Args:
        store: Where the publication and the sessions before it are.
        history: Whose rows.
        last: The publication.
        without: Sessions that do not count as before it.

    Raises:
        CorruptFileError: What is kept of the publication is damaged.
        StorageError: It cannot be read.
    """
    with storage_errors(last.file):
        state = SessionState(
            history=history,
            session=last.session,
            table=store.open_rows(last.publication, last.file),
            manifest=last.publication.manifest,
            known_at=last.publication.known_at,
            before=_before(store.session_table(history.schema), last.session, without)
            if history.has_own_rows
            else None,
        )
        return history.builder()(state)


def _before(table: SessionTable, session: date, without: Collection[date]) -> pl.DataFrame | None:
    """The rows of the session before, of those that have any; None for the first one, and where they are damaged."""
    earlier = [each for each in table.parts() if each < session and each not in without]
    if not earlier:
        return None
    try:
        return table.scan([earlier[-1]]).collect()
    except (CorruptFileError, StorageError):
        return None
