# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Every rule of the cache verdict, and which one wins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.declaration import Changes, Declaration
from ttapi_pipeline.core.manifest import FileFacts, Manifest, Provenance
from ttapi_pipeline.core.verdict import CLOCK_TOLERANCE, Rule, Verdict, decide

NOW = datetime(2026, 1, 7, 18, 0, tzinfo=UTC)
DAY = timedelta(days=1)
EOD = Declaration(
    name="eod_snapshot",
    description="One row per symbol and session.",
    ttl=DAY,
    code_version="2",
    group="prices",
    source="files",
    upstream=("daily_candles", "metastock_files"),
    shaped_by=("origin",),
    changes=Changes.ONCE_SETTLED,
)


QUOTES = replace(EOD, name="quotes", changes=Changes.WHILE_OPEN)
FIVE_MINUTES = timedelta(minutes=5)
NEW_YORK = ZoneInfo("America/New_York")


def manifest(**changes: Any) -> Manifest:
    provenance = {
        "dataset": "eod_snapshot",
        "code_version": "2",
        "fetched_at": NOW - timedelta(hours=3),
        "inputs": {"daily_candles": "aaaa", "metastock_files": "bbbb"},
        "settings": {"origin": "simulator seed 7"},
        **changes,
    }
    return Manifest(
        provenance=Provenance(**provenance),
        data_version="cccc",
        write_id="dddd",
        rows=1,
        schema={"symbol": "String"},
        parquet=FileFacts(bytes=1, xxh3_128="ee"),
    )


def verdict(stored: Manifest | None, *, declaration: Declaration = EOD, **changes: Any) -> Verdict:
    arguments: dict[str, Any] = {
        "ttl": DAY,
        "now": NOW,
        "upstream": {"daily_candles": "aaaa", "metastock_files": "bbbb"},
        "settings": {"origin": "simulator seed 7"},
        **changes,
    }
    return decide(declaration, stored, **arguments)


def test_what_is_young_and_in_step_is_a_hit_with_its_age_and_ttl() -> None:
    result = verdict(manifest())
    assert str(result) == "hit: 3h old, TTL 1d"
    assert (result.rule, result.age, result.ttl) == (Rule.FRESH, timedelta(hours=3), DAY)


def test_nothing_stored_is_a_miss_without_an_age() -> None:
    result = verdict(None)
    assert str(result) == "miss: nothing stored yet"
    assert (result.rule, result.age) == (Rule.NOTHING_STORED, None)


@pytest.mark.parametrize(
    ("stored", "arguments", "rule", "reason"),
    [
        ({}, {"is_forced": True}, Rule.FORCED, "forced"),
        ({}, {"lost_files": ["eod_snapshot.csv"]}, Rule.FILE_LOST, "eod_snapshot.csv is gone"),
        ({"code_version": "1"}, {}, Rule.CODE_VERSION, "code version 1 is now 2"),
        (
            {"settings": {"origin": "x"}},
            {},
            Rule.SETTINGS,
            "setting origin was 'x' and is 'simulator seed 7'",
        ),
        ({"settings": {}}, {}, Rule.SETTINGS, "setting origin was the default and is 'simulator seed 7'"),
        (
            {},
            {"upstream": {"daily_candles": "ffff", "metastock_files": "bbbb"}},
            Rule.UPSTREAM,
            "daily_candles changed: built from aaaa, now ffff",
        ),
        (
            {"inputs": {"daily_candles": "aaaa"}},
            {},
            Rule.UPSTREAM,
            "metastock_files changed: built from nothing, now bbbb",
        ),
        (
            {"fetched_at": NOW + timedelta(hours=2)},
            {},
            Rule.CLOCK,
            "fetched 2h in the future: the clock jumped back",
        ),
        ({"fetched_at": NOW - timedelta(days=2)}, {}, Rule.EXPIRED, "2d old, TTL 1d is over"),
    ],
)
def test_each_rule_that_misses_says_why(
    stored: dict[str, Any], arguments: dict[str, Any], rule: Rule, reason: str
) -> None:
    result = verdict(manifest(**stored), **arguments)
    assert (result.is_hit, result.rule, result.reason) == (False, rule, reason)


def test_an_upstream_that_is_gone_is_a_change() -> None:
    result = verdict(manifest(), upstream={"daily_candles": None, "metastock_files": "bbbb"})
    assert result.reason == "daily_candles changed: built from aaaa, now nothing"


def test_the_instant_at_which_the_ttl_is_reached_is_too_late() -> None:
    assert verdict(manifest(fetched_at=NOW - DAY + timedelta(microseconds=1))).rule is Rule.FRESH
    assert verdict(manifest(fetched_at=NOW - DAY)).rule is Rule.EXPIRED


def test_a_clock_that_is_a_little_behind_does_no_harm() -> None:
    result = verdict(manifest(fetched_at=NOW + CLOCK_TOLERANCE))
    assert (result.rule, result.reason) == (Rule.FRESH, "0s old, TTL 1d")
    assert verdict(manifest(fetched_at=NOW + CLOCK_TOLERANCE + timedelta(seconds=1))).rule is Rule.CLOCK


class TestMarketClosed:
    # Friday 2026-01-09's extended trading ended on Saturday at 01:00 UTC; nothing ends before Monday's.
    MONDAY = datetime(2026, 1, 12, 20, 0, tzinfo=UTC)
    AFTER_FRIDAY = datetime(2026, 1, 10, 1, 0, tzinfo=UTC)

    def test_over_a_weekend_end_of_day_data_does_not_expire(self) -> None:
        result = verdict(manifest(fetched_at=self.AFTER_FRIDAY), now=self.MONDAY)
        assert (result.is_hit, result.rule) == (True, Rule.MARKET_CLOSED)
        assert result.reason == "2d 19h old, and no session has ended since 2026-01-09"

    def test_what_was_fetched_before_the_session_ended_does(self) -> None:
        early = self.AFTER_FRIDAY - timedelta(seconds=1)
        assert verdict(manifest(fetched_at=early), now=self.MONDAY).rule is Rule.EXPIRED

    def test_once_another_session_has_ended_it_does(self) -> None:
        tuesday = datetime(2026, 1, 13, 1, 0, tzinfo=UTC)
        assert verdict(manifest(fetched_at=self.AFTER_FRIDAY), now=tuesday).rule is Rule.EXPIRED

    def test_the_rule_can_be_switched_off(self) -> None:
        stored = manifest(fetched_at=self.AFTER_FRIDAY)
        assert verdict(stored, now=self.MONDAY, is_calendar_aware=False).rule is Rule.EXPIRED


def at(text: str) -> datetime:
    """An instant written as the wall clock in New York shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


class TestExchangeClosed:
    """Quotes change from a session's open to its close; 2026-11-26 is Thanksgiving, 2026-11-27 closes at 13:00."""

    @pytest.mark.parametrize(
        ("fetched", "asked", "rule"),
        [
            # During a session the TTL alone counts.
            ("2026-11-18 12:00:00", "2026-11-18 12:04:59", Rule.FRESH),
            ("2026-11-18 12:00:00", "2026-11-18 12:05:00", Rule.EXPIRED),
            # Begun a minute before the close, they are not the closing ones.
            ("2026-11-18 15:59:00", "2026-11-18 16:03:59", Rule.FRESH),
            ("2026-11-18 15:59:00", "2026-11-18 16:04:00", Rule.EXPIRED),
            ("2026-11-18 15:59:59", "2026-11-18 20:00:00", Rule.EXPIRED),
            # From the close on, up to the next open.
            ("2026-11-18 16:00:00", "2026-11-18 16:04:00", Rule.FRESH),
            ("2026-11-18 16:00:00", "2026-11-18 16:05:00", Rule.MARKET_CLOSED),
            ("2026-11-18 16:00:00", "2026-11-19 00:00:00", Rule.MARKET_CLOSED),
            ("2026-11-18 16:00:00", "2026-11-19 09:29:59", Rule.MARKET_CLOSED),
            ("2026-11-18 16:00:00", "2026-11-19 09:30:00", Rule.EXPIRED),
            ("2026-11-18 16:00:00", "2026-11-19 12:00:00", Rule.EXPIRED),
            # Collected before the open: a day later they are the quotes of another session.
            ("2026-11-19 09:26:00", "2026-11-19 09:29:00", Rule.FRESH),
            ("2026-11-19 09:26:00", "2026-11-19 09:30:30", Rule.FRESH),
            ("2026-11-19 09:26:00", "2026-11-19 09:31:00", Rule.EXPIRED),
            ("2026-11-19 08:00:00", "2026-11-19 17:00:00", Rule.EXPIRED),
            ("2026-11-18 17:00:00", "2026-11-19 17:00:00", Rule.EXPIRED),
            # Friday evening to Monday's open.
            ("2026-11-20 16:00:00", "2026-11-23 09:29:59", Rule.MARKET_CLOSED),
            ("2026-11-21 11:00:00", "2026-11-22 18:00:00", Rule.MARKET_CLOSED),
            ("2026-11-20 16:00:00", "2026-11-23 09:30:00", Rule.EXPIRED),
            ("2026-11-20 15:59:00", "2026-11-22 12:00:00", Rule.EXPIRED),
            # A holiday, and the half day after it.
            ("2026-11-25 16:01:00", "2026-11-26 12:00:00", Rule.MARKET_CLOSED),
            ("2026-11-25 16:01:00", "2026-11-27 09:29:59", Rule.MARKET_CLOSED),
            ("2026-11-25 16:01:00", "2026-11-27 09:30:00", Rule.EXPIRED),
            ("2026-11-26 12:00:00", "2026-11-26 23:00:00", Rule.MARKET_CLOSED),
            ("2026-11-27 12:59:00", "2026-11-27 13:05:00", Rule.EXPIRED),
            ("2026-11-27 13:00:00", "2026-11-27 13:05:00", Rule.MARKET_CLOSED),
            ("2026-11-27 13:00:00", "2026-11-27 16:00:00", Rule.MARKET_CLOSED),
            ("2026-11-27 13:00:00", "2026-11-30 09:29:59", Rule.MARKET_CLOSED),
            # Weekends on which the clocks change: the open stays at 9:30 in New York.
            ("2026-10-30 16:00:00", "2026-11-02 09:29:59", Rule.MARKET_CLOSED),
            ("2026-10-30 16:00:00", "2026-11-02 09:30:00", Rule.EXPIRED),
            ("2026-03-06 16:00:00", "2026-03-09 09:29:59", Rule.MARKET_CLOSED),
            ("2026-03-06 16:00:00", "2026-03-09 09:30:00", Rule.EXPIRED),
        ],
    )
    def test_quotes_expire_only_when_a_session_can_have_changed_them(
        self, fetched: str, asked: str, rule: Rule
    ) -> None:
        stored = manifest(fetched_at=at(fetched))
        result = verdict(stored, declaration=QUOTES, ttl=FIVE_MINUTES, now=at(asked))
        assert (result.rule, result.is_hit) == (rule, rule is not Rule.EXPIRED)

    def test_the_reason_names_the_session_that_was_the_last(self) -> None:
        stored = manifest(fetched_at=at("2026-11-20 16:00"))
        result = verdict(stored, declaration=QUOTES, ttl=FIVE_MINUTES, now=at("2026-11-22 18:30"))
        assert str(result) == "hit: 2d 2h old, and the exchange has not opened since 2026-11-20"

    def test_the_rule_can_be_switched_off(self) -> None:
        stored = manifest(fetched_at=at("2026-11-20 16:00"))
        off = verdict(stored, declaration=QUOTES, ttl=FIVE_MINUTES, now=at("2026-11-22 18:30"), is_calendar_aware=False)
        assert off.rule is Rule.EXPIRED

    def test_what_changes_at_any_time_knows_no_weekend(self) -> None:
        always = replace(QUOTES, changes=Changes.ANY_TIME)
        stored = manifest(fetched_at=at("2026-11-20 16:00"))
        assert verdict(stored, declaration=always, ttl=DAY, now=at("2026-11-22 18:30")).rule is Rule.EXPIRED


@given(st.timedeltas(timedelta(0), timedelta(days=30)), st.timedeltas(timedelta(seconds=1), timedelta(days=30)))
def test_without_a_calendar_age_against_ttl_decides(age: timedelta, ttl: timedelta) -> None:
    result = verdict(manifest(fetched_at=NOW - age), ttl=ttl, is_calendar_aware=False)
    assert result.is_hit == (age < ttl)


def test_damage_makes_a_miss_of_its_own_rule_whatever_else_holds() -> None:
    result = verdict(manifest(), damage="eod_snapshot.parquet is damaged")
    assert (result.is_hit, result.rule, result.reason) == (False, Rule.DAMAGED, "eod_snapshot.parquet is damaged")
    assert verdict(None, damage="eod_snapshot.json is not a manifest").rule is Rule.DAMAGED


@pytest.mark.parametrize(
    ("noted", "damaged", "rule"),
    [
        ({"daily_candles": "good"}, (), Rule.FRESH),
        ({"daily_candles": "good"}, ("bad",), Rule.FRESH),
        ({"daily_candles": "bad"}, ("worse", "bad"), Rule.UPSTREAM),
        # A table from before inputs were noted by their bytes.
        ({}, ("bad",), Rule.UPSTREAM),
        ({}, (), Rule.FRESH),
    ],
)
def test_what_was_built_from_a_damaged_file_is_built_again(
    noted: dict[str, str], damaged: tuple[str, ...], rule: Rule
) -> None:
    assert verdict(manifest(input_files=noted), damaged_inputs={"daily_candles": damaged}).rule is rule


@pytest.mark.parametrize(
    ("stored", "arguments", "is_young"),
    [
        ({"code_version": "1"}, {}, True),
        ({"settings": {"origin": "x"}}, {}, True),
        ({"inputs": {"daily_candles": "aaaa"}}, {}, True),
        # Its age would have made it a miss as well, or its rows cannot be trusted.
        ({"code_version": "1", "fetched_at": NOW - timedelta(days=2)}, {}, False),
        ({"code_version": "1", "fetched_at": NOW + timedelta(hours=2)}, {}, False),
        ({"code_version": "1"}, {"damaged_inputs": {"daily_candles": ("bad",)}}, False),
        ({}, {"damaged_inputs": {"daily_candles": ("bad",)}}, False),
        ({"code_version": "1"}, {"lost_files": ["eod_snapshot.parquet"]}, False),
        ({"code_version": "1"}, {"damage": "eod_snapshot.parquet is damaged"}, False),
        ({"code_version": "1"}, {"is_forced": True}, False),
    ],
)
def test_rows_are_young_where_a_change_alone_makes_the_miss(
    stored: dict[str, Any], arguments: dict[str, Any], is_young: bool
) -> None:
    assert verdict(manifest(**stored), **arguments).is_young is is_young
