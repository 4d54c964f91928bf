# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Comparisons with option prices, by hand."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.analytics.implied import expected_move, iv_percentile, iv_rank, move_ratio, rank_in_range
from ttapi_pipeline_tests.support.examples import examples

PRICE, IV, DTE = pl.col("price"), pl.col("iv"), pl.col("dte")


def value(expression: pl.Expr, **columns: float | None) -> float | None:
    result: float | None = pl.DataFrame(columns).select(expression.alias("value")).item()
    return result


def test_the_expected_move_scales_with_the_root_of_calendar_days() -> None:
    # By hand: 100 x 0.20 x sqrt(73 / 365) = 20 x 0.4472135955.
    assert value(expected_move(PRICE, IV, DTE), price=100.0, iv=0.2, dte=73) == pytest.approx(8.94427191)
    assert value(expected_move(PRICE, IV, DTE), price=100.0, iv=0.2, dte=365) == pytest.approx(20.0)
    assert value(expected_move(PRICE, IV, DTE), price=100.0, iv=0.2, dte=0) == 0.0


def test_an_expiration_that_has_passed_has_no_expected_move() -> None:
    assert value(expected_move(PRICE, IV, DTE), price=100.0, iv=0.2, dte=-1) is None


def test_the_move_ratio_compares_the_same_span() -> None:
    # By hand: 0.20 x sqrt(73 / 365) = 0.0894427191 against a usual move of 0.05.
    ratio = move_ratio(IV, DTE, pl.col("usual"))
    assert value(ratio, iv=0.2, dte=73, usual=0.05) == pytest.approx(1.788854382)
    assert value(ratio, iv=0.2, dte=73, usual=0.0) is None
    assert value(ratio.cast(pl.Float64), iv=None, dte=73, usual=0.05) is None


def test_a_rank_is_the_place_in_a_range_and_null_without_one() -> None:
    rank = rank_in_range(IV, pl.col("low"), pl.col("high"))
    assert value(rank, iv=0.25, low=0.2, high=0.4) == pytest.approx(0.25)
    assert value(rank, iv=0.2, low=0.2, high=0.2) is None


def test_one_spike_depresses_the_rank_and_not_the_percentile() -> None:
    history = pl.DataFrame({"iv": [0.10, 0.11, 0.90, 0.12, 0.13]})
    result = history.select(rank=iv_rank(IV, window=5), percentile=iv_percentile(IV, window=4)).row(-1)
    # By hand: (0.13 - 0.10) / (0.90 - 0.10), and 3 of the 4 sessions before are lower.
    assert result == (pytest.approx(0.0375), pytest.approx(0.75))


def test_a_rank_and_a_percentile_wait_for_a_full_window_unless_told_otherwise() -> None:
    history = pl.DataFrame({"iv": [0.10, 0.30, 0.20]})
    strict = history.select(rank=iv_rank(IV, window=3), percentile=iv_percentile(IV, window=3))
    assert strict["rank"].to_list() == [None, None, pytest.approx(0.5)]
    assert strict["percentile"].to_list() == [None, None, None]
    lenient = history.select(percentile=iv_percentile(IV, window=3, min_samples=1))
    assert lenient["percentile"].to_list() == [None, 1.0, 0.5]


def test_sessions_without_a_value_do_not_count() -> None:
    history = pl.DataFrame({"iv": [0.10, None, 0.30, 0.20, None]})
    result = history.select(percentile=iv_percentile(IV, window=4, min_samples=2))["percentile"].to_list()
    assert result == [None, None, None, 0.5, None]


def test_ranks_do_not_cross_symbols() -> None:
    frame = pl.DataFrame({"symbol": ["A", "A", "B", "B"], "session": [1, 2, 2, 1], "iv": [0.1, 0.2, 0.5, 0.9]})
    rank = iv_rank(IV, window=2).over("symbol", order_by="session")
    assert frame.select(rank=rank)["rank"].to_list() == [None, 1.0, 0.0, None]


@settings(max_examples=examples(100))
@given(st.lists(st.floats(0.01, 5.0), min_size=2, max_size=30), st.integers(1, 29))
def test_the_percentile_equals_a_count(history: list[float], window: int) -> None:
    result = pl.DataFrame({"iv": history}).select(value=iv_percentile(IV, window=window))["value"].to_list()
    for i, today in enumerate(history):
        before = history[max(0, i - window) : i]
        expected = sum(other < today for other in before) / window if len(before) == window else None
        assert result[i] == (None if expected is None else pytest.approx(expected))
