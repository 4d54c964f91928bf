# SPDX-License-Identifier: MIT
"""Tasks with an owner: work beside a block, work with a deadline. What the work is, the other modules say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from ttapi_pipeline.core.clock import Clock

T = TypeVar("T")


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` beside the block and cancel it with the block, whose exceptions leave as they are."""
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below: inside, the group would wrap it
            failure = error
        finally:
            task.cancel()
    if failure is not None:
        raise failure


async def within(seconds: float | None, work: Coroutine[Any, Any, T], clock: Clock) -> T | None:
    """The result of `work`, or None when it takes longer."""
    if seconds is None:
        return await work
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        alarm = tasks.create_task(clock.sleep(seconds))
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        alarm.cancel()
    return None if task.cancelled() else task.result()
