# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Durations as users write them and as the grid shows them."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.ttl import format_duration, parse_duration

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("5m", 300), ("12h", 43_200), ("7d", 604_800), ("1w", 604_800), ("1.5h", 5400), (" 5 M ", 300)],
)
def test_a_duration_is_a_number_with_a_unit_or_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "h", "5 minutes", "-5m", "+5m", "1e3", "nan", "inf", "5mm", "1h 5m", "\u0663h"])
def test_anything_else_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0", "0d", "0.0", "0.0000001s"])
def test_no_time_at_all_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a positive duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["99999999999999999999d", "9" * 400])
def test_more_than_a_timedelta_holds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is too long a duration"):
        parse_duration(text)


@given(st.integers(1, 100_000), st.sampled_from(list(UNITS)))
def test_every_whole_number_of_a_unit_is_read_exactly(count: int, unit: str) -> None:
    assert parse_duration(f"{count}{unit}") == timedelta(seconds=count * UNITS[unit])


@given(st.text(max_size=12))
def test_a_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    with suppress(ValueError):
        assert parse_duration(text) > timedelta(0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m"),
        (3599, "59m 59s"),
        (3605, "1h"),
        (86_400 * 6 + 3600 * 4 + 59, "6d 4h"),
        (86_400 * 400, "400d"),
        (-90, "-1m 30s"),
    ],
)
def test_a_duration_is_shown_with_its_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.integers(0, 10**8))
def test_what_is_shown_is_never_more_and_loses_less_than_the_larger_unit(seconds: int) -> None:
    parts = [part for part in format_duration(timedelta(seconds=seconds)).split() if part != "0s"]
    shown = sum(map(parse_duration, parts), timedelta(0))
    lost = seconds - shown.total_seconds()
    assert 0 <= lost < (3600 if seconds >= 86_400 else 60 if seconds >= 3600 else 1)
