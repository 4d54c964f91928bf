# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Splits that files, candles or neither are adjusted for: from both sources to the tables that are built from them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttapi_pipeline.analytics.splits import SPLIT_FACTORS
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.earnings.table import EARNINGS
from ttapi_pipeline.datasets.eod_snapshot.build import build_eod_snapshot
from ttapi_pipeline.datasets.eod_snapshot.options import SnapshotOptions
from ttapi_pipeline.datasets.symbols.table import SYMBOLS
from ttapi_pipeline.datasets.volatility.build import build_volatility
from ttapi_pipeline.datasets.volatility_cone.build import build_volatility_cone
from ttapi_pipeline_tests.support.series import build_series

CalendarFrame = Callable[[date, date], pl.DataFrame]
ExpirationsFrame = Callable[[Mapping[str, Sequence[date]]], pl.DataFrame]

SESSIONS = sessions_between(date(2025, 1, 2), date(2026, 11, 20))
AT = datetime(2026, 11, 21, 16, tzinfo=UTC)
SPLIT_CAUTIONS = {"possible_split", "unknown_adjustment"}


@dataclass(frozen=True)
class Market:
    """A random walk of AAA in the share of today, and a split of it on the session `back` sessions before the last."""

    factor: float
    back: int
    seed: int = 1

    @property
    def bars(self) -> pl.DataFrame:
        rng = np.random.default_rng(self.seed)
        opened = rng.normal(0.0, 0.005, len(SESSIONS))
        close = 100.0 * np.exp(np.cumsum(opened + rng.normal(0.0, 0.015, len(SESSIONS))))
        open_ = np.concatenate([[100.0], close[:-1]]) * np.exp(opened)
        return pl.DataFrame(
            {
                "session": SESSIONS,
                "open": open_,
                "high": np.maximum(open_, close) * 1.003,
                "low": np.minimum(open_, close) * 0.997,
                "close": close,
                "volume": rng.uniform(9e5, 1.1e6, len(SESSIONS)),
            }
        )

    def source(self, *, is_adjusted: bool, sessions: Sequence[date], as_of: date | None = None) -> pl.DataFrame:
        """What a source says of some sessions: as traded, or adjusted by `as_of`."""
        split = SESSIONS[-1 - self.back]
        before = self.factor if not is_adjusted or (as_of is not None and as_of < split) else 1.0
        scale = pl.when(pl.col("session") < split).then(before).otherwise(1.0)
        bars = self.bars.filter(pl.col("session").is_in(list(sessions)))
        return bars.with_columns(
            (pl.col("open", "high", "low", "close") * scale).round(4), volume=pl.col("volume") / scale
        )


@dataclass(frozen=True)
class Tables:
    snapshot: pl.DataFrame
    built: Build
    volatility: Mapping[str, object]
    returns: Mapping[str, object]
    cone: Mapping[str, object]

    def cautions(self) -> list[set[str]]:
        return [set(str(row["cautions"]).split()) for row in (self.volatility, self.returns, self.cone)]


@pytest.fixture(scope="session")
def tables_of(calendar_frame: CalendarFrame, expirations_frame: ExpirationsFrame) -> Callable[..., Tables]:
    """All tables that are computed from files and candles of AAA."""
    calendar = calendar_frame(SESSIONS[0], date(2027, 12, 31)).lazy()
    series = expirations_frame({"AAA": [date(2027, 1, 15)]}).lazy()

    def make(files: pl.DataFrame, feed: pl.DataFrame, *, adjustment: str = "unknown", rescale: bool = False) -> Tables:
        with tempfile.TemporaryDirectory() as name:
            write(Path(name), files)
            built = build_eod_snapshot(
                Path(name),
                candles(feed),
                calendar,
                metastock_version="v",
                options=SnapshotOptions(adjustment=adjustment, is_rescaling=rescale),
            )
            snapshot = built.frame.lazy().collect().sort("symbol", "session")
        rows = snapshot.lazy()
        volatility = build_volatility(
            rows, empty(SYMBOLS), empty(EARNINGS), calendar, annualization=252, now=AT
        ).frame.lazy()
        returns = build_series(AT, expiration_series=series, eod_snapshot=rows, trading_calendar=calendar).frame.lazy()
        cone = build_volatility_cone(rows, calendar, annualization=252, now=AT).frame.lazy()
        return Tables(
            snapshot,
            built,
            volatility.collect().row(0, named=True),
            returns.collect().row(0, named=True),
            cone.filter(horizon_sessions=252).collect().row(0, named=True),
        )

    return make


def write(folder: Path, bars: pl.DataFrame) -> None:
    columns = ["open", "high", "low", "close", "volume"]
    lines = [f"AAA,{row[0]:%Y%m%d},{','.join(map(str, row[1:]))}" for row in bars.select("session", *columns).rows()]
    (folder / "AAA.txt").write_text("<TICKER>,<DTYYYYMMDD>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n" + "\n".join(lines))


def candles(bars: pl.DataFrame) -> pl.LazyFrame:
    fixed = {"symbol": pl.lit("AAA"), "is_final": pl.lit(value=True), "source": pl.lit("dxlink")}
    frame = bars.lazy().with_columns(fetched_at=pl.lit(AT, pl.Datetime("us", "UTC")), **fixed)
    missing = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in DAILY_CANDLES.polars.items()
        if name not in frame.collect_schema()
    ]
    return frame.with_columns(missing).select(DAILY_CANDLES.polars.names())


def empty(schema: object) -> pl.LazyFrame:
    return pl.LazyFrame(schema=schema.polars)  # type: ignore[attr-defined]


def unsplit_volatility(market: Market) -> float:
    returns = np.diff(np.log(market.bars.tail(253)["close"].to_numpy()))
    return float(np.std(returns, ddof=1)) * math.sqrt(252)


@pytest.mark.parametrize("factor", [20.0, 4.0, 7.0, 1.5, 0.1])
def test_raw_files_under_adjusted_candles_are_rebased_by_the_split_that_both_prove(
    factor: float, tables_of: Callable[..., Tables]
) -> None:
    market = Market(factor, back=100)
    got = tables_of(
        market.source(is_adjusted=False, sessions=SESSIONS),
        market.source(is_adjusted=True, sessions=SESSIONS[-252:]),
    )
    assert got.volatility["close_to_close_252"] == pytest.approx(unsplit_volatility(market), rel=1e-3)
    assert got.built.reports["eod_splits"].rows() == [("AAA", SESSIONS[-101], factor, "metastock", "ratio")]
    (overlap,) = got.built.reports["eod_overlaps"].to_dicts()
    assert (overlap["verdict"], overlap["first_candle"]) == ("split", SESSIONS[-252])
    # The bars before the split and before the candles are of today's share too, and say so.
    old = got.snapshot.filter(pl.col("session") < SESSIONS[-252])
    assert old["close"].to_list() == pytest.approx(market.bars.head(old.height)["close"].to_list(), rel=1e-3)
    assert set(old["adjustment"]) == {"rebased"}
    volumes = market.bars.head(old.height)["volume"].to_list()
    assert old["volume"].to_list() == pytest.approx(volumes, rel=1e-6)
    assert set(got.snapshot.filter(pl.col("session") >= SESSIONS[-101])["adjustment"]) == {"split"}
    assert got.built.missing == {}
    assert [SPLIT_CAUTIONS & said for said in got.cautions()] == [set(), set(), set()]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    factor=st.sampled_from(SPLIT_FACTORS),
    back=st.integers(0, 400),
    files=st.sampled_from(["raw", "adjusted", "adjusted when they ended"]),
    files_end=st.sampled_from([0, 1, 5, 30, 120, 200]),
    is_feed_adjusted=st.booleans(),
    feed_sessions=st.sampled_from([15, 40, 150, 300, 440]),
    adjustment=st.sampled_from(["unknown", "raw", "split"]),
    rescale=st.booleans(),
)
def test_a_split_anywhere_leaves_the_volatility_of_a_year_as_it_was_or_there_is_a_caution_in_every_table(
    *,
    seed: int,
    factor: float,
    back: int,
    files: str,
    files_end: int,
    is_feed_adjusted: bool,
    feed_sessions: int,
    adjustment: str,
    rescale: bool,
    tables_of: Callable[..., Tables],
) -> None:
    market = Market(factor, back, seed)
    sessions = SESSIONS[: len(SESSIONS) - files_end]
    # Who says that raw files are adjusted is believed where no candle says otherwise.
    got = tables_of(
        market.source(
            is_adjusted=files != "raw",
            sessions=sessions,
            as_of=sessions[-1] if files == "adjusted when they ended" else None,
        ),
        market.source(is_adjusted=is_feed_adjusted, sessions=SESSIONS[-feed_sessions:]),
        adjustment="unknown" if adjustment == "split" and files == "raw" else adjustment,
        rescale=rescale,
    )
    assert got.snapshot["session"].max() == SESSIONS[-1]
    assert got.snapshot.select("symbol", "session").is_unique().all()
    measured = got.volatility["close_to_close_252"]
    if measured is None:
        assert got.volatility["close_to_close_252_reason"] == "gap"
        return
    if measured != pytest.approx(unsplit_volatility(market), rel=0.01):
        assert all(SPLIT_CAUTIONS & said for said in got.cautions())


def test_files_that_ended_years_ago_do_not_keep_the_candles_of_today_away(tables_of: Callable[..., Tables]) -> None:
    market = Market(7.0, back=380)
    got = tables_of(
        market.source(is_adjusted=False, sessions=SESSIONS[:120]),
        market.source(is_adjusted=True, sessions=SESSIONS[-300:]),
    )
    by_source = dict(got.snapshot.group_by("source").agg(pl.col("session").min()).iter_rows())
    assert by_source == {"metastock": SESSIONS[0], "dxlink": SESSIONS[-300]}
    assert got.volatility["close_to_close_252"] == pytest.approx(unsplit_volatility(market), rel=1e-3)
    assert got.volatility["last_session"] == SESSIONS[-1]
    (overlap,) = got.built.reports["eod_overlaps"].to_dicts()
    assert (overlap["verdict"], overlap["is_appended"], overlap["common_sessions"]) == ("no_overlap", True, 0)
    assert (overlap["first_candle"], got.built.missing) == (SESSIONS[-300], {})
    # The year has candles alone. Moves rest on ten times as many sessions, so that five years are looked at for their
    # cautions, and the cone looks at all bars: those of the files may be anything.
    year, returns, cone = got.cautions()
    assert not SPLIT_CAUTIONS & year
    assert min(returns & SPLIT_CAUTIONS, cone & SPLIT_CAUTIONS, key=len) == SPLIT_CAUTIONS


def test_raw_files_without_any_candle_are_rebased_by_the_splits_that_they_show(
    tables_of: Callable[..., Tables],
) -> None:
    market = Market(4.0, back=100)
    raw, nothing = market.source(is_adjusted=False, sessions=SESSIONS), market.bars.clear()
    got = tables_of(raw, nothing, adjustment="raw")
    assert got.volatility["close_to_close_252"] == pytest.approx(unsplit_volatility(market), rel=1e-3)
    assert got.built.reports["eod_splits"].rows() == [("AAA", SESSIONS[-101], 4.0, "metastock", "open")]
    assert [("unknown_adjustment" in said) for said in got.cautions()] == [True, True, True]
    # Of an unknown adjustment, nothing is done, and much is said; adjusted bars are taken at their word.
    unknown = tables_of(raw, nothing)
    assert unknown.snapshot["close"].to_list() == raw["close"].to_list()
    assert all(said >= SPLIT_CAUTIONS for said in unknown.cautions())
    adjusted = tables_of(market.source(is_adjusted=True, sessions=SESSIONS), nothing, adjustment="split")
    assert [SPLIT_CAUTIONS & said for said in adjusted.cautions()] == [set(), set(), set()]


def test_a_ratio_that_is_no_split_leaves_a_seam_unless_files_are_to_be_rescaled(
    tables_of: Callable[..., Tables],
) -> None:
    market = Market(1.25, back=0)
    spun_off = market.bars.with_columns(pl.col("open", "high", "low", "close") * 1.11)
    feed = market.bars.tail(100)
    seam = tables_of(spun_off, feed)
    assert "which is no split" in seam.built.missing["AAA"]
    assert seam.snapshot.filter(source="dxlink").height == 100
    assert all("unknown_adjustment" in said for said in seam.cautions())
    joined = tables_of(spun_off, feed, rescale=True)
    assert joined.snapshot["close"].to_list() == pytest.approx(market.bars["close"].to_list(), rel=1e-6)
    assert joined.volatility["close_to_close_252"] == pytest.approx(unsplit_volatility(market), rel=1e-6)


@pytest.mark.parametrize("factor", [20.0, 4.0, 1.5, 0.1])
def test_a_split_before_the_first_candle_is_never_agreed_and_the_setting_that_divides_by_it_is_named(
    factor: float, tables_of: Callable[..., Tables]
) -> None:
    market = Market(factor, back=200)
    raw, feed = (
        market.source(is_adjusted=False, sessions=SESSIONS),
        market.source(is_adjusted=True, sessions=SESSIONS[-100:]),
    )
    got = tables_of(raw, feed)
    (overlap,) = got.built.reports["eod_overlaps"].to_dicts()
    assert (overlap["verdict"], overlap["is_proven"], overlap["divisor"]) == ("possible_split", False, 1.0)
    (notice,) = got.built.reports["eod_notices"].filter(subject="AAA", kind="warning")["notice"]
    assert f"{factor:.4g}:1 on {SESSIONS[-201]}; nothing is divided: TT_METASTOCK_ADJUSTMENT=raw" in notice
    assert got.built.statistics["doubts"] == 1
    assert all("possible_split" in said for said in got.cautions())
    # The setting that is named does what the notice says; adjusted bars are taken at their word.
    divided = tables_of(raw, feed, adjustment="raw")
    assert divided.snapshot["close"].to_list() == pytest.approx(market.bars["close"].to_list(), rel=1e-3)
    for other in (divided, tables_of(raw, feed, adjustment="split"), tables_of(market.bars, feed)):
        assert other.built.reports["eod_overlaps"]["verdict"].to_list() == ["agreed"]
        assert "doubts" not in other.built.statistics


@pytest.mark.parametrize(
    ("ratio", "sessions", "verdict", "seen"),
    [
        (1.37, slice(0, 250), "changed", "was 0.7299 at first and is 1.0000 now, which no split explains"),
        (1.1, slice(0, 250), "changed", "was 0.9091 at first and is 1.0000 now, which no split explains"),
        (1.03, slice(100, 140), "strayed", "is 1.0000 at first and now, and is another one in more than 2% of the"),
    ],
)
def test_a_ratio_that_changes_is_told_as_it_was_seen(
    *, ratio: float, sessions: slice, verdict: str, seen: str, tables_of: Callable[..., Tables]
) -> None:
    market = Market(2.0, back=0)
    is_other = pl.col("session").is_in(SESSIONS[sessions])
    files = market.bars.with_columns(
        pl.col("open", "high", "low", "close") * pl.when(is_other).then(ratio).otherwise(1)
    )
    built = tables_of(files, market.bars).built
    assert seen in built.missing["AAA"]
    assert built.reports["eod_overlaps"]["verdict"].to_list() == [verdict]


@pytest.mark.parametrize(
    ("ratio", "sessions", "verdict", "seen"),
    [
        # 0.5 / 1.1: the files are of twice today's share there, and a tenth too high.
        (1.1, slice(0, 250), "changed", "was 0.4545 at first and is 1.0000 now, which the splits between them do not"),
        (1.03, slice(100, 140), "strayed", "is 1.0000 at first and now, and is another one"),
    ],
)
def test_a_split_between_the_sources_is_no_change_of_their_ratio(
    *, ratio: float, sessions: slice, verdict: str, seen: str, tables_of: Callable[..., Tables]
) -> None:
    market = Market(2.0, back=200)
    is_other = pl.col("session").is_in(SESSIONS[sessions])
    raw = market.source(is_adjusted=False, sessions=SESSIONS)
    files = raw.with_columns(pl.col("open", "high", "low", "close") * pl.when(is_other).then(ratio).otherwise(1))
    built = tables_of(files, market.bars).built
    assert seen in built.missing["AAA"]
    assert built.reports["eod_overlaps"].select("verdict", "splits").rows() == [(verdict, 1)]


@pytest.mark.parametrize(
    ("scale", "step_back", "files_end", "adjustment"),
    [
        pytest.param(1 / 80, 400, 0, "unknown", id="inside files, before candles"),
        pytest.param(1 / 80, 400, 0, "split", id="inside files that are said to be adjusted"),
        pytest.param(1 / 55, 100, 100, "unknown", id="at a seam without overlap"),
        pytest.param(14.3, 100, 100, "split", id="at a seam without overlap, of files said to be adjusted"),
        pytest.param(10_000.0, 100, 0, "unknown", id="files of another scale throughout"),
    ],
)
def test_a_step_that_no_split_explains_is_told_in_every_table_and_older_bars_are_in_no_figure(
    *, scale: float, step_back: int, files_end: int, adjustment: str, tables_of: Callable[..., Tables]
) -> None:
    market = Market(2.0, back=0)
    is_old = pl.lit(value=True) if step_back == 100 else pl.col("session") < SESSIONS[-step_back]
    files = market.bars.head(len(SESSIONS) - files_end).with_columns(
        pl.col("open", "high", "low", "close") * pl.when(is_old).then(scale).otherwise(1.0)
    )
    got = tables_of(files, market.bars.tail(100), adjustment=adjustment)
    sound = market.bars.tail(step_back)
    assert all("price_step" in said for said in got.cautions())
    assert (got.volatility["first_session"], got.volatility["session_count"]) == (SESSIONS[-step_back], step_back)
    assert got.volatility["close_mean"] == pytest.approx(sound["close"].mean(), rel=1e-6)
    expected = float(np.std(np.diff(np.log(sound.tail(64)["close"].to_numpy())), ddof=1)) * math.sqrt(252)
    assert got.volatility["close_to_close_63"] == pytest.approx(expected, rel=1e-6)
    assert got.cone["windows_used"] == max(0, step_back - 252)
    (notice,) = got.built.reports["eod_notices"].filter(subject="AAA", kind="warning")["notice"]
    assert notice.startswith(f"the close of {SESSIONS[-step_back - 1]} is ")
    assert f"computed from {SESSIONS[-step_back]} on" in notice
    assert got.built.statistics["doubts"] == 1


def test_a_bar_far_from_both_neighbours_is_told_and_keeps_no_older_bar_out(tables_of: Callable[..., Tables]) -> None:
    market = Market(2.0, back=0)
    # No power of ten and no hundredfold, by which the import would know that it is wrong.
    slipped = pl.when(pl.col("session") == SESSIONS[-200]).then(70.0).otherwise(1.0)
    files = market.bars.with_columns(pl.col("open", "high", "low", "close") * slipped)
    got = tables_of(files, market.bars.tail(100))
    assert all("price_step" in said for said in got.cautions())
    assert got.volatility["session_count"] == len(SESSIONS)
    (notice,) = got.built.reports["eod_notices"].filter(subject="AAA", kind="warning")["notice"]
    assert "1 more such step before" in notice


def test_a_single_wrong_close_of_a_file_gives_way_to_the_candle(tables_of: Callable[..., Tables]) -> None:
    market = Market(2.0, back=0)
    slipped = pl.when(pl.col("session") == SESSIONS[-50]).then(0.2).otherwise(1.0)
    files = market.source(is_adjusted=True, sessions=SESSIONS).with_columns(
        pl.col("open", "high", "low", "close") * slipped
    )
    got = tables_of(files, market.source(is_adjusted=True, sessions=SESSIONS[-200:]))
    assert got.snapshot.filter(source="dxlink")["session"].to_list() == [SESSIONS[-50]]
    assert got.built.statistics["metastock_replaced"] == 1
    assert got.built.reports["eod_splits"].is_empty()
    assert got.volatility["close_to_close_252"] == pytest.approx(unsplit_volatility(market), rel=1e-3)
