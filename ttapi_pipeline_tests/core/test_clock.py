# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock


async def test_the_system_clock_is_aware_utc_and_never_runs_back() -> None:
    clock: Clock = SYSTEM_CLOCK
    before, earlier = datetime.now(UTC), clock.monotonic()
    await clock.sleep(0)
    assert clock.now().tzinfo is UTC
    assert clock.now() >= before
    assert clock.monotonic() >= earlier
