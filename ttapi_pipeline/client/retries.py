# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Retries: which errors are worth a repetition, how long to wait before it, and how often to try at most."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.errors import ApiError, CircuitOpenError, HttpError, RateLimitError, TTError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of one request.

    Attributes:
        attempts: Attempts in all, the first included.
        base_seconds: The first wait is drawn from 0 to this; the upper end doubles with every attempt.
        max_wait_seconds: The upper end never exceeds this. A `Retry-After` may, if the deadline allows it.
        deadline_seconds: The last attempt starts and ends within this time after the first one started.
        overload_attempts: Further attempts in place of those that failed because too many requests were in flight. The
            number in flight has halved since, and so often from 100 is 1.
    """

    attempts: int = 3
    base_seconds: float = 0.5
    max_wait_seconds: float = 15.0
    deadline_seconds: float = 120.0
    overload_attempts: int = 6


@dataclass(slots=True)
class RetryBudget:
    """The retries of a whole collection, bounded so that many workers do not flood a service that is failing."""

    left: int
    spent: int = field(default=0, init=False)

    @classmethod
    def for_requests(cls, count: int) -> RetryBudget:
        """One retry per two requests, and at least ten."""
        return cls(max(10, count // 2))

    def take(self) -> bool:
        """Spend one retry; False when none is left."""
        if self.left <= 0:
            return False
        self.left -= 1
        self.spent += 1
        return True


@dataclass(frozen=True, slots=True)
class Retrier:
    """Repeats an idempotent call by the policy: after a random wait (full jitter), or as long as the server asks."""

    policy: RetryPolicy
    clock: Clock
    rng: random.Random

    async def run(self, call: Callable[[int, float], Awaitable[T]], *, budget: RetryBudget | None = None) -> T:
        """Await ``call(attempt, deadline)`` until it succeeds or is not worth repeating.

        Args:
            call: Attempts count from 1. `deadline` is on the clock's monotonic scale, the same for all attempts.
            budget: Shared with other calls; None when only the policy bounds the call.

        Raises:
            TTError: The error of the last attempt.
        """
        deadline = self.clock.monotonic() + self.policy.deadline_seconds
        try:
            return await call(1, deadline)
        except TTError as error:
            first_failure = error
        # Nearly every call succeeds at once, and tenacity takes as long as all our other work on a request. So it is
        # used only after a failure, and gets that failure as its first attempt.
        attempt = of_load = 0

        async def once() -> T:
            nonlocal attempt
            attempt += 1
            if attempt == 1:
                raise first_failure
            return await call(attempt, deadline)

        def stop(state: RetryCallState) -> bool:
            nonlocal of_load
            error = _failure(state)
            is_of_load = isinstance(error, ApiError) and error.is_of_load and of_load < self.policy.overload_attempts
            of_load += is_of_load
            return (
                state.attempt_number - of_load >= self.policy.attempts
                or self.clock.monotonic() + state.upcoming_sleep >= deadline
                or (budget is not None and not budget.take())
            )

        retrying = AsyncRetrying(sleep=self.clock.sleep, stop=stop, wait=self._wait, retry=_is_worth_it, reraise=True)
        return await retrying(once)

    def _wait(self, state: RetryCallState) -> float:
        asked = retry_after(_failure(state))
        if asked is not None:
            return asked
        ceiling = min(self.policy.base_seconds * 2.0 ** (state.attempt_number - 1), self.policy.max_wait_seconds)
        return self.rng.uniform(0.0, ceiling)


def retry_after(error: BaseException | None) -> float | None:
    """Seconds that the server asks us to wait before the next attempt; None when it does not."""
    return error.retry_after if isinstance(error, RateLimitError | HttpError) else None


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read a `Retry-After` header: seconds, or an HTTP date (RFC 9110, 10.2.3). None when it is neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        # A day is the longest wait. The length is checked because endless digits would overflow a float.
        return float(text) if len(text) < 6 else 86_400.0
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), 86_400.0)


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _is_worth_it(state: RetryCallState) -> bool:
    error = _failure(state)
    # An open breaker is not worth the wait: the whole collection would wait.
    return isinstance(error, TTError) and error.retryable and not isinstance(error, CircuitOpenError)
