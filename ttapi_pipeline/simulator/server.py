# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The simulator as a server in an event loop: its rooms put together, and the address that they listen on.

The program around it, with options and signals: see `program`. A simulator in a process of its own: see `process`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import TransportError
from ttapi_pipeline.simulator.counters import Counters
from ttapi_pipeline.simulator.dxlink.tokens import QuoteTokens
from ttapi_pipeline.simulator.dxlink.websocket import FAULT_PLACES, add_dxlink
from ttapi_pipeline.simulator.faults import FaultPlan
from ttapi_pipeline.simulator.market.derived import DerivedMarket
from ttapi_pipeline.simulator.market.ledger import Ledger
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.rest.endpoints import customers, market_time, orders, other_instruments
from ttapi_pipeline.simulator.rest.endpoints.balances import BalanceRoutes
from ttapi_pipeline.simulator.rest.endpoints.control import ControlRoutes
from ttapi_pipeline.simulator.rest.endpoints.equities import EquityRoutes
from ttapi_pipeline.simulator.rest.endpoints.future_options import FutureOptionRoutes
from ttapi_pipeline.simulator.rest.endpoints.futures import FutureRoutes
from ttapi_pipeline.simulator.rest.endpoints.margin import MarginRoutes
from ttapi_pipeline.simulator.rest.endpoints.market_data import MarketDataRoutes
from ttapi_pipeline.simulator.rest.endpoints.market_metrics import MetricsRoutes
from ttapi_pipeline.simulator.rest.endpoints.option_chains import OptionRoutes
from ttapi_pipeline.simulator.rest.endpoints.positions import PositionRoutes
from ttapi_pipeline.simulator.rest.endpoints.searches import SearchRoutes
from ttapi_pipeline.simulator.rest.endpoints.tokens import TokenRoutes
from ttapi_pipeline.simulator.rest.endpoints.transactions import TransactionRoutes
from ttapi_pipeline.simulator.rest.endpoints.watchlists import WatchlistRoutes
from ttapi_pipeline.simulator.rest.gateway import Gateway
from ttapi_pipeline.simulator.rest.oauth import OAuth
from ttapi_pipeline.simulator.rest.router import Route, Router

DEFAULT_HOST: Final = "127.0.0.1"

_MOST_BODY_BYTES: Final = 256 * 1024
_BACKLOG: Final = 1024
_SHUTDOWN_SECONDS: Final = 1.0


class OffsetClock:
    """Starts at a given time and runs on as the given clock does."""

    def __init__(self, start: datetime, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._start = start
        self._started = clock.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._clock.monotonic() - self._started)

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Simulator:
    """One simulated exchange: its market, the state that it keeps, and the application that serves both."""

    market: Market
    clock: Clock
    oauth: OAuth
    tokens: QuoteTokens
    faults: FaultPlan
    counters: Counters
    app: web.Application


def build_simulator(
    *, seed: int = 7, clock: Clock = SYSTEM_CLOCK, extra_equities: int = 0, market: Market | None = None
) -> Simulator:
    """Put a simulator together without listening yet.

    Args:
        seed: Of the market; one seed always gives the same market.
        clock: Tells the simulated time.
        extra_equities: Number of made-up equities listed beside the real names.
        market: An existing market of this seed and clock, for several servers to share; made when it is left out.
    """
    if market is None:
        market = Market(seed, clock=clock, extra_equities=extra_equities)
    counters, faults = Counters(), FaultPlan()
    oauth, tokens = OAuth(clock, counters), QuoteTokens(clock)
    router = Router(
        (
            *ControlRoutes(seed=seed, oauth=oauth, faults=faults, counters=counters).routes(),
            *TokenRoutes(oauth=oauth, tokens=tokens).routes(),
            *_broker_routes(market),
        )
    )
    faults.is_place = lambda place: place in FAULT_PLACES or router.is_place(place)
    rest = Gateway(router=router, clock=clock, oauth=oauth, faults=faults, counters=counters)
    app = web.Application(client_max_size=_MOST_BODY_BYTES)
    add_dxlink(app, market=market, clock=clock, tokens=tokens, faults=faults, counters=counters)
    app.on_response_prepare.append(_mark)
    app.router.add_route("*", "/{path:.*}", rest.handle)
    return Simulator(market, clock, oauth, tokens, faults, counters, app)


def _broker_routes(market: Market) -> Iterator[Route]:
    """Every route over the market. Of two that match a path, the router takes the first."""
    ledger, derived = Ledger(market), DerivedMarket(market)
    yield from customers.routes()
    yield from BalanceRoutes(ledger).routes()
    yield from PositionRoutes(ledger).routes()
    yield from TransactionRoutes(ledger).routes()
    yield from orders.routes()
    yield from MarginRoutes(ledger).routes()
    yield from EquityRoutes(market).routes()
    yield from OptionRoutes(market).routes()
    yield from FutureRoutes(derived).routes()
    yield from FutureOptionRoutes(derived).routes()
    yield from other_instruments.routes()
    yield from MetricsRoutes(market).routes()
    yield from MarketDataRoutes(market, derived).routes()
    yield from WatchlistRoutes(market).routes()
    yield from SearchRoutes(market).routes()
    yield from market_time.routes()


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "ttapi-simulator"
    response.headers["X-Simulated"] = "true"


@asynccontextmanager
async def serving(simulator: Simulator, *, host: str = DEFAULT_HOST, port: int = 0) -> AsyncIterator[str]:
    """Listen while the block runs.

    Args:
        port: 0 for any free one.

    Yields:
        The URL, without a final slash.

    Raises:
        TransportError: The address cannot be listened on.
    """
    # With handler cancellation, a client that hangs up ends the delay that a fault holds it in.
    runner = web.AppRunner(
        simulator.app,
        handle_signals=False,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            raise TransportError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
        address = runner.addresses[0]
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        yield f"http://{name}:{address[1]}"
    finally:
        await runner.cleanup()
