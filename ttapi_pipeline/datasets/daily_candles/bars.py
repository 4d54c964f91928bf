# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Bars of daily candles as rows, a range of symbols at a time: those that came, and those that are stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Self

import polars as pl

from ttapi_pipeline.core.sessions import SETTLING_TIME
from ttapi_pipeline.datasets.daily_candles.doubts import possible
from ttapi_pipeline.datasets.daily_candles.spill import SpilledHistories
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.tables.dtypes import UTC_DATETIME
from ttapi_pipeline.tables.symbol_ranges import SymbolRange, is_within, rows_per_symbol

_CANDLE_COLUMNS: Final = ("open", "high", "low", "close", "volume", "vwap", "trade_count", "implied_volatility")


def daily_candles_frame(histories: Sequence[CandleHistory], calendar: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """One row per symbol and session. A bar is final once the extended hours of its session are over.

    The feed has bars on days without a session for some symbols. They are kept here, and the snapshot judges them.
    """
    frames = [
        pl.DataFrame(
            {
                "symbol": pl.repeat(history.symbol, len(history), eager=True, dtype=pl.String),
                "session": pl.Series(history.session).cast(pl.Date),
                "open": history.open,
                "high": history.high,
                "low": history.low,
                "close": history.close,
                "volume": history.volume,
                "vwap": history.vwap,
                "trade_count": pl.Series(history.count, dtype=pl.Float64).fill_nan(None).cast(pl.Int64),
                "implied_volatility": history.implied_volatility,
            }
        )
        for history in histories
    ]
    schema = {"symbol": pl.String, "session": pl.Date, **dict.fromkeys(_CANDLE_COLUMNS, pl.Float64)}
    schema["trade_count"] = pl.Int64
    settled = calendar.filter(pl.col("closes_at") + SETTLING_TIME <= now)["session"].max()
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=schema)
    has_close = pl.col("close").is_not_nan() & pl.col("close").is_not_null()
    return (
        frame.filter(has_close)
        .with_columns(
            is_final=pl.col("session") <= settled,
            source=pl.lit("dxlink"),
            fetched_at=pl.lit(now, UTC_DATETIME),
        )
        .select(DAILY_CANDLES.polars.names())
    )


@dataclass(frozen=True, slots=True)
class FetchedBars:
    """The bars of histories that came.

    Attributes:
        histories: By canonical symbol.
        calendar: Schema TRADING_CALENDAR.
        now: When they were asked for.
        earlier: When those were fetched that other processes have fetched ahead, by symbol.
    """

    histories: SpilledHistories
    calendar: pl.DataFrame
    now: datetime
    earlier: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def symbols(self) -> Sequence[str]:
        """The symbols that came."""
        return list(self.histories.known)

    def read(self, symbols: SymbolRange, *, but: Collection[str] = ()) -> pl.DataFrame:
        """The bars of a range.

        Args:
            symbols: Which.
            but: Symbols that are left out.
        """
        start, stop = symbols
        wanted = sorted(
            symbol
            for symbol in self.histories.known
            if symbol >= start and (stop is None or symbol < stop) and symbol not in but
        )
        rows = daily_candles_frame([self.histories.of(symbol) for symbol in wanted], self.calendar, now=self.now)
        if earlier := {symbol: self.earlier[symbol] for symbol in wanted if symbol in self.earlier}:
            moment = pl.col("symbol").replace_strict(earlier, default=self.now, return_dtype=UTC_DATETIME)
            rows = rows.with_columns(fetched_at=moment)
        # As they will be stored, so that bars that did not change are the same as the stored ones.
        return conform(rows, DAILY_CANDLES)


@dataclass(frozen=True, slots=True)
class StoredBars:
    """The stored bars of the universe that can be.

    Attributes:
        rows: What is stored, by symbol and session.
        members: The symbols of the universe.
        history_start: Earlier bars do not count.
        counts: Rows of each of the members, by symbol, bars that cannot be among them.
        count: All rows that are stored, also those of other symbols.
    """

    rows: pl.LazyFrame
    members: pl.Series
    history_start: date
    counts: Mapping[str, int]
    count: int

    @classmethod
    def of(cls, previous: pl.LazyFrame | None, universe: pl.DataFrame, *, history_start: date) -> Self:
        """From what is stored; None for nothing."""
        rows = DAILY_CANDLES.polars.to_frame().lazy() if previous is None else previous
        members = universe["symbol"]
        counts = rows_per_symbol(rows)
        of_members = counts.filter(pl.col("symbol").is_in(members.implode()))
        return cls(rows, members, history_start, dict(of_members.iter_rows()), int(counts["rows"].sum()))

    def read(self, symbols: SymbolRange) -> tuple[pl.DataFrame, int]:
        """The bars of a range, possibly none, and how many others there are in it."""
        members = self.members.to_frame().lazy()
        inside = self.rows.filter(is_within(symbols)).join(members, on="symbol", how="semi", maintain_order="left")
        kept, dropped = possible(inside.collect().lazy())
        return kept.filter(pl.col("session") >= self.history_start).collect(), dropped
