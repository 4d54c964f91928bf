# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The rate of requests per endpoint family. The number of requests in flight is bounded in `requester`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.client.routes import Family
from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.errors import ApiTimeoutError, RateLimitError


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` requests at once, and `per_second` in the long run."""

    per_second: float
    burst: int = 1

    def __post_init__(self) -> None:
        if not self.per_second > 0 or self.burst < 1:
            raise ValueError(f"{self} never lets a request pass")


# The broker publishes no quota. With these rates a full collection of the S&P 500 takes well under a minute, and fewer
# requests than the broker's own front end sends.
BROKER_RATES: Final[Mapping[Family, Rate]] = MappingProxyType(
    {
        Family.OAUTH: Rate(per_second=1.0, burst=2),
        Family.CUSTOMERS: Rate(per_second=5.0, burst=5),
        Family.ACCOUNTS: Rate(per_second=10.0, burst=10),
        Family.INSTRUMENTS: Rate(per_second=10.0, burst=20),
        Family.OPTION_CHAINS: Rate(per_second=25.0, burst=50),
        Family.MARKET_METRICS: Rate(per_second=5.0, burst=10),
        # The broker makes snapshots about once a minute, so asking faster gains nothing.
        Family.MARKET_DATA: Rate(per_second=1.0, burst=6),
        Family.MARKET_TIME: Rate(per_second=5.0, burst=10),
        Family.WATCHLISTS: Rate(per_second=5.0, burst=5),
        Family.QUOTE_TOKENS: Rate(per_second=1.0, burst=2),
    }
)
UNLIMITED: Final[Mapping[Family, Rate]] = MappingProxyType({})


class RateLimiter:
    """A token bucket that can be paused. Requests pass in the order in which they came."""

    def __init__(self, rate: Rate | None, *, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._next = -math.inf
        self._paused_until = -math.inf

    async def acquire(self, subject: str, *, deadline: float) -> None:
        """Wait for a token, and for the end of a pause.

        Args:
            subject: Names the request in errors.
            deadline: On the clock's monotonic time.

        Raises:
            ApiTimeoutError: The request's turn comes after the deadline.
            RateLimitError: The pause ends after the deadline.
        """
        if self._rate is not None:
            now = self._clock.monotonic()
            turn = max(self._next, now - (self._rate.burst - 1) / self._rate.per_second)
            if turn >= deadline:
                raise ApiTimeoutError(f"{subject}: not sent, the rate limit lets nothing pass for {turn - now:.0f} s")
            self._next = turn + 1 / self._rate.per_second
            if turn > now:
                await self._clock.sleep(turn - now)
        # A pause may begin, or grow, while we wait.
        while (rest := self._paused_until - self._clock.monotonic()) > 0:
            if self._paused_until >= deadline:
                raise RateLimitError(f"{subject}: not sent, throttled for another {rest:.0f} s", retry_after=rest)
            await self._clock.sleep(rest)

    def pause(self, seconds: float) -> None:
        """Let no request pass for this time, because the server asked for it."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
