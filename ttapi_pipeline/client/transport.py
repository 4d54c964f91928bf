# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One HTTP request, one answer: aiohttp's errors become ours here and nowhere else.

A request is repeated here only if the server cannot have seen it: on a kept-alive connection that was closed already.
All other repetitions are in `retries`.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final

import aiohttp
from yarl import URL

from ttapi_pipeline import __version__
from ttapi_pipeline.client.routes import Route
from ttapi_pipeline.core.errors import ApiTimeoutError, PayloadError, TransportError

USER_AGENT: Final = f"ttapi-pipeline/{__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions:
    """Bounds of one connection and one answer.

    Attributes:
        connect_seconds: For DNS, TCP and TLS together.
        read_seconds: The longest pause within an answer.
        total_seconds: For a whole answer.
        max_body_bytes: The largest body, decompressed. The largest known answer, a page of 5,000 equities, has 5 MB.
        max_error_bytes: As much is read of an answer whose status is not 2xx: it has a message and no rows.
        max_bytes_under_way: The most bytes of all answers that are being read at once.
        keepalive_seconds: How long an idle connection is kept.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    total_seconds: float = 60.0
    max_body_bytes: int = 32 * 1024 * 1024
    max_error_bytes: int = 64 * 1024
    max_bytes_under_way: int = 128 * 1024 * 1024
    keepalive_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of any status. `body` is decompressed; it is complete if the status is 2xx."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class _LostConnectionError(Exception):
    """The connection went away before an answer began.

    It is no subclass of aiohttp's errors, because aiohttp would repeat the request by itself, unseen, on a new
    connection too.
    """


class _Sender:
    """aiohttp middleware of one request: tells a stale kept-alive connection from a server that hangs up."""

    def __init__(self) -> None:
        self.is_reused = False
        self.replays = 0

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        try:
            return await handler(request)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            if not self.is_reused or request.method != "GET":
                raise _LostConnectionError(_plain(error)) from error
        self.replays += 1
        try:
            return await handler(request)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            raise _LostConnectionError(_plain(error)) from error


async def _note_reuse(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.is_reused = True


async def _note_creation(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.is_reused = False


class Transport:
    """A pool of at most `connections`. Open and close it on the event loop that uses it."""

    def __init__(self, *, connections: int, options: TransportOptions) -> None:
        self._connections = connections
        self._options = options
        self._session: aiohttp.ClientSession | None = None
        self._answers_under_way = 0
        self._bytes_under_way = 0
        self.replays = 0
        """Requests that were sent again because their kept-alive connection was stale."""

    async def open(self) -> None:
        """Make the pool, without a connection yet."""
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        trace.on_connection_create_start.append(_note_creation)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections,
                ttl_dns_cache=300,
                keepalive_timeout=self._options.keepalive_seconds,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            trace_configs=[trace],
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self,
        route: Route,
        url: URL,
        *,
        headers: Mapping[str, str],
        seconds: float,
        json: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and read the whole answer.

        Args:
            route: Names the request in errors. The URL may hold an account number, so errors do not show it.
            url: The address.
            headers: In addition to those of every request.
            seconds: The rest of the caller's time.
            json: The body, if there is one.

        Raises:
            TransportError: There was no connection, or it was lost.
            ApiTimeoutError: The answer was not complete in time.
            PayloadError: The body is too large, or the answer is not HTTP.
        """
        if self._session is None:
            raise RuntimeError("the client is not open: use it in `async with`")
        options = self._options
        total = min(seconds, options.total_seconds)
        timeout = aiohttp.ClientTimeout(
            total=total, sock_connect=options.connect_seconds, sock_read=options.read_seconds
        )
        sender = _Sender()
        try:
            with _our_errors(route, f"{url.host}:{url.port}", seconds=total):
                async with self._session.request(
                    route.method,
                    url,
                    headers=headers,
                    json=json,
                    timeout=timeout,
                    # A redirect would carry the token to another place, and none of our routes redirects.
                    allow_redirects=False,
                    middlewares=(sender,),
                    trace_request_ctx=sender,
                ) as response:
                    return Answer(response.status, response.headers, await self._read(route, response))
        finally:
            self.replays += sender.replays

    async def _read(self, route: Route, response: aiohttp.ClientResponse) -> bytes:
        options = self._options
        is_error = not 200 <= response.status < 300
        body = bytearray()
        self._answers_under_way += 1
        try:
            async for piece in response.content.iter_any():
                body += piece
                self._bytes_under_way += len(piece)
                if is_error and len(body) >= options.max_error_bytes:
                    response.close()
                    break
                if len(body) > options.max_body_bytes:
                    raise PayloadError(f"{route.subject}: the body is larger than {options.max_body_bytes} bytes")
                # The large ones end, and small ones beside them go on.
                is_large = len(body) * self._answers_under_way >= self._bytes_under_way
                if is_large and self._bytes_under_way > options.max_bytes_under_way:
                    raise _repeatable(
                        f"{route.subject}: the answers under way have more than {options.max_bytes_under_way} bytes"
                    )
            return bytes(body)
        finally:
            self._answers_under_way -= 1
            self._bytes_under_way -= len(body)
            # The traceback of an error holds it for as long as the error is kept.
            body.clear()


@contextmanager
def _our_errors(route: Route, where: str, *, seconds: float) -> Iterator[None]:
    """Raise aiohttp's errors as ours. They are not chained, because some of their texts hold the URL or the headers."""
    try:
        yield
    except TimeoutError:
        raise ApiTimeoutError(f"{route.subject}: no complete answer from {where} within {seconds:.3g} s") from None
    except aiohttp.ClientConnectorError as error:
        raise TransportError(
            f"{route.subject}: {where} cannot be reached: {_plain(error.os_error)}; check TT_API_URL and the network"
        ) from None
    except _LostConnectionError as error:
        raise TransportError(f"{route.subject}: {where} closed the connection without an answer ({error})") from None
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, ConnectionError) as error:
        raise TransportError(f"{route.subject}: the answer of {where} broke off ({_plain(error)})") from None
    except aiohttp.ClientResponseError as error:
        raise _repeatable(f"{route.subject}: {where} does not answer in HTTP ({type(error).__name__})") from None
    except aiohttp.ClientError as error:
        raise TransportError(f"{route.subject}: {where}: {type(error).__name__}") from None


def _repeatable(message: str) -> PayloadError:
    error = PayloadError(message)
    error.retryable = True
    return error


def _plain(error: BaseException) -> str:
    """The operating system's words for an error, in lower case; else the kind of error."""
    match error:
        case socket.gaierror():
            return "the host name is not known"
        case aiohttp.ServerDisconnectedError():
            return "end of stream"
        case ssl.SSLError():
            return f"TLS failed, {error.reason or type(error).__name__}"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number).lower()
        case _:
            return type(error).__name__
