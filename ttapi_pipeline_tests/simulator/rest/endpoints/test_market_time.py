# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`/market-time`."""

from __future__ import annotations

import pytest

from ttapi_pipeline_tests.support.simulator import Api


async def test_sessions_of_thanksgiving_week(simulator: Api) -> None:
    rows = (await simulator.get("/market-time/sessions?from-date=2026-11-23&to-date=2026-11-29")).items
    assert [row["session-date"] for row in rows] == ["2026-11-23", "2026-11-24", "2026-11-25", "2026-11-27"]
    # The half day of docs/protocols/tastytrade.md, "Sessions and holidays".
    assert rows[-1] == {
        "instrument-collection": "Equity",
        "session-date": "2026-11-27",
        "start-at": "2026-11-27T13:15:00.000+00:00",
        "open-at": "2026-11-27T14:30:00.000+00:00",
        "close-at": "2026-11-27T18:00:00.000+00:00",
        "close-at-ext": "2026-11-27T22:00:00.000+00:00",
    }


async def test_sessions_span_nine_months_at_most(simulator: Api) -> None:
    assert (await simulator.get("/market-time/sessions?from-date=2026-01-31&to-date=2026-10-31")).status == 200
    assert (await simulator.get("/market-time/sessions?from-date=2026-01-31&to-date=2026-11-01")).status == 400
    assert (await simulator.get("/market-time/sessions?from-date=2026-02-02&to-date=2026-02-01")).status == 400
    # The end of February is nine months after the end of May.
    assert (await simulator.get("/market-time/sessions?from-date=2026-05-31&to-date=2027-02-28")).status == 200
    assert (await simulator.get("/market-time/sessions?from-date=2026-05-31&to-date=2027-03-01")).status == 400


@pytest.mark.parametrize(
    ("at", "state", "has_times", "following"),
    [
        ("2026-11-20T13:14:59Z", "Closed", True, "2026-11-23"),
        ("2026-11-20T13:15:00Z", "Pre-market", True, "2026-11-23"),
        ("2026-11-20T14:30:00Z", "Open", True, "2026-11-23"),
        ("2026-11-20T21:00:00Z", "Extended", True, "2026-11-23"),
        # After the extended hours it has the times of the coming session.
        ("2026-11-21T01:00:00Z", "Closed", True, "2026-11-24"),
        ("2026-11-21T15:00:00Z", "Closed", False, "2026-11-23"),
        ("2026-11-26T15:00:00Z", "Closed", False, "2026-11-27"),
    ],
)
async def test_the_state_through_a_day(simulator: Api, at: str, state: str, has_times: bool, following: str) -> None:
    row = (await simulator.get(f"/market-time/equities/sessions/current?current-time={at}")).data
    assert row["state"] == state
    assert ("open-at" in row) is has_times
    assert row["next-session"]["session-date"] == following


async def test_next_previous_and_futures_sessions(simulator: Api) -> None:
    following = await simulator.get("/market-time/equities/sessions/next?date=2026-11-25")
    assert following.data["session-date"] == "2026-11-27"
    before = await simulator.get("/market-time/equities/sessions/previous?date=2026-11-27")
    assert before.data["session-date"] == "2026-11-25"
    # Globex opens at 18:00 New York time of the evening before.
    globex = await simulator.get("/market-time/futures/sessions/next/CME?date=2026-11-20")
    assert globex.data["open-at"] == "2026-11-22T23:00:00.000+00:00"
    assert (await simulator.get("/market-time/futures/sessions/previous/CFE")).data["session-date"] == "2026-11-19"
    assert len((await simulator.get("/market-time/futures/sessions/current")).items) == 2
    assert (await simulator.get("/market-time/futures/sessions/current/CME")).data["state"] == "Open"
    assert (await simulator.get("/market-time/futures/holidays/Moon")).status == 404
