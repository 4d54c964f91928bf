# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The scripted DXLink server, a clock that a test moves, and virtual time where a test asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest

from ttapi_pipeline_tests.support.clocks import SteppedClock
from ttapi_pipeline_tests.support.dxlink import Exchange, listening
from ttapi_pipeline_tests.support.virtual_time import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with listening(Exchange()) as exchange:
        yield exchange


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(datetime(2026, 11, 20, 21, 16, 40, tzinfo=UTC))


@pytest.fixture
def start() -> date:
    """The first session that tests ask for: 1793577600000 in epoch milliseconds."""
    return date(2026, 11, 2)
