# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The lines of the live grid: what they say, in which order, in which colours."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from ttapi_pipeline.terminal.quote_grid import Order, QuoteGrid

NOON = 1_795_194_000.0
"""2026-11-20 17:00:00 UTC."""
NAMES = (
    *("bid_price", "ask_price", "bid_size", "ask_size", "last_price", "last_size"),
    *("day_volume", "day_open", "day_high", "day_low", "previous_close"),
)
STYLE = re.compile(r"\x1b\[([0-9;]*)m")


class Board:
    """Columns that a test fills."""

    def __init__(self, count: int) -> None:
        for name in NAMES:
            setattr(self, name, np.full(count, np.nan))
        self.received_at = np.zeros(count, dtype=np.int64)

    def set(self, position: int, **values: float) -> None:
        for name, value in values.items():
            getattr(self, name)[position] = value
        self.received_at[position] = int(NOON * 1e6) - 1_500_000


def grid(*symbols: str, is_coloured: bool = False) -> tuple[QuoteGrid, Board]:
    shown = QuoteGrid(symbols, title="production x", is_simulated=False, is_coloured=is_coloured)
    return shown, Board(len(symbols))


def lines(shown: QuoteGrid, board: Board, *, width: int = 80, height: int = 10, at: float = NOON) -> list[str]:
    return shown.lines(board, ["live", "12 ev/s", "lag 3 ms"], width=width, height=height, at=at)  # type: ignore[arg-type]


class TestGrid:
    def test_a_row_says_what_is_known_of_a_symbol(self) -> None:
        shown, board = grid("AAPL", "BRK/B")
        board.set(0, last_price=251.57, previous_close=250.0, bid_price=251.5, ask_price=251.6, day_volume=35348839)
        board.set(0, bid_size=200, ask_size=12_345)
        head, titles, aapl, brkb, *rest, status = lines(shown, board)
        assert head == "17:00:00 UTC  page 1/1 by symbol  production x"
        assert titles.split() == ["symbol", "last", "chg", "%", "bid", "ask", "volume", "bid", "sz", "ask", "sz", "age"]
        assert aapl.split() == ["AAPL", "251.57", "+0.63", "251.50", "251.60", "35.3M", "200", "12.3k", "1s"]
        assert brkb.split() == ["BRK/B", *"--------"]
        assert set(rest) == {""}
        assert status == "live  12 ev/s  lag 3 ms"

    @pytest.mark.parametrize("width", [20, 40, 73, 74, 80, 137, 138, 200])
    def test_it_fits_any_terminal_and_shows_more_on_a_wide_one(self, width: int) -> None:
        shown, board = grid(*(f"S{number:03}" for number in range(50)))
        for position in range(50):
            board.set(position, **dict.fromkeys(NAMES, 987654.321))
        drawn = lines(shown, board, width=width, height=24)
        assert len(drawn) == 24
        assert max(map(len, drawn)) <= width
        assert ("spread" in drawn[1]) is (width >= 138)
        assert ("age" in drawn[1]) is (width >= 74)
        # Each row has its columns where the titles are.
        assert len({len(line) for line in drawn[1:22]}) == 1

    def test_a_change_is_coloured_and_fades(self) -> None:
        shown, board = grid("A", is_coloured=True)

        def styles(at: float) -> Sequence[str]:
            return STYLE.findall(lines(shown, board, at=at)[2])

        board.set(0, last_price=10.0, bid_price=9.0, ask_price=11.0)
        assert styles(NOON) == []
        board.set(0, last_price=10.5, ask_price=10.9)
        assert styles(NOON + 1.0) == ["1;32", "0", "1;31", "0"]
        assert styles(NOON + 1.5) == ["32", "0", "31", "0"]
        assert styles(NOON + 3.0) == ["2;32", "0", "2;31", "0"]
        assert styles(NOON + 4.0) == []

    def test_the_change_of_the_day_has_the_colour_of_its_sign(self) -> None:
        shown, board = grid("A", "B", is_coloured=True)
        board.set(0, last_price=10.0, previous_close=9.0)
        board.set(1, last_price=8.0, previous_close=9.0)
        up, down = lines(shown, board)[2:4]
        assert (STYLE.findall(up), STYLE.findall(down)) == (["32", "0"], ["31", "0"])

    def test_without_colours_there_is_no_escape_sequence(self) -> None:
        shown, board = grid("A", "B")
        board.set(0, last_price=10.0, previous_close=9.0)
        lines(shown, board)
        board.set(0, last_price=11.0)
        assert "\x1b" not in "".join(lines(shown, board, at=NOON + 1))

    def test_what_does_not_fit_is_on_other_pages(self) -> None:
        symbols = [f"S{number:02}" for number in range(10)]
        shown, board = grid(*reversed(symbols))
        seen = []
        assert shown.pages(7) == 3
        for page in range(4):
            drawn = lines(shown, board, height=7)
            assert f"page {page % 3 + 1}/3" in drawn[0]
            seen += [line.split()[0] for line in drawn[2:-1] if line]
            shown.turn(1, height=7)
        assert seen == [*symbols, *symbols[:4]]
        shown.turn(-2, height=7)
        assert shown.page == 2
        # On a larger terminal there are fewer pages.
        assert "page 1/1" in lines(shown, board, height=30)[0]

    def test_rows_can_be_sorted_by_what_moves(self) -> None:
        shown, board = grid("A", "B", "C", "D")
        for position, (last, volume) in enumerate([(10.1, 5.0), (8.0, 7.0), (10.5, 9.0)]):
            board.set(position, last_price=last, previous_close=10.0, day_volume=volume)
        board.received_at[:] = [3, 2, 1, 0]

        def order(at: float) -> str:
            return "".join(line[0] for line in lines(shown, board, at=at)[2:6])

        assert order(NOON) == "ABCD"
        expected = {Order.CHANGE: "BCAD", Order.VOLUME: "CBAD", Order.RECENT: "ABCD", Order.SYMBOL: "ABCD"}
        for number, (by, rows) in enumerate(expected.items()):
            shown.next_order()
            assert (shown.order, order(NOON + number)) == (by, rows)
        shown.next_order()
        assert order(NOON + 10) == "BCAD"
        board.set(3, last_price=30.0, previous_close=10.0)
        assert order(NOON + 11) == "BCAD", "rows stay for two seconds, so that one can read them"
        assert order(NOON + 12) == "DBCA"

    def test_simulated_quotes_are_said_to_be_simulated(self) -> None:
        shown = QuoteGrid(["A"], title="simulator seed 7", is_simulated=True, is_coloured=False)
        assert lines(shown, Board(1))[0].startswith("SIMULATED DATA  17:00:00 UTC")
        assert lines(shown, Board(1), width=20)[0].startswith("SIMULATED DATA")

    def test_a_frame_costs_the_rows_that_are_shown(self) -> None:
        symbols = [f"S{number}" for number in range(8_000)]
        shown, board = grid(*symbols)
        formatted: list[str] = []

        class Counting(Board):
            def __getattribute__(self, name: str) -> object:
                formatted.append(name)
                return super().__getattribute__(name)

        counting = Counting(0)
        vars(counting).update(vars(board))
        lines(shown, counting, height=40, width=200)
        assert len(formatted) < 40 * 30
