# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A simulator in the event loop of the test, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest

from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.server import build_simulator, serving
from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.simulator import Api, shared_market


@pytest.fixture(scope="session")
def market() -> Market:
    """The market of every simulator here."""
    return shared_market()


@pytest.fixture
def clock() -> FakeClock:
    """The simulated time, at first an hour into a regular session: a Friday, 10:30:20 in New York."""
    return FakeClock(datetime(2026, 11, 20, 15, 30, 20, tzinfo=UTC))


@pytest.fixture
async def simulator(clock: FakeClock, market: Market) -> AsyncIterator[Api]:
    """A running simulator and a client that has logged in."""
    built = build_simulator(clock=clock, market=market)
    async with serving(built) as url, aiohttp.ClientSession(headers={"User-Agent": "tests/1"}) as session:
        api = Api(url, built, session)
        await api.login()
        yield api
