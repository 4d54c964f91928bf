# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Returns, horizons, volatility and implied volatility as functions over frames; imports nothing of this project.

Put here: a formula of the field that takes and returns Polars frames or NumPy arrays. Not here: reading or writing
files, settings, the columns of a stored dataset.

The names in `__all__` are for notebooks and other programs. Each is loaded when it is first asked for, since the tables
of datasets import names of estimators from here and have to load without Polars.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttapi_pipeline.analytics.cone import volatility_cone
    from ttapi_pipeline.analytics.current import bar_quality, current_volatility, volatility_rank
    from ttapi_pipeline.analytics.earnings import earnings_sessions, volatility_without_earnings
    from ttapi_pipeline.analytics.forecasts import History, expected_variances, realised
    from ttapi_pipeline.analytics.horizons import expiration_horizons, horizon_statistics
    from ttapi_pipeline.analytics.implied import (
        clock_ratio,
        expected_move,
        implied_stddev,
        iv_percentile,
        iv_rank,
        move_ratio,
    )
    from ttapi_pipeline.analytics.implied_history import implied_volatility_history
    from ttapi_pipeline.analytics.overnight import overnight_share, sessions_left
    from ttapi_pipeline.analytics.premium import score_tenor
    from ttapi_pipeline.analytics.returns import log_returns, session_index
    from ttapi_pipeline.analytics.scores import log_scores, overlapping_means, overstatement, qlikes
    from ttapi_pipeline.analytics.slices import collect_in_slices
    from ttapi_pipeline.analytics.volatility import latest_volatility, rolling_volatility

__all__ = [
    "History",
    "bar_quality",
    "clock_ratio",
    "collect_in_slices",
    "current_volatility",
    "earnings_sessions",
    "expected_move",
    "expected_variances",
    "expiration_horizons",
    "horizon_statistics",
    "implied_stddev",
    "implied_volatility_history",
    "iv_percentile",
    "iv_rank",
    "latest_volatility",
    "log_returns",
    "log_scores",
    "move_ratio",
    "overlapping_means",
    "overnight_share",
    "overstatement",
    "qlikes",
    "realised",
    "rolling_volatility",
    "score_tenor",
    "session_index",
    "sessions_left",
    "volatility_cone",
    "volatility_rank",
    "volatility_without_earnings",
]

_MODULES = {
    **dict.fromkeys(("bar_quality", "current_volatility", "volatility_rank"), "current"),
    **dict.fromkeys(("earnings_sessions", "volatility_without_earnings"), "earnings"),
    **dict.fromkeys(("overnight_share", "sessions_left"), "overnight"),
    **dict.fromkeys(
        ("clock_ratio", "expected_move", "implied_stddev", "iv_percentile", "iv_rank", "move_ratio"), "implied"
    ),
    **dict.fromkeys(("latest_volatility", "rolling_volatility"), "volatility"),
    **dict.fromkeys(("expiration_horizons", "horizon_statistics"), "horizons"),
    **dict.fromkeys(("log_returns", "session_index"), "returns"),
    **dict.fromkeys(("History", "expected_variances", "realised"), "forecasts"),
    **dict.fromkeys(("log_scores", "overlapping_means", "overstatement", "qlikes"), "scores"),
    "collect_in_slices": "slices",
    "implied_volatility_history": "implied_history",
    "score_tenor": "premium",
    "volatility_cone": "cone",
}


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
