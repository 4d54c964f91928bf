# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Histories over some sessions of November 2026: their rows are written down by hand, and nothing is made twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ttapi_pipeline import open_dataset
from ttapi_pipeline.core.errors import ConfigError, CorruptFileError, StorageError
from ttapi_pipeline.datasets import registry
from ttapi_pipeline.datasets.history import History
from ttapi_pipeline.datasets.history_updates import Updated, update_history
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.session_table import session_table
from ttapi_pipeline_tests.support.desks import Desk, at
from ttapi_pipeline_tests.support.flips import flip_bit

MONDAY, TUESDAY, WEDNESDAY, FRIDAY = (date(2026, 11, day) for day in (16, 17, 18, 20))


class Histories(Desk):
    """A data folder with the histories of what is published into it."""

    def update(self, name: str, **options: Any) -> Updated:
        return update_history(self.folder, HISTORIES[name], now=at(FRIDAY), **options)

    def read(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        return open_dataset(name, str(self.folder)).select(columns).collect().rows()


@pytest.fixture(params=["disk", "objects"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Histories:
    """On a disk, and in an object store."""
    return Histories(tmp_path if request.param == "disk" else request.getfixturevalue("prefix"))


@pytest.fixture
def local(tmp_path: Path) -> Histories:
    """On a disk, where a test touches files."""
    return Histories(tmp_path)


def rank(symbol: str, value: float, **more: Any) -> dict[str, Any]:
    return {"symbol": symbol, "implied_volatility_rank": value, **more}


def test_each_session_has_the_last_that_was_known_in_it_and_a_session_without_any_has_no_row(desk: Histories) -> None:
    desk.publish("symbols", at(MONDAY, 10), rank("AAPL", 0.1), rank("IBM", 0.2))
    desk.publish("symbols", at(MONDAY), rank("AAPL", 0.3), rank("IBM", 0.4))
    # Nothing on Tuesday; on Wednesday IBM did not come, and its row is Monday's.
    desk.publish(
        "symbols",
        at(WEDNESDAY),
        rank("AAPL", 0.5),
        rank("IBM", 0.4, fetched_at=at(MONDAY)),
        missing={"IBM": "HTTP 500"},
    )
    made = desk.update("symbols_history")
    assert [part.session for part in made.parts] == [MONDAY, WEDNESDAY]
    columns = ("session", "symbol", "implied_volatility_rank", "is_carried_over", "fetched_at")
    assert desk.read("symbols_history", *columns) == [
        (MONDAY, "AAPL", 0.3, False, at(MONDAY)),
        (MONDAY, "IBM", 0.4, False, at(MONDAY)),
        (WEDNESDAY, "AAPL", 0.5, False, at(WEDNESDAY)),
        (WEDNESDAY, "IBM", 0.4, True, at(MONDAY)),
    ]
    known = desk.read("symbols_history", "known_at")
    assert [row[0].replace(microsecond=0) - timedelta(seconds=row[0].second) for row in known] == [
        *(at(MONDAY), at(MONDAY), at(WEDNESDAY), at(WEDNESDAY))
    ]
    assert dict(made.parts[1].counts) == {"missing": 1, "carried_over": 1}


def test_a_session_that_is_over_is_not_made_again_and_that_of_now_is_with_each_publication(
    desk: Histories,
) -> None:
    desk.publish("symbols", at(MONDAY), rank("AAPL", 0.1))
    assert [part.session for part in desk.update("symbols_history").parts] == [MONDAY]
    monday = session_table(desk.folder, HISTORIES["symbols_history"].schema).parts()[MONDAY]
    assert desk.update("symbols_history") == Updated()
    for hour, value in ((10, 0.2), (11, 0.3)):
        desk.publish("symbols", at(TUESDAY, hour), rank("AAPL", value))
        assert [part.session for part in desk.update("symbols_history").parts] == [TUESDAY]
    assert desk.read("symbols_history", "session", "implied_volatility_rank") == [(MONDAY, 0.1), (TUESDAY, 0.3)]
    assert session_table(desk.folder, HISTORIES["symbols_history"].schema).parts()[MONDAY] == monday


def test_sessions_can_be_made_again_from_what_is_kept_and_so_can_a_file_that_was_deleted(local: Histories) -> None:
    for session, value in ((MONDAY, 0.1), (TUESDAY, 0.2), (WEDNESDAY, 0.3)):
        local.publish("symbols", at(session), rank("AAPL", value))
    made = {part.session: part for part in local.update("symbols_history").parts}
    (again,) = local.update("symbols_history", again=[TUESDAY]).parts
    assert (again.session, again.data_version) == (TUESDAY, made[TUESDAY].data_version)
    (local.path / "symbols_history" / made[MONDAY].file).unlink()
    with pytest.raises(StorageError, match="is gone"):
        open_dataset("symbols_history", str(local.folder))
    assert [part.session for part in local.update("symbols_history").parts] == [MONDAY]
    assert local.read("symbols_history", "implied_volatility_rank") == [(0.1,), (0.2,), (0.3,)]


def test_a_session_whose_kept_rows_are_damaged_stays_as_it_was_and_the_others_are_made(local: Histories) -> None:
    local.publish("symbols", at(MONDAY), rank("AAPL", 0.1))
    (kept,) = (local.path / "symbols").glob("*.parquet")
    local.publish("symbols", at(TUESDAY), rank("AAPL", 0.2))
    flip_bit(kept, 60, 1)
    made = local.update("symbols_history")
    assert [part.session for part in made.parts] == [TUESDAY]
    assert "is damaged: its rows are not those that were published" in made.problems[MONDAY]


def test_another_version_of_the_code_makes_every_session_again(desk: Histories) -> None:
    for session in (MONDAY, TUESDAY):
        desk.publish("symbols", at(session), rank("AAPL", 0.1))
    desk.update("symbols_history")
    later = replace(HISTORIES["symbols_history"], code_version="2")
    made = update_history(desk.folder, later, now=at(FRIDAY))
    assert [(part.session, part.code_version) for part in made.parts] == [(MONDAY, "2"), (TUESDAY, "2")]


def test_invented_sessions_do_not_count_once_real_rows_are_stored(desk: Histories) -> None:
    desk.publish("symbols", at(MONDAY), rank("AAPL", 0.9), is_simulated=True)
    desk.update("symbols_history")
    desk.publish("symbols", at(TUESDAY), rank("AAPL", 0.2))
    desk.update("symbols_history")
    assert desk.read("symbols_history", "session", "implied_volatility_rank") == [(TUESDAY, 0.2)]


def test_as_of_an_instant_a_history_has_the_sessions_before_and_what_was_known_of_its_own(desk: Histories) -> None:
    desk.publish("symbols", at(MONDAY), rank("AAPL", 0.1))
    for hour, value in ((10, 0.2), (11, 0.3)):
        desk.publish("symbols", at(TUESDAY, hour), rank("AAPL", value))
    desk.update("symbols_history")

    def known(instant: datetime) -> list[tuple[Any, ...]]:
        frame = open_dataset("symbols_history", str(desk.folder), as_of=instant)
        return frame.select("session", "implied_volatility_rank").collect().rows()

    assert known(at(MONDAY, 20)) == [(MONDAY, 0.1)]
    assert known(at(TUESDAY, 9)) == [(MONDAY, 0.1)]
    assert known(at(TUESDAY, 12)) == [(MONDAY, 0.1), (TUESDAY, 0.3)]
    with pytest.raises(ConfigError, match="nothing was known of symbols_history"):
        known(at(MONDAY, 10))
    between = at(TUESDAY, 10) + timedelta(minutes=30)
    if isinstance(desk.folder, ObjectPath):
        # What was replaced stays for a day.
        assert known(between) == [(MONDAY, 0.1), (TUESDAY, 0.2)]
        return
    # The publication of ten o'clock is not kept: one alone is, besides the last of each session.
    with pytest.raises(StorageError, match="are not kept, so that symbols_history of that instant cannot be made"):
        known(between)


def test_implied_volatilities_and_balances_are_kept_by_their_keys(desk: Histories) -> None:
    for session, value in ((MONDAY, 0.2), (TUESDAY, 0.3)):
        expiration = {"symbol": "AAPL", "expiration_date": date(2026, 12, 18), "settlement_type": "PM"}
        desk.publish("implied_volatility", at(session), {**expiration, "implied_volatility": value})
        account = {"account_number": "5WT00001", "net_liquidating_value": 1000 * value}
        desk.publish("accounts", at(session), account)
    desk.update("implied_volatility_history")
    desk.update("balances_history")
    assert desk.read("implied_volatility_history", "session", "expiration_date", "implied_volatility") == [
        (MONDAY, date(2026, 12, 18), 0.2),
        (TUESDAY, date(2026, 12, 18), 0.3),
    ]
    assert desk.read("balances_history", "session", "account_number", "net_liquidating_value") == [
        (MONDAY, "5WT00001", 200.0),
        (TUESDAY, "5WT00001", 300.0),
    ]


def test_on_a_disk_balances_are_for_their_user_alone(local: Histories) -> None:
    local.publish("accounts", at(MONDAY), {"account_number": "5WT00001", "net_liquidating_value": 1000.0})
    local.update("balances_history")
    modes = {path.stat().st_mode & 0o777 for path in (local.path / "balances_history").glob("*.parquet")}
    assert modes == {0o600}


def series(symbol: str, expiration: date, strikes: int = 1) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "root_symbol": symbol,
        "expiration_date": expiration,
        "settlement_type": "PM",
        "strike_count": strikes,
    }


def test_a_series_has_the_sessions_in_which_it_came_and_went(desk: Histories) -> None:
    friday, december, january = FRIDAY, date(2026, 12, 18), date(2027, 1, 15)
    desk.publish(
        "expiration_series", at(MONDAY), series("AAPL", friday), series("AAPL", december), series("IBM", january)
    )
    # On Tuesday January of AAPL is new. KO is tracked from then on: when its series was listed nobody saw.
    on_tuesday = [series("AAPL", friday), series("AAPL", december), series("AAPL", january), series("KO", january)]
    desk.publish("expiration_series", at(TUESDAY), *on_tuesday, series("IBM", january))
    # On Friday the first has expired, December of AAPL is gone ahead of its time, and IBM is not tracked any more.
    desk.publish("expiration_series", at(FRIDAY), series("AAPL", january, strikes=5), series("KO", january))
    desk.update("expirations_history")
    columns = ("session", "symbol", "expiration_date", "strike_count", "state", "first_seen_session", "listed_session")
    rows = desk.read("expirations_history", *columns, "last_seen_session", "gone_session")
    assert rows == [
        (MONDAY, "AAPL", friday, 1, "listed", MONDAY, None, MONDAY, None),
        (MONDAY, "AAPL", december, 1, "listed", MONDAY, None, MONDAY, None),
        (MONDAY, "IBM", january, 1, "listed", MONDAY, None, MONDAY, None),
        (TUESDAY, "AAPL", friday, 1, "listed", MONDAY, None, TUESDAY, None),
        (TUESDAY, "AAPL", december, 1, "listed", MONDAY, None, TUESDAY, None),
        (TUESDAY, "AAPL", january, 1, "listed", TUESDAY, TUESDAY, TUESDAY, None),
        (TUESDAY, "IBM", january, 1, "listed", MONDAY, None, TUESDAY, None),
        (TUESDAY, "KO", january, 1, "listed", TUESDAY, None, TUESDAY, None),
        (FRIDAY, "AAPL", friday, 1, "expired", MONDAY, None, TUESDAY, FRIDAY),
        (FRIDAY, "AAPL", december, 1, "gone", MONDAY, None, TUESDAY, FRIDAY),
        (FRIDAY, "AAPL", january, 5, "listed", TUESDAY, TUESDAY, FRIDAY, None),
        (FRIDAY, "IBM", january, 1, "untracked", MONDAY, None, TUESDAY, FRIDAY),
        (FRIDAY, "KO", january, 1, "listed", TUESDAY, None, FRIDAY, None),
    ]


def test_a_series_that_comes_back_begins_anew_and_one_that_went_is_told_once(desk: Histories) -> None:
    december, january = date(2026, 12, 18), date(2027, 1, 15)
    both, one = [series("AAPL", december), series("AAPL", january)], [series("AAPL", january)]
    for session, listed in ((MONDAY, both), (TUESDAY, one), (WEDNESDAY, one), (FRIDAY, both)):
        desk.publish("expiration_series", at(session), *listed)
        desk.update("expirations_history")
    rows = desk.read("expirations_history", "session", "expiration_date", "state", "first_seen_session")
    assert [row for row in rows if row[1] == december] == [
        (MONDAY, december, "listed", MONDAY),
        (TUESDAY, december, "gone", MONDAY),
        (FRIDAY, december, "listed", FRIDAY),
    ]


def test_the_universe_of_a_session_names_each_list_of_a_symbol_without_its_date(desk: Histories) -> None:
    desk.publish("universe", at(MONDAY), {"symbol": "AAPL", "membership": "S&P 500 as of 2026-10-06; mine.txt"})
    later = {"symbol": "AAPL", "membership": "S&P 500 as of 2026-11-01"}
    desk.publish("universe", at(TUESDAY), later, {"symbol": "SPY", "membership": "mine.txt"})
    desk.update("universe_history")
    assert desk.read("universe_history", "session", "symbol", "list") == [
        (MONDAY, "AAPL", "S&P 500"),
        (MONDAY, "AAPL", "mine.txt"),
        (TUESDAY, "AAPL", "S&P 500"),
        (TUESDAY, "SPY", "mine.txt"),
    ]


def test_a_history_that_is_not_stored_says_what_makes_it(desk: Histories) -> None:
    with pytest.raises(StorageError, match=r"symbols_history is not stored in .* yet; the next refresh of symbols"):
        open_dataset("symbols_history", str(desk.folder))
    assert update_history(desk.folder, HISTORIES["symbols_history"], now=at(MONDAY)) == Updated()


@pytest.mark.parametrize("history", HISTORIES.values(), ids=lambda history: history.name)
def test_every_history_is_of_a_dataset_and_has_a_name_of_its_own(history: History) -> None:
    assert history.of in DATASETS
    assert history.name not in {*DATASETS, *registry.REPORTS}
    assert history.schema.key[0] == "session"
    assert {"is_carried_over", "fetched_at", "known_at"} <= {column.name for column in history.schema.columns}
    assert history.subject in DATASETS[history.of].schema.polars


def test_a_damaged_session_is_named(local: Histories) -> None:
    local.publish("symbols", at(MONDAY), rank("AAPL", 0.1))
    (part,) = local.update("symbols_history").parts
    flip_bit(local.path / "symbols_history" / part.file, 60, 1)
    with pytest.raises(CorruptFileError, match=part.file):
        open_dataset("symbols_history", str(local.folder))
