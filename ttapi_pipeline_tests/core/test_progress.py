# SPDX-License-Identifier: MIT
"""The progress board, and which one a piece of work writes to."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from ttapi_pipeline.core.progress import Phase, Progress, ProgressBoard, current_board, watched


def test_the_board_shows_the_phase_and_the_count_of_each_dataset() -> None:
    board = ProgressBoard()
    board.set_phase("universe", Phase.HIT, "3h old")
    board.set_phase("symbols", Phase.RUNNING)
    board.count("symbols", "market metrics", 2, 11)
    assert board.snapshot() == {
        "universe": Progress(Phase.HIT, note="3h old"),
        "symbols": Progress(Phase.RUNNING, step="market metrics", done=2, total=11),
    }


def test_a_new_phase_counts_from_the_beginning() -> None:
    board = ProgressBoard()
    board.count("symbols", "market metrics", 2, 11)
    board.set_phase("symbols", Phase.FAILED, "HTTP 503")
    assert board.snapshot()["symbols"] == Progress(Phase.FAILED, note="HTTP 503")


def test_a_snapshot_is_not_changed_by_what_comes_after() -> None:
    board = ProgressBoard()
    before = board.snapshot()
    board.set_phase("symbols", Phase.RUNNING)
    assert before == {}


def test_work_reports_to_the_board_that_watches_it() -> None:
    board = ProgressBoard()
    with watched(board) as same:
        assert same is board
        assert current_board() is board
    assert current_board() is not board


async def test_tasks_and_threads_inherit_the_board() -> None:
    def work(dataset: str) -> None:
        current_board().count(dataset, "step", 1, 2)

    board = ProgressBoard()
    with watched(board):
        async with asyncio.TaskGroup() as tasks:
            for name in ("a", "b"):
                tasks.create_task(asyncio.to_thread(work, name))
    assert set(board.snapshot()) == {"a", "b"}


def test_threads_may_write_at_the_same_time() -> None:
    board = ProgressBoard()
    with ThreadPoolExecutor(4) as pool:
        for n in range(200):
            pool.submit(board.count, f"d{n % 8}", "step", n, 200)
    assert len(board.snapshot()) == 8
