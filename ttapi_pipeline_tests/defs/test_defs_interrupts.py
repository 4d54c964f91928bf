# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Ctrl-C while a step is in an event loop: its tasks end, and so does the run."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs.assets.interrupts import run_async
from ttapi_pipeline.defs.operations.interrupts import despite_interrupts
from ttapi_pipeline_tests.support.worlds import World


@pytest.fixture
def handlers() -> Iterator[dict[int, Any]]:
    """Handlers like Dagster's, which raise wherever the process is; the ones before come back."""

    def raising(_: int, __: object) -> None:
        raise dg.DagsterExecutionInterruptedError

    before = {number: signal.signal(number, raising) for number in (signal.SIGINT, signal.SIGTERM)}
    yield {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_any_task_ends_all_of_them(handlers: dict[int, Any], number: signal.Signals) -> None:
    ended: list[str] = []

    async def wait(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def interrupt() -> None:
        signal.raise_signal(number)

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wait("first"))
            tasks.create_task(wait("second"))
            await asyncio.sleep(0)
            tasks.create_task(interrupt())
            tasks.create_task(wait("third"))

    with pytest.raises(dg.DagsterExecutionInterruptedError):
        run_async(work())
    assert sorted(ended) == ["first", "second", "third"]
    assert {number: signal.getsignal(number) for number in handlers} == handlers


def test_without_a_signal_the_result_comes_and_the_handlers_are_as_they_were(handlers: dict[int, Any]) -> None:
    async def work() -> int:
        return 4711

    assert run_async(work()) == 4711
    assert {number: signal.getsignal(number) for number in handlers} == handlers


def test_a_thread_that_gets_no_signals_runs_its_work_all_the_same() -> None:
    results: list[int] = []

    async def work() -> int:
        return 4711

    thread = threading.Thread(target=lambda: results.append(run_async(work())))
    thread.start()
    thread.join(10)
    assert results == [4711]


def test_an_interrupted_run_ends_and_begins_no_further_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    async def interrupted(*_: object, **__: object) -> None:
        calls.append("universe")
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        await asyncio.Event().wait()

    async def never(*_: object, **__: object) -> None:
        calls.append("later")

    for name in DATASETS:
        monkeypatch.setattr(f"ttapi_pipeline.datasets.{name}.build.build", interrupted if name == "universe" else never)
    before = world.files()
    result = world.run("universe", "symbols", force=True)
    assert calls == ["universe"]
    assert not result.success
    assert [event.step_key for event in result.all_events if event.is_step_up_for_retry] == []
    assert world.files() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_signals_must_not_end_is_done_to_its_end_and_they_count_after_it(
    handlers: dict[int, Any], number: signal.Signals
) -> None:
    done: list[str] = []

    def leave() -> None:
        os.kill(os.getpid(), number)
        done.append("begun")
        os.kill(os.getpid(), number)
        done.append("ended")

    with pytest.raises(dg.DagsterExecutionInterruptedError):
        despite_interrupts(leave)
    assert done == ["begun", "ended"]
    assert {each: signal.getsignal(each) for each in handlers} == handlers


def test_what_a_signal_has_ended_before_it_was_noted_is_begun_anew(handlers: dict[int, Any]) -> None:
    done: list[str] = []

    def leave() -> None:
        done.append("begun")
        if len(done) == 1:
            handlers[signal.SIGTERM](signal.SIGTERM, None)

    with pytest.raises(dg.DagsterExecutionInterruptedError):
        despite_interrupts(leave)
    assert done == ["begun", "begun"]


def test_without_a_signal_nothing_is_raised(handlers: dict[int, Any]) -> None:
    done: list[str] = []
    despite_interrupts(lambda: done.append("begun"))
    assert done == ["begun"]
    assert {each: signal.getsignal(each) for each in handlers} == handlers
