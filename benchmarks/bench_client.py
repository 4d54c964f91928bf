# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Collecting the S&P 500's metrics and nested chains: our client, the PyPI `tastytrade` client, and what is possible.

Run it as ``python benchmarks/bench_client.py [--rounds N] [--latency MS ...]``. The simulator is a process of its own,
and so is every contender, so that CPU seconds and peak memory are its own. The best of some rounds counts; imports are
not in it but shown by themselves, the token grant is. The peer is used as its documentation shows: one call after the
other, and gathered under a semaphore of 100. Both get the same symbols, metrics in the same batches. Chains one after
the other are measured on a sample and scaled by the number of requests, which the table marks with ``~``. Of a strike
the peer also keeps the symbols of its two contracts, which our client leaves to `core.symbology`.

Three bounds stand beside them. ``latency bound`` is latency times the round trips that the limits force: one for the
token, then as many as requests over slots (against a simulator our client keeps no rate). ``bare sockets`` are a
hundred raw connections that send the same requests and decode nothing: what the simulator's own speed leaves possible,
and the fairest ratio when latency is low. ``bare aiohttp`` is the same through the library that our client is built on.
``server s`` is the simulator's CPU time in that round, and ``share`` its part of the wall time.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING
from unittest.mock import patch
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from ttapi_pipeline.client import TastytradeClient
from ttapi_pipeline.client.client import SYMBOLS_PER_REQUEST
from ttapi_pipeline.client.collect import batches_of
from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.process import SimulatorProcess

if TYPE_CHECKING:
    from tastytrade import Session

SYMBOLS = [member.symbol for member in sp500()]
BATCHES = batches_of(SYMBOLS, SYMBOLS_PER_REQUEST)
SLOTS = 100
# The peer one call after the other is measured on so many chains.
SAMPLE = 50
GRANT = {
    "grant_type": "refresh_token",
    "client_secret": SIMULATOR_CLIENT_SECRET,
    "refresh_token": SIMULATOR_REFRESH_TOKEN,
}
PEER_MODULES = ("tastytrade.instruments", "tastytrade.metrics")
IMPORTS = {"ours": "ttapi_pipeline.client, ttapi_pipeline.core.settings", "peer": ", ".join(PEER_MODULES)}
Measured = dict[str, float]


async def ours(url: str, job: str) -> tuple[object, int]:
    async with TastytradeClient(Settings(), base_url=url) as client:
        if job == "metrics":
            metrics = await client.market_metrics(SYMBOLS)
            return metrics, len(metrics.rows)
        chains = await client.nested_option_chains(SYMBOLS)
        return chains, len(chains.rows)


async def peer_in_a_row(url: str, job: str) -> tuple[object, int]:
    from tastytrade.instruments import NestedOptionChain
    from tastytrade.metrics import get_market_metrics

    async with _peer_session(url) as session:
        if job == "metrics":
            rows = [row for batch in BATCHES for row in await get_market_metrics(session, batch)]
            return rows, len(rows)
        chains = [await NestedOptionChain.get(session, symbol) for symbol in SYMBOLS[:SAMPLE]]
        return chains, len(chains)


async def peer_gathered(url: str, job: str) -> tuple[object, int]:
    from tastytrade.instruments import NestedOptionChain
    from tastytrade.metrics import get_market_metrics

    slots = asyncio.Semaphore(SLOTS)

    async def metrics_of(batch: Sequence[str]) -> Sequence[object]:
        async with slots:
            return await get_market_metrics(session, batch)

    async def chain_of(symbol: str) -> Sequence[object]:
        async with slots:
            return await NestedOptionChain.get(session, symbol)

    async with _peer_session(url) as session:
        if job == "metrics":
            rows = [row for part in await asyncio.gather(*map(metrics_of, BATCHES)) for row in part]
            return rows, len(rows)
        chains = await asyncio.gather(*map(chain_of, SYMBOLS))
        return chains, len(chains)


def _peer_session(url: str) -> Session:
    from tastytrade import Session

    with patch("tastytrade.session.API_URL", url):
        return Session(SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN)


def paths_of(job: str) -> Sequence[str]:
    """What our client asks for."""
    if job == "metrics":
        return [f"/market-metrics?symbols={quote(','.join(batch), safe='')}" for batch in BATCHES]
    return [f"/option-chains/{quote(symbol, safe='')}/nested" for symbol in SYMBOLS]


async def bare_aiohttp(url: str, job: str) -> tuple[object, int]:
    """A pool of connections; the bodies are read and thrown away."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=SLOTS)) as session:
        async with session.post(f"{url}/oauth/token", json=GRANT) as response:
            headers = {"Authorization": f"Bearer {(await response.json())['access_token']}"}

        async def ask(path: str) -> None:
            async with session.get(URL(url + path, encoded=True), headers=headers) as response:
                assert response.status == 200, response
                await response.read()

        paths = paths_of(job)
        await asyncio.gather(*map(ask, paths))
        return None, len(paths)


async def bare_sockets(url: str, job: str) -> tuple[object, int]:
    """Raw connections: a request, the headers up to Content-Length, the body thrown away."""
    address = urlsplit(url)
    head = f"Host: {address.netloc}\r\nUser-Agent: bench/1\r\n"

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str, body: bytes = b"") -> bytes:
        writer.write(f"{request} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        headers = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in headers.partition(b"\r\n")[0], headers
        return await reader.readexactly(int(headers.partition(b"content-length:")[2].partition(b"\r\n")[0]))

    async def connection() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(address.hostname, address.port, limit=2**24)

    first = await connection()
    granted = await ask(*first, "POST /oauth/token", json.dumps(GRANT).encode())
    first[1].close()
    head += f"Authorization: Bearer {json.loads(granted)['access_token']}\r\n"
    paths = paths_of(job)
    waiting = iter(paths)

    async def work() -> int:
        reader, writer = await connection()
        done = 0
        for path in waiting:
            await ask(reader, writer, f"GET {path}")
            done += 1
        writer.close()
        return done

    done = await asyncio.gather(*(work() for _ in range(min(SLOTS, len(paths)))))
    return None, sum(done)


Contender = Callable[[str, str], Coroutine[None, None, tuple[object, int]]]
CONTENDERS: dict[str, Contender] = {
    "ours": ours,
    "peer, gathered under 100": peer_gathered,
    "peer, one by one": peer_in_a_row,
    "bare aiohttp": bare_aiohttp,
    "bare sockets": bare_sockets,
}


def measure(name: str, url: str, job: str, rounds: int) -> None:
    """Run one contender in this process and print its best round as JSON; memory is what the first round added."""
    if name.startswith("peer"):
        for module in PEER_MODULES:
            importlib.import_module(module)
    before = resource.getrusage(resource.RUSAGE_SELF)
    runs: list[Measured] = []
    for _ in range(rounds):
        held: list[tuple[object, int]] = []

        # Kept here and not returned: `asyncio.run` has the result of its task written into a text at the end, which
        # for half a million strikes takes longer than to collect them.
        async def collect(held: list[tuple[object, int]] = held) -> None:
            held.append(await CONTENDERS[name](url, job))

        served = server_cpu(url)
        cpu, started = time.process_time(), time.perf_counter()
        asyncio.run(collect())
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        runs.append(
            {
                "seconds": seconds,
                "cpu": cpu,
                "served": server_cpu(url) - served,
                "megabytes": (peak - before.ru_maxrss) / 1024,
                "count": held[0][1],
            }
        )
    fastest = min(runs, key=lambda run: run["seconds"])
    print(json.dumps({**fastest, "cpu": min(run["cpu"] for run in runs), "megabytes": runs[0]["megabytes"]}))


def best_of(rounds: int, name: str, url: str, job: str) -> Measured | str:
    """The best round of a process of its own; a sample is scaled to all requests. Or why there is none."""
    command = [sys.executable, __file__, "--contender", name, "--url", url, "--job", job, "--rounds", str(rounds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    best: Measured = json.loads(done.stdout)
    expected = len(BATCHES) if name.startswith("bare") and job == "metrics" else len(SYMBOLS)
    scale = expected / best["count"]
    return {**best, **{what: best[what] * scale for what in ("seconds", "cpu", "served")}, "scale": scale}


def import_cpu(modules: str) -> float:
    """CPU seconds that a new interpreter takes for these imports."""
    program = f"import time; started = time.process_time(); import {modules}; print(time.process_time() - started)"
    return min(
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    )


def server_cpu(url: str) -> float:
    """CPU seconds of the simulator so far."""
    with urllib.request.urlopen(f"{url}/simulator") as response:
        return float(json.load(response)["data"]["cpu-seconds"])


def set_latency(url: str, milliseconds: float) -> None:
    def control(method: str, body: object = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{url}/simulator/faults", data, method=method)):
            pass

    control("DELETE")
    if milliseconds:
        control("POST", {"kind": "latency", "parameters": {"seconds": milliseconds / 1000}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency", type=float, nargs="+", default=[0, 20, 100], help="milliseconds")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        measure(options.contender, options.url, options.job, options.rounds)
        return
    print("imports, CPU s:", ", ".join(f"{who} {import_cpu(modules):.2f}" for who, modules in IMPORTS.items()))
    with SimulatorProcess() as server:
        for job, requests in (("metrics", len(BATCHES)), ("chains", len(SYMBOLS))):
            # The simulator draws its market the first time.
            best_of(1, "bare sockets", server.url, job)
            for latency in options.latency:
                set_latency(server.url, latency)
                bound = (1 + -(-requests // SLOTS)) * latency / 1000
                results = {name: best_of(options.rounds, name, server.url, job) for name in CONTENDERS}
                report(job, requests, latency, bound, results)


def report(job: str, requests: int, latency: float, bound: float, results: dict[str, Measured | str]) -> None:
    mine, floor = results["ours"], results["bare sockets"]
    if isinstance(mine, str) or isinstance(floor, str):
        raise SystemExit(f"{job}: {mine if isinstance(mine, str) else floor}")
    print(f"\n{job} of {len(SYMBOLS)} symbols, {requests} requests, {latency:g} ms latency")
    print(
        f"  {'':26} {'wall s':>8} {'/ bare':>7} {'/ bound':>8} {'CPU s':>8} {'/ ours':>7} {'memory MB':>10} "
        f"{'server s':>9} {'share':>6}"
    )
    for name, run in results.items():
        if isinstance(run, str):
            # The peer has no retries: one timeout, and the whole collection is lost.
            print(f"  {name:26} failed: {run}")
            continue
        mark = "~" if run["scale"] > 1 else " "
        over_bound = f"{run['seconds'] / bound:8.2f}" if bound else f"{'':8}"
        print(
            f"  {name:26} {mark}{run['seconds']:7.3f} {run['seconds'] / floor['seconds']:7.2f} {over_bound} "
            f"{mark}{run['cpu']:7.3f} {run['cpu'] / mine['cpu']:7.2f} {run['megabytes']:10.0f} "
            f"{run['served']:9.3f} {run['served'] / run['seconds']:6.0%}"
        )
    print(f"  {'latency bound':26} {bound:8.3f}")


if __name__ == "__main__":
    main()
