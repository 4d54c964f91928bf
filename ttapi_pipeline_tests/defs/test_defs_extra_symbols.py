# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Symbols of MetaStock files outside the universe, through whole runs: by default, none, and those that are named.

The simulated files have AAPL, BRK/B, IBM, KO and MSFT, all of the universe; GLD, SLV and XLE are written beside them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.core.verdict import Rule
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline_tests.support.worlds import SYMBOLS, World

DAYS = sessions_between(date(2026, 9, 1), date(2026, 11, 20))
EXTRA = ("GLD", "SLV", "XLE")
COMPUTED = ("volatility", "volatility_cone")


@pytest.fixture
def with_extras(world: World) -> World:
    """Three symbols of which the broker is never asked."""
    for position, symbol in enumerate(EXTRA, start=1):
        rows = (f"{symbol},{day:%Y%m%d},{c},{c},{c},{c},100" for day, c in zip(DAYS, closes(position), strict=True))
        (world.metastock / f"{symbol}.csv").write_text("\n".join(rows))
    return world


def closes(scale: int) -> list[float]:
    return [scale * (100 + position % 7) for position in range(len(DAYS))]


def choose(world: World, extra: str) -> None:
    world.settings = replace(world.settings, metastock_extra=extra)


def symbols(world: World, name: str) -> set[str]:
    return set(pl.read_parquet(world.data / f"{name}.parquet")["symbol"].to_list())


def notices(world: World, kind: str) -> list[str]:
    told = pl.read_parquet(world.data / "eod_notices.parquet").filter(kind=kind)
    return told["notice"].to_list()


def misses(world: World) -> list[tuple[str, Rule]]:
    statuses = read_statuses(world.settings, now=world.clock.now())
    return [(name, each.verdict.rule) for name, each in statuses.items() if not each.verdict.is_hit]


def test_all_symbols_of_the_files_are_in_the_snapshot_unless_another_choice_is_made(with_extras: World) -> None:
    assert with_extras.run().success
    for name in ("eod_snapshot", *COMPUTED):
        assert symbols(with_extras, name) == {*SYMBOLS, *EXTRA}, name
    # As earlier versions have written it, so that they and this one read each other's manifests as hits.
    assert "metastock_extra" not in with_extras.manifest("eod_snapshot").provenance.settings


def test_no_symbol_outside_the_universe_is_in_any_table_and_every_row_is_accounted_for(with_extras: World) -> None:
    choose(with_extras, "none")
    result = with_extras.run()
    assert result.success
    for name in ("eod_snapshot", *COMPUTED):
        assert symbols(with_extras, name) == set(SYMBOLS), name
    made = with_extras.manifest("eod_snapshot").provenance
    assert made.statistics["metastock_left_out"] == len(EXTRA) * len(DAYS)
    bars = pl.read_parquet(with_extras.data / "eod_snapshot.parquet").filter(source="metastock").height
    kept, replaced = (int(made.statistics[f"metastock_{name}"]) for name in ("rows_kept", "replaced"))
    assert kept == bars + replaced + len(EXTRA) * len(DAYS)
    checks = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    assert checks["accounts_for_every_row"]
    (told,) = notices(with_extras, "left out")
    assert told == (
        "3 symbols of the files are neither in the universe nor named by TT_METASTOCK_EXTRA, and left out:"
        " GLD, SLV, XLE"
    )
    # Nothing is said of whether the broker has them.
    assert not any("GLD" in each for each in notices(with_extras, "assumption"))


def test_symbols_and_files_of_symbols_are_added_and_a_misspelt_one_is_told(with_extras: World, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("slv  # silver\n")
    choose(with_extras, f"GLDD,XLE,{tmp_path / 'mine.txt'}")
    assert with_extras.run("eod_snapshot").success
    assert symbols(with_extras, "eod_snapshot") == {*SYMBOLS, "XLE", "SLV"}
    assert notices(with_extras, "warning") == [
        "TT_METASTOCK_EXTRA names GLDD, of which no file has a row (did you mean GLD?)"
    ]


def test_another_choice_is_a_reason_to_build_the_snapshot_and_nothing_else(with_extras: World, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("GLD\n")
    choose(with_extras, str(file))
    assert with_extras.run().success
    before = pl.read_parquet(with_extras.data / "eod_snapshot.parquet")
    assert misses(with_extras) == []
    file.write_text("GLD\nSLV\n")
    assert misses(with_extras) == [("eod_snapshot", Rule.SETTINGS)]
    with_extras.exchange.reset()
    assert with_extras.run().success
    assert with_extras.exchange.requests() == {}
    after = pl.read_parquet(with_extras.data / "eod_snapshot.parquet")
    assert after.filter(pl.col("symbol") != "SLV").equals(before)
    assert after.filter(symbol="SLV")["close"].to_list() == closes(2)


def test_a_member_that_has_files_and_no_candles_is_kept(with_extras: World, tmp_path: Path) -> None:
    universe = tmp_path / "universe.txt"
    universe.write_text("\n".join((*SYMBOLS, "GLD")))
    with_extras.settings = replace(with_extras.settings, universe=str(universe), metastock_extra="none")
    assert with_extras.run("universe", "eod_snapshot").success
    assert symbols(with_extras, "daily_candles") == set(SYMBOLS)
    assert symbols(with_extras, "eod_snapshot") == {*SYMBOLS, "GLD"}
