# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Hand-made inputs: a few weeks of sessions, bars, a client that answers what the test says."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.expiration_series.table import EXPIRATION_SERIES
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.universe.table import UNIVERSE
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.tables.schema import DatasetSchema
from ttapi_pipeline_tests.support.rows import calendar_rows

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
"""A Saturday: the session of 2026-11-20 is settled."""


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def calendar_frame() -> Callable[[date, date], pl.DataFrame]:
    """`trading_calendar` from the packaged sessions."""

    return lambda first, last: calendar_rows(first, last, fetched_at=NOW)


@pytest.fixture(scope="session")
def universe_rows() -> Callable[..., pl.DataFrame]:
    """`universe` of the given symbols."""

    def make(*symbols: str) -> pl.DataFrame:
        rows = [
            {
                "symbol": symbol,
                "streamer_symbol": symbol,
                "description": f"{symbol} Inc",
                "instrument_type": "Equity",
                "listed_market": "XNAS",
                "is_etf": False,
                "is_index": False,
                "is_active": True,
                "membership": "test",
                "source": "tastytrade",
                "fetched_at": NOW,
            }
            for symbol in symbols
        ]
        return conform(pl.DataFrame(rows, schema=UNIVERSE.polars), UNIVERSE)

    return make


@pytest.fixture(scope="session")
def table() -> Callable[[str, Iterable[Mapping[str, object]]], pl.DataFrame]:
    """Rows of a dataset, of which the test gives what matters; the rest is null or of no meaning."""

    def make(dataset: str, rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
        schema: DatasetSchema = DATASETS[dataset].schema
        filled = [_filled(schema, row) for row in rows]
        return conform(pl.DataFrame(filled, schema=schema.polars), schema)

    return make


def _filled(schema: DatasetSchema, row: Mapping[str, object]) -> dict[str, object]:
    fillers = {pl.String: "x", pl.Int32: 1, pl.Int64: 1, pl.Float64: 1.0, pl.Boolean: True, pl.Date: date(2026, 1, 5)}
    required = {
        column.name: NOW if isinstance(column.dtype, pl.Datetime) else fillers[type(column.dtype)]
        for column in schema.columns
        if not column.is_nullable
    }
    return {**required, **row}


@pytest.fixture(scope="session")
def candles_frame() -> Callable[[Mapping[str, Mapping[date, float]]], pl.DataFrame]:
    """`daily_candles` with the given closes, all final."""

    def make(closes: Mapping[str, Mapping[date, float]]) -> pl.DataFrame:
        rows = [
            {
                "symbol": symbol,
                "session": session,
                "open": close,
                "high": close,
                "low": close,
                "close": close,
                "volume": 100.0,
                "is_final": True,
                "source": "dxlink",
                "fetched_at": NOW,
            }
            for symbol, series in closes.items()
            for session, close in series.items()
        ]
        return conform(pl.DataFrame(rows, schema=DAILY_CANDLES.polars), DAILY_CANDLES)

    return make


@pytest.fixture(scope="session")
def expirations_frame() -> Callable[[Mapping[str, Sequence[date]]], pl.DataFrame]:
    """`expiration_series` on the given dates, which are sessions."""

    def make(dates: Mapping[str, Sequence[date]]) -> pl.DataFrame:
        rows = [
            {
                "symbol": symbol,
                "root_symbol": symbol,
                "expiration_date": day,
                "settlement_type": "PM",
                "option_chain_type": "Standard",
                "expiration_type": "Regular",
                "expiration_session": day,
                "is_expiration_on_session": True,
                "shares_per_contract": 100,
                "strike_count": 0,
                "strikes": [],
                "source": "tastytrade",
                "fetched_at": NOW,
            }
            for symbol, days in dates.items()
            for day in days
        ]
        return conform(pl.DataFrame(rows, schema=EXPIRATION_SERIES.polars), EXPIRATION_SERIES)

    return make


@pytest.fixture(scope="session")
def fake_client() -> Callable[..., SimpleNamespace]:
    """A client whose methods answer with the given values, or raise them."""

    def make(**answers: object) -> SimpleNamespace:
        def method(answer: object) -> Callable[..., object]:
            async def call(*arguments: object, **options: object) -> object:
                found = answer(*arguments) if callable(answer) else answer
                if isinstance(found, Exception):
                    raise found
                return found

            return call

        return SimpleNamespace(is_simulated=False, **{name: method(answer) for name, answer in answers.items()})

    return make


def _packaged_csv(package: str, path: str) -> bytes:
    # Asked for by its spec, because importing `arch` takes seconds.
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return gzip.decompress((Path(spec.origin).parent / path).read_bytes())


@cache
def _metastock_text(symbol: str) -> str:
    if symbol == "SPX":
        frame = pl.read_csv(_packaged_csv("arch", "data/sp500/sp500.csv.gz")).with_columns(
            Ticker=pl.lit("SPX"), Date=pl.col("Date").str.to_date("%m/%d/%Y")
        )
    else:
        stocks = pl.read_csv(_packaged_csv("bokeh_sampledata", "_data/stocks.csv.gz"))
        frame = stocks.filter(pl.col("Ticker") == symbol).with_columns(pl.col("Date").str.to_date())
    rows = frame.select("Ticker", pl.col("Date").dt.strftime("%Y%m%d"), "Open", "High", "Low", "Close", "Volume")
    return "<TICKER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n" + rows.write_csv(include_header=False)


@pytest.fixture(scope="session")
def real_metastock_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with one MetaStock file of SPX (package `arch`) or AAPL (package `bokeh_sampledata`)."""

    def make(symbol: str) -> Path:
        folder = tmp_path_factory.mktemp(f"metastock-{symbol}")
        (folder / f"{symbol}.txt").write_text(_metastock_text(symbol))
        return folder

    return make
