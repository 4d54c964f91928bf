# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Runs that go wrong: what is kept, what is said, and that no secret is in any of it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._serdes import serialize_value

from ttapi_pipeline.core.environments import Environment
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.simulator.server import OffsetClock, Simulator, build_simulator, serving
from ttapi_pipeline.storage.layout import DatasetFiles
from ttapi_pipeline.storage.publish import publish, write_manifest
from ttapi_pipeline_tests.support.instances import save_instance
from ttapi_pipeline_tests.support.worlds import SATURDAY, World

COMPUTED = {"returns_stddev", "volatility", "volatility_cone", "variance_premium", "expectations"}
SECRETS = ("canary-client-secret-4711", "canary-refresh-token-4711")


def failure(result: dg.ExecuteInProcessResult, name: str) -> dg.StepFailureData | Any:
    return result.failure_data_for_node(name)


def retried(result: dg.ExecuteInProcessResult) -> list[str | None]:
    """Steps that were given a second attempt."""
    return [event.step_key for event in result.all_events if event.is_step_up_for_retry]


def sentence(result: dg.ExecuteInProcessResult, name: str) -> str:
    """What the failed step of a dataset says."""
    assert not result.success
    description = failure(result, name).user_failure_data.description
    assert isinstance(description, str)
    assert "\n" not in description
    return description


def check_results(result: dg.ExecuteInProcessResult, check: str) -> Mapping[str, dg.AssetCheckEvaluation]:
    return {
        each.asset_key.to_user_string(): each
        for each in result.get_asset_check_evaluations()
        if each.check_name == check
    }


def test_a_chain_that_fails_keeps_its_rows_and_the_check_warns(world: World) -> None:
    before = pl.read_parquet(world.data / "expiration_series.parquet")
    world.advance(timedelta(days=7))
    world.exchange.fault("status", "/option-chains/{symbol}/nested", count=1, parameters={"status": 403})
    result = world.run("expiration_series")
    assert result.success
    manifest = world.manifest("expiration_series")
    (missing,) = manifest.provenance.missing
    after = pl.read_parquet(world.data / "expiration_series.parquet")
    fetched = dict(after.group_by("symbol").agg(pl.col("fetched_at").unique().first()).iter_rows())
    assert fetched.pop(missing) == before["fetched_at"][0]
    assert set(fetched.values()) == {world.clock.now()}
    coverage = check_results(result, "coverage")["expiration_series"]
    assert (coverage.passed, coverage.severity) == (False, dg.AssetCheckSeverity.WARN)
    # The time of the exchange stands still: of two symbols that answer, one still lists an expiration of a week ago.
    assert coverage.description == "1 missing, 1 value could not be read"
    assert manifest.provenance.lost == {"expirations[].expiration-date": 1}


def test_below_the_coverage_the_step_fails_with_the_list_and_the_files_stay(world: World) -> None:
    before = world.files()
    world.advance(timedelta(days=7))
    world.exchange.fault("status", "/option-chains/{symbol}/nested", parameters={"status": 403})
    result = world.run("expiration_series")
    assert "expiration_series: 6 of 6 are missing" in sentence(result, "expiration_series")
    metadata = failure(result, "expiration_series").user_failure_data.metadata
    assert set(metadata["missing"].value) == {"AAPL", "BRK/B", "IBM", "KO", "MSFT", "SPY"}
    assert metadata["stored_data"].value == "unchanged"
    assert world.files() == before


def test_an_api_that_cannot_be_reached_costs_nothing_that_is_stored(world: World) -> None:
    before = world.files()
    # Port 9 of the loopback: nothing listens there.
    world.settings = replace(world.settings, api_url="http://127.0.0.1:9")
    world.advance(timedelta(hours=2))
    result = world.run("accounts")
    assert sentence(result, "accounts") == (
        "accounts: POST /oauth/token: 127.0.0.1:9 cannot be reached: connection refused; "
        "check TT_API_URL and the network"
    )
    assert retried(result) == ["accounts"]
    assert world.files() == before


def test_refused_credentials_fail_with_a_sentence_and_appear_nowhere(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    before = world.files()
    client_secret, refresh_token = SECRETS
    world.settings = replace(
        world.settings,
        environment=Environment.PRODUCTION,
        client_secret=client_secret,
        refresh_token=refresh_token,
    )
    with world.instance() as instance:
        result = world.run("accounts", "universe", force=True, instance=instance)
        events = [serialize_value(entry) for entry in instance.all_logs(result.run_id)]
        save_instance(instance, tmp_path)
    assert "refused" in sentence(result, "accounts")
    assert failure(result, "accounts").user_failure_data.metadata["error"].value == "AuthError"
    assert retried(result) == []
    assert world.files() == before
    printed = capfd.readouterr()
    texts = [*events, caplog.text, printed.out, printed.err, repr(world.settings), repr(world.definitions())]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 30
    for secret in SECRETS:
        assert not any(secret in text for text in texts)
        assert not any(secret.encode() in content for content in files)


@contextmanager
def simulator_in_a_thread() -> Iterator[tuple[str, Simulator]]:
    """A simulator within reach, so that its secrets and the tokens that it issues can be chosen."""
    simulator = build_simulator(clock=OffsetClock(SATURDAY))
    ready: queue.Queue[tuple[str, Callable[[], object]]] = queue.Queue(maxsize=1)

    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(simulator) as url:
            ready.put((url, lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    url, stop = ready.get(timeout=30)
    try:
        yield url, simulator
    finally:
        stop()
        thread.join()


def test_accepted_credentials_appear_nowhere_after_a_full_run_with_failures(
    world: World,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    client_secret, refresh_token = SECRETS
    monkeypatch.setattr("ttapi_pipeline.simulator.rest.oauth.SIMULATOR_CLIENT_SECRET", client_secret)
    monkeypatch.setattr("ttapi_pipeline.simulator.rest.oauth.SIMULATOR_REFRESH_TOKEN", refresh_token)
    # Access tokens and DXLink tokens are as secret as what they are issued for.
    issued = (f"canary-token-{number}" for number in itertools.count(1))
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: next(issued))
    with simulator_in_a_thread() as (url, simulator), world.instance() as instance:
        world.settings = replace(
            world.settings,
            environment=Environment.PRODUCTION,
            api_url=url,
            client_secret=client_secret,
            refresh_token=refresh_token,
        )
        simulator.faults.add_option("status:status=403,route=option-chains")
        simulator.faults.add_option("status:status=503,count=2,route=market-metrics")
        simulator.faults.add_option("reset:count=1,route=instruments")
        simulator.faults.add_option("expire-token:count=1,route=accounts")
        result = world.run(force=True, instance=instance)
        events = [serialize_value(entry) for entry in instance.all_logs(result.run_id)]
        save_instance(instance, tmp_path)
        granted, struck = simulator.counters.count("oauth.granted"), [f.struck for f in simulator.faults.listing()]
    assert "expiration_series: 6 of 6 are missing" in sentence(result, "expiration_series")
    assert {"accounts", "universe", "symbols", "daily_candles"} <= {
        event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key
    }
    assert granted == 2
    assert struck == [6, 2, 1, 1]
    # Two access tokens and at least one for DXLink came before this one.
    assert int(next(issued).removeprefix("canary-token-")) >= 4
    printed = capfd.readouterr()
    texts = [*events, caplog.text, *(repr(vars(record)) for record in caplog.records), printed.out, printed.err]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 30
    assert not [text for text in texts if "canary" in text]
    assert not any(b"canary" in content for content in files)


def test_a_csv_that_cannot_be_written_fails_its_check_and_not_its_data(world: World) -> None:
    csv = world.data / "accounts.csv"
    csv.unlink()
    (csv / "in-the-way").mkdir(parents=True)
    result = world.run("accounts", force=True)
    assert result.success
    check = check_results(result, "csv")["accounts"]
    assert not check.passed
    assert "accounts.csv" in str(check.metadata["seen"].value)
    assert {name: each.passed for name, each in check_results(result, "schema").items()} == {"accounts": True}
    assert pl.read_parquet(world.data / "accounts.parquet").height == world.manifest("accounts").rows


def test_a_data_folder_that_cannot_be_written_is_one_sentence(world: World, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    world.settings = replace(world.settings, data_dir=str(blocked))
    result = world.run("accounts")
    assert "a file is where the data folder should be" in sentence(result, "accounts")


def test_a_metastock_folder_that_is_gone_stops_the_snapshot_alone(world: World) -> None:
    before = world.files()
    world.metastock.rename(world.metastock.with_name("elsewhere"))
    assert world.run("accounts", "universe").success
    assert str(world.metastock) in sentence(world.run("eod_snapshot"), "eod_snapshot")
    assert world.files() == before


def test_the_simulator_does_not_overwrite_real_data(world: World) -> None:
    universe = world.manifest("universe")
    real = replace(universe, provenance=replace(universe.provenance, is_simulated=False))
    write_manifest(DatasetFiles.of(world.data, "universe"), real)
    before = world.files()
    result = world.run("accounts", force=True)
    assert "the simulator does not overwrite real data" in sentence(result, "accounts")
    assert world.files() == before


def test_a_damaged_parquet_file_is_replaced(world: World) -> None:
    path = world.data / "accounts.parquet"
    path.write_bytes(path.read_bytes()[:-4] + b"????")
    assert world.run("accounts").success
    assert pl.read_parquet(path).height == world.manifest("accounts").rows


def test_stored_rows_that_break_a_rule_fail_their_check_by_name(world: World) -> None:
    accounts = pl.read_parquet(world.data / "accounts.parquet").with_columns(currency=pl.lit("dollars"))
    publish(accounts, DATASETS["accounts"].schema, world.data, world.manifest("accounts").provenance)
    check = check_results(world.run("accounts"), "currency_is_a_three_letter_code")["accounts"]
    assert not check.passed
    assert check.description == f"{accounts.height} rows break it: currency is a three-letter code"
    assert check.metadata["broken_rows"].value == accounts.height
    assert "examples" not in check.metadata


def test_a_check_of_a_rule_is_executed_alone_and_names_the_rows_that_break_it(world: World) -> None:
    calendar = pl.read_parquet(world.data / "trading_calendar.parquet")
    longer = calendar.with_columns(closes_at=pl.col("closes_at") + pl.duration(hours=pl.lit(1)))
    publish(longer, DATASETS["trading_calendar"].schema, world.data, world.manifest("trading_calendar").provenance)
    key = dg.AssetCheckKey(dg.AssetKey("trading_calendar"), "a_session_lasts_at_most_7_hours")
    alone = dg.define_asset_job("alone", selection=dg.AssetSelection.checks(key))
    job = dg.Definitions.merge(world.definitions(), dg.Definitions(jobs=[alone])).resolve_job_def("alone")
    result = job.execute_in_process(raise_on_error=False)
    (found,) = result.get_asset_check_evaluations()
    broken = calendar.filter(pl.col("closes_at") - pl.col("opens_at") > timedelta(hours=6))["session"]
    assert (found.check_name, found.passed) == (key.name, False)
    assert found.metadata["broken_rows"].value == broken.len()
    assert found.metadata["examples"].value == [[day.isoformat()] for day in broken.head(5)]
    assert result.get_asset_materialization_events() == []


def started(result: dg.ExecuteInProcessResult) -> set[str]:
    """The datasets whose steps a run began."""
    return {event.step_key or "" for event in result.all_events if event.is_step_start} & set(DATASETS)


class TestBlockingChecks:
    """A check that blocks and fails stops what is below it: in the run that has it, and in the daemon's next ticks."""

    def break_calendar(self, world: World) -> None:
        """A calendar that ended a year ago, as the broker's answer might be."""
        calendar = pl.read_parquet(world.data / "trading_calendar.parquet")
        ended = calendar.filter(pl.col("session") < SATURDAY.date() - timedelta(days=365))
        publish(ended, DATASETS["trading_calendar"].schema, world.data, world.manifest("trading_calendar").provenance)

    def break_snapshot(self, world: World) -> None:
        """A snapshot without one of the rows that its import has counted."""
        snapshot = pl.read_parquet(world.data / "eod_snapshot.parquet")
        publish(snapshot[1:], DATASETS["eod_snapshot"].schema, world.data, world.manifest("eod_snapshot").provenance)

    @pytest.mark.parametrize(
        ("name", "check", "out_of_step", "below"),
        [
            (
                "trading_calendar",
                "reaches_the_present",
                # The others consult the calendar, and its change alone is no reason to rebuild them.
                {"expiration_series"},
                {"expiration_series", "daily_candles", "eod_snapshot", *COMPUTED},
            ),
            ("eod_snapshot", "accounts_for_every_row", COMPUTED, COMPUTED),
        ],
    )
    # The tester selects with a parameter that is in beta.
    @pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")
    def test_what_is_below_a_failed_one_runs_neither_now_nor_by_itself(
        self, world: World, name: str, check: str, out_of_step: set[str], below: set[str]
    ) -> None:
        {"trading_calendar": self.break_calendar, "eod_snapshot": self.break_snapshot}[name](world)
        before, definitions = world.writes(), world.definitions()
        cursor = None
        with world.instance() as instance:

            def asked(after: timedelta) -> set[str]:
                """What the sensor asks for at its next tick."""
                nonlocal cursor
                world.advance(after)
                result = dg.evaluate_automation_conditions(
                    definitions, instance, evaluation_time=world.clock.now(), cursor=cursor
                )
                cursor = result.cursor
                return {each for each in DATASETS if result.get_num_requested(dg.AssetKey(each))}

            # Nothing speaks against it before its check has run.
            assert asked(timedelta(minutes=1)) == {name, *out_of_step}
            result = world.run(name, *below, instance=instance)
            assert not result.success
            assert not check_results(result, check)[name].passed
            assert started(result) == {name}
            assert world.writes() == before
            statuses = read_statuses(world.settings, now=world.clock.now())
            assert {each for each in below if statuses[each].verdict.rule is Rule.UPSTREAM} == out_of_step
            # At once, and past one of the ticks at which what has failed is tried again.
            assert [asked(timedelta(minutes=minutes)) for minutes in (1, 10)] == [set(), set()]
            # Not even when everything has expired; and then, once it is mended.
            everything = asked(timedelta(days=8))
            assert name in everything
            assert everything & {each for each in below if name in DATASETS[each].upstream} == set()
            assert world.run(name, force=True, instance=instance).success
            assert asked(timedelta(minutes=11)) >= below
