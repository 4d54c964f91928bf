# SPDX-License-Identifier: MIT
"""The simulator as a server: its parts put together, run in an event loop or as the program of `python -m`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import os
import resource
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
from aiohttp import web

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import ConfigError, TransportError
from ttapi_pipeline.core.settings import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.simulator.counters import Counters
from ttapi_pipeline.simulator.dxlink.endpoint import add_dxlink
from ttapi_pipeline.simulator.dxlink.tokens import QuoteTokens
from ttapi_pipeline.simulator.faults import KINDS, FaultPlan
from ttapi_pipeline.simulator.market.derived import DerivedMarket
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.rest import market_time as rest_time
from ttapi_pipeline.simulator.rest.accounts import AccountRoutes
from ttapi_pipeline.simulator.rest.control import ControlRoutes
from ttapi_pipeline.simulator.rest.futures import FuturesRoutes
from ttapi_pipeline.simulator.rest.gateway import RestServer
from ttapi_pipeline.simulator.rest.instruments import InstrumentRoutes
from ttapi_pipeline.simulator.rest.lists import ListRoutes
from ttapi_pipeline.simulator.rest.metrics import MetricsRoutes
from ttapi_pipeline.simulator.rest.oauth import OAuth
from ttapi_pipeline.simulator.rest.router import Router

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8787

_MOST_BODY_BYTES: Final = 256 * 1024
_BACKLOG: Final = 1024
_SHUTDOWN_SECONDS: Final = 1.0
_OPEN_FILES: Final = 8_192
# A year of history before, and two years of listed options and holidays behind, within the packaged calendar.
_EARLIEST_START: Final = datetime(1996, 1, 2, tzinfo=UTC)
_LATEST_START: Final = datetime(2033, 6, 30, tzinfo=UTC)


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
    """One simulated exchange: its market, what it remembers, and the application that serves it."""

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
    """Put a simulator together; nothing listens yet.

    Args:
        seed: Of the market: same seed, same market.
        clock: What time it is there.
        extra_equities: How many made-up equities are listed beside the real names.
        market: One that is there already, of this seed and clock: several servers may share it.
    """
    if market is None:
        market = Market(seed, clock=clock, extra_equities=extra_equities)
    counters, faults = Counters(), FaultPlan()
    derived = DerivedMarket(market)
    oauth, tokens = OAuth(clock, counters), QuoteTokens(clock)
    control = ControlRoutes(seed=seed, oauth=oauth, tokens=tokens, faults=faults, counters=counters)
    router = Router(
        (
            *control.routes(),
            *AccountRoutes(market).routes(),
            *InstrumentRoutes(market).routes(),
            *FuturesRoutes(derived).routes(),
            *MetricsRoutes(market, derived).routes(),
            *ListRoutes(market).routes(),
            *rest_time.routes(),
        )
    )
    rest = RestServer(router=router, clock=clock, oauth=oauth, faults=faults, counters=counters)
    app = web.Application(client_max_size=_MOST_BODY_BYTES)
    add_dxlink(app, market=market, clock=clock, tokens=tokens, faults=faults, counters=counters)
    app.on_response_prepare.append(_mark)
    app.router.add_route("*", "/{path:.*}", rest.handle)
    return Simulator(market, clock, oauth, tokens, faults, counters, app)


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "ttapi-simulator"
    response.headers["X-Simulated"] = "true"


@asynccontextmanager
async def serving(simulator: Simulator, *, host: str = DEFAULT_HOST, port: int = 0) -> AsyncIterator[str]:
    """Listen for as long as the block runs.

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


def run(
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    seed: int = 7,
    extra_equities: int = 0,
    start: datetime | None = None,
    faults: Sequence[str] = (),
    exits_with_parent: bool = False,
    is_json: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM, or until standard input ends when `exits_with_parent`.

    Args:
        start: The time there at the start; the real time by default.
        faults: As `FaultPlan.add_option` reads them.
        is_json: Announce with one line of JSON instead of text.

    Raises:
        ConfigError: A fault that does not exist.
        TransportError: The address cannot be listened on.
    """
    clock = SYSTEM_CLOCK if start is None else OffsetClock(start)
    simulator = build_simulator(seed=seed, clock=clock, extra_equities=extra_equities)
    for option in faults:
        simulator.faults.add_option(option)
    _raise_open_files()
    asyncio.run(_run(simulator, host=host, port=port, exits_with_parent=exits_with_parent, is_json=is_json, seed=seed))


async def _run(
    simulator: Simulator, *, host: str, port: int, exits_with_parent: bool, is_json: bool, seed: int
) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(simulator, host=host, port=port) as url:
        if exits_with_parent:
            _watch_stdin(lambda: loop.call_soon_threadsafe(stop.set))
        announcement = _json_announcement(url, seed) if is_json else _announcement(url, simulator.clock.now(), seed)
        sys.stdout.write(announcement)
        sys.stdout.flush()
        await stop.wait()


def _watch_stdin(on_end: Callable[[], object]) -> None:
    """Call back when standard input ends, which it does when the process at its other end is gone, however it went."""

    def watch() -> None:
        # A daemon thread in a blocking read: it works for pipes, files and terminals alike, and costs nothing.
        while sys.stdin.buffer.read(65_536):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended on its own meanwhile
            on_end()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _json_announcement(url: str, seed: int) -> str:
    return orjson.dumps({"url": url, "pid": os.getpid(), "seed": seed}).decode() + "\n"


def _announcement(url: str, now: datetime, seed: int) -> str:
    return f"""\
tastytrade simulator on {url}: everything it serves is invented (seed {seed}, its time {now:%Y-%m-%d %H:%M:%S} UTC)

  client secret   {SIMULATOR_CLIENT_SECRET}
  refresh token   {SIMULATOR_REFRESH_TOKEN}
  faults          POST, GET, DELETE {url}/simulator/faults
  counters        GET {url}/simulator/counters, POST {url}/simulator/counters/reset

To point the pipeline at it:

  export TT_ENV=simulator
  export TT_API_URL={url}

Ctrl-C ends it.
"""


def _raise_open_files() -> None:
    """Room for thousands of idle connections, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tt simulator",
        description="A local exchange: tastytrade REST, OAuth2 and DXLink over an invented market that is a pure\n"
        "function of seed, symbol and time. It says where it listens and which credentials it accepts.",
        epilog=_fault_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default=DEFAULT_HOST, help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="0 for any free one (default %(default)s)")
    parser.add_argument("--seed", type=_whole, default=7, help="of the market (default %(default)s)")
    parser.add_argument("--equities", type=_whole, default=0, help="made-up equities beside the real names (default 0)")
    parser.add_argument("--now", type=_start, metavar="ISO", help="time at the start, such as 2026-11-20T15:00:00Z")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="KIND[:NAME=VALUE,...]", help="switch a fault on; repeatable"
    )
    parser.add_argument("--allow-remote", action="store_true", help="listen on other addresses than loopback")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when standard input ends")
    parser.add_argument("--json", action="store_true", help="announce with one line of JSON")
    return parser


def _fault_help() -> str:
    kinds = "\n".join(
        f"  {kind:<18}{' '.join(f'{name}={value}' for name, value in parameters.items())}".rstrip()
        for kind, parameters in KINDS.items()
    )
    return f"""\
faults, each with its own parameters and their defaults:

{kinds}

Every fault also has route=* (a route template, a family such as market-metrics or dxlink), probability=1, count (how
often it strikes, without end by default) and seed=0. The same is done while it runs by POST /simulator/faults.

  --fault status:status=429,retry_after=2,count=3,route=/market-metrics
  --fault dx-close:code=1006,after=20 --fault latency:seconds=0.2,distribution=exponential

`tt simulator metastock DIR` writes MetaStock files of the same market instead.
"""


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise ValueError(text)
    return port


def _whole(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 2**31:
        raise ValueError(text)
    return number


def _start(text: str) -> datetime:
    start = datetime.fromisoformat(text)
    start = start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
    if not _EARLIEST_START <= start <= _LATEST_START:
        raise ValueError(text)
    return start


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def main(argv: Sequence[str] | None = None) -> int:
    """The command: 0 when it was ended by a signal or its parent, 2 for wrong usage or an address in use."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        if not _is_loopback(options.host) and not options.allow_remote:
            raise ConfigError(
                f"--host {options.host} is not a loopback address, so others could connect; "
                "add --allow-remote if that is meant"
            )
        run(
            host=options.host,
            port=options.port,
            seed=options.seed,
            extra_equities=options.equities,
            start=options.now,
            faults=options.fault,
            exits_with_parent=options.exit_with_parent,
            is_json=options.json,
        )
    except (ConfigError, TransportError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    return 0
