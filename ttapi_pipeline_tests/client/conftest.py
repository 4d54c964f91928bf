# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A client of a scripted server, on a clock that never waits, and one simulator for the tests that need a market."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.core.environments import Environment
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.simulator.server import OffsetClock
from ttapi_pipeline_tests.support.clocks import FakeClock
from ttapi_pipeline_tests.support.rest import CLIENT_SECRET, REFRESH_TOKEN, ScriptedServer, scripted_server
from ttapi_pipeline_tests.support.simulator import SimulatorControl

SATURDAY = datetime(2026, 11, 21, 15, tzinfo=UTC)
"""Nothing in the simulator's market changes for the rest of the day, so two runs can be compared."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 20, 15, tzinfo=UTC))


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server


@pytest.fixture
def settings() -> Settings:
    return Settings(
        environment=Environment.PRODUCTION,
        client_secret=CLIENT_SECRET,
        refresh_token=REFRESH_TOKEN,
        max_concurrency=100,
    )


@pytest.fixture
def connect(server: ScriptedServer, settings: Settings, clock: FakeClock) -> Callable[..., TastytradeClient]:
    """Makes a client of the server; keyword arguments override."""

    def make(**options: Any) -> TastytradeClient:
        return TastytradeClient(
            options.pop("settings", settings),
            **{"base_url": server.url, "clock": clock, "rates": {}, "rng": random.Random(7), **options},
        )

    return make


@pytest.fixture(scope="session")
def simulator_on_saturday() -> Iterator[SimulatorControl]:
    with SimulatorProcess(arguments=["--now", SATURDAY.isoformat()]) as process:
        yield SimulatorControl(process.url)


@pytest.fixture(scope="session")
def simulator_clock(simulator_on_saturday: SimulatorControl) -> OffsetClock:
    """A clock that agrees with the simulator's to within its start: a `Retry-After` may be a time of day."""
    return OffsetClock(SATURDAY)


@pytest.fixture
def simulator(simulator_on_saturday: SimulatorControl) -> Iterator[SimulatorControl]:
    """The simulator in a process of its own, without faults and with counters at zero."""
    simulator_on_saturday.reset()
    yield simulator_on_saturday
    simulator_on_saturday.reset()
