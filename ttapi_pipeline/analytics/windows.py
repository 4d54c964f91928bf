# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tables of bars as the arrays that the loops of `kernels` take, and the loops' arrays as columns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import polars as pl

from ttapi_pipeline.analytics.estimators import Measures
from ttapi_pipeline.analytics.kernels import (
    Floats,
    Numbers,
    Rows,
    consecutive,
    fill_latest,
    fill_rolling,
    session_numbers,
)
from ttapi_pipeline.analytics.returns import SessionTable

_BARS_AT_A_TIME: Final = 500_000
"""Bars that a thread measures at a time, about; a run is never divided."""


def rolling_columns(bars: pl.DataFrame, sessions: SessionTable, measures: Measures) -> pl.DataFrame:
    """Measure the windows that end at each bar.

    Args:
        bars: `symbol`, `session` and `measures.prices`; sorted by symbol and session.
        sessions: Of the calendar.
        measures: What to compute.

    Returns:
        `measures.columns`, one row per bar; null without a value, and on days that are not sessions.
    """
    runs = _Runs.of(bars, sessions)
    columns = runs.measured(measures, fill_rolling, places=lambda edges: edges[-1])
    if runs.bars.height == bars.height:
        return columns
    places = (runs.is_session.cum_sum() - 1).set(~runs.is_session, None)
    return columns.select(pl.all().gather(places))


def latest_columns(bars: pl.DataFrame, sessions: SessionTable, measures: Measures, *, last: int) -> pl.DataFrame:
    """Measure the windows that end at one session.

    Args:
        bars: As for `rolling_columns`, up to that session.
        sessions: Of the calendar.
        measures: What to compute.
        last: The number of that session.

    Returns:
        One row per symbol of `bars`: `symbol` and `measures.columns`; null without a value.
    """
    runs = _Runs.of(bars, sessions)
    columns = runs.measured(measures, fill_latest, places=lambda edges: len(edges) - 1)
    ends = runs.edges[1:] - 1
    found = columns.insert_column(0, runs.bars["symbol"].gather(ends)).filter(runs.index[ends] == last)
    return bars.select(pl.col("symbol").unique()).join(found, on="symbol", how="left")


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of bars on consecutive sessions, each run of one symbol.

    Attributes:
        bars: The bars that are on a session.
        index: The number of each bar's session.
        edges: The row of `bars` that each run begins with, and at the end the number of rows.
        is_session: For each of the bars that were given: whether it is on a session.
    """

    bars: pl.DataFrame
    index: Numbers
    edges: Rows
    is_session: pl.Series

    @classmethod
    def of(cls, bars: pl.DataFrame, sessions: SessionTable) -> Self:
        days = bars["session"].to_physical().fill_null(sessions.first_day - 1).to_numpy()
        index = session_numbers(days, sessions.first_day, sessions.index.fill_null(-1).to_numpy())
        is_session = pl.Series(index >= 0)
        if not is_session.all():
            bars, index = bars.filter(is_session), index[is_session.to_numpy()]
        symbols = bars["symbol"].rle().struct.field("len").cast(pl.Int64).to_numpy()
        return cls(bars, index, consecutive(index, symbols), is_session)

    def measured(
        self,
        measures: Measures,
        fill: Callable[[Floats, Rows, Measures, Floats], None],
        *,
        places: Callable[[Rows], int],
    ) -> pl.DataFrame:
        """Call a loop of `kernels` on some runs at a time, in threads.

        Args:
            measures: What to compute.
            fill: The loop.
            places: How many rows it fills in for the runs between some edges.

        Returns:
            `measures.columns`.
        """
        prices = [self.bars[name].cast(pl.Float64) for name in measures.prices]

        def measure(batch: tuple[int, int]) -> pl.DataFrame:
            first, end = batch
            begin, edges = self.edges[first], self.edges[first : end + 1] - self.edges[first]
            bars = np.empty((2 * len(prices), edges[-1]))
            for row, price in zip(bars, prices, strict=False):
                row[:] = price.slice(begin, edges[-1]).to_numpy()
            out = np.empty((len(measures.columns), places(edges)))
            fill(bars, edges, measures, out)
            columns = zip(measures.columns, out, strict=True)
            return pl.DataFrame([pl.Series(name, values, nan_to_null=True) for name, values in columns])

        batches = list(self._batches())
        if len(batches) == 1:
            return measure(batches[0])
        with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
            return pl.concat(pool.map(measure, batches))

    def _batches(self) -> Iterator[tuple[int, int]]:
        """The runs of each batch as a half-open range; without runs, one empty batch."""
        last = len(self.edges) - 1
        firsts = np.searchsorted(self.edges, np.arange(0, len(self.index), _BARS_AT_A_TIME))
        return itertools.pairwise(np.unique([*firsts, last]).tolist() if last else [0, 0])
