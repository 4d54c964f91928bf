# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What keeps the datasets fresh under a stopped clock, tick by tick, in two forms that obey the same tables.

`DagsterKeeper` is the daemon: it asks the automation conditions and executes runs. `VerdictKeeper` builds whatever the
verdict calls a miss, which costs a fraction of that. Every run of the tests goes through the tables with it, and
`make soak` with the other. A few scenarios in every run prove that the daemon does what the verdict says.

Both store with the real storage, and record what they stored in a Dagster instance: its badge and its label "unsynced"
are compared with the verdict in either form. What is built comes from `support.outside`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import (
    CronFreshnessPolicyEvaluator,
    TimeWindowFreshnessPolicyEvaluator,
)
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time

from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import DatasetStatus, read_statuses, shaping_settings
from ttapi_pipeline.defs.assets.datasets import build_assets
from ttapi_pipeline.defs.dagster_internals import observation, provenance_tags
from ttapi_pipeline.defs.resources import CacheResource, api_resource, storage_resource
from ttapi_pipeline.storage.layout import open_folder
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.outside import Outside

Names = AbstractSet[str]
"""Of datasets."""
Differences = AbstractSet[tuple[str, str]]
"""Pairs of a dataset and of ``"badge"`` or ``"unsynced"``."""

ALL: Final = frozenset(DATASETS)
METRICS: Final = frozenset({"symbols", "implied_volatility"})
COMPUTED: Final = frozenset({"returns_stddev", "volatility", "volatility_cone", "variance_premium", "expectations"})
EOD: Final = frozenset({"daily_candles", "eod_snapshot", *COMPUTED})
DAILY: Final = frozenset({"accounts", "universe", *METRICS, "earnings", *EOD})

MONDAY: Final = datetime(2026, 11, 16, 15, 0, tzinfo=UTC)
"""10:00 in New York, on a plain session."""
SECONDS, MINUTES, HOURS, DAYS = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
HALF_A_MINUTE: Final = 30 * SECONDS
"""From one tick of the sensor to the next."""


class Keeper(ABC):
    """Keeps the datasets of a data folder fresh.

    Attributes:
        settings: Of the user.
        outside: What is fetched, and a list of what was built.
        instance: The Dagster instance that materialisations are recorded in.
        clock: Says what time it is; a test moves it.
    """

    def __init__(self, settings: Settings, outside: Outside, instance: dg.DagsterInstance, clock: FakeClock) -> None:
        self.settings, self.outside, self.instance, self.clock = settings, outside, instance, clock

    @abstractmethod
    def requested(self) -> Names:
        """What is asked for at this tick."""

    @abstractmethod
    def run(self, *names: str, force: bool = False) -> bool:
        """Refresh what is due of these datasets, or all of them when forced; whether nothing failed."""

    def restart(self) -> None:
        """Forget what a process remembers."""
        self.__dict__.pop("definitions", None)

    def tick(self, after: timedelta = timedelta(0)) -> tuple[Names, Names]:
        """One tick, with its run: what was asked for, and what was built."""
        self.clock.at += after
        self.outside.built.clear()
        asked = self.requested()
        if asked:
            self.run(*asked)
        return asked, set(self.outside.built)

    def settle(self, after: timedelta = timedelta(0)) -> Names:
        """Ticks half a minute apart until nothing more is asked for: everything that was built meanwhile."""
        asked, built = self.tick(after)
        while asked:
            asked, more = self.tick(HALF_A_MINUTE)
            built = built | more
        return built

    def statuses(self) -> Mapping[str, DatasetStatus]:
        """The status of every dataset."""
        return read_statuses(self.settings, now=self.clock.at)

    def rules(self) -> Mapping[str, Rule]:
        """The rule behind each verdict."""
        return {name: each.verdict.rule for name, each in self.statuses().items()}

    @cached_property
    def definitions(self) -> dg.Definitions:
        """The code location, as a process loads it at its start."""
        return dg.Definitions(
            assets=build_assets(self.settings, clock=self.clock),
            resources={
                "io_manager": storage_resource(open_folder(self.settings.data_dir), keep_versions=2),
                "cache": CacheResource(),
                "api": api_resource(self.settings, clock=self.clock),
            },
            executor=dg.in_process_executor,
        )

    def disagreements(self) -> Differences:
        """Where Dagster's badge or label says another thing than the verdict."""
        graph, rules = self.definitions.resolve_asset_graph(), self.rules()
        with freeze_time(self.clock.at):
            resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
            unsynced = {name for name in rules if resolver.get_status(dg.AssetKey(name)) is StaleStatus.STALE}
            failing = asyncio.run(self._failing([graph.get(dg.AssetKey(name)) for name in rules]))
        changed = {name for name, rule in rules.items() if rule in {Rule.UPSTREAM, Rule.CODE_VERSION}}
        expired = {name for name, rule in rules.items() if rule is Rule.EXPIRED}
        return {(name, "unsynced") for name in unsynced ^ changed} | {(name, "badge") for name in failing ^ expired}

    async def _failing(self, nodes: Iterable[Any]) -> set[str]:
        """The assets whose badge is red."""
        context = LoadingContextForTest(self.instance)
        found = set()
        for node in nodes:
            is_windowed = hasattr(node.freshness_policy, "fail_window")
            evaluator = TimeWindowFreshnessPolicyEvaluator() if is_windowed else CronFreshnessPolicyEvaluator()
            if await evaluator.evaluate_freshness(context, node) is FreshnessState.FAIL:
                found.add(node.key.to_user_string())
        return found


class DagsterKeeper(Keeper):
    """The sensor's conditions and its runs, as the daemon would drive them."""

    cursor: Any = None

    def restart(self) -> None:
        super().restart()
        self.cursor = None

    def requested(self) -> Names:
        with freeze_time(self.clock.at):
            result = dg.evaluate_automation_conditions(
                self.definitions, self.instance, evaluation_time=self.clock.at, cursor=self.cursor
            )
        self.cursor = result.cursor
        return {name for name in DATASETS if result.get_num_requested(dg.AssetKey(name))}

    def run(self, *names: str, force: bool = False) -> bool:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        with freeze_time(self.clock.at):
            result = job.execute_in_process(
                instance=self.instance,
                asset_selection=[dg.AssetKey(name) for name in names],
                run_config={
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    "resources": {"cache": {"config": {"force": force}}},
                },
                raise_on_error=False,
            )
        return result.success


class VerdictKeeper(Keeper):
    """Asks the verdict and nothing else: each miss is built and stored, upstream first, and recorded without a run."""

    def requested(self) -> Names:
        return {name for name, each in self.statuses().items() if not each.verdict.is_hit}

    def run(self, *names: str, force: bool = False) -> bool:
        failed: set[str] = set()
        for name, dataset in DATASETS.items():
            if name not in names:
                continue
            # What an earlier one has changed counts.
            status = read_statuses(self.settings, now=self.clock.at, forced=names if force else ())[name]
            if failed & set(dataset.upstream):
                failed.add(name)
            elif not status.verdict.is_hit:
                try:
                    self._store(status)
                except TTError:
                    failed.add(name)
        return not failed

    def _store(self, status: DatasetStatus) -> None:
        dataset, folder = status.dataset, open_folder(self.settings.data_dir)
        upstream = {name: read_manifest(folder, name) for name in dataset.upstream if name in DATASETS}
        frames = {name: scan(folder, DATASETS[name].schema) for name in upstream}
        build = self.outside.build(dataset.name, frames, settings=self.settings, now=self.clock.at)
        inputs = {name: manifest.data_version for name, manifest in upstream.items() if manifest} | dict(build.inputs)
        provenance = Provenance(
            dataset=dataset.name,
            code_version=dataset.code_version,
            fetched_at=self.clock.at,
            inputs=inputs,
            settings=shaping_settings(self.settings, dataset),
            is_simulated=True,
        )
        version = publish(build.frame, dataset.schema, folder, provenance).data_version
        tags = provenance_tags(version, code_version=dataset.code_version, inputs=inputs)
        with freeze_time(self.clock.at):
            # What it read besides datasets.
            for name, read in build.inputs.items():
                self.instance.report_runless_asset_event(observation(name, read))
            self.instance.report_runless_asset_event(dg.AssetMaterialization(dataset.name, tags=tags))


BOTH_FORMS = pytest.mark.parametrize(
    "form", [VerdictKeeper, pytest.param(DagsterKeeper, marks=pytest.mark.soak)], ids=["verdict", "dagster"]
)
"""For scenarios that are tables: by the verdict in every run, by the daemon's conditions and runs in `make soak`."""
