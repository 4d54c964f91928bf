# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The snapshot rules of docs/protocols/dxlink.md, "Snapshots of candles", against a reading of them row by row."""

from __future__ import annotations

import math
from collections import Counter
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttapi_pipeline.core.errors import ProtocolError
from ttapi_pipeline.streaming.candles import CANDLE_FIELDS, CandleHistory, CandleSeries, candle_rows
from ttapi_pipeline.streaming.events import FeedData

DAY = 86_400_000
Row = tuple[int, str, int, int, float]
"""Flags, symbol, day since 1970, sequence, close; a NaN close is a bar without prices."""


def data(rows: list[Row], *, drop: tuple[str, ...] = ()) -> FeedData:
    close: list[Any] = ["NaN" if math.isnan(row[4]) else row[4] for row in rows]
    columns: dict[str, list[Any]] = {
        "eventFlags": [row[0] for row in rows],
        "eventSymbol": [row[1] for row in rows],
        "time": [row[2] * DAY for row in rows],
        "sequence": [row[3] for row in rows],
        **dict.fromkeys(("open", "high", "low", "close"), close),
        **dict.fromkeys(("count", "volume", "vwap", "impVolatility", "openInterest"), ["NaN"] * len(rows)),
    }
    assert set(columns) == set(CANDLE_FIELDS)
    return FeedData(1, "Candle", len(rows), {name: values for name, values in columns.items() if name not in drop})


def received(*frames: list[Row]) -> dict[str, CandleSeries]:
    series: dict[str, CandleSeries] = {}
    for frame in frames:
        for symbol, rows in candle_rows(data(frame)):
            series.setdefault(symbol, CandleSeries()).receive(rows)
    return series


def closes(series: CandleSeries) -> dict[int, float]:
    history = series.daily_history("X")
    return dict(zip(history.session.astype(np.int64).tolist(), history.close.tolist(), strict=True))


class NaiveSeries:
    """The six steps of docs/protocols/dxlink.md, "Snapshots of candles", as literally as they can be written."""

    def __init__(self) -> None:
        self.store: dict[tuple[int, int], float] = {}
        self.pending: list[Row] = []
        self.in_snapshot = self.replace = self.available = self.snipped = False
        self.ended: int | None = None

    def receive(self, event: Row) -> None:
        flags = event[0]
        if flags & 4:
            self.pending = []
            self.in_snapshot = self.replace = True
            self.ended = None
        self.pending.append(event)
        if flags & (8 | 16) and self.in_snapshot:
            self.in_snapshot = False
            self.ended = flags
        if flags & 1 or self.in_snapshot:
            return
        if self.replace:
            self.store = {}
        for row in self.pending:
            key = (row[2], row[3])
            if row[0] & 2 or math.isnan(row[4]):
                self.store.pop(key, None)
            else:
                self.store[key] = row[4]
        self.pending, self.replace = [], False
        if self.ended is not None:
            self.available, self.snipped, self.ended = True, bool(self.ended & 16), None

    def closes(self) -> dict[int, float]:
        # One bar per session: of several sequences, the last.
        return {day: self.store[day, sequence] for day, sequence in sorted(self.store)}


def test_the_snapshot_of_the_notes_is_two_bars_in_ascending_order() -> None:
    # The frame of 6.3: the row with flags 10 is a marker, not a bar.
    columns: dict[str, list[Any]] = {
        "eventFlags": [4, 0, 10],
        "eventSymbol": ["AAPL{=d}"] * 3,
        "time": [1795132800000, 1795046400000, 1793491200000],
        "open": [249.1, 247.8, "NaN"],
        "high": [252.24, 249.9, "NaN"],
        "low": [248.37, 246.6, "NaN"],
        "close": [251.57, 248.9, "NaN"],
        "volume": [35348839.0, 41200311.0, "NaN"],
    }
    ((symbol, rows),) = candle_rows(FeedData(1, "Candle", 3, columns))
    series = CandleSeries()
    series.receive(rows)
    history = series.daily_history(symbol)
    assert series.is_available
    assert not history.is_snipped
    # 1795132800000 / 86400000 = 20777, the dayId of 2026-11-20 in docs/protocols/dxlink.md, "Events".
    assert history.session.astype(str).tolist() == ["2026-11-19", "2026-11-20"]
    assert history.open.tolist() == [247.8, 249.1]
    assert history.high.tolist() == [249.9, 252.24]
    assert history.low.tolist() == [246.6, 248.37]
    assert history.close.tolist() == [248.9, 251.57]
    assert history.volume.tolist() == [41200311.0, 35348839.0]
    not_sent = (history.count, history.vwap, history.implied_volatility, history.open_interest)
    assert all(np.isnan(column).all() for column in not_sent)
    assert history.lost == {}


@pytest.mark.parametrize(("flags", "is_snipped"), [(8, False), (10, False), (16, True), (18, True)])
def test_a_snapshot_ends_with_each_of_its_flags(flags: int, is_snipped: bool) -> None:
    (series,) = received([(4, "A{=d}", 3, 0, 3.0), (0, "A{=d}", 2, 0, 2.0)], [(flags, "A{=d}", 1, 0, 1.0)]).values()
    assert series.is_available
    assert series.is_snipped is is_snipped
    assert closes(series) == {2: 2.0, 3: 3.0} | ({} if flags & 2 else {1: 1.0})


def test_an_empty_snapshot_is_available_and_has_no_bars() -> None:
    (series,) = received([(14, "A{=d}", 1, 0, math.nan)]).values()
    assert series.is_available
    assert len(series.daily_history("A")) == 0


def test_nothing_shows_before_the_snapshot_has_ended_and_its_transaction_with_it() -> None:
    frames: list[list[Row]] = [[(4, "A{=d}", 3, 0, 3.0)], [(0, "A{=d}", 2, 0, 2.0)], [(11, "A{=d}", 1, 0, math.nan)]]
    before = received(*frames)["A{=d}"]
    assert before.has_begun
    assert not before.is_available
    assert closes(before) == {}
    after = received(*frames, [(0, "A{=d}", 3, 0, 3.5)])["A{=d}"]
    assert after.is_available
    assert closes(after) == {2: 2.0, 3: 3.5}


def test_a_live_bar_replaces_itself_and_a_newer_snapshot_replaces_everything() -> None:
    first: list[Row] = [(4, "A{=d}", 2, 0, 2.0), (10, "A{=d}", 1, 0, math.nan), (0, "A{=d}", 2, 0, 2.5)]
    series = received(first)["A{=d}"]
    assert closes(series) == {2: 2.5}
    for _, rows in candle_rows(data([(4, "A{=d}", 9, 0, 9.0), (8, "A{=d}", 8, 0, 8.0)])):
        series.receive(rows)
    assert closes(series) == {8: 8.0, 9: 9.0}


def test_an_end_without_a_beginning_is_no_snapshot() -> None:
    (series,) = received([(8, "A{=d}", 1, 0, 1.0)]).values()
    assert not series.is_available
    assert not series.has_begun


def test_symbols_are_told_apart_in_their_canonical_form() -> None:
    series = received([(4, "A{=1d}", 2, 0, 2.0), (4, "B{=d}", 2, 0, 5.0), (8, "A{=d,tho=false}", 1, 0, 1.0)])
    assert set(series) == {"A{=d}", "B{=d}"}
    assert closes(series["A{=d}"]) == {1: 1.0, 2: 2.0}
    assert not series["B{=d}"].is_available


def test_fields_that_the_server_leaves_out_are_nan() -> None:
    frame = data([(4, "A{=d}", 2, 0, 2.0), (8, "A{=d}", 1, 0, 1.0)], drop=("sequence", "vwap", "count", "low"))
    series = CandleSeries()
    for _, rows in candle_rows(frame):
        series.receive(rows)
    history = series.daily_history("A")
    assert np.isnan(history.count).all()
    assert np.isnan(history.low).all()
    assert history.close.tolist() == [1.0, 2.0]


def test_a_full_event_without_flags_has_none() -> None:
    columns: dict[str, list[Any]] = {
        "eventType": ["Candle"] * 2,
        "eventSymbol": ["A{=d}"] * 2,
        "time": [DAY, 2 * DAY],
        "close": [1.0, 2.0],
    }
    for flags in ([None, 4], None):
        given_columns = columns if flags is None else {**columns, "eventFlags": flags}
        ((_, rows),) = candle_rows(FeedData(1, "Candle", 2, given_columns))
        assert rows.flags.tolist() == ([0, 4] if flags else [0, 0])


@pytest.mark.parametrize("name", ["eventFlags", "eventSymbol", "time"])
def test_a_layout_without_what_tells_bars_apart_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError, match=name):
        list(candle_rows(data([(4, "A{=d}", 1, 0, 1.0)], drop=(name,))))


@pytest.mark.parametrize(
    ("name", "value"),
    [("eventSymbol", "A"), ("eventSymbol", 5), ("eventSymbol", None), ("eventFlags", "x"), ("eventFlags", True)],
)
def test_an_event_without_symbol_or_flags_costs_itself(name: str, value: object) -> None:
    frame = data([(4, "A{=d}", 3, 0, 3.0), (0, "A{=d}", 2, 0, 2.0), (8, "A{=d}", 1, 0, 1.0)])
    frame.columns[name][1] = value  # type: ignore[index]
    series, lost = CandleSeries(), Counter[str]()
    for symbol, rows in candle_rows(frame, lost):
        assert symbol == "A{=d}"
        series.receive(rows)
    assert closes(series) == {1: 1.0, 3: 3.0}
    assert lost == {name: 1}


NO_CLOSES = ["Infinity", "-Infinity", -1, -5.0, 1e308, 0, 0.0, True, "251.57", "text", {}, [1.0], 10**400]
"""What has come as a price, and is not one. Zero stands for "none"."""


def spoiled(field: str, value: object) -> CandleHistory:
    """Three bars, and the middle one has this value there."""
    frame = data([(4, "A{=d}", 3, 0, 3.0), (0, "A{=d}", 2, 0, 2.0), (8, "A{=d}", 1, 0, 1.0)])
    columns = {name: list(values) for name, values in frame.columns.items()} | {"count": [7] * 3, "volume": [70.0] * 3}
    columns[field][1] = value
    series = CandleSeries()
    for _, rows in candle_rows(FeedData(1, "Candle", 3, columns)):
        series.receive(rows)
    return series.daily_history("A", first=date(1970, 1, 2), last=date(1970, 1, 10))


@pytest.mark.parametrize("value", NO_CLOSES)
def test_a_close_that_cannot_be_costs_its_bar(value: object) -> None:
    history = spoiled("close", value)
    assert history.close.tolist() == [1.0, 3.0]
    assert history.lost == {"close": 1}


@pytest.mark.parametrize("field", ["open", "high", "low", "volume"])
@pytest.mark.parametrize("value", NO_CLOSES)
def test_a_field_that_cannot_be_costs_itself(field: str, value: object) -> None:
    history = spoiled(field, value)
    assert history.close.tolist() == [1.0, 2.0, 3.0]
    assert np.isnan(getattr(history, field)).tolist() == [False, True, False]
    assert history.lost == {field: 1}


BAR = {"open": 20.0, "high": 22.0, "low": 18.0, "close": 21.0}


@pytest.mark.parametrize(
    ("wrong", "lost"),
    [
        ({"close": 99999.99}, "close"),
        ({"close": 0.01}, "close"),
        ({"close": 22.5}, "close"),
        ({"high": 20.5}, "close"),
        ({"low": 21.5}, "close"),
        ({"high": 99999.0}, "high"),
        ({"high": 220.5}, "high"),
        ({"high": 17.0}, "high"),
        ({"low": 99999.0}, "low"),
        ({"low": 1.9}, "low"),
        ({"low": 23.0}, "low"),
        ({"open": 99999.0}, "open"),
        ({"open": 0.01}, "open"),
        ({"high": 210.0}, None),
        ({"low": 2.0}, None),
        ({"close": 22.0}, None),
        ({"high": "NaN", "low": "NaN", "close": 99999.0}, None),
    ],
)
def test_a_price_that_contradicts_its_bar_costs_itself_or_the_bar(wrong: dict[str, object], lost: str | None) -> None:
    frame = data([(4, "A{=d}", 3, 0, 3.0), (0, "A{=d}", 2, 0, 2.0), (8, "A{=d}", 1, 0, 1.0)])
    columns: dict[str, list[Any]] = {name: list(values) for name, values in frame.columns.items()}
    for name, value in {**BAR, **wrong}.items():
        columns[name][1] = value
    series = CandleSeries()
    for _, events in candle_rows(FeedData(1, "Candle", 3, columns)):
        series.receive(events)
    history = series.daily_history("A")
    assert history.close.tolist() == ([1.0, 3.0] if lost == "close" else [1.0, wrong.get("close", 21.0), 3.0])
    assert history.lost == ({lost: 1} if lost else {})
    if lost not in {"close", None}:
        kept = {name: float(getattr(history, name)[1]) for name in BAR if name != lost}
        assert kept == {name: value for name, value in BAR.items() if name != lost}
        assert np.isnan(getattr(history, lost)[1])


def test_a_bar_with_a_close_outside_of_its_range_replaces_no_good_one() -> None:
    frame = data([(4, "A{=d}", 2, 0, 2.0), (0, "A{=d}", 1, 1, 1.5), (8, "A{=d}", 1, 0, 1.0)])
    columns: dict[str, list[Any]] = {name: list(values) for name, values in frame.columns.items()}
    columns["high"][1] = 1.4
    columns["low"][1] = 1.2
    series = CandleSeries()
    for _, events in candle_rows(FeedData(1, "Candle", 3, columns)):
        series.receive(events)
    assert closes(series) == {1: 1.0, 2: 2.0}


@pytest.mark.parametrize(
    ("field", "column"), [("vwap", "vwap"), ("count", "count"), ("impVolatility", "implied_volatility")]
)
@pytest.mark.parametrize("value", [*NO_CLOSES[:5], *NO_CLOSES[7:]])
def test_figures_of_a_bar_that_cannot_be_cost_themselves(field: str, column: str, value: object) -> None:
    history = spoiled(field, value)
    assert np.isnan(getattr(history, column)[1])
    assert history.lost == {field: 1}


@pytest.mark.parametrize("time", [-DAY, -(10**17), 0, 11 * DAY, 10**17, 2**62, 2**70, "x", True, "NaN", None, 1e300])
def test_a_bar_at_a_time_that_cannot_be_costs_itself(time: object) -> None:
    history = spoiled("time", time)
    assert history.close.tolist() == [1.0, 3.0]
    assert history.lost == {"time": 1}


def test_a_count_that_does_not_come_is_not_zero() -> None:
    assert spoiled("count", "NaN").count.tolist()[::2] == [7.0, 7.0]
    assert math.isnan(spoiled("count", "NaN").count[1])
    assert spoiled("count", "NaN").lost == {}


def test_a_volume_of_zero_is_believed_where_nothing_was_traded() -> None:
    frame = data([(4, "A{=d}", 2, 0, 2.0), (8, "A{=d}", 1, 0, 1.0)])
    for count, volume in ((0, 0.0), ("NaN", math.nan), (5, math.nan)):
        columns = {**frame.columns, "count": [count] * 2, "volume": [0.0] * 2}
        series = CandleSeries()
        for _, rows in candle_rows(FeedData(1, "Candle", 2, columns)):
            series.receive(rows)
        np.testing.assert_array_equal(series.daily_history("A").volume, [volume] * 2)


def test_an_update_that_cannot_be_does_not_cost_the_bar_before_it() -> None:
    first: list[Row] = [(4, "A{=d}", 2, 0, 2.0), (10, "A{=d}", 1, 0, math.nan), (0, "A{=d}", 2, 0, -5.0)]
    assert closes(received(first)["A{=d}"]) == {2: 2.0}


def test_a_marker_at_any_time_ends_its_snapshot() -> None:
    for time in (-DAY, 10**17, "x", None):
        frame = data([(4, "A{=d}", 2, 0, 2.0), (10, "A{=d}", 1, 0, math.nan)])
        frame.columns["time"][1] = time  # type: ignore[index]
        series = CandleSeries()
        for _, rows in candle_rows(frame):
            series.receive(rows)
        assert series.is_available
        assert closes(series) == {2: 2.0}
        assert series.daily_history("A").lost == {}


def test_a_history_keeps_its_bars_under_another_name() -> None:
    history = received([(12, "A{=d}", 1, 0, 1.0)])["A{=d}"].daily_history("BRK/B")
    renamed = history.renamed("BRK.B")
    assert isinstance(renamed, CandleHistory)
    assert renamed.symbol == "BRK.B"
    assert renamed.close is history.close


ROWS = st.tuples(
    # Plain rows, transactions, removals, and every kind of beginning and end.
    st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4, 5, 8, 10, 11, 12, 14, 16, 18]),
    st.sampled_from(["A{=d}", "A{=1d}", "B{=d}"]),
    st.integers(18_000, 18_006),
    st.integers(0, 1),
    st.sampled_from([1.0, 2.0, 3.5, math.nan]),
)


@given(rows=st.lists(ROWS, max_size=60), cuts=st.lists(st.integers(0, 60), max_size=8))
def test_any_events_in_any_frames_give_what_the_rules_give_one_by_one(rows: list[Row], cuts: list[int]) -> None:
    naive: dict[str, NaiveSeries] = {}
    for row in rows:
        naive.setdefault(row[1].replace("=1d", "=d"), NaiveSeries()).receive(row)
    edges = [0, *sorted(cut for cut in cuts if cut <= len(rows)), len(rows)]
    frames = [rows[start:end] for start, end in pairwise(edges) if start < end]
    series = received(*frames)
    assert set(series) == set(naive)
    for symbol, expected in naive.items():
        assert closes(series[symbol]) == expected.closes()
        assert series[symbol].is_available is expected.available
        assert series[symbol].is_snipped is expected.snipped


ANY_VALUE = st.one_of(
    st.floats(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.text(max_size=6),
    st.sampled_from(["NaN", "Infinity", "-1"]),
)


@given(
    spoiled=st.dictionaries(st.tuples(st.integers(1, 8), st.sampled_from(CANDLE_FIELDS[2:])), ANY_VALUE, max_size=6),
    size=st.integers(1, 10),
)
def test_any_value_in_any_field_costs_itself_or_its_bar(spoiled: dict[tuple[int, str], object], size: int) -> None:
    days = list(range(18_009, 17_999, -1))
    rows: list[Row] = [
        (4 if day == days[0] else 8 if day == days[-1] else 0, "A{=d}", day, 0, float(day)) for day in days
    ]
    columns = {name: list(values) for name, values in data(rows).columns.items()}
    columns |= {"count": [5] * 10, "volume": [70.0] * 10, "vwap": [9.5] * 10, "impVolatility": [0.25] * 10}
    for (row, name), value in spoiled.items():
        columns[name][row] = value
    series = CandleSeries()
    for at in range(0, 10, size):
        part = {name: values[at : at + size] for name, values in columns.items()}
        for _, events in candle_rows(FeedData(1, "Candle", len(part["time"]), part)):
            series.receive(events)
    history = series.daily_history("A", first=date(2019, 4, 1), last=date(2019, 5, 1))
    came = dict(zip(history.session.astype(np.int64).tolist(), range(len(history)), strict=True))
    for row, day in enumerate(days):
        names = {name for at, name in spoiled if at == row}
        # Of a close outside of low and high, any may be wrong; of one wrong number of the three, the other two tell.
        has_range = not {"low", "high"} <= names
        if not names & {"time", "close"} and has_range:
            assert day in came
        elif day not in came:
            continue
        for name, column in (("open", "open"), ("volume", "volume"), ("vwap", "vwap"), ("count", "count")):
            value = float(getattr(history, column)[came[day]])
            if name not in names and not names & {"time", "sequence", "count", "volume"} and has_range:
                assert value == columns[name][row]
            assert math.isnan(value) or 0 <= value <= 1e15


SNAPSHOT_DAYS = st.lists(st.integers(18_000, 20_000), min_size=1, max_size=30, unique=True)


@given(days=SNAPSHOT_DAYS, other=SNAPSHOT_DAYS, order=st.randoms(use_true_random=False), size=st.integers(1, 20))
def test_interleaved_snapshots_with_duplicates_come_out_whole(
    days: list[int], other: list[int], order: Any, size: int
) -> None:
    streams: list[list[Row]] = []
    for symbol, wanted in (("A{=d}", days), ("B{=d}", other)):
        bars: list[Row] = [(0, symbol, day, 0, float(day)) for day in sorted(wanted, reverse=True)]
        middle = [bar for bar in bars[1:] for _ in range(order.choice([1, 1, 2]))]
        streams.append([(4, *bars[0][1:]), *middle, (10, symbol, 17_000, 0, math.nan)])
    mixed: list[Row] = []
    while any(streams):
        mixed.append(order.choice([stream for stream in streams if stream]).pop(0))
    series = received(*(mixed[at : at + size] for at in range(0, len(mixed), size)))
    assert all(one.is_available for one in series.values())
    assert closes(series["A{=d}"]) == {day: float(day) for day in days}
    assert closes(series["B{=d}"]) == {day: float(day) for day in other}
