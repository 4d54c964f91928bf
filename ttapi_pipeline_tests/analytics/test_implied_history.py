# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Implied volatility among its own year: by hand, by the simulator's own figures, and for any history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.analytics.implied_history import implied_volatility_history
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline_tests.support.clocks import StoppedClock
from ttapi_pipeline_tests.support.examples import examples

SESSIONS = sessions_between(date(2025, 1, 2), date(2026, 11, 20))
CALENDAR = pl.LazyFrame({"session": SESSIONS})
AS_OF = SESSIONS[-1]
SATURDAY = datetime(2026, 11, 21, 15, tzinfo=UTC)


def frame(values: Sequence[float | None], symbol: str = "A") -> pl.LazyFrame:
    """The last sessions' values of a symbol."""
    sessions = SESSIONS[-len(values) :]
    return pl.LazyFrame(
        {"symbol": [symbol] * len(values), "session": sessions, "implied_volatility": values},
        schema={"symbol": pl.String, "session": pl.Date, "implied_volatility": pl.Float64},
    )


def placed(implied: pl.LazyFrame, *, as_of: date = AS_OF, span: int = 252, least: int = 126) -> dict[str, object]:
    return (
        implied_volatility_history(implied, CALENDAR, as_of=as_of, span=span, least=least).collect().row(0, named=True)
    )


def test_a_short_year_by_hand() -> None:
    row = placed(frame([0.10, 0.40, 0.20, 0.50, 0.60, 0.30]), span=5, least=3)
    # The span is 0.40 0.20 0.50 0.60 0.30: mean 0.40, squared deviations 0, 4, 1, 4, 1 hundredths, of which a fourth is
    # 0.025; one of five is below 0.30; five sessions before it was 0.10.
    assert row == {
        "symbol": "A",
        "implied_volatility": 0.30,
        "iv_rank": pytest.approx(0.25),
        "iv_percentile": pytest.approx(0.2),
        "iv_zscore": pytest.approx(-0.1 / 0.025**0.5),
        "iv_values_used": 5,
        "iv_5_day_change": pytest.approx(0.20),
        "iv_21_day_change": None,
        "iv_reason": None,
    }


@pytest.mark.parametrize(
    ("values", "reason", "used"),
    [
        ([*np.linspace(0.1, 0.3, 200), None], "not_current", 200),
        (list(np.linspace(0.1, 0.3, 125)), "short_history", 125),
        ([0.2] * 200, "unchanged", 200),
        ([0.2, *[None] * 252], "no_implied_volatility", 0),
        ([*np.linspace(0.1, 0.3, 200), 0.0], "not_current", 200),
        ([*np.linspace(0.1, 0.3, 200), float("nan")], "not_current", 200),
    ],
)
def test_what_cannot_be_placed_has_a_reason(values: Sequence[float | None], reason: str, used: int) -> None:
    found = implied_volatility_history(frame(values), CALENDAR, as_of=AS_OF).collect()
    if found.is_empty():  # not a value in reach: the dataset says `no_implied_volatility` of such a symbol
        assert reason == "no_implied_volatility"
        return
    row = found.row(0, named=True)
    assert (row["iv_reason"], row["iv_values_used"]) == (reason, used)
    assert (row["iv_rank"], row["iv_percentile"], row["iv_zscore"]) == (None, None, None)


def test_rank_percentile_and_change_are_the_simulators_own_for_every_symbol() -> None:
    market = Market(7, clock=StoppedClock(SATURDAY))
    symbols = ["AAPL", "BRK/B", "IBM", "KO", "MSFT", "SPY", "XOM"]
    rows = []
    for symbol in symbols:
        bars = market.bars(symbol, first=SESSIONS[0])
        rows.append(
            pl.DataFrame({"session": bars.sessions, "implied_volatility": bars.implied_volatility}).select(
                pl.lit(symbol).alias("symbol"), pl.col("session").cast(pl.Date), "implied_volatility"
            )
        )
    ours = implied_volatility_history(pl.concat(rows).lazy(), CALENDAR, as_of=AS_OF).collect()
    assert ours["symbol"].to_list() == symbols
    for row in ours.iter_rows(named=True):
        theirs = market.metrics(row["symbol"], SATURDAY)
        assert row["iv_rank"] == pytest.approx(theirs.implied_volatility_rank, abs=5e-7)
        assert row["iv_percentile"] == pytest.approx(theirs.implied_volatility_percentile, abs=5e-7)
        assert row["iv_5_day_change"] == pytest.approx(theirs.implied_volatility_index_5_day_change, abs=5e-7)


def test_the_order_of_the_rows_does_not_change_the_last_digit() -> None:
    values = np.random.default_rng(7).uniform(0.1, 0.9, 252).tolist()
    implied = pl.concat([frame(values), frame(values[::-1], "B")]).collect()
    expected = implied_volatility_history(implied.lazy(), CALENDAR, as_of=AS_OF).collect()
    for seed in range(5):
        shuffled = implied.sample(fraction=1.0, shuffle=True, seed=seed).lazy()
        assert implied_volatility_history(shuffled, CALENDAR, as_of=AS_OF).collect().equals(expected)


@settings(max_examples=examples(60))
@given(
    st.lists(st.none() | st.floats(0.05, 2.0), min_size=1, max_size=40),
    st.integers(2, 30),
    st.integers(0, 10),
    st.integers(0, 2**32 - 1),
)
def test_numpy_agrees_and_neither_the_future_nor_the_order_nor_others_change_it(
    values: list[float | None], span: int, ahead: int, seed: int
) -> None:
    as_of = SESSIONS[-1 - ahead]
    known = values[: max(len(values) - ahead, 0)]
    least = span // 2
    other = frame(np.random.default_rng(seed).uniform(0.1, 0.9, 60).tolist(), "B")
    shuffled = pl.concat([frame(values), other]).collect().sample(fraction=1.0, shuffle=True, seed=seed).lazy()
    result = implied_volatility_history(shuffled, CALENDAR, as_of=as_of, span=span, least=least)
    mine = result.filter(symbol="A").collect()
    reach = max(span, 22)
    year = np.array([value for value in known[-span:] if value is not None])
    today = known[-1] if known else None
    if not any(value is not None for value in known[-reach:]):
        assert mine.is_empty()
        return
    row = mine.row(0, named=True)
    assert (row["iv_values_used"], row["implied_volatility"]) == (len(year), today)
    if row["iv_reason"] is None:
        assert row["iv_rank"] == pytest.approx((today - year.min()) / (year.max() - year.min()), rel=1e-12, abs=1e-12)
        assert row["iv_percentile"] == pytest.approx((year < today).mean(), rel=1e-12)
        assert row["iv_zscore"] == pytest.approx((today - year.mean()) / year.std(ddof=1), rel=1e-9, abs=1e-9)
    else:
        assert today is None or len(year) < least or year.min() == year.max()
