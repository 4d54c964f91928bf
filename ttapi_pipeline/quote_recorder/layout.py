# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Where the quote recorder keeps its files, and which sessions there are; the content is in `log` and `history`.

In the data folder, or in TT_QUOTE_LOG_DIR, ``quote_log/<session>/`` holds the log of a session while it is recorded,
and ``quote_history/`` the two tables and the manifest of each session that was compacted.

A session's log covers the time from the end of the extended hours of the session before (20:00 New York time) to the
end of its own. Nights and weekends belong to the session that follows them, so the log of a session that has ended is
complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final

from ttapi_pipeline.core.sessions import last_settled_session, next_session, previous_session, session_hours
from ttapi_pipeline.quote_recorder.schemas import TableName
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.lock import DatasetLock

LOG_FOLDER: Final = "quote_log"
HISTORY_FOLDER: Final = "quote_history"


def session_at(at: datetime) -> date:
    """The session that something received at that instant belongs to: the first whose extended hours have not ended."""
    return next_session(last_settled_session(at).session)


def session_began_at(session: date) -> datetime:
    """When a session's log begins: at the end of the extended hours of the session before."""
    return session_hours(previous_session(session)).settles_at


def log_folder(data: Path, session: date) -> Path:
    """The folder of a session's log, in a data folder."""
    return data / LOG_FOLDER / session.isoformat()


def session_lock(data: Path, session: date) -> DatasetLock:
    """The lock of a session's log: the process that writes or compacts the log holds it."""
    return DatasetLock(data / LOG_FOLDER, session.isoformat())


def history_file(data: Path, session: date, table: TableName) -> Path:
    """The table of a compacted session, in a data folder."""
    return data / HISTORY_FOLDER / table / f"{session.isoformat()}.parquet"


def manifest_file(data: Path, session: date) -> Path:
    """The manifest of a compacted session. It is written last: where it exists, the session is complete."""
    return data / HISTORY_FOLDER / f"{session.isoformat()}.json"


def is_compacted(data: Path, session: date) -> bool:
    """Whether a session is in the quote history, so that nothing is added to its log any more."""
    return manifest_file(data, session).is_file()


def logged_sessions(data: Path) -> Sequence[date]:
    """The sessions that have a log, ascending.

    Raises:
        StorageError: The folder cannot be read.
    """
    try:
        names = [path.name for path in (data / LOG_FOLDER).iterdir() if path.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(data / LOG_FOLDER, error) from error
    return sorted(session for session in map(session_of_name, names) if session is not None)


def compacted_sessions(data: Path) -> Sequence[date]:
    """The sessions of the history, ascending.

    Raises:
        StorageError: The folder cannot be read.
    """
    try:
        return sorted(date.fromisoformat(path.stem) for path in (data / HISTORY_FOLDER).glob("????-??-??.json"))
    except OSError as error:
        raise storage_error(data / HISTORY_FOLDER, error) from error


def finished_sessions(data: Path, *, now: datetime) -> Sequence[date]:
    """The sessions with a log or a history whose extended hours have ended, ascending.

    Raises:
        StorageError: A folder cannot be read.
    """
    found = sorted({*logged_sessions(data), *compacted_sessions(data)})
    return [session for session in found if session_hours(session).settles_at <= now]


def session_of_name(name: str) -> date | None:
    """The session that a file or folder is named after; None when it is named after something else."""
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None
