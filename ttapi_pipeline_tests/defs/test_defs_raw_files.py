# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""MetaStock files beside candles through whole runs: files as traded, and files that ended years ago."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from ttapi_pipeline.analytics.splits import SPLIT_RATIOS
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.simulator.market.metastock_files import default_last, write_metastock_files
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.simulator import shared_market
from ttapi_pipeline_tests.support.worlds import FIRST, IN_FILES, SATURDAY, FirstRun, World

COMPUTED = ("eod_snapshot", "returns_stddev", "volatility", "volatility_cone")
SPLIT_CAUTIONS = {"possible_split", "unknown_adjustment"}
SESSIONS = sessions_between(FIRST, default_last(SATURDAY))
YEAR = "close_to_close_252"


def table(world: World, name: str) -> pl.DataFrame:
    return pl.read_parquet(world.data / f"{name}.parquet")


def rewrite(world: World, *, first: date = FIRST, last: date = SESSIONS[-1], **more: Any) -> None:
    """Give the user other files."""
    shutil.rmtree(world.metastock)
    write_metastock_files(shared_market(), world.metastock, first=first, last=last, symbols=IN_FILES, **more)


def by_symbol(frame: pl.DataFrame, column: str) -> Mapping[str, Any]:
    return dict(frame.select("symbol", column).rows())


def cautions(world: World, name: str, symbol: str) -> set[str]:
    rows = table(world, name).filter(symbol=symbol)["cautions"].drop_nulls()
    return set(" ".join(rows.to_list()).split())


def wrong(world: World, before: Mapping[str, float]) -> Sequence[str]:
    """Symbols whose volatility of a year is another than it was, and that some table says nothing about."""
    after = by_symbol(table(world, "volatility"), YEAR)
    moved = [symbol for symbol in IN_FILES if after[symbol] != pytest.approx(before[symbol], rel=0.01)]
    return [
        symbol for symbol in moved if not all(SPLIT_CAUTIONS & cautions(world, name, symbol) for name in COMPUTED[1:])
    ]


def test_files_as_traded_are_in_the_share_of_today_once_the_candles_prove_it(first_run: FirstRun, world: World) -> None:
    day = SESSIONS[-100]
    ratios = {"AAPL": 20.0, "IBM": 4.0, "KO": 7.0, "MSFT": 1.25, "BRK/B": 1 / 15}
    before = table(first_run.world, "eod_snapshot")
    rewrite(world, unadjusted={symbol: [(day, ratio)] for symbol, ratio in ratios.items()})
    assert world.run(*COMPUTED).success
    assert wrong(world, by_symbol(table(first_run.world, "volatility"), YEAR)) == []
    assert by_symbol(table(world, "volatility"), YEAR) == pytest.approx(
        by_symbol(table(first_run.world, "volatility"), YEAR), rel=1e-3, nan_ok=True
    )
    after = table(world, "eod_snapshot")
    keys = ["symbol", "session"]
    both = after.join(before, on=keys, suffix="_before")
    assert both.height == before.height == after.height
    assert both["close"].to_list() == pytest.approx(both["close_before"].to_list(), rel=1e-3)
    found = table(world, "eod_splits")
    assert by_symbol(found, "factor") == pytest.approx(ratios)
    assert set(found["session"]) == {day}
    assert set(table(world, "eod_overlaps").filter(pl.col("symbol") != "SPY")["verdict"]) == {"split"}
    assert set(after.filter(pl.col("symbol").is_in(IN_FILES), pl.col("session") < day)["adjustment"]) == {"rebased"}


@settings(max_examples=examples(100) // 20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_any_split_at_any_date_leaves_the_volatility_of_a_year_or_there_is_a_caution_in_every_table(
    first_run: FirstRun, world: World, seed: int
) -> None:
    random = Random(seed)
    splits = {}
    for symbol in IN_FILES:
        days = random.sample(SESSIONS[1:], k=random.choice([1, 1, 2]))
        splits[symbol] = [(day, random.choice(SPLIT_RATIOS) ** random.choice([1, 1, -1])) for day in days]
    note(str(splits))
    rewrite(world, unadjusted=splits)
    assert world.run(*COMPUTED).success
    assert wrong(world, by_symbol(table(first_run.world, "volatility"), YEAR)) == []


def test_files_that_ended_years_ago_keep_no_candle_away_and_the_seam_is_told(first_run: FirstRun, world: World) -> None:
    rewrite(world, first=date(2012, 1, 3), last=date(2014, 12, 31))
    assert world.run(*COMPUTED).success
    candles = table(first_run.world, "daily_candles")
    after = table(world, "eod_snapshot")
    sources = after.filter(symbol="AAPL").group_by("source").agg(pl.col("session").min(), last=pl.col("session").max())
    assert {row[0]: row[1:] for row in sources.rows()} == {
        "metastock": (date(2012, 1, 3), date(2014, 12, 31)),
        "dxlink": (FIRST, date(2026, 11, 20)),
    }
    assert after.filter(source="dxlink").height == candles.height
    assert table(world, "volatility")["last_session"].unique().to_list() == [date(2026, 11, 20)]
    overlaps = table(world, "eod_overlaps")
    assert set(overlaps["verdict"]) == {"no_overlap"}
    assert set(overlaps["first_candle"]) == {FIRST}
    assert wrong(world, by_symbol(table(first_run.world, "volatility"), YEAR)) == []
