# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ttapi_pipeline.core.ordered import map_in_order


def test_results_come_in_the_order_of_the_items_whichever_is_done_first() -> None:
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(10)
        second_is_done.set()
        return item * item

    assert list(map_in_order(work, range(5), workers=2)) == [0, 1, 4, 9, 16]


def test_few_items_are_taken_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = map_in_order(lambda item: item, items(), workers=2)
    assert next(results) == 0
    assert taken == [0, 1, 2]
    results.close()  # type: ignore[attr-defined] # it is a generator
    assert taken == [0, 1, 2]


def test_an_error_comes_where_the_result_would() -> None:
    def work(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        return item

    results = map_in_order(work, range(3), workers=2)
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)
