# SPDX-License-Identifier: MIT
"""How long to wait before a link is tried again; the retries of REST requests are in `client`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential delays, each drawn from the upper half of its interval.

    Attributes:
        first_seconds: Longest delay after the first failure; it doubles with each further one.
        most_seconds: No delay is longer.
        uniform: Draws from [0, 1).
    """

    first_seconds: float = 1.0
    most_seconds: float = 60.0
    uniform: Callable[[], float] = SystemRandom().random

    def seconds(self, failures: int) -> float:
        """Delay after that many failures in a row, from 1."""
        longest = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 60))
        return longest * (0.5 + 0.5 * self.uniform())
