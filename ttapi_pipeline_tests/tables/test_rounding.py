# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Estimates are rounded as Python writes decimal numbers, and by what the columns of a table say."""

from __future__ import annotations

import math
import struct
from datetime import date
from fractions import Fraction
from typing import Final

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.datasets.registry import DATASETS, REPORTS
from ttapi_pipeline.tables.digits import TAKEN_OVER, counted_digits
from ttapi_pipeline.tables.rounding import round_column, rounded
from ttapi_pipeline.tables.schema import DATE, FLOAT, Column, DatasetSchema, estimate
from ttapi_pipeline_tests.support.examples import examples

SCHEMAS: Final = {**{name: each.schema for name, each in DATASETS.items()}, **REPORTS}
COMPUTED: Final = ("returns_stddev", "volatility", "volatility_cone", "variance_premium")

NEAR_TIES: Final = st.builds(
    lambda units, exponent, off: math.ldexp(1.0, 0) * float(f"{units}5e{exponent}") * (1 + off * 2.0**-52),
    st.integers(100_000, 999_999),
    st.integers(-300, 290),
    st.integers(-3, 3),
)
NEAR_POWERS: Final = st.builds(
    lambda exponent, off: float(f"1e{exponent}") * (1 + off * 2.0**-52), st.integers(-307, 307), st.integers(-9, 9)
)
VALUES: Final = st.lists(
    st.none()
    | st.floats()
    | st.floats(0.001, 100.0)
    | st.floats(-(2.0**-1022), 2.0**-1022)
    | st.integers(-(2**53), 2**53).map(float)
    | NEAR_TIES
    | NEAR_POWERS,
    max_size=40,
)


def bits(value: float | None) -> bytes | None:
    """A float by its bits, so that both zeros differ; any NaN is NaN."""
    return None if value is None else b"nan" if math.isnan(value) else struct.pack("<d", value)


@settings(max_examples=examples(500), deadline=None)
@given(values=VALUES)
@example([0.0, -0.0, None, math.nan, math.inf, -math.inf])
@example([5e-324, -5e-324, 2.2250738585072014e-308, 2.2250738585072009e-308, 1.7976931348623157e308])
@example([9.999995, 9.9999949999999999, 0.9999995, 999999.5, 0.1234565, 2.5, 1e22, 1e23, 1e-17, 1e-18])
def test_a_number_of_six_digits_is_the_one_that_python_writes(values: list[float | None]) -> None:
    found = round_column(pl.Series("x", values, dtype=pl.Float64), digits=6)
    expected = [
        each if each is None or not math.isfinite(each) else float(f"{each:.5e}")
        for each in pl.Series(values, dtype=pl.Float64)
    ]
    assert [bits(each) for each in found] == [bits(each) for each in expected]
    assert [bits(each) for each in round_column(found, digits=6)] == [bits(each) for each in found]


@settings(max_examples=examples(500), deadline=None)
@given(value=st.floats(1e-290, allow_infinity=False) | NEAR_TIES.filter(lambda value: value > 1e-290))
def test_no_number_moves_by_more_than_half_a_unit_of_its_sixth_digit(value: float) -> None:
    found = round_column(pl.Series([-value, value]), digits=6).to_list()
    assert found[0] == -found[1]
    unit = Fraction(10) ** (int(f"{value:.16e}".split("e")[1]) - 5)
    # The decimal number itself lies next to a float, which is the one that is stored.
    assert abs(Fraction(found[1]) - Fraction(value)) <= unit / 2 + Fraction(math.ulp(found[1])) / 2


@pytest.mark.parametrize("is_lazy", [False, True])
def test_estimates_of_a_table_as_of_a_session_are_rounded_and_nothing_else(is_lazy: bool) -> None:
    table = pl.DataFrame(
        {
            "symbol": ["A", "B"],
            "as_of_session": [date(2026, 1, 5)] * 2,
            "close": [712_345.678, None],
            "usual_move": [0.0123456789, None],
            "returns_used": [123_456_789, 1],
            "moves": [[0.123456789], []],
        }
    )
    found = rounded(table.lazy()).collect() if is_lazy else rounded(table)
    assert found.schema == table.schema
    assert found["usual_move"].to_list() == [0.0123457, None]
    assert_frame_equal(found.drop("usual_move"), table.drop("usual_move"), check_exact=True)
    bars = table.drop("as_of_session")
    assert_frame_equal(rounded(bars), bars, check_exact=True)


def test_the_computed_tables_declare_six_digits_and_no_other_table_does() -> None:
    declared = {name: set(schema.digits.values()) for name, schema in SCHEMAS.items() if schema.digits}
    assert declared == {name: {6} for name in COMPUTED}
    # What comes from elsewhere keeps its digits, and each exception is one.
    numbers = {each.name for name in COMPUTED for each in SCHEMAS[name].columns if each.type == FLOAT}
    kept = {each for each in numbers if not any(each in SCHEMAS[name].digits for name in COMPUTED)}
    assert kept == TAKEN_OVER


def test_no_table_is_made_from_one_whose_data_version_leaves_digits_out() -> None:
    """The data version of an input says whether what was made from it is still good: to all digits."""
    assert not {each for dataset in DATASETS.values() for each in dataset.upstream} & {*COMPUTED}


@pytest.mark.parametrize(
    "columns",
    [
        (Column("symbol", FLOAT, "Symbol"), estimate("usual_move", "Move")),
        (Column("as_of_session", DATE, "Day"), Column("usual_move", FLOAT, "Move")),
        (Column("as_of_session", DATE, "Day"), estimate("close", "Price")),
    ],
)
def test_a_schema_that_declares_other_digits_than_are_counted_is_refused(columns: tuple[Column, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"ratios declares other digits than `tables.digits` counts: (usual_move|close)"
    ):
        DatasetSchema("ratios", columns, key=("symbol",))


def test_types_count_as_polars_has_them_and_as_footers_write_them() -> None:
    schema = SCHEMAS["volatility_cone"]
    written = {column.name: str(column.type) for column in schema.columns}
    assert counted_digits(schema.polars) == counted_digits(written) == schema.digits
