# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How fast the simulator is ready and answers, and what idle connections and garbage cost it.

Run it as ``python benchmarks/bench_simulator.py [SECONDS]``. The server is a process of its own; the client is bare
sockets that send one request at a time each and decode nothing. Rates depend on the machine and its load, so the
server's processor time per answer stands beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import socket
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.simulator.process import SimulatorProcess

STARTS = 5
CONNECTIONS = 8
IDLE = 2_000
HEADER_BYTES = 10_000_000
PATHS = ("/customers/me", "/instruments/equities/AAPL", "/market-metrics?symbols=AAPL", "/option-chains/AAPL/nested")


def access_token(url: str) -> str:
    """A token, got from the server as any client gets it."""
    grant = {
        "grant_type": "refresh_token",
        "client_secret": SIMULATOR_CLIENT_SECRET,
        "refresh_token": SIMULATOR_REFRESH_TOKEN,
    }
    headers = {"User-Agent": "bench/1", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/oauth/token", json.dumps(grant).encode(), headers)
    with urllib.request.urlopen(request) as reply:
        return str(json.load(reply)["access_token"])


def connect(url: str) -> socket.socket:
    """A TCP connection to the server."""
    address = urlsplit(url)
    assert address.hostname is not None
    return socket.create_connection((address.hostname, address.port or 80), timeout=30)


def processor_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def answers(url: str, path: str, token: str, *, seconds: float) -> int:
    """How many complete answers all connections get in that time."""
    host = urlsplit(url).netloc
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench/1\r\nAuthorization: Bearer {token}\r\n\r\n"
    data = request.encode()
    selector = selectors.DefaultSelector()
    links = [connect(url) for _ in range(CONNECTIONS)]
    for link in links:
        selector.register(link, selectors.EVENT_READ, (link, [b""]))
        link.sendall(data)
    done, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        for key, _ in selector.select(1):
            link, buffer = key.data
            buffer[0] += link.recv(1 << 20)
            head, _, body = buffer[0].partition(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or -1)
            if len(body) == length:
                assert head.startswith(b"HTTP/1.1 200"), head
                done += 1
                buffer[0] = b""
                link.sendall(data)
    for link in links:
        link.close()
    return done


def ready_seconds() -> float:
    """From the start of the process to its first answer."""
    started = time.perf_counter()
    with SimulatorProcess() as server:
        with urllib.request.urlopen(f"{server.url}/simulator") as reply:
            reply.read()
        return time.perf_counter() - started


def measure_idle(server: SimulatorProcess, token: str) -> None:
    """Open many connections and leave them alone; half of them have sent the beginning of a request."""
    before = resident_mb(server.pid)
    links: list[socket.socket] = []
    for number in range(IDLE):
        links.append(connect(server.url))
        if number % 2:
            links[-1].sendall(b"GET /customers/me HTTP/1.1\r\nHost: ")
    count = answers(server.url, PATHS[0], token, seconds=1)
    during = resident_mb(server.pid)
    for link in links:
        link.close()
    time.sleep(1)
    after = resident_mb(server.pid)
    print(f"{IDLE} idle connections: {before:.0f} MB before, {during:.0f} MB with, {after:.0f} MB after them;")
    print(f"  {count:,} answers in a second beside them")


def measure_garbage(server: SimulatorProcess) -> None:
    """Send headers of ten megabytes again and again."""
    before = resident_mb(server.pid)
    for _ in range(20):
        with connect(server.url) as link, contextlib.suppress(ConnectionError):
            link.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * HEADER_BYTES + b"\r\n\r\n")
            link.recv(4_096)
    print(f"20 headers of 10 MB: {before:.0f} MB before, {resident_mb(server.pid):.0f} MB after")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("seconds", type=float, nargs="?", default=3.0, help="per path")
    seconds = parser.parse_args(arguments).seconds
    starts = sorted(ready_seconds() for _ in range(STARTS))
    print(f"ready to answer after {starts[0]:.2f} s (best of {STARTS}; slowest {starts[-1]:.2f} s)")
    with SimulatorProcess() as server:
        token = access_token(server.url)
        for path in PATHS:
            answers(server.url, path, token, seconds=0.3)
            used = processor_seconds(server.pid)
            count = answers(server.url, path, token, seconds=seconds)
            used = processor_seconds(server.pid) - used
            print(
                f"{path:32} {count / seconds:8,.0f} answers/s   {1e6 * used / count:6,.0f} us of the server's time each"
            )
        measure_idle(server, token)
        measure_garbage(server)


if __name__ == "__main__":
    main()
