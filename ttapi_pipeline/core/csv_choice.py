# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which rows of a table its CSV has, as TT_CSV says. Writing it: see `storage.publish`."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

MOST_SHEET_ROWS: Final = 1_048_575
"""Rows of a spreadsheet below its header. Source: Excel specifications and limits; LibreOffice has the same."""


class CsvChoice(StrEnum):
    """What the CSV beside a table has."""

    FULL = "full"
    """Every row."""
    RECENT = "recent"
    """Every row of a table that a spreadsheet opens whole; of a larger one, the newest sessions that it opens."""
    OFF = "off"
    """There is none."""
