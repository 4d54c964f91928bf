# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The signals that ask a program to end: each ends it as Ctrl-C does, and the exit code says which one it was."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

ENDING: Final = tuple(
    number for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)) if number is not None
)
"""Ctrl-C; what `timeout` and service managers send; the end of the terminal."""


@contextmanager
def hangups_as_interrupts() -> Iterator[None]:
    """Have the end of the terminal do inside the block what Ctrl-C does, unless it is handled or ignored already."""
    hangup = getattr(signal, "SIGHUP", None)
    is_main = threading.current_thread() is threading.main_thread()
    if hangup is None or not is_main or signal.getsignal(hangup) is not signal.SIG_DFL:
        yield
        return
    signal.signal(hangup, _as_interrupt)
    try:
        yield
    finally:
        signal.signal(hangup, signal.SIG_DFL)


@contextmanager
def ending_signals(*, is_process_ending: bool) -> Iterator[Callable[[], int]]:
    """Have SIGTERM and SIGHUP do inside the block what SIGINT does there, whatever handles that by then.

    Dagster and asyncio have handlers of their own for SIGINT while they work. A signal that is ignored stays so: nohup
    has a program outlive its terminal, and a script has what it starts in the background outlive its Ctrl-C. Dagster
    would then have SIGTERM ignored, too, to which it gives the handler of SIGINT. Outside of the main thread nothing is
    changed.

    Args:
        is_process_ending: Whether the process ends after the block. Then a further signal, while the interpreter shuts
            down, ends it without a word.

    Returns:
        A function that gives the exit code by the first signal that came: 128 and its number, as shells have it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 128 + signal.SIGINT
        return
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    # The interpreter itself writes the number of each signal there, whichever function handles it.
    woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        if before[signal.SIGINT] is signal.SIG_IGN:
            signal.signal(signal.SIGINT, _but_for_interrupts)
        for number in ENDING[1:]:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, _as_interrupt)
        yield lambda: _exit_code(reader)
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if is_process_ending and handler is not signal.SIG_IGN else handler)
        signal.set_wakeup_fd(woken)
        os.close(reader)
        os.close(writer)


@contextmanager
def signals_of_loop(loop: AbstractEventLoop, handlers: Mapping[signal.Signals, Callable[[], object]]) -> Iterator[None]:
    """Have an event loop call a function for each of some signals inside the block.

    Windows has no such handlers: there nothing is changed, and Ctrl-C ends the loop.
    """
    if sys.platform == "win32":
        yield
        return
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


@contextmanager
def interrupts_outside_polars() -> Iterator[None]:
    """Have SIGINT and SIGTERM wait inside the block until no function of Polars' own is at work.

    Around each function of ours that a query calls, it calls some of its own, and an exception in one of those is a
    panic, with a stack of Rust on the terminal. An exception in a function of ours ends the query as it should. Signals
    that have no function as their handler, and threads other than the main one, are left alone.
    """
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    profiler = sys.getprofile()

    def handle(number: int, frame: FrameType | None) -> None:
        def look(current: FrameType, _: str, __: Any) -> None:
            if not _is_to_end_first(current):
                sys.setprofile(profiler)
                before[signal.Signals(number)](number, current)

        if frame is not None and _is_to_end_first(frame):
            # The interpreter calls it at every beginning and end of a function, and raises there what it raises.
            sys.setprofile(look)
            return
        sys.setprofile(profiler)
        before[signal.Signals(number)](number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_to_end_first(frame: FrameType) -> bool:
    """Whether a function is one of Polars' own, or a handler above, which ends before it."""
    return str(frame.f_globals.get("__name__")).startswith(("polars.", __name__))


def _as_interrupt(_: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if handler in {signal.SIG_IGN, _but_for_interrupts}:
        raise KeyboardInterrupt
    if callable(handler):
        handler(signal.SIGINT, frame)  # A handler may look at what was interrupted, and that is not this function.
    else:
        signal.raise_signal(signal.SIGINT)


def _but_for_interrupts(number: int, _: FrameType | None) -> None:
    """Ignore SIGINT, and end the program at any other signal that is given this handler."""
    if number != signal.SIGINT:
        raise KeyboardInterrupt


def _exit_code(reader: int) -> int:
    try:
        numbers = os.read(reader, 4096)
    except BlockingIOError:
        return 128 + signal.SIGINT
    return 128 + next((number for number in numbers if number in ENDING), signal.SIGINT)
