# SPDX-License-Identifier: MIT
"""What stays of a session's quote log: two sorted tables and a manifest; the log as it grows is `quote_log`'s.

``<TT_DATA_DIR>/quote_history/quotes/<session>.parquet``, the same under ``trades/``, and ``<session>.json``, which is
written last: where it is, the session is complete. Whoever compacts holds the lock of the session's log, `tt stream`
when a session has ended, and Dagster's `quote_history` where no `tt stream` runs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl
from polars.io.plugins import register_io_source

from ttapi_pipeline.core.errors import ConfigError, CorruptFileError
from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.quote_recorder.log import (
    HISTORY_FOLDER,
    LOG_FOLDER,
    Gap,
    Origin,
    is_compacted,
    log_folder,
    logged_sessions,
    read_gaps,
    read_origin,
    scan_log,
    session_lock,
)
from ttapi_pipeline.quote_recorder.tables import TABLES, TableName
from ttapi_pipeline.storage.append_table import PartTable, storage_errors
from ttapi_pipeline.storage.files import make_folder, staged, write_file
from ttapi_pipeline.storage.hashing import HASHED_BY, ContentHash
from ttapi_pipeline.storage.incremental.pieces import ROW_GROUP_ROWS
from ttapi_pipeline.storage.layout import FOOTER_KEY, storage_error
from ttapi_pipeline.storage.publish import scan_file

SORTED_BY: Final[Mapping[TableName, Sequence[str]]] = MappingProxyType(
    {"quotes": ("symbol", "received_at"), "trades": ("symbol", "traded_at", "sequence")}
)
"""Rows that are equal in these stay in the order of receipt."""

KEPT_LOGS: Final = 1
"""Compacted sessions whose log is kept besides, the newest ones: a second copy for as long as it costs little."""

DEFAULT_LOCK_TIMEOUT_SECONDS: Final = 600.0

_BATCH_ROWS: Final = 2_000_000
"""Rows that are sorted in memory at once, some 200 MB; each batch of symbols reads the log's symbol column again."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table of a compacted session.

    Attributes:
        rows: How many.
        symbols: Of how many symbols.
        first_at, last_at: When the first and the last row were received; None without rows.
        data_version: Hash of the content.
        bytes: Size of the file.
        xxh3_128: Hash of the file.
    """

    rows: int
    symbols: int
    first_at: datetime | None
    last_at: datetime | None
    data_version: str
    bytes: int
    xxh3_128: str


@dataclass(frozen=True, slots=True)
class SessionHistory:
    """The manifest of a compacted session.

    Attributes:
        session: Which one.
        origin: Where the rows come from.
        tables: Facts by table.
        gaps: The times of which something is missing.
    """

    session: date
    origin: Origin
    tables: Mapping[TableName, TableFacts]
    gaps: Sequence[Gap]

    @property
    def data_version(self) -> str:
        """Hash of the content of both tables."""
        versions = [facts.data_version for _, facts in sorted(self.tables.items())]
        return sha256(json.dumps(versions).encode()).hexdigest()[:32]

    @property
    def gap_seconds(self) -> float:
        """How long the gaps are, together."""
        return sum((gap.ended_at - gap.began_at).total_seconds() for gap in self.gaps)

    def to_json(self) -> str:
        """A document for people and `read_history`."""
        document = {
            "session": self.session.isoformat(),
            "origin": asdict(self.origin),
            "data_version": self.data_version,
            "tables": {
                name: asdict(facts)
                | {at: None if (value := getattr(facts, at)) is None else value.isoformat() for at in _TIMES}
                for name, facts in self.tables.items()
            },
            "gap_seconds": round(self.gap_seconds, 3),
            "gaps": [json.loads(gap.to_json()) for gap in self.gaps],
        }
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> SessionHistory:
        """ValueError, KeyError or TypeError when it is none."""
        document = json.loads(text)
        tables: dict[TableName, TableFacts] = {}
        for name in TABLES:
            facts = document["tables"][name]
            times = {at: None if facts[at] is None else datetime.fromisoformat(facts[at]) for at in _TIMES}
            tables[name] = TableFacts(**{**facts, **times})
        gaps = [Gap.from_json(json.dumps(gap)) for gap in document["gaps"]]
        return cls(date.fromisoformat(document["session"]), Origin(**document["origin"]), tables, gaps)


_TIMES: Final = ("first_at", "last_at")


def history_file(data: Path, session: date, table: TableName) -> Path:
    """The table of a compacted session, in a data folder."""
    return data / HISTORY_FOLDER / table / f"{session.isoformat()}.parquet"


def read_history(data: Path, session: date) -> SessionHistory | None:
    """The manifest of a session; None when it is not compacted.

    Raises:
        CorruptFileError: The file is not a manifest.
        StorageError: It cannot be read.
    """
    path = _manifest_file(data, session)
    try:
        return SessionHistory.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{path} is damaged: {error!r}; remove it to have the session compacted again"
        ) from error
    except OSError as error:
        raise storage_error(path, error) from error


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


def scan_quote_log(data: Path, session: date, table: TableName) -> pl.LazyFrame:
    """Every row of a session that is durable now, once: as compacted if it is, else from the log.

    The frame keeps the files that it was made from; what is written, merged or compacted meanwhile does not disturb it.

    Args:
        data: The data folder.
        session: Which one; one that was not recorded has no rows.
        table: ``quotes`` or ``trades``.

    Raises:
        CorruptFileError: A file is missing or damaged.
        StorageError: A folder cannot be read.
    """
    if not is_compacted(data, session):
        frame = scan_log(data, session, table)
        # Its log may have been removed since, once it was compacted.
        if not is_compacted(data, session):
            return frame
    path = history_file(data, session, table)
    with storage_errors(path):
        return scan_file(path)


def compact_session(
    data: Path,
    session: date,
    *,
    is_recorded_to_the_end: bool,
    lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS,
) -> SessionHistory:
    """Make the history of a session from its log; one that is there is left as it is.

    It takes memory for some millions of rows, however many there are.

    Args:
        data: The data folder.
        session: One whose extended hours have ended.
        is_recorded_to_the_end: Whether the caller knows that the log was written until then. Otherwise what is between
            its last row and the end is a gap.
        lock_timeout_seconds: How long to wait for the log's writer, or for somebody else who compacts.

    Raises:
        ConfigError: The session has no log.
        LockTimeoutError: The log is still being written.
        CorruptFileError: A part of the log is damaged.
        StorageError: The disk is full, a folder cannot be written. The log is as it was.
    """
    known = read_history(data, session)
    if known is not None:
        return known
    if session not in logged_sessions(data):
        raise ConfigError(f"{session} has no quote log in {data}; `tt stream` writes one")
    lock = session_lock(data, session)
    lock.acquire(timeout_seconds=lock_timeout_seconds)
    try:
        return read_history(data, session) or _compact(data, session, is_recorded_to_the_end=is_recorded_to_the_end)
    finally:
        lock.release()


def remove_old_logs(data: Path, *, keep: int = KEPT_LOGS) -> Sequence[date]:
    """Remove the logs of compacted sessions but for the newest ones.

    Returns:
        The sessions whose log was removed.

    Raises:
        StorageError: A folder cannot be removed.
    """
    compacted = [session for session in logged_sessions(data) if is_compacted(data, session)]
    doomed = compacted[: len(compacted) - keep] if keep else compacted
    for session in doomed:
        try:
            shutil.rmtree(log_folder(data, session))
            # Whoever waits for it finds the session compacted, with this lock or another one.
            (data / LOG_FOLDER / f".{session.isoformat()}.lock").unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(log_folder(data, session), error) from error
    return doomed


def _compact(data: Path, session: date, *, is_recorded_to_the_end: bool) -> SessionHistory:
    origin = read_origin(data, session)
    if origin is None:
        raise CorruptFileError(f"{log_folder(data, session)} does not say where it comes from; remove it")
    ended_at = session_hours(session).settles_at
    tables, gaps = dict[TableName, TableFacts](), list(read_gaps(data, session))
    for name, schema in TABLES.items():
        damages = PartTable(log_folder(data, session) / name, schema).recover()
        gaps += [Gap(ended_at, ended_at, damage) for damage in damages]
        tables[name] = _write_table(data, session, name)
    last_at = max((facts.last_at for facts in tables.values() if facts.last_at is not None), default=None)
    if not is_recorded_to_the_end and last_at is not None and last_at < ended_at:
        gaps.append(Gap(last_at, ended_at, "nothing recorded until the end of the session"))
    history = SessionHistory(session, origin, tables, gaps)
    write_file(_manifest_file(data, session), history.to_json())
    return history


def _write_table(data: Path, session: date, name: TableName) -> TableFacts:
    rows, schema = scan_log(data, session, name), TABLES[name]
    path = history_file(data, session, name)
    make_folder(path.parent)
    content = ContentHash(schema, exclude=())
    with staged(path) as file:
        with storage_errors(path):
            counts = rows.group_by("symbol").len().sort("symbol").collect(engine="streaming")
            span = rows.select(first=pl.col("received_at").min(), last=pl.col("received_at").max()).collect()
            ranges = _symbol_ranges(counts)

            def batches(*_: object) -> Iterator[pl.DataFrame]:
                for first, last in ranges:
                    batch = rows.filter(pl.col("symbol").is_between(pl.lit(first), pl.lit(last))).collect(
                        engine="streaming"
                    )
                    batch = batch.sort(SORTED_BY[name], maintain_order=True)
                    content.update(batch)
                    yield batch

            def footer(_: object) -> dict[str, str]:
                facts = {"session": session.isoformat(), "table": name, "data_version": content.hexdigest()}
                return {FOOTER_KEY: json.dumps(facts | {"hashed_by": HASHED_BY, "rows": content.rows})}

            register_io_source(batches, schema=schema).sink_parquet(
                file.path,
                compression="zstd",
                statistics=True,
                row_group_size=ROW_GROUP_ROWS,
                maintain_order=True,
                metadata=footer,
            )
        facts = file.commit()
    first_at, last_at = span.row(0)
    return TableFacts(
        rows=content.rows,
        symbols=counts.height,
        first_at=_utc(first_at),
        last_at=_utc(last_at),
        data_version=content.hexdigest(),
        bytes=facts.bytes,
        xxh3_128=facts.xxh3_128,
    )


def _symbol_ranges(counts: pl.DataFrame) -> Sequence[tuple[str, str]]:
    """First and last symbol of each batch; a symbol is never split."""
    batch = (pl.col("len").cum_sum() - pl.col("len")) // _BATCH_ROWS
    ranges = counts.group_by(batch.alias("batch"), maintain_order=True).agg(
        first=pl.col("symbol").first(), last=pl.col("symbol").last()
    )
    return list(ranges.select("first", "last").iter_rows())


def _manifest_file(data: Path, session: date) -> Path:
    return data / HISTORY_FOLDER / f"{session.isoformat()}.json"


def _utc(at: Any) -> datetime | None:
    return at.astimezone(UTC) if isinstance(at, datetime) else None
