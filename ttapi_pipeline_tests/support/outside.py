# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Datasets of one row, made of numbers that a test sets, in place of what the broker and the exchange would answer.

For scenarios of weeks, in which the content of a table matters only by being the same or another one. The builders of
the datasets are stood in for; the definitions, the conditions, the verdict and the storage are the real ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

import polars as pl

from ttapi_pipeline.core.errors import TransportError
from ttapi_pipeline.core.sessions import session_hours, sessions_between
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES, Dataset
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import metastock_version

_FRIDAY: Final = datetime(2026, 11, 13, tzinfo=UTC)
_READ: Final[Mapping[str, tuple[str, ...]]] = {
    "earnings": ("symbols",),
    "eod_snapshot": ("daily_candles",),
    "returns_stddev": ("expiration_series", "eod_snapshot", "implied_volatility"),
    "volatility": ("eod_snapshot", "symbols"),
    "volatility_cone": ("eod_snapshot",),
    "variance_premium": ("eod_snapshot",),
    "expectations": ("eod_snapshot",),
}
"""The inputs whose numbers show in a dataset. Other inputs leave it as it is."""


@dataclass
class Outside:
    """What would be answered: a number per dataset, where another number is another content.

    Attributes:
        content: The numbers; 0 at first.
        down: The datasets whose source does not answer.
        last_session: Of the calendar, which begins in 2026.
        closures: Sessions that are not in the calendar.
        built: The datasets that were built, in that order, since a test emptied it.
    """

    content: Counter[str] = field(default_factory=Counter)
    down: set[str] = field(default_factory=set)
    last_session: date = date(2027, 12, 31)
    closures: set[date] = field(default_factory=set)
    built: list[str] = field(default_factory=list)

    def builder(self, dataset: Dataset) -> Callable[..., Build]:
        """Stands in for `Dataset.builder`."""

        def build(refresh: Refresh, **frames: pl.LazyFrame) -> Build:
            return self.build(dataset.name, frames, settings=refresh.settings, now=refresh.now)

        return build

    def build(self, name: str, frames: Mapping[str, pl.LazyFrame], *, settings: Settings, now: datetime) -> Build:
        """A row in the dataset's schema, a function of its number and those of its inputs; of a calendar, its sessions.

        Raises:
            TransportError: Its source does not answer.
        """
        if name in self.down:
            raise TransportError(f"{name}: no answer")
        self.built.append(name)
        if name == "trading_calendar":
            return self._calendar(now)
        number = float(self.content[name]) + sum(1000 * _number(frames[each]) for each in _READ.get(name, ()))
        schema = DATASETS[name].schema.polars
        row = {column: _value(column, dtype, number, now) for column, dtype in schema.items()}
        if name != "eod_snapshot":
            return Build(frame=pl.DataFrame([row], schema=schema))
        version = metastock_version(settings)
        row["volume"] = float(int(version.encode().hex()[-6:], 16))
        return Build(frame=pl.LazyFrame([row], schema=schema), inputs={METASTOCK_FILES: version})

    def _calendar(self, now: datetime) -> Build:
        hours = [session_hours(day) for day in sessions_between(date(2026, 1, 2), self.last_session)]
        schema = DATASETS["trading_calendar"].schema.polars
        rows = [
            (each.session, each.opens_at, each.closes_at, each.is_half_day, "test", now)
            for each in hours
            if each.session not in self.closures
        ]
        return Build(frame=pl.DataFrame(rows, schema=schema, orient="row"))


def _value(column: str, dtype: pl.DataType, number: float, now: datetime) -> Any:
    if column == "fetched_at":
        return now
    match dtype:
        case pl.List():
            return [number]
        case pl.String():
            return "x"
        case pl.Boolean():
            return True
        case pl.Date():
            return _FRIDAY.date()
        case pl.Datetime():
            return _FRIDAY
        case pl.Float64():
            return number
        case _:
            return int(number)


def _number(frame: pl.LazyFrame) -> float:
    """The number that a frame of `build` shows, in its first numeric column."""
    return float(frame.select(pl.selectors.numeric()).collect().row(0)[0] or 0.0)
