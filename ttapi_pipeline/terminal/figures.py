# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Prices, counts, ages and words in few characters, for the cells and lines of a live grid.

NaN is a missing value and gives a dash. Where the cells are: see `quote_grid`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan


def price(value: float) -> str:
    """US dollars with two decimals; with four between -1 and 1."""
    if isnan(value):
        return "-"
    return f"{value:.4f}" if -1.0 < value < 1.0 else f"{value:.2f}"


def signed(value: float) -> str:
    """Two decimals, always with a sign."""
    return "-" if isnan(value) else f"{value:+.2f}"


def quantity(value: float) -> str:
    """A count in at most six cells: 950, 12.3k, 4.56M."""
    if isnan(value):
        return "-"
    for unit, suffix in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if value >= unit:
            scaled = value / min(unit, 1e3) if suffix == "k" else value / unit
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{suffix}"
    return f"{value:.0f}"


def seconds(value: float) -> str:
    """An age in at most five cells: 0s, 12s, 7m, 3h, 2d.

    In whole units, so that a line changes once a second at most and not with every frame. A negative age is 0s.
    """
    if isnan(value):
        return "-"
    whole = max(int(value), 0)
    for unit, name, until in ((1, "s", 100), (60, "m", 6_000), (3_600, "h", 360_000)):
        if whole < until:
            return f"{whole // unit}{name}"
    return f"{whole // 86_400}d"


def fitted(words: Sequence[str], width: int) -> str:
    """As many of the words as fit, with two spaces between; the first is cut when it does not fit alone."""
    line = words[0][: max(width, 0)] if words else ""
    for word in words[1:]:
        if len(line) + 2 + len(word) <= width:
            line = f"{line}  {word}"
    return line
