# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Values of `/market-metrics` that cannot be, set aside and counted for both tables that are made of it.

Their type says what can be read. These are readable, and contradict the clock or the meaning of the field.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from ttapi_pipeline.client import MarketMetrics
from ttapi_pipeline.core.collection import Collection
from ttapi_pipeline.core.sessions import NEW_YORK
from ttapi_pipeline.datasets.placeholders import is_impossible, known_date, known_moment

_AHEAD: Final = timedelta(days=1)
"""How far the clocks of a server and of this machine may be apart."""

_REPORT_AHEAD: Final = timedelta(days=731)
"""A listed company reports every quarter or half-year; no date two years ahead is expected by anybody."""

_MOMENTS: Final = ("updated_at", "implied_volatility_updated_at")
_POINTS: Final = (
    "implied_volatility_30_day",
    "historical_volatility_30_day",
    "historical_volatility_60_day",
    "historical_volatility_90_day",
)


def without_impossible(metrics: Collection[MarketMetrics], *, now: datetime) -> Collection[MarketMetrics]:
    """The metrics with null for each impossible value, which is counted as lost by its name on the wire.

    Impossible are a moment of computation that lies ahead, an earnings report more than two years ahead, and a negative
    volatility other than the placeholder -1, which is -100 in percentage points.
    """
    today = now.astimezone(NEW_YORK).date()
    lost = Counter[str]()
    rows = []
    for each in metrics.rows:
        changed = _impossible(each, now=now, today=today)
        if changed:
            names = [_WIRE_NAMES[name] for name in changed]
            lost.update(names)
            rows.append(msgspec.structs.replace(each, **changed, lost_fields=(*each.lost_fields, *names)))
        else:
            rows.append(each)
    return replace(metrics, rows=rows, lost=dict(Counter(metrics.lost) + lost)) if lost else metrics


_WIRE_NAMES: Final = {each.name: each.encode_name for each in msgspec.structs.fields(MarketMetrics)} | {
    "earnings": "earnings.expected-report-date"
}


def _impossible(metrics: MarketMetrics, *, now: datetime, today: date) -> dict[str, Any]:
    """The fields with an impossible value, and what they are replaced by."""
    changed: dict[str, Any] = {}
    for name in _MOMENTS:
        moment = known_moment(getattr(metrics, name))
        if moment is not None and moment > now + _AHEAD:
            changed[name] = None
    if is_impossible(metrics.implied_volatility_index):
        changed["implied_volatility_index"] = None
    for name in _POINTS:
        points = getattr(metrics, name)
        # Some write -1 whatever the unit.
        if points is not None and is_impossible(points) and is_impossible(points / 100):
            changed[name] = None
    earnings = metrics.earnings
    report = None if earnings is None else known_date(earnings.expected_report_date)
    if earnings is not None and report is not None and report > today + _REPORT_AHEAD:
        changed["earnings"] = msgspec.structs.replace(earnings, expected_report_date=None)
    return changed
