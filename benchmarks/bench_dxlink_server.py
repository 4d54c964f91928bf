# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""How many candles per second the simulator sends, against ``orjson.dumps`` of the same rows and nothing else.

Run it as ``python benchmarks/bench_dxlink_server.py [SYMBOLS]``. The server is a process of its own; the reader is a
bare socket that looks for the end of each snapshot and decodes nothing, 18 snapshots in flight. The first round
includes drawing the market, the best of the others counts. The ratio is what to look at: seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import struct
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import orjson

from ttapi_pipeline.core.environments import SIMULATOR_CLIENT_SECRET, SIMULATOR_REFRESH_TOKEN
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.process import SimulatorProcess

ROUNDS = 4
IN_FLIGHT = 18
FROM_TIME = 1_262_563_200_000  # 2010-01-04 00:00 UTC
FIELDS = (
    *("eventFlags", "eventSymbol", "time", "sequence", "count", "open", "high", "low", "close"),
    *("volume", "vwap", "impVolatility", "openInterest"),
)
# A snapshot's last row starts with flags that have END or SNIP, in front of the symbol.
_LAST_ROW = re.compile(rb'[\[,](?:10|14|16|18|20),"[^"]+\{=d\}",[^{]*$')


def quote_token(url: str) -> Mapping[str, str]:
    """The DXLink address and token, got from the server as any client gets them."""
    headers = {"User-Agent": "bench", "Content-Type": "application/json"}
    grant = {
        "grant_type": "refresh_token",
        "client_secret": SIMULATOR_CLIENT_SECRET,
        "refresh_token": SIMULATOR_REFRESH_TOKEN,
    }
    request = urllib.request.Request(f"{url}/oauth/token", json.dumps(grant).encode(), headers)
    with urllib.request.urlopen(request) as reply:
        access = json.load(reply)["access_token"]
    request = urllib.request.Request(
        f"{url}/api-quote-tokens", headers={**headers, "Authorization": f"Bearer {access}"}
    )
    with urllib.request.urlopen(request) as reply:
        data: Mapping[str, str] = json.load(reply)["data"]
    return data


class RawSocket:
    """The least that a WebSocket client can do: headers are cut off, payloads are counted."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        self._socket = socket.create_connection((address.hostname, address.port or 80))
        self._socket.sendall(
            f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._rest = b""
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._socket.recv(65_536)
        self._rest = self._rest.partition(b"\r\n\r\n")[2]

    def send(self, kind: str, channel: int, **content: object) -> None:
        payload = orjson.dumps({"type": kind, "channel": channel, **content})
        # With a mask of zeros the payload is its own masked form.
        self._socket.sendall(struct.pack("!BBH4x", 0x81, 0x80 | 126, len(payload)) + payload)

    def payloads(self) -> Iterator[bytes]:
        data = self._rest
        while True:
            position = 0
            while len(data) - position >= 4:
                length, start = data[position + 1], position + 2
                if length == 126:
                    length, start = struct.unpack_from("!H", data, start)[0], start + 2
                if len(data) < start + length:
                    break
                position = start + length
                yield data[start:position]
            data = data[position:] + self._socket.recv(1 << 20)

    def close(self) -> None:
        self._socket.close()


def read_history(link: RawSocket, payloads: Iterator[bytes], symbols: Sequence[str]) -> list[bytes]:
    """Ask for the daily candles of every symbol and return all data messages."""
    entries = [{"type": "Candle", "symbol": f"{symbol}{{=d}}", "fromTime": FROM_TIME} for symbol in symbols]
    waiting = iter(entries[IN_FLIGHT:])
    link.send("FEED_SUBSCRIPTION", 1, reset=True, add=entries[:IN_FLIGHT])
    messages: list[bytes] = []
    left = len(entries)
    while left:
        payload = next(payloads)
        if b'"FEED_DATA"' not in payload[:30]:
            assert b'"ERROR"' not in payload, payload
            continue
        messages.append(payload)
        if _LAST_ROW.search(payload[-400:]):
            left -= 1
            entry = next(waiting, None)
            if entry is not None:
                link.send("FEED_SUBSCRIPTION", 1, add=[entry])
    return messages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("symbols", type=int, nargs="?", default=500)
    symbols = [constituent.symbol for constituent in sp500()][: parser.parse_args().symbols]
    with SimulatorProcess() as server:
        token = quote_token(server.url)
        link = RawSocket(token["dxlink-url"])
        payloads = link.payloads()
        link.send("SETUP", 0, version="0.1-bench/1")
        link.send("AUTH", 0, token=token["token"])
        link.send("CHANNEL_REQUEST", 1, service="FEED", parameters={"contract": "HISTORY"})
        link.send("FEED_SETUP", 1, acceptDataFormat="COMPACT", acceptEventFields={"Candle": FIELDS})
        seconds = []
        messages: list[bytes] = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            messages = read_history(link, payloads, symbols)
            seconds.append(time.perf_counter() - started)
        link.close()
    rows = [orjson.loads(message)["data"] for message in messages]
    candles = sum(len(data[1]) for data in rows) // len(FIELDS)
    started = time.perf_counter()
    encoded = sum(len(orjson.dumps(data)) for data in rows)
    bare = time.perf_counter() - started
    served = min(seconds[1:])
    print(f"{len(symbols)} symbols, {candles:,} candles, {len(messages):,} messages, {encoded / 1e6:.0f} MB")
    print(f"first round, with the market drawn   {seconds[0]:6.2f} s  {candles / seconds[0]:12,.0f} candles/s")
    print(f"served to a raw socket, best of {ROUNDS - 1}    {served:6.2f} s  {candles / served:12,.0f} candles/s")
    print(f"bare orjson.dumps of the same rows   {bare:6.2f} s  {candles / bare:12,.0f} candles/s")
    print(f"ratio served / bare: {bare / served:.2f}")


if __name__ == "__main__":
    main()
