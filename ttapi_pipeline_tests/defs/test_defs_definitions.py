# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The loaded definitions, spelt out, and when the daemon asks for what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import pytest

from ttapi_pipeline.core.declaration import Changes
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.alerts import alert_sensor
from ttapi_pipeline.defs.automation.freshness import freshness_policy
from ttapi_pipeline_tests.support.documents import ROOT
from ttapi_pipeline_tests.support.worlds import World

CHECKS = {"schema", "unique_keys", "coverage", "csv"}
RULES = {
    "trading_calendar": {"closes_after_it_opens", "a_session_lasts_at_most_7_hours", "sessions_are_weekdays"},
    "accounts": {"currency_is_a_three_letter_code"},
    "quotes": {
        *("prices_are_positive", "sizes_and_volume_are_not_negative", "day_low_is_at_most_day_high"),
        *("mid_and_spread_are_there_with_both_sides", "source_is_dxlink_or_rest"),
    },
    "daily_candles": {"prices_are_positive", "low_is_at_most_open_close_is_at_most_high", "volume_is_not_negative"},
    "volatility_cone": {"quantiles_ascend", "today_is_within_the_cone", "a_null_has_a_reason"},
}
MORE_CHECKS = {
    ("trading_calendar", "agrees_with_exchange"),
    ("trading_calendar", "reaches_the_present"),
    ("eod_snapshot", "accounts_for_every_row"),
    ("eod_snapshot", "files_are_understood"),
    ("volatility", "agrees_with_broker"),
}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(Settings())


def requested(result: Any) -> set[str]:
    return {name for name in DATASETS if result.get_num_requested(dg.AssetKey(name))}


class TestDefinitions:
    def test_the_assets_are_these_with_these_upstreams(self, definitions: dg.Definitions) -> None:
        graph = definitions.resolve_asset_graph()
        upstream = {
            key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
            for key in graph.get_all_asset_keys()
        }
        assert upstream == {
            "metastock_files": set(),
            "trading_calendar": set(),
            "accounts": set(),
            "universe": set(),
            "symbols": {"universe"},
            "implied_volatility": {"universe"},
            "quotes": {"universe"},
            "quote_history": set(),
            "session_quality": set(DATASETS),
            "balances_history": {"accounts"},
            "universe_history": {"universe"},
            "symbols_history": {"symbols"},
            "implied_volatility_history": {"implied_volatility"},
            "expirations_history": {"expiration_series"},
            "expiration_series": {"trading_calendar", "universe"},
            "daily_candles": {"trading_calendar", "universe"},
            "eod_snapshot": {"metastock_files", "daily_candles", "trading_calendar", "universe"},
            "returns_stddev": {
                *("expiration_series", "eod_snapshot", "implied_volatility"),
                *("symbols", "earnings", "trading_calendar"),
            },
            "earnings": {"symbols"},
            "volatility": {
                *("symbols", "implied_volatility", "earnings"),
                *("eod_snapshot", "daily_candles", "trading_calendar"),
            },
            "volatility_cone": {"eod_snapshot", "universe", "trading_calendar"},
            "variance_premium": {"eod_snapshot", "daily_candles", "trading_calendar"},
            "expectations": {
                "expiration_series",
                "implied_volatility",
                "eod_snapshot",
                "daily_candles",
                "trading_calendar",
            },
        }

    def test_every_dataset_has_four_checks_and_one_per_rule_and_some_have_more(
        self, definitions: dg.Definitions
    ) -> None:
        found: dict[str, set[str]] = {name: set() for name in DATASETS}
        for key in definitions.resolve_asset_graph().asset_check_keys:
            if key.asset_key.to_user_string() in DATASETS:
                found[key.asset_key.to_user_string()].add(key.name)
        for name, dataset in DATASETS.items():
            assert len(found[name]) == len(CHECKS) + len(dataset.rules) + sum(each == name for each, _ in MORE_CHECKS)
            assert found[name] >= CHECKS | RULES.get(name, set()) | {
                check for each, check in MORE_CHECKS if each == name
            }

    def test_every_job_resolves_to_what_its_name_says(self, definitions: dg.Definitions) -> None:
        repository = definitions.get_repository_def()
        steps = {
            job.name: {name for name in job.graph.node_dict if name in DATASETS}
            for job in repository.get_all_jobs()
            if not job.name.startswith("__")
        }
        market_data = {"symbols", "implied_volatility", "earnings", "quotes", "daily_candles", "eod_snapshot"}
        analytics = {"returns_stddev", "volatility", "volatility_cone", "variance_premium", "expectations"}
        assert steps == {
            "refresh_all": set(DATASETS),
            "reference": {"trading_calendar", "accounts", "universe", "expiration_series"},
            "market_data": market_data,
            "analytics": analytics,
            # With the metrics and implied volatilities of the session, which are divided into its closes.
            "end_of_day": {"daily_candles", "eod_snapshot", "symbols", "implied_volatility", "earnings"} | analytics,
            "compact_quotes": set(),
            "session_histories": set(),
            "prune_history": set(),
        }
        job = definitions.resolve_job_def("refresh_all")
        assert job.executor_def.name == dg.in_process_executor.name
        assert job.tags["dagster/max_runtime"] == "3600"

    def test_sensors_and_schedules_are_on(self, definitions: dg.Definitions) -> None:
        repository = definitions.get_repository_def()
        sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
        # Nobody is told until somebody is named.
        assert sensors.pop("alerts") is dg.DefaultSensorStatus.STOPPED
        assert sensors == dict.fromkeys(
            (
                *("refresh_when_due", "metastock_folder", "finished_quote_sessions", "finished_sessions"),
                *("record_failures", "lost_runs"),
            ),
            dg.DefaultSensorStatus.RUNNING,
        )
        assert {schedule.name: schedule.default_status for schedule in repository.schedule_defs} == dict.fromkeys(
            ("after_the_close", "prune_daily"), dg.DefaultScheduleStatus.RUNNING
        )

    def test_the_readme_says_what_each_of_them_does(self, definitions: dg.Definitions) -> None:
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        table = text.partition("| sensor or schedule | when | does |\n")[2].partition("\n\n")[0]
        named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
        repository = definitions.get_repository_def()
        sensors = [sensor.name for sensor in repository.sensor_defs]
        schedules = [schedule.name for schedule in repository.schedule_defs]
        assert sorted(named) == sorted([*sensors, *schedules])

    def test_the_sensor_of_alerts_is_on_where_somebody_is_named(self) -> None:
        assert alert_sensor(Settings()).default_status is dg.DefaultSensorStatus.STOPPED
        told = Settings(alert_urls=("json://nobody",))
        assert alert_sensor(told).default_status is dg.DefaultSensorStatus.RUNNING

    def test_what_fetches_shares_the_broker_s_pool(self, definitions: dg.Definitions) -> None:
        graph = definitions.resolve_asset_graph()
        pools = {name: graph.get(dg.AssetKey(name)).metadata.get("pool") for name in DATASETS}
        fetching = {name for name, pool in pools.items() if pool == "broker_api"}
        computed = {"earnings", "eod_snapshot", "returns_stddev", "volatility", "volatility_cone"}
        assert fetching == set(DATASETS) - computed - {"variance_premium", "expectations"}

    def test_one_ttl_setting_changes_policy_and_metadata(self) -> None:
        own = {name: dataset.ttl for name, dataset in DATASETS.items()}
        ttls = MappingProxyType({**own, "symbols": timedelta(hours=2), "accounts": timedelta(seconds=5)})
        settings = replace(Settings(), ttls=ttls, calendar_aware_ttl=False)
        graph = build_definitions(settings).resolve_asset_graph()
        for name, ttl in ttls.items():
            node = graph.get(dg.AssetKey(name))
            # Dagster accepts no window below a minute.
            assert node.freshness_policy == dg.FreshnessPolicy.time_window(fail_window=max(ttl, timedelta(minutes=1)))
            assert node.metadata["ttl_seconds"] == ttl.total_seconds()

    def test_end_of_day_data_has_a_deadline_on_weekdays(self, definitions: dg.Definitions) -> None:
        graph = definitions.resolve_asset_graph()
        deadline = dg.FreshnessPolicy.cron(
            deadline_cron="0 21 * * 1-5", lower_bound_delta=timedelta(hours=4), timezone="America/New_York"
        )
        for name, declaration in DATASETS.items():
            policy = graph.get(dg.AssetKey(name)).freshness_policy
            assert (policy == deadline) is (declaration.changes is Changes.ONCE_SETTLED)

    @pytest.mark.parametrize(
        ("ttl", "cron", "minutes"),
        [
            (timedelta(minutes=5), "*/5 10-15 * * 1-5", 5),
            (timedelta(seconds=90), "*/2 10-15 * * 1-5", 2),
            (timedelta(minutes=7), "*/10 10-15 * * 1-5", 10),
            (timedelta(hours=1), "0 10-15 * * 1-5", 60),
        ],
    )
    def test_what_changes_while_the_exchange_is_open_has_deadlines_within_a_session(
        self, ttl: timedelta, cron: str, minutes: int
    ) -> None:
        declaration = replace(DATASETS["universe"], changes=Changes.WHILE_OPEN)
        settings = replace(Settings(), ttls={"universe": ttl})
        assert freshness_policy(declaration, settings) == dg.FreshnessPolicy.cron(
            deadline_cron=cron, lower_bound_delta=timedelta(minutes=minutes), timezone="America/New_York"
        )

    def test_a_longer_ttl_than_the_deadlines_of_a_session_is_a_window(self) -> None:
        declaration = replace(DATASETS["universe"], changes=Changes.WHILE_OPEN)
        settings = replace(Settings(), ttls={"universe": timedelta(hours=2)})
        assert freshness_policy(declaration, settings) == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=2))

    def test_every_asset_links_to_its_file_and_to_its_source(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        graph = build_definitions(replace(Settings(), data_dir="data")).resolve_asset_graph()
        for name in DATASETS:
            metadata = graph.get(dg.AssetKey(name)).metadata
            assert metadata["dagster/uri"] == str(tmp_path / "data" / f"{name}.parquet")
            build, table = metadata["dagster/code_references"].code_references
            begins = [Path(each.file_path).read_text().splitlines()[each.line_number - 1] for each in (build, table)]
            assert re.match(r"(async )?def build\(", begins[0])
            assert begins[1].startswith("DATASET")
            assert {Path(each.file_path).parent.name for each in (build, table)} == {name}

    def test_the_column_schema_is_the_dataset_s(self, definitions: dg.Definitions) -> None:
        graph = definitions.resolve_asset_graph()
        for name, dataset in DATASETS.items():
            schema = dataset.schema
            shown = graph.get(dg.AssetKey(name)).metadata["dagster/column_schema"]
            assert [column.name for column in shown.columns] == [column.name for column in schema.columns]
            assert all(column.description for column in shown.columns)

    def test_the_api_shows_which_service_answers_and_no_run_can_change_it(self, definitions: dg.Definitions) -> None:
        settings = replace(Settings(), api_url="http://127.0.0.1:9", client_secret="canary-1", refresh_token="canary-2")
        job = build_definitions(settings).resolve_job_def("refresh_all")
        shown = job.resource_defs["api"].config_schema.default_value
        assert shown == {"environment": "simulator", "url": "http://127.0.0.1:9"}
        for name, field, value in [("api", "url", "http://127.0.0.1:10"), ("io_manager", "base_dir", "elsewhere")]:
            config = {"resources": {name: {"config": {field: value}}}}
            with pytest.raises(dg.DagsterInvalidConfigError, match=field):
                job.execute_in_process(run_config=config, asset_selection=[dg.AssetKey("accounts")])

    def test_simulated_data_is_said_to_be_simulated(self, definitions: dg.Definitions) -> None:
        graph = definitions.resolve_asset_graph()
        assert all("**Simulated data**" in (graph.get(dg.AssetKey(name)).description or "") for name in DATASETS)

    def test_the_code_location_loads_from_the_environment(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        monkeypatch.chdir(tmp_path)
        import importlib

        module = importlib.import_module("ttapi_pipeline.definitions")
        assert isinstance(module.defs, dg.Definitions)


# The tester selects with a parameter that is in beta.
@pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")
class TestAutomation:
    @pytest.fixture
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance

    def evaluate(self, world: World, instance: dg.DagsterInstance, cursor: Any = None) -> Any:
        return dg.evaluate_automation_conditions(
            world.definitions(), instance, evaluation_time=world.clock.now(), cursor=cursor
        )

    def test_when_everything_is_missing_everything_is_asked_for(
        self, world: World, instance: dg.DagsterInstance, tmp_path: Any
    ) -> None:
        world.settings = replace(world.settings, data_dir=str(tmp_path / "empty"))
        assert requested(self.evaluate(world, instance)) == set(DATASETS)

    def test_when_nothing_is_due_nothing_is_asked_for(self, world: World) -> None:
        with world.instance() as instance:
            first = self.evaluate(world, instance)
            world.advance(timedelta(minutes=1))
            assert requested(first) == requested(self.evaluate(world, instance, first.cursor)) == set()

    def test_what_has_expired_is_asked_for_until_it_is_refreshed(self, world: World) -> None:
        world.advance(timedelta(hours=1))
        with world.instance() as instance:
            first = self.evaluate(world, instance)
            assert requested(first) == {"accounts"}
            world.run("accounts", instance=instance)
            world.advance(timedelta(minutes=1))
            assert requested(self.evaluate(world, instance, first.cursor)) == set()

    def test_a_new_instance_asks_for_what_is_stored_so_as_to_adopt_it(
        self, world: World, instance: dg.DagsterInstance
    ) -> None:
        before = world.files()
        first = self.evaluate(world, instance)
        assert requested(first) >= {"universe", "symbols", "trading_calendar", "expiration_series"}
        assert world.run(instance=instance).success
        world.advance(timedelta(minutes=1))
        assert requested(self.evaluate(world, instance, first.cursor)) == set()
        assert world.files() == before

    def test_after_a_failure_it_waits_for_the_retry_tick(self, world: World) -> None:
        world.advance(timedelta(hours=1, minutes=1))
        world.settings = replace(world.settings, api_url="http://127.0.0.1:9")
        with world.instance() as instance:
            first = self.evaluate(world, instance)
            assert requested(first) == {"accounts"}
            assert not world.run("accounts", instance=instance).success
            world.advance(timedelta(minutes=1))
            second = self.evaluate(world, instance, first.cursor)
            assert requested(second) == set()
            # 16:02 plus nine minutes passes 16:10, a tick of */10.
            world.advance(timedelta(minutes=9))
            assert requested(self.evaluate(world, instance, second.cursor)) == {"accounts"}
