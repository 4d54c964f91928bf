# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The live grid of `tt stream`: quotes as lines of text, one row per symbol.

Whatever the number of symbols, a frame costs a comparison of three columns and the formatting of the rows that fit.
Drawing the lines on the terminal: see `screen`. The running service behind them: see `live_quotes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ttapi_pipeline.terminal.figures import fitted, price, quantity, seconds, signed

Floats = NDArray[np.float64]

_FADES: Final = ((0.4, "1;"), (1.2, ""), (2.5, "2;"))
"""How long a change is shown, in seconds: bright, plain, dim."""

_UP, _DOWN, _HEAD, _WARNING, _QUIET = "32", "31", "1", "1;33", "2"
_WATCHED: Final = ("last_price", "bid_price", "ask_price")
_SORT_SECONDS: Final = 2.0
"""From one change of the order of the rows to the next: rows that move faster cannot be read."""

_LINES_AROUND: Final = 3
"""Lines that are not rows: the head, the titles and the status."""


class Columns(Protocol):
    """Latest values by the position of the symbol, as `streaming.quote_board` keeps them.

    NaN where there is no value; `received_at` is microseconds since the epoch, 0 before the first event.
    """

    @property
    def bid_price(self) -> Floats: ...
    @property
    def ask_price(self) -> Floats: ...
    @property
    def bid_size(self) -> Floats: ...
    @property
    def ask_size(self) -> Floats: ...
    @property
    def last_price(self) -> Floats: ...
    @property
    def last_size(self) -> Floats: ...
    @property
    def day_volume(self) -> Floats: ...
    @property
    def day_open(self) -> Floats: ...
    @property
    def day_high(self) -> Floats: ...
    @property
    def day_low(self) -> Floats: ...
    @property
    def previous_close(self) -> Floats: ...
    @property
    def received_at(self) -> NDArray[np.int64]: ...


class Order(StrEnum):
    """What the rows are sorted by."""

    SYMBOL = "symbol"
    CHANGE = "change"
    VOLUME = "volume"
    RECENT = "recent"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the grid.

    Attributes:
        title: Its head.
        width: Cells, without the space before it.
        cell: Makes the text of a row's cell.
        moves: The column of the board whose changes colour the cell; None for no such colour.
        is_signed: Whether the sign of the day's change colours the cell.
    """

    title: str
    width: int
    cell: Callable[[_Row], str]
    moves: str | None = None
    is_signed: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    """The values of one symbol; NaN where a number is not known."""

    board: Columns
    position: int
    at_us: int

    def number(self, name: str) -> float:
        return float(getattr(self.board, name)[self.position])

    @property
    def change(self) -> float:
        return self.number("last_price") - self.number("previous_close")

    @property
    def change_share(self) -> float:
        previous = self.number("previous_close")
        return self.change / previous if previous else float("nan")

    @property
    def age(self) -> float:
        received = int(self.board.received_at[self.position])
        return (self.at_us - received) / 1e6 if received else float("nan")


def _price_column(title: str, name: str, *, is_watched: bool = False) -> _Column:
    return _Column(title, 9, lambda row: price(row.number(name)), moves=name if is_watched else None)


_SYMBOL_CELLS: Final = 8
# Shown from the left on, as many as fit. A terminal of 80 columns has room up to the age.
_COLUMNS: Final = (
    _price_column("last", "last_price", is_watched=True),
    _Column("chg %", 7, lambda row: signed(100 * row.change_share), is_signed=True),
    _price_column("bid", "bid_price", is_watched=True),
    _price_column("ask", "ask_price", is_watched=True),
    _Column("volume", 7, lambda row: quantity(row.number("day_volume"))),
    _Column("bid sz", 6, lambda row: quantity(row.number("bid_size"))),
    _Column("ask sz", 6, lambda row: quantity(row.number("ask_size"))),
    _Column("age", 5, lambda row: seconds(row.age)),
    _Column("chg", 8, lambda row: signed(row.change), is_signed=True),
    _price_column("prev", "previous_close"),
    _price_column("open", "day_open"),
    _price_column("high", "day_high"),
    _price_column("low", "day_low"),
    _Column("size", 6, lambda row: quantity(row.number("last_size"))),
    _Column("spread", 7, lambda row: price(row.number("ask_price") - row.number("bid_price"))),
)


class QuoteGrid:
    """The grid of a list of symbols. Remembers the page, the order of the rows, and when each price last changed.

    Args:
        symbols: By position on the board.
        title: Where the quotes come from.
        is_simulated: Whether the quotes are invented; the grid says so then.
        is_coloured: Whether the lines may have colours, as escape sequences.
    """

    def __init__(self, symbols: Sequence[str], *, title: str, is_simulated: bool, is_coloured: bool = True) -> None:
        self.page = 0
        self.order = Order.SYMBOL
        self._symbols = list(symbols)
        self._title = title
        self._is_simulated = is_simulated
        self._is_coloured = is_coloured
        count = len(self._symbols)
        self._shown = {name: np.full(count, np.nan) for name in _WATCHED}
        self._moved_at = {name: np.full(count, -np.inf) for name in _WATCHED}
        self._is_up = {name: np.zeros(count, dtype=np.bool_) for name in _WATCHED}
        self._by_symbol = np.array(sorted(range(count), key=self._symbols.__getitem__), dtype=np.intp)
        self._sorted = self._by_symbol
        self._sorted_at = -np.inf

    def pages(self, height: int) -> int:
        """The number of pages on a terminal of `height` lines."""
        return max(1, -(-len(self._symbols) // _rows(height)))

    def turn(self, pages: int, *, height: int) -> None:
        """Show another page; after the last comes the first."""
        self.page = (self.page + pages) % self.pages(height)

    def next_order(self) -> None:
        """Sort by something else, and show the first page."""
        orders = list(Order)
        self.order = orders[(orders.index(self.order) + 1) % len(orders)]
        self.page, self._sorted_at = 0, -np.inf

    def lines(self, board: Columns, status: Sequence[str], *, width: int, height: int, at: float) -> list[str]:
        """The lines of a frame, as many as fit, none wider than the terminal.

        Args:
            board: The latest values.
            status: Words for the last line, the most important first; words that do not fit are left out.
            width, height: Of the terminal.
            at: Epoch seconds; from frame to frame it does not go back.
        """
        self._note_changes(board, at)
        self._sort(board, at)
        rows = _rows(height)
        self.page = min(self.page, self.pages(height) - 1)
        shown = self._sorted[self.page * rows : (self.page + 1) * rows]
        columns = _fitting(width)
        at_us = int(at * 1e6)
        lines = [
            self._head(width, height, at),
            self._styled(_joined("symbol", [column.title for column in columns], columns)[:width], _QUIET),
            *(self._line(_Row(board, int(position), at_us), columns, at) for position in shown),
        ]
        lines += [""] * (rows - len(shown))
        lines.append(fitted(status, width))
        return lines[-height:]

    def _note_changes(self, board: Columns, at: float) -> None:
        for name in _WATCHED:
            values, shown = getattr(board, name)[: len(self._symbols)], self._shown[name]
            with np.errstate(invalid="ignore"):
                has_moved = (values != shown) & ~np.isnan(values) & ~np.isnan(shown)
                self._is_up[name][has_moved] = values[has_moved] > shown[has_moved]
            self._moved_at[name][has_moved] = at
            shown[:] = values

    def _sort(self, board: Columns, at: float) -> None:
        if self.order is Order.SYMBOL:
            self._sorted = self._by_symbol
            return
        if at - self._sorted_at < _SORT_SECONDS:
            return
        self._sorted_at = at
        count = len(self._symbols)
        match self.order:
            case Order.CHANGE:
                with np.errstate(invalid="ignore", divide="ignore"):
                    key = np.abs(board.last_price[:count] / board.previous_close[:count] - 1.0)
            case Order.VOLUME:
                key = board.day_volume[:count]
            case _:
                key = board.received_at[:count].astype(np.float64)
        # The largest first, ties by symbol; NaN sorts last.
        self._sorted = self._by_symbol[np.argsort(-key[self._by_symbol], kind="stable")]

    def _head(self, width: int, height: int, at: float) -> str:
        clock = np.datetime64(int(at), "s").item().strftime("%H:%M:%S UTC")
        keys = f"page {self.page + 1}/{self.pages(height)} by {self.order}"
        words = [clock, keys, self._title]
        if not self._is_simulated:
            return self._styled(fitted(words, width), _HEAD)
        mark = "SIMULATED DATA"
        rest = fitted(words, width - len(mark) - 2)
        return f"{self._styled(mark[:width], _WARNING)}  {self._styled(rest, _HEAD)}" if rest else mark[:width]

    def _line(self, row: _Row, columns: Sequence[_Column], at: float) -> str:
        cells = [column.cell(row).rjust(column.width)[: column.width] for column in columns]
        styled = [self._styled(cell, self._style(row, column, at)) for cell, column in zip(cells, columns, strict=True)]
        symbol = self._symbols[row.position][:_SYMBOL_CELLS].ljust(_SYMBOL_CELLS)
        return " ".join([symbol, *styled])

    def _style(self, row: _Row, column: _Column, at: float) -> str:
        if column.is_signed:
            change = row.change
            return _UP if change > 0 else _DOWN if change < 0 else ""
        if column.moves is None:
            return ""
        age = at - self._moved_at[column.moves][row.position]
        for until, strength in _FADES:
            if age < until:
                return strength + (_UP if self._is_up[column.moves][row.position] else _DOWN)
        return ""

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if style and self._is_coloured else text


def _rows(height: int) -> int:
    return max(1, height - _LINES_AROUND)


def _fitting(width: int) -> Sequence[_Column]:
    """The columns that fit beside the symbol."""
    left, columns = width - _SYMBOL_CELLS, list[_Column]()
    for column in _COLUMNS:
        left -= column.width + 1
        if left < 0:
            break
        columns.append(column)
    return columns


def _joined(symbol: str, cells: Sequence[str], columns: Sequence[_Column]) -> str:
    padded = [cell.rjust(column.width) for cell, column in zip(cells, columns, strict=True)]
    return " ".join([symbol.ljust(_SYMBOL_CELLS), *padded])
