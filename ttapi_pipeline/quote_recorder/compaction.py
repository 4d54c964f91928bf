# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Makes the history of a session from its log, once the session has ended, and removes old logs.

`compact_session` takes the lock of the session's log itself. `tt stream` compacts a session when it has ended; where no
`tt stream` runs, Dagster's job `compact_quotes` does. Reading the result is in `history`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl
from polars.io.plugins import register_io_source

from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, StorageError
from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.quote_recorder.history import SessionHistory, TableFacts, read_history
from ttapi_pipeline.quote_recorder.layout import (
    LOG_FOLDER,
    history_file,
    is_compacted,
    log_folder,
    logged_sessions,
    manifest_file,
    session_lock,
    session_of_name,
)
from ttapi_pipeline.quote_recorder.log import LogGap, read_gaps, read_origin, scan_log
from ttapi_pipeline.quote_recorder.schemas import TABLES, TableName
from ttapi_pipeline.storage.append_table import PartTable
from ttapi_pipeline.storage.claims import in_the_way, is_published
from ttapi_pipeline.storage.errors import storage_error, storage_errors
from ttapi_pipeline.storage.files import file_for_polars, staged, write_file
from ttapi_pipeline.storage.footer import FOOTER_KEY
from ttapi_pipeline.storage.hashing import HASHED_BY, ContentHash
from ttapi_pipeline.storage.layout import make_folder
from ttapi_pipeline.storage.parquet import ROW_GROUP_ROWS

SORTED_BY: Final[Mapping[TableName, Sequence[str]]] = MappingProxyType(
    {"quotes": ("symbol", "received_at"), "trades": ("symbol", "traded_at", "sequence")}
)
"""Rows that are equal in these columns stay in the order of receipt."""

KEPT_LOGS: Final = 1
"""Logs of compacted sessions that are kept, the newest ones: a second copy of the rows while it costs little."""

DEFAULT_LOCK_TIMEOUT_SECONDS: Final = 600.0

_BATCH_ROWS: Final = 2_000_000
"""Rows that are sorted in memory at once, some 200 MB. Each batch of symbols reads the log's symbol column again."""


def compact_session(
    data: Path,
    session: date,
    *,
    is_recorded_to_the_end: bool,
    lock_timeout_seconds: float = DEFAULT_LOCK_TIMEOUT_SECONDS,
) -> SessionHistory:
    """Make the history of a session from its log. A history that exists is left as it is.

    It takes memory for some millions of rows, however many there are.

    Args:
        data: The data folder.
        session: A session whose extended hours have ended.
        is_recorded_to_the_end: Whether the caller knows that the log was written until then. Otherwise the time from
            the log's last row to the end becomes a gap.
        lock_timeout_seconds: How long to wait for the log's writer, or for another process that compacts.

    Raises:
        ConfigError: The session has no log.
        LockTimeoutError: The log is still being written.
        CorruptFileError: A part of the log is damaged.
        StorageError: The disk is full, a folder cannot be written, or a file that is not ours is in the place of a
            table. The log is as it was.
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
    """Remove the logs of compacted sessions, except the `keep` newest ones.

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
        except OSError as error:
            raise storage_error(log_folder(data, session), error) from error
    _remove_locks(data)
    return doomed


def _remove_locks(data: Path) -> None:
    """Remove the files of the locks of logs that are gone; a process may have died when it had removed such a log."""
    try:
        for lock in (data / LOG_FOLDER).glob(".*.lock"):
            session = session_of_name(lock.stem.removeprefix("."))
            # A process that waits for this lock will find the session compacted, whichever file it locks.
            if session and is_compacted(data, session) and not log_folder(data, session).exists():
                lock.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(data / LOG_FOLDER, error) from error


def _compact(data: Path, session: date, *, is_recorded_to_the_end: bool) -> SessionHistory:
    origin = read_origin(data, session)
    if origin is None:
        raise CorruptFileError(f"{log_folder(data, session)} does not say where it comes from; remove it")
    ended_at = session_hours(session).settles_at
    tables, gaps = dict[TableName, TableFacts](), list(read_gaps(data, session))
    for name, schema in TABLES.items():
        damages = PartTable(log_folder(data, session) / name, schema).recover()
        gaps += [LogGap(ended_at, ended_at, damage) for damage in damages]
        tables[name] = _write_table(data, session, name)
    last_at = max((facts.last_at for facts in tables.values() if facts.last_at is not None), default=None)
    if not is_recorded_to_the_end and last_at is not None and last_at < ended_at:
        gaps.append(LogGap(last_at, ended_at, "nothing recorded until the end of the session"))
    history = SessionHistory(session, origin, tables, gaps)
    write_file(manifest_file(data, session), history.to_json())
    return history


def _write_table(data: Path, session: date, name: TableName) -> TableFacts:
    rows, schema = scan_log(data, session, name), TABLES[name]
    path = history_file(data, session, name)
    if os.path.lexists(path) and not is_published(path):
        raise StorageError(in_the_way([path]))
    make_folder(path.parent)
    content = ContentHash(schema, exclude=())
    with staged(path) as file:
        with storage_errors(path, is_writing=True):
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

            with file_for_polars(file.path) as opened:
                register_io_source(batches, schema=schema).sink_parquet(
                    opened,
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
    """First and last symbol of each batch. All rows of a symbol are in one batch."""
    batch = (pl.col("len").cum_sum() - pl.col("len")) // _BATCH_ROWS
    ranges = counts.group_by(batch.alias("batch"), maintain_order=True).agg(
        first=pl.col("symbol").first(), last=pl.col("symbol").last()
    )
    return list(ranges.select("first", "last").iter_rows())


def _utc(at: Any) -> datetime | None:
    return at.astimezone(UTC) if isinstance(at, datetime) else None
