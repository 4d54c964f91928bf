# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`expiration_series`: which session an expiration falls on, and what is kept of a chain that does not come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

import exchange_calendars
import polars as pl
import pytest

from ttapi_pipeline.client import OptionChain
from ttapi_pipeline.client.models import Expiration, OptionRoot, Strike
from ttapi_pipeline.core.collection import Collection, no_progress
from ttapi_pipeline.core.errors import CoverageError, InvalidFormatError
from ttapi_pipeline.datasets.expiration_series.build import (
    build_expiration_series,
    expiration_series_frame,
    placeholders_in,
    without_vanished,
)

CalendarFrame = Callable[[date, date], pl.DataFrame]


def chain(symbol: str, *dates: date, strikes: tuple[float, ...] = (), **root: Any) -> OptionChain:
    expirations = tuple(
        Expiration(expiration_date=day, strikes=tuple(Strike(strike_price=strike) for strike in strikes))
        for day in dates
    )
    return OptionChain(
        symbol, (OptionRoot(root_symbol=symbol, underlying_symbol=symbol, expirations=expirations, **root),)
    )


def test_an_expiration_on_a_holiday_falls_on_the_session_before(calendar_frame: CalendarFrame, now: datetime) -> None:
    # Juneteenth 2026 is a Friday; monthly options of that week are listed on the Thursday or, by some, the holiday.
    days = [date(2026, 6, 18), date(2026, 6, 19), date(2026, 6, 20)]
    calendar = calendar_frame(date(2026, 6, 1), date(2026, 7, 31))
    frame = expiration_series_frame([chain("SPY", *days)], calendar, fetched_at=now).sort("expiration_date")
    assert frame["expiration_session"].to_list() == [date(2026, 6, 18)] * 3
    assert frame["is_expiration_on_session"].to_list() == [True, False, False]


def test_expiration_sessions_agree_with_exchange_calendars(calendar_frame: CalendarFrame, now: datetime) -> None:
    days = pl.date_range(date(2026, 1, 5), date(2030, 12, 20), "1d", eager=True).to_list()
    calendar = calendar_frame(date(2026, 1, 2), date(2030, 12, 31))
    frame = expiration_series_frame([chain("SPX", *days)], calendar, fetched_at=now)
    xnys = exchange_calendars.get_calendar("XNYS", start="2026-01-01", end="2031-01-01")
    expected = [xnys.date_to_session(day.isoformat(), direction="previous").date() for day in days]
    assert frame.sort("expiration_date")["expiration_session"].to_list() == expected


def test_what_the_broker_leaves_out_has_the_usual_value(calendar_frame: CalendarFrame, now: datetime) -> None:
    calendar = calendar_frame(date(2026, 11, 2), date(2026, 12, 31))
    listed = chain("AAPL", date(2026, 12, 18), strikes=(150.0, 2.5, 150.0, 1000.25))
    (row,) = expiration_series_frame([listed], calendar, fetched_at=now).rows(named=True)
    assert (row["settlement_type"], row["option_chain_type"], row["expiration_type"]) == ("PM", "Standard", "Regular")
    assert row["shares_per_contract"] == 100
    assert (row["strikes"], row["strike_count"]) == ([2.5, 150.0, 1000.25], 3)
    assert (row["lowest_strike"], row["highest_strike"]) == (2.5, 1000.25)


def test_an_adjusted_root_keeps_its_deliverable_and_a_series_without_strikes_is_empty(
    calendar_frame: CalendarFrame, now: datetime
) -> None:
    calendar = calendar_frame(date(2026, 11, 2), date(2026, 12, 31))
    adjusted = chain("AAPL", date(2026, 12, 18), shares_per_contract=33, option_chain_type="Non-standard")
    (row,) = expiration_series_frame([adjusted], calendar, fetched_at=now).rows(named=True)
    assert (row["shares_per_contract"], row["option_chain_type"]) == (33, "Non-standard")
    assert (row["strikes"], row["strike_count"], row["lowest_strike"]) == ([], 0, None)


def test_an_expiration_beyond_the_calendar_has_no_session_and_costs_no_other(
    calendar_frame: CalendarFrame, now: datetime
) -> None:
    calendar = calendar_frame(date(2026, 11, 2), date(2026, 12, 31))
    near, far = date(2026, 12, 18), date(2099, 12, 18)
    frame = expiration_series_frame([chain("SPX", near, far), chain("AAPL", near)], calendar, fetched_at=now)
    rows = frame.sort("symbol", "expiration_date").select("symbol", "expiration_session", "is_expiration_on_session")
    assert rows.rows() == [("AAPL", near, True), ("SPX", near, True), ("SPX", None, None)]
    with pytest.raises(InvalidFormatError, match="trading_calendar has no session"):
        expiration_series_frame([chain("SPX", near)], calendar.clear(), fetched_at=now)


def test_a_series_that_is_listed_under_two_types_is_one_row_with_the_strikes_of_both(
    calendar_frame: CalendarFrame, now: datetime
) -> None:
    calendar = calendar_frame(date(2026, 11, 2), date(2026, 12, 31))
    day = date(2026, 12, 31)
    listed = [
        Expiration(expiration_date=day, expiration_type=kind, strikes=tuple(Strike(strike_price=each) for each in some))
        for kind, some in (("Quarterly", (10.0, 20.0)), ("End-Of-Month", (20.0, 30.0)))
    ]
    root = OptionRoot(root_symbol="SPY", underlying_symbol="SPY", expirations=tuple(listed))
    (row,) = expiration_series_frame([OptionChain("SPY", (root,))], calendar, fetched_at=now).rows(named=True)
    assert (row["expiration_type"], row["strikes"], row["strike_count"]) == (
        "End-Of-Month, Quarterly",
        [10.0, 20.0, 30.0],
        3,
    )


def test_what_cannot_be_read_has_no_usual_value(calendar_frame: CalendarFrame, now: datetime) -> None:
    calendar = calendar_frame(date(2026, 11, 2), date(2026, 12, 31))
    listed = chain("AAPL", date(1970, 1, 1), date(2026, 12, 18), lost_fields=("shares-per-contract",), strikes=(0.0, 5))
    (row,) = expiration_series_frame([listed], calendar, fetched_at=now).rows(named=True)
    assert (row["expiration_date"], row["shares_per_contract"]) == (date(2026, 12, 18), None)
    assert row["strikes"] == [5.0]
    assert placeholders_in([listed]) == {
        "expirations[].expiration-date": 1,
        "expirations[].strikes[].strike-price": 2,
    }


class TestBuild:
    async def build(
        self,
        chains: Collection[OptionChain],
        calendar: pl.DataFrame,
        client: Callable[..., SimpleNamespace],
        *,
        universe: pl.DataFrame,
        previous: pl.LazyFrame | None,
        now: datetime,
    ) -> Any:
        fake: Any = client(nested_option_chains=chains)
        return await build_expiration_series(
            fake, universe, calendar, previous=previous, now=now, min_coverage=0.4, progress=no_progress
        )

    async def test_a_chain_that_fails_keeps_its_rows_and_their_fetch_time_on_the_calendar_of_today(
        self,
        calendar_frame: CalendarFrame,
        universe_rows: Callable[..., pl.DataFrame],
        fake_client: Callable[..., SimpleNamespace],
        now: datetime,
    ) -> None:
        friday = date(2026, 12, 18)
        calendar = calendar_frame(date(2026, 11, 2), date(2026, 12, 31))
        before = datetime(2026, 11, 14, tzinfo=now.tzinfo)
        previous = expiration_series_frame([chain("AAA", friday), chain("BBB", friday)], calendar, fetched_at=before)
        closed_since = calendar.filter(pl.col("session") != friday)
        built = await self.build(
            Collection([chain("AAA", friday)], {"BBB": "HTTP 500"}, frozenset({"CCC"}), requested=3),
            closed_since,
            fake_client,
            universe=universe_rows("AAA", "BBB", "CCC"),
            previous=previous.lazy(),
            now=now,
        )
        frame = built.frame.sort("symbol")
        assert frame["symbol"].to_list() == ["AAA", "BBB"]
        assert frame["fetched_at"].to_list() == [now, before]
        # An unscheduled closure moves the expirations that were carried over, too.
        assert frame["expiration_session"].to_list() == [date(2026, 12, 17)] * 2
        assert frame["is_expiration_on_session"].to_list() == [False, False]
        assert built.missing == {"BBB": "HTTP 500"}
        assert built.statistics == {
            "coverage": 1 - 1 / 3,
            "symbols_without_options": 1,
            "rows_carried_over": 1,
            "rows_rejected": 0,
        }

    async def test_expirations_that_are_left_out_before_they_pass_stay_and_are_named(
        self,
        calendar_frame: CalendarFrame,
        universe_rows: Callable[..., pl.DataFrame],
        fake_client: Callable[..., SimpleNamespace],
        now: datetime,
    ) -> None:
        calendar, before = (
            calendar_frame(date(2026, 11, 2), date(2026, 12, 31)),
            datetime(2026, 11, 14, tzinfo=now.tzinfo),
        )
        past, today, near, far = date(2020, 1, 17), now.date(), date(2026, 12, 4), date(2026, 12, 18)
        adjusted = chain("CUT1", far, option_chain_type="Non-standard").roots
        stored = [
            chain("ALL", near, far),
            OptionChain("CUT", (*chain("CUT", today, near, far).roots, *adjusted)),
            chain("TWICE", near),
        ]
        built = await self.build(
            # Each expiration of ALL became one date long ago. CUT lost one, and its adjusted contracts were delisted.
            Collection([chain("ALL", past, past), chain("CUT", near), chain("TWICE", near, near)], requested=3),
            calendar,
            fake_client,
            universe=universe_rows("ALL", "CUT", "TWICE"),
            previous=expiration_series_frame(stored, calendar, fetched_at=before).lazy(),
            now=now,
        )
        frame = built.frame.sort("symbol", "expiration_date")
        assert frame.select("symbol", "root_symbol", "expiration_date", "fetched_at").rows() == [
            ("ALL", "ALL", near, before),
            ("ALL", "ALL", far, before),
            ("CUT", "CUT", near, now),
            ("CUT", "CUT", far, before),
            ("TWICE", "TWICE", near, now),
        ]
        assert built.missing == {
            "ALL": "no option chain came, and stored expirations are still ahead",
            "CUT": f"1 of the stored expirations ahead did not come and stay as they were: {far}",
        }
        lost = {name: count for name, count in built.statistics.items() if name.startswith("lost ")}
        assert lost == {"lost expirations[]": 1, "lost expirations[].expiration-date": 2}
        assert built.statistics["coverage"] == pytest.approx(2 / 3)

    async def test_too_few_chains_are_an_error_with_the_list(
        self,
        calendar_frame: CalendarFrame,
        universe_rows: Callable[..., pl.DataFrame],
        fake_client: Callable[..., SimpleNamespace],
        now: datetime,
    ) -> None:
        with pytest.raises(CoverageError, match=r"2 of 3 are missing.*AAA.*BBB.*HTTP 500"):
            await self.build(
                Collection([], {"AAA": "HTTP 500", "BBB": "HTTP 500"}, requested=3),
                calendar_frame(date(2026, 11, 2), date(2026, 12, 31)),
                fake_client,
                universe=universe_rows("AAA", "BBB", "CCC"),
                previous=None,
                now=now,
            )


def test_options_that_vanish_before_they_expire_are_missing_and_not_gone(
    calendar_frame: CalendarFrame, now: datetime
) -> None:
    calendar = calendar_frame(date(2026, 11, 2), date(2026, 12, 31))
    past, ahead = date(2026, 11, 6), date(2026, 12, 18)
    stored = expiration_series_frame([chain("AAA", ahead), chain("BBB", past)], calendar, fetched_at=now).lazy()
    came: Collection[OptionChain] = Collection([chain("CCC", ahead)], empty=frozenset({"AAA", "BBB"}), requested=3)
    judged = without_vanished(came, stored, today=date(2026, 11, 20))
    assert judged.empty == {"BBB"}
    assert judged.missing == {"AAA": "no option chain came, and stored expirations are still ahead"}
    assert without_vanished(came, None, today=date(2026, 11, 20)) is came
    # A chain whose roots list no expiration is as silent.
    hollow: Collection[OptionChain] = Collection([chain("AAA"), chain("CCC", ahead)], requested=2)
    judged = without_vanished(hollow, stored, today=date(2026, 11, 20))
    assert ([each.symbol for each in judged.rows], set(judged.missing)) == (["CCC"], {"AAA"})
