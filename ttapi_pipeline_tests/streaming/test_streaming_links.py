# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The replacing of lost links: how often, after which delays, and when no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from ttapi_pipeline.core.errors import ApiError, AuthError, ConfigError, HttpError, StreamClosedError, StreamError
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.connection import DxLinkConnection
from ttapi_pipeline.streaming.links import Links

NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)


class SleepCounter:
    """A clock that never waits, and says for how long it should have."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return sum(self.sleeps)

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)


@dataclass
class Job:
    """Work of `steps` steps. Each entry of the script is one link: its failure, or the number of steps that it does.

    An exception in `openings` is raised instead of opening the link of that number.
    """

    script: list[int | Exception]
    steps: int = 1
    openings: dict[int, Exception] = field(default_factory=dict)
    clock: SleepCounter = field(default_factory=SleepCounter)
    events: list[str] = field(default_factory=list)
    opened: int = 0
    open_links: int = 0
    done: int = 0
    done_at_loss: int = 0
    name: str = "job"

    @property
    def is_done(self) -> bool:
        return self.done >= self.steps

    @property
    def has_advanced(self) -> bool:
        return self.done > self.done_at_loss

    def note_loss(self, error: ApiError | StreamError) -> None:
        self.done_at_loss = self.done
        self.events.append(str(error))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[DxLinkConnection]:
        self.opened += 1
        if (failure := self.openings.get(self.opened)) is not None:
            raise failure
        self.open_links += 1
        try:
            yield cast("DxLinkConnection", self)
        finally:
            self.open_links -= 1

    def links(self, max_failures: int | None = None, *, resumes_at_once: bool = False) -> Links:
        backoff = Backoff(first_seconds=2.0, most_seconds=16.0, uniform=lambda: 1.0)
        return Links(
            self.open,
            self,
            backoff=backoff,
            clock=self.clock,
            max_failures=max_failures,
            resumes_at_once=resumes_at_once,
        )

    async def run(self, links: Links) -> None:
        async for link in links:
            async with link:
                assert self.open_links == 1
                outcome = self.script.pop(0)
                if isinstance(outcome, Exception):
                    raise outcome
                self.done += outcome
                if not self.is_done:
                    raise StreamClosedError("half done")


async def test_a_link_that_is_left_without_an_error_is_the_last() -> None:
    job = Job([1])
    await job.run(job.links())
    assert (job.opened, job.open_links, job.clock.sleeps) == (1, 0, [])


async def test_work_that_is_done_opens_no_link() -> None:
    job = Job([], steps=0)
    await job.run(job.links())
    assert job.opened == 0


async def test_a_lost_link_is_closed_and_replaced_after_growing_delays() -> None:
    job = Job([StreamClosedError("first"), StreamClosedError("second"), 1])
    links = job.links()
    await job.run(links)
    assert job.events == ["first", "second"]
    assert (job.opened, job.open_links, links.failures) == (3, 0, 2)
    # Twice the delay after each further failure, from 2 s on.
    assert job.clock.sleeps == [2.0, 4.0]


async def test_a_link_that_does_not_open_is_a_lost_one() -> None:
    job = Job([1], openings={1: HttpError(404, "Not Found"), 2: StreamClosedError("refused")})
    links = job.links()
    await job.run(links)
    assert links.has_opened
    assert job.events == ["request: HTTP 404, Not Found", "refused"]


async def test_after_an_advance_failures_are_counted_anew() -> None:
    job = Job([StreamClosedError("a"), 1, StreamClosedError("b"), 1], steps=2)
    links = job.links(max_failures=3)
    await job.run(links)
    assert job.events == ["a", "half done", "b"]
    assert job.clock.sleeps == [2.0, 2.0, 4.0]


async def test_a_link_that_did_its_work_may_be_replaced_at_once_and_a_failed_one_never_is() -> None:
    job = Job([1, StreamClosedError("a"), 1, 1], steps=3)
    await job.run(job.links(resumes_at_once=True))
    assert job.events == ["half done", "a", "half done"]
    assert job.clock.sleeps == [0.0, 4.0, 0.0]


async def test_an_error_after_the_work_is_done_is_the_end() -> None:
    job = Job([])
    async for link in job.links(max_failures=1):
        async with link:
            job.done = 1
            raise StreamClosedError("while closing")
    assert (job.opened, job.events) == (1, [])


@pytest.mark.parametrize("make", [lambda: StreamClosedError("gone"), lambda: HttpError(502, "Bad Gateway")])
async def test_so_many_failures_in_a_row_end_it_with_the_last_one(make: Callable[[], Exception]) -> None:
    failures = [make() for _ in range(3)]
    job = Job(list(failures))
    with pytest.raises(type(failures[2])) as caught:
        await job.run(job.links(max_failures=3))
    assert caught.value is failures[2]
    assert len(job.events) == 2


async def test_what_no_repetition_mends_ends_a_bounded_series_at_once() -> None:
    job = Job([], openings={1: HttpError(404, "Not Found")})
    links = job.links(max_failures=3)
    with pytest.raises(HttpError):
        await job.run(links)
    assert not links.has_opened
    assert job.clock.sleeps == []


async def test_only_credentials_that_are_refused_for_good_end_an_unbounded_series() -> None:
    later = AuthError("later", retry_at=NOON + timedelta(seconds=30))
    job = Job([*(HttpError(404, "Not Found") for _ in range(9)), later, AuthError("for good")])
    with pytest.raises(AuthError, match="for good"):
        await job.run(job.links())
    assert job.opened == 11
    # 2 + 4 + 8 + 16 six times, by which the 30 s are over.
    assert job.clock.sleeps == [2.0, 4.0, 8.0, *[16.0] * 7]


async def test_credentials_that_may_be_tried_again_at_a_time_are_tried_then() -> None:
    job = Job([AuthError("later", retry_at=NOON + timedelta(seconds=30)), 1])
    await job.run(job.links())
    assert job.clock.sleeps == [30.0]


@pytest.mark.parametrize("place", ["opening", "block"])
async def test_any_other_exception_passes_and_closes_the_link(place: str) -> None:
    error = ConfigError("no such server")
    job = Job([error], openings={1: error} if place == "opening" else {})
    with pytest.raises(ConfigError):
        await job.run(job.links())
    assert (job.open_links, job.events) == (0, [])
