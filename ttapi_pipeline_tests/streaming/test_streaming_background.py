# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tasks that are cancelled while something fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import StreamClosedError, StreamError
from ttapi_pipeline.streaming.background import ungrouped
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import DxLinkConnection
from ttapi_pipeline.streaming.links import Links
from ttapi_pipeline_tests.support.clocks import until

SOON = Backoff(0.001, 0.001)


async def fails_when_it_is_cancelled() -> None:
    try:
        await asyncio.sleep(3_600)
    except asyncio.CancelledError:
        raise StreamClosedError("closed at this very moment") from None


async def fails_at_once() -> None:
    raise StreamClosedError("closed")


async def use_links(used: list[int], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """As feeds do: a link that fails is replaced, for ever."""

    @asynccontextmanager
    async def open_connection() -> AsyncIterator[DxLinkConnection]:
        yield cast("DxLinkConnection", SimpleNamespace())

    links: Any = SimpleNamespace(name="work", is_done=False, has_advanced=False, note_loss=lambda _: None)
    async for link in Links(open_connection, links, backoff=SOON, clock=SYSTEM_CLOCK):
        async with link:
            used.append(1)
            with ungrouped(StreamError):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(work())
                    await asyncio.Event().wait()


async def test_a_task_that_is_cancelled_while_its_link_fails_ends() -> None:
    used: list[int] = []
    task = asyncio.create_task(use_links(used, fails_when_it_is_cancelled))
    await asyncio.sleep(0.01)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=10)
    assert done
    assert task.cancelled()
    assert used == [1]


async def test_a_link_that_fails_by_itself_is_replaced() -> None:
    used: list[int] = []
    task = asyncio.create_task(use_links(used, fails_at_once))
    await until(lambda: len(used) >= 3)
    assert not task.done()
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=10)
    assert done
    assert task.cancelled()
