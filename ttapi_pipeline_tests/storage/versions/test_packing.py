# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rows that are packed against those of another version come back bit by bit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import CorruptFileError
from ttapi_pipeline.storage.versions.packing import pack, unpacked
from ttapi_pipeline_tests.support.examples import examples

SCHEMA: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "horizon": pl.Int32(),
        "session": pl.Date(),
        "ratio": pl.Float64(),
        "raw": pl.Float64(),
        "rows": pl.Int64(),
        "reason": pl.String(),
        "is_best": pl.Boolean(),
        "moves": pl.List(pl.Float64()),
    }
)
KEY: Final = ("symbol", "horizon")

FLOATS: Final = st.none() | st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, 0.1, 9.99999, 10.0, 1e-7])
ROWS: Final = st.fixed_dictionaries(
    {
        "session": st.none() | st.dates(date(1990, 1, 1), date(2035, 1, 1)),
        "ratio": FLOATS | st.floats(0.5, 2.0).map(lambda value: float(f"{value:.5e}")),
        "raw": FLOATS,
        "rows": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300),
        "reason": st.none() | st.sampled_from(["short_history", "no_window", ""]),
        "is_best": st.none() | st.booleans(),
        "moves": st.none() | st.lists(FLOATS, max_size=3),
    }
)
TABLES: Final = st.dictionaries(st.tuples(st.sampled_from("ABCDE"), st.none() | st.integers(1, 3)), ROWS, max_size=6)


def table(rows: Mapping[tuple[str, int | None], Mapping[str, object]]) -> pl.DataFrame:
    """Rows by their key, in its order."""
    found = [{"symbol": symbol, "horizon": horizon, **row} for (symbol, horizon), row in rows.items()]
    columns = {name: pl.Series(name, [row[name] for row in found], dtype=dtype) for name, dtype in SCHEMA.items()}
    return pl.DataFrame(columns).sort(KEY, nulls_last=False)


def bits(rows: pl.DataFrame) -> list[tuple[object, ...]]:
    """Rows whose zeros are told apart by their sign."""
    return rows.with_columns(pl.col(pl.Float64).reinterpret(signed=True)).rows()


@settings(max_examples=examples(300))
@given(rows=TABLES, other=TABLES)
def test_whatever_two_versions_have_the_one_comes_back_from_the_other(
    tmp_path_factory: pytest.TempPathFactory,
    rows: Mapping[tuple[str, int | None], Mapping[str, object]],
    other: Mapping[tuple[str, int | None], Mapping[str, object]],
) -> None:
    path = tmp_path_factory.getbasetemp() / "packed.parquet"
    pack(path, table(rows), table(other), KEY, {"ratio": 6})
    found = unpacked(path, table(other))
    assert found.schema == SCHEMA
    assert bits(found) == bits(table(rows))


def drifting(step: int) -> pl.DataFrame:
    """Four thousand estimates that move by a thousandth."""
    at = pl.arange(4000, eager=True)
    return pl.DataFrame(
        {
            "symbol": at.cast(pl.String).str.zfill(4),
            "horizon": pl.Series([21] * 4000, dtype=pl.Int32),
            "ratio": ((0.5 + (at * 0.618) % 1) * (1 + 0.001 * step * ((at * 0.777) % 1))).round_sig_figs(6),
        }
    )


def test_estimates_that_moved_by_a_thousandth_take_less_than_two_bytes(tmp_path: Path) -> None:
    path, rows, other = tmp_path / "packed.parquet", drifting(1), drifting(0)
    pack(path, rows, other, KEY, {"ratio": 6})
    # A thousandth of a number of six digits has up to three digits, which are ten bits.
    assert path.stat().st_size < 4000 * 1.5 + 1500
    assert bits(unpacked(path, other)) == bits(rows)


def test_numbers_of_few_digits_are_packed_where_no_digits_are_declared(tmp_path: Path) -> None:
    path, rows, other = tmp_path / "packed.parquet", drifting(1), drifting(0)
    pack(path, rows, other, KEY, {})
    assert path.stat().st_size < 4000 * 1.5 + 1500


def test_a_version_that_was_packed_against_another_one_is_not_read_with_this_one(tmp_path: Path) -> None:
    path = tmp_path / "packed.parquet"
    pack(path, drifting(1), drifting(0), KEY, {"ratio": 6})
    with pytest.raises(CorruptFileError, match="is of 4000 rows, and was packed against 3999"):
        unpacked(path, drifting(0).head(3999))


def test_a_file_without_packed_rows_is_named(tmp_path: Path) -> None:
    path = tmp_path / "packed.parquet"
    drifting(0).write_parquet(path)
    with pytest.raises(CorruptFileError, match=r"packed\.parquet has no packed rows"):
        unpacked(path, drifting(0))
