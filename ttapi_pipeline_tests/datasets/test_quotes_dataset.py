# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""`quotes` by value: what each source has, what is null, what is carried over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from math import isnan
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from ttapi_pipeline.client import MarketData
from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.collection import Collection, no_progress
from ttapi_pipeline.core.errors import AuthError, CoverageError
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.quotes import build as quotes
from ttapi_pipeline.datasets.quotes.build import build_quotes, quotes_frame, snapshot_quotes
from ttapi_pipeline.datasets.quotes.table import QUOTES
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.streaming.events import FeedData
from ttapi_pipeline.streaming.quote_board import QuoteBoard
from ttapi_pipeline.tables.dtypes import UTC_DATETIME
from ttapi_pipeline.tables.rules import violations

FakeClient = Callable[..., SimpleNamespace]
CLOSE = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
RECEIVED = CLOSE + timedelta(seconds=2)
INF, NAN = float("inf"), float("nan")

# The row of docs/protocols/tastytrade.md, "Market data", and what the columns should say: 251.575 is
# (251.55 + 251.6) / 2, 0.05 is 251.6 - 251.55.
AAPL = MarketData(
    symbol="AAPL",
    bid=251.55,
    bid_size=2.0,
    ask=251.6,
    ask_size=1.0,
    last=251.57,
    open=249.1,
    day_high_price=252.24,
    day_low_price=248.37,
    prev_close=248.9,
    volume=35_350_000.0,
)


def values(**columns: Any) -> pl.DataFrame:
    """One symbol's columns from a feed; what is not given is NaN."""
    floats = {
        column.name: NAN
        for column in QUOTES.columns
        if column.dtype == pl.Float64() and column.name not in {"mid_price", "spread"}
    }
    row = {"symbol": "A", **floats, "last_trade_at": None, "received_at": CLOSE, **columns}
    return pl.DataFrame([row], schema_overrides={"last_trade_at": UTC_DATETIME, "received_at": UTC_DATETIME})


def frame_of(**columns: Any) -> dict[str, Any]:
    (row,) = quotes_frame(values(**columns), source="dxlink", fetched_at=CLOSE).rows(named=True)
    return row


class TestFrame:
    def test_a_snapshot_gives_what_the_example_says(self) -> None:
        later = CLOSE + timedelta(seconds=2)
        (row,) = snapshot_quotes([AAPL], received_at=later, fetched_at=CLOSE).rows(named=True)
        assert row == {
            "symbol": "AAPL",
            "bid_price": 251.55,
            "ask_price": 251.6,
            "bid_size": 2.0,
            "ask_size": 1.0,
            "mid_price": 251.575,
            "spread": 0.05,
            "last_price": 251.57,
            "last_size": None,
            "last_trade_at": None,
            "day_open": 249.1,
            "day_high": 252.24,
            "day_low": 248.37,
            "day_close": None,
            "previous_close": 248.9,
            "day_volume": 35_350_000.0,
            "received_at": later,
            "source": "rest",
            "fetched_at": CLOSE,
        }

    def test_no_snapshots_are_a_table_without_rows(self) -> None:
        frame = snapshot_quotes([], received_at=CLOSE, fetched_at=CLOSE)
        assert (frame.height, frame.schema) == (0, QUOTES.polars)

    def test_what_the_feed_writes_as_nan_or_infinite_is_null(self) -> None:
        row = frame_of(bid_price=10.0, ask_price=10.5, last_price=INF, day_volume=-INF)
        assert (row["bid_size"], row["ask_size"], row["last_price"], row["day_volume"]) == (None, None, None, None)
        assert (row["mid_price"], row["spread"]) == (10.25, 0.5)
        assert not any(isinstance(value, float) and isnan(value) for value in row.values())

    @pytest.mark.parametrize(
        "name", ["bid_price", "ask_price", "last_price", "day_open", "day_close", "previous_close"]
    )
    @pytest.mark.parametrize("value", [0.0, -1.0, INF, -INF, 1e308])
    def test_no_placeholder_is_a_price(self, name: str, value: float) -> None:
        assert frame_of(**{name: value})[name] is None

    def test_nothing_may_be_bid_for_and_nothing_may_be_traded(self) -> None:
        row = frame_of(bid_price=10.0, bid_size=0.0, ask_price=11.0, ask_size=-1.0, day_volume=0.0)
        assert (row["bid_size"], row["ask_size"], row["day_volume"]) == (0.0, None, 0.0)

    @pytest.mark.parametrize("side", ["bid", "ask"])
    def test_without_one_side_there_is_neither_mid_nor_spread_nor_that_side_s_size(self, side: str) -> None:
        prices = {"bid_price": 10.0, "ask_price": 10.5, "bid_size": 1.0, "ask_size": 2.0, f"{side}_price": NAN}
        row = frame_of(**prices)
        assert (row["mid_price"], row["spread"], row[f"{side}_size"]) == (None, None, None)

    @pytest.mark.parametrize(("bid", "ask", "spread"), [(10.5, 10.25, -0.25), (10.5, 10.5, 0.0)])
    def test_crossed_and_locked_quotes_stay_as_they_are(self, bid: float, ask: float, spread: float) -> None:
        row = frame_of(bid_price=bid, ask_price=ask)
        assert (row["bid_price"], row["ask_price"], row["spread"]) == (bid, ask, spread)

    def test_binary_fractions_leave_no_dust_in_mid_and_spread(self) -> None:
        # In binary, 0.3 - 0.1 is 0.19999999999999998 and (0.1 + 0.2) / 2 is 0.15000000000000002.
        assert frame_of(bid_price=0.1, ask_price=0.3)["spread"] == 0.2
        assert frame_of(bid_price=0.1, ask_price=0.2)["mid_price"] == 0.15

    def test_a_crossed_quote_and_an_index_break_no_rule_and_a_negative_size_does(self) -> None:
        good = pl.concat(
            [
                quotes_frame(values(symbol="X", bid_price=2.0, ask_price=1.0), source="dxlink", fetched_at=CLOSE),
                quotes_frame(values(symbol="SPX", last_price=6500.0), source="rest", fetched_at=CLOSE),
            ]
        )
        assert violations(good.lazy(), DATASETS["quotes"].rules) == {}
        bad = good.with_columns(bid_size=-1.0, source=pl.lit("x"), day_low=2.0, day_high=1.0, mid_price=None)
        assert violations(bad.lazy(), DATASETS["quotes"].rules) == {
            "sizes and volume are not negative": 2,
            "source is dxlink or rest": 2,
            "day's low <= day's high": 2,
            "mid and spread are there with both sides": 1,
        }

    def test_when_it_was_received_is_no_content(self) -> None:
        versions = {
            data_version(snapshot_quotes([AAPL], received_at=CLOSE + wait, fetched_at=CLOSE + wait))
            for wait in (timedelta(0), timedelta(hours=1))
        }
        assert len(versions) == 1
        moved = snapshot_quotes([AAPL, MarketData(symbol="B", bid=1.0)], received_at=CLOSE, fetched_at=CLOSE)
        assert data_version(moved) not in versions


class FakeFeed:
    """Stands in for the collection: the symbols given answer with a bid of 10 and an ask of 11, the others do not."""

    def __init__(self, *answering: str) -> None:
        self.answering = answering

    async def __call__(self, _link: object, board: QuoteBoard, *, progress: Any, **_: object) -> Collection[str]:
        count = len(self.answering)
        columns = {"eventSymbol": self.answering, "bidPrice": [10.0] * count, "askPrice": [11.0] * count}
        board.receive(FeedData(1, "Quote", count, columns), int(RECEIVED.timestamp()) * 10**6)
        missing = {symbol: "no Quote, Summary within 15 s" for symbol in board.symbols if symbol not in self.answering}
        progress(count, len(board))
        return Collection(list(self.answering), missing, requested=len(board))


def refused() -> AbstractAsyncContextManager[Any]:
    raise AssertionError("the fake feed opens no link, and REST is not needed")


class TestBuild:
    async def build(
        self,
        monkeypatch: pytest.MonkeyPatch,
        feed: FakeFeed,
        universe: pl.DataFrame,
        client: Any = None,
        **options: Any,
    ) -> Build:
        monkeypatch.setattr(quotes, "collect_quotes", feed)

        @asynccontextmanager
        async def open_client() -> AsyncIterator[Any]:
            yield client

        return await build_quotes(
            refused,
            refused if client is None else open_client,
            universe,
            **{
                "previous": None,
                "now": CLOSE,
                "clock": SYSTEM_CLOCK,
                "min_coverage": 0.5,
                "progress": no_progress,
                **options,
            },
        )

    async def test_what_the_feed_brings_is_asked_of_nobody_else(
        self, monkeypatch: pytest.MonkeyPatch, universe_rows: Callable[..., pl.DataFrame]
    ) -> None:
        universe = universe_rows("AAPL", "BRK/B").with_columns(streamer_symbol="S." + pl.col("symbol"))
        built = await self.build(monkeypatch, FakeFeed("S.BRK/B", "S.AAPL"), universe)
        frame = built.frame.lazy().collect().sort("symbol")
        assert frame["symbol"].to_list() == ["AAPL", "BRK/B"]
        row = frame.row(0, named=True)
        assert (row["bid_price"], row["mid_price"], row["spread"], row["day_volume"]) == (10.0, 10.5, 1.0, None)
        assert (row["last_trade_at"], row["received_at"], row["fetched_at"]) == (None, RECEIVED, CLOSE)
        assert built.sources == {"dxlink": 2}
        assert built.missing == {}
        assert built.statistics == {"coverage": 1.0, "symbols_asked_by_rest": 0, "rows_carried_over": 0}

    async def test_what_the_feed_does_not_bring_comes_by_rest_and_says_so(
        self,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        fake_client: FakeClient,
        universe_rows: Callable[..., pl.DataFrame],
    ) -> None:
        asked: list[Sequence[str]] = []

        def market_data(symbols: Sequence[str]) -> Collection[MarketData]:
            asked.append(symbols)
            return Collection([MarketData(symbol="IBM", bid=1.0, ask=2.0)], {"NOPE": "unknown"}, requested=2)

        universe = universe_rows("AAPL", "IBM", "NOPE")
        client = fake_client(market_data=market_data)
        built = await self.build(monkeypatch, FakeFeed("AAPL"), universe, client)
        frame = built.frame.lazy().collect().sort("symbol")
        assert asked == [["IBM", "NOPE"]]
        assert frame.select("symbol", "mid_price", "source").rows() == [("AAPL", 10.5, "dxlink"), ("IBM", 1.5, "rest")]
        assert built.sources == {"dxlink": 1, "rest": 1}
        assert built.missing == {"NOPE": "DXLink: no Quote, Summary within 15 s; REST: unknown"}
        assert built.statistics["symbols_asked_by_rest"] == 2
        assert built.statistics["asked_by_rest_because"] == "IBM, NOPE: no Quote, Summary within 15 s"
        assert "2 of 3 symbols not from DXLink but by REST: IBM, NOPE" in caplog.text

    async def test_part_of_an_answer_with_a_price_is_kept_where_rest_has_none(
        self, monkeypatch: pytest.MonkeyPatch, fake_client: FakeClient, universe_rows: Callable[..., pl.DataFrame]
    ) -> None:
        class Traded(FakeFeed):
            async def __call__(self, _link: object, board: QuoteBoard, **options: Any) -> Collection[str]:
                data = FeedData(1, "Trade", 1, {"eventSymbol": ["IBM"], "price": [301.5]})
                board.receive(data, int(RECEIVED.timestamp()) * 10**6)
                return await super().__call__(_link, board, **options)

        def market_data(_: Sequence[str]) -> Collection[MarketData]:
            return Collection([], {"IBM": "unknown"}, requested=1)

        client = fake_client(market_data=market_data)
        built = await self.build(monkeypatch, Traded("AAPL", "MSFT"), universe_rows("AAPL", "IBM", "MSFT"), client)
        row = built.frame.lazy().collect().filter(symbol="IBM").row(0, named=True)
        assert (row["last_price"], row["bid_price"], row["source"], row["received_at"]) == (
            301.5,
            None,
            "dxlink",
            RECEIVED,
        )
        assert list(built.missing) == ["IBM"]

    async def test_an_index_that_had_no_quote_is_known_by_its_stored_row(
        self, monkeypatch: pytest.MonkeyPatch, universe_rows: Callable[..., pl.DataFrame]
    ) -> None:
        told: list[tuple[set[str], set[str]]] = []

        class Noting(FakeFeed):
            async def __call__(self, _link: object, board: QuoteBoard, **options: Any) -> Collection[str]:
                told.append((set(options["unquoted"]), set(options["never_quoted"])))
                return await super().__call__(_link, board, **options)

        universe = universe_rows("AAPL", "SPX", "NDX").with_columns(is_index=pl.col("symbol") != "AAPL")
        board = QuoteBoard(["AAPL", "SPX", "NDX"])
        trades: dict[str, list[Any]] = {"eventSymbol": ["AAPL", "SPX", "NDX"], "price": [1.0, 2.0, 3.0]}
        board.receive(FeedData(1, "Trade", 3, trades), int(RECEIVED.timestamp()) * 10**6)
        quoted: dict[str, list[Any]] = {"eventSymbol": ["NDX"], "bidPrice": [3.0], "askPrice": [3.0]}
        board.receive(FeedData(1, "Quote", 1, quoted), int(RECEIVED.timestamp()) * 10**6)
        previous = quotes.streamed_quotes(board, {each: each for each in board.symbols}, fetched_at=CLOSE)
        for stored in (None, previous.lazy()):
            await self.build(monkeypatch, Noting("AAPL", "SPX", "NDX"), universe, previous=stored)
        assert told == [({"SPX", "NDX"}, set()), ({"SPX", "NDX"}, {"SPX"})]

    async def test_what_comes_from_neither_keeps_its_last_known_row_with_its_times(
        self,
        monkeypatch: pytest.MonkeyPatch,
        fake_client: FakeClient,
        universe_rows: Callable[..., pl.DataFrame],
    ) -> None:
        before = CLOSE - timedelta(hours=1)
        known = snapshot_quotes([AAPL, MarketData(symbol="GONE")], received_at=before, fetched_at=before)
        client = fake_client(market_data=Collection([], {"AAPL": "HTTP 502"}, requested=1))
        built = await self.build(
            monkeypatch, FakeFeed("IBM"), universe_rows("AAPL", "IBM"), client, previous=known.lazy()
        )
        frame = built.frame.lazy().collect().sort("symbol")
        assert frame.select("symbol", "bid_price", "received_at", "fetched_at").rows() == [
            ("AAPL", 251.55, before, before),
            ("IBM", 10.0, RECEIVED, CLOSE),
        ]
        assert list(built.missing) == ["AAPL"]
        assert built.statistics["rows_carried_over"] == 1

    async def test_too_little_replaces_nothing(
        self,
        monkeypatch: pytest.MonkeyPatch,
        fake_client: FakeClient,
        universe_rows: Callable[..., pl.DataFrame],
    ) -> None:
        client = fake_client(market_data=Collection([], {"B": "HTTP 502", "C": "HTTP 502"}, requested=2))
        with pytest.raises(CoverageError, match="quotes: 2 of 3 are missing: B, C: DXLink: no Quote") as raised:
            await self.build(monkeypatch, FakeFeed("A"), universe_rows("A", "B", "C"), client)
        assert raised.value.coverage == pytest.approx(1 / 3)

    async def test_two_symbols_of_one_streamer_symbol_both_have_its_values(
        self, monkeypatch: pytest.MonkeyPatch, universe_rows: Callable[..., pl.DataFrame]
    ) -> None:
        universe = universe_rows("A", "B").with_columns(streamer_symbol=pl.lit("X"))
        built = await self.build(monkeypatch, FakeFeed("X"), universe)
        assert built.frame.lazy().collect()["bid_price"].to_list() == [10.0, 10.0]

    async def test_progress_goes_on_from_the_feed_to_rest(
        self,
        monkeypatch: pytest.MonkeyPatch,
        fake_client: FakeClient,
        universe_rows: Callable[..., pl.DataFrame],
    ) -> None:
        steps: list[tuple[int, int]] = []
        client = SimpleNamespace(is_simulated=True)

        async def market_data(symbols: Sequence[str], *, progress: Any, **_: object) -> Collection[MarketData]:
            progress(len(symbols), len(symbols))
            return Collection([MarketData(symbol=symbol) for symbol in symbols], requested=len(symbols))

        client.market_data = market_data
        built = await self.build(
            monkeypatch,
            FakeFeed("A"),
            universe_rows("A", "B", "C"),
            client,
            progress=lambda done, total: steps.append((done, total)),
        )
        assert steps == [(1, 3), (3, 3)]
        assert built.is_simulated

    async def test_refused_credentials_leave_as_they_are(
        self,
        monkeypatch: pytest.MonkeyPatch,
        fake_client: FakeClient,
        universe_rows: Callable[..., pl.DataFrame],
    ) -> None:
        client = fake_client(market_data=AuthError("refused"))
        with pytest.raises(AuthError):
            await self.build(monkeypatch, FakeFeed(), universe_rows("AAPL"), client)

    async def test_an_empty_universe_is_an_empty_table(
        self, monkeypatch: pytest.MonkeyPatch, universe_rows: Callable[..., pl.DataFrame]
    ) -> None:
        built = await self.build(monkeypatch, FakeFeed(), universe_rows())
        assert (built.frame.lazy().collect().height, built.missing) == (0, {})
