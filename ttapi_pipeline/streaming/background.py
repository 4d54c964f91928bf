# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tasks with an owner: work beside a block, work with a deadline, and errors without the group around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from ttapi_pipeline.core.clock import Clock

T = TypeVar("T")


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` while the block runs, then cancel it. An exception of the block leaves without a group around it."""
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


@contextmanager
def ungrouped(kind: type[Exception]) -> Iterator[None]:
    """Raise the first exception of that kind without the groups of the task groups that it went through."""
    failure: BaseException | None = None
    try:
        yield
    except* kind as group:
        failure = group
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
    if failure is not None:
        raise failure


async def within(seconds: float | None, work: Coroutine[Any, Any, T], clock: Clock) -> T | None:
    """The result of `work`, or None if it takes longer than `seconds`; no limit when that is None."""
    if seconds is None:
        return await work
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        alarm = tasks.create_task(clock.sleep(seconds))
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        alarm.cancel()
    return None if task.cancelled() else task.result()
