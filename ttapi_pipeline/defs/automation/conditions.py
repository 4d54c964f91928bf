# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""When the daemon refreshes by itself: whenever the verdict is a miss, bottom up, backing off after failures.

Conditions and the sensor that asks them. Which runs a clock starts: see `schedules`.
"""

import threading
import weakref
from collections.abc import Mapping
from typing import Any

import dagster as dg

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.status import DatasetStatus, read_statuses
from ttapi_pipeline.defs.automation.jobs import RUN_TAGS
from ttapi_pipeline.defs.dagster_internals import instance_of, recorded_version, tick_of

RETRY_CRON = "*/10 * * * *"
"""When a dataset whose last run failed is tried again."""


class StatusesOfTick:
    """The status of every dataset, found out once per tick of the sensor, however many conditions ask for it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._guard = threading.Lock()
        # An entry goes away with its tick.
        self._of_tick: weakref.WeakKeyDictionary[Any, Mapping[str, DatasetStatus]] = weakref.WeakKeyDictionary()

    def status(self, context: dg.AutomationContext[dg.AssetKey]) -> DatasetStatus | None:
        """The status of the asset that the context is about; None for an asset that is not a dataset."""
        with self._guard:
            tick = tick_of(context)
            statuses = self._of_tick.get(tick)
            if statuses is None:
                statuses = self._of_tick[tick] = read_statuses(self._settings, now=self._clock.now())
        return statuses.get(context.key.to_user_string())


class Due(dg.AutomationCondition[dg.AssetKey]):
    """True while the verdict is a miss: a state and not an event, so that it cannot be lost between two ticks.

    Also true while this Dagster instance has no record of the stored data (a new instance, restored data). The run is
    then a hit that adopts the data, which gives the web UI its badges and its lineage back.
    """

    def __init__(self, statuses: StatusesOfTick) -> None:
        self._statuses = statuses

    @property
    def name(self) -> str:
        return "due"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        status = self._statuses.status(context)
        if status is None:
            return dg.AutomationResult(context, context.get_empty_subset())
        recorded = recorded_version(instance_of(context), context.key)
        is_settled = status.verdict.is_hit and status.manifest is not None and status.manifest.data_version == recorded
        return dg.AutomationResult(context, context.get_empty_subset() if is_settled else context.candidate_subset)


class NothingStored(dg.AutomationCondition[dg.AssetKey]):
    """True for a dataset without stored data, whatever this Dagster instance has recorded of it.

    Dagster's own `missing` asks the event log. In a new instance over existing data, and for a MetaStock folder that
    was not observed yet, it would hold back everything below.
    """

    def __init__(self, statuses: StatusesOfTick) -> None:
        self._statuses = statuses

    @property
    def name(self) -> str:
        return "nothing_stored"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        status = self._statuses.status(context)
        is_missing = status is not None and status.manifest is None
        return dg.AutomationResult(context, context.candidate_subset if is_missing else context.get_empty_subset())


def when_due(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.AutomationCondition[Any]:
    """The condition of every dataset.

    True when the dataset is due, neither it nor an upstream dataset is being refreshed, everything upstream is stored,
    no upstream dataset failed a blocking check, and its own latest run did not fail (or it is time for a retry).
    """
    condition, statuses = dg.AutomationCondition, StatusesOfTick(settings, clock)
    is_idle = ~condition.in_progress() & ~condition.any_deps_in_progress()
    has_inputs = ~condition.any_deps_match(NothingStored(statuses) & ~condition.will_be_requested())
    # A check that never ran says nothing against its data. It runs with the first run that contains the asset.
    is_refused = condition.any_checks_match(
        condition.check_failed() & ~condition.will_be_requested(), blocking_only=True
    )
    has_good_inputs = ~condition.any_deps_match(is_refused)
    may_run = ~condition.execution_failed() | condition.cron_tick_passed(RETRY_CRON)
    return (Due(statuses) & is_idle & has_inputs & has_good_inputs & may_run).with_label("when_due")


def refresh_sensor() -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the conditions; on by default."""
    return dg.AutomationConditionSensorDefinition(
        "refresh_when_due",
        target=dg.AssetSelection.all(),
        description="Refreshes what is missing, expired or out of step with its inputs.",
        # Only the code location can evaluate a condition of our own. Without this, Dagster ignores the condition.
        use_user_code_server=True,
        run_tags=RUN_TAGS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
    )
