# SPDX-License-Identifier: MIT
"""A run in this process on the user's Dagster instance, for `tt refresh`."""

from collections.abc import Sequence

import dagster as dg

from ttapi_pipeline.core.progress import Phase, ProgressBoard, Work
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import REFRESH_JOB


def refresh_datasets(settings: Settings, names: Sequence[str], board: ProgressBoard, *, is_forced: bool) -> None:
    """Run the assets of these datasets; what became of each is on the board.

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
    failed = {step: _causes(result, step) for step in result.get_failed_step_keys()}
    # Dagster turns Ctrl-C into the failure of the step that was at work.
    if any(name == "DagsterExecutionInterruptedError" for causes in failed.values() for name, _ in causes):
        raise KeyboardInterrupt
    for step, causes in failed.items():
        if step in names and board.snapshot().get(step, Work()).phase is not Phase.FAILED:
            board.set_phase(step, Phase.FAILED, causes[-1][1] if causes else "failed; see the run in the web UI")


def _causes(result: dg.ExecuteInProcessResult, step: str) -> Sequence[tuple[str | None, str]]:
    """Class and message of a step's error and of what caused it, outermost first."""
    causes = []
    for event in result.filter_events(lambda event: event.is_step_failure and event.step_key == step):
        error = event.step_failure_data.error
        while error is not None:
            causes.append((error.cls_name, error.message.strip()))
            error = error.cause
    return causes
