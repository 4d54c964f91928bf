# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The simulator as a program: its options, its announcement, and how it ends.

`tt simulator` adds these options to a parser of its own; `python -m ttapi_pipeline.simulator` is the same program
without the rest of the command line. How the simulator is put together and listens: see `server`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import orjson

try:
    import resource
except ImportError:
    # Windows, which has no such limit.
    _HAS_LIMITS = False
else:
    _HAS_LIMITS = True

from ttapi_pipeline.core.arguments import accepting
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.core.errors import ConfigError, TransportError
from ttapi_pipeline.core.signals import signals_of_loop
from ttapi_pipeline.simulator.faults import KINDS
from ttapi_pipeline.simulator.server import DEFAULT_HOST, OffsetClock, Simulator, build_simulator, serving

DEFAULT_PORT: Final = 8787
ENDED: Final = 0
WRONG_USAGE: Final = 2

_OPEN_FILES: Final = 8_192
# The packaged calendar has to hold a year of history before the start and two years of listed options after it.
_EARLIEST_START: Final = datetime(1996, 1, 2, tzinfo=UTC)
_LATEST_START: Final = datetime(2033, 6, 30, tzinfo=UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with command-line arguments, by default the arguments of this process.

    Returns:
        The exit code, as `run` gives it.

    Raises:
        SystemExit: With code 2 for arguments that cannot be parsed, with code 0 after ``--help``.
    """
    parser = argparse.ArgumentParser(prog="tt simulator")
    add_options(parser)
    return run(parser.parse_args(arguments))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options, the description and the list of faults; its name stays as it is."""
    parser.description = (
        "A local exchange: tastytrade REST, OAuth2 and DXLink over an invented market that is a pure "
        "function of seed, symbol and time. It says where it listens and which credentials it accepts."
    )
    parser.epilog = _fault_help()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", default=DEFAULT_HOST, help="address to listen on (default %(default)s)")
    parser.add_argument(
        "--port",
        type=accepting(_port, "a number from 0 to 65535"),
        default=DEFAULT_PORT,
        help="0 for any free one (default %(default)s)",
    )
    parser.add_argument(
        "--seed", type=accepting(_whole, "a whole number from 0"), default=7, help="of the market (default %(default)s)"
    )
    parser.add_argument(
        "--equities",
        type=accepting(_whole, "a whole number from 0"),
        default=0,
        help="made-up equities beside the real names (default 0)",
    )
    parser.add_argument(
        "--now",
        type=accepting(_start, f"a time from {_EARLIEST_START:%Y} to {_LATEST_START:%Y-%m}"),
        metavar="ISO",
        help="time at the start, such as 2026-11-20T15:00:00Z",
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="KIND[:NAME=VALUE,...]", help="switch a fault on; repeatable"
    )
    parser.add_argument("--allow-remote", action="store_true", help="listen on other addresses than loopback")
    parser.add_argument("--exit-with-parent", action="store_true", help="end when standard input ends")
    parser.add_argument("--json", action="store_true", help="announce with one line of JSON")


def run(options: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, or until standard input ends where ``--exit-with-parent`` was given.

    Args:
        options: Parsed by a parser that `add_options` has seen.

    Returns:
        0 after such an end; 2, with the reason on standard error, for a fault that does not exist or an address that
        cannot or may not be listened on.
    """
    try:
        if not _is_loopback(options.host) and not options.allow_remote:
            raise ConfigError(
                f"--host {options.host} is not a loopback address, so others could connect; "
                "add --allow-remote if that is meant"
            )
        clock = SYSTEM_CLOCK if options.now is None else OffsetClock(options.now)
        simulator = build_simulator(seed=options.seed, clock=clock, extra_equities=options.equities)
        for text in options.fault:
            simulator.faults.add_option(text)
        _raise_open_files()
        asyncio.run(_serve(simulator, options))
    except (ConfigError, TransportError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return WRONG_USAGE
    return ENDED


async def _serve(simulator: Simulator, options: argparse.Namespace) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM), stop.set)
    with signals_of_loop(loop, handlers):
        async with serving(simulator, host=options.host, port=options.port) as url:
            if options.exit_with_parent:
                _watch_stdin(lambda: loop.call_soon_threadsafe(stop.set))
            if options.json:
                announcement = _json_announcement(url, options.seed)
            else:
                announcement = _announcement(url, simulator.clock.now(), options.seed)
            sys.stdout.write(announcement)
            sys.stdout.flush()
            await stop.wait()


def _watch_stdin(on_end: Callable[[], object]) -> None:
    """Call back when standard input ends: the process at its other end is gone then, even if it was killed."""

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
    """Allow thousands of idle connections, as far as the system permits."""
    if not _HAS_LIMITS:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _fault_help() -> str:
    kinds = "\n".join(
        f"  {kind:<18}{' '.join(f'{name}={value}' for name, value in parameters.items())}".rstrip()
        for kind, parameters in KINDS.items()
    )
    return f"""\
faults, each with its own parameters and their defaults:

{kinds}

Every fault also has route=* (a route template, a path, a family such as
market-metrics or dxlink), probability=1, count (how often it strikes, without
end by default) and seed=0. The same is done while it runs by
POST /simulator/faults. dx-drop and dx-event strike at events of the feed: route
is then a type, a symbol, or both, such as Quote/SPX.

  --fault status:status=429,retry_after=2,count=3,route=/market-metrics
  --fault 'replace-field:path=data.items[symbol=AAPL].beta,value="NaN"'
  --fault dx-close:code=1006,after=20
  --fault latency:seconds=0.2,distribution=exponential
  --fault dx-drop:route=Candle/KO
  --fault dx-event:route=Candle/KO,field=close,value=Infinity,first=2,rows=3

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
