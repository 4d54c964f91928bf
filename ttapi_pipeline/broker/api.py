# SPDX-License-Identifier: MIT
"""The API for the length of a run: clients and links that share tokens and circuit breakers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from ttapi_pipeline.client import Breakers, ClientStats, TastytradeClient, TokenStore
from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.layout import state_folder
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect


class Api:
    """Opens REST clients and DXLink links for the length of a run; it shows no secret.

    All clients share tokens and circuit breakers. In the simulator's environment without TT_API_URL, the first client
    starts a simulator, which `close` ends.
    """

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens = TokenStore()
        self._breakers = Breakers(clock=clock, state_dir=state_folder(settings.data_dir))
        self._simulator: SimulatorProcess | None = None
        self._guard = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def settings(self) -> Settings:
        """The checked settings."""
        return self._settings

    @property
    def clock(self) -> Clock:
        """The clock of verdicts and timestamps."""
        return self._clock

    def close(self) -> None:
        """End the simulator, if one was started."""
        with self._guard:
            simulator, self._simulator = self._simulator, None
        if simulator is not None:
            simulator.stop()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[TastytradeClient]:
        """A REST client, open for the length of the block."""
        client = TastytradeClient(
            self._settings,
            base_url=self._url(),
            clock=self._clock,
            tokens=self._tokens,
            breakers=self._breakers,
            state_dir=state_folder(self._settings.data_dir),
        )
        async with client:
            try:
                yield client
            finally:
                self._count(client.stats)

    @asynccontextmanager
    async def open_link(self) -> AsyncIterator[DxLinkConnection]:
        """A DXLink link with a fresh quote token."""
        async with self.connect() as client:
            token = await client.quote_token()
        async with connect(token.url, token.token, clock=self._clock) as link:
            yield link

    def request_counts(self) -> Mapping[str, int]:
        """What the clients that were closed have done: `attempts`, `retries`, `throttled`."""
        with self._guard:
            return dict(self._counts)

    def breaker_states(self) -> Mapping[str, str]:
        """State of each endpoint family's circuit breaker that this run has used or found open."""
        return {family: state.state for family, state in self._breakers.states().items()}

    def _count(self, stats: ClientStats) -> None:
        with self._guard:
            self._counts.update(attempts=stats.attempts, retries=stats.retries, throttled=stats.throttled)

    def _url(self) -> str | None:
        if self._settings.api_url is not None or not self._settings.is_simulated:
            return self._settings.api_url
        with self._guard:
            if self._simulator is None:
                self._simulator = SimulatorProcess(seed=self._settings.simulator_seed)
            return self._simulator.url
