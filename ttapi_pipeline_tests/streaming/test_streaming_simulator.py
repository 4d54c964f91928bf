# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The client against the project's simulator, which spells the protocol out for itself."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.simulator.server import build_simulator
from ttapi_pipeline.streaming.backoff import Backoff
from ttapi_pipeline.streaming.candle_collection import collect_daily_candles
from ttapi_pipeline.streaming.candles import CandleHistory
from ttapi_pipeline_tests.support.dxlink import linked

if TYPE_CHECKING:
    from ttapi_pipeline.core.collection import Collection

START = date(2024, 1, 2)


async def collect(*faults: str) -> Collection[CandleHistory]:
    simulator = build_simulator(seed=7)
    for fault in faults:
        simulator.faults.add_option(fault)
    async with linked(simulator) as open_link:
        return await collect_daily_candles(
            open_link, dict.fromkeys(("AAPL", "BRK/B", "NOSUCH"), START), backoff=Backoff(first_seconds=0.01)
        )


@pytest.fixture(scope="module")
def undisturbed() -> Collection[CandleHistory]:
    return asyncio.run(collect())


def test_a_history_has_one_bar_for_each_session(undisturbed: Collection[CandleHistory]) -> None:
    histories = {history.symbol: history for history in undisturbed.rows}
    assert set(histories) == {"AAPL", "BRK/B"}
    assert undisturbed.empty == {"NOSUCH"}
    for history in histories.values():
        sessions = history.session.astype(object).tolist()
        assert sessions == list(sessions_between(START, sessions[-1]))
        assert bool((history.low <= np.minimum(history.open, history.close)).all())
        assert bool((history.high >= np.maximum(history.open, history.close)).all())
        assert not history.is_snipped


@pytest.mark.parametrize(
    "fault",
    [
        "dx-full",
        "dx-pending",
        "dx-duplicate",
        "dx-reorder",
        "dx-fewer-fields:fields=1",
        "dx-error",
        "dx-rate:count=1",
        "dx-token:count=1",
        "dx-upgrade:count=2",
        "dx-close:count=1",
        "dx-close:code=1006,count=1",
    ],
)
async def test_no_fault_changes_a_finished_bar(fault: str, undisturbed: Collection[CandleHistory]) -> None:
    disturbed = await collect(fault)
    assert not disturbed.missing
    expected = {history.symbol: history for history in undisturbed.rows}
    for history in disturbed.rows:
        # The newest bar is live.
        assert history.session[:-1].tolist() == expected[history.symbol].session[:-1].tolist()
        assert history.close[:-1].tolist() == expected[history.symbol].close[:-1].tolist()


async def test_a_snipped_history_is_marked() -> None:
    collection = await collect("dx-snip:rows=50")
    assert [(len(history), history.is_snipped) for history in collection.rows] == [(50, True), (50, True)]
