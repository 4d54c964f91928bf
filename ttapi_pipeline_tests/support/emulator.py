# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A terminal for tests: what would be seen on it after some output."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


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
