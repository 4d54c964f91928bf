# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Counts what an EOD snapshot will hold, by range of symbols, and remembers it. Comparing and merging: see `sources`.

A range has a key that stands for all that its survey depends on, so that one changed file costs the survey of one
range. The memory is no more than that: where it is gone or damaged, every range is surveyed again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Final

import polars as pl

from ttapi_pipeline.analytics.splits import STEPS
from ttapi_pipeline.core.ordered import map_in_order
from ttapi_pipeline.core.seals import seal, unseal
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.errors import storage_error
from ttapi_pipeline.storage.files import write_file
from ttapi_pipeline.storage.hashing import HASHED_BY, data_version
from ttapi_pipeline.storage.layout import make_folder
from ttapi_pipeline.storage.lock import locked

COMPARISON: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "metastock_sessions": pl.UInt32(),
        "common_sessions": pl.UInt32(),
        "median_ratio": pl.Float64(),
        "ratio_spread": pl.Float64(),
        "splits": pl.UInt32(),
        "newest_divisor": pl.Float64(),
        "oldest_ratio": pl.Float64(),
        "first_candle": pl.Date(),
        "last_candle": pl.Date(),
        "verdict": pl.String(),
    }
)
"""How the sources agree, a row per symbol that both have."""

SPLITS: Final = pl.Schema(
    {"symbol": pl.String(), "session": pl.Date(), "factor": pl.Float64(), "source": pl.String(), "proof": pl.String()}
)
"""Splits that one source is not adjusted for."""

_PER_SESSION: Final = pl.Schema({"session": pl.Date(), "source": pl.String(), "symbols": pl.UInt32()})

RANGES: Final = pl.Schema(
    {
        "key": pl.String(),
        "replaced": pl.Int64(),
        "left_out": pl.Int64(),
        "bars_on_other_days": pl.Int64(),
        "missing_sessions": pl.Int64(),
        "per_session": pl.List(pl.Struct(_PER_SESSION)),
        "comparison": pl.List(pl.Struct(COMPARISON)),
        "splits": pl.List(pl.Struct(SPLITS)),
        "steps": pl.List(pl.Struct(STEPS)),
        "possible_splits": pl.List(pl.Struct(SPLITS)),
    }
)
"""One row per range."""

_WORKERS: Final = 2
_FORMAT: Final = 5
_FILE: Final = "survey.sealed"
_SEALED_BY: Final = f"survey {_FORMAT} {HASHED_BY}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeSurvey:
    """The counts of one range of symbols.

    Attributes:
        comparison: Schema COMPARISON, by symbol.
        splits: Schema SPLITS, by symbol and session.
        bars: symbol and session of each row that the snapshot will have, by its source.
        steps: Schema STEPS, by symbol and session: what no split explains of these rows.
        possible_splits: Schema SPLITS, by symbol and session: what the files show and nothing else proves.
        replaced: Rows of the files that it will not have, since a candle stands there or nowhere anything of them.
        left_out: Rows of symbols that the user does not want.
    """

    comparison: pl.DataFrame
    splits: pl.DataFrame
    bars: Mapping[str, pl.DataFrame]
    steps: pl.DataFrame
    possible_splits: pl.DataFrame
    replaced: int = 0
    left_out: int = 0


class Survey:
    """The counts of a whole snapshot, all ranges together.

    Attributes:
        comparison: Schema COMPARISON, by symbol.
        splits: Schema SPLITS, by symbol and session.
        steps: Schema STEPS, by symbol and session.
        possible_splits: Schema SPLITS, by symbol and session: those that the rows are not divided by.
        coverage: `session`, `source` and `symbols`, how many of them have a bar; in any order.
        bars_on_other_days: Bars on days that are no session, within the calendar's range.
        replaced: Rows of the files that the snapshot will not have.
        left_out: Rows of symbols that the user does not want.
        missing_sessions: Sessions without a bar between the first and the last bar of their symbol.
    """

    def __init__(self, ranges: pl.DataFrame) -> None:
        self.comparison: Final = _rows(ranges, "comparison")
        self.splits: Final = _rows(ranges, "splits")
        self.steps: Final = _rows(ranges, "steps")
        self.possible_splits: Final = _rows(ranges, "possible_splits")
        self.coverage: Final = (
            _rows(ranges, "per_session").group_by("session", "source").agg(pl.col("symbols").cast(pl.Int64).sum())
        )
        self.bars_on_other_days: Final = int(ranges["bars_on_other_days"].sum())
        self.replaced: Final = int(ranges["replaced"].sum())
        self.left_out: Final = int(ranges["left_out"].sum())
        self.missing_sessions: Final = int(ranges["missing_sessions"].sum())

    @property
    def sources(self) -> Mapping[str, int]:
        """Rows per source, by its name; a symbol has one row per session."""
        rows = self.coverage.group_by("source").agg(pl.col("symbols").sum()).sort("source")
        return dict(rows.iter_rows())


def surveyed_ranges(
    keys: Sequence[str],
    look: Callable[[int], RangeSurvey],
    calendar: pl.LazyFrame,
    *,
    memory: Path | None,
    is_memory_trusted: bool = True,
    ahead: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Survey the ranges that are not remembered, and remember all of them.

    Args:
        keys: One per range: stands for its rows in either source, and for how they are merged.
        look: Surveys the range at a position.
        calendar: `trading_calendar`.
        memory: The folder to remember in; None for nowhere.
        is_memory_trusted: Whether what is remembered may be used.
        ahead: Schema RANGES: what other processes have surveyed.

    Returns:
        Schema RANGES, in the order of the keys.

    Raises:
        StorageError: The memory cannot be written.
        LockTimeoutError: Another process is writing it.
    """
    days = _numbered_days(calendar)
    basis = [_FORMAT, HASHED_BY, DATASETS[EOD_SNAPSHOT.name].code_version, data_version(days)]
    wanted = [sha256(json.dumps([basis, key]).encode()).hexdigest() for key in keys]
    remembered = pl.DataFrame(schema=RANGES) if memory is None or not is_memory_trusted else _remembered(memory)
    known = remembered if ahead is None else pl.concat([remembered, ahead]).unique("key", maintain_order=True)
    known = known.filter(pl.col("key").is_in(wanted))
    positions = {key: at for at, key in enumerate(known["key"])}
    unknown = [at for at, key in enumerate(wanted) if key not in positions]

    def summary(at: int) -> pl.DataFrame:
        return _summary(wanted[at], look(at), days)

    surveyed = map_in_order(summary, unknown, workers=_WORKERS)
    ranges = pl.concat(
        [RANGES.to_frame(), *(known[positions[key]] if key in positions else next(surveyed) for key in wanted)]
    )
    if memory is not None and set(wanted) - set(remembered["key"]):
        _remember(memory, ranges)
    return ranges


def _summary(key: str, found: RangeSurvey, days: pl.DataFrame) -> pl.DataFrame:
    """A row of the schema RANGES."""
    per_session = pl.concat(
        bars.group_by("session").agg(source=pl.lit(source), symbols=pl.len()) for source, bars in found.bars.items()
    ).sort("session", "source")
    bars_on_other_days, missing_sessions = _compared_with_calendar(pl.concat(found.bars.values()), days)
    return pl.DataFrame(
        {
            "key": key,
            "replaced": found.replaced,
            "left_out": found.left_out,
            "bars_on_other_days": bars_on_other_days,
            "missing_sessions": missing_sessions,
            "per_session": per_session.to_struct().implode(),
            "comparison": found.comparison.select(COMPARISON.names()).to_struct().implode(),
            "splits": found.splits.select(SPLITS.names()).to_struct().implode(),
            "steps": found.steps.select(STEPS.names()).to_struct().implode(),
            "possible_splits": found.possible_splits.select(SPLITS.names()).to_struct().implode(),
        },
        schema=RANGES,
    )


def _rows(ranges: pl.DataFrame, column: str) -> pl.DataFrame:
    return ranges.select(pl.col(column).explode(empty_as_null=False)).unnest(column)


def _numbered_days(calendar: pl.LazyFrame) -> pl.DataFrame:
    """Every day from the calendar's first session to its last, with the session's number; null for another day."""
    sessions = calendar.select("session").sort("session").collect().with_row_index("number")
    first, last = sessions["session"].min(), sessions["session"].max()
    if not isinstance(first, date) or not isinstance(last, date):
        return pl.DataFrame(schema={"session": pl.Date, "number": pl.UInt32})
    days = pl.DataFrame({"session": pl.date_range(first, last, eager=True)})
    return days.join(sessions, on="session", how="left", maintain_order="left")


def _compared_with_calendar(bars: pl.DataFrame, days: pl.DataFrame) -> tuple[int, int]:
    """Bars on other days, and missing sessions; none of either without a calendar."""
    if days.is_empty():
        return 0, 0
    # By position instead of a join: there are millions of rows and a few thousand days.
    position = bars["session"].to_physical() - days["session"].to_physical()[0]
    inside = bars.select("symbol", position=position).filter(pl.col("position").is_between(0, days.height - 1))
    numbered = inside.select("symbol", number=days["number"].gather(inside["position"]))
    spans = numbered.group_by("symbol").agg(
        bars=pl.col("number").count(), first=pl.col("number").min(), last=pl.col("number").max()
    )
    expected = pl.col("last").cast(pl.Int64) - pl.col("first").cast(pl.Int64) + 1
    missing = int(spans.select((expected - pl.col("bars")).sum()).item() or 0)
    return numbered["number"].null_count(), missing


def _remembered(memory: Path) -> pl.DataFrame:
    with suppress(OSError, pl.exceptions.PolarsError):
        content = unseal((memory / _FILE).read_bytes(), by=_SEALED_BY)
        if content is not None and (ranges := pl.read_parquet(content)).schema == RANGES:
            return ranges.unique("key")
    return pl.DataFrame(schema=RANGES)


def _remember(memory: Path, ranges: pl.DataFrame) -> None:
    make_folder(memory)
    with locked(memory, "survey"):
        try:
            content = io.BytesIO()
            ranges.write_parquet(content, compression="lz4")
            write_file(memory / _FILE, seal(content.getvalue(), by=_SEALED_BY))
        except OSError as error:
            raise storage_error(memory, error) from error
