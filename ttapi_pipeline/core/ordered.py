# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Calling a function in threads and taking the results in order, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(function: Callable[[T], R], items: Iterable[T], *, workers: int) -> Iterator[R]:
    """Call a function on each item in threads, and give the results in the order of the items.

    While the caller uses one result, at most `workers` others are being made or are ready. Threads help functions that
    release the interpreter lock, such as Polars' queries. An exception of a call is raised where its result would come.
    Calls that have begun are waited for, also when the iterator is closed early.
    """
    with ThreadPoolExecutor(max_workers=workers) as executor:
        running: deque[Future[R]] = deque()
        try:
            for item in items:
                running.append(executor.submit(function, item))
                if len(running) > workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
