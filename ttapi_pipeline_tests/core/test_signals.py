# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Tests of the signals that ask a program to end, while a query of Polars is at work."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

import polars as pl
import pytest

from ttapi_pipeline.core.signals import ending_signals, interrupts_outside_polars


class Interrupt(BaseException):
    """What the handler of the test raises, as that of Dagster does."""


@pytest.fixture(autouse=True)
def raising() -> Any:
    def handle(_: int, __: FrameType | None) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGINT, handle)
    yield handle
    signal.signal(signal.SIGINT, before)


def glue(said: list[str]) -> Any:
    """A function that counts as one of Polars, and is interrupted."""
    names: dict[str, Any] = {"__name__": "polars._utils.wrap", "raise_signal": signal.raise_signal, "said": said}
    exec(f"def glue(_):\n    raise_signal({signal.SIGINT:d})\n    said.append('whole')\n", names)
    return names["glue"]


def test_an_interrupt_waits_until_a_function_of_polars_has_ended() -> None:
    said: list[str] = []

    def work() -> None:
        glue(said)(None)
        len(said)
        said.append("not interrupted")

    with pytest.raises(Interrupt), interrupts_outside_polars():
        work()
    assert said == ["whole"]


def test_without_it_the_function_is_cut() -> None:
    said: list[str] = []
    with pytest.raises(Interrupt):
        glue(said)(None)
    assert said == []


def test_an_interrupt_in_a_function_of_ours_ends_the_query_at_once() -> None:
    def ours(batch: pl.DataFrame) -> pl.DataFrame:
        signal.raise_signal(signal.SIGINT)
        return batch

    with pytest.raises(Interrupt), interrupts_outside_polars():
        pl.LazyFrame({"number": [1]}).map_batches(ours).collect()


def test_afterwards_the_handler_and_the_profiler_are_as_they_were(raising: Any) -> None:
    with pytest.raises(Interrupt), interrupts_outside_polars():
        glue([])(None)
    assert signal.getsignal(signal.SIGINT) is raising
    assert sys.getprofile() is None


def test_a_signal_that_is_ignored_and_another_thread_are_left_alone() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    seen: list[Any] = []

    def look() -> None:
        with interrupts_outside_polars():
            seen.append(signal.getsignal(signal.SIGINT))

    look()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_IGN, signal.SIG_IGN]


def test_what_is_started_in_the_background_of_a_script_ignores_interrupts_and_ends_at_sigterm() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ending_signals(is_process_ending=False):
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            # As Dagster does.
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
