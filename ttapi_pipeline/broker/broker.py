# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One broker for the length of a run: every client and link of the run comes from here.

Requests and their retries are in `client`, the feed's protocol is in `streaming`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self

from ttapi_pipeline.client import Breakers, ClientStats, QuoteToken, TastytradeClient, TokenStore
from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import ConfigError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.traffic import Traffic
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.places import shared_state
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect


class Broker:
    """Opens REST clients and DXLink links; use it in ``with``, or call `close` at the end.

    All clients share access tokens and circuit breakers. In the simulator's environment without TT_API_URL, a simulator
    is started when an address is first needed, and `close` ends it. Every method may be called from any thread; a
    client belongs to the event loop that opened it. The representation shows no secret.

    Args:
        settings: Which environment, with which credentials.
        clock: For deadlines, token expiry and circuit breakers.
        run: The run that is at work; see `TastytradeClient`.
    """

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM_CLOCK, run: str | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._run = run
        self._tokens = TokenStore()
        # A simulator that is started here is gone with this run, and what is known of it with it.
        state_dir = None if settings.api_url is None else shared_state(settings)
        self._breakers = Breakers(clock=clock, server=settings.api_url or "", state_dir=state_dir)
        self._simulator: SimulatorProcess | None = None
        self._guard = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._open: set[TastytradeClient] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

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

    def server_url(self) -> str:
        """Address of the REST API, without a final slash. Starts the simulator if that is the server; this may block.

        Raises:
            ConfigError: The settings name no server, or the simulator refused its options.
            TransportError: The simulator did not start.
        """
        if self._settings.api_url is not None:
            return self._settings.api_url
        if not self._settings.is_simulated:
            raise ConfigError("TT_API_URL is not set, and the simulator does not stand in for a real broker")
        with self._guard:
            if self._simulator is None:
                self._simulator = SimulatorProcess(seed=self._settings.simulator_seed)
            return self._simulator.url

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[TastytradeClient]:
        """A REST client, open for the length of the block. Raises like `server_url`."""
        client = TastytradeClient(
            self._settings,
            base_url=self.server_url(),
            clock=self._clock,
            tokens=self._tokens,
            breakers=self._breakers,
            run=self._run,
            state_dir=shared_state(self._settings),
        )
        async with client:
            with self._guard:
                self._open.add(client)
            try:
                yield client
            finally:
                self._count(client)

    @asynccontextmanager
    async def open_link(self) -> AsyncIterator[DxLinkConnection]:
        """A DXLink link with a quote token of its own, open for the length of the block.

        Raises:
            ApiError: There was no quote token, or no WebSocket to the feed, see `core.errors`.
            StreamError: The feed refused the token, or did not speak DXLink.
        """
        async with self.connect() as client:
            token = await client.quote_token()
        async with self.open_link_with(token) as link:
            yield link

    def open_link_with(self, token: QuoteToken) -> AbstractAsyncContextManager[DxLinkConnection]:
        """The same, with a quote token that the caller has fetched."""
        return connect(token.url, token.token, clock=self._clock)

    def request_counts(self) -> Mapping[str, int]:
        """Requests of the clients that are closed by now: `attempts`, `retries`, `throttled`."""
        with self._guard:
            return dict(self._counts)

    def breaker_states(self) -> Mapping[str, str]:
        """State by endpoint family of each circuit breaker that this run has used or found open."""
        return {family: state.state for family, state in self._breakers.states().items()}

    def traffic(self) -> Traffic:
        """Requests of all clients so far, of those that are open now too, and the circuit breakers."""
        with self._guard:
            counts, clients = Counter(self._counts), tuple(self._open)
        for client in clients:
            counts.update(_counts_of(client.stats), in_flight=client.stats.in_flight)
        return Traffic(
            requests=counts["attempts"],
            in_flight=counts["in_flight"],
            retries=counts["retries"],
            throttled=counts["throttled"],
            breakers=self.breaker_states(),
        )

    def _count(self, client: TastytradeClient) -> None:
        with self._guard:
            self._open.discard(client)
            self._counts.update(_counts_of(client.stats))


def _counts_of(stats: ClientStats) -> dict[str, int]:
    return {"attempts": stats.attempts, "retries": stats.retries, "throttled": stats.throttled}
