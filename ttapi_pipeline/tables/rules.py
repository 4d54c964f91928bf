# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Whether the rows of a table satisfy its rules, and whether its keys repeat.

A rule is a condition in SQL, so that it can be stated where Polars is not imported, shown in the documentation, and
tried in any other program that reads the files. It holds for a row where it is true or null: whether a value may be
missing is said by its column and not by a rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from ttapi_pipeline.tables.constraints import first_out_of_order


def violations(frame: pl.LazyFrame, rules: Mapping[str, str]) -> Mapping[str, int]:
    """Count the rows that break each rule.

    Args:
        frame: The rows.
        rules: A condition in the SQL of Polars for each sentence that it stands for.

    Returns:
        How many rows break each rule, by its sentence; a rule that holds is left out.
    """
    if not rules:
        return {}
    broken = {sentence: (~pl.sql_expr(condition)).sum() for sentence, condition in rules.items()}
    counts = frame.select(**broken).collect(engine="streaming")
    return {sentence: count for sentence, count in counts.row(0, named=True).items() if count}


def broken_keys(frame: pl.LazyFrame, condition: str, key: Sequence[str]) -> pl.DataFrame:
    """The keys of up to five rows that break a rule, in the order of the rows."""
    return frame.filter(~pl.sql_expr(condition)).select(key).head(5).collect(engine="streaming")


def repeated_keys(frame: pl.LazyFrame, key: Sequence[str]) -> pl.DataFrame:
    """Up to five keys that more than one row has, with the number of their rows in `len`.

    Memory does not grow with a table that is sorted by the key, as stored ones are.
    """
    if first_out_of_order(frame, key).is_empty():
        return frame.select(list(key)).head(0).with_columns(len=pl.lit(0, pl.get_index_type())).collect()
    return frame.group_by(list(key)).len().filter(pl.col("len") > 1).head(5).collect(engine="streaming")
