# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What `volatility` says about the broker's figures beside ours: what its windows count, and how dear options are."""

from __future__ import annotations

from typing import Final

import polars as pl

from ttapi_pipeline.datasets.volatility.table import BROKER_WINDOWS, CALENDAR_WINDOWS

BROKER_TOLERANCE: Final = 0.03
"""Difference from the broker's historical volatility, as a fraction, above which a row is marked: three points."""

_ALIKE: Final = 0.05
"""Two volatilities of the same returns differ by less than this, as a logarithm: by a mean that is removed or not, a
factor of 250 or 252."""


def differences() -> dict[str, pl.Expr]:
    """Ours less the broker's: over as many sessions, and over the sessions that as many calendar days have."""
    windows = {f"historical_volatility_{days}_day_difference": (days, days) for days in BROKER_WINDOWS} | {
        f"historical_volatility_{days}_day_difference_{sessions}": (days, sessions)
        for days, sessions in CALENDAR_WINDOWS.items()
    }
    return {
        name: pl.col(f"close_to_close_{sessions}") - pl.col(f"historical_volatility_{days}_day")
        for name, (days, sessions) in windows.items()
    }


def is_far_from_broker() -> pl.Expr:
    """Whether a difference over as many sessions is above BROKER_TOLERANCE."""
    names = [f"historical_volatility_{days}_day_difference" for days in BROKER_WINDOWS]
    return pl.max_horizontal(pl.col(names).abs()) > BROKER_TOLERANCE


def broker_counts() -> pl.Expr:
    """What the windows of the broker count: `sessions` or `days`; null where neither fits, or both do.

    One convention has to agree in both of its windows, and the other has to be twice as far away in one of them.
    """

    def distance(windows: dict[int, int]) -> pl.Expr:
        logs = [
            (pl.col(f"close_to_close_{sessions}") / pl.col(f"historical_volatility_{days}_day")).log().abs()
            for days, sessions in windows.items()
        ]
        # A maximum leaves nulls out: without one of the two there is nothing to decide by.
        return pl.when(pl.all_horizontal(each.is_not_null() for each in logs)).then(pl.max_horizontal(logs))

    sessions, days = distance({window: window for window in CALENDAR_WINDOWS}), distance(CALENDAR_WINDOWS)
    return (
        pl.when((sessions < _ALIKE) & (days > 2 * sessions))
        .then(pl.lit("sessions"))
        .when((days < _ALIKE) & (sessions > 2 * days))
        .then(pl.lit("days"))
    )
