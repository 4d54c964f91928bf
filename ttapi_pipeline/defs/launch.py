# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Runs assets in this process on the user's Dagster instance, for `tt refresh`."""

import logging
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import dagster as dg

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.progress import Phase, Progress, ProgressBoard
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.standard_streams import standard_streams_restored
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import REFRESH_JOB
from ttapi_pipeline.defs.dagster_internals import (
    failed_steps,
    record_cancelled,
    runs_of_location,
    shield_log_mirrors,
    was_interrupted,
)
from ttapi_pipeline.defs.operations.damaged_events import put_events_aside, unreadable_event
from ttapi_pipeline.defs.operations.database_outages import is_asked_to_end, wait_no_longer
from ttapi_pipeline.defs.operations.held_runs import hold_run, process_tags, release_run
from ttapi_pipeline.defs.operations.instance_errors import instance_errors, open_instance
from ttapi_pipeline.defs.operations.interrupts import despite_interrupts
from ttapi_pipeline.defs.operations.lost_runs import end_lost_runs
from ttapi_pipeline.defs.operations.pools import leave_queue
from ttapi_pipeline.defs.operations.signs_of_life import give_signs
from ttapi_pipeline.storage.databases import dagster_home

_LOGGER = logging.getLogger(__name__)

CODE_LOCATION: Final = "ttapi_pipeline"
"""The name of the code location, as `workspace.yaml` and `pyproject.toml` have it."""

_TAGS: Final = {
    "command": "tt refresh",
    # Who started it is there to start it again; the daemon refreshes what is due in any case.
    "dagster/max_retries": "0",
}


def refresh_datasets(
    settings: Settings,
    names: Sequence[str],
    board: ProgressBoard,
    *,
    forced: Collection[str],
    say: Callable[[str], None] = print,
) -> None:
    """Run the assets of these datasets.

    Args:
        settings: Of the definitions that are run.
        names: Of the datasets.
        board: Gets the outcome of each dataset.
        forced: Datasets among them that are refreshed although they could be reused.
        say: Is told when a damaged database was put aside.

    Raises:
        KeyboardInterrupt: Ctrl-C ended the run, or SIGTERM.
        ConfigError: The `dagster.yaml` of the Dagster instance cannot be used.
        StorageError: The Dagster instance cannot be read or written.
    """
    job, run_id = build_definitions(settings).resolve_job_def(REFRESH_JOB), str(uuid.uuid4())
    home = dagster_home()
    with instance_errors(home), standard_streams_restored(), _open_sound(home, say) as instance:
        end_lost_runs(instance)
        hold_run(instance, run_id, is_noted=False)
        give_signs(instance, run_id)
        shield_log_mirrors()
        with _cancelled_by_signals(instance, run_id), runs_of_location(instance, CODE_LOCATION):
            result = job.execute_in_process(
                run_id=run_id,
                tags={**process_tags(run_id=run_id), **_TAGS},
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in names],
                run_config={
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    "resources": {"cache": {"config": {"force": bool(forced), "only": sorted(forced)}}},
                },
                raise_on_error=False,
            )
            if was_interrupted(result) or is_asked_to_end():
                raise KeyboardInterrupt
        release_run(run_id)
    failed = failed_steps(result)
    for step, failure in failed.items():
        # A failure that our code foresaw is on the board already, in its own words.
        if step in names and board.snapshot().get(step, Progress()).phase is not Phase.FAILED:
            sentence = failure.causes[-1][1] if failure.causes else "failed; see the run in the web UI"
            board.set_phase(step, Phase.FAILED, sentence)


@contextmanager
def _open_sound(home: Path, say: Callable[[str], None]) -> Iterator[dg.DagsterInstance]:
    """The instance of a folder, in which the latest event of each dataset can be read."""
    with ExitStack() as opened:
        instance = opened.enter_context(open_instance(home))
        damage = unreadable_event(instance, DATASETS)
        if damage is not None:
            opened.close()
            if (sentence := put_events_aside(home, damage)) is not None:
                say(sentence)
            instance = opened.enter_context(open_instance(home))
        yield instance


@contextmanager
def _cancelled_by_signals(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Record a run as cancelled when a signal ends the block; to Dagster it would be a failure that nobody asked for.

    Raises:
        KeyboardInterrupt: After a signal.
    """
    try:
        yield
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        wait_no_longer()
        # A second signal does not keep the record from being written, wherever it came: also between two steps of ours.
        with suppress(dg.DagsterExecutionInterruptedError):
            despite_interrupts(lambda: _cancel(instance, run_id))
        raise KeyboardInterrupt from None
    except Exception as error:
        if not is_asked_to_end():
            raise
        # A database that is away fails Dagster while it records the interruption, and hides it.
        _LOGGER.warning("run %s was ended by a signal, which cannot be recorded: %s", run_id, error)
        raise KeyboardInterrupt from None


def _cancel(instance: dg.DagsterInstance, run_id: str) -> None:
    try:
        with instance_errors(instance.root_directory):
            record_cancelled(instance, run_id, "ended by a signal, such as Ctrl-C")
            leave_queue(instance, run_id)
    except TTError as error:
        _LOGGER.warning("run %s was ended by a signal, which cannot be recorded: %s", run_id, error)
