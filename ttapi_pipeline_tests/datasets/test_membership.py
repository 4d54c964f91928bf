# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Who was in which list: the shipped list with its past, and what was tracked here, session by session."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline import open_dataset
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.universes import SP500_SOURCE
from ttapi_pipeline.datasets.membership import TRACKED_HERE, tracked
from ttapi_pipeline.datasets.membership_schema import MEMBERSHIP

MONDAY, TUESDAY, WEDNESDAY, FRIDAY = (date(2026, 11, day) for day in (16, 17, 18, 20))


def test_a_stretch_ends_in_the_first_session_without_the_symbol_and_a_session_without_any_changes_nothing() -> None:
    rows = [
        *((day, "AAPL", "S&P 500") for day in (MONDAY, TUESDAY, WEDNESDAY, FRIDAY)),
        # IBM leaves on Tuesday and is back on Friday, the next session in which something was published.
        *((day, "IBM", "mine.txt") for day in (MONDAY, FRIDAY)),
        *((day, "KO", "mine.txt") for day in (TUESDAY, WEDNESDAY)),
    ]
    universe = pl.LazyFrame(rows, schema={"session": pl.Date, "symbol": pl.String, "list": pl.String}, orient="row")
    found = tracked(universe, [MONDAY, TUESDAY, WEDNESDAY, FRIDAY]).sort("symbol", "from_date")
    assert found.rows() == [
        ("AAPL", "S&P 500", MONDAY, None, False, TRACKED_HERE),
        ("IBM", "mine.txt", MONDAY, TUESDAY, False, TRACKED_HERE),
        ("IBM", "mine.txt", FRIDAY, None, True, TRACKED_HERE),
        ("KO", "mine.txt", TUESDAY, FRIDAY, True, TRACKED_HERE),
    ]
    assert found.schema == MEMBERSHIP.polars


def test_the_shipped_list_has_its_past_without_anything_stored(tmp_path: Path) -> None:
    rows = open_dataset("membership", tmp_path).filter(symbol="AMD").collect()
    # It left in 2013, and joined again in 2017.
    assert rows.select("from_date", "to_date", "is_from_seen", "source").rows() == [
        (None, date(2013, 9, 20), False, SP500_SOURCE),
        (date(2017, 3, 20), None, True, SP500_SOURCE),
    ]
    with pytest.raises(ConfigError, match="has the past in its dates"):
        open_dataset("membership", tmp_path, as_of=datetime(2026, 11, 20, tzinfo=UTC))
