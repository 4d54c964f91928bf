# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The estimators of realised volatility by name, and the windows they are measured over. Formulas: see `volatility`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

ESTIMATORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "close_to_close": "sample stddev of log returns",
        "zero_mean": "the same around zero",
        "parkinson": "Parkinson 1980, from high and low; blind to overnight gaps",
        "garman_klass": "Garman and Klass 1980, from all four prices; blind to overnight gaps",
        "rogers_satchell": "Rogers and Satchell 1991, allows for drift; blind to overnight gaps",
        "yang_zhang": "Yang and Zhang 2000, allows for drift and overnight gaps",
    }
)
"""A phrase for each estimator."""

FROM_CLOSES: Final = frozenset({"close_to_close", "zero_mean"})
"""Estimators that need no other price."""

BELIEVABLE_RANGE: Final = 2.0
"""How many times as high as open and close a high may be, and how many times as low a low. Beyond that it is a slipped
decimal point or a trade that was busted; the high of GME on 2021-01-28, 1.8 times its open, is below it."""

WINDOWS: Final = (10, 21, 30, 60, 63, 90, 126, 252)
"""Sessions in the windows of the `volatility` dataset; 30, 60 and 90 are the broker's too."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Which estimators over which windows.

    Attributes:
        windows: Sessions, each 2 or more.
        estimators: Keys of ESTIMATORS.
        annualization: Sessions per year.

    Raises:
        ValueError: There is no window or no estimator, an estimator is not known, or a window is shorter than 2.
    """

    windows: Sequence[int]
    estimators: Sequence[str]
    annualization: int

    @classmethod
    def of(cls, windows: Sequence[int], estimators: Sequence[str], annualization: int) -> Self:
        """Make one from windows and estimators that may repeat; repetitions count once."""
        return cls(tuple(dict.fromkeys(windows)), tuple(dict.fromkeys(estimators)), annualization)

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("there is no window or no estimator to compute")
        unknown = [name for name in self.estimators if name not in ESTIMATORS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not an estimator; there are {', '.join(ESTIMATORS)}")
        if any(window < 2 for window in self.windows):
            raise ValueError(f"windows are {list(self.windows)}; a variance needs 2 sessions or more")

    @property
    def columns(self) -> Sequence[str]:
        """A name such as `yang_zhang_21` for each estimator and window, all windows of an estimator together."""
        return [f"{name}_{window}" for name in self.estimators for window in self.windows]

    @property
    def prices(self) -> Sequence[str]:
        """The columns of bars that the estimators need."""
        return ("close",) if FROM_CLOSES.issuperset(self.estimators) else ("open", "high", "low", "close")
