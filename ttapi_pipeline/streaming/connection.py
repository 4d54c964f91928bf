# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One link: it carries over a WebSocket what `protocol` decides, keeps the link alive, and notices a dead one.

Subscriptions are up to the user of a link: see `candle_collection`, `quote_collection` and `feed_link`. A lost link is
replaced in `links`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import websockets.asyncio.client as websockets_client
from websockets.exceptions import ConnectionClosed

from ttapi_pipeline.core.clock import SYSTEM_CLOCK, Clock
from ttapi_pipeline.core.errors import ProtocolError, StreamClosedError, StreamError
from ttapi_pipeline.core.hosts import public_part
from ttapi_pipeline.streaming.background import beside
from ttapi_pipeline.streaming.background import within as within_seconds
from ttapi_pipeline.streaming.events import Authorized, ErrorReceived, Event, FeedData, TokenRefused, Unreadable
from ttapi_pipeline.streaming.messages import Contract, Subscription
from ttapi_pipeline.streaming.protocol import DEFAULT_KEEPALIVE_SECONDS, DxLinkProtocol, Handshake
from ttapi_pipeline.streaming.websocket import CLOSE_SECONDS, open_websocket

SILENCE_SECONDS: Final = 60.0
OPEN_SECONDS: Final = 10.0
SEND_SECONDS: Final = 10.0
"""How long a server may leave what was sent to it unread, once the buffers in between are full."""

QUEUED_FRAMES: Final = 64
QUEUED_BYTES: Final = 4 * 2**20
"""Of the frames that wait for the consumer. Read, a frame takes up to thirty times as much."""

MOST_UNREADABLE: Final = 20
"""A message that cannot be read costs itself. A link that brings as many in a row, and no event between, is lost."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_LOGGER: Final = logging.getLogger(__name__)


class Received(NamedTuple):
    """The events of one frame.

    Attributes:
        at_us: Epoch microseconds at which the frame was read from the socket.
        monotonic: The same on the clock's monotonic scale.
        events: In order.
    """

    at_us: int
    monotonic: float
    events: Sequence[Event]


@asynccontextmanager
async def connect(
    url: str,
    token: str,
    *,
    clock: Clock = SYSTEM_CLOCK,
    keepalive_seconds: float = DEFAULT_KEEPALIVE_SECONDS,
    silence_seconds: float = SILENCE_SECONDS,
    open_seconds: float = OPEN_SECONDS,
    send_seconds: float = SEND_SECONDS,
    queued_frames: int = QUEUED_FRAMES,
) -> AsyncIterator[DxLinkConnection]:
    """Open a link, authorise it, and close it with the block.

    Args:
        url: The `dxlink-url` that came with the token.
        token: A fresh quote token. The next link needs another one.
        clock: For keepalives, watchdog and deadlines, except those of opening the socket, of sending and of closing,
            which run on the event loop's clock.
        keepalive_seconds: The longest silence that both sides accept. We send at half of what the server accepts.
        silence_seconds: A link is dead when no frame has come for this long.
        open_seconds: Deadline for opening the socket, and again for the authorisation.
        send_seconds: The link is dead when the server has not read what was sent to it for this long.
        queued_frames: Received frames that may wait for the consumer. The socket is not read while there are more, or
            while they have QUEUED_BYTES.

    Raises:
        TransportError: No WebSocket could be opened.
        StreamClosedError: The link was closed, fell silent, the server does not read, or the token was refused.
        ProtocolError: The server does not follow the protocol, or the URL is not a WebSocket URL.
    """
    websocket = await open_websocket(url, open_seconds)
    try:
        connection = DxLinkConnection(
            websocket,
            DxLinkProtocol(token, keepalive_seconds=keepalive_seconds),
            place=public_part(url),
            clock=clock,
            silence_seconds=silence_seconds,
            send_seconds=send_seconds,
            queued_frames=queued_frames,
        )
        async with beside(connection.run()):
            await connection.authorize(open_seconds)
            yield connection
    finally:
        try:
            # The library bounds its wait for the server's goodbye, and not the sending of its own.
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * CLOSE_SECONDS):
                    await websocket.close()
        finally:
            # A cancelled goodbye would leave the socket open until the server closes it, which it may never do.
            websocket.transport.abort()


class DxLinkConnection:
    """An authorised link; `connect` makes it.

    Attributes:
        heard_at: When the last frame came, on the clock's monotonic scale.
        silence_seconds: The link is dead when no frame has come for this long.
        frames, bytes: Received so far.
    """

    def __init__(
        self,
        websocket: websockets_client.ClientConnection,
        protocol: DxLinkProtocol,
        *,
        place: str,
        clock: Clock,
        silence_seconds: float,
        send_seconds: float,
        queued_frames: int,
    ) -> None:
        self.heard_at = clock.monotonic()
        self.silence_seconds = silence_seconds
        self.frames = 0
        self.bytes = 0
        self._websocket = websocket
        self._protocol = protocol
        self._place = place
        self._clock = clock
        self._send_seconds = send_seconds
        self._received: asyncio.Queue[Received | None] = asyncio.Queue(maxsize=queued_frames)
        self._queued_bytes = 0
        self._has_room = asyncio.Event()
        self._failure: StreamError | None = None
        self._unreadable = 0
        self._is_waiting_for_consumer = False
        self._sending = asyncio.Lock()
        self._started = asyncio.Event()
        self._was_set_up = asyncio.Event()

    def __repr__(self) -> str:
        return f"<DxLinkConnection {self._place}, {self._protocol!r}>"

    async def open_feed(
        self,
        contract: Contract,
        fields: Mapping[str, Sequence[str]],
        *,
        aggregation_seconds: float | None = None,
    ) -> int:
        """Ask for a FEED channel, see `DxLinkProtocol.open_feed`; the event `FeedReady` says when it can be used.

        Raises:
            StreamClosedError: The link is gone.
        """
        channel = self._protocol.open_feed(contract, fields, aggregation_seconds=aggregation_seconds)
        await self._flush()
        return channel

    async def reopen_feed(self, channel: int) -> None:
        """Ask again for a channel that the server closed, see `DxLinkProtocol.reopen_feed`.

        Raises:
            StreamClosedError: The link is gone.
        """
        self._protocol.reopen_feed(channel)
        await self._flush()

    async def subscribe(
        self,
        channel: int,
        *,
        add: Iterable[Subscription] = (),
        remove: Iterable[Subscription] = (),
        reset: bool = False,
    ) -> None:
        """Change what a channel delivers, see `DxLinkProtocol.subscribe`.

        Raises:
            StreamClosedError: The link is gone.
        """
        self._protocol.subscribe(channel, add=add, remove=remove, reset=reset)
        await self._flush()

    async def next_events(self, *, within: float | None = None) -> Sequence[Event]:
        """Wait for events, and return all that have come by then, in order.

        Args:
            within: Seconds after which an empty sequence is returned; None to wait for ever.

        Raises:
            StreamClosedError: The link was closed or fell silent, and every event before that has been returned.
            ProtocolError: The same, because the server broke the protocol.
        """
        return [event for received in await self.next_frames(within=within) for event in received.events]

    async def next_frames(self, *, within: float | None = None) -> Sequence[Received]:
        """As `next_events`, with the events of each frame apart. Frames without events are left out."""
        frames: list[Received] = []
        if self._received.empty():
            if self._failure is not None:
                raise self._failure
            first = await within_seconds(within, self._received.get(), self._clock)
            if first is not None:
                frames.append(first)
        while not self._received.empty():
            further = self._received.get_nowait()
            if further is not None:
                frames.append(further)
        self._queued_bytes = 0
        self._has_room.set()
        if not frames and self._failure is not None:
            raise self._failure
        return frames

    async def authorize(self, seconds: float) -> None:
        """Go through SETUP and AUTH, which have to come before any other message.

        Raises:
            StreamClosedError: The server refused the token, closed the link, or was not done in time.
        """
        self._protocol.start()
        await self._flush()
        self._started.set()
        deadline = self._clock.monotonic() + seconds
        complaint = ""
        while self._protocol.handshake is not Handshake.READY:
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise StreamClosedError(f"{self._place}: not authorised within {seconds:g} s{complaint}")
            for event in await self.next_events(within=left):
                match event:
                    case ErrorReceived():
                        complaint = f"; the server said {event.error}: {event.message}"
                    case TokenRefused():
                        raise StreamClosedError(f"{self._place}: the quote token was refused; a new one is needed")
                    case Authorized():
                        _LOGGER.debug("%s: authorised", self._place)
                    case _:
                        pass

    async def run(self) -> None:
        """Read, keep alive and watch until the link fails; `next_events` raises why."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read())
                tasks.create_task(self._keep_alive())
                tasks.create_task(self._watch())
        except* StreamError as group:
            failures = [error for error in group.exceptions if isinstance(error, StreamError)]
            self._failure = failures[0]
        # Wake a consumer that waits for events: no more will come. One whose queue is full does not wait.
        with suppress(asyncio.QueueFull):
            self._received.put_nowait(None)

    async def _read(self) -> None:
        while True:
            try:
                frame = await self._websocket.recv(decode=False)
            except ConnectionClosed as error:
                raise self._closed(error) from None
            self.heard_at = self._clock.monotonic()
            self.frames += 1
            self.bytes += len(frame)
            interval = self._protocol.keepalive_interval
            try:
                events = self._protocol.receive(frame)
            except ProtocolError as error:
                raise ProtocolError(f"{self._place}: {error}") from error
            if self._protocol.keepalive_interval < interval:
                self._was_set_up.set()
            await self._flush()
            self._judge(events)
            if events:
                at_us = (self._clock.now() - _EPOCH) // _MICROSECOND
                received = Received(at_us, self.heard_at, events)
                self._is_waiting_for_consumer = True
                while self._queued_bytes and self._queued_bytes + len(frame) > QUEUED_BYTES:
                    self._has_room.clear()
                    await self._has_room.wait()
                self._queued_bytes += len(frame)
                await self._received.put(received)
                self._is_waiting_for_consumer = False

    def _judge(self, events: Sequence[Event]) -> None:
        """Count the messages in a row that brought nothing but parts that cannot be read."""
        for event in events:
            match event:
                case FeedData():
                    self._unreadable = 0
                    return
                case Unreadable():
                    self._unreadable += 1
                    if self._unreadable == 1:
                        _LOGGER.warning("%s: a part of a message cannot be read: %s", self._place, event.reason)
                    if self._unreadable >= MOST_UNREADABLE:
                        raise ProtocolError(
                            f"{self._place}: {self._unreadable} messages in a row could not be read; of the last one,"
                            f" {event.reason}"
                        )
                case _:
                    pass

    async def _keep_alive(self) -> None:
        await self._started.wait()
        while True:
            # A SETUP may shorten the interval while it runs.
            self._was_set_up.clear()
            await within_seconds(self._protocol.keepalive_interval, self._was_set_up.wait(), self._clock)
            self._protocol.keepalive()
            await self._flush()

    async def _watch(self) -> None:
        while True:
            if self._is_waiting_for_consumer:
                # The reader waits for room in the queue, so the socket is not read: this silence is not the server's.
                self.heard_at = self._clock.monotonic()
            silent = self._clock.monotonic() - self.heard_at
            if silent >= self.silence_seconds:
                await self._complain(f"Nothing heard for {silent:.0f} s")
                raise StreamClosedError(f"{self._place}: silent for {silent:.0f} s")
            await self._clock.sleep(self.silence_seconds - silent)

    async def _complain(self, text: str) -> None:
        """Tell the server that it timed out. The link is given up anyway, so a failure to send that changes nothing."""
        self._protocol.complain("TIMEOUT", text)
        with suppress(TimeoutError, StreamClosedError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._flush()

    async def _flush(self) -> None:
        if not self._protocol.has_outgoing:
            return
        try:
            async with asyncio.timeout(self._send_seconds), self._sending:
                for frame in self._protocol.outgoing():
                    await self._websocket.send(frame)
        except ConnectionClosed as error:
            raise self._closed(error) from None
        except TimeoutError:
            # Neither a keepalive nor a subscription gets through: however much the server says, it is of no use.
            raise StreamClosedError(
                f"{self._place}: the server has not read for {self._send_seconds:g} s what was sent to it"
            ) from None

    def _closed(self, error: ConnectionClosed) -> StreamClosedError:
        # The reason is a text of the server, which may echo the token: it is redacted, and the original not chained.
        return StreamClosedError(f"{self._place}: {self._protocol.redact(str(error))}")
