# SPDX-License-Identifier: MIT
"""Clocks that a test holds in its hand. Each satisfies `core.clock.Clock`; they differ in what passes time."""

from __future__ import annotations

import asyncio
import time
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
        at: The time of day; `monotonic` moves with it.
        sleeps: How many seconds each sleep so far was to take, oldest first.
    """

    at: datetime
    sleeps: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def advance(self, duration: timedelta) -> None:
        self.at += duration


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
