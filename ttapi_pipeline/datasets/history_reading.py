# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Opens histories: all sessions as one lazy table, as it is or as it was known at an instant. See `history_updates`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.datasets.history import History
from ttapi_pipeline.datasets.history_updates import rows_of_session
from ttapi_pipeline.storage.layout import Folder
from ttapi_pipeline.storage.session_table import Part, session_table
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.table import StoredTable
from ttapi_pipeline.storage.versions.by_session import LastOfSession, publications_of
from ttapi_pipeline.storage.versions.keeping import session_at
from ttapi_pipeline.tables.conform import conform


@dataclass(frozen=True, slots=True)
class OpenedHistory(StoredTable):
    """A history, which has no manifest: each session has a part."""

    parts: Sequence[Part] = ()

    @property
    def data_version(self) -> str:
        """Of the newest session's rows, those of the others being what they were; ``unknown`` without one."""
        return self.parts[-1].data_version if self.parts else "unknown"

    @property
    def is_simulated(self) -> bool:
        """Whether any of the rows is invented."""
        return any(part.is_simulated for part in self.parts)


def open_history(folder: Folder, history: History) -> OpenedHistory:
    """All sessions of a history as one lazy table, sorted by session and the rest of the key.

    Raises:
        StorageError: Nothing is stored, or it cannot be read.
        CorruptFileError: A file is damaged; the message names it.
    """
    table = session_table(folder, history.schema)
    parts = list(table.parts().values())
    if not parts:
        raise StorageError(
            f"{history.name} is not stored in {folder} yet; the next refresh of {history.of} makes it from all that is "
            "kept"
        )
    return OpenedHistory(table.scan(), None, "", parts)


def history_as_of(folder: Folder, history: History, instant: datetime) -> OpenedHistory:
    """A history as it was known at an instant: the sessions before, and what was known of that of the instant.

    Raises:
        ConfigError: Nothing was known by then.
        StorageError: The rows that were known at the instant are not kept, or as `open_history`.
        CorruptFileError: What is kept is damaged.
    """
    store, session = open_store(folder), session_at(instant)
    table = store.session_table(history.schema)
    parts = [part for each, part in table.parts().items() if each < session]
    known = publications_of(store, history.of, since=session).get(session, ())
    known = [each for each in known if each.known_at <= instant]
    if not parts and not known:
        raise ConfigError(f"nothing was known of {history.name} at {instant.isoformat(timespec='seconds')}")
    frames = [table.scan([part.session for part in parts])] if parts else []
    if known:
        file = store.rows_of(history.of, known[-1])
        if file is None:
            raise StorageError(
                f"the rows of {history.of} of {known[-1].known_at.isoformat(timespec='seconds')} are not kept, so that "
                f"{history.name} of that instant cannot be made"
            )
        rows = rows_of_session(store, history, LastOfSession(session, known[-1], file)).rows
        frames.append(conform(rows, history.schema).sort(history.schema.sort_by).lazy())
    return OpenedHistory(pl.concat(frames), None, "", parts)
