# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Link after link: a lost DXLink link is replaced by a new one, after a delay and with a new token.

The work that needs links decides what goes over them: see `candle_collection`, `quote_collection` and
`feed_connection`. One link is in `connection`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Final, Protocol, Self

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.errors import ApiError, AuthError, StreamError
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import DxLinkConnection

OpenConnection = Callable[[], AbstractAsyncContextManager[DxLinkConnection]]
"""Fetches a new quote token and opens a link with it; called once per link."""

_LOGGER: Final = logging.getLogger(__name__)


class Work(Protocol):
    """Work that needs links.

    Attributes:
        name: For the log.
        is_done: Whether no further link is needed.
        has_advanced: Whether the work has advanced since the last loss, so that failures are counted anew.
    """

    @property
    def name(self) -> str: ...

    @property
    def is_done(self) -> bool: ...

    @property
    def has_advanced(self) -> bool: ...

    def note_loss(self, error: ApiError | StreamError) -> None:
        """Take note that a link was lost, or could not be opened, and will be replaced. Called before the delay."""


class Link:
    """An open link, for one ``async with``. Leaving the block closes the link and tells `Links` how the block ended."""

    def __init__(
        self,
        connection: DxLinkConnection,
        stack: AsyncExitStack,
        note_end: Callable[[ApiError | StreamError | None], None],
    ) -> None:
        """Made by `Links`: `stack` closes the link, `note_end` takes the loss, or None when there was none."""
        self._connection = connection
        self._stack = stack
        self._note_end = note_end

    async def __aenter__(self) -> DxLinkConnection:
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        loss = error
        try:
            if await self._stack.__aexit__(kind, error, traceback):
                loss = None
        except (ApiError, StreamError) as raised:
            loss = raised
        if loss is None or isinstance(loss, ApiError | StreamError):
            self._note_end(loss)
            return True
        return False


class Links:
    """Iterates over links; each is opened when the one before it was lost.

    ::

        async for link in Links(open_connection, work, ...):
            async with link as connection:
                await work.collect_over(connection)

    A link counts as lost when an ApiError or a StreamError leaves the inner block, or is raised while the link is
    opened. The next round then begins with a new link, after a delay. The iteration ends when the work is done, or when
    an inner block ends without an exception. Every other exception passes through.

    The inner block is needed because ``async for`` does not tell an iterator how its body ended. It also closes the
    link in the task that opened it, which the link's task group demands.

    Attributes:
        failures: Losses in a row without an advance of the work in between, the latest included.
        has_opened: Whether any link was opened.
    """

    def __init__(
        self,
        open_connection: OpenConnection,
        work: Work,
        *,
        backoff: Backoff,
        clock: Clock,
        max_failures: int | None = None,
        resumes_at_once: bool = False,
    ) -> None:
        """Links of which none is open yet.

        Args:
            open_connection: Opens a link.
            work: The work that needs them.
            backoff: Delays, by the number of failures.
            clock: For the delays.
            max_failures: This many failures in a row end the iteration, and so does an error that no repetition mends,
                such as a 404 of the token service. With None, nothing but refused credentials ends it.
            resumes_at_once: Whether a link that is lost after the work has advanced is replaced without a delay. Delays
                are for links that do not work.
        """
        self.failures = 0
        self.has_opened = False
        self._open_connection = open_connection
        self._work = work
        self._backoff = backoff
        self._clock = clock
        self._max_failures = max_failures
        self._resumes_at_once = resumes_at_once
        self._loss: ApiError | StreamError | None = None
        self._has_ended = False
        self._cancellations: int | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Link:
        """Open the next link.

        Raises:
            StopAsyncIteration: No further link is needed.
            ApiError, StreamError: The last loss, when it is final.
            TTError: `open_connection` raised an error of another kind.
        """
        while not (self._has_ended or self._work.is_done):
            self._obey_cancellation()
            if self._loss is not None:
                await self._wait_after(self._loss)
            stack = AsyncExitStack()
            try:
                connection = await stack.enter_async_context(self._open_connection())
            except (ApiError, StreamError) as error:
                self._loss = error
            else:
                self.has_opened = True
                return Link(connection, stack, self._note_end)
        raise StopAsyncIteration

    def _obey_cancellation(self) -> None:
        """Raise the cancellation of this task that was asked for since the first link.

        A task group that is cancelled at the moment in which one of its tasks fails raises that failure, and the
        cancellation is lost. Taken for the loss of a link, it would let the iteration go on for ever.
        """
        task = asyncio.current_task()
        cancellations = 0 if task is None else task.cancelling()
        if self._cancellations is None:
            self._cancellations = cancellations
        if cancellations > self._cancellations:
            raise asyncio.CancelledError

    def _note_end(self, loss: ApiError | StreamError | None) -> None:
        self._loss = loss
        self._has_ended = loss is None

    async def _wait_after(self, loss: ApiError | StreamError) -> None:
        self._loss = None
        has_advanced = self._work.has_advanced
        self.failures = 1 if has_advanced else self.failures + 1
        if self._is_final(loss):
            raise loss
        self._work.note_loss(loss)
        delay = 0.0 if has_advanced and self._resumes_at_once else self._backoff.seconds(self.failures)
        if isinstance(loss, AuthError) and loss.retry_at is not None:
            delay = max(delay, (loss.retry_at - self._clock.now()).total_seconds())
        _LOGGER.warning("%s: %s; a new link in %.1f s", self._work.name, loss, delay)
        await self._clock.sleep(delay)

    def _is_final(self, loss: ApiError | StreamError) -> bool:
        if self._max_failures is None:
            return isinstance(loss, AuthError) and loss.retry_at is None
        may_recover = loss.retryable or isinstance(loss, StreamError)
        return not may_recover or self.failures >= self._max_failures
