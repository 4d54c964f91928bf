# SPDX-License-Identifier: MIT
"""A program that imports a MetaStock folder and publishes the snapshot, to be killed by `test_eod_kills`."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.eod_snapshot.build import SnapshotOptions, build_eod_snapshot
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.datasets.trading_calendar.table import TRADING_CALENDAR
from ttapi_pipeline.metastock import limits
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.tables.conform import conform

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def candles() -> pl.DataFrame:
    """Of every second symbol, from the last hundred days of its file on, with the file's closes."""
    days = pl.DataFrame({"session": pl.date_range(date(2020, 1, 1), date(2022, 3, 31), eager=True)})
    close = 10 + pl.col("at") % 7 / 10
    rows = days.with_row_index("at").filter(pl.col("session") > date(2021, 9, 23))
    symbols = pl.DataFrame({"symbol": [f"S{number:02}" for number in range(0, 40, 2)]})
    frame = symbols.join(rows, how="cross").select(
        "symbol",
        "session",
        open=close,
        high=close,
        low=close,
        close=close,
        volume=100.0,
        vwap=None,
        trade_count=None,
        implied_volatility=None,
        is_final=True,
        source=pl.lit("dxlink"),
        fetched_at=pl.lit(NOW),
    )
    return conform(frame, DAILY_CANDLES)


def import_and_publish(files: Path, data: Path, feed: pl.DataFrame) -> None:
    """Import the folder beside the feed's candles, and store what comes of it.

    In small batches and ranges, so that there are many moments in between.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "BATCH_BYTES", 60_000)
        patch.setattr(limits, "RANGE_ROWS", 4_000)
        _import_and_publish(files, data, feed)


def _import_and_publish(files: Path, data: Path, feed: pl.DataFrame) -> None:
    built = build_eod_snapshot(
        files,
        feed.lazy(),
        TRADING_CALENDAR.polars.to_frame().lazy(),
        metastock_version="",
        options=SnapshotOptions(cache=data / ".state" / "metastock"),
    )
    provenance = Provenance(dataset="eod_snapshot", code_version="1", fetched_at=NOW)
    publish(built.frame, EOD_SNAPSHOT, data, provenance).wait()


def main() -> None:
    feed = candles()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    import_and_publish(Path(sys.argv[1]), Path(sys.argv[2]), feed)


if __name__ == "__main__":
    main()
