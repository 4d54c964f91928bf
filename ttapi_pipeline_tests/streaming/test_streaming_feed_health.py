# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Rates and lags over the last ten seconds, and what a feed says of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ttapi_pipeline.streaming.feed import QuoteFeed
from ttapi_pipeline.streaming.feed_health import ConnectionHealth, LinkState, Window
from ttapi_pipeline.streaming.links import OpenConnection

AT = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


def test_a_rate_is_the_mean_of_ten_whole_seconds() -> None:
    window = Window()
    assert window.per_second(0.0) == 0.0
    for second in range(20):
        window.add(second + 0.5, 30, 0.0)
        window.add(second + 0.9, 70, 0.0)
    # The second that has begun does not count: 10 x 100 events over 10 s.
    assert window.per_second(20.2) == 100.0
    assert window.per_second(25.0) == 50.0
    assert window.per_second(31.0) == 0.0


def test_the_largest_lag_is_forgotten_after_ten_seconds() -> None:
    window = Window()
    window.add(3.0, 1, 0.5)
    window.add(3.9, 1, 0.2)
    window.add(7.0, 1, 0.1)
    assert window.largest(8.0) == 0.5
    assert window.largest(14.5) == 0.1
    assert window.largest(30.0) == 0.0


def test_a_feed_is_live_when_each_of_its_connections_is(open_nothing: OpenConnection) -> None:
    health = QuoteFeed(open_nothing, ["AAPL", "MSFT"]).health()
    assert not health.is_live
    assert (health.symbols, health.answered, health.events, health.oldest_quote_seconds) == (2, 0, 0, None)
    (connection,) = health.connections
    assert (connection.state, connection.symbols) == (LinkState.CONNECTING, 2)
    live: ConnectionHealth = replace(connection, state=LinkState.LIVE)
    assert replace(health, connections=[live, live]).is_live
    assert not replace(health, connections=[live, connection]).is_live


@pytest.fixture
def open_nothing() -> OpenConnection:
    def open_connection() -> None:
        raise AssertionError("nothing is to be opened")

    return open_connection  # type: ignore[return-value] # never called
