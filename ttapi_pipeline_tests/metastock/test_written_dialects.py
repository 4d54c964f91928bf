# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Every dialect reads back what was written in it: bars that were made up, and real ones of published packages."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.metastock.dates import PLACEHOLDERS
from ttapi_pipeline.metastock.frames import BARS
from ttapi_pipeline.metastock.importer import import_folder
from ttapi_pipeline_tests.support.examples import examples
from ttapi_pipeline_tests.support.metastock import check_account, folder_of

Row = tuple[date, float, float, float, float, float, float]
Writer = Callable[[Path, str, Mapping[str, Sequence[Row]]], None]

DIALECTS = "ABCDEFGHIJKLM"
HAVE_OPEN_INTEREST = "ACEJM"
HAVE_A_FILE_PER_SESSION = "DE"


def frame_of(series: Mapping[str, Sequence[Row]], *, has_open_interest: bool) -> pl.DataFrame:
    rows = [(symbol, *row) for symbol, bars in series.items() for row in bars]
    frame = pl.DataFrame(rows, schema=BARS, orient="row").sort("symbol", "session")
    return frame if has_open_interest else without_open_interest(frame)


def without_open_interest(bars: pl.DataFrame) -> pl.DataFrame:
    return bars.with_columns(open_interest=pl.lit(None, pl.Float64))


# Bars of days that programs count from are set aside: `test_a_day_that_programs_count_from_is_no_date`.
DAYS = st.dates(date(1885, 1, 1), date(2030, 1, 1)).filter(lambda day: day not in PLACEHOLDERS)


@st.composite
def bars(draw: st.DrawFn, scale: float) -> Row:
    # Within a factor of three: a price that slips by a power of ten and comes back is set aside.
    prices = st.floats(scale, 3 * scale, allow_nan=False)
    low, one, other, high = sorted(draw(st.tuples(prices, prices, prices, prices)))
    volume, open_interest = draw(st.tuples(st.floats(0, 1e12), st.integers(0, 10**9).map(float)))
    return (draw(DAYS), one, high, low, other, volume, open_interest)


SYMBOLS = st.one_of(
    st.from_regex(r"[A-Z]{1,5}(/[AB])?", fullmatch=True),
    st.sampled_from(["TRUE", "NA", "NAN", "000001", "1E5", "PRN", "LOW"]),
)
SERIES = st.dictionaries(
    SYMBOLS,
    st.floats(1e-4, 3e5).flatmap(
        lambda scale: st.lists(bars(scale), min_size=1, max_size=12, unique_by=lambda bar: bar[0])
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=examples(100), deadline=None)
@given(series=SERIES, dialect=st.sampled_from(DIALECTS))
def test_every_dialect_reads_back_what_was_written(
    write_dialect: Writer, series: Mapping[str, Sequence[Row]], dialect: str
) -> None:
    with folder_of({}) as folder:
        write_dialect(folder, dialect, series)
        result = import_folder(folder)
    expected = frame_of(series, has_open_interest=dialect in HAVE_OPEN_INTEREST)
    assert_frame_equal(check_account(result), expected, check_exact=True)
    assert result.rejects.is_empty()
    assert set(result.files["dialect"]) == {dialect}


@pytest.mark.parametrize("day", ["18581117", "19000101", "19040101", "19700101", "19800101", "20000101"])
def test_a_day_that_programs_count_from_is_no_date(day: str) -> None:
    after = f"{day[:6]}{int(day[6:]) + 1:02}"
    with folder_of({"A.txt": f"A,{day},1,1,1,1,0\nA,{after},1,1,1,1,0\n"}) as folder:
        result = import_folder(folder)
    assert result.bars.collect()["session"].to_list() == [datetime.strptime(after, "%Y%m%d").date()]  # noqa: DTZ007
    assert result.rejects["reason"].to_list() == ["the date is a placeholder: programs count days from it"]


def packaged(package: str, path: str) -> bytes:
    """A data file of a package, without the seconds that importing the package takes."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / path).read_bytes()


def real_series(*, shares_of_skfolio: int) -> Mapping[str, Sequence[Row]]:
    """Daily bars as four packages have them.

    S&P 500 1999-2018 of `arch`; AAPL, FB, GOOG, IBM and MSFT 2000-2013 of `bokeh_sampledata`, unadjusted; Google
    2004-2013 of `backtesting`, under another name here; adjusted closes of some of 20 shares 1990-2022 of `skfolio`.
    """
    index = pl.read_csv(packaged("arch", "data/sp500/sp500.csv.gz")).select(
        pl.lit("SPX").alias("Ticker"), pl.col("Date").str.to_date("%m/%d/%Y"), "Open", "High", "Low", "Close", "Volume"
    )
    stocks = pl.read_csv(packaged("bokeh_sampledata", "_data/stocks.csv.gz")).select(
        "Ticker", pl.col("Date").str.to_date("%Y-%m-%d"), "Open", "High", "Low", "Close", "Volume"
    )
    columns = (pl.col("").str.to_date("%Y-%m-%d").alias("Date"), "Open", "High", "Low", "Close", "Volume")
    google = pl.read_csv(packaged("backtesting", "test/GOOG.csv")).select(pl.lit("GOOGL").alias("Ticker"), *columns)
    frames = pl.concat([index, stocks, google, closes_of_skfolio(shares_of_skfolio)], how="vertical_relaxed")
    series: dict[str, list[Row]] = {}
    for symbol, session, *prices, volume in frames.iter_rows():
        opened, high, low, close = prices
        series.setdefault(symbol, []).append((session, opened, high, low, close, float(volume), 0.0))
    return series


def closes_of_skfolio(shares: int) -> pl.DataFrame:
    """Adjusted closes of the first `shares` shares, 1990 to 2022, which stand for all four prices."""
    wide = pl.read_csv(gzip.decompress(packaged("skfolio", "datasets/data/sp500_dataset.csv.gz")))
    wide = wide.select(wide.columns[: 1 + shares])
    long = wide.unpivot(index="Date", variable_name="Ticker", value_name="Close").drop_nulls()
    prices = [pl.col("Close").cast(pl.Float64).alias(name) for name in ("Open", "High", "Low", "Close")]
    # Beside the raw ones of the same companies.
    ticker = pl.concat_str("Ticker", pl.lit("ADJ"))
    return long.select(ticker, pl.col("Date").str.to_date("%Y-%m-%d"), *prices, Volume=pl.lit(0))


@dataclass(frozen=True)
class Real:
    """Real prices, to be written and to be compared with; `rows_of_two_packages` is how many arch and bokeh have."""

    series: Mapping[str, Sequence[Row]]
    bars: pl.DataFrame
    rows_of_two_packages: int


@pytest.fixture(scope="module")
def real() -> Real:
    series = real_series(shares_of_skfolio=2)
    # 5,031 of arch and 12,154 of bokeh_sampledata, as `wc -l` counts them without the headers.
    return Real(series, frame_of(series, has_open_interest=True), 5_031 + 12_154)


@pytest.fixture(scope="module")
def real_of_two_years(real: Real) -> Real:
    """The sessions of 2000 and 2001: a dialect with a file per session has 8,313 files of all, and 500 of these."""
    series = {symbol: [row for row in rows if row[0].year in {2000, 2001}] for symbol, rows in real.series.items()}
    bars = real.bars.filter(pl.col("session").dt.year().is_in([2000, 2001]))
    # As `grep -c` counts lines of these years: 500 of arch; 460 each of AAPL, IBM and MSFT.
    return Real(series, bars, 500 + 3 * 460)


def test_real_prices_come_back_identical(
    tmp_path: Path, write_dialect: Writer, real: Real, real_of_two_years: Real, dialect: str
) -> None:
    prices = real_of_two_years if dialect in HAVE_A_FILE_PER_SESSION else real
    write_dialect(tmp_path, dialect, prices.series)
    result = import_folder(tmp_path)
    bars = check_account(result)
    expected = prices.bars if dialect in HAVE_OPEN_INTEREST else without_open_interest(prices.bars)
    assert_frame_equal(bars, expected, check_exact=True)
    in_both = bars.filter(pl.col("symbol").is_in(["SPX", "AAPL", "FB", "GOOG", "IBM", "MSFT"]))
    assert in_both.height == prices.rows_of_two_packages
    # Apple's profit warning: 53.50 to 25.75 over night, no split.
    crash = bars.filter(pl.col("symbol") == "AAPL", pl.col("session").is_between(date(2000, 9, 28), date(2000, 9, 29)))
    assert crash["close"].to_list() == [53.5, 25.75]


@pytest.mark.soak
def test_the_whole_of_every_package_comes_back_identical(tmp_path: Path, write_dialect: Writer, dialect: str) -> None:
    series = real_series(shares_of_skfolio=20)
    write_dialect(tmp_path, dialect, series)
    bars = check_account(import_folder(tmp_path))
    assert_frame_equal(bars, frame_of(series, has_open_interest=dialect in HAVE_OPEN_INTEREST), check_exact=True)
    # 8,313 sessions of 20 shares, 2,148 of Google, beside the others.
    assert bars.height == 5_031 + 12_154 + 2_148 + 20 * 8_313
