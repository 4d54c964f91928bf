# SPDX-License-Identifier: MIT
"""When the daemon refreshes by itself: whenever the verdict is a miss, bottom up, backing off after failures."""

import threading
import weakref
from collections.abc import Mapping
from typing import Any

import dagster as dg

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.status import DatasetStatus, survey
from ttapi_pipeline.defs.assets.reuse import recorded_version
from ttapi_pipeline.defs.automation.jobs import RUN_TAGS

RETRY_CRON = "*/10 * * * *"
"""When a dataset whose last run failed is tried again."""


class SurveyOfTick:
    """The status of every dataset, looked at once per tick of the sensor, however many conditions ask."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._guard = threading.Lock()
        # Every tick has a view of its own, and the status goes with it.
        self._of_view: weakref.WeakKeyDictionary[Any, Mapping[str, DatasetStatus]] = weakref.WeakKeyDictionary()

    def status(self, context: dg.AutomationContext[dg.AssetKey]) -> DatasetStatus | None:
        """The status of the asset that the context is about; None for an asset that is no dataset."""
        with self._guard:
            view = context.asset_graph_view
            statuses = self._of_view.get(view)
            if statuses is None:
                statuses = self._of_view[view] = survey(self._settings, now=self._clock.now())
        return statuses.get(context.key.to_user_string())


class Due(dg.AutomationCondition[dg.AssetKey]):
    """True while the verdict is a miss: a state and not an event, so that it cannot be lost between two ticks.

    Also true while this Dagster instance has no record of what is stored (a new instance, restored data): the run is a
    hit and adopts it, which gives the web UI its badges and its lineage back.
    """

    def __init__(self, surveyed: SurveyOfTick) -> None:
        self._surveyed = surveyed

    @property
    def name(self) -> str:
        return "due"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        status = self._surveyed.status(context)
        if status is None:
            return dg.AutomationResult(context, context.get_empty_subset())
        recorded = recorded_version(context.asset_graph_view.instance, context.key)
        is_settled = status.verdict.is_hit and status.manifest is not None and status.manifest.data_version == recorded
        return dg.AutomationResult(context, context.get_empty_subset() if is_settled else context.candidate_subset)


class NothingStored(dg.AutomationCondition[dg.AssetKey]):
    """True of a dataset without stored data, whatever this Dagster instance has recorded of it.

    Dagster's own `missing` asks the event log: a new instance over existing data, or a MetaStock folder that was not
    observed yet, would hold back everything below.
    """

    def __init__(self, surveyed: SurveyOfTick) -> None:
        self._surveyed = surveyed

    @property
    def name(self) -> str:
        return "nothing_stored"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        status = self._surveyed.status(context)
        is_missing = status is not None and status.manifest is None
        return dg.AutomationResult(context, context.candidate_subset if is_missing else context.get_empty_subset())


def when_due(settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> dg.AutomationCondition[Any]:
    """Due, nothing upstream missing or running, no input that failed a blocking check, and not just failed."""
    condition, surveyed = dg.AutomationCondition, SurveyOfTick(settings, clock)
    is_idle = ~condition.in_progress() & ~condition.any_deps_in_progress()
    has_inputs = ~condition.any_deps_match(NothingStored(surveyed) & ~condition.will_be_requested())
    # A check that never ran says nothing against its data: it runs with the first run that has the asset in it.
    is_refused = condition.any_checks_match(
        condition.check_failed() & ~condition.will_be_requested(), blocking_only=True
    )
    has_good_inputs = ~condition.any_deps_match(is_refused)
    may_run = ~condition.execution_failed() | condition.cron_tick_passed(RETRY_CRON)
    return (Due(surveyed) & is_idle & has_inputs & has_good_inputs & may_run).with_label("when_due")


def refresh_sensor() -> dg.AutomationConditionSensorDefinition:
    """The sensor that asks the conditions; on by default."""
    return dg.AutomationConditionSensorDefinition(
        "refresh_when_due",
        target=dg.AssetSelection.all(),
        description="Refreshes what is missing, expired or out of step with its inputs.",
        # A condition of our own is evaluated in the code location alone, and is ignored without this.
        use_user_code_server=True,
        run_tags=RUN_TAGS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
    )
