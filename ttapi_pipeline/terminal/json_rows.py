# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows as plain values for JSON. What each command writes is described in `docs/json`."""

from __future__ import annotations

from typing import Any

import polars as pl
import polars.selectors as cs


def json_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """One object per row: dates and UTC times in ISO 8601, null for a float that is not finite."""
    return frame.with_columns(
        pl.when(cs.float().is_finite()).then(cs.float()),
        cs.date().dt.strftime("%Y-%m-%d"),
        cs.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"),
    ).to_dicts()
