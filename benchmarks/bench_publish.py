# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a safe publication costs over Polars' own sinks, how fast one symbol is read back, and what verifying costs.

Run it as ``python benchmarks/bench_publish.py [ROWS]``. Each measurement has a process of its own, on the same rows, so
that peak memory is its own too. The ratios are what to look at: seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import scan
from ttapi_pipeline.tables.dtypes import UTC_DATETIME
from ttapi_pipeline.tables.schema import COUNT, DATE, FLAG, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema

SESSIONS = 4_000
SCHEMA = DatasetSchema(
    "bench",
    (
        Column("symbol", STRING, "Symbol", is_nullable=False),
        Column("session", DATE, "Trading day", is_nullable=False),
        *(Column(name, FLOAT, "Price") for name in ("open", "high", "low", "close", "vwap")),
        Column("volume", COUNT, "Shares"),
        Column("is_final", FLAG, "Whether it can change"),
        Column("adjustment", STRING, "What prices are adjusted for"),
        Column("source", STRING, "Where the row comes from"),
        Column("fetched_at", TIMESTAMP, "When it was fetched"),
    ),
    key=("symbol", "session"),
)


def make_rows(folder: Path, rows: int) -> None:
    """Write the same rows in order and shuffled: 4,000 sessions for each symbol, prices in cents."""
    symbols = max(1, rows // SESSIONS)
    random = np.random.default_rng(1)
    sessions = pl.date_range(date(2010, 1, 4), date(2010, 1, 4) + timedelta(days=SESSIONS - 1), eager=True)
    frame = pl.DataFrame({"symbol": [f"S{number:05d}" for number in range(symbols)]}).join(
        pl.DataFrame({"session": sessions}), how="cross"
    )
    close = np.round(20 * np.exp(random.normal(0, 0.01, frame.height).cumsum() % 3), 2)
    frame = frame.with_columns(
        open=pl.Series(np.round(close * 1.001, 2)),
        high=pl.Series(np.round(close * 1.01, 2)),
        low=pl.Series(np.round(close * 0.99, 2)),
        close=pl.Series(close),
        vwap=pl.Series(np.round(close * 1.0005, 4)),
        volume=pl.Series(random.integers(0, 10_000_000, frame.height)),
        is_final=True,
        adjustment=pl.lit("split"),
        source=pl.lit("metastock"),
        fetched_at=pl.lit(datetime(2026, 1, 5, 21, 30, tzinfo=UTC), UTC_DATETIME),
    )
    frame.write_parquet(folder / "ordered.parquet")
    frame.sample(fraction=1, shuffle=True, seed=1).write_parquet(folder / "shuffled.parquet")


def bare_sinks(rows: Path, folder: Path, *, is_sorted: bool) -> None:
    """Polars alone: sort, write Parquet in place, write CSV."""
    frame = pl.scan_parquet(rows)
    ordered = frame if is_sorted else frame.sort("symbol", "session")
    started = time.perf_counter()
    ordered.sink_parquet(folder / "bare.parquet")
    parquet = time.perf_counter()
    pl.scan_parquet(folder / "bare.parquet").sink_csv(folder / "bare.csv")
    report(parquet - started, time.perf_counter() - parquet)


def published(rows: Path, folder: Path, *, is_sorted: bool) -> None:
    """Ours: conformed, checked, hashed, staged, synced, with manifest; the CSV in the background."""
    provenance = Provenance(dataset="bench", code_version="1", fetched_at=datetime(2026, 1, 5, 21, 30, tzinfo=UTC))
    with ThreadPoolExecutor(max_workers=1) as executor:
        started = time.perf_counter()
        result = publish(pl.scan_parquet(rows), SCHEMA, folder, provenance, executor=executor, is_sorted=is_sorted)
        parquet = time.perf_counter()
        result.wait()
        report(parquet - started, time.perf_counter() - parquet)


def report(parquet_seconds: float, csv_seconds: float) -> None:
    """One line for the parent: seconds for Parquet, seconds for CSV, peak memory in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{parquet_seconds} {csv_seconds} {peak}")


WAYS: dict[str, Callable[..., None]] = {"bare": bare_sinks, "published": published}


def measured(way: str, rows: Path, folder: Path, *, is_sorted: bool) -> tuple[float, float, int]:
    """Run one way in its own process."""
    command = [sys.executable, __file__, "--way", way, "--rows-file", str(rows), "--folder", str(folder)]
    ran = subprocess.run([*command, *(["--sorted"] if is_sorted else [])], capture_output=True, text=True, check=True)
    parquet, csv, peak = ran.stdout.split()
    return float(parquet), float(csv), int(peak)


def main() -> None:
    """Print the ratios, or do one measurement for the parent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=4_000_000)
    parser.add_argument("--way", choices=["rows", *WAYS], help=argparse.SUPPRESS)
    parser.add_argument("--rows-file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sorted", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way == "rows":
        make_rows(options.folder, options.rows)
        return
    if options.way:
        WAYS[options.way](options.rows_file, options.folder, is_sorted=options.sorted)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ordered, shuffled = folder / "ordered.parquet", folder / "shuffled.parquet"
        # In a process of its own too: a child's peak memory begins at its parent's.
        subprocess.run(
            [sys.executable, __file__, str(options.rows), "--way", "rows", "--folder", str(folder)], check=True
        )
        for name, rows, is_sorted in (("rows in any order", shuffled, False), ("rows in order", ordered, True)):
            bare = measured("bare", rows, folder, is_sorted=is_sorted)
            ours = measured("published", rows, folder, is_sorted=is_sorted)
            print(f"{name}: {options.rows:,} x {len(SCHEMA.columns)}")
            for label, theirs, mine in zip(("Parquet, s", "CSV, s", "peak memory, MB"), bare, ours, strict=True):
                print(f"  {label:16} bare sinks {theirs:8.2f}  publish {mine:8.2f}  ratio {mine / theirs:.2f}")
        size = sum((folder / f"bench.{ending}").stat().st_size for ending in ("parquet", "csv")) / 1e6
        symbol = f"S{options.rows // SESSIONS // 2:05d}"
        started = time.perf_counter()
        scan(folder, SCHEMA)
        verified = time.perf_counter() - started
        times = []
        for _ in range(9):
            started = time.perf_counter()
            scan(folder, SCHEMA).filter(symbol=symbol).collect()
            times.append(time.perf_counter() - started)
        started = time.perf_counter()
        scan(folder, SCHEMA).collect()
        everything = time.perf_counter() - started
        one = sorted(times)[len(times) // 2]
        ratio = everything / one
        print(f"one symbol of {options.rows // SESSIONS:,}: {one * 1e3:.1f} ms; all rows take {ratio:.0f} x that")
        share = verified / (folder / "bench.parquet").stat().st_size * 1e9
        print(f"verified once per process: {verified * 1e3:.0f} ms, {verified / everything:.2f} of reading all rows")
        print(f"  {1 / share:.1f} GB/s; with the file in memory")
        print(f"stored: {size:.0f} MB")


if __name__ == "__main__":
    main()
