# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A DXLink server in the event loop of the test: during a session, and on a Saturday."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline_tests.support.raw_dxlink import (
    CLOSED_AT,
    OPEN_AT,
    Server,
    serving,
)


@pytest.fixture
async def server(market: Market) -> AsyncIterator[Server]:
    """While the session is open."""
    async with serving(market, OPEN_AT) as running:
        yield running


@pytest.fixture
async def closed_server(market: Market) -> AsyncIterator[Server]:
    """On a Saturday: nothing moves."""
    async with serving(market, CLOSED_AT) as running:
        yield running
