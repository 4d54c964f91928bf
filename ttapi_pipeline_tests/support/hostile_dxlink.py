# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A DXLink server that means harm, over raw TCP: it frames by itself, since no WebSocket library would send this.

The first segment of the URL's path says what it does: the deed of that name, or one that a seed composes (``seed-17``).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from ttapi_pipeline_tests.support.hostile_documents import EVIL_TEXTS, EVIL_TOKENS, other_values
from ttapi_pipeline_tests.support.hostile_server import MEGABYTE, TcpServer, two_servers

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
DAY_MS: Final = 86_400_000
NOVEMBER_20: Final = 1_795_132_800_000
NOVEMBER_2: Final = 1_793_577_600_000

Message = dict[str, Any]


def frame(
    payload: bytes, opcode: int = TEXT, *, is_last: bool = True, reserved: int = 0, claims: int | None = None
) -> bytes:
    """One frame of a server; it may claim another length than it has."""
    length = len(payload) if claims is None else claims
    first = (0x80 if is_last else 0) | reserved << 4 | opcode
    if length < 126:
        return bytes([first, length]) + payload
    if length < 65_536:
        return bytes([first, 126]) + struct.pack(">H", length) + payload
    return bytes([first, 127]) + struct.pack(">Q", length) + payload


@dataclass
class Link:
    """One client, after its upgrade.

    Attributes:
        layout: The fields that it asked for last, by event type.
        heard: Its messages, in order.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    layout: Mapping[str, Sequence[str]] = field(default_factory=dict)
    heard: list[Message] = field(default_factory=list)

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send(self, kind: str, channel: int = 0, **content: object) -> None:
        await self.raw(frame(json.dumps({"type": kind, "channel": channel, **content}).encode()))

    async def hear(self) -> Message:
        """The next message of the client; its pongs and closes are passed over."""
        while True:
            first, second = await self.reader.readexactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
            mask = await self.reader.readexactly(4)
            payload = await self.reader.readexactly(length)
            if first & 0x0F == CLOSE:
                raise ConnectionResetError
            if first & 0x0F == TEXT:
                plain = bytes(each ^ mask[at % 4] for at, each in enumerate(payload))
                message: Message = json.loads(plain)
                self.heard.append(message)
                return message

    async def answer(self, message: Message) -> None:
        """What a good server says to it."""
        for reply in self.replies(message):
            await self.raw(frame(json.dumps(reply).encode()))

    def replies(self, message: Message) -> Sequence[Message]:
        channel = message["channel"]
        match message["type"]:
            case "SETUP":
                return [
                    {"type": "SETUP", "channel": 0, "version": "1.0", "keepaliveTimeout": 60},
                    {"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"},
                ]
            case "AUTH":
                return [{"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED", "userId": "u"}]
            case "CHANNEL_REQUEST":
                return [{"type": "CHANNEL_OPENED", "channel": channel, "service": "FEED"}]
            case "FEED_SETUP":
                self.layout = message["acceptEventFields"]
                return [
                    {"type": "FEED_CONFIG", "channel": channel, "dataFormat": "COMPACT", "eventFields": self.layout}
                ]
            case "FEED_SUBSCRIPTION":
                return [data for entry in message.get("add", ()) for data in self.events(channel, entry)]
        return []

    def events(self, channel: int, entry: Message) -> Sequence[Message]:
        """Two bars and the end of a snapshot, or one event, of a subscription."""
        kind, symbol = entry["type"], entry["symbol"]
        if kind == "Candle":
            bars = ((4, NOVEMBER_20, 11.0), (0, NOVEMBER_20 - DAY_MS, 10.0), (10, NOVEMBER_2, "NaN"))
            rows = [
                {"eventFlags": flags, "eventSymbol": symbol, "time": time, "sequence": 0, "count": 7, "volume": 9}
                | dict.fromkeys(("open", "high", "low", "close", "vwap"), close)
                for flags, time, close in bars
            ]
        else:
            rows = [{"eventSymbol": symbol, "time": NOVEMBER_20 + 70_000_000, "sequence": 1, "type": "NEW"}]
            prices = ("bidPrice", "askPrice", "price", "prevDayClosePrice", "dayOpenPrice")
            rows[0] |= dict.fromkeys(prices, 10.0) | dict.fromkeys(("bidSize", "askSize", "size"), 100)
        values = [row.get(name, "NaN") for row in rows for name in self.layout.get(kind, ())]
        return [{"type": "FEED_DATA", "channel": channel, "data": [kind, values]}]

    async def serve_until(self, kind: str) -> Message:
        """Be good until the client says that."""
        while True:
            message = await self.hear()
            if message["type"] == kind:
                return message
            await self.answer(message)


Deed = Callable[[Link], Awaitable[None]]


@dataclass
class HostileFeed(TcpServer):
    """Answers by deeds.

    Attributes:
        links: The clients so far, by the name of the deed.
    """

    links: dict[str, list[Link]] = field(default_factory=dict)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            name = head.split(b" ")[1].decode().split("/")[1]
            link = Link(reader, writer)
            self.links.setdefault(name, []).append(link)
            if name in UPGRADES:
                await UPGRADES[name](link, self.elsewhere)
                return
            key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
            magic = key.split(b":")[1].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(magic, usedforsecurity=False).digest())
            upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
            await link.raw(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\r\n\r\n")
            number = len(self.links[name])
            chance = random.Random(f"{name} {number}")
            await (composed(chance)(link) if name.startswith("seed-") else DEEDS[name](link))
            while True:
                await link.hear()


def hostile_feed() -> AbstractAsyncContextManager[tuple[HostileFeed, HostileFeed]]:
    """A server that means harm, and the one to which it redirects."""
    return two_servers(HostileFeed, scheme="ws")


# Upgrades


async def _redirect(link: Link, elsewhere: str) -> None:
    place = f"{elsewhere}/good/realtime"
    await link.raw(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())


async def _headers_without_end(link: Link, _: str) -> None:
    await link.raw(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        await link.raw(b"X: y\r\n" * 1_000)


async def _slow_upgrade(link: Link, _: str) -> None:
    for each in b"HTTP/1.1 101 Switching Protocols\r\n" * 100:
        await link.raw(bytes([each]))
        await asyncio.sleep(0.05)


async def _body_without_end(link: Link, _: str) -> None:
    await link.raw(b"HTTP/1.1 500 \x1b[31mOh\r\n\r\n")
    while True:
        await link.raw(b"x" * 65_536)


async def _no_http(link: Link, _: str) -> None:
    await link.raw(b"\x1b[2J\r\n\xff\xfe\r\n\r\n")


async def _wrong_accept(link: Link, _: str) -> None:
    said = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \x1b[31mno\r\n\r\n"
    await link.raw(b"HTTP/1.1 101 Switching Protocols\r\n" + said)


UPGRADES: Final[Mapping[str, Callable[[Link, str], Awaitable[None]]]] = {
    "upgrade-redirect": _redirect,
    "upgrade-headers": _headers_without_end,
    "upgrade-slow": _slow_upgrade,
    "upgrade-body": _body_without_end,
    "upgrade-noise": _no_http,
    "upgrade-accept": _wrong_accept,
}


# Deeds


async def good(link: Link) -> None:
    while True:
        await link.answer(await link.hear())


def after(kind: str, attack: Callable[[Link, int], Awaitable[None]], *, is_answered: bool = False) -> Deed:
    """Be good until the client says that, and then attack on its channel, in place of an answer or after it."""

    async def act(link: Link) -> None:
        said = await link.serve_until(kind)
        if is_answered or kind != "FEED_SUBSCRIPTION":
            await link.answer(said)
        await attack(link, said["channel"])

    return act


def repeated(*frames: bytes, times: int = 0) -> Callable[[Link, int], Awaitable[None]]:
    """Frames, again and again, without an end where `times` is 0. The client's messages are not read."""

    async def attack(link: Link, _: int) -> None:
        block = b"".join(frames)
        sent = 0
        while not times or sent < times:
            await link.raw(block)
            sent += 1

    return attack


def message(kind: str, channel: int = 1, **content: object) -> bytes:
    return frame(json.dumps({"type": kind, "channel": channel, **content}).encode())


def data(kind: str, values: bytes, channel: int = 1) -> bytes:
    """A FEED_DATA frame of raw JSON values."""
    return frame(b'{"type":"FEED_DATA","channel":%d,"data":["%s",[%s]]}' % (channel, kind.encode(), values))


def whole(rows: bytes, channel: int = 1) -> bytes:
    """A FEED_DATA frame in full format, of raw JSON objects."""
    return frame(b'{"type":"FEED_DATA","channel":%d,"data":[%s]}' % (channel, rows))


async def _unique_candles(link: Link, channel: int) -> None:
    """Symbols that nobody asked for, each of them long and new."""
    number, width = 0, len(link.layout["Candle"])
    while True:
        rows = []
        for _each in range(100):
            number += 1
            rows.append(b'0,"%s%d{=d}",%s' % (b"X" * 10_000, number, b",".join([b"1"] * (width - 2))))
        await link.raw(data("Candle", b",".join(rows), channel))


async def _snapshot_without_end(link: Link, channel: int) -> None:
    """One event of the series that was asked for, among thousands that were not."""
    (symbol,) = {entry["symbol"] for entry in link.heard[-1]["add"][:1]}
    width = len(link.layout["Candle"])
    other = b'0,"X{=d}",' + b",".join([b"1"] * (width - 2))
    ours = b'0,"%s",' % symbol.encode() + b",".join([b"1"] * (width - 2))
    first = b'4,"%s",' % symbol.encode() + b",".join([b"1"] * (width - 2))
    await link.raw(data("Candle", first, channel))
    block = data("Candle", b",".join([other] * 5_000 + [ours]), channel)
    while True:
        await link.raw(block)


async def _layouts(link: Link, channel: int) -> None:
    number = 0
    while True:
        size = 90 if number < 20 else 1_000
        fields = {f"T{number}{at}": ["x" * size + str(each) for each in range(200)] for at in range(2)}
        await link.raw(message("FEED_CONFIG", channel, eventFields=fields))
        number += 1


async def _errors(link: Link, channel: int) -> None:
    number = 0
    while True:
        block = [
            message("ERROR", channel, error=f"\x1b[31mE{number}-{at}", message="\nINFO forged " + "y" * 20_000)
            for at in range(50)
        ]
        await link.raw(b"".join(block))
        number += 1


async def _echo(link: Link) -> None:
    """Say the token back in every way."""
    message_of_token = await link.serve_until("AUTH")
    token = message_of_token["token"]
    await link.send("ERROR", error=token, message=f"\x1b]0;{token}\x07\nforged")
    await link.send("AUTH_STATE", state=token)
    await link.raw(frame(struct.pack(">H", 1008) + f"{token}\x1b[2J".encode()[:120], CLOSE))


async def _fast_keepalive(link: Link) -> None:
    await link.hear()
    await link.send("SETUP", version="1.0", keepaliveTimeout=1e-9)
    await link.send("AUTH_STATE", state="UNAUTHORIZED")
    await good(link)


async def _fickle(link: Link) -> None:
    await link.serve_until("CHANNEL_REQUEST")
    while True:
        await link.send("AUTH_STATE", state="UNAUTHORIZED")
        await link.send("AUTH_STATE", state="AUTHORIZED")


async def _closing_channels(link: Link) -> None:
    """Open, configure and close the channels in turn."""
    while True:
        said = await link.hear()
        await link.answer(said)
        if said["type"] == "FEED_SETUP":
            await link.send("CHANNEL_CLOSED", said["channel"])


def _fragments(payload: bytes) -> Callable[[Link, int], Awaitable[None]]:
    """A message without an end."""

    async def attack(link: Link, channel: int) -> None:
        await link.raw(frame(payload, is_last=False))
        await repeated(frame(payload, CONTINUATION, is_last=False) * 100)(link, channel)

    return attack


_COLUMNS: Final = b",".join(b'{"eventType":"Quote","eventSymbol":"A","x%d":1}' % each for each in range(9_000))
_TYPES: Final = b",".join(b'{"eventType":"T%d","eventSymbol":"A"}' % each for each in range(20_000))
_QUOTE_ROW: Final = b'"NOBODY",1,2,3,4'

DEEDS: Final[Mapping[str, Deed]] = {
    "good": good,
    "silent": lambda link: asyncio.sleep(3_600),
    "giant-frame": after("FEED_SUBSCRIPTION", repeated(frame(b"x" * MEGABYTE, claims=400 * MEGABYTE))),
    "giant-claim": after("SETUP", repeated(frame(b"", claims=2**62), b"x" * MEGABYTE)),
    "giant-numbers": after("FEED_SUBSCRIPTION", repeated(data("Quote", b",".join([b"1.5"] * 3_500_000)))),
    "giant-lists": after("FEED_SUBSCRIPTION", repeated(data("Quote", b",".join([b"[]"] * 5_000_000)))),
    "large-numbers": after("FEED_SUBSCRIPTION", repeated(data("Quote", b",".join([b"1.5"] * 250_000)))),
    "large-lists": after("FEED_SUBSCRIPTION", repeated(data("Quote", b",".join([b"[]"] * 300_000)))),
    "fragments-empty": after("FEED_SUBSCRIPTION", _fragments(b"")),
    "fragments-of-a-byte": after("FEED_SUBSCRIPTION", _fragments(b" ")),
    "fragments-of-kilobytes": after("FEED_SUBSCRIPTION", _fragments(b" " * 8_192)),
    "pings": after("FEED_SUBSCRIPTION", repeated(frame(b"p" * 125, PING) * 1_000), is_answered=True),
    "pings-and-keepalives": after(
        "FEED_SUBSCRIPTION", repeated(frame(b"p" * 125, PING) * 1_000, message("KEEPALIVE", 0))
    ),
    "keepalives": after("FEED_SUBSCRIPTION", repeated(message("KEEPALIVE", 0) * 500)),
    "fast-keepalive": _fast_keepalive,
    "events-of-nobody": after("FEED_SUBSCRIPTION", repeated(data("Quote", b",".join([_QUOTE_ROW] * 2_000)))),
    "small-events": after("FEED_SUBSCRIPTION", repeated(data("Quote", _QUOTE_ROW) * 500)),
    "columns": after("FEED_SUBSCRIPTION", repeated(whole(_COLUMNS))),
    "types": after("FEED_SUBSCRIPTION", repeated(whole(_TYPES))),
    "unique-candles": after("FEED_SUBSCRIPTION", _unique_candles),
    "snapshot-without-end": after("FEED_SUBSCRIPTION", _snapshot_without_end),
    "layouts": after("FEED_SUBSCRIPTION", _layouts),
    "symbol-of-lists": after(
        "FEED_SUBSCRIPTION", repeated(data("Quote", b'["AAPL"],1,2,3,4,{"AAPL":1},1,2,3,4'), times=1), is_answered=True
    ),
    "errors": after("FEED_SUBSCRIPTION", _errors),
    "echo": _echo,
    "fickle": _fickle,
    "closing-channels": _closing_channels,
    "setups": after("SETUP", repeated(message("SETUP", 0, keepaliveTimeout=60) * 500)),
    "opened-unknown": after("AUTH", repeated(message("CHANNEL_OPENED", 99), times=1)),
    "config-unknown": after("AUTH", repeated(message("FEED_CONFIG", 10**9, eventFields={"Quote": ["a"]}), times=1)),
    "deflate": after("AUTH", repeated(frame(zlib.compress(b" " * MEGABYTE), reserved=4), times=1)),
    "close-code": after("AUTH", repeated(frame(struct.pack(">H", 4999) + "\u202e\x1b[1m".encode(), CLOSE), times=1)),
    "close-no-utf8": after("AUTH", repeated(frame(struct.pack(">H", 1000) + b"\xff\xfe", CLOSE), times=1)),
    "no-utf8": after("AUTH", repeated(frame(b'{"type":"\xff"}'), times=1)),
    "no-json": after("AUTH", repeated(frame("\x1b[2J\u202e".encode()), times=1)),
    "deep": after("AUTH", repeated(frame(b"[" * 100_000), times=1)),
    "opcodes": after("AUTH", repeated(frame(b"x", 5), times=1)),
    "masked": after("AUTH", repeated(bytes([0x81, 0x81, 1, 2, 3, 4, 5]), times=1)),
    "digits": after("AUTH", repeated(frame(b'{"type":"CHANNEL_OPENED","channel":%s}' % (b"9" * 4_000)), times=1)),
}
"""By name."""


# Deeds that a seed composes


def composed(chance: random.Random) -> Deed:
    """A server that is mostly good: a share of its messages is harmed, and others come in between."""
    share = chance.choice([0.05, 0.2, 0.5])

    async def act(link: Link) -> None:
        while True:
            said = await link.hear()
            for reply in link.replies(said):
                if chance.random() < share / 2:
                    await link.raw(_odd_frame(chance, link))
                is_harmed = chance.random() < share
                await link.raw(_framed(_harmed(reply, chance) if is_harmed else json.dumps(reply).encode(), chance))

    return act


def _harmed(reply: Message, chance: random.Random) -> bytes:
    values = reply.get("data", [None, None])[-1]
    if values and chance.random() < 0.7:
        # In the values of events, where numbers, times and symbols stand.
        others = list(values)
        marks = {f"@{number}@": chance.choice([*EVIL_TOKENS, *map(json.dumps, EVIL_TEXTS)]) for number in range(3)}
        for mark in marks:
            others[chance.randrange(len(others))] = mark
        text = json.dumps({**reply, "data": [reply["data"][0], others]})
        for mark, token in marks.items():
            text = text.replace(f'"{mark}"', token)
        return text.encode("utf-8", errors="surrogatepass")
    return other_values(reply, chance)


def _framed(payload: bytes, chance: random.Random) -> bytes:
    match chance.choice(["text", "text", "text", "text", "binary", "pieces", "pinged"]):
        case "binary":
            return frame(payload, BINARY)
        case "pieces" | "pinged" as way:
            at = chance.randrange(len(payload))
            between = frame(b"\x1b[2J", PING) + frame(b"?", PONG) if way == "pinged" else b""
            return frame(payload[:at], is_last=False) + between + frame(payload[at:], CONTINUATION)
    return frame(payload)


def _odd_frame(chance: random.Random, link: Link) -> bytes:
    channel = chance.choice([0, 1, 1, 3, 2, -1, 7, 10**12])
    text = chance.choice(EVIL_TEXTS)
    token = next((each["token"] for each in link.heard if "token" in each), "")
    fields = {kind: chance.sample(list(names), len(names)) for kind, names in link.layout.items()}
    flags = chance.choice([0, 1, 2, 4, 8, 10, 12, 16, 31, 255])
    candles = [value if name != "eventFlags" else flags for name in link.layout.get("Candle", ()) for value in [1]]
    return chance.choice(
        [
            frame(text.encode()),
            frame(chance.randbytes(chance.randrange(200))),
            frame(b"x", PING),
            message("KEEPALIVE", 0),
            message("SETUP", 0, keepaliveTimeout=chance.choice([0, -1, 1e-9, 1e300, 60])),
            message("AUTH_STATE", 0, state=chance.choice(["AUTHORIZED", "UNAUTHORIZED", text])),
            message("CHANNEL_OPENED", channel, service=text),
            message("CHANNEL_CLOSED", channel),
            message("FEED_CONFIG", channel, eventFields=fields),
            message("FEED_CONFIG", channel, eventFields={text: [text]}),
            message("ERROR", channel, error=chance.choice(["BAD_ACTION", "TIMEOUT", text]), message=f"{text}{token}"),
            message("FEED_DATA", channel, data=[text, [1, 2, 3]]),
            message("FEED_DATA", channel, data=["Candle", candles]),
            message("FEED_DATA", channel, data=[{"eventType": "Quote", "eventSymbol": [text], "bidPrice": True}]),
            message("FEED_DATA", channel, data=[{"eventType": "Trade", "eventSymbol": {"a": 1}}]),
            message(text, channel),
            frame(struct.pack(">H", chance.choice([1000, 1001, 1006, 1011, 4000, 999])) + text.encode()[:100], CLOSE),
        ]
    )
