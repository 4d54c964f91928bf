# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""When a request is repeated, after how long, and how rates and pauses hold it back."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.client.limits import Rate, RateLimiter
from ttapi_pipeline.client.retries import Retrier, RetryBudget, RetryPolicy, parse_retry_after
from ttapi_pipeline.core.errors import (
    ApiError,
    ApiTimeoutError,
    AuthError,
    CircuitOpenError,
    HttpError,
    PayloadError,
    RateLimitError,
    TransportError,
)

if TYPE_CHECKING:
    from ttapi_pipeline_tests.support.clocks import FakeClock

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class Flaky:
    """Fails with the given errors, one after the other, then answers."""

    def __init__(self, *errors: ApiError) -> None:
        self.errors = list(errors)
        self.attempts: list[int] = []

    async def __call__(self, number: int, deadline: float) -> str:
        self.attempts.append(number)
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def retrier(clock: FakeClock, policy: RetryPolicy | None = None) -> Retrier:
    return Retrier(policy or RetryPolicy(), clock, random.Random(7))


async def test_waits_are_drawn_from_a_window_that_doubles(clock: FakeClock) -> None:
    call = Flaky(*[TransportError("x")] * 6)
    policy = RetryPolicy(attempts=7, base_seconds=1.0, max_wait_seconds=4.0)
    assert await retrier(clock, policy).run(call) == "answer"
    assert call.attempts == [1, 2, 3, 4, 5, 6, 7]
    for wait, ceiling in zip(clock.sleeps, [1, 2, 4, 4, 4, 4], strict=True):
        assert 0 <= wait <= ceiling
    assert len(set(clock.sleeps)) == 6


@pytest.mark.parametrize(
    "error", [RateLimitError("x", retry_after=7.0), HttpError(503, "busy", retry_after=7.0)], ids=["429", "503"]
)
async def test_the_server_says_how_long_to_wait(clock: FakeClock, error: ApiError) -> None:
    await retrier(clock).run(Flaky(error))
    assert clock.sleeps == [7.0]


@pytest.mark.parametrize(
    "error",
    [
        HttpError(404, "x"),
        HttpError(422, "x"),
        AuthError("x"),
        PayloadError("x"),
        CircuitOpenError("x", retry_at=NOW),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_stays_wrong_is_not_repeated(clock: FakeClock, error: ApiError) -> None:
    call = Flaky(error)
    with pytest.raises(type(error)) as caught:
        await retrier(clock).run(call)
    assert caught.value is error
    assert call.attempts == [1]


async def test_the_last_error_is_the_one_that_is_raised(clock: FakeClock) -> None:
    errors = [TransportError("x"), HttpError(500, "x"), ApiTimeoutError("last")]
    with pytest.raises(ApiTimeoutError, match="last"):
        await retrier(clock).run(Flaky(*errors))


async def test_no_attempt_starts_after_the_deadline(clock: FakeClock) -> None:
    call = Flaky(RateLimitError("x", retry_after=30.0), RateLimitError("x", retry_after=31.0))
    with pytest.raises(RateLimitError):
        await retrier(clock, RetryPolicy(deadline_seconds=60.0)).run(call)
    assert (call.attempts, clock.sleeps) == ([1, 2], [30.0])


async def test_a_budget_is_shared_and_ends(clock: FakeClock) -> None:
    budget = RetryBudget(3)
    calls = [Flaky(*[TransportError("x")] * 9) for _ in range(3)]
    for call in calls:
        with pytest.raises(TransportError):
            await retrier(clock).run(call, budget=budget)
    assert [len(call.attempts) for call in calls] == [3, 2, 1]
    assert (budget.left, budget.spent) == (0, 3)


def test_a_budget_grows_with_the_collection() -> None:
    assert (RetryBudget.for_requests(3).left, RetryBudget.for_requests(500).left) == (10, 250)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("9" * 400, 86_400.0),
        ("Fri, 20 Nov 2026 15:01:30 GMT", 90.0),
        ("Fri, 20 Nov 2026 14:00:00 GMT", 0.0),
        ("Fri, 20 Nov 2026 15:01:30 -0000", 90.0),
        ("Fri, 20 Nov 2099 15:01:30 GMT", 86_400.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, now=NOW) == seconds


@given(st.text(max_size=60))
def test_no_retry_after_header_raises(text: str) -> None:
    seconds = parse_retry_after(text, now=NOW)
    assert seconds is None or 0 <= seconds <= 86_400


@given(st.integers(0, 86_400))
def test_a_date_is_read_back_as_the_seconds_to_it(seconds: int) -> None:
    header = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(header, now=NOW) == seconds


async def test_a_burst_passes_and_the_rest_keeps_the_rate(clock: FakeClock) -> None:
    limiter = RateLimiter(Rate(per_second=2.0, burst=3), clock=clock)
    passed = []
    for _ in range(6):
        await limiter.acquire("GET /x", deadline=clock.monotonic() + 60)
        passed.append(clock.monotonic())
    # Three at once, then one every half second.
    assert passed == [0.0, 0.0, 0.0, 0.5, 1.0, 1.5]


async def test_idle_time_saves_up_a_burst_and_no_more(clock: FakeClock) -> None:
    limiter = RateLimiter(Rate(per_second=1.0, burst=2), clock=clock)
    clock.advance(100)
    for _ in range(3):
        await limiter.acquire("GET /x", deadline=clock.monotonic() + 60)
    assert clock.sleeps == [1.0]


async def test_a_turn_after_the_deadline_is_refused_at_once_and_not_used_up(clock: FakeClock) -> None:
    limiter = RateLimiter(Rate(per_second=0.1, burst=1), clock=clock)
    await limiter.acquire("GET /x", deadline=clock.monotonic() + 60)
    for _ in range(3):
        with pytest.raises(ApiTimeoutError, match="GET /x: not sent, the rate limit lets nothing pass for 10 s"):
            await limiter.acquire("GET /x", deadline=clock.monotonic() + 5)
    await limiter.acquire("GET /x", deadline=clock.monotonic() + 60)
    assert clock.monotonic() == 10.0


async def test_a_pause_holds_back_everybody(clock: FakeClock) -> None:
    limiter = RateLimiter(None, clock=clock)
    limiter.pause(7.0)
    limiter.pause(3.0)
    await asyncio.gather(*(limiter.acquire("GET /x", deadline=clock.monotonic() + 60) for _ in range(3)))
    assert clock.monotonic() >= 7.0


async def test_a_pause_beyond_the_deadline_is_refused_at_once(clock: FakeClock) -> None:
    limiter = RateLimiter(None, clock=clock)
    limiter.pause(3600.0)
    with pytest.raises(RateLimitError, match="throttled for another 3600 s") as caught:
        await limiter.acquire("GET /x", deadline=clock.monotonic() + 60)
    assert (caught.value.retry_after, clock.sleeps) == (3600.0, [])


@pytest.mark.parametrize("rate", [(0.0, 1), (-1.0, 1), (1.0, 0), (float("nan"), 1)])
def test_a_rate_that_lets_nothing_pass_is_refused(rate: tuple[float, int]) -> None:
    with pytest.raises(ValueError, match="never lets a request pass"):
        Rate(*rate)
