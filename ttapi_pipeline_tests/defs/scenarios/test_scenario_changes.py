# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a change, a failure, a restart or another clock makes the daemon do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from types import MappingProxyType

import pytest

from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets import registry as declarations
from ttapi_pipeline.datasets import status as status_module
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assets import datasets as assets_module
from ttapi_pipeline_tests.support.keepers import (
    ALL,
    BOTH_FORMS,
    COMPUTED,
    DAILY,
    EOD,
    HALF_A_MINUTE,
    HOURS,
    METRICS,
    MINUTES,
    MONDAY,
    SECONDS,
    Keeper,
)

# The tester selects with a parameter that is in beta.
pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")


class TestChange:
    @BOTH_FORMS
    def test_a_calendar_that_changed_rebuilds_the_series_alone_when_that_comes_out_the_same(
        self, keeper: Keeper
    ) -> None:
        keeper.outside.last_session = date(2027, 12, 30)
        keeper.run("trading_calendar", force=True)
        assert keeper.rules()["expiration_series"] is Rule.UPSTREAM
        # Dagster calls every reader of the calendar unsynced; to those that consult it, its change is no reason.
        assert keeper.disagreements() == {(name, "unsynced") for name in EOD}
        assert keeper.settle() == {"expiration_series"}

    def test_and_the_stddev_when_the_series_came_out_different(self, keeper: Keeper) -> None:
        keeper.outside.last_session = date(2027, 12, 30)
        keeper.outside.content["expiration_series"] += 1
        keeper.run("trading_calendar", force=True)
        assert keeper.tick() == ({"expiration_series"}, {"expiration_series"})
        # A level per tick: what is below is asked for when its input is there.
        below = {"returns_stddev", "expectations"}
        assert keeper.tick(HALF_A_MINUTE) == (below, below)
        assert keeper.tick(HALF_A_MINUTE) == (set(), set())

    @BOTH_FORMS
    def test_a_calendar_fetched_again_without_change_rebuilds_nothing(self, keeper: Keeper) -> None:
        keeper.clock.at += 10 * MINUTES
        keeper.run("trading_calendar", force=True)
        assert keeper.settle() == set()
        assert keeper.disagreements() == set()

    @BOTH_FORMS
    def test_new_metrics_rebuild_neither_chains_nor_candles(self, keeper: Keeper) -> None:
        for name in METRICS:
            keeper.outside.content[name] += 1
        keeper.run("symbols", "implied_volatility", force=True)
        # The dates among them are looked through again; they are the same.
        assert keeper.settle() == {"earnings", "returns_stddev", "volatility", "expectations"}
        assert keeper.disagreements() == set()

    @BOTH_FORMS
    def test_a_new_metastock_file_rebuilds_the_snapshot_and_what_is_computed_from_it(self, keeper: Keeper) -> None:
        assert keeper.settings.metastock_dir is not None
        (keeper.settings.metastock_dir / "KO.csv").write_text("two")
        assert keeper.tick(HALF_A_MINUTE) == ({"eod_snapshot"}, {"eod_snapshot"})
        assert keeper.settle(HALF_A_MINUTE) == COMPUTED
        assert keeper.disagreements() == set()

    @BOTH_FORMS
    def test_a_new_code_version_rebuilds_its_dataset_and_below_only_on_change(
        self, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed = MappingProxyType({**DATASETS, "universe": replace(DATASETS["universe"], code_version="next")})
        for module in (declarations, assets_module, status_module):
            monkeypatch.setattr(module, "DATASETS", changed)
        keeper.restart()
        assert keeper.rules()["universe"] is Rule.CODE_VERSION
        assert keeper.disagreements() == set()
        assert keeper.settle(HALF_A_MINUTE) == {"universe"}


class TestTrouble:
    # To 16:35, and for two hours.
    @pytest.mark.parametrize(("ticks", "retries"), [(9, 3), pytest.param(31, 12, marks=pytest.mark.soak)])
    def test_an_upstream_that_fails_for_hours_is_tried_at_the_retry_ticks_and_recovers(
        self, keeper: Keeper, ticks: int, retries: int
    ) -> None:
        keeper.outside.down = {"accounts"}
        keeper.clock.at += 59 * MINUTES
        asked = [keeper.tick(4 * MINUTES)[0] for _ in range(ticks)]
        # From 16:03: at once, and then at the first tick after each ten minutes.
        assert Counter(map(frozenset, asked)) == {
            frozenset({"accounts"}): 1 + retries,
            frozenset(): ticks - 1 - retries,
        }
        assert keeper.rules()["accounts"] is Rule.EXPIRED
        keeper.outside.down = set()
        assert keeper.settle(10 * MINUTES) == {"accounts"}
        assert keeper.tick(2 * MINUTES) == (set(), set())

    def test_what_is_below_a_failed_dataset_keeps_its_data_and_waits(self, keeper: Keeper) -> None:
        keeper.outside.down = {"daily_candles"}
        versions = {name: each.manifest for name, each in keeper.statuses().items()}
        asked, built = keeper.tick(24 * HOURS)
        assert asked == DAILY
        # The snapshot is computed below the candles, and is skipped with what is below it.
        assert built == DAILY - EOD
        kept = keeper.statuses()
        assert {name for name in EOD if kept[name].manifest == versions[name]} == EOD
        keeper.outside.down = set()
        assert keeper.settle(11 * MINUTES) == EOD

    def test_a_restart_of_the_daemon_loses_nothing(self, keeper: Keeper) -> None:
        keeper.clock.at += 1 * HOURS
        keeper.restart()
        assert keeper.tick() == ({"accounts"}, {"accounts"})
        keeper.restart()
        assert keeper.tick(HALF_A_MINUTE) == (set(), set())

    def test_a_new_instance_adopts_what_is_stored_and_fetches_nothing(
        self, keeper: Keeper, open_keeper: Callable[..., Keeper]
    ) -> None:
        other = open_keeper(MONDAY + 5 * MINUTES)
        assert other.tick() == (ALL, set())
        assert other.tick(HALF_A_MINUTE) == (set(), set())
        assert other.disagreements() == set()

    def test_a_new_instance_with_an_expired_root_refreshes_the_root_alone(
        self, keeper: Keeper, open_keeper: Callable[..., Keeper]
    ) -> None:
        late = MappingProxyType({**keeper.settings.ttls, "universe": 2 * HOURS, "accounts": 9 * HOURS})
        other = open_keeper(MONDAY + 3 * HOURS, ttls=late)
        assert other.tick() == (ALL, {"universe"})
        assert other.tick(HALF_A_MINUTE) == (set(), set())

    @BOTH_FORMS
    def test_a_clock_that_jumped_back_makes_everything_again_once(self, keeper: Keeper) -> None:
        assert keeper.settle(-2 * HOURS) == ALL
        assert set(keeper.rules().values()) == {Rule.FRESH}

    @BOTH_FORMS
    def test_a_clock_that_jumped_back_by_seconds_changes_nothing(self, keeper: Keeper) -> None:
        assert keeper.tick(-20 * SECONDS) == (set(), set())
