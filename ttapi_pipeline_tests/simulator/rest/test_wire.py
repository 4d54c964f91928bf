# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The building blocks of the wire format, for inputs that no well-behaved client sends."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.simulator.rest.wire import Query, RequestError, decimal, instant, present, zulu


@given(st.text(max_size=200))
def test_any_query_string_is_read_or_refused(raw: str) -> None:
    try:
        query = Query(raw)
    except RequestError:
        return
    for name in ("a", "per-page", ""):
        query.strings(name)
        query.text(name)


@given(st.lists(st.text(alphabet=st.characters(blacklist_characters=",", codec="utf-8"), min_size=1), min_size=1))
def test_the_three_array_encodings_say_the_same(values: list[str]) -> None:
    bracketed = urlencode([("k[]", value) for value in values])
    repeated = urlencode([("k", value) for value in values])
    joined = urlencode({"k": ",".join(values)})
    assert Query(bracketed).strings("k") == Query(repeated).strings("k") == Query(joined).strings("k") == values


@pytest.mark.parametrize(
    ("number", "places", "text"),
    [
        (251.55, 4, "251.55"),
        (0.0, 4, "0.0"),
        (100, 4, "100.0"),
        (Decimal(150), 3, "150.0"),
        (1e-7, 8, "0.0000001"),
        (1e16, 2, "10000000000000000.0"),
        (-0.0125, 4, "-0.0125"),
    ],
)
def test_decimals_are_plain(number: float | Decimal, places: int, text: str) -> None:
    assert decimal(number, places) == text


@given(st.floats(-1e12, 1e12), st.integers(1, 9))
def test_decimals_read_back_within_their_places(number: float, places: int) -> None:
    text = decimal(number, places)
    assert "e" not in text
    assert abs(float(text) - number) <= 0.5000001 * 10**-places + abs(number) * 1e-15


def test_instants_have_milliseconds_and_an_offset() -> None:
    at = datetime(2026, 11, 20, 21, 0, 0, 123_999, tzinfo=UTC)
    assert instant(at) == "2026-11-20T21:00:00.123+00:00"
    assert zulu(at) == "2026-11-20T21:00:00.123Z"


def test_values_that_are_not_there_are_left_out() -> None:
    assert present({"a": None, "b": 0, "c": "", "d": False}) == {"b": 0, "c": "", "d": False}


def test_query_values_have_types() -> None:
    query = Query("d=2026-11-20&t=2026-11-01T00%3A00%3A00Z&n=2026-11-01T00%3A00&f=true&g=False&i=7&bad=x")
    assert query.day("d") == date(2026, 11, 20)
    assert query.instant("t") == query.instant("n") == datetime(2026, 11, 1, tzinfo=UTC)
    assert (query.flag("f"), query.flag("g"), query.flag("h")) == (True, False, None)
    assert query.integer("i", 1, most=7) == 7
    for read in (query.day, query.instant, query.flag, lambda name: query.integer(name, 1, most=9)):
        with pytest.raises(RequestError):
            read("bad")


def test_more_query_fields_than_any_client_sends_are_refused() -> None:
    with pytest.raises(RequestError):
        Query("&".join(["a=1"] * 5_001))
