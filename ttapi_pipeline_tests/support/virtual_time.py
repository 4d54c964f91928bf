# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""An event loop whose time passes only while it has nothing to do, and then at once.

For tests whose client and server share one event loop: delays and deadlines of minutes take no time, and none runs out
because the machine is busy. Mark such a test, or its module, with ``pytest.mark.virtual_time``, and take `LoopClock` as
the clock. A server in another process answers in real time, for which this loop would not wait.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Final, TypeVar, TypeVarTuple, Unpack

import pytest

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_STEP_SECONDS: Final = 1.0
"""The loop looks at its sockets again after no more than this: the kernel may need a moment to hand bytes over."""

_TURN_SECONDS: Final = 1e-6
"""A turn of the loop takes time as well: code that waits for the rest of an interval would spin just before its end."""

_THREADS_POLL_SECONDS: Final = 0.05


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """While a thread of an executor is at work, time passes as on the machine."""

    def __init__(self) -> None:
        super().__init__(_IdleSelector(self))
        self.busy_threads = 0
        self._seconds = 0.0

    def time(self) -> float:
        """Seconds that have passed since the loop was made."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += seconds

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As every loop does it; the thread counts as busy until the result is here."""
        future = super().run_in_executor(executor, func, *args)
        self.busy_threads += 1
        future.add_done_callback(self._note_idle_thread)
        return future

    def _note_idle_thread(self, _: object) -> None:
        self.busy_threads -= 1


class _IdleSelector(selectors.DefaultSelector):
    """Asked to wait for a timer, it moves the time of its loop instead."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.advance(_TURN_SECONDS)
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            return super().select(None)
        if self._loop.busy_threads:
            began = time.monotonic()
            ready = super().select(min(timeout, _THREADS_POLL_SECONDS))
            self._loop.advance(min(time.monotonic() - began, timeout))
        else:
            self._loop.advance(min(timeout, _STEP_SECONDS))
        return ready


class LoopClock:
    """The time of the running loop, from a time of day on. The time of day can be stopped; delays go on then."""

    def __init__(self, start: datetime, *, is_stopped: bool = False) -> None:
        self._start = start
        self._stopped = start if is_stopped else None

    def now(self) -> datetime:
        return self._stopped or self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def stop(self) -> datetime:
        """Time of day stands still from here on; timeouts and delays go on."""
        self._stopped = self.now()
        return self._stopped


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that a test's marker asks for. A folder whose tests may ask imports this hook in its conftest."""
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualTimeLoop}
    return {"machine": asyncio.new_event_loop}


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "virtual_time: on an event loop whose time passes while it is idle")
