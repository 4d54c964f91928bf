# SPDX-License-Identifier: MIT
"""Runs assets in this process on the user's Dagster instance, for `tt refresh`."""

from collections.abc import Sequence

import dagster as dg

from ttapi_pipeline.core.progress import Phase, Progress, ProgressBoard
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import REFRESH_JOB
from ttapi_pipeline.defs.dagster_internals import failed_steps


def refresh_datasets(settings: Settings, names: Sequence[str], board: ProgressBoard, *, is_forced: bool) -> None:
    """Run the assets of these datasets.

    Args:
        settings: Of the definitions that are run.
        names: Of the datasets.
        board: Gets the outcome of each dataset.
        is_forced: Whether a dataset is refreshed that could be reused.

    Raises:
        KeyboardInterrupt: Ctrl-C ended the run.
    """
    job = build_definitions(settings).resolve_job_def(REFRESH_JOB)
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in names],
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {"cache": {"config": {"force": is_forced}}},
            },
            raise_on_error=False,
        )
    failed = failed_steps(result)
    if any(failure.is_interrupt for failure in failed.values()):
        raise KeyboardInterrupt
    for step, failure in failed.items():
        # A failure that our code foresaw is on the board already, in its own words.
        if step in names and board.snapshot().get(step, Progress()).phase is not Phase.FAILED:
            sentence = failure.causes[-1][1] if failure.causes else "failed; see the run in the web UI"
            board.set_phase(step, Phase.FAILED, sentence)
