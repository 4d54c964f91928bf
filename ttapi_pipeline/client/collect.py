# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Many requests, one collection: workers, batches, progress, and when to stop early.

The requests themselves are in `client`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from ttapi_pipeline.client.oauth import AccessRefusedError
from ttapi_pipeline.core.collection import Collection, ProgressCallback
from ttapi_pipeline.core.errors import ApiError, AuthError, CircuitOpenError, HttpError

T = TypeVar("T")

REFUSALS_UNTIL_STOPPED: Final = 3

# The statuses with which a server refuses a batch because of one of its symbols, or the length of the URL.
_BATCH_REFUSED: Final = frozenset({400, 404, 413, 414, 422})


@dataclass(slots=True)
class Fetched(Generic[T]):
    """The rows and reasons that one request brought; its fields are those of a `Collection`."""

    rows: list[T] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)

    def add(self, other: Fetched[T]) -> None:
        """Take over the rows and reasons of another request."""
        self.rows.extend(other.rows)
        self.missing.update(other.missing)
        self.empty.update(other.empty)
        self.rejected.extend(other.rejected)
        self.lost.update(other.lost)


Fetch = Callable[[Sequence[str]], Awaitable[Fetched[T]]]


def batches_of(subjects: Sequence[str], size: int) -> Sequence[Sequence[str]]:
    """The subjects in their order, in batches of at most `size`."""
    return [subjects[start : start + size] for start in range(0, len(subjects), size)]


def unique(subjects: Iterable[str]) -> Sequence[str]:
    """The subjects in their order, each once.

    Raises:
        TypeError: One text was given instead of a list: ``"ACMR"`` is not the symbols A, C, M and R.
    """
    if isinstance(subjects, str):
        raise TypeError(f"{subjects!r} is a text and not a list of symbols; write [{subjects!r}]")
    return list(dict.fromkeys(subjects))


async def collect(
    batches: Sequence[Sequence[str]], fetch: Fetch[T], *, workers: int, progress: ProgressCallback
) -> Collection[T]:
    """Fetch all batches with a number of workers.

    A batch that fails is missing, with its error as the reason. Once a breaker is open, the batches that have not been
    sent yet are missing for that reason. No task outlives the call, however it ends.

    Args:
        batches: Subjects per request; no subject twice.
        fetch: Fetches one batch.
        workers: The most batches in flight.
        progress: Told after every batch how many subjects are done.

    Raises:
        AuthError: The credentials were refused, or new access tokens several times in a row: no subject can come.
    """
    total = sum(len(batch) for batch in batches)
    whole: Fetched[T] = Fetched()
    waiting = iter(batches)
    done = 0
    refusals = 0
    stopped_by: CircuitOpenError | AuthError | None = None

    async def work() -> None:
        nonlocal done, refusals, stopped_by
        for batch in waiting:
            error: ApiError | None = stopped_by
            if error is None:
                try:
                    whole.add(await fetch(batch))
                    refusals = 0
                except AccessRefusedError as refusal:
                    error = refusal
                    refusals += 1
                    if refusals >= REFUSALS_UNTIL_STOPPED:
                        stopped_by = refusal
                except (CircuitOpenError, AuthError) as refusal:
                    stopped_by = error = refusal
                except ApiError as failure:
                    error = failure
            if error is not None:
                whole.missing.update(dict.fromkeys(batch, str(error)))
            done += len(batch)
            progress(done, total)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(workers, len(batches))):
            group.create_task(work())
    if isinstance(stopped_by, AuthError):
        raise stopped_by
    return Collection(
        rows=whole.rows,
        missing=whole.missing,
        empty=frozenset(whole.empty),
        requested=total,
        rejected=whole.rejected,
        lost=dict(whole.lost),
    )


def splitting(fetch: Fetch[T]) -> Fetch[T]:
    """A fetch that halves a refused batch again and again, until the subject that the server refuses stands alone."""

    async def fetch_or_split(batch: Sequence[str]) -> Fetched[T]:
        try:
            return await fetch(batch)
        except HttpError as error:
            if error.status not in _BATCH_REFUSED:
                raise
            if len(batch) == 1:
                return Fetched(missing={batch[0]: str(error)})
        both: Fetched[T] = Fetched()
        for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
            try:
                both.add(await fetch_or_split(half))
            except (CircuitOpenError, AuthError):
                raise
            except ApiError as error:
                both.missing.update(dict.fromkeys(half, str(error)))
        return both

    return fetch_or_split
