# SPDX-License-Identifier: MIT
"""Every rule of the cache verdict, and which one wins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.declaration import Declaration
from ttapi_pipeline.core.manifest import FileFacts, Manifest, Provenance
from ttapi_pipeline.core.verdict import CLOCK_TOLERANCE, Rule, Verdict, decide

NOW = datetime(2026, 1, 7, 18, 0, tzinfo=UTC)
DAY = timedelta(days=1)
EOD = Declaration(
    name="eod_snapshot",
    description="One row per symbol and session.",
    code_version="2",
    group="prices",
    source="files",
    upstream=("daily_candles", "metastock_files"),
    shaped_by=("origin",),
    follows_sessions=True,
)


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
        parquet=FileFacts(bytes=1, sha256="ee"),
    )


def verdict(stored: Manifest | None, **changes: Any) -> Verdict:
    arguments: dict[str, Any] = {
        "ttl": DAY,
        "now": NOW,
        "upstream": {"daily_candles": "aaaa", "metastock_files": "bbbb"},
        "settings": {"origin": "simulator seed 7"},
        **changes,
    }
    return decide(EOD, stored, **arguments)


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


@given(st.timedeltas(timedelta(0), timedelta(days=30)), st.timedeltas(timedelta(seconds=1), timedelta(days=30)))
def test_without_a_calendar_age_against_ttl_decides(age: timedelta, ttl: timedelta) -> None:
    result = verdict(manifest(fetched_at=NOW - age), ttl=ttl, is_calendar_aware=False)
    assert result.is_hit == (age < ttl)
