# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Interrupts that wait for the end of a block instead of being raised wherever the process is."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from ttapi_pipeline.defs.operations.database_outages import wait_no_longer


@contextmanager
def noted_interrupts() -> Iterator[threading.Event]:
    """Note SIGINT and SIGTERM inside the block: the event is set, and its `wait` returns at once.

    Dagster's handler raises wherever the process is. Where that is a callback of the garbage collector, as SQLAlchemy
    has them, Python ignores what is raised, and the signal is lost. Outside of the main thread nothing is noted.

    Raises:
        DagsterExecutionInterruptedError: After the block, when there was a signal.
    """
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(*_: object) -> None:
        wait_no_longer()
        noted.set()

    try:
        for number in before:
            signal.signal(number, note)
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if noted.is_set():
            raise dg.DagsterExecutionInterruptedError


def despite_interrupts(action: Callable[[], None]) -> None:
    """Do something to its end, however many signals come: one that comes before they are noted lets it begin anew.

    Args:
        action: May be done more than once.

    Raises:
        DagsterExecutionInterruptedError: After the action, when there was a signal.
    """
    is_done = was_interrupted = False
    while not is_done:
        try:
            with noted_interrupts():
                action()
                is_done = True
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            was_interrupted = True
    if was_interrupted:
        raise dg.DagsterExecutionInterruptedError
