# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Which values of a feed are numbers, and which numbers are believed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.streaming.values import (
    AMOUNT,
    NO_INTEGER,
    OPTION_BID,
    PRICE,
    UNREADABLE,
    VOLATILITY,
    Range,
    floats,
    integers,
)


def test_special_floats_are_read_from_their_names() -> None:
    assert floats([1.5, 2, "Infinity", "-Infinity"]).tolist() == [1.5, 2.0, math.inf, -math.inf]
    assert all(math.isnan(number) for number in floats(["NaN", None]))


@pytest.mark.parametrize("value", ["abc", "251.57", "", {}, [1.0], True, False, 10**400])
def test_what_is_no_number_is_read_as_something_that_is_never_believed(value: object) -> None:
    column = floats([1.5, value, 2.5])
    assert column.tolist() == [1.5, UNREADABLE, 2.5]
    for each in (PRICE, OPTION_BID, AMOUNT, VOLATILITY):
        believed, is_lost = each.believed(column)
        assert is_lost.tolist() == [False, True, False]
        assert math.isnan(believed[1])


def test_whole_numbers_keep_all_their_digits() -> None:
    # The index of a published sample is beyond 2^53.
    assert integers([7710036667976908800]).tolist() == [7710036667976908800]
    assert integers([5.0, 6]).tolist() == [5, 6]


@pytest.mark.parametrize("value", ["NaN", None, 1.5, 2.0**60, 2**70, -(2**63), "x", "Infinity", True, [], math.inf])
def test_what_is_no_whole_number_costs_no_other_one(value: object) -> None:
    assert integers([3, value, 4]).tolist() == [3, NO_INTEGER, 4]


@pytest.mark.parametrize(
    ("kind", "number", "is_believed", "is_lost"),
    [
        (PRICE, 0.0001, True, False),
        (PRICE, 812_480.0, True, False),
        # A zero is a placeholder: no value, and no loss.
        (PRICE, 0.0, False, False),
        (PRICE, -1.0, False, True),
        (PRICE, 1e308, False, True),
        (PRICE, math.inf, False, True),
        (PRICE, math.nan, False, False),
        (OPTION_BID, 0.0, True, False),
        (OPTION_BID, -0.01, False, True),
        (AMOUNT, 0.0, True, False),
        (AMOUNT, -1.0, False, True),
        (AMOUNT, 1e308, False, True),
        (VOLATILITY, 0.0, False, False),
        (VOLATILITY, 3.5, True, False),
        (VOLATILITY, 1e6, False, True),
    ],
)
def test_numbers_that_can_be(kind: Range, number: float, is_believed: bool, is_lost: bool) -> None:
    believed, lost = kind.believed(np.array([number, 1.0]))
    assert (not math.isnan(believed[0]), bool(lost[0])) == (is_believed, is_lost)
    assert (believed[1], bool(lost[1])) == (1.0, False)


VALUES = st.one_of(
    st.floats(), st.integers(), st.booleans(), st.none(), st.text(max_size=5), st.lists(st.floats(), max_size=2)
)


@given(st.lists(VALUES, max_size=12))
def test_any_values_become_numbers_one_by_one(values: list[Any]) -> None:
    numbers, whole = floats(values), integers(values)
    assert numbers.shape == whole.shape == (len(values),)
    for value, number, integer in zip(values, numbers.tolist(), whole.tolist(), strict=True):
        if type(value) in {int, float} and abs(value) < 2**53:
            assert number == value
            assert integer == (value if float(value).is_integer() else NO_INTEGER)
        elif type(value) is not int:
            assert integer == NO_INTEGER
    believed, _ = PRICE.believed(numbers)
    assert all(math.isnan(each) or 0 < each <= 1e9 for each in believed.tolist())
