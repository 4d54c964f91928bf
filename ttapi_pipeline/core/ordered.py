# SPDX-License-Identifier: MIT
"""Work in threads whose results are wanted in order, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(function: Callable[[T], R], items: Iterable[T], *, workers: int) -> Iterator[R]:
    """What `map` gives, made by threads; while one result is used, at most `workers` others are made or wait.

    For functions that release the interpreter lock, such as Polars' queries. What a call raises comes where its result
    would; calls that have begun are waited for, also when the iterator is closed early.
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
