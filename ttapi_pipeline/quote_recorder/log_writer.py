# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writes the quote log: rows are on disk within seconds, each once, even if the writing process is killed.

Reading the log is in `log`, making sorted tables of a whole session in `compaction`. `log_keeper` hands rows and gaps
over.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import polars as pl

from ttapi_pipeline.core.errors import ConfigError, LockTimeoutError
from ttapi_pipeline.core.files import remove_abandoned
from ttapi_pipeline.core.sessions import next_session
from ttapi_pipeline.quote_recorder.layout import (
    LOG_FOLDER,
    is_compacted,
    log_folder,
    logged_sessions,
    session_at,
    session_began_at,
    session_lock,
)
from ttapi_pipeline.quote_recorder.log import GAPS_FILE, ORIGIN_FILE, LogGap, Origin, read_gaps, read_origin, scan_log
from ttapi_pipeline.quote_recorder.schemas import TABLES, TableName
from ttapi_pipeline.storage.append_table import PartTable
from ttapi_pipeline.storage.files import write_file
from ttapi_pipeline.storage.layout import make_folder
from ttapi_pipeline.storage.lock import DatasetLock

_LOCK_SECONDS: Final = 60.0
"""For the log of one session. Only a compaction may hold the lock for longer, and then that session has ended."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """Rows of one table, session and hour that are not on disk yet."""

    table: TableName
    session: date
    hour: str
    rows: pl.DataFrame


class LogWriter:
    """The only writer of a data folder's quote log, used in one thread at a time.

    Rows are handed over with `add`, and `write` makes them durable. Rows that cannot be written stay pending: while a
    disk is full, call `write` again from time to time and hand over nothing more. The feed's consumers bound what they
    hold meanwhile.

    Args:
        data: The data folder.
        origin: Which server the rows come from.
        now: The time of the start. The session's time before it that was not recorded becomes a gap.

    Raises:
        LockTimeoutError: Another writer is at work.
        ConfigError: The session's log has another origin.
        StorageError: The folder cannot be written.
    """

    def __init__(self, data: Path, origin: Origin, *, now: datetime) -> None:
        self._data = data
        self._origin = origin
        self._pending: deque[_Pending] = deque()
        self._gaps: list[LogGap] = []
        self._open: _SessionLog | None = None
        make_folder(data / LOG_FOLDER)
        self._lock = DatasetLock(data / LOG_FOLDER, "writer")
        try:
            self._lock.acquire(timeout_seconds=0)
        except LockTimeoutError as error:
            raise LockTimeoutError(
                f"{data / LOG_FOLDER} is being written by another `tt stream`: stop that one, set TT_DATA_DIR to "
                "another folder, or use --no-log"
            ) from error
        try:
            self._session = session_at(now)
            # The present session can only be compacted already if the clock was set back.
            while is_compacted(data, self._session):
                self._session = next_session(self._session)
            opened = self._opened(self._session)
            damages = opened.recover()
            began_at = opened.last_received_at() or session_began_at(self._session)
            if began_at < now:
                self._gaps.append(LogGap(began_at, now, "not running"))
            self._gaps += [LogGap(now, now, damage) for damage in damages]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def session(self) -> date:
        """The session that is being written."""
        return self._session

    @property
    def pending_rows(self) -> int:
        """Rows that were handed over and are not on disk."""
        return sum(pending.rows.height for pending in self._pending)

    def add(self, table: TableName, rows: pl.DataFrame) -> None:
        """Hand rows over, in the table's schema."""
        if rows.is_empty():
            return
        hour_of = pl.col("received_at").dt.truncate("1h")
        for _, piece in rows.group_by(hour_of, maintain_order=True):
            hour: datetime = piece.select(hour_of.first()).item()
            # Sessions end at whole hours, so an hour is of one session. A session that was left is not opened again
            # when the clock is set back.
            session = max(session_at(hour), self._session)
            self._session = session
            self._pending.append(_Pending(table, session, f"{hour:%Y%m%dT%H}", piece))

    def add_gap(self, gap: LogGap) -> None:
        """Hand a gap over, for the session that is being written."""
        self._gaps.append(gap)

    def write(self) -> None:
        """Make everything that was handed over durable, and merge parts where that is due.

        Raises:
            StorageError: The disk is full, a folder cannot be written. Rows that are not on disk stay pending.
            ConfigError: The log of the session that has begun has another origin.
        """
        while self._pending:
            first = self._pending[0]
            self._opened(first.session).tables[first.table].append(first.rows, first.hour)
            self._pending.popleft()
        if self._gaps:
            self._opened(self._session).record(self._gaps)
            self._gaps = []
        if self._open is not None:
            for table in self._open.tables.values():
                table.tidy()

    def roll(self, now: datetime) -> Sequence[date]:
        """Close the session that is being written if it has ended and all of its rows are on disk.

        Returns:
            The sessions that have a log, have ended and are not compacted. No process writes to them any more.

        Raises:
            StorageError: The folder cannot be read.
        """
        session = session_at(now)
        if session > self._session and not self._pending and not self._gaps:
            self._session = session
            if self._open is not None:
                self._open.close()
                self._open = None
        return [
            each for each in logged_sessions(self._data) if each < self._session and not is_compacted(self._data, each)
        ]

    def close(self) -> None:
        """Let other processes write. Pending rows are lost, so call `write` first."""
        if self._open is not None:
            self._open.close()
            self._open = None
        self._lock.release()

    def _opened(self, session: date) -> _SessionLog:
        if self._open is None or self._open.session != session:
            if self._open is not None:
                self._open.close()
                self._open = None
            self._open = _SessionLog(self._data, session, self._origin)
        return self._open


class _SessionLog:
    """The log of one session, with its lock."""

    def __init__(self, data: Path, session: date, origin: Origin) -> None:
        self.session = session
        self._data = data
        self._folder = log_folder(data, session)
        self.tables = {name: PartTable(self._folder / name, schema) for name, schema in TABLES.items()}
        self._lock = session_lock(data, session)
        self._lock.acquire(timeout_seconds=_LOCK_SECONDS)
        try:
            self._claim(origin)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._lock.release()

    def recover(self) -> Sequence[str]:
        """Tidy up after a writer that died.

        Returns:
            A sentence per damage.
        """
        for name in (GAPS_FILE, ORIGIN_FILE):
            remove_abandoned(self._folder / name)
        return [damage for table in self.tables.values() for damage in table.recover()]

    def record(self, gaps: Sequence[LogGap]) -> None:
        """Add gaps to the recorded ones. The file is replaced, so that no crash can leave half a line."""
        recorded = [*read_gaps(self._data, self.session), *gaps]
        write_file(self._folder / GAPS_FILE, "".join(f"{gap.to_json()}\n" for gap in recorded))

    def last_received_at(self) -> datetime | None:
        newest = (scan_log(self._data, self.session, name).select(pl.col("received_at").max()) for name in TABLES)
        return max((at for each in newest if (at := each.collect().item()) is not None), default=None)

    def _claim(self, origin: Origin) -> None:
        found = read_origin(self._data, self.session)
        if found is None:
            make_folder(self._folder)
            write_file(self._folder / ORIGIN_FILE, json.dumps(asdict(origin)) + "\n")
        elif found != origin:
            raise ConfigError(
                f"{self._folder} holds what came from {found.name}, and this is {origin.name}: "
                "remove it, or set TT_DATA_DIR to another folder"
            )
