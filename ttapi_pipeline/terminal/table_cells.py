# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The values of a table's columns as short texts for a terminal. Laying them out: see `table_lines`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from ttapi_pipeline.core.lines import one_line

_DECIMALS: Final = 4


def cells_of(values: Sequence[Any], *, null: str) -> list[str]:
    """The values of one column: all floats with as many decimals as the one that needs the most, four at most.

    Floats that four decimals would show as zero have three significant digits. Times are in UTC. A text without letters
    is two quotation marks.

    Args:
        values: Of one column.
        null: What stands for a value that is not there.
    """
    single = (each for value in values for each in (value if isinstance(value, list) else [value]))
    floats = [each for each in single if isinstance(each, float)]
    decimals = next(
        (count for count in range(_DECIMALS) if all(_is_exact(value, count) for value in floats)), _DECIMALS
    )
    if any(abs(value) >= 1e6 for value in floats):
        decimals = 0
    return [null if value is None else _cell(value, decimals) for value in values]


def _is_exact(value: float, decimals: int) -> bool:
    """Whether more decimals, of four, would be zeros."""
    return round(value, _DECIMALS) == round(value, decimals) and (value == 0 or abs(value) >= 0.5 * 10**-_DECIMALS)


def _cell(value: Any, decimals: int) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.2e}" if 0 < abs(value) < 0.5 * 10**-_DECIMALS else f"{value:,.{decimals}f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}Z"
        case date():
            return value.isoformat()
        case list():
            return " ".join(_cell(each, decimals) for each in value) if value else "[]"
        case _:
            return one_line(str(value)) or '""'
