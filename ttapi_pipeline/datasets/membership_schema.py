# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What the table `membership` is: its columns. Made by `membership`."""

from __future__ import annotations

from typing import Final

from ttapi_pipeline.datasets.columns import SYMBOL
from ttapi_pipeline.tables.schema import DATE, FLAG, STRING, Column, DatasetSchema, required

SP500_LIST: Final = "S&P 500"

MEMBERSHIP: Final = DatasetSchema(
    "membership",
    (
        SYMBOL,
        required("list", STRING, "The list: S&P 500, the name of a watchlist or of a file"),
        Column(
            "from_date", DATE, "The first day in it; of what is tracked here, a session. Null where it is not known"
        ),
        Column("to_date", DATE, "The first day, or session, in which it was not in it any more; null while it is"),
        required("is_from_seen", FLAG, "Whether it joined then; false where it may have been in it before"),
        required("source", STRING, "tracked here, or the package that the shipped list comes from"),
    ),
    key=("symbol", "list", "source", "from_date", "to_date"),
)
