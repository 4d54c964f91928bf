# SPDX-License-Identifier: MIT
"""What the live grid says, and that it is where it should be on the terminal."""

from __future__ import annotations

import io
import os
import pty
import re
import termios
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.terminal.screen import Screen, showing, terminal_size
from ttapi_pipeline.terminal.stream_grid import Order, QuoteGrid, price, quantity, seconds, signed

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


@dataclass
class Emulator:
    """A terminal that knows the sequences which `Screen` uses; what it shows is `rows`."""

    width: int
    height: int
    cells: list[list[str]] = field(default_factory=list)
    written: int = 0
    _row: int = 0
    _column: int = 0

    def __post_init__(self) -> None:
        self.cells = [[" "] * self.width for _ in range(self.height)]

    @property
    def rows(self) -> list[str]:
        return ["".join(cells).rstrip() for cells in self.cells]

    def flush(self) -> None:
        pass

    def write(self, text: str) -> None:
        self.written += len(text)
        for sequence, plain in re.findall(r"(\x1b\[\??[0-9;]*[A-Za-z])|([^\x1b]+)", text):
            for letter in plain:
                # Without line breaks of its own, the cursor stays on the last cell.
                self.cells[self._row][self._column] = letter
                self._column = min(self._column + 1, self.width - 1)
            match sequence[-1:], sequence[2:-1]:
                case "H", place:
                    self._row, self._column = int(place.split(";")[0]) - 1, 0
                case "K", "":
                    self._erase(self._row, self._column)
                case "J", how:
                    first = 0 if how == "2" else self._row
                    for row in range(first, self.height):
                        self._erase(row, 0)
                case _:
                    pass

    def _erase(self, row: int, column: int) -> None:
        self.cells[row][column:] = [" "] * (self.width - column)


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


class TestFigures:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (price(251.5), "251.50"),
            (price(0.12344), "0.1234"),
            (price(float("nan")), "-"),
            (signed(-0.004), "-0.00"),
            (signed(float("nan")), "-"),
            (quantity(950), "950"),
            (quantity(9_999), "9999"),
            (quantity(12_345), "12.3k"),
            (quantity(456_789), "457k"),
            (quantity(4_560_000), "4.56M"),
            (quantity(35_348_839), "35.3M"),
            (quantity(1.2e9), "1.20B"),
            (quantity(float("nan")), "-"),
            (seconds(0.94), "0s"),
            (seconds(-3), "0s"),
            (seconds(12.3), "12s"),
            (seconds(420), "7m"),
            (seconds(10_800), "3h"),
            (seconds(600_000), "6d"),
        ],
    )
    def test_figures_are_short(self, text: str, expected: str) -> None:
        assert text == expected


FRAMES = st.lists(
    st.tuples(
        st.sampled_from([(30, 5), (30, 7), (24, 6)]),
        st.lists(st.text("ab1 ", max_size=24) | st.just("x" * 30), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=12,
)


class TestScreen:
    @settings(max_examples=60, deadline=None)
    @given(frames=FRAMES)
    def test_after_any_frames_the_terminal_shows_the_last_one(
        self, frames: list[tuple[tuple[int, int], list[str]]]
    ) -> None:
        terminal = Emulator(30, 7)
        screen = Screen(terminal)
        screen.enter()
        for size, frame in frames:
            screen.draw(frame, size)
            assert terminal.rows == [line.rstrip() for line in frame] + [""] * (7 - len(frame))

    def test_only_lines_that_have_changed_are_written(self) -> None:
        terminal = Emulator(20, 4)
        screen = Screen(terminal)
        assert screen.draw(["a", "b", "c"], (20, 4)) == 3
        before = terminal.written
        assert screen.draw(["a", "b", "c"], (20, 4)) == 0
        assert terminal.written == before
        assert screen.draw(["a", "B", "c"], (20, 4)) == 1
        assert screen.draw(["a", "B", "c"], (21, 4)) == 3, "a new size draws everything"
        screen.forget()
        assert screen.draw(["a", "B", "c"], (21, 4)) == 3

    def test_it_is_drawn_in_place_follows_the_size_hears_keys_and_gives_the_terminal_back(self) -> None:
        leader, follower = pty.openpty()
        termios.tcsetwinsize(follower, (10, 40))
        before = termios.tcgetattr(follower)
        sizes: list[tuple[int, int]] = []
        keys: list[bytes] = []
        resized, typed = threading.Event(), threading.Event()

        def frame(width: int, height: int) -> Sequence[str]:
            sizes.append((width, height))
            if (width, height) == (60, 20):
                resized.set()
            return [f"{width} x {height}"]

        def hear(key: bytes) -> None:
            keys.append(key)
            typed.set()

        output = io.StringIO()
        with showing(frame, hear, output, output=follower, keys=follower, frame_seconds=0.01):
            os.write(leader, b"n")
            assert typed.wait(20)
            termios.tcsetwinsize(follower, (20, 60))
            assert resized.wait(20)
        assert keys == [b"n"]
        assert sizes[0] == (40, 10)
        assert termios.tcgetattr(follower) == before
        assert "screen" not in {thread.name for thread in threading.enumerate()}
        text = output.getvalue()
        assert text.startswith("\x1b[?1049h\x1b[?25l")
        assert text.endswith("\x1b[?25h\x1b[?1049l")
        assert text.count("40 x 10") == 1
        assert text.count("60 x 20") == 1
        os.close(follower)
        os.close(leader)

    def test_a_terminal_that_is_gone_disturbs_nobody(self) -> None:
        class Gone(io.StringIO):
            def write(self, text: str, /) -> int:
                raise OSError(5, "Input/output error")

        leader, follower = pty.openpty()
        with showing(lambda *_: ["x"], lambda _: None, Gone(), output=follower, frame_seconds=0.01):
            deadline = time.monotonic() + 20
            while "screen" in {thread.name for thread in threading.enumerate()} and time.monotonic() < deadline:
                time.sleep(0.005)
        os.close(follower)
        os.close(leader)

    def test_a_terminal_without_a_size_is_taken_for_a_small_one(self) -> None:
        leader, follower = pty.openpty()
        termios.tcsetwinsize(follower, (0, 0))
        assert terminal_size(follower) == (20, 4)
        os.close(follower)
        os.close(leader)
