# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A REST server that means harm, over raw TCP: it sends bytes that no HTTP server would.

The first segment of a request's path says what it does to the client: ``/big-length/market-metrics`` is answered by the
deed of that name, ``/seed-17/...`` by one that the seed composes, ``/body-17/...`` by harm in a body alone, over
faultless HTTP. `hostile_documents` has the bodies.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import struct
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from ttapi_pipeline_tests.support.hostile_documents import EVIL_TEXTS, harmed, valid
from ttapi_pipeline_tests.support.hostile_server import MEGABYTE, TcpServer, two_servers

PIECE: Final = b"x" * 65_536

TOKEN: Final = "canary-access-token"


@dataclass
class Peer:
    """One request, and the socket to answer it on."""

    path: str
    head: bytes
    body: bytes
    elsewhere: str
    writer: asyncio.StreamWriter

    @property
    def said(self) -> str:
        """What the client said, secrets included."""
        return (self.head + self.body).decode("latin-1")

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes, *, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> None:
        named = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        await self.send(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("utf-8", errors="surrogateescape") + body)

    def reset(self) -> None:
        """Hang up with an RST."""
        socket = self.writer.get_extra_info("socket")
        socket.setsockopt(1, 13, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Deed = Callable[[Peer], Awaitable[None]]


@dataclass
class HostileServer(TcpServer):
    """Answers by deeds.

    Attributes:
        heads: Of all requests, by the name of the deed.
    """

    heads: dict[str, list[bytes]] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The client may leave at any moment, which is what most deeds want.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.split(b"\r\n")
                lengths = [line.split(b":")[1] for line in lines if line.lower().startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0])) if lengths else b""
                raw = urlsplit(lines[0].split(b" ")[1].decode()).path
                _, name, rest = raw.split("/", 2)
                self.heads.setdefault(name, []).append(head)
                await self._deed(name, f"/{rest}")(Peer(f"/{rest}", head, body, self.elsewhere, writer))

    def _deed(self, name: str, path: str) -> Deed:
        if name.startswith("seed-"):
            self._counts[name] += 1
            return composed(random.Random(f"{name} {path} {self._counts[name]}"), path)
        if name.startswith("body-"):
            self._counts[name] += 1
            return harm_alone(random.Random(f"{name} {path} {self._counts[name]}"), path)
        return true_answer if path == "/oauth/token" and "grant" not in name else DEEDS[name]


def hostile_server() -> AbstractAsyncContextManager[tuple[HostileServer, HostileServer]]:
    """A server that means harm, and the one to which it redirects."""
    return two_servers(HostileServer, scheme="http")


# Deeds


async def true_answer(peer: Peer) -> None:
    await peer.answer(valid(peer.path))


def big(size: int, framing: str, *, status: str = "200 OK", piece: bytes = PIECE) -> Deed:
    """A body of this size, or without an end where the size is 0."""

    async def act(peer: Peer) -> None:
        ways = {"length": f"Content-Length: {size}\r\n", "chunked": "Transfer-Encoding: chunked\r\n", "close": ""}
        await peer.send(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{ways[framing]}\r\n".encode())
        sent = 0
        while not size or sent < size:
            is_chunked = framing == "chunked"
            await peer.send(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
            sent += len(piece)
        peer.writer.close()

    return act


@cache
def _zeros(encoding: str, megabytes: int) -> bytes:
    """So many megabytes of JSON blanks, compressed: once, with a flush after each, and then repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    first = packer.compress(b" " * MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + (packer.compress(b" " * MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)) * (megabytes - 1)


def bomb(encoding: str, megabytes: int, *, layers: int = 1, status: str = "200 OK") -> Deed:
    async def act(peer: Peer) -> None:
        body = _zeros(encoding, megabytes)
        for _ in range(layers - 1):
            body = gzip.compress(body)
        await peer.answer(body, status=status, headers={"Content-Encoding": ", ".join([encoding] * layers)})

    return act


def values(unit: bytes, size: int, *, before: bytes = b'{"data":{"items":[', after: bytes = b"]}}") -> Deed:
    """Many small values: a body that is far larger when it is read."""

    async def act(peer: Peer) -> None:
        count = size // (len(unit) + 1)
        await peer.answer(before + (unit + b",") * (count - 1) + unit + after)

    return act


def headers_without_end(line: bytes, *, at_most: int = 0) -> Deed:
    async def act(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        sent = 0
        while not at_most or sent < at_most:
            await peer.send(line * 1_000)
            sent += 1_000
        await peer.send(b"Content-Length: 2\r\n\r\n{}")

    return act


def interim_without_end(status: bytes) -> Deed:
    async def act(peer: Peer) -> None:
        while True:
            await peer.send((b"HTTP/1.1 " + status + b"\r\nX: " + b"y" * 100 + b"\r\n\r\n") * 500)

    return act


def byte_by_byte(data: bytes, *, pause: float = 0.05, then: bytes = b"") -> Deed:
    """One byte after the other, and then `then` without an end."""

    async def act(peer: Peer) -> None:
        for at in range(len(data)):
            await peer.send(data[at : at + 1])
            await asyncio.sleep(pause)
        while then:
            await peer.send(then)
            await asyncio.sleep(pause)

    return act


def redirect(status: int, location: str) -> Deed:
    async def act(peer: Peer) -> None:
        place = location.format(elsewhere=peer.elsewhere, path=peer.path)
        await peer.answer(b"", status=f"{status} Found", headers={"Location": place})

    return act


def retry_after(status: int, value: str) -> Deed:
    async def act(peer: Peer) -> None:
        await peer.answer(b"{}", status=f"{status} Wait", headers={"Retry-After": value})

    return act


def dated(value: str) -> Deed:
    async def act(peer: Peer) -> None:
        await peer.answer(b"", headers={"Date": value, "Set-Cookie": "a=b"})

    return act


async def page_after_page(peer: Peer) -> None:
    """Each page has a row that is new, and says that there are a billion pages."""
    offset = peer.head.split(b"page-offset=")[1].split(b"&")[0].decode()
    body = f'{{"data":{{"items":[{{"symbol":"S{offset}"}}]}},"pagination":{{"total-pages":1000000000}}}}'
    await peer.answer(body.encode())


async def grant_of_lines(peer: Peer) -> None:
    await peer.answer(b'{"access_token":"canary-access-token\\r\\nX-Evil: 1","expires_in":900}')


async def grant_of_megabytes(peer: Peer) -> None:
    await peer.answer(b'{"access_token":"' + b"x" * (8 * MEGABYTE) + b'","expires_in":1e308}')


_TRUE_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"

DEEDS: Final[Mapping[str, Deed]] = {
    "big-length": big(4 * 1024 * MEGABYTE, "length"),
    "big-chunked": big(4 * 1024 * MEGABYTE, "chunked"),
    "big-tiny-chunks": big(0, "chunked", piece=b"x"),
    "endless": big(0, "close"),
    "endless-error": big(0, "close", status="500 Oh"),
    "endless-redirect": big(0, "close", status="302 Found"),
    "bomb-gzip": bomb("gzip", 4_096),
    "bomb-deflate": bomb("deflate", 4_096),
    "bomb-twice": bomb("gzip", 1024, layers=2),
    "bomb-error": bomb("gzip", 1024, status="503 Oh"),
    "bomb-grant": bomb("gzip", 1024),
    "numbers": values(b"1", 30 * MEGABYTE),
    "empty-lists": values(b"[]", 30 * MEGABYTE),
    "empty-rows": values(b"{}", 30 * MEGABYTE),
    "rows": values(b'{"symbol":"A"}', 30 * MEGABYTE),
    "bad-rows": values(b'{"symbol":[]}', 30 * MEGABYTE),
    "rows-and-nan": values(b"[]", 30 * MEGABYTE, before=b'{"x":NaN,"data":{"items":['),
    "strikes": values(
        b'{"strike-price":1}',
        30 * MEGABYTE,
        before=b'{"data":{"items":[{"root-symbol":"A","expirations":[{"expiration-date":"2026-12-18","strikes":[',
        after=b"]}]}]}}",
    ),
    "dates": values(b'"2026-12-25"', 30 * MEGABYTE, before=b'{"data":{"market-holidays":[', after=b"]}}"),
    "keys": values(b'"":0', 30 * MEGABYTE, before=b'{"data":{', after=b"}}"),
    "headers": headers_without_end(b"X-Flood: yes\r\n"),
    "headers-of-cookies": headers_without_end(b"Set-Cookie: a=b; Path=/\r\n"),
    "header-without-end": headers_without_end(b"X" * 60),
    "hundred-continue": interim_without_end(b"100 Continue"),
    "hints": interim_without_end(b"103 Early Hints"),
    "slow-status": byte_by_byte(b"HTTP/1.1 200 OK", then=b"K"),
    "slow-headers": byte_by_byte(b"HTTP/1.1 200 OK\r\n", then=b"X: y\r\n"),
    "slow-body": byte_by_byte(b"HTTP/1.1 200 OK\r\n\r\n", pause=0.001, then=b"x"),
    "slow-chunks": byte_by_byte(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", pause=0.001, then=b"1\r\nx\r\n"
    ),
    "redirect-host": redirect(302, "{elsewhere}/there{path}"),
    "redirect-host-307": redirect(307, "{elsewhere}/there{path}"),
    "redirect-host-308-grant": redirect(308, "{elsewhere}/there{path}"),
    "redirect-scheme": redirect(301, "file:///etc/passwd"),
    "redirect-loop": redirect(302, "/redirect-loop{path}"),
    "redirect-nothing": redirect(303, ""),
    "retry-after-a-year": retry_after(429, "31536000"),
    "retry-after-endless": retry_after(503, "9" * 5_000),
    "retry-after-negative": retry_after(429, "-5"),
    "retry-after-1970": retry_after(503, "Thu, 01 Jan 1970 00:00:00 GMT"),
    "retry-after-9999": retry_after(503, "Fri, 31 Dec 9999 23:59:59 -2359"),
    "retry-after-noise": retry_after(429, "\x1b[31msoon"),
    "date-2090": dated("Mon, 20 Nov 2090 00:00:00 GMT"),
    "date-1970": dated("Thu, 01 Jan 1970 00:00:00 GMT"),
    "date-9999": dated("Fri, 31 Dec 9999 23:59:59 -2359"),
    "date-noise": dated("\x1b[31m soon"),
    "pages": page_after_page,
    "lines-grant": grant_of_lines,
    "megabytes-grant": grant_of_megabytes,
}
"""By name. Those with ``grant`` in it answer requests for a token as well; all others grant one."""


# Deeds that a seed composes


def harm_alone(chance: random.Random, path: str) -> Deed:
    """A harmful body in faultless HTTP, so that it is read."""

    async def act(peer: Peer) -> None:
        if path == "/oauth/token" and chance.random() < 0.9:
            await true_answer(peer)
        else:
            statuses = ["200 OK"] * 5 + ["400 No", "401 No", "403 No", "429 No", "500 No"]
            await peer.answer(harmed(path, chance, peer.said), status=chance.choice(statuses))

    return act


def composed(chance: random.Random, path: str) -> Deed:
    """A deed of random parts: body, framing, headers, encoding, pace."""

    async def act(peer: Peer) -> None:
        if path == "/oauth/token" and chance.random() < 0.8:
            await true_answer(peer)
            return
        body = valid(path) if chance.random() < 0.2 else harmed(path, chance, peer.said)
        encoding, body = _encoded(body, chance)
        lines = [_status_line(chance), *encoding, *_noise_headers(chance, peer.said)]
        framing, data = _framed(body, chance)
        lines += framing
        chance.shuffle(lines[1:])
        head = "\r\n".join(lines).encode("utf-8", errors="surrogateescape") + b"\r\n\r\n"
        if chance.random() < 0.1:
            head = b"HTTP/1.1 100 Continue\r\n\r\n" * chance.randint(1, 50) + head
        await _at_some_pace(peer, head + data, chance)

    return act


def _status_line(chance: random.Random) -> str:
    if chance.random() < 0.6:
        return "HTTP/1.1 200 OK"
    codes = (201, 202, 204, 206, 301, 304, 400, 401, 403, 404, 413, 418, 422, 429, 451, 500, 502, 503, 504, 599)
    lines = [
        *(f"HTTP/1.1 {code} {chance.choice(EVIL_TEXTS[:5])}".replace("\n", "").replace("\r", "") for code in codes),
        *("HTTP/1.1 999 Oh", "HTTP/1.1 101 Switching Protocols", "HTTP/1.0 200 OK", "HTTP/2 200", "HTTP/1.1 20O OK"),
        *("HTTP/1.1", "ICY 200 OK", "\x00\x00\x00", "HTTP/1.1 -200 OK", "HTTP/9.9 200 OK", "SSH-2.0-OpenSSH_9.2"),
    ]
    return chance.choice(lines)


def _noise_headers(chance: random.Random, said: str) -> Iterator[str]:
    yield f"Content-Type: {chance.choice(['application/json', 'text/html', 'image/png', '', 'x/y; charset=utf-7'])}"
    echo = said.replace("\r", " ").replace("\n", " ")[:4_000]
    odd = (
        f"Retry-After: {chance.choice(['0', '-1', '1', 'soon', '99999999999', 'Thu, 01 Jan 1970 00:00:00 GMT', echo])}",
        f"Date: {chance.choice(['Fri, 20 Nov 2090 00:00:00 GMT', 'Thu, 01 Jan 1970 00:00:00 GMT', 'x'])}",
        f"Location: {chance.choice(['/', 'http://127.0.0.1:9/', 'javascript:alert(1)', echo])}",
        *(f"Set-Cookie: c{number}={echo[:50]}; Domain=.com" for number in range(chance.randint(0, 60))),
        f"X-Echo: {echo}",
        "X-Odd: \x1b[2J\u202e",
        f"X-Long: {'y' * chance.choice([100, 8_000, 100_000])}",
        f"X-Simulated: {chance.choice(['true', 'maybe'])}",
        "Connection: close",
        "Upgrade: websocket",
        " folded: yes",
        "no colon here",
        ": no name",
        f"WWW-Authenticate: Bearer realm={echo}",
        "Content-Length: 5",
        "Transfer-Encoding: gzip, chunked",
    )
    yield from chance.sample(odd, chance.choice([0, 0, 1, 2, 3, 5]))


def _encoded(body: bytes, chance: random.Random) -> tuple[list[str], bytes]:
    match chance.choice(["", "", "", "gzip", "deflate", "lie", "br", "zstd", "cut", "junk"]):
        case "gzip":
            return ["Content-Encoding: gzip"], gzip.compress(body)
        case "deflate":
            return ["Content-Encoding: deflate"], zlib.compress(body)
        case "cut":
            packed = gzip.compress(body)
            return ["Content-Encoding: gzip"], packed[: chance.randrange(len(packed))]
        case "lie":
            return ["Content-Encoding: gzip"], body
        case "br" | "zstd" | "junk" as name:
            return [f"Content-Encoding: {name}"], body
    return [], body


def _framed(body: bytes, chance: random.Random) -> tuple[list[str], bytes]:
    match chance.choice(["length", "length", "chunked", "close", "both", "short", "long", "bad", "huge", "minus"]):
        case "length":
            return [f"Content-Length: {len(body)}"], body
        case "chunked":
            size = chance.choice([1, 7, 1_000])
            pieces = [body[at : at + size] for at in range(0, min(len(body), 20_000), size)]
            chunks = b"".join(b"%x;e=%s\r\n%s\r\n" % (len(each), b"x" * chance.choice([0, 9]), each) for each in pieces)
            return ["Transfer-Encoding: chunked"], chunks + b"0\r\nX-Trailer: \x1b[1m\r\n" * chance.randint(
                0, 1
            ) + b"\r\n"
        case "both":
            return [f"Content-Length: {len(body)}", "Transfer-Encoding: chunked"], body
        case "short":
            return [f"Content-Length: {len(body) // 2}"], body
        case "long":
            return [f"Content-Length: {len(body) + 10}"], body
        case "bad":
            return ["Transfer-Encoding: chunked"], b"zz\r\n" + body
        case "huge":
            return ["Transfer-Encoding: chunked"], b"ffffffffffffffff\r\n" + body
        case "minus":
            return ["Content-Length: -1"], body
    return ["Connection: close"], body


async def _at_some_pace(peer: Peer, data: bytes, chance: random.Random) -> None:
    match chance.choice(["whole", "whole", "whole", "pieces", "close", "reset", "hang", "more"]):
        case "pieces":
            for at in range(0, len(data), max(1, len(data) // 40)):
                await peer.send(data[at : at + max(1, len(data) // 40)])
                await asyncio.sleep(0)
        case "close":
            await peer.send(data[: chance.randrange(len(data))])
            peer.writer.close()
            await peer.writer.wait_closed()
        case "reset":
            await peer.send(data[: chance.randrange(len(data))])
            await asyncio.sleep(0.001)
            peer.reset()
        case "hang":
            await peer.send(data[: chance.randrange(len(data))])
            await asyncio.sleep(3_600)
        case "more":
            await peer.send(data * chance.randint(2, 20))
        case _:
            await peer.send(data)
