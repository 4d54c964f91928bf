# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Delays before something is tried again: a link, a channel, a refused subscription.

The retries of REST requests are in `client`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential delays, each drawn from the upper half of its interval.

    Attributes:
        first_seconds: Longest delay after the first failure. It doubles with each further failure.
        most_seconds: Longest delay after any number of failures.
        uniform: Draws from [0, 1).
    """

    first_seconds: float = 1.0
    most_seconds: float = 60.0
    uniform: Callable[[], float] = SystemRandom().random

    def seconds(self, failures: int) -> float:
        """The delay after this many failures in a row.

        Args:
            failures: 1 after the first one.
        """
        # The exponent is bounded, because 2.0 ** 1024 is an OverflowError.
        longest = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 60))
        return longest * (0.5 + 0.5 * self.uniform())
