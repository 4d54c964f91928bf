# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ttapi_pipeline.core.errors import InvalidFormatError, StorageError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.eod_snapshot.account import account_problems
from ttapi_pipeline.datasets.eod_snapshot.build import build_eod_snapshot
from ttapi_pipeline.datasets.eod_snapshot.merging import SnapshotMerge
from ttapi_pipeline.datasets.eod_snapshot.options import SnapshotOptions, snapshot_options
from ttapi_pipeline.datasets.eod_snapshot.scales import find_splits
from ttapi_pipeline.datasets.eod_snapshot.sources import compare_sources
from ttapi_pipeline.datasets.eod_snapshot.survey import RangeSurvey
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.metastock.symbol_map import read_symbol_map
from ttapi_pipeline.storage.incremental.pieces import Pieces
from ttapi_pipeline.storage.incremental.row_groups import read_footer
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline_tests.support.flips import flip_bit

CandlesFrame = Callable[[Mapping[str, Mapping[date, float]]], pl.DataFrame]
CalendarFrame = Callable[[date, date], pl.DataFrame]

IMPORTED_AT = datetime(2026, 11, 21, 16, tzinfo=UTC)
SESSIONS = sessions_between(date(2026, 1, 2), date(2026, 11, 20))
FILES = SESSIONS[:-30]
HEADER = "<TICKER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n"


def rows(ticker: str, closes: Mapping[date, float]) -> str:
    return HEADER + "".join(f"{ticker},{day:%Y%m%d},{c},{c},{c},{c},1000\n" for day, c in closes.items())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """AAA agrees with the feed, HALF is at half its scale, FILE is not in the feed."""
    folder = tmp_path / "metastock"
    folder.mkdir()
    for ticker in ("AAA", "HALF", "FILE"):
        (folder / f"{ticker}.mst").write_text(rows(ticker, dict.fromkeys(FILES, 10.0)))
    return folder


@pytest.fixture
def build(folder: Path, candles_frame: CandlesFrame, calendar_frame: CalendarFrame) -> Callable[..., Build]:
    def run(files: Path | None = folder, **options: object) -> Build:
        closes = {
            "AAA": dict.fromkeys(SESSIONS, 10.0),
            "HALF": dict.fromkeys(SESSIONS, 20.0),
            "FEED": {SESSIONS[3]: 7.0},
        }
        return build_eod_snapshot(
            files,
            candles_frame(closes).lazy(),
            calendar_frame(SESSIONS[0], date(2026, 12, 31)).lazy(),
            metastock_version="v1",
            options=SnapshotOptions(**options),  # type: ignore[arg-type]
        )

    return run


def test_metastock_comes_first_and_candles_where_it_ends(build: Callable[..., Build], tmp_path: Path) -> None:
    built = build()
    frame = built.frame.lazy().collect(engine="streaming")
    counts = dict(
        frame.group_by("symbol", "source")
        .len()
        .select(pl.concat_str("symbol", pl.lit(" "), "source"), "len")
        .iter_rows()
    )
    assert counts == {
        "AAA metastock": len(FILES),
        "AAA dxlink": 30,
        "FEED dxlink": 1,
        "FILE metastock": len(FILES),
        "HALF metastock": len(FILES),
        "HALF dxlink": 30,
    }
    assert built.sources == {"dxlink": 61, "metastock": 3 * len(FILES)}
    assert built.missing == {}
    assert built.statistics["metastock_rows_read"] == built.statistics["metastock_rows_kept"] == 3 * len(FILES)
    provenance = Provenance(dataset="eod_snapshot", code_version="1", fetched_at=IMPORTED_AT)
    # Publishing checks the promised order.
    assert publish(built.frame, EOD_SNAPSHOT, tmp_path / "data", provenance).wait().rows == frame.height


def test_a_number_that_cannot_be_read_costs_its_field_and_is_counted(build: Callable[..., Build], folder: Path) -> None:
    content = rows("FILE", dict.fromkeys(FILES[:-3], 10.0))
    for day, numbers in zip(FILES[-3:], ("0,10,10,10,-", "10,10,10,10,-5", "10,10,10,NaN,5"), strict=True):
        content += f"FILE,{day:%Y%m%d},{numbers}\n"
    (folder / "FILE.mst").write_text(content)
    built = build()
    kept = built.frame.lazy().filter(pl.col("symbol") == "FILE").tail(2).collect()
    assert kept.select("open", "close", "volume").rows() == [(None, 10.0, None), (10.0, 10.0, None)]
    provenance = Provenance(
        dataset="eod_snapshot", code_version="1", fetched_at=IMPORTED_AT, statistics=built.statistics
    )
    assert provenance.lost == {"open": 1, "volume": 2, "rows": 1}
    assert built.reports["eod_rejects"]["reason"].to_list() == ["close is not a number"]


def test_the_size_of_the_ranges_changes_nothing(build: Callable[..., Build], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build()
    monkeypatch.setattr(limits, "RANGE_ROWS", 1)
    pieces = build()
    assert_frame_equal(whole.frame.lazy().collect(), pieces.frame.lazy().collect())
    assert (whole.sources, whole.statistics, whole.missing) == (pieces.sources, pieces.statistics, pieces.missing)
    some = pieces.frame.lazy().filter(pl.col("symbol") == "FEED").select("close").collect()
    assert some["close"].to_list() == [7.0]
    assert pieces.frame.lazy().head(2).collect().height == 2


def test_overlaps_and_splits_are_tables_with_the_numbers(build: Callable[..., Build], folder: Path) -> None:
    # AAA halves in the files from the eleventh session on, and does not in the feed: a split that was not adjusted for
    # there, and at the end the files are at half the scale of the feed, as if they ended before a reverse split.
    halved = {day: 10.0 if at < 10 else 5.0 for at, day in enumerate(FILES)}
    (folder / "AAA.mst").write_text(rows("AAA", halved))
    built = build()
    reports = built.reports
    facts = {
        "verdict": "split",
        "is_appended": True,
        "is_proven": True,
        "metastock_sessions": len(FILES),
        "common_sessions": len(FILES),
        "median_ratio": 2.0,
        "ratio_spread": 0.0,
        "divisor": 0.5,
        "first_candle": SESSIONS[0],
        "last_candle": SESSIONS[-1],
    }
    overlaps = [{"symbol": "AAA", **facts, "splits": 1}, {"symbol": "HALF", **facts, "splits": 0}]
    assert sorted(reports["eod_overlaps"].to_dicts(), key=itemgetter("symbol")) == overlaps
    assert reports["eod_splits"].rows() == [("AAA", FILES[10], 2.0, "metastock", "ratio")]
    assert reports["eod_rejects"].is_empty()
    frame = built.frame.lazy().filter(pl.col("symbol") == "AAA").sort("session").collect()
    assert frame["close"].to_list() == [10.0] * len(SESSIONS)
    assert built.statistics["symbols_rebased"] == 2


def test_a_row_says_when_its_file_was_changed_or_its_candle_fetched(
    build: Callable[..., Build], folder: Path, candles_frame: CandlesFrame
) -> None:
    for at, name in enumerate(("AAA", "HALF", "FILE"), start=1):
        os.utime(folder / f"{name}.mst", ns=(at * 10**9, at * 10**9))
    fetched = build().frame.lazy().group_by("symbol", "source").agg(pl.col("fetched_at").unique()).collect()
    candle = candles_frame({"X": {SESSIONS[0]: 1.0}})["fetched_at"][0]
    assert {(symbol, source): list(values) for symbol, source, values in fetched.iter_rows()} == {
        ("AAA", "metastock"): [datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)],
        ("AAA", "dxlink"): [candle],
        ("HALF", "metastock"): [datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)],
        ("HALF", "dxlink"): [candle],
        ("FILE", "metastock"): [datetime(1970, 1, 1, 0, 0, 3, tzinfo=UTC)],
        ("FEED", "dxlink"): [candle],
    }


def test_only_symbols_whose_sources_changed_are_merged_again(
    build: Callable[..., Build], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RANGE_SYMBOLS", 1)  # a range per symbol

    def keys() -> list[str]:
        frame = build().frame
        assert isinstance(frame, Pieces)
        return [piece.key for piece in frame.pieces]

    before = keys()
    assert len(set(before)) == 4  # AAA, FEED, FILE, HALF
    (folder / "FILE.mst").write_text(rows("FILE", dict.fromkeys(FILES, 10.01)))
    assert [one == other for one, other in zip(before, keys(), strict=True)] == [True, True, False, True]
    (folder / "B.mst").write_text(rows("B", {SESSIONS[0]: 1.0}))
    assert [key in before for key in keys()] == [True, False, True, False, True]


def test_a_file_of_many_symbols_is_stored_again_as_it_was(
    folder: Path, tmp_path: Path, build: Callable[..., Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RANGE_SYMBOLS", 1)  # a range per symbol, several of which are from one file
    closes = {"BOTH": 1.0, "CATS": 2.0, "DOGS": 3.0}
    (folder / "all.txt").write_text(
        HEADER + "".join(f"{ticker},20260102,{c},{c},{c},{c},5\n" for ticker, c in closes.items())
    )
    provenance = Provenance(dataset="eod_snapshot", code_version="1", fetched_at=IMPORTED_AT)
    stored = [publish(build().frame, EOD_SNAPSHOT, tmp_path / "data", provenance).wait() for _ in range(2)]
    assert stored[0].data_version == stored[1].data_version
    rows_of_file = scan(tmp_path / "data", EOD_SNAPSHOT).filter(pl.col("symbol").is_in(list(closes)))
    assert dict(rows_of_file.select("symbol", "close").collect().iter_rows()) == closes


def test_only_symbols_whose_sources_or_sessions_changed_are_surveyed_again(
    folder: Path,
    tmp_path: Path,
    candles_frame: CandlesFrame,
    calendar_frame: CalendarFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "RANGE_SYMBOLS", 1)  # a range per symbol: AAA, FEED, FILE, HALF
    cache = tmp_path / "state" / "metastock"
    surveyed: list[int] = []
    look = SnapshotMerge._look

    def counted(self: SnapshotMerge, position: int) -> RangeSurvey:
        surveyed[-1] += 1
        return look(self, position)

    monkeypatch.setattr(SnapshotMerge, "_look", counted)

    def run(*, feed: float = 7.0, last: date = date(2026, 12, 31), is_rescaling: bool = False) -> Build:
        closes = {"HALF": dict.fromkeys(SESSIONS, 20.0), "FEED": {SESSIONS[3]: feed}}
        surveyed.append(0)
        return build_eod_snapshot(
            folder,
            candles_frame(closes).lazy(),
            calendar_frame(SESSIONS[0], last).lazy(),
            metastock_version="v1",
            options=SnapshotOptions(cache=cache, is_rescaling=is_rescaling),
        )

    first, second = run(), run()
    assert what_is_told(first) == what_is_told(second)
    run(feed=8.0)
    (folder / "AAA.mst").write_text(rows("AAA", dict.fromkeys(FILES[:-1], 10.0)))
    changed = run(feed=8.0)
    assert changed.sources["metastock"] == first.sources["metastock"] - 1
    assert surveyed == [4, 0, 1, 1]
    # Another calendar, and other options, are about every symbol; so is a memory that is damaged.
    assert run(feed=8.0, last=SESSIONS[-2]).statistics["missing_sessions"] == 0
    run(feed=8.0, is_rescaling=True)
    flip_bit(cache / "survey.sealed", 300, 4)
    run(feed=8.0)
    run(feed=8.0)
    assert surveyed[4:] == [4, 4, 4, 0]


def what_is_told(built: Build) -> list[object]:
    """What a build says besides its rows, and besides how many files were read for it."""
    chart = built.charts["coverage"]
    assert isinstance(chart, partial)
    return [
        {name: value for name, value in built.statistics.items() if name != "metastock_files_read"},
        {name: report.rows() for name, report in built.reports.items()},
        dict(built.missing),
        list(built.sources.items()),
        chart.args[0].sort("session", "source").rows(),
    ]


STATES = st.lists(
    st.dictionaries(
        st.sampled_from(["A.txt", "B.N.txt", "HALF.mst", "Z.csv", "A+B+Y.txt"]),
        st.tuples(st.integers(1, 30), st.sampled_from([10.0, 10.5])),
    ),
    min_size=1,
    max_size=4,
)


@hypothesis_settings(max_examples=6, deadline=None)
@given(states=STATES)
def test_any_sequence_of_increments_stores_and_tells_what_a_full_rebuild_does(
    states: list[Mapping[str, tuple[int, float]]], candles_frame: CandlesFrame, calendar_frame: CalendarFrame
) -> None:
    candles = candles_frame({"A": dict.fromkeys(SESSIONS[:40], 10.0), "HALF": dict.fromkeys(SESSIONS[:40], 20.0)})
    calendar = calendar_frame(SESSIONS[0], date(2026, 12, 31)).lazy()
    provenance = Provenance(dataset="eod_snapshot", code_version="1", fetched_at=IMPORTED_AT)

    def store(data: Path) -> tuple[bytes, str, list[object]]:
        options = SnapshotOptions(cache=data / ".state" / "metastock")
        built = build_eod_snapshot(files, candles.lazy(), calendar, metastock_version="v", options=options)
        manifest = publish(built.frame, EOD_SNAPSHOT, data, provenance).wait()
        with (data / "eod_snapshot.parquet").open("rb") as file:
            _, end = read_footer(file)
            file.seek(0)
            content = file.read(end) + (data / "eod_snapshot.csv").read_bytes()
        return content, manifest.data_version, what_is_told(built)

    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "RANGE_SYMBOLS", 1)
        files, grown = Path(name, "files"), Path(name, "grown")
        files.mkdir()
        stored = []
        for at, state in enumerate(states):
            for path in files.iterdir():
                path.unlink()
            for file, (count, close) in state.items():
                # The same content has the same time of change, as it has for files that nobody touched.
                series = dict.fromkeys(SESSIONS[:count], close)
                tickers = file.partition(".")[0].split("+")
                (files / file).write_text("".join(rows(ticker, series) for ticker in tickers))
                os.utime(files / file, ns=(at, count * 10**9 + int(close * 2) * 10**6))
            stored.append(store(grown))
        assert stored[-1] == store(Path(name, "rebuilt"))


def test_files_are_rebased_to_todays_share_and_candles_are_left_alone(build: Callable[..., Build]) -> None:
    built = build(adjustment="raw")
    assert built.missing == {}
    assert built.statistics["symbols_rebased"] == 1
    half = built.frame.lazy().filter(pl.col("symbol") == "HALF").collect()
    assert half["close"].unique().to_list() == [20.0]
    rebased = half.filter(source="metastock")
    assert rebased["adjustment"].unique().to_list() == ["rebased"]
    # Twice the price means half the shares.
    assert rebased["volume"].unique().to_list() == [500.0]
    assert half.filter(source="dxlink")["adjustment"].unique().to_list() == ["split"]
    of = dict(built.frame.lazy().group_by("symbol").agg(pl.col("adjustment").unique()).collect().iter_rows())
    assert of["AAA"] == ["split"]  # the candles prove it
    assert of["FILE"] == ["raw"]


def test_bars_on_other_days_and_missing_sessions_are_counted(
    folder: Path, candles_frame: CandlesFrame, calendar_frame: CalendarFrame
) -> None:
    # 2026-01-03 is a Saturday; two of the first five sessions have no bar; the last day is after the calendar.
    days = [SESSIONS[0], date(2026, 1, 3), SESSIONS[2], SESSIONS[4], date(2027, 6, 1)]
    (folder / "GAPS.mst").write_text(rows("GAPS", dict.fromkeys(days, 5.0)))
    built = build_eod_snapshot(
        folder,
        candles_frame({}).lazy(),
        calendar_frame(SESSIONS[0], date(2026, 12, 31)).lazy(),
        metastock_version="v1",
    )
    assert built.statistics["bars_on_other_days"] == 1
    assert built.statistics["missing_sessions"] == 2


def test_every_row_is_accounted_for_and_a_lost_one_is_told(build: Callable[..., Build], folder: Path) -> None:
    with (folder / "AAA.mst").open("a") as file:
        file.write("AAA,20260102,1,1,1,x,5\nAAA,20260102,10,10,10,10,5\n")
    built = build()
    assert built.statistics["metastock_duplicates"] == built.statistics["metastock_rejected"] == 1
    stored = Provenance(
        dataset="eod_snapshot",
        code_version="1",
        fetched_at=IMPORTED_AT,
        statistics=built.statistics,
    )
    bars = built.sources["metastock"]
    assert account_problems(stored, bars=bars, rejects=1) == []
    given_way = replace(stored, statistics={**built.statistics, "metastock_replaced": 1})
    assert account_problems(given_way, bars=bars - 1, rejects=1) == []
    lost = replace(stored, statistics={**built.statistics, "metastock_duplicates": 0, "metastock_unaccounted": "AAA"})
    assert len(account_problems(lost, bars=bars, rejects=1)) == 2
    assert len(account_problems(stored, bars=bars - 1, rejects=2)) == 2


def test_without_a_folder_there_are_candles_alone(build: Callable[..., Build]) -> None:
    built = build(None)
    assert built.sources == {"dxlink": 2 * len(SESSIONS) + 1}
    assert built.reports == {}
    assert "metastock_files" not in built.statistics


def test_a_second_build_reads_what_changed(build: Callable[..., Build], folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert build(cache=cache).statistics["metastock_files_read"] == 3
    (folder / "AAA.mst").write_text(rows("AAA", dict.fromkeys(FILES, 10.01)))
    os.utime(folder / "AAA.mst", ns=(5, 5))
    again = build(cache=cache)
    assert again.statistics["metastock_files_read"] == 1
    assert_frame_equal(again.frame.lazy().collect(), build().frame.lazy().collect())


def test_the_settings_name_cache_map_and_adjustment(tmp_path: Path) -> None:
    table = tmp_path / "map.csv"
    table.write_text("source,symbol\nFB.O,META\nbrk b,BRK.B\n\n")
    settings = Settings(
        data_dir=str(tmp_path),
        metastock_symbol_map=table,
        metastock_by_content=True,
        metastock_adjustment="raw",
        rescale_candles=True,
    )
    assert snapshot_options(settings) == SnapshotOptions(
        cache=tmp_path / ".state" / "metastock",
        symbol_map={"FB.O": "META", "brk b": "BRK/B"},
        by_content=True,
        adjustment="raw",
        is_rescaling=True,
    )
    elsewhere = Settings(data_dir="s3://bucket", cache_dir=tmp_path / "caches")
    assert snapshot_options(elsewhere) == SnapshotOptions(cache=tmp_path / "caches" / "metastock")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be source,symbol"),
        ("ticker,symbol\nA,B\n", "must be source,symbol"),
        ("source,symbol\nA\n", "line 2: 'A' is no source and symbol"),
        ("source,symbol\nA,not a symbol\n", "line 2: 'A,not a symbol' is no source"),
        ("source,symbol\nA,B\nA,C\n", "line 3: 'A' is empty or has two"),
        ("source,symbol\n,C\n", "line 2: '' is empty"),
    ],
)
def test_a_symbol_map_that_is_none_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "map.csv").write_text(text)
    with pytest.raises(InvalidFormatError, match=message):
        read_symbol_map(tmp_path / "map.csv")


def test_a_symbol_map_that_cannot_be_read_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        read_symbol_map(tmp_path / "nowhere.csv")
    (tmp_path / "map.csv").write_bytes(b"source,symbol\n\xff,A\n")
    with pytest.raises(InvalidFormatError, match="UTF-8"):
        read_symbol_map(tmp_path / "map.csv")


def packaged(package: str, path: str) -> bytes:
    """A data file of a package, without importing the package."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / path).read_bytes()


def test_apples_splits_are_reported_and_its_crash_is_none() -> None:
    # Raw against adjusted closes of bokeh_sampledata, 2000 to 2013. Apple split 2:1 on 2000-06-21 and on 2005-02-28,
    # Microsoft on 2003-02-18; the 52% of 2000-09-29 were a profit warning.
    stocks = pl.read_csv(gzip.decompress(packaged("bokeh_sampledata", "_data/stocks.csv.gz"))).select(
        pl.col("Ticker").alias("symbol"),
        pl.col("Date").str.to_date("%Y-%m-%d").alias("session"),
        pl.col("Close"),
        pl.col("Adj Close"),
        is_final=pl.lit(True),
    )
    raw, adjusted = stocks.rename({"Close": "close"}).lazy(), stocks.rename({"Adj Close": "close"}).lazy()
    assert find_splits(raw, adjusted).rows() == [
        ("AAPL", date(2000, 6, 21), 2.0),
        ("AAPL", date(2005, 2, 28), 2.0),
        ("MSFT", date(2003, 2, 18), 2.0),
    ]


def test_the_split_disagreement_about_goog_is_found() -> None:
    # Raw closes of `backtesting` and adjusted ones of `bokeh_sampledata`; Google split 2:1 in 2014, as a class
    # distribution, after both end on 2013-03-01: 404.343169 / 806.19 = 0.50155.
    raw = pl.read_csv(packaged("backtesting", "test/GOOG.csv")).select(
        pl.lit("GOOG").alias("symbol"), pl.col("").str.to_date("%Y-%m-%d").alias("session"), close="Close"
    )
    adjusted = (
        pl.read_csv(gzip.decompress(packaged("bokeh_sampledata", "_data/stocks.csv.gz")))
        .filter(pl.col("Ticker") == "GOOG")
        .select(
            symbol="Ticker", session=pl.col("Date").str.to_date("%Y-%m-%d"), close="Adj Close", is_final=pl.lit(True)
        )
    )
    (found,) = compare_sources(raw.lazy(), adjusted.lazy()).to_dicts()
    assert found["verdict"] == "split"
    assert found["median_ratio"] == pytest.approx(404.343169 / 806.19, rel=1e-4)
    assert found["common_sessions"] == raw.height
