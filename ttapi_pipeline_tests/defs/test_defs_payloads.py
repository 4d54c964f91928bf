# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Payloads that people have met, played by the simulator: what a run stores of them, and how it says what it lost.

Each is a member of a kind: the field, the row or the symbol that a value spoils is as small as it can be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from ttapi_pipeline.commands.exit_codes import INCOMPLETE, OK
from ttapi_pipeline.commands.refresh import exit_code
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline.terminal.dataset_rows import dataset_row
from ttapi_pipeline.terminal.status_document import status_document

METRICS = "/market-metrics"
CHAIN = "/option-chains/{symbol}/nested"
SESSIONS = "/market-time/sessions"
HOLIDAYS = "/market-time/equities/holidays"
AAPL = "data.items[symbol=AAPL]"
IV_LIST = "option-expiration-implied-volatilities"


@pytest.fixture(autouse=True)
def every_fault_strikes(exchange: Any) -> Iterator[None]:
    """A fault that does not strike would pass for a pipeline that bears it."""
    yield
    idle = [fault for fault in exchange.call("GET", "/faults")["items"] if not fault["struck"]]
    assert idle == []


def play(world: Any, route: str, path: str, value: object = None, *, action: str = "set", **more: Any) -> None:
    """Have the simulator answer with another value at this place."""
    parameters = {"path": path, "value": json.dumps(value), "action": action}
    world.exchange.fault("replace-field", route, parameters=parameters, **more)


def table(world: Any, name: str) -> pl.DataFrame:
    return pl.read_parquet(world.data / f"{name}.parquet")


def row(frame: pl.DataFrame, **key: object) -> dict[str, Any]:
    return frame.row(
        by_predicate=pl.all_horizontal(*(pl.col(name) == value for name, value in key.items())), named=True
    )


def coverage(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = (
        each
        for each in result.get_asset_check_evaluations()
        if each.check_name == "coverage" and each.asset_key.to_user_string() == name
    )
    return found


def sentence(result: dg.ExecuteInProcessResult, name: str) -> str:
    data: Any = result.failure_data_for_node(name)
    said: str = data.user_failure_data.description
    return said


def test_fields_of_the_metrics_that_cannot_be_read_are_null_and_counted(world: Any) -> None:
    before = table(world, "symbols").drop("fetched_at")
    spoiled = {
        "beta": ("NaN", "beta"),
        "borrow-rate": ("", "borrow_rate"),
        "liquidity-rating": ("N/A", "liquidity_rating"),
        "updated-at": ("2026-11-20T20:54:11", "metrics_updated_at"),
        "dividend-ex-date": ("2026-11-09T00:00:00.000Z", "dividend_ex_date"),
    }
    for name, (value, _) in spoiled.items():
        play(world, METRICS, f"{AAPL}.{name}", value)
    result = world.run("symbols", force=True)
    assert result.success
    after, lost_columns = table(world, "symbols").drop("fetched_at"), [column for _, column in spoiled.values()]
    changed = row(before, symbol="AAPL") | dict.fromkeys(lost_columns)
    assert row(after, symbol="AAPL") == changed
    others = pl.col("symbol") != "AAPL"
    assert after.filter(others).equals(before.filter(others))
    stored = world.manifest("symbols").provenance
    assert (stored.missing, stored.lost) == ({}, dict.fromkeys(sorted(spoiled), 1))
    check = coverage(result, "symbols")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == "5 values could not be read"
    assert json.loads(str(check.metadata["seen"].value).replace("'", '"'))["lost"] == dict(stored.lost)
    # Read again and whole, it is as it was.
    world.exchange.reset()
    assert coverage(world.run("symbols", force=True), "symbols").passed
    assert world.manifest("symbols").provenance.lost == {}


def test_metrics_without_figures_leave_the_stored_row_and_impossible_ones_are_counted(world: Any) -> None:
    before = table(world, "symbols")
    play(world, METRICS, "data.items[symbol=KO]", {"symbol": "KO"})
    play(world, METRICS, f"{AAPL}.updated-at", "2031-01-01T00:00:00Z")
    assert world.run("symbols", force=True).success
    after, stays = table(world, "symbols"), pl.col("symbol") == "KO"
    assert after.filter(stays).equals(before.filter(stays))
    assert row(after, symbol="AAPL")["metrics_updated_at"] is None
    stored = world.manifest("symbols").provenance
    assert (set(stored.missing), stored.lost) == ({"KO"}, {"updated-at": 1})


def test_one_expiration_without_a_number_costs_that_number(world: Any) -> None:
    before = table(world, "implied_volatility").drop("fetched_at")
    expirations = before.filter(symbol="AAPL")["expiration_date"].unique().sort().to_list()
    play(world, METRICS, f"{AAPL}.{IV_LIST}[expiration-date={expirations[1]}].implied-volatility", "NaN")
    play(world, METRICS, f"data.items[symbol=KO].{IV_LIST}")
    result = world.run("implied_volatility", force=True)
    after = table(world, "implied_volatility").drop("fetched_at")
    is_spoiled = (pl.col("symbol") == "AAPL") & (pl.col("expiration_date") == expirations[1])
    assert after.filter(~is_spoiled).equals(before.filter(~is_spoiled))
    assert after.filter(is_spoiled)["implied_volatility"].to_list() == [None]
    stored = world.manifest("implied_volatility").provenance
    assert stored.lost == {IV_LIST: 1, f"{IV_LIST}[].implied-volatility": 1}
    # A list that is null is silence of a symbol that has expirations, and its last known ones stay.
    assert dict(stored.missing) == {"KO": "no expiration came, and stored ones are still ahead"}
    assert coverage(result, "implied_volatility").description == "1 missing, 2 values could not be read"


def test_volatilities_that_become_zero_or_are_left_out_stay_and_are_named(world: Any) -> None:
    before = table(world, "implied_volatility")
    expirations = before.filter(symbol="AAPL", settlement_type="PM")["expiration_date"].unique().sort().to_list()
    play(world, METRICS, f"data.items[symbol=KO].{IV_LIST}[*].implied-volatility", 0)
    play(world, METRICS, f"{AAPL}.{IV_LIST}[expiration-date={expirations[-1]}].expiration-date", "2019-01-18")
    result = world.run("implied_volatility", force=True)
    after = table(world, "implied_volatility")
    assert after.drop("fetched_at").equals(before.drop("fetched_at"))
    stays = (pl.col("symbol") == "KO") | ((pl.col("symbol") == "AAPL") & (pl.col("expiration_date") == expirations[-1]))
    assert after.filter(stays).equals(before.filter(stays))
    stored = world.manifest("implied_volatility").provenance
    assert dict(stored.missing) == {
        "AAPL": f"1 of the stored volatilities ahead did not come and stay as they were: {expirations[-1]}",
        "KO": "no implied volatility came, and stored ones are still ahead",
    }
    assert stored.lost == {f"{IV_LIST}[].expiration-date": 1}
    assert coverage(result, "implied_volatility").severity == dg.AssetCheckSeverity.WARN


def test_placeholders_of_the_metrics_are_null_and_no_loss(world: Any) -> None:
    for name, value in {
        "dividend-ex-date": "1970-01-01",
        "dividend-next-date": "1970-01-01",
        "dividend-pay-date": "9999-12-31",
        "price-earnings-ratio": "0.0",
        "earnings-per-share": "0.0",
        "market-cap": 0,
        "earnings": {"visible": False, "expected-report-date": "2026-12-01", "time-of-day": "AMC", "actual-eps": "1"},
    }.items():
        play(world, METRICS, f"data.items[symbol=SPY].{name}", value)
    play(world, METRICS, "data.items[symbol=KO].dividend-ex-date", "2026-11-10")
    play(world, METRICS, "data.items[symbol=KO].dividend-next-date", "2026-08-10")
    play(world, METRICS, f"data.items[symbol=IBM].{IV_LIST}[0].implied-volatility", "0.0")
    assert world.run("symbols", "implied_volatility", force=True).success
    spy = row(table(world, "symbols"), symbol="SPY")
    is_null = ["market_cap", "price_earnings_ratio", "earnings_per_share", "earnings_actual_eps", "earnings_date"]
    for name in [*is_null, "earnings_time_of_day", "dividend_ex_date", "dividend_next_date", "dividend_pay_date"]:
        assert spy[name] is None, name
    ko = row(table(world, "symbols"), symbol="KO")
    assert (ko["dividend_ex_date"], ko["dividend_next_date"]) == (date(2026, 11, 10), None)
    first = table(world, "implied_volatility").filter(symbol="IBM").sort("expiration_date").row(0, named=True)
    assert first["implied_volatility"] is None
    for name in ("symbols", "implied_volatility"):
        assert (world.manifest(name).provenance.lost, world.manifest(name).provenance.missing) == ({}, {})


def test_fields_that_no_table_holds_cost_nothing(world: Any) -> None:
    before = {name: world.manifest(name).data_version for name in ("universe", "expiration_series")}
    play(world, "/instruments/equities", f"{AAPL}.tick-sizes", [{"value": ""}, {"value": "NaN"}])
    play(world, "/instruments/equities", f"{AAPL}.option-tick-sizes")
    play(world, "/instruments/equities", f"{AAPL}.cusip", 37833100)
    play(world, CHAIN, "data.items[*].deliverables", [{"percent": "N/A"}])
    play(world, "/accounts/{account_number}/balances/{currency}", "data.bond-margin-requirement", "")
    names = [*before, "accounts"]
    assert world.run(*names, force=True).success
    assert {name: world.manifest(name).data_version for name in before} == before
    for name in names:
        assert (world.manifest(name).provenance.lost, world.manifest(name).provenance.missing) == ({}, {})
    assert table(world, "accounts").filter(~pl.col("is_closed"))["net_liquidating_value"].null_count() == 0


def test_one_expiration_beyond_the_calendar_and_one_listed_twice_fail_nothing(world: Any) -> None:
    before = table(world, "expiration_series").drop("fetched_at")
    first = before.filter(symbol="AAPL")["expiration_date"].sort().to_list()[0]
    place = "data.items[root-symbol=AAPL].expirations"
    play(world, CHAIN, f"{place}[0]", {"expiration-date": "2099-12-18"}, action="repeat")
    play(world, CHAIN, f"{place}[expiration-date={first}]", {"expiration-type": "Quarterly"}, action="repeat")
    result = world.run("expiration_series", "returns_stddev", force=True)
    assert result.success
    after = table(world, "expiration_series").drop("fetched_at")
    far = row(after, symbol="AAPL", expiration_date=date(2099, 12, 18))
    assert (far["expiration_session"], far["is_expiration_on_session"]) == (None, None)
    twice = row(after, symbol="AAPL", expiration_date=first)
    kinds = {row(before, symbol="AAPL", expiration_date=first)["expiration_type"], "Quarterly"}
    assert twice["expiration_type"] == ", ".join(sorted(kinds))
    changed = (pl.col("symbol") == "AAPL") & pl.col("expiration_date").is_in([first, date(2099, 12, 18)])
    assert after.filter(~changed).equals(before.filter(~changed))
    computed = row(table(world, "returns_stddev"), symbol="AAPL", expiration_date=date(2099, 12, 18))
    assert (computed["horizon_sessions"], computed["returns_stddev_reason"]) == (None, "unknown_horizon")


def test_a_chain_that_is_cut_short_costs_no_expiration(world: Any) -> None:
    before = table(world, "expiration_series")
    rows = before.filter(symbol="AAPL", root_symbol="AAPL")["expiration_date"].unique().sort().to_list()
    play(world, CHAIN, "data.items[root-symbol=AAPL].expirations[1:]", action="drop")
    play(world, CHAIN, "data.items[root-symbol=KO].expirations[*].expiration-date", "2020-01-17")
    assert world.run("expiration_series", force=True).success
    after = table(world, "expiration_series")
    assert after.drop("fetched_at").equals(before.drop("fetched_at"))
    stored = world.manifest("expiration_series").provenance
    assert set(stored.missing) == {"AAPL", "KO"}
    assert stored.missing["AAPL"].startswith(f"{len(rows) - 1} of the stored expirations ahead did not come")
    assert stored.missing["KO"] == "no option chain came, and stored expirations are still ahead"
    assert stored.lost == {"expirations[].expiration-date": before.filter(symbol="KO").height}


def test_the_earnings_file_takes_symbols_as_anybody_writes_them(world: Any, tmp_path: Path) -> None:
    file = tmp_path / "earnings.csv"
    file.write_text(
        "symbol,announced_date,time_of_day\naapl,2026-07-30,amc\nBRK.B,2026-08-01,\n brk/b ,2026-05-02,BTO\n"
    )
    world.settings = replace(world.settings, earnings_file=file)
    assert world.run("earnings").success
    given = table(world, "earnings").filter(source="file").sort("symbol", "announced_date")
    assert given.select("symbol", "announced_date", "time_of_day").rows() == [
        ("AAPL", date(2026, 7, 30), "AMC"),
        ("BRK/B", date(2026, 5, 2), "BTO"),
        ("BRK/B", date(2026, 8, 1), None),
    ]
    file.write_text("symbol,announced_date\nAAPL,2026-07-30\nBRK.B,soon\n")
    before = world.writes()
    assert "earnings.csv, line 3: 'BRK.B', 'soon'" in sentence(world.run("earnings", force=True), "earnings")
    assert world.writes() == before


@pytest.mark.parametrize(
    ("name", "route", "place", "said"),
    [
        ("accounts", "/customers/me/accounts", "data.items", "the list of accounts is empty"),
        ("expiration_series", CHAIN, "data.items", "not one of 6 symbols has an expiration"),
        ("expiration_series", CHAIN, "data.items[*].expirations", "not one of 6 symbols has an expiration"),
        ("implied_volatility", METRICS, f"data.items[*].{IV_LIST}", "not one of 6 symbols has an expiration"),
    ],
)
def test_silence_of_a_whole_service_is_no_first_answer_either(
    world: Any, name: str, route: str, place: str, said: str
) -> None:
    for path in world.data.glob(f"{name}.*"):
        path.unlink()
    play(world, route, place, [])
    result = world.run(name)
    assert said in sentence(result, name)
    assert name not in world.writes()


class TestCalendar:
    def calendar(self, world: Any) -> pl.DataFrame:
        return table(world, "trading_calendar").drop("fetched_at")

    @pytest.mark.parametrize(
        ("field", "value", "lost"),
        [
            ("open-at", "2026-11-18T14:30:00", {"open-at": 1}),
            ("close-at", "", {"close-at": 1}),
            ("session-date", None, {}),
            ("session-date", "", {}),
        ],
    )
    def test_a_row_that_cannot_be_read_is_no_closure(
        self, world: Any, field: str, value: object, lost: Mapping[str, int]
    ) -> None:
        before = self.calendar(world)
        play(world, SESSIONS, f"data.items[session-date=2026-11-18].{field}", value)
        assert world.run("trading_calendar", force=True).success
        assert self.calendar(world).equals(before)
        stored = world.manifest("trading_calendar").provenance
        assert stored.lost == lost
        # A row without its date may be any day's.
        assert [name.partition(", ")[2][:4] for name in stored.missing] == ([] if lost else ["row "])

    def test_a_row_that_is_left_out_is_named_and_no_closure(self, world: Any) -> None:
        before = self.calendar(world)
        play(world, SESSIONS, "data.items[session-date=2026-11-18]", action="drop")
        assert world.run("trading_calendar", force=True).success
        assert self.calendar(world).equals(before)
        assert list(world.manifest("trading_calendar").provenance.missing) == ["2026-11-18"]

    def test_a_window_that_answers_nothing_closes_nothing(self, world: Any) -> None:
        before = self.calendar(world)
        play(world, SESSIONS, "data.items", [], count=1)
        assert world.run("trading_calendar", force=True).success
        assert self.calendar(world).equals(before)
        assert list(world.manifest("trading_calendar").provenance.missing) == ["2025-01-01 to 2025-09-28"]

    def test_only_the_first_and_the_last_session_are_no_calendar(self, world: Any) -> None:
        before = world.writes()
        play(world, SESSIONS, "data.items[1:-1]", action="drop")
        result = world.run("trading_calendar", force=True)
        assert "are left out of the broker's list of sessions" in sentence(result, "trading_calendar")
        assert world.writes() == before

    def test_a_holiday_that_the_broker_announces_is_a_closure(self, world: Any) -> None:
        before = self.calendar(world)
        play(world, SESSIONS, "data.items[session-date=2026-12-09]", action="drop")
        play(world, HOLIDAYS, "data.market-holidays[0]", "2026-12-09")
        assert world.run("trading_calendar", force=True).success
        assert self.calendar(world).equals(before.filter(pl.col("session") != date(2026, 12, 9)))
        assert world.manifest("trading_calendar").provenance.missing == {}

    def test_a_closure_that_the_exchange_does_not_know_is_named_wherever_a_user_looks(self, world: Any) -> None:
        play(world, SESSIONS, "data.items[session-date=2026-12-09]", action="drop")
        play(world, HOLIDAYS, "data.market-holidays[0]", "2026-12-09")
        result = world.run("trading_calendar", force=True)
        said = "the broker's list of holidays closes this day, a session by exchange_calendars; it is closed"
        (check,) = (each for each in result.get_asset_check_evaluations() if each.check_name == "agrees_with_exchange")
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert check.metadata["cautions"].value == {"2026-12-09": said}
        statuses = read_statuses(world.settings, now=world.clock.now())
        assert dataset_row(statuses["trading_calendar"]).detail == f"fresh; 2026-12-09: {said}"
        document = {each["dataset"]: each for each in status_document(statuses)}["trading_calendar"]
        assert (document["cautions"], document["doubts"]) == ({"2026-12-09": said}, 1)
        assert exit_code(statuses, {}, ["trading_calendar"]) == INCOMPLETE
        world.exchange.reset()
        result = world.run("trading_calendar", force=True)
        statuses = read_statuses(world.settings, now=world.clock.now())
        assert exit_code(statuses, {}, ["trading_calendar"]) == OK

    def test_a_broker_that_closes_every_day_is_not_believed(self, world: Any) -> None:
        before = world.writes()
        days = [day.isoformat() for day in sessions_between(date(2026, 1, 1), date(2026, 12, 31))]
        play(world, SESSIONS, "data.items", [])
        play(world, HOLIDAYS, "data.market-holidays", days)
        result = world.run("trading_calendar", force=True)
        assert "closed by the broker's list of holidays" in sentence(result, "trading_calendar")
        assert world.writes() == before

    @pytest.mark.parametrize(
        "shape",
        [
            [{"market-holidays": ["2026-12-09"], "market-half-days": ["2026-12-10"]}],
            [{"market-holidays": ["2026-12-09"]}, {"market-half-days": ["2026-12-10"]}],
            {"items": [{"market-holidays": ["2026-12-09"], "market-half-days": ["2026-12-10"]}]},
            {"market-holidays": {"2026-12-09": {}}, "market-half-days": {"2026-12-10": "13:00"}},
            {"market-holidays": [{"2026-12-09": "Mourning"}], "market-half-days": [{"date": "2026-12-10"}]},
        ],
    )
    def test_holidays_are_read_in_every_shape(self, world: Any, shape: object) -> None:
        before = self.calendar(world)
        for day in ("2026-12-09", "2026-12-10"):
            play(world, SESSIONS, f"data.items[session-date={day}]", action="drop")
        play(world, HOLIDAYS, "data", shape)
        assert world.run("trading_calendar", force=True).success
        after = self.calendar(world)
        assert after["session"].to_list() == [day for day in before["session"].to_list() if day != date(2026, 12, 9)]
        assert row(after, session=date(2026, 12, 10))["is_half_day"]

    @pytest.mark.parametrize("shape", [{}, [], {"holidays": ["2026-12-09"]}, [{"market-holidays": None}]])
    def test_an_answer_without_a_list_of_holidays_is_an_error(self, world: Any, shape: object) -> None:
        before = world.writes()
        play(world, HOLIDAYS, "data", shape)
        result = world.run("trading_calendar", force=True)
        assert "neither market-holidays nor market-half-days is in the answer" in sentence(result, "trading_calendar")
        assert world.writes() == before


def test_a_healthy_grant_that_is_refused_in_passing_costs_a_moment(world: Any) -> None:
    parameters = {"form": "error-code", "code": "invalid_request"}
    world.exchange.fault("refuse-grant", "/oauth/token", count=2, parameters=parameters)
    assert world.run("accounts", force=True).success
    assert world.exchange.requests()["POST /oauth/token"] == 3


def test_a_page_of_a_firewall_in_the_place_of_a_grant_closes_no_gate(world: Any) -> None:
    world.exchange.fault("status", "/oauth/token", parameters={"status": 403, "body": "html"})
    result = world.run("accounts", force=True)
    assert "POST /oauth/token: HTTP 403" in sentence(result, "accounts")
    assert world.exchange.requests()["POST /oauth/token"] > 2
    assert not (world.data / ".state" / "auth.json").exists()
    world.exchange.reset()
    assert world.run("accounts", force=True).success


def test_a_refused_grant_is_met_once_by_a_run_of_many_steps(world: Any) -> None:
    world.exchange.fault("refuse-grant", "/oauth/token", parameters={"code": "invalid_client"})
    result = world.run("accounts", "universe", "trading_calendar", force=True)
    for name in ("accounts", "universe", "trading_calendar"):
        assert "refused the client secret (invalid_client" in sentence(result, name)
    assert world.exchange.requests() == {"POST /oauth/token": 1}
