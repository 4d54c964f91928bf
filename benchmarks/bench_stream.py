# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Live quotes: events per second and per CPU second, ours and the PyPI `tastytrade` streamer's, from the same server.

Run it as ``python benchmarks/bench_stream.py [--events N] [--frame EVENTS ...] [--rounds N] [--seconds S]``.

The server is a process of its own and sends frames that were encoded before, as fast as the socket takes them: four
of quotes, then one of trades. So is every contender, so that its CPU seconds and peak memory are its own, from the
first event to the last, imports and subscriptions not included. Both get the same frames: the peer's layout of 12 and
14 fields is announced to both, as a DXLink server may. ``own layout`` is ours with the fields that it asks for, which
is how it runs. Ours ends with the board of latest values and a consumer that takes the changes ten times a second, and
``with log`` is the service behind `tt stream`, quote log on disk and last flush included; the peer does as its
documentation shows, with a loop over `listen` per type that keeps each symbol's latest event.
``decode only`` is `msgspec.json.decode` of the same frames from memory and nothing else: the least that anybody pays.
The best of some rounds counts.

Then 8,000 symbols on four connections with 20,000 quotes, 4,000 trades and 1,000 sales a second for `--seconds` (30 by
default, 600 for the full size), with the quote log: memory after a tenth of the time and at the end, CPU share, lag.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import resource
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import msgspec
from websockets.sync.server import ServerConnection, serve

from ttapi_pipeline.quote_recorder.log import Origin
from ttapi_pipeline.quote_recorder.log_writer import LogWriter
from ttapi_pipeline.quote_recorder.recorder import QuoteRecorder, recording
from ttapi_pipeline.streaming.connection import DxLinkConnection, connect
from ttapi_pipeline.streaming.feed import quote_feed
from ttapi_pipeline.streaming.feed_options import FeedOptions
from ttapi_pipeline.streaming.links import OpenConnection

if TYPE_CHECKING:
    from tastytrade import Session

SYMBOLS = [f"SYM{number:04d}" for number in range(8_000)]
LIST = SYMBOLS[:500]
BLOCK_FRAMES = 200
CONNECTIONS = 4
TICKS_PER_SECOND = 20
QUOTES, TRADES, SALES = 20_000, 4_000, 1_000
# What the PyPI streamer asks for, in its order.
PEER_FIELDS = {
    "Quote": (
        *("eventSymbol", "eventTime", "sequence", "timeNanoPart", "bidTime", "bidExchangeCode", "askTime"),
        *("askExchangeCode", "bidPrice", "askPrice", "bidSize", "askSize"),
    ),
    "Trade": (
        *("eventSymbol", "eventTime", "time", "timeNanoPart", "sequence", "exchangeCode", "dayId", "tickDirection"),
        *("extendedTradingHours", "price", "change", "size", "dayVolume", "dayTurnover"),
    ),
}
Measured = dict[str, float]


# The server


class BenchServer:
    """Any number of clients; each gets its data as soon as it has subscribed Quote and Trade for all its symbols."""

    def __init__(self, *, events: int, frame: int, layout: str, symbols: int) -> None:
        self._events = events
        self._frame = frame
        self._layout = layout
        self._symbols = symbols

    def client(self, socket: ServerConnection) -> None:
        """Speak with one client until it leaves."""
        fields: dict[str, Sequence[str]] = {}
        channels: dict[str, int] = {}
        symbols: dict[str, dict[str, None]] = {"Quote": {}, "Trade": {}}
        sender: threading.Thread | None = None
        stop = threading.Event()
        with contextlib.suppress(OSError):
            for text in socket:
                message = json.loads(text)
                for answer in self._answers(message, fields):
                    socket.send(json.dumps(answer))
                for entry in message.get("add", ()):
                    channels[entry["type"]] = message["channel"]
                    if entry["type"] in symbols:
                        symbols[entry["type"]][entry["symbol"]] = None
                if sender is None and all(len(known) == self._symbols for known in symbols.values()):
                    send = self._send_fast if self._events else self._send_paced
                    arguments = (socket, fields, channels, list(symbols["Quote"]), stop)
                    sender = threading.Thread(target=send, args=arguments)
                    sender.start()
        stop.set()
        if sender is not None:
            sender.join()

    def _answers(self, message: Mapping[str, Any], fields: dict[str, Sequence[str]]) -> Iterator[Mapping[str, Any]]:
        channel = message["channel"]
        match message["type"]:
            case "SETUP":
                yield {"type": "SETUP", "channel": 0, "version": "1.0-bench", "keepaliveTimeout": 60}
                yield {"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}
            case "AUTH":
                yield {"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED", "userId": "u"}
            case "CHANNEL_REQUEST":
                yield {**message, "type": "CHANNEL_OPENED"}
            case "FEED_SETUP":
                fields.update(message.get("acceptEventFields", {}))
                if self._layout == "same":
                    fields.update(PEER_FIELDS)
                yield {"type": "FEED_CONFIG", "channel": channel, "dataFormat": "COMPACT", "aggregationPeriod": 0}
            case "FEED_SUBSCRIPTION":
                kinds = {entry["type"] for entry in message.get("add", ())}
                layouts = {kind: fields[kind] for kind in kinds}
                yield {
                    "type": "FEED_CONFIG",
                    "channel": channel,
                    "dataFormat": "COMPACT",
                    "aggregationPeriod": 0,
                    "eventFields": layouts,
                }
            case _:
                pass

    def _send_fast(
        self,
        socket: ServerConnection,
        fields: Mapping[str, Sequence[str]],
        channels: Mapping[str, int],
        symbols: Sequence[str],
        stop: threading.Event,
    ) -> None:
        frames = make_frames(fields, channels, symbols, BLOCK_FRAMES, self._frame)
        # A server's frames are not masked, so that they can be glued together before.
        block = b"".join(framed(payload) for payload in frames)
        with contextlib.suppress(OSError):
            for _ in range(self._events // (self._frame * BLOCK_FRAMES)):
                if stop.is_set():
                    return
                socket.socket.sendall(block)

    def _send_paced(
        self,
        socket: ServerConnection,
        fields: Mapping[str, Sequence[str]],
        channels: Mapping[str, int],
        symbols: Sequence[str],
        stop: threading.Event,
    ) -> None:
        share = CONNECTIONS * TICKS_PER_SECOND
        quotes = make_frames(fields, channels, symbols, 4 * TICKS_PER_SECOND, QUOTES // share, trade_every=0)
        trades = make_frames(fields, channels, symbols, 4 * TICKS_PER_SECOND, TRADES // share, trade_every=1)
        chance = random.Random(1)
        started, tick = time.monotonic(), 0
        with contextlib.suppress(OSError):
            while not stop.wait(max(started + tick / TICKS_PER_SECOND - time.monotonic(), 0)):
                at = time.time_ns() // 1_000_000
                sales: list[Any] = []
                for row in range(SALES // share):
                    sale = make_event("TimeAndSale", chance.choice(symbols), chance)
                    sale |= {"time": at, "sequence": tick * SALES // share + row}
                    sales.extend(sale[name] for name in fields["TimeAndSale"])
                sold = encoded("TimeAndSale", channels["TimeAndSale"], sales)
                payloads = (quotes[tick % len(quotes)], trades[tick % len(trades)], sold)
                socket.socket.sendall(b"".join(map(framed, payloads)))
                tick += 1


def framed(payload: bytes) -> bytes:
    """One WebSocket text frame."""
    assert 125 < len(payload) < 65_536
    return struct.pack("!BBH", 0x81, 126, len(payload)) + payload


def encoded(event_type: str, channel: int, values: Sequence[Any]) -> bytes:
    return msgspec.json.encode({"type": "FEED_DATA", "channel": channel, "data": [event_type, values]})


def make_frames(
    fields: Mapping[str, Sequence[str]],
    channels: Mapping[str, int],
    symbols: Sequence[str],
    frames: int,
    events: int,
    *,
    trade_every: int = 5,
) -> list[bytes]:
    """Payloads of FEED_DATA; one in `trade_every` has trades, all others quotes."""
    chance = random.Random(0)
    payloads = []
    for number in range(frames):
        event_type = "Trade" if trade_every and number % trade_every == trade_every - 1 else "Quote"
        values: list[Any] = []
        for row in range(events):
            event = make_event(event_type, symbols[(number * events + row) % len(symbols)], chance)
            values.extend(event[name] for name in fields[event_type])
        payloads.append(encoded(event_type, channels[event_type], values))
    return payloads


def make_event(event_type: str, symbol: str, chance: random.Random) -> dict[str, Any]:
    price = round(chance.uniform(10, 500), 2)
    common = {"eventSymbol": symbol, "eventTime": 0, "sequence": 0, "timeNanoPart": 0, "exchangeCode": "Q"}
    if event_type == "Quote":
        # One in fifty is like an index: without a size.
        size = "NaN" if chance.random() < 0.02 else float(chance.randint(1, 900))
        return {
            **common,
            "bidTime": 0,
            "bidExchangeCode": "Q",
            "askTime": 0,
            "askExchangeCode": "Q",
            "bidPrice": price,
            "askPrice": round(price + 0.05, 2),
            "bidSize": size,
            "askSize": float(chance.randint(1, 900)),
        }
    return {
        **common,
        "time": 1_795_190_400_000 + chance.randint(0, 10**7),
        "dayId": 20777,
        "tickDirection": "UP",
        "extendedTradingHours": False,
        "price": price,
        "change": 0.5,
        "size": float(chance.randint(1, 900)),
        "dayVolume": 1_234_567.0,
        "dayTurnover": "NaN",
        "type": "NEW",
        "eventFlags": 0,
        "bidPrice": price - 0.05,
        "askPrice": price + 0.05,
    }


def run_server(options: argparse.Namespace) -> None:
    bench = BenchServer(events=options.events, frame=options.frame, layout=options.layout, symbols=options.symbols)
    # A ping would come in the middle of a frame that was written past the library.
    with serve(bench.client, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(server.socket.getsockname()[1], flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()


# The contenders, each in a process of its own


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def links_to(url: str) -> OpenConnection:
    @contextlib.asynccontextmanager
    async def open_connection() -> AsyncIterator[DxLinkConnection]:
        async with connect(url, "token") as link:
            yield link

    return open_connection


async def run_ours(url: str, events: int) -> Measured:
    options = FeedOptions(pace_seconds=0.01)
    async with quote_feed(links_to(url), LIST, options=options) as feed, feed.quotes() as quotes:
        await quotes.wait()
        first, cpu, started = feed.health().events, cpu_seconds(), time.perf_counter()
        changed = 0
        while (received := feed.health().events) < events:
            await asyncio.sleep(0.1)
            changed += len(quotes.take())
        seconds = time.perf_counter() - started
        assert changed
        return {"events": received - first, "seconds": seconds, "cpu": cpu_seconds() - cpu}


@contextlib.asynccontextmanager
async def logging_stream(
    url: str, symbols: Sequence[str], options: FeedOptions
) -> AsyncIterator[tuple[QuoteRecorder, Callable[[], Awaitable[None]]]]:
    """The service behind `tt stream`, and what ends its run with a last flush."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        with LogWriter(data, Origin("bench", is_simulated=True), now=datetime.now(UTC)) as log:
            names = {symbol: symbol for symbol in symbols}
            async with recording(links_to(url), names, log=log, data=data, options=options) as stream:
                stop = asyncio.Event()
                run = asyncio.create_task(stream.run(stop))

                async def finish() -> None:
                    stop.set()
                    await run

                yield stream, finish


async def run_logged(url: str, events: int) -> Measured:
    async with logging_stream(url, LIST, FeedOptions(pace_seconds=0.01)) as (stream, finish):
        while not (first := stream.health().feed.events):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        cpu, started = cpu_seconds(), time.perf_counter()
        while (received := stream.health().feed.events) < events:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)
        await finish()
        seconds = time.perf_counter() - started
        log = stream.health().log
        assert log is not None
        assert log.quotes >= len(LIST)
        return {"events": received - first, "seconds": seconds, "cpu": cpu_seconds() - cpu}


async def run_peer(url: str, events: int) -> Measured:
    from tastytrade import DXLinkStreamer
    from tastytrade.dxfeed import Quote, Trade

    async def get(_: str) -> dict[str, str]:
        return {"token": "token", "dxlink-url": url}

    latest: dict[Any, dict[str, Any]] = {Quote: {}, Trade: {}}
    counts: dict[Any, int] = {Quote: 0, Trade: 0}
    begun = asyncio.Event()

    async def listen(streamer: DXLinkStreamer, kind: type[Any], share: int) -> None:
        async for event in streamer.listen(kind):
            latest[kind][event.event_symbol] = event
            counts[kind] += 1
            begun.set()
            if counts[kind] == share:
                return

    session = cast("Session", SimpleNamespace(_get=get, client_kwargs={}))
    async with DXLinkStreamer(session) as streamer:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(streamer, Quote, events * 4 // 5))
            tasks.create_task(listen(streamer, Trade, events // 5))
            await streamer.subscribe(Quote, LIST)
            await streamer.subscribe(Trade, LIST)
            await begun.wait()
            first, cpu, started = sum(counts.values()), cpu_seconds(), time.perf_counter()
        seconds = time.perf_counter() - started
        return {"events": sum(counts.values()) - first, "seconds": seconds, "cpu": cpu_seconds() - cpu}


async def run_decode(_: str, events: int, frame: int) -> Measured:
    channels = {"Quote": 1, "Trade": 1}
    frames = make_frames(PEER_FIELDS, channels, LIST, BLOCK_FRAMES, frame)
    cpu, started, received = cpu_seconds(), time.perf_counter(), 0
    while received < events:
        for payload in frames:
            msgspec.json.decode(payload)
        received += frame * len(frames)
    return {"events": received, "seconds": time.perf_counter() - started, "cpu": cpu_seconds() - cpu}


async def run_long(url: str, seconds: float) -> Measured:
    options = FeedOptions(symbols_per_connection=len(SYMBOLS) // CONNECTIONS, has_sales=True, pace_seconds=0.02)
    async with logging_stream(url, SYMBOLS, options) as (stream, finish):
        while stream.health().feed.answered < len(SYMBOLS):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.25)
        started, cpu, events = time.perf_counter(), cpu_seconds(), stream.health().feed.events
        early, most_lag = 0.0, 0.0
        while (elapsed := time.perf_counter() - started) < seconds:
            await asyncio.sleep(0.5)
            early = early or (resident_mb() if elapsed >= seconds / 10 else 0.0)
            most_lag = max(most_lag, stream.health().feed.lag_seconds)
        cpu, late, received = cpu_seconds() - cpu, resident_mb(), stream.health().feed.events
        await finish()
        health = stream.health()
        assert health.log is not None
        return {
            "events": received - events,
            "seconds": elapsed,
            "cpu": cpu,
            "early_mb": early,
            "late_mb": late,
            "lag": most_lag,
            "quotes": health.log.quotes,
            "trades": health.log.trades,
            "lost": health.log.lost + health.feed.drops + health.feed.duplicates + health.feed.gaps,
        }


def contend(options: argparse.Namespace) -> None:
    match options.contend:
        case "peer":
            work = run_peer(options.url, options.events)
        case "decode":
            work = run_decode(options.url, options.events, options.frame)
        case "logged":
            work = run_logged(options.url, options.events)
        case "long":
            work = run_long(options.url, options.seconds)
        case _:
            work = run_ours(options.url, options.events)
    measured = asyncio.run(work)
    print(json.dumps({**measured, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


# The comparison


def spawned(**options: object) -> list[str]:
    return [sys.executable, __file__, *(f"--{name}={value}" for name, value in options.items())]


@contextlib.contextmanager
def serving(**options: object) -> Iterator[str]:
    command = spawned(serve=1, **options)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"ws://127.0.0.1:{int(process.stdout.readline())}/realtime"
        process.stdin.close()


def measured(contender: str, url: str, **options: object) -> Measured:
    command = spawned(contend=contender, url=url, **options)
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Measured = json.loads(result.stdout)
    return found


def compare(events: int, frame: int, rounds: int) -> None:
    block = frame * BLOCK_FRAMES
    print(f"\n{frame} events per frame                     events   events/s  events/CPU s   us/event   peak MB")
    rates: dict[str, float] = {}
    for name, contender, layout, share in (
        ("PyPI tastytrade", "peer", "same", 0.1),
        ("ours, the same frames", "ours", "same", 1.0),
        ("ours, own layout", "ours", "own", 1.0),
        ("ours, own layout, with log", "logged", "own", 1.0),
        ("decode only", "decode", "same", 1.0),
    ):
        count = max(int(events * share) // block, 1) * block
        best: Measured = {}
        for _ in range(rounds):
            with serving(events=count, frame=frame, layout=layout, symbols=len(LIST)) as url:
                found = measured(contender, url, events=count, frame=frame)
            if not best or found["cpu"] / found["events"] < best["cpu"] / best["events"]:
                best = found
        rates[name] = best["events"] / best["cpu"]
        per_second = best["events"] / best["seconds"]
        print(
            f"{name:<34}{best['events']:>13,.0f}{per_second:>11,.0f}{rates[name]:>14,.0f}"
            f"{1e6 / rates[name]:>11.2f}{best['peak_mb']:>10.0f}"
        )
    for name in ("ours, the same frames", "ours, own layout", "ours, own layout, with log"):
        print(f"ratio of events per CPU second, {name} / peer: {rates[name] / rates['PyPI tastytrade']:.1f}")


def run_for_long(seconds: float) -> None:
    with serving(events=0, frame=0, layout="own", symbols=len(SYMBOLS) // CONNECTIONS) as url:
        found = measured("long", url, seconds=seconds)
    print(
        f"\n{len(SYMBOLS):,} symbols on {CONNECTIONS} connections for {found['seconds']:.0f} s: "
        f"{found['events'] / found['seconds']:,.0f} events/s, {found['cpu'] / found['seconds']:.1%} of one CPU\n"
        f"memory {found['early_mb']:.1f} MB after a tenth of it, {found['late_mb']:.1f} MB at the end "
        f"({found['late_mb'] - found['early_mb']:+.1f}); longest lag {found['lag'] * 1e3:.0f} ms; "
        f"logged {found['quotes']:,.0f} quotes and {found['trades']:,.0f} sales; lost, duplicates and gaps "
        f"{found['lost']:.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=2_000_000, help="for ours; a tenth for the peer")
    parser.add_argument("--frame", type=int, nargs="+", default=[100, 10], help="events per frame")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0, help="of the 8,000 symbols; 600 for the full size")
    # What this program calls itself with.
    for name, kind in (("serve", int), ("contend", str), ("url", str), ("layout", str), ("symbols", int)):
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve or options.contend:
        options.frame = options.frame[0]
    if options.serve:
        run_server(options)
    elif options.contend:
        contend(options)
    else:
        for frame in options.frame:
            compare(options.events, frame, options.rounds)
        run_for_long(options.seconds)


if __name__ == "__main__":
    main()
