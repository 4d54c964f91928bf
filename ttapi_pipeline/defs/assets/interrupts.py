# SPDX-License-Identifier: MIT
"""Ctrl-C while a step is in an event loop; everywhere else Dagster sees to it."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

import dagster as dg

T = TypeVar("T")


def run_async(work: Awaitable[T]) -> T:
    """`asyncio.run` for a step: an interrupt cancels its tasks and ends it as Dagster expects.

    Raises:
        DagsterExecutionInterruptedError: After SIGINT or SIGTERM, when every task has ended.
    """
    with _left_to_asyncio():
        return asyncio.run(_awaited(work))


async def _awaited(work: Awaitable[T]) -> T:
    return await work


@contextmanager
def _left_to_asyncio() -> Iterator[None]:
    """Take Dagster's signal handler off while the block runs.

    It raises an exception of its own wherever the process is. In a task that is not the step's own, the event loop puts
    it aside and the run goes on. asyncio cancels the step instead, as long as the handler is Python's own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGTERM, _as_interrupt)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    except KeyboardInterrupt:
        raise dg.DagsterExecutionInterruptedError from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_interrupt(_: int, __: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
