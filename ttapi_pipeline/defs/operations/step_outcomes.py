# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How the steps of recent runs ended, by the records of a Dagster instance: what alerts are made from.

What is told of them: see `alerts`.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from ttapi_pipeline.alerts.look import Seen
from ttapi_pipeline.alerts.troubles import StepOutcome
from ttapi_pipeline.core.privacy import without_secrets
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.dagster_internals import StepRecord, step_records
from ttapi_pipeline.defs.failures import error_and_sentence
from ttapi_pipeline.defs.operations.instance_errors import instance_errors, open_stored_instance

MOST_RUNS = 300
"""Of those that have ended; older ones are not looked at. A day of quotes every five minutes has 288."""

BELIEVED_FOR = timedelta(hours=2)
"""A run that was created before that is not believed to refresh anything any more; runs end after one hour."""

_UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def seen_since(instance: dg.DagsterInstance, since: datetime, *, secrets: Collection[str], now: datetime) -> Seen:
    """What the records say of runs that have ended since, and of those under way.

    Args:
        instance: With the records.
        since: Aware UTC.
        secrets: Struck out of the sentences.
        now: Aware UTC.

    Raises:
        StorageError: The records cannot be read.
    """
    with instance_errors(instance.root_directory):
        ended = instance.get_run_records(
            dg.RunsFilter(statuses=list(_ENDED), updated_after=since), limit=MOST_RUNS, order_by="update_timestamp"
        )
        open_ones = instance.get_run_records(dg.RunsFilter(statuses=list(_UNDER_WAY)))
        outcomes: list[StepOutcome] = []
        for record in ended:
            run = record.dagster_run
            records = step_records(instance, run.run_id)
            outcomes += _outcomes(records, secrets)
            if run.status is dg.DagsterRunStatus.FAILURE:
                outcomes += _lost(records, secrets)
        under_way: set[str] = set()
        for record in open_ones:
            records = step_records(instance, record.dagster_run.run_id)
            outcomes += _outcomes(records, secrets)
            if now - record.create_timestamp < BELIEVED_FOR:
                under_way |= _selected(record.dagster_run) - {each.step for each in records if each.has_ended}
    return Seen(outcomes=outcomes, under_way=frozenset(under_way))


def seen_by_home(home: Path, since: datetime, *, secrets: Collection[str], now: datetime) -> Seen:
    """As `seen_since`, of the instance of a folder; nothing of one that was never used. Nothing is created.

    Raises:
        ConfigError: Its `dagster.yaml` cannot be used.
        StorageError: The instance cannot be opened or read.
    """
    with instance_errors(home):
        opened = open_stored_instance(home)
        if opened is None:
            return Seen()
        with opened as instance:
            return seen_since(instance, since, secrets=secrets, now=now)


def _selected(run: dg.DagsterRun) -> set[str]:
    """The datasets of a run; all of them for one that does not say."""
    keys = run.asset_selection
    return set(DATASETS) if keys is None else {key.to_user_string() for key in keys} & set(DATASETS)


def _outcomes(records: Iterable[StepRecord], secrets: Collection[str]) -> list[StepOutcome]:
    found = []
    for record in records:
        if record.event.is_step_success:
            found.append(StepOutcome(step=record.step, at=record.at))
        elif record.event.is_step_failure:
            error, sentence = error_and_sentence(record.event)
            sentence = without_secrets(sentence, secrets)
            found.append(StepOutcome(step=record.step, at=record.at, error=error, sentence=sentence))
    return found


def _lost(records: Sequence[StepRecord], secrets: Collection[str]) -> list[StepOutcome]:
    """The steps that were at work when their run was ended from outside: its process was killed, or took too long."""
    ended = {each.step for each in records if each.has_ended}
    started = {each.step for each in records if each.event.event_type is dg.DagsterEventType.STEP_START}
    ends = [each for each in records if each.event.event_type is dg.DagsterEventType.RUN_FAILURE]
    if not ends:
        return []
    said = without_secrets(ends[-1].event.message or "its run ended", secrets)
    at = ends[-1].at.astimezone(UTC)
    return [StepOutcome(step=step, at=at, error="RunFailure", sentence=said) for step in sorted(started - ended)]
