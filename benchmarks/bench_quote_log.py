# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What it costs to keep a log readable at every flush: parts that merge, against a rewritten file and against no merge.

Run it as ``python benchmarks/bench_quote_log.py [FLUSHES] [ROWS]``: so many flushes of so many rows within one hour,
which has 1,800 of them at one every two seconds. The ratios of CPU time are what to look at: seconds depend on the
machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from ttapi_pipeline.quote_recorder.schemas import QUOTES
from ttapi_pipeline.storage.append_table import PartTable, list_parts, scan_parts
from ttapi_pipeline.storage.files import staged

AT = datetime(2026, 11, 20, 17, tzinfo=UTC)


@dataclass(frozen=True)
class Cost:
    """CPU seconds of all flushes, of the slowest flush, of reading everything back, and files at the end."""

    flushes: float
    slowest: float
    read: float
    files: int


def flush_rows(rows: int) -> pl.DataFrame:
    values = np.random.default_rng(7).random((rows, len(QUOTES))) * 100
    return pl.DataFrame(
        {
            name: [f"S{number:05}" for number in range(rows)]
            if dtype == pl.String()
            else values[:, column]
            if dtype == pl.Float64()
            else [AT] * rows
            for column, (name, dtype) in enumerate(QUOTES.items())
        },
        schema=QUOTES,
    )


def measure(
    flushes: int, flush: Callable[[], object], read: Callable[[], pl.DataFrame], files: Callable[[], int]
) -> Cost:
    total = slowest = 0.0
    for _ in range(flushes):
        began = time.process_time()
        flush()
        spent = time.process_time() - began
        total, slowest = total + spent, max(slowest, spent)
    began = time.process_time()
    read()
    return Cost(total, slowest, time.process_time() - began, files())


def in_parts(folder: Path, frame: pl.DataFrame, flushes: int, *, is_merging: bool) -> Cost:
    table = PartTable(folder, QUOTES)

    def flush() -> None:
        table.append(frame, "hour")
        if is_merging:
            table.tidy()

    return measure(flushes, flush, lambda: scan_parts(folder, QUOTES).collect(), lambda: len(list_parts(folder)))


def in_one_file(folder: Path, frame: pl.DataFrame, flushes: int) -> Cost:
    path = folder / "hour.parquet"

    def flush() -> None:
        before = [pl.scan_parquet(path)] if path.exists() else []
        with staged(path) as file:
            pl.concat([*before, frame.lazy()]).sink_parquet(file.path, compression="lz4", maintain_order=True)
            file.commit()

    return measure(flushes, flush, lambda: pl.read_parquet(path), lambda: 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flushes", nargs="?", type=int, default=300)
    parser.add_argument("rows", nargs="?", type=int, default=500)
    options = parser.parse_args()
    frame = flush_rows(options.rows)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / each for each in ("merged", "rewritten", "unmerged")]
        folders[1].mkdir()
        merged = in_parts(folders[0], frame, options.flushes, is_merging=True)
        rewritten = in_one_file(folders[1], frame, options.flushes)
        unmerged = in_parts(folders[2], frame, options.flushes, is_merging=False)
    print(f"{options.flushes} flushes of {options.rows} rows, CPU time")
    for label, cost in (("parts that merge", merged), ("one file, rewritten", rewritten), ("no merge", unmerged)):
        print(
            f"{label:<20} {1e3 * cost.flushes / options.flushes:7.1f} ms a flush, {1e3 * cost.slowest:7.1f} at most, "
            f"read back {1e3 * cost.read:7.1f} ms from {cost.files} files"
        )
    print(f"a rewritten file costs {rewritten.flushes / merged.flushes:.1f} times as much to write as parts that merge")
    print(f"without merging, reading costs {unmerged.read / merged.read:.1f} times as much")


if __name__ == "__main__":
    main()
