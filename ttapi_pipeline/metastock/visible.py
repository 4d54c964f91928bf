# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Text of files made safe for one line of a screen, a log or a table: see `core.lines`, which does so for one text."""

from __future__ import annotations

from typing import Final

import polars as pl

from ttapi_pipeline.core.lines import one_line

_INVISIBLE: Final = r"[^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]"


def visible(texts: pl.Series) -> pl.Series:
    """The texts with escapes for what is not visible; null stays null."""
    odd = texts.filter(texts.str.contains(_INVISIBLE)).unique()
    return texts.replace_strict(odd, [one_line(text) for text in odd], default=texts) if len(odd) else texts
