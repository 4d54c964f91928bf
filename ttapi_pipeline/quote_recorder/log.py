# SPDX-License-Identifier: MIT
"""The quote log: what `tt stream` has received, on disk within seconds; `quote_history` makes of it what stays.

``<TT_DATA_DIR>/quote_log/<session>/`` has two tables, each in parts by the hour (UTC) of receipt, see
`storage.append_table`: ``quotes``, a row per flush and symbol that has changed since the one before, and ``trades``,
every sale. Beside them lie ``gaps.jsonl``, the times without a link, and ``origin.json``, where it all comes from.

A session's log goes from the end of the extended hours of the session before (20:00 New York time) to the end of its
own. Nights and weekends belong to the session that follows them: so the log of a session that has ended is complete.
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

from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, LockTimeoutError
from ttapi_pipeline.core.sessions import last_settled_session, next_session, previous_session, session_hours
from ttapi_pipeline.quote_recorder.tables import TABLES, TableName
from ttapi_pipeline.storage.append_table import PartTable, scan_parts
from ttapi_pipeline.storage.files import make_folder, write_file
from ttapi_pipeline.storage.layout import storage_error
from ttapi_pipeline.storage.lock import DatasetLock

LOG_FOLDER: Final = "quote_log"
GAPS_FILE: Final = "gaps.jsonl"
ORIGIN_FILE: Final = "origin.json"

HISTORY_FOLDER: Final = "quote_history"

_LOCK_SECONDS: Final = 60.0
"""For the log of a session: only who compacts it may hold it for longer, and that one has ended then."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which something is missing from the log.

    Attributes:
        began_at, ended_at: Aware UTC.
        reason: Why, in words.
        symbols: How many symbols it is about; None for all.
    """

    began_at: datetime
    ended_at: datetime
    reason: str
    symbols: int | None = None

    def to_json(self) -> str:
        """One line, without its end."""
        facts = asdict(self) | {"began_at": self.began_at.isoformat(), "ended_at": self.ended_at.isoformat()}
        return json.dumps(facts | {"seconds": round((self.ended_at - self.began_at).total_seconds(), 3)})

    @classmethod
    def from_json(cls, line: str) -> Gap:
        """ValueError, KeyError or TypeError when it is none."""
        facts = json.loads(line)
        began_at, ended_at = (datetime.fromisoformat(facts[name]) for name in ("began_at", "ended_at"))
        return cls(began_at, ended_at, facts["reason"], facts["symbols"])


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows come from: what is simulated never mixes with what is not."""

    name: str
    is_simulated: bool


def session_at(at: datetime) -> date:
    """The session that something received at that instant belongs to: the first whose extended hours have not ended."""
    return next_session(last_settled_session(at).session)


def log_folder(data: Path, session: date) -> Path:
    """Where the log of a session is, in a data folder."""
    return data / LOG_FOLDER / session.isoformat()


def session_lock(data: Path, session: date) -> DatasetLock:
    """The lock of a session's log: held by its writer, then by whoever compacts it."""
    return DatasetLock(data / LOG_FOLDER, session.isoformat())


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
    return sorted(session for session in map(_session_of_name, names) if session is not None)


def is_compacted(data: Path, session: date) -> bool:
    """Whether a session is in the quote history, so that its log is over and done with."""
    return (data / HISTORY_FOLDER / f"{session.isoformat()}.json").is_file()


def scan_log(data: Path, session: date, table: TableName) -> pl.LazyFrame:
    """What is durable now of a session's log, each row once, in the order of receipt; see `append_table.scan_parts`.

    No rows where there is no log; `quote_history.scan_quote_log` knows of the compacted sessions as well.

    Raises:
        CorruptFileError: A part is missing or damaged.
        StorageError: The folder cannot be read.
    """
    return scan_parts(log_folder(data, session) / table, TABLES[table])


def read_gaps(data: Path, session: date) -> Sequence[Gap]:
    """The gaps of a session's log, in the order in which they were recorded.

    Raises:
        CorruptFileError: The file is not what `QuoteLog` writes.
        StorageError: It cannot be read.
    """
    path = log_folder(data, session) / GAPS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [Gap.from_json(line) for line in lines]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path} is damaged: {error!r}; remove it to go on without") from error
    except OSError as error:
        raise storage_error(path, error) from error


def read_origin(data: Path, session: date) -> Origin | None:
    """Where the rows of a session's log come from; None where there is no log.

    Raises:
        CorruptFileError: The file is not what `QuoteLog` writes.
        StorageError: It cannot be read.
    """
    path = log_folder(data, session) / ORIGIN_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return Origin(facts["name"], facts["is_simulated"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path} is damaged: {error!r}; remove {path.parent}") from error
    except OSError as error:
        raise storage_error(path, error) from error


@dataclass(frozen=True, slots=True)
class _Pending:
    """Rows of one table, session and hour that are not on disk yet."""

    table: TableName
    session: date
    hour: str
    rows: pl.DataFrame


class QuoteLog:
    """The writer: one per data folder, in one thread at a time.

    Rows are handed over with `add`, and `write` makes them durable. What cannot be written stays pending: while a disk
    is full, call `write` again from time to time and hand over nothing more. Whoever receives has its own bounds.

    Args:
        data: The data folder.
        origin: Where the rows come from.
        now: What was not recorded before, of the session that this is in, is a gap.

    Raises:
        LockTimeoutError: Another one is at work.
        ConfigError: The session's log comes from somewhere else.
        StorageError: The folder cannot be written.
    """

    def __init__(self, data: Path, origin: Origin, *, now: datetime) -> None:
        self._data = data
        self._origin = origin
        self._pending: deque[_Pending] = deque()
        self._gaps: list[Gap] = []
        self._open: _OpenSession | None = None
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
            # Only a clock that was set back leads to a session that is over and done with.
            while is_compacted(data, self._session):
                self._session = next_session(self._session)
            opened = self._opened(self._session)
            damages = opened.recover()
            began_at = opened.last_received_at() or _begin(self._session)
            if began_at < now:
                self._gaps.append(Gap(began_at, now, "not running"))
            self._gaps += [Gap(now, now, damage) for damage in damages]
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
            # Sessions end at whole hours. One that has ended stays so when the clock is set back.
            session = max(session_at(hour), self._session)
            self._session = session
            self._pending.append(_Pending(table, session, f"{hour:%Y%m%dT%H}", piece))

    def add_gap(self, gap: Gap) -> None:
        """Hand a gap over, for the session that is being written."""
        self._gaps.append(gap)

    def write(self) -> None:
        """Make everything that was handed over durable, and merge parts where that is due.

        Raises:
            StorageError: The disk is full, a folder cannot be written. What is not on disk is pending still.
            ConfigError: The log of the session that has begun comes from somewhere else.
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
        """Close the session that is being written if it has ended and everything of it is on disk.

        Returns:
            The sessions that have a log, have ended and are not compacted; nobody else writes to them.

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
        """Let others write. What is pending is lost: `write` comes first."""
        if self._open is not None:
            self._open.close()
            self._open = None
        self._lock.release()

    def _opened(self, session: date) -> _OpenSession:
        if self._open is None or self._open.session != session:
            if self._open is not None:
                self._open.close()
                self._open = None
            self._open = _OpenSession(self._data, session, self._origin)
        return self._open


class _OpenSession:
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
        """Tidy up after a writer that died; a sentence per damage."""
        return [damage for table in self.tables.values() for damage in table.recover()]

    def record(self, gaps: Sequence[Gap]) -> None:
        """Add gaps to those that are recorded. The file is replaced, so that no crash can leave half a line."""
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


def _begin(session: date) -> datetime:
    """When a session's log begins: as the extended hours of the session before end."""
    return session_hours(previous_session(session)).settles_at


def _session_of_name(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None
