# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.metastock.date_orders import Orders, open_dates, settle
from ttapi_pipeline.metastock.dates import (
    AMBIGUOUS,
    NOT_A_DATE,
    WHOLE_YEAR,
    DateForm,
    DateOrder,
    Dates,
    parse_date,
    read_dates,
)

LONG_FORMS = ("%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d %b %Y", "%a, %d %b %Y", "%d-%b-%Y")


@given(st.dates(date(1800, 1, 1), date(2199, 12, 31)), st.sampled_from(LONG_FORMS))
def test_every_form_with_a_whole_year_reads_back(day: date, form: str) -> None:
    assert parse_date(day.strftime(form), None) == day


@given(st.dates(date(1950, 1, 1), date(2049, 12, 31)))
def test_years_of_two_digits_are_1950_to_2049(day: date) -> None:
    assert parse_date(f"{day:%y%m%d}", None) == day


@given(st.dates(date(1800, 1, 1), date(2199, 12, 31)))
def test_a_configured_order_reads_every_date(day: date) -> None:
    assert parse_date(f"{day:%m/%d/%Y}", "mdy") == day
    assert parse_date(f"{day:%d/%m/%Y}", "dmy") == day


def read(*texts: str, order: DateOrder | None = None, beside: DateOrder | None = None) -> tuple[Dates, Orders]:
    others: Mapping[DateForm, DateOrder] = {} if beside is None else {WHOLE_YEAR: beside}
    orders = settle(open_dates(texts), order=order, beside=others)
    return read_dates(texts, orders.taken), orders


def test_one_clear_date_settles_the_order_of_its_file() -> None:
    assert read("3/4/2021", "12/21/2008")[0].dates["3/4/2021"] == date(2021, 3, 4)
    assert read("3/4/2021", "21/12/2008")[0].dates["3/4/2021"] == date(2021, 4, 3)


def test_without_a_clear_date_or_with_two_that_contradict_nothing_is_guessed() -> None:
    assert read("3/4/2021")[0].faults == {"3/4/2021": AMBIGUOUS}
    dates, orders = read("3/4/2021", "12/21/2008", "21/12/2008", beside="dmy")
    assert dates.dates == {"12/21/2008": date(2008, 12, 21), "21/12/2008": date(2008, 12, 21)}
    assert dates.faults == {"3/4/2021": AMBIGUOUS}
    assert set(orders.proven[WHOLE_YEAR]) == {"dmy", "mdy"}
    assert WHOLE_YEAR in orders.undecided


def test_a_file_that_proves_no_order_takes_the_one_that_other_files_prove() -> None:
    dates, orders = read("3/4/2021", beside="dmy")
    assert dates.dates == {"3/4/2021": date(2021, 4, 3)}
    assert (orders.proven, list(orders.undecided)) == ({}, [WHOLE_YEAR])
    # Its own proof and the setting go before those of others.
    assert read("3/4/2021", "12/21/2008", beside="dmy")[0].dates["3/4/2021"] == date(2021, 3, 4)
    assert not read("3/4/2021", order="mdy", beside="dmy")[1].undecided


def test_a_date_that_is_none_in_any_order_proves_nothing() -> None:
    assert read("31/02/2021", "13/13/2021", "5/5/2021")[1].proven == {}


@pytest.mark.parametrize(
    "text", ["", "20210231", "2021-13-01", "17991231", "00010101", "1 Foo 2021", "21/12", "202101011", "٢٠٢١٠١٠١"]
)
def test_what_is_no_date_is_said_to_be_none(text: str) -> None:
    assert parse_date(text, None) == NOT_A_DATE
