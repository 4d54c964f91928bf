# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`symbols` by value: an answer that has lost its figures, and values that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import polars as pl
import pytest

from ttapi_pipeline.client.models import Earnings, ExpirationVolatility, MarketMetrics
from ttapi_pipeline.core.collection import Collection, no_progress
from ttapi_pipeline.core.errors import CoverageError
from ttapi_pipeline.datasets.implied_volatility.build import build_implied_volatility
from ttapi_pipeline.datasets.symbols.build import build_symbols, symbols_frame

FakeClient = Callable[..., SimpleNamespace]
LISTED = (ExpirationVolatility(expiration_date=date(2027, 1, 15), implied_volatility=0.3),)


def metrics(symbol: str, **changes: Any) -> MarketMetrics:
    whole = MarketMetrics(
        symbol=symbol,
        implied_volatility_index=0.3,
        implied_volatility_30_day=30.0,
        historical_volatility_30_day=25.0,
        beta=1.1,
        market_cap=1e9,
        option_expiration_implied_volatilities=LISTED,
    )
    return msgspec.structs.replace(whole, **changes)


async def test_an_answer_that_lost_its_figures_leaves_the_stored_row(
    fake_client: FakeClient, universe_rows: Callable[..., pl.DataFrame], now: datetime
) -> None:
    names, yesterday = ("BARE", "DELISTED", "GOOD", "NAN", "ZERO"), now - timedelta(days=1)
    universe = universe_rows(*names)
    previous = symbols_frame([metrics(each) for each in names], universe, fetched_at=yesterday)
    came = [
        MarketMetrics(symbol="BARE", beta=1.2),
        # Options that are delisted leave no volatility at all, and the rest stands.
        metrics("DELISTED", implied_volatility_index=None, option_expiration_implied_volatilities=()),
        metrics("GOOD", beta=2.0),
        # Could not be read: the field is counted, the row stands.
        metrics("NAN", implied_volatility_index=None, lost_fields=("implied-volatility-index",)),
        metrics("ZERO", implied_volatility_index=0.0),
    ]
    client: Any = fake_client(market_metrics=Collection(came, requested=5))

    async def build(least: float) -> Any:
        return await build_symbols(
            client, universe, previous=previous.lazy(), now=now, min_coverage=least, progress=no_progress
        )

    built = await build(0.6)
    frame = built.frame.sort("symbol").select("symbol", "implied_volatility_index", "beta", "fetched_at")
    assert frame.rows() == [
        ("BARE", 0.3, 1.1, yesterday),
        ("DELISTED", None, 1.1, now),
        ("GOOD", 0.3, 2.0, now),
        ("NAN", None, 1.1, now),
        ("ZERO", 0.3, 1.1, yesterday),
    ]
    assert built.missing == {
        "BARE": "1 figures came, and 5 are stored",
        "ZERO": "no implied volatility index came, although its options have volatilities",
    }
    with pytest.raises(CoverageError, match="2 of 5 are missing"):
        await build(0.7)


async def test_values_that_cannot_be_are_null_and_counted(
    fake_client: FakeClient, universe_rows: Callable[..., pl.DataFrame], now: datetime
) -> None:
    ahead = now + timedelta(days=1500)
    came = [
        metrics(
            "AAA",
            updated_at=ahead,
            implied_volatility_updated_at=ahead,
            implied_volatility_index=-0.5,
            historical_volatility_30_day=-20.0,
            earnings=Earnings(expected_report_date=date(2099, 1, 1), time_of_day="AMC"),
        ),
        # Placeholders are no loss, and clocks differ by seconds.
        metrics(
            "BBB",
            updated_at=now + timedelta(seconds=30),
            implied_volatility_index=-1.0,
            historical_volatility_30_day=-100.0,
            earnings=Earnings(expected_report_date=date(9999, 12, 31)),
        ),
    ]
    client: Any = fake_client(market_metrics=Collection(came, requested=2))
    universe = universe_rows("AAA", "BBB")
    options: Any = {"previous": None, "now": now, "min_coverage": 1.0, "progress": no_progress}
    built: Any = await build_symbols(client, universe, **options)
    columns = (
        *("metrics_updated_at", "implied_volatility_index", "historical_volatility_30_day"),
        *("earnings_date", "earnings_time_of_day"),
    )
    assert built.frame.sort("symbol").select(columns).rows() == [
        (None, None, None, None, "AMC"),
        (now + timedelta(seconds=30), None, None, None, None),
    ]
    lost = {name: count for name, count in built.statistics.items() if name.startswith("lost ")}
    assert lost == {
        "lost earnings.expected-report-date": 1,
        "lost historical-volatility-30-day": 1,
        "lost implied-volatility-index": 1,
        "lost updated-at": 1,
    }
    implied: Any = await build_implied_volatility(client, universe, **options)
    assert implied.statistics["lost implied-volatility-updated-at"] == 1
    assert implied.frame.filter(symbol="AAA")["implied_volatility_at"].to_list() == [None]
