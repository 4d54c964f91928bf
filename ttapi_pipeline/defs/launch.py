# SPDX-License-Identifier: MIT
"""Runs assets in this process on the user's Dagster instance, for `tt refresh`."""

import os
import uuid
from collections.abc import Collection, Sequence

import dagster as dg

from ttapi_pipeline.core.progress import Phase, Progress, ProgressBoard
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import REFRESH_JOB
from ttapi_pipeline.defs.dagster_internals import failed_steps
from ttapi_pipeline.defs.operations.held_runs import hold_run, process_tags, release_run
from ttapi_pipeline.defs.operations.instance_errors import instance_errors
from ttapi_pipeline.defs.operations.lost_runs import end_lost_runs


def refresh_datasets(
    settings: Settings, names: Sequence[str], board: ProgressBoard, *, forced: Collection[str]
) -> None:
    """Run the assets of these datasets.

    Args:
        settings: Of the definitions that are run.
        names: Of the datasets.
        board: Gets the outcome of each dataset.
        forced: Datasets among them that are refreshed although they could be reused.

    Raises:
        KeyboardInterrupt: Ctrl-C ended the run, or SIGTERM.
        StorageError: The Dagster instance cannot be read or written.
    """
    job, run_id = build_definitions(settings).resolve_job_def(REFRESH_JOB), str(uuid.uuid4())
    with instance_errors(os.environ.get("DAGSTER_HOME", ".")), dg.DagsterInstance.get() as instance:
        end_lost_runs(instance)
        hold_run(instance, run_id, is_noted=False)
        result = job.execute_in_process(
            run_id=run_id,
            tags=dict(process_tags()),
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in names],
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {"cache": {"config": {"force": bool(forced), "only": sorted(forced)}}},
            },
            raise_on_error=False,
        )
        release_run(run_id)
    failed = failed_steps(result)
    if any(failure.is_interrupt for failure in failed.values()):
        raise KeyboardInterrupt
    for step, failure in failed.items():
        # A failure that our code foresaw is on the board already, in its own words.
        if step in names and board.snapshot().get(step, Progress()).phase is not Phase.FAILED:
            sentence = failure.causes[-1][1] if failure.causes else "failed; see the run in the web UI"
            board.set_phase(step, Phase.FAILED, sentence)
