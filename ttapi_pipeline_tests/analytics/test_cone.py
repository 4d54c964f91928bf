# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The volatility cone, against numpy by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ttapi_pipeline.analytics.cone import volatility_cone
from ttapi_pipeline.analytics.volatility import rolling_volatility
from ttapi_pipeline_tests.support.bars import CALENDAR, SESSIONS, market


def cone(frame: pl.DataFrame, **options: Any) -> pl.DataFrame:
    return volatility_cone(frame.lazy(), CALENDAR, **{"as_of": SESSIONS[-1], "horizons": [5, 21], **options}).collect()


def test_the_cone_holds_the_quantiles_of_all_rolling_volatilities() -> None:
    frame = market()
    rolling = rolling_volatility(frame.lazy(), CALENDAR, windows=[5]).collect()
    volatilities = rolling["close_to_close_5"].drop_nulls().to_numpy()
    row = cone(frame).row(0, named=True)
    expected = np.quantile(volatilities, [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1])
    names = ["minimum", "p10", "p25", "median", "p75", "p90", "maximum"]
    assert [row[name] for name in names] == pytest.approx(expected.tolist(), rel=1e-9)
    assert row["current"] == pytest.approx(volatilities[-1])
    assert row["current_percentile"] == pytest.approx((volatilities < volatilities[-1]).mean())
    assert (row["symbol"], row["horizon_sessions"], row["windows_used"]) == ("AAPL", 5, len(SESSIONS) - 5)


def test_the_cone_ends_at_the_as_of_session() -> None:
    frame = market()
    early = SESSIONS[40]
    assert_frame_equal(cone(frame, as_of=early), cone(frame.filter(pl.col("session") <= early), as_of=early))
    sunday = date(2012, 3, 4)
    assert_frame_equal(cone(frame, as_of=sunday), cone(frame, as_of=sunday - timedelta(2)))


def test_the_cone_does_not_end_with_a_bar_after_the_last_session() -> None:
    sunday = SESSIONS[-1] + timedelta(6 - SESSIONS[-1].weekday())
    odd = market().head(1).with_columns(session=pl.lit(sunday))
    assert_frame_equal(cone(pl.concat([market(), odd]), as_of=sunday), cone(market()))


def test_the_cone_may_be_limited_to_the_windows_that_end_lately() -> None:
    assert cone(market(), history=30)["windows_used"].to_list() == [30, 30]


def test_a_symbol_without_today_or_without_history_has_a_cone_with_nulls() -> None:
    frame = pl.concat([market(symbol="HALT").head(50), market(symbol="NEW").tail(10)])
    rows = {(row["symbol"], row["horizon_sessions"]): row for row in cone(frame).to_dicts()}
    assert rows["HALT", 5]["current"] is None
    assert rows["HALT", 5]["current_percentile"] is None
    assert rows["HALT", 5]["median"] is not None
    assert (rows["NEW", 21]["median"], rows["NEW", 21]["windows_used"]) == (None, 0)


def test_a_missing_bar_does_not_blank_today_for_as_long_as_a_window() -> None:
    gap = market().filter(pl.col("session") != SESSIONS[-8])
    short, long = cone(gap).to_dicts()
    # Two of 21 returns are less than a tenth, two of 5 are not; past windows with the gap are left out.
    assert (short["current"], short["current_percentile"]) == (
        cone(market())["current"][0],
        short["current_percentile"],
    )
    closes = market().with_columns(close=pl.when(pl.col("session") != SESSIONS[-8]).then("close"))["close"]
    returns = np.diff(np.log(closes.to_numpy()))
    assert long["current"] == pytest.approx(np.nanstd(returns[-21:], ddof=1) * 252**0.5, rel=1e-12)
    assert long["windows_used"] == cone(market())["windows_used"][1] - 8
    assert 0 <= long["current_percentile"] <= 1
    assert cone(market().filter(pl.col("session") != SESSIONS[-3])).to_dicts()[0]["current"] is None
