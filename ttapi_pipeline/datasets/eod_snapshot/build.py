# SPDX-License-Identifier: MIT
"""`eod_snapshot`: MetaStock bars first, candles where those have none or end.

Two sources are glued only where they agree: their closes are compared over the sessions that both have. A constant
ratio away from 1 means that they disagree about a split, a drifting one about dividends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.broker.simulated_files import write_simulated_files
from ttapi_pipeline.core.collection import ProgressCallback, no_progress
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.build import Build
from ttapi_pipeline.datasets.dataset import METASTOCK_FILES
from ttapi_pipeline.datasets.eod_snapshot.survey import COMPARISON, SPLITS, RangeSurvey, Survey, survey_ranges
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_OVERLAPS, EOD_REJECTS, EOD_SNAPSHOT, EOD_SPLITS
from ttapi_pipeline.datasets.refresh import Refresh
from ttapi_pipeline.datasets.status import metastock_folder, metastock_version
from ttapi_pipeline.metastock.importer import FolderImport, SymbolRange, import_folder
from ttapi_pipeline.metastock.symbol_map import read_symbol_map
from ttapi_pipeline.plots.charts import coverage_chart
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.storage.layout import state_folder
from ttapi_pipeline.tables.conform import conform
from ttapi_pipeline.tables.sorting import sort_keys

MIN_OVERLAP_SESSIONS: Final = 20
MAX_OVERLAP_SESSIONS: Final = 60
"""How many of the newest common sessions are compared."""

RATIO_TOLERANCE: Final = 0.002
"""How far the median ratio of closes may lie from 1; rounding to cents moves a 5 dollar share by 0.1%."""

SPREAD_TOLERANCE: Final = 0.01
"""How far the ratios of single sessions may lie apart before they count as drifting."""

SPLIT_FACTORS: Final = (1.25, 4 / 3, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0)
"""New shares per old one that are usual; their inverses are those of reverse splits."""

SPLIT_TOLERANCE: Final = 0.005
"""Relative; both sources round their prices."""

_KEY: Final = ("symbol", "session")
_BAR: Final = ("symbol", "session", "open", "high", "low", "close", "volume", "open_interest")


def compare_sources(metastock: pl.LazyFrame, candles: pl.LazyFrame) -> pl.DataFrame:
    """Judge, for each symbol that both sources have, whether they may be glued.

    Returns:
        Schema COMPARISON, by symbol. metastock_sessions counts the files' bars; median_ratio and ratio_spread are of
        candle close over MetaStock close over the newest common sessions; verdict is ``agreed``, ``split``,
        ``dividends`` or ``short_overlap``. An overlap shorter than MIN_OVERLAP_SESSIONS is enough when it is all that
        MetaStock has of the symbol.
    """
    ratios = (
        metastock.select(*_KEY, metastock_close="close")
        .join(candles.filter("is_final").select(*_KEY, "close"), on=_KEY)
        .select(*_KEY, ratio=pl.col("close") / pl.col("metastock_close"))
        .sort(_KEY)
        .group_by("symbol")
        .agg(
            common_sessions=pl.len(),
            median_ratio=pl.col("ratio").tail(MAX_OVERLAP_SESSIONS).median(),
            ratio_spread=pl.col("ratio").tail(MAX_OVERLAP_SESSIONS).max()
            - pl.col("ratio").tail(MAX_OVERLAP_SESSIONS).min(),
        )
    )
    in_candles = candles.select(pl.col("symbol").unique())
    counts = metastock.group_by("symbol").agg(metastock_sessions=pl.len()).join(in_candles, on="symbol", how="semi")
    is_constant = pl.col("ratio_spread") <= SPREAD_TOLERANCE * pl.col("median_ratio")
    is_one = (pl.col("median_ratio") - 1.0).abs() <= RATIO_TOLERANCE
    is_long = (pl.col("common_sessions") >= MIN_OVERLAP_SESSIONS) | (
        (pl.col("common_sessions") > 0) & (pl.col("common_sessions") == pl.col("metastock_sessions"))
    )
    return (
        counts.join(ratios, on="symbol", how="left")
        .with_columns(pl.col("common_sessions").fill_null(0))
        .with_columns(
            verdict=pl.when(~is_long)
            .then(pl.lit("short_overlap"))
            .when(is_constant & is_one)
            .then(pl.lit("agreed"))
            .when(is_constant)
            .then(pl.lit("split"))
            .otherwise(pl.lit("dividends"))
        )
        .sort("symbol")
        .collect()
    )


def merge_sources(
    metastock: pl.LazyFrame,
    candles: pl.LazyFrame,
    comparison: pl.DataFrame,
    *,
    adjustment: str = "unknown",
    is_rescaling: bool = False,
) -> pl.LazyFrame:
    """One row per symbol and session: MetaStock's where it has one, else the candle of a symbol whose sources agree.

    Args:
        metastock: Schema BARS and `fetched_at`.
        candles: Schema DAILY_CANDLES.
        comparison: What `compare_sources` says of the two.
        adjustment: What the MetaStock prices are adjusted for.
        is_rescaling: Candles of symbols with the verdict ``split`` are divided by the ratio, their volume multiplied by
            it, and marked as ``rescaled``, instead of being left out.
    """
    accepted = _accepted(is_rescaling=is_rescaling)
    judged = comparison.lazy().select("symbol", "verdict", "median_ratio")
    from_files = metastock.select(
        *_BAR,
        adjustment=pl.lit(adjustment),
        is_final=pl.lit(True),  # noqa: FBT003
        source=pl.lit("metastock"),
        fetched_at="fetched_at",
    )
    is_rescaled = pl.col("verdict").eq_missing("split")
    ratio = pl.when(is_rescaled).then(pl.col("median_ratio")).otherwise(1.0)
    from_feed = (
        candles.join(judged, on="symbol", how="left")
        .filter(pl.col("verdict").is_null() | pl.col("verdict").is_in(accepted))
        .join(metastock.select(_KEY), on=_KEY, how="anti")
        .select(
            *_KEY,
            *(pl.col(name) / ratio for name in ("open", "high", "low", "close")),
            pl.col("volume") * ratio,
            open_interest=pl.lit(None, pl.Float64),
            adjustment=pl.when(is_rescaled).then(pl.lit("rescaled")).otherwise(pl.lit("split")),
            is_final="is_final",
            source=pl.lit("dxlink"),
            fetched_at="fetched_at",
        )
    )
    return conform(pl.concat([from_files, from_feed]), EOD_SNAPSHOT)


def _accepted(*, is_rescaling: bool) -> Sequence[str]:
    """The verdicts that let candles be appended."""
    return ("agreed", "split") if is_rescaling else ("agreed",)


def find_splits(metastock: pl.LazyFrame, candles: pl.LazyFrame) -> pl.DataFrame:
    """Sessions at which the ratio of the two sources' closes steps by the ratio of a split.

    A jump of one source's prices alone is no proof: Apple fell by 52% on 2000-09-29, and that was no split.

    Returns:
        symbol, session and factor (new shares per old one), by symbol and session. The sources' previous common session
        may lie days back.
    """
    ratio = pl.col("close") / pl.col("metastock_close")
    step = (pl.col("ratio") / pl.col("ratio").shift()).over("symbol", order_by="session")
    factors = pl.DataFrame({"factor": sorted({*SPLIT_FACTORS, *(1 / factor for factor in SPLIT_FACTORS)})})
    return (
        metastock.select(*_KEY, metastock_close="close")
        .join(candles.filter("is_final").select(*_KEY, "close"), on=_KEY)
        .select(*_KEY, ratio=ratio)
        .select(*_KEY, step=step)
        .filter((pl.col("step") - 1.0).abs() > 0.1)
        .sort("step")
        .join_asof(factors.lazy(), left_on="step", right_on="factor", strategy="nearest")
        .filter((pl.col("step") / pl.col("factor") - 1.0).abs() < SPLIT_TOLERANCE)
        .select(*_KEY, "factor")
        .sort(_KEY)
        .collect()
    )


def explain_conflicts(comparison: pl.DataFrame, *, is_rescaling: bool = False) -> Mapping[str, str]:
    """A sentence, with the numbers, for each symbol whose candles were not appended."""
    reasons = {}
    accepted = _accepted(is_rescaling=is_rescaling)
    for row in comparison.filter(~pl.col("verdict").is_in(accepted)).iter_rows(named=True):
        common, ratio = row["common_sessions"], row["median_ratio"]
        match row["verdict"]:
            case "short_overlap":
                why = f"MetaStock and candles share {common} sessions, too few to compare them"
            case "split":
                why = f"candles are {ratio:.4f} times MetaStock over {common} sessions: a split disagreement"
            case _:
                why = f"the ratio of candle to MetaStock closes drifts by {row['ratio_spread']:.4f} around {ratio:.4f}"
        reasons[row["symbol"]] = f"{why}; candles were not appended"
    return reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotOptions:
    """How the snapshot is made.

    Attributes:
        cache: Where the import keeps what it read, and what the survey found; None for nowhere.
        symbol_map: Canonical symbol per ticker as the files spell it.
        by_content: See `import_folder`.
        adjustment: What the MetaStock prices are adjusted for.
        is_rescaling: See `merge_sources`.
    """

    cache: Path | None = None
    symbol_map: Mapping[str, str] = field(default_factory=dict)
    by_content: bool = False
    adjustment: str = "unknown"
    is_rescaling: bool = False


def snapshot_options(settings: Settings) -> SnapshotOptions:
    """The options that settings make.

    Raises:
        InvalidFormatError: The symbol map is none.
        StorageError: It cannot be read.
    """
    state, path = state_folder(settings.data_dir), settings.metastock_symbol_map
    return SnapshotOptions(
        cache=None if state is None else state / "metastock",
        symbol_map={} if path is None else read_symbol_map(path),
        by_content=settings.metastock_by_content,
        adjustment=settings.metastock_adjustment,
        is_rescaling=settings.rescale_candles,
    )


def build_eod_snapshot(
    folder: Path | None,
    candles: pl.LazyFrame,
    calendar: pl.LazyFrame,
    *,
    metastock_version: str,
    options: SnapshotOptions | None = None,
    progress: ProgressCallback = no_progress,
) -> Build:
    """Import the folder, compare, merge: one range of symbols at a time, so that memory stays bounded.

    Args:
        folder: MetaStock files, read recursively; None for candles alone.
        candles: `daily_candles`.
        calendar: `trading_calendar`.
        metastock_version: The folder's fingerprint before it is read: a file that changes meanwhile costs another
            import instead of being missed.
        options: How.
        progress: Told how many files are read, of those that have to be.

    Raises:
        StorageError: The folder cannot be read, or the cache cannot be written.
    """
    chosen = SnapshotOptions() if options is None else options
    imported = (
        None
        if folder is None
        else import_folder(
            folder,
            cache=chosen.cache,
            symbol_map=chosen.symbol_map,
            by_content=chosen.by_content,
            progress=progress,
        )
    )
    merge = _Merge(imported, candles, options=chosen)
    survey = merge.survey(calendar)
    conflicts = explain_conflicts(survey.comparison, is_rescaling=chosen.is_rescaling)
    return Build(
        frame=merge.pieces(survey.comparison),
        missing=conflicts,
        statistics={
            **_accounting(imported),
            **_unaccounted(imported, bars=survey.sources.get("metastock", 0)),
            "symbols_in_conflict": len(conflicts),
            "symbols_rescaled": survey.comparison.filter(verdict="split").height if chosen.is_rescaling else 0,
            "splits_between_sources": survey.splits.height,
            "bars_on_other_days": survey.bars_on_other_days,
            "missing_sessions": survey.missing_sessions,
        },
        sources=survey.sources,
        reports={} if imported is None else _reports(imported, survey, chosen),
        inputs={METASTOCK_FILES: metastock_version},
        charts={"coverage": partial(coverage_chart, survey.coverage)},
    )


def _reports(imported: FolderImport, survey: Survey, options: SnapshotOptions) -> Mapping[str, pl.DataFrame]:
    """What became of the files' rows, and how the two sources compare, as tables."""
    is_appended = pl.col("verdict").is_in(_accepted(is_rescaling=options.is_rescaling))
    return {
        EOD_REJECTS.name: conform(imported.rejects, EOD_REJECTS),
        EOD_OVERLAPS.name: conform(survey.comparison.with_columns(is_appended=is_appended), EOD_OVERLAPS),
        EOD_SPLITS.name: conform(survey.splits, EOD_SPLITS),
    }


class _Merge:
    """The two sources, brought together one range of symbols at a time."""

    def __init__(
        self,
        imported: FolderImport | None,
        candles: pl.LazyFrame,
        *,
        options: SnapshotOptions,
    ) -> None:
        self._imported = imported
        self._candles = candles
        self._options = options
        others = candles.group_by("symbol").agg(rows=pl.len().cast(pl.Int64)).collect(engine="streaming")
        self._ranges: Sequence[SymbolRange] = [("", None)] if imported is None else imported.ranges(others=others)
        files = ["" for _ in self._ranges] if imported is None else imported.versions(self._ranges)
        self._keys = [self._key(symbols, version) for symbols, version in zip(self._ranges, files, strict=True)]

    def survey(self, calendar: pl.LazyFrame) -> Survey:
        """Compare the sources and count what their merge will hold, from a few columns."""
        return survey_ranges(self._keys, self._look, calendar, memory=self._options.cache)

    def pieces(self, comparison: pl.DataFrame) -> Pieces:
        """The snapshot; a piece per range of symbols, known by the files and the candles that it is made from."""
        pieces = [
            Piece(key, partial(self._merged, symbols, comparison))
            for symbols, key in zip(self._ranges, self._keys, strict=True)
        ]
        return Pieces(EOD_SNAPSHOT.polars, pieces)

    def _key(self, symbols: SymbolRange, files: str) -> str:
        candles = data_version(self._feed(symbols), exclude=())
        facts = [self._options.adjustment, self._options.is_rescaling, files, candles]
        return sha256(json.dumps(facts).encode()).hexdigest()

    def _look(self, position: int) -> RangeSurvey:
        symbols = self._ranges[position]
        candles = self._feed(symbols)
        if candles.is_empty():
            bars = {"metastock": self._bars(symbols, _KEY)}
            return RangeSurvey(comparison=COMPARISON.to_frame(), splits=SPLITS.to_frame(), bars=bars)
        metastock = self._bars(symbols, (*_KEY, "close"))
        shared = metastock.filter(_has_symbol_of(candles))
        comparison = compare_sources(shared.lazy(), candles.lazy())
        added = self._glued(_widened(shared), candles, comparison).filter(source="dxlink")
        return RangeSurvey(
            comparison=comparison,
            splits=find_splits(shared.lazy(), candles.lazy()),
            bars={"metastock": metastock[list(_KEY)], "dxlink": added[list(_KEY)]},
        )

    def _merged(self, symbols: SymbolRange, comparison: pl.DataFrame) -> pl.DataFrame:
        metastock, candles = self._bars(symbols, (*_BAR, "fetched_at")), self._feed(symbols)
        if candles.is_empty():
            return self._glued(metastock, candles, comparison)
        is_shared = _has_symbol_of(candles)
        nothing = candles.clear()
        alone = self._glued(metastock.filter(~is_shared), nothing, comparison)
        merged = pl.concat([alone, self._glued(metastock.filter(is_shared), candles, comparison)], rechunk=True)
        keys = sort_keys(merged)
        return merged if (keys.diff() > 0).all() else merged.select(pl.all().gather(keys.arg_sort()))

    def _glued(self, metastock: pl.DataFrame, candles: pl.DataFrame, comparison: pl.DataFrame) -> pl.DataFrame:
        return merge_sources(
            metastock.lazy(),
            candles.lazy(),
            comparison,
            adjustment=self._options.adjustment,
            is_rescaling=self._options.is_rescaling,
        ).collect()

    def _bars(self, symbols: SymbolRange, columns: Sequence[str]) -> pl.DataFrame:
        if self._imported is None:
            return pl.DataFrame(schema={name: EOD_SNAPSHOT.polars[name] for name in columns})
        if "fetched_at" not in columns:
            return self._imported.read(symbols, columns=columns)
        bars = self._imported.read(symbols, columns=["file" if name == "fetched_at" else name for name in columns])
        written_at = self._imported.written_at.gather(bars["file"])
        return bars.with_columns(fetched_at=written_at)[list(columns)]

    def _feed(self, symbols: SymbolRange) -> pl.DataFrame:
        start, stop = symbols
        is_inside = pl.col("symbol") >= start
        if stop is not None:
            is_inside &= pl.col("symbol") < stop
        return self._candles.filter(is_inside).collect()


def _has_symbol_of(candles: pl.DataFrame) -> pl.Expr:
    return pl.col("symbol").is_in(candles["symbol"].unique().implode())


def _widened(metastock: pl.DataFrame) -> pl.DataFrame:
    """Some columns of bars as all that a merge takes; what was not read is null."""
    return metastock.select(
        pl.col(name) if name in metastock.columns else pl.lit(None, EOD_SNAPSHOT.polars[name]).alias(name)
        for name in (*_BAR, "fetched_at")
    )


def account_problems(provenance: Provenance, *, bars: int, rejects: int) -> Sequence[str]:
    """What does not add up in the import that a snapshot was made from; nothing when every row is accounted for.

    Rows read must be rows kept, duplicates and rejected ones; what was kept and what was rejected must be what is
    stored; and each file must have as many rows and rejects as its own account says, which the import has compared.

    Args:
        provenance: Of the stored snapshot.
        bars: Rows from MetaStock files that it holds.
        rejects: Rows that are stored as rejected.
    """
    statistics = provenance.statistics
    read, kept, duplicates, rejected = (
        int(statistics.get(f"metastock_{name}", 0)) for name in ("rows_read", "rows_kept", "duplicates", "rejected")
    )
    problems = []
    if read != kept + duplicates + rejected:
        problems.append(f"of {read} rows, {kept} were kept, {duplicates} are duplicates and {rejected} were rejected")
    if kept != bars:
        problems.append(f"{kept} rows were kept, and the snapshot has {bars}")
    if rejected != rejects:
        problems.append(f"{rejected} rows were rejected, and {rejects} are stored as such")
    if "metastock_unaccounted" in statistics:
        problems.append(str(statistics["metastock_unaccounted"]))
    return problems


def _unaccounted(imported: FolderImport | None, *, bars: int) -> Mapping[str, str]:
    """The files whose account and whose rows disagree, in words; nothing when there are none."""
    if imported is None:
        return {}
    rejects = imported.rejects.group_by("file").agg(listed=pl.len())
    balance = pl.col("rows_kept") + pl.col("duplicates") + pl.col("rejected")
    wrong = imported.files.join(rejects, on="file", how="left").filter(
        (pl.col("rows_read") != balance) | (pl.col("rejected") != pl.col("listed").fill_null(0))
    )["file"]
    problems = [f"the account of {name} does not add up" for name in wrong.head(20)]
    kept = int(imported.files["rows_kept"].cast(pl.Int64).sum())
    if kept != bars:
        problems.append(f"{bars} bars came out of {kept} rows")
    return {"metastock_unaccounted": "; ".join(problems)} if problems else {}


def _accounting(imported: FolderImport | None) -> Mapping[str, int]:
    if imported is None:
        return {}
    totals = imported.files.select(pl.col("rows_read", "rows_kept", "duplicates", "rejected").cast(pl.Int64).sum()).row(
        0, named=True
    )
    return {
        "metastock_files": imported.files.height,
        "metastock_files_read": imported.files_read,
        **{f"metastock_{name}": value for name, value in totals.items()},
    }


def build(refresh: Refresh, daily_candles: pl.LazyFrame, trading_calendar: pl.LazyFrame) -> Build:
    """Import the MetaStock folder and continue it with candles."""
    settings, folder = refresh.settings, metastock_folder(refresh.settings)
    if folder is not None and settings.metastock_dir is None and not folder.is_dir():
        write_simulated_files(
            folder, settings, clock=refresh.clock, progress=refresh.progress("generating MetaStock files")
        )
    return build_eod_snapshot(
        folder,
        daily_candles,
        trading_calendar,
        metastock_version=metastock_version(settings),
        options=snapshot_options(settings),
        progress=refresh.progress("files"),
    )
