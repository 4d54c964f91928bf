# SPDX-License-Identifier: MIT
"""`quote_history`: each session of the quote log that has ended becomes a partition.

The asset is an external one, as Dagster calls those that it does not execute itself: a partitioned asset among the
others would make every run of `--select '*'` ask for a partition. Its job compacts a session where no `tt stream` has,
and records the materialisation in either case.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.sessions import session_hours
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.store import open_folder
from ttapi_pipeline.datasets.quote_history import (
    SessionHistory,
    compact_session,
    finished_sessions,
    history_file,
    remove_old_logs,
)
from ttapi_pipeline.datasets.quote_log import HISTORY_FOLDER, QUOTES, TABLES, is_compacted
from ttapi_pipeline.defs.failures import failure
from ttapi_pipeline.defs.jobs import RUN_TAGS
from ttapi_pipeline.defs.retention import KEPT_DAYS
from ttapi_pipeline.defs.reuse import version_tags

QUOTE_HISTORY = "quote_history"
QUOTE_HISTORY_JOB = "compact_quotes"

GRACE = timedelta(minutes=15)
"""How long a `tt stream` may take over the session by itself, from the end of extended trading."""

quote_sessions = dg.DynamicPartitionsDefinition(name="quote_sessions")


def quote_history_asset(settings: Settings) -> dg.AssetSpec:
    """The asset as the web UI shows it."""
    simulated = "\n\n**Simulated data**: no credentials are set." if settings.is_simulated else ""
    return dg.AssetSpec(
        QUOTE_HISTORY,
        description="What `tt stream` received in a session: quotes, conflated every few seconds, and every sale.\n\n"
        f"Source: DXLink. `{HISTORY_FOLDER}/quotes/<session>.parquet`, the same under `trades/`, and a manifest with "
        f"the gaps. The job `{QUOTE_HISTORY_JOB}` records it.{simulated}",
        group_name="market_data",
        kinds={"python", "polars", "parquet"},
        owners=["team:data"],
        metadata={
            "dagster/column_schema": dg.TableSchema(
                columns=[dg.TableColumn(name, str(dtype)) for name, dtype in QUOTES.items()]
            )
        },
        partitions_def=quote_sessions,
    )


def quote_history_job(settings: Settings) -> dg.JobDefinition:
    """The job of one session."""

    @dg.op(name="compact_session", description="Make the history of a session, if it is not there, and record it.")
    def compact(context: dg.OpExecutionContext) -> None:
        session = date.fromisoformat(context.partition_key)
        try:
            data = _local_folder(settings)
            if data is None:
                raise dg.Failure(f"{QUOTE_HISTORY}: TT_DATA_DIR is no local folder, so that there is no quote log")
            history = compact_session(data, session, is_recorded_to_the_end=False)
            removed = remove_old_logs(data)
        except TTError as error:
            raise failure(QUOTE_HISTORY, error) from error
        if removed:
            context.log.info("logs removed, since they are compacted: %s", ", ".join(map(str, removed)))
        context.log_event(_materialization(data, history))

    @dg.job(
        name=QUOTE_HISTORY_JOB,
        description="Makes a session of the quote log a partition of quote_history; the second run changes nothing.",
        partitions_def=quote_sessions,
        executor_def=dg.in_process_executor,
        tags=RUN_TAGS,
    )
    def compact_quotes() -> None:
        compact()

    return compact_quotes


def quote_history_sensor(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.SensorDefinition:
    """Asks for a run per session that has ended and is not recorded; on by default."""

    @dg.sensor(
        name="finished_quote_sessions",
        job_name=QUOTE_HISTORY_JOB,
        description="Makes each session of the quote log that has ended a partition of quote_history.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def finished_quote_sessions(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            due = due_sessions(settings, context.instance, now=clock.now())
        except TTError as error:
            return dg.SkipReason(str(error))
        if not due:
            return dg.SkipReason("no session of the quote log has ended that is not recorded")
        keys = [session.isoformat() for session in due]
        return dg.SensorResult(
            # With the hour, so that one that has failed is asked for again.
            run_requests=[
                dg.RunRequest(
                    run_key=f"{QUOTE_HISTORY} {key} {clock.now():%Y-%m-%dT%H}",
                    partition_key=key,
                    tags={**RUN_TAGS, "session": key},
                )
                for key in keys
            ],
            dynamic_partitions_requests=[quote_sessions.build_add_request(keys)],
        )

    return finished_quote_sessions


def due_sessions(settings: Settings, instance: dg.DagsterInstance, *, now: datetime) -> Sequence[date]:
    """The sessions that have ended and are not compacted, or not recorded in this Dagster instance.

    Runs are deleted in time, and with them the record of old partitions: those count as recorded.

    Raises:
        StorageError: The data folder cannot be read.
    """
    data = _local_folder(settings)
    if data is None:
        return []
    known = set(instance.get_dynamic_partitions(str(quote_sessions.name)))
    recorded = set(instance.get_materialized_partitions(dg.AssetKey(QUOTE_HISTORY)))
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


def _local_folder(settings: Settings) -> Path | None:
    folder = open_folder(settings.data_dir)
    return folder if isinstance(folder, Path) else None
