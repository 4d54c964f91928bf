# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The progress board, and which one a piece of work writes to."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from ttapi_pipeline.core.progress import Phase, Progress, ProgressBoard, current_board, watched
from ttapi_pipeline.core.traffic import Traffic


def test_the_board_shows_the_phase_and_the_count_of_each_dataset() -> None:
    board = ProgressBoard(monotonic=lambda: 5.0)
    board.set_phase("universe", Phase.HIT, "3h old")
    board.set_phase("symbols", Phase.RUNNING)
    board.count("symbols", "market metrics", 2, 11)
    assert board.snapshot() == {
        "universe": Progress(Phase.HIT, note="3h old"),
        "symbols": Progress(
            Phase.RUNNING, step="market metrics", done=2, total=11, began_at=5.0, began_with=2, counted_at=5.0
        ),
    }


def test_the_pace_of_a_step_counts_from_its_first_count_and_falls_while_nothing_comes() -> None:
    moments = iter([10.0, 12.0, 20.0])
    board = ProgressBoard(monotonic=lambda: next(moments))
    board.count("candles", "symbols", 100, 500)
    first = board.snapshot()["candles"]
    assert (first.per_second(11.0), first.seconds_left(11.0)) == (None, None)
    board.count("candles", "symbols", 200, 500)
    # 100 in 2 s; standing still for 2 s more, 100 in 4 s.
    second = board.snapshot()["candles"]
    assert (second.per_second(12.0), second.seconds_left(12.0)) == (50.0, 6.0)
    assert (second.per_second(14.0), second.seconds_left(14.0)) == (25.0, 12.0)
    # Another step begins anew.
    board.count("candles", "writing", 1, 2)
    assert board.snapshot()["candles"].per_second(21.0) is None


def test_a_listener_hears_every_count_while_it_listens() -> None:
    heard = list[tuple[str, int]]()
    board = ProgressBoard()
    with board.listening(lambda name, work: heard.append((name, work.done))):
        board.count("symbols", "pages", 1, 2)
        board.count("symbols", "pages", 2, 2)
    board.count("symbols", "pages", 3, 2)
    assert heard == [("symbols", 1), ("symbols", 2)]


def test_the_traffic_is_asked_for_when_it_is_wanted() -> None:
    board = ProgressBoard()
    assert board.traffic() is None
    counts = iter([1, 2])
    board.follow_traffic(lambda: Traffic(requests=next(counts)))
    assert [board.traffic(), board.traffic()] == [Traffic(requests=1), Traffic(requests=2)]


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
