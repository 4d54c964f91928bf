# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A simulator that is put together in the event loop of a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ttapi_pipeline.simulator.server import OffsetClock
from ttapi_pipeline_tests.support.clocks import FakeClock


async def test_an_offset_clock_starts_where_it_is_told_and_runs_on() -> None:
    start, inner = datetime(2020, 2, 28, 23, 59, tzinfo=UTC), FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    inner.advance(timedelta(seconds=100))
    clock = OffsetClock(start, inner)
    await clock.sleep(90)
    assert clock.now() == start + timedelta(seconds=90)
    assert clock.monotonic() == 190
