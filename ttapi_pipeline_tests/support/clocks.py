# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Clocks that a test holds in its hand. Each satisfies `core.clock.Clock`; they differ in what passes time.

The clock of an event loop with virtual time is in `virtual_time`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass
class StoppedClock:
    """The time of day is what the test says; timeouts and delays run on the machine's clock.

    For tests against a real server, which takes real time to answer.
    """

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class FakeClock:
    """Nothing passes time but sleeping, which returns at once, and `advance`.

    Attributes:
        at: The time of day; `monotonic` moves with it, from 0 on.
        sleeps: How many seconds each sleep so far was to take, oldest first.
    """

    at: datetime
    sleeps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._start = self.at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def advance(self, duration: timedelta | float) -> None:
        """Let time pass; a number is seconds."""
        self.at += duration if isinstance(duration, timedelta) else timedelta(seconds=duration)


@dataclass(frozen=True)
class ShiftedClock:
    """The machine's clock, this far ahead of the time of day."""

    shift: timedelta

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SteppedClock:
    """Time moves only when a test says so, and a sleep ends only then."""

    def __init__(self, at: datetime) -> None:
        self.seconds = 0.0
        self._start = at
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._slept = asyncio.Event()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.seconds + seconds, waiter))
        self._slept.set()
        await waiter

    async def pass_sleep(self, seconds: float) -> None:
        """Wait until something sleeps for exactly that much longer, then let that time pass."""
        async with asyncio.timeout(10):
            while not self._has_sleeper(seconds):
                self._slept.clear()
                await self._slept.wait()
        self.seconds += seconds
        self._wake()

    async def advance(self, seconds: int) -> None:
        """Let time pass second by second; after each, whatever was woken has a few turns of the loop."""
        for _ in range(seconds):
            self.seconds += 1.0
            self._wake()
            for _ in range(10):
                await asyncio.sleep(0)

    def jump(self, seconds: float) -> None:
        """Let time pass without waking a sleeper, as on a machine that was suspended."""
        self.seconds += seconds

    def _wake(self) -> None:
        for at, waiter in self._sleepers:
            if at <= self.seconds + 1e-6 and not waiter.done():
                waiter.set_result(None)
        self._sleepers = [(at, waiter) for at, waiter in self._sleepers if not waiter.done()]

    def _has_sleeper(self, seconds: float) -> bool:
        waits = [at - self.seconds for at, waiter in self._sleepers if not waiter.done()]
        return any(abs(wait - seconds) < 1e-6 for wait in waits)


async def until(is_true: Callable[[], object], *, within: float = 20.0, every: float = 0.01) -> None:
    """Wait until a condition holds that nothing announces, by looking at it every so many seconds.

    Raises:
        TimeoutError: It does not hold in time.
    """
    async with asyncio.timeout(within):
        while not is_true():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(every)
