# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The sensor of the MetaStock folder, and the sensor that records failed runs in a file.

The sensor that refreshes: see `conditions`. Sensors of one subject stand with it: `lost_runs`, `quote_history.job`.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.privacy import without_secrets
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.shared_state import state_file
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.status import metastock_version
from ttapi_pipeline.defs.assets.metastock_source import folder_facts
from ttapi_pipeline.defs.dagster_internals import observation
from ttapi_pipeline.defs.failures import error_and_sentence, skipped
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.places import shared_state

FAILURES_FILE = "failures.jsonl"
KEPT_FAILURES = 1_000
"""Lines of the file; the oldest are dropped."""


def metastock_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor that records a new data version of the MetaStock folder when a file has changed; on by default.

    It starts no run. The refreshing sensor does: it asks for the verdict of `eod_snapshot`, which fingerprints the
    folder itself.
    """

    @dg.sensor(
        name="metastock_folder",
        description="Observes the MetaStock folder; the refreshing sensor rebuilds what is made from it.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def metastock_folder(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            version = metastock_version(settings)
            if version == context.cursor:
                return dg.SkipReason("no file changed")
            seen = observation(METASTOCK_FILES, version, metadata=folder_facts(settings))
        except TTError as error:
            return skipped(error)
        return dg.SensorResult(asset_events=[seen], cursor=version)

    return metastock_folder


def failure_sensor(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.SensorDefinition:
    """The sensor that appends a line per failed step to `.state/failures.jsonl` in the data folder; on by default."""

    @dg.run_failure_sensor(
        name="record_failures",
        description="Appends each failure to .state/failures.jsonl in the data folder.",
        # A run of `dagster asset materialize` belongs to no code location, and its failure is recorded too.
        monitor_all_code_locations=True,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def record_failures(context: dg.RunFailureSensorContext) -> None:
        records = [
            _record(event, run_id=context.dagster_run.run_id, at=clock.now(), settings=settings)
            for event in (context.get_step_failure_events() or [context.failure_event])
        ]
        append_failures(settings, records)

    return record_failures


def _record(event: dg.DagsterEvent, *, run_id: str, at: datetime, settings: Settings) -> dict[str, str]:
    """Time, run, dataset, error class and a sentence."""
    kind, sentence = error_and_sentence(event)
    return {
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "run_id": run_id,
        "dataset": event.step_key or "",
        "error": kind,
        "sentence": without_secrets(" ".join(sentence.split())[:500], settings.secrets),
    }


def append_failures(settings: Settings, records: list[dict[str, str]]) -> None:
    """Add a line per record to the file and drop the oldest above KEPT_FAILURES.

    Raises:
        StorageError: The file cannot be written.
    """
    target = state_file(shared_state(settings), FAILURES_FILE)

    def with_these(content: bytes | None) -> bytes:
        lines = (content or b"").decode(errors="replace").splitlines()
        lines += [json.dumps(record, ensure_ascii=False) for record in records]
        return "".join(f"{line}\n" for line in lines[-KEPT_FAILURES:]).encode()

    try:
        target.change(with_these)
    except OSError as error:
        raise storage_error(Path(str(target)), error) from error
