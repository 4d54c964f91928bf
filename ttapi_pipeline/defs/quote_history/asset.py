# SPDX-License-Identifier: MIT
"""`quote_history`: each session of the quote log that has ended becomes a partition; `compaction` does the work.

The asset is an external one, as Dagster calls those that it does not execute itself: a partitioned asset among the
others would make every run of `--select '*'` ask for a partition. Its job compacts a session where no `tt stream` has,
and records the materialisation in either case.
"""

import dagster as dg

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.automation.jobs import RUN_TAGS
from ttapi_pipeline.quote_recorder.schemas import QUOTES

QUOTE_HISTORY = "quote_history"
QUOTE_HISTORY_JOB = "compact_quotes"

quote_sessions = dg.DynamicPartitionsDefinition(name="quote_sessions")


def quote_history_asset(settings: Settings) -> dg.AssetSpec:
    """The asset as the web UI shows it."""
    simulated = "\n\n**Simulated data**: no credentials are set." if settings.is_simulated else ""
    return dg.AssetSpec(
        QUOTE_HISTORY,
        description="What `tt stream` received in a session: quotes, conflated every few seconds, and every sale.\n\n"
        f"Source: DXLink. `{QUOTE_HISTORY}/quotes/<session>.parquet`, the same under `trades/`, and a manifest with "
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
        from ttapi_pipeline.defs.quote_history.compaction import compact_and_record  # noqa: PLC0415 - a run's, see `defs`

        compact_and_record(context, settings)

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
        from ttapi_pipeline.defs.quote_history.compaction import due_sessions  # noqa: PLC0415 - a tick's, see `defs`

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
