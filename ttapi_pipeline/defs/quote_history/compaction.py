# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Compacts a session of the quote log and records it, and finds the sessions that are due. Called by `job`.

Only a run and a tick import this module, because it brings in the quote recorder.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from ttapi_pipeline.core.errors import StorageError, TTError
from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.dagster_internals import recorded_partitions, version_tags
from ttapi_pipeline.defs.failures import failure
from ttapi_pipeline.defs.operations.retention import KEPT_DAYS
from ttapi_pipeline.defs.quote_history.asset import QUOTE_HISTORY, quote_sessions
from ttapi_pipeline.quote_recorder.compaction import compact_session, remove_old_logs
from ttapi_pipeline.quote_recorder.history import SessionHistory
from ttapi_pipeline.quote_recorder.layout import finished_sessions, history_file, is_compacted
from ttapi_pipeline.quote_recorder.schemas import TABLES
from ttapi_pipeline.storage.places import quotes_folder

NO_QUOTE_LOG = "TT_DATA_DIR is not a folder of this machine, so there is no quote log without TT_QUOTE_LOG_DIR"
GRACE = timedelta(minutes=15)
"""Time from the end of extended trading in which a running `tt stream` compacts the session itself."""


def compact_and_record(context: dg.OpExecutionContext, settings: Settings) -> None:
    """Make the history of the session of the partition, if it is not there, and record its materialisation.

    Raises:
        dagster.Failure: The session could not be compacted; what is stored is as it was.
    """
    session = date.fromisoformat(context.partition_key)
    try:
        data = quotes_folder(settings)
        if data is None:
            raise StorageError(NO_QUOTE_LOG)
        history = compact_session(data, session, is_recorded_to_the_end=False)
        removed = remove_old_logs(data)
    except TTError as error:
        raise failure(QUOTE_HISTORY, error) from error
    if removed:
        context.log.info("logs removed, since they are compacted: %s", ", ".join(map(str, removed)))
    context.log_event(_materialization(data, history))


def due_sessions(settings: Settings, instance: dg.DagsterInstance, *, now: datetime) -> Sequence[date]:
    """The sessions that have ended and are not compacted, or not recorded in this Dagster instance.

    A session that ended more than KEPT_DAYS ago counts as recorded: its run, and with it the record, may be deleted.

    Raises:
        StorageError: The data folder cannot be read.
    """
    data = quotes_folder(settings)
    if data is None:
        return []
    known = set(instance.get_dynamic_partitions(str(quote_sessions.name)))
    recorded = recorded_partitions(instance, QUOTE_HISTORY)
    due = []
    for session in finished_sessions(data, now=now):
        key, ended_at = session.isoformat(), session_hours(session).settles_at
        is_done = key in known and (key in recorded or now - ended_at > timedelta(days=KEPT_DAYS))
        if not is_compacted(data, session):
            is_done = now - ended_at < GRACE
        if not is_done:
            due.append(session)
    return due


def _materialization(data: Path, history: SessionHistory) -> dg.AssetMaterialization:
    quotes, trades = history.tables["quotes"], history.tables["trades"]
    ends = [at for facts in (quotes, trades) for at in (facts.first_at, facts.last_at) if at is not None]
    metadata: dict[str, Any] = {
        "dagster/uri": str(history_file(data, history.session, "quotes")),
        "trades_uri": str(history_file(data, history.session, "trades")),
        "dagster/partition_row_count": quotes.rows + trades.rows,
        **{f"{name}_rows": history.tables[name].rows for name in TABLES},
        **{f"{name}_bytes": history.tables[name].bytes for name in TABLES},
        "symbols": max(quotes.symbols, trades.symbols),
        "gaps": len(history.gaps),
        "gap_seconds": round(history.gap_seconds, 3),
        "gap_list": dg.MetadataValue.md(_gap_table(history)),
        "origin": history.origin.name,
        "is_simulated": history.origin.is_simulated,
        "data_version": history.data_version,
    }
    if ends:
        metadata["first_at"] = dg.MetadataValue.timestamp(min(ends))
        metadata["last_at"] = dg.MetadataValue.timestamp(max(ends))
    return dg.AssetMaterialization(
        asset_key=QUOTE_HISTORY,
        partition=history.session.isoformat(),
        metadata=metadata,
        tags=version_tags(history.data_version),
    )


def _gap_table(history: SessionHistory) -> str:
    if not history.gaps:
        return "none"
    rows = [
        f"| {gap.began_at:%Y-%m-%d %H:%M:%S} | {(gap.ended_at - gap.began_at).total_seconds():,.1f} | "
        f"{'all' if gap.symbols is None else gap.symbols} | {gap.reason.replace('|', '/')} |"
        for gap in history.gaps[-50:]
    ]
    return "\n".join(["| from (UTC) | seconds | symbols | reason |\n| --- | --- | --- | --- |", *rows])
