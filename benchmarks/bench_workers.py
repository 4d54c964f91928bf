# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A back-fill of buckets of symbols by one worker against two, each a process on a core of its own.

`python benchmarks/bench_workers.py [--symbols 503] [--since 2010-01-04] [--rounds 3] [--tables ...]`

The bars are random walks; the table is each partitioned dataset that is computed, and `eod_snapshot`, which is merged
from candles and a text file of MetaStock's per symbol, up to the end of 2025. A worker is a process that may use one
core alone (`sched_setaffinity`), with one thread of Polars and one of Numba, and computes its share of 16 buckets and
stores them as a step of a back-fill does. "Computing" runs from when all workers have imported their modules and
compiled their loops until the last is done, and "CPU" is that of the worker that had most to do; "with start" adds the
start. The parts of one and of two workers are compared byte for byte. Beside it, the table at once in one such process:
what partitions cost where there is no second worker; and of `eod_snapshot`, what is left to do for a table that takes
all of its parts over.

It wants a machine with nothing else to do, and says so when there is a load. Buckets that are fetched are not measured:
one step fetches at a time over all workers, see `docs/decisions/047`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Of the program beside this one, whichever way both are started.
sys.path.insert(0, str(Path(__file__).parents[1]))

if TYPE_CHECKING:
    from benchmarks.bench_universe import Bench

BUCKETS = 16
SNAPSHOT = "eod_snapshot"
TABLES = (SNAPSHOT, "returns_stddev", "volatility", "variance_premium", "volatility_cone")
WANTED = 1.7
QUIET = 0.5
"""Load above which figures say little."""


@dataclass(frozen=True)
class Took:
    """Seconds of one back-fill."""

    computing: float
    with_start: float
    cpu: float
    """Of the worker that had most to compute: what `computing` would be with nothing else running."""


def fill(folder: Path, arguments: Sequence[str]) -> None:
    """Store candles and snapshot, in a process of its own that may use all cores."""
    subprocess.run([sys.executable, __file__, "--fill", str(folder), *arguments], check=True)


def write_files(bench: Bench, folder: Path) -> None:
    """A text file of MetaStock's per symbol, of the bars that the candles have up to the end of 2025."""
    import polars as pl

    folder.mkdir()
    day, nothing = pl.col("session").dt.strftime("%Y%m%d"), pl.lit(0)
    names = (
        "<TICKER>",
        "<PER>",
        "<DTYYYYMMDD>",
        "<TIME>",
        "<OPEN>",
        "<HIGH>",
        "<LOW>",
        "<CLOSE>",
        "<VOL>",
        "<OPENINT>",
    )
    prices = [pl.col(name).round(4) for name in ("open", "high", "low", "close")]
    volume = pl.col("volume").fill_null(1000.0).round(0).cast(pl.Int64)
    values = (pl.col("symbol"), pl.lit("D"), day, pl.lit("000000"), *prices, volume, nothing)
    columns = [value.alias(name) for name, value in zip(names, values, strict=True)]
    for symbol in bench.symbols:
        bars = bench.stored("daily_candles").filter(pl.col("symbol") == symbol, pl.col("session") < date(2026, 1, 1))
        bars.select(columns).collect().write_csv(folder / f"{symbol}.txt")


def backfill(folder: Path, table: str, arguments: Sequence[str], *, workers: int, buckets: int) -> Took:
    """Have so many workers compute all buckets of a table; 0 buckets for the table at once."""
    cores = sorted(os.sched_getaffinity(0))[:workers]
    for cache in folder.glob("cache-*"):
        shutil.rmtree(cache)
    one_thread = {"POLARS_MAX_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    running = [
        subprocess.Popen(
            [
                *(sys.executable, __file__, "--work", str(folder), *arguments, "--table", table),
                *("--core", str(core), "--share", f"{place}/{workers}", "--buckets", str(buckets)),
            ],
            env={**os.environ, **one_thread},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for place, core in enumerate(cores)
    ]
    try:
        for process in running:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise SystemExit(f"a worker of {table} did not start; what it says stands above")
        ready = time.perf_counter()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate()[0] for process in running]
        if any(process.returncode for process in running):
            raise SystemExit(f"a worker of {table} failed; what it says stands above")
        done = time.perf_counter()
    finally:
        for process in running:
            process.kill()
    return Took(done - ready, done - began, max(map(float, said)))


def ready() -> float:
    """Wait until the parent says so; the CPU seconds of this process until then."""
    print("ready", flush=True)
    sys.stdin.readline()
    return time.process_time()


def work(options: argparse.Namespace) -> float:
    """Compute a share of the buckets when the parent says so; CPU seconds of that."""
    os.sched_setaffinity(0, {options.core})
    from benchmarks.bench_universe import NOW, Bench
    from ttapi_pipeline.core.settings import Settings
    from ttapi_pipeline.datasets.parts import MadeFrom, planned, write_part
    from ttapi_pipeline.datasets.registry import DATASETS
    from ttapi_pipeline.tables.symbol_buckets import in_buckets

    bench = Bench(options.work, symbols=options.symbols, since=options.since, seed=7)
    if options.table == SNAPSHOT:
        return merge_snapshot(options, bench)
    dataset, settings = DATASETS[options.table], Settings()
    made_by_hand = {"trading_calendar": bench.calendar().lazy(), "expiration_series": bench.series()}
    stored = {name: bench.stored(name) for name in ("eod_snapshot", "daily_candles")}
    empty = {name: DATASETS[name].schema.polars.to_frame().lazy() for name in dataset.upstream if name in DATASETS}
    tables = {name: {**empty, **stored, **made_by_hand}[name] for name in empty}
    table = planned(dataset, settings, tables, now=NOW)
    made_from = MadeFrom.of(dataset, settings, {}, as_of=table.as_of)
    # The loops are compiled, or read from Numba's cache, before the clock runs.
    table.rows(bench.symbols[:1])
    began = ready()
    if not options.buckets:
        table.rows(None)
        return time.process_time() - began
    place, workers = map(int, options.share.split("/"))
    for key, symbols in list(in_buckets(table.symbols(), options.buckets).items())[place::workers]:
        write_part(options.work, dataset, key, made_from, table.rows(symbols))
    return time.process_time() - began


def merge_snapshot(options: argparse.Namespace, bench: Bench) -> float:
    """The same of the snapshot: merge a share of the buckets; or the table, with the parts that are there."""
    import polars as pl

    from benchmarks.bench_universe import NOW
    from ttapi_pipeline.core.clock import SYSTEM_CLOCK
    from ttapi_pipeline.core.settings import Settings
    from ttapi_pipeline.datasets.eod_snapshot.ahead import SnapshotParts
    from ttapi_pipeline.datasets.eod_snapshot.bucket import SnapshotBuckets
    from ttapi_pipeline.datasets.eod_snapshot.build import build_eod_snapshot, options_of
    from ttapi_pipeline.datasets.refresh import Refresh
    from ttapi_pipeline.datasets.registry import DATASETS
    from ttapi_pipeline.storage.incremental.pieces import Pieces
    from ttapi_pipeline.tables.symbol_buckets import bucket_keys

    folder, files = options.work, options.work / "files"
    # Each worker reads the files itself, as each machine does.
    settings = Settings(
        data_dir=str(folder), cache_dir=folder / f"cache-{options.core}", metastock_dir=files, partitions=BUCKETS
    )
    candles, calendar, universe = bench.stored("daily_candles"), bench.calendar().lazy(), pl.LazyFrame({"symbol": []})
    began = ready()
    if options.buckets:
        place, workers = map(int, options.share.split("/"))
        keys = list(bucket_keys(BUCKETS))[place::workers]
        tables = {"daily_candles": candles, "trading_calendar": calendar, "universe": universe}
        for at in range(0, len(keys), 4):
            run = SnapshotBuckets.of(folder, settings, tables, keys[at : at + 4], now=NOW)
            for key in keys[at : at + 4]:
                run.make(key)
        return time.process_time() - began
    outside: Any = None
    refresh = Refresh(settings, NOW, SYSTEM_CLOCK, outside, False, DATASETS[SNAPSHOT], folder, None)
    built = build_eod_snapshot(
        files,
        candles,
        calendar,
        metastock_version="",
        options=options_of(settings, NOW),
        ahead=SnapshotParts.open(refresh),
    )
    assert isinstance(built.frame, Pieces)
    for piece in built.frame.pieces:
        piece.read()
    return time.process_time() - began


def hashes(folder: Path, table: str) -> Mapping[str, str]:
    """Of the parts, which are removed."""
    found = {}
    for path in sorted((folder / ".state" / "parts" / table).iterdir()):
        found[path.name] = sha256(path.read_bytes()).hexdigest()
        path.unlink()
    return found


def measure(folder: Path, table: str, arguments: Sequence[str], *, rounds: int) -> None:
    """Print the figures of a table, and whether two workers were fast enough."""
    took: dict[int, list[Took]] = {1: [], 2: []}
    taking: list[Took] = []
    parts = []
    at_once = backfill(folder, table, arguments, workers=1, buckets=0)
    for _ in range(rounds):
        for workers, each in took.items():
            each.append(backfill(folder, table, arguments, workers=workers, buckets=BUCKETS))
            if table == SNAPSHOT:
                taking.append(backfill(folder, table, arguments, workers=1, buckets=0))
            parts.append(hashes(folder, table))
    if any(each != parts[0] or len(each) != BUCKETS for each in parts):
        raise SystemExit(f"{table}: the parts of one and of two workers differ")
    one, two = (_median(took[workers]) for workers in (1, 2))
    print(f"{table}: {BUCKETS} buckets, median of {rounds} rounds; the parts are the same")
    rows = {"at once, without buckets": at_once, "one worker": one, "two workers": two}
    if taking:
        rows["the table with all parts"] = _median(taking)
    for name, row in rows.items():
        print(f"  {name:25} {row.computing:8.2f} s computing  {row.cpu:8.2f} s CPU  {row.with_start:8.2f} s with start")
    verdict = "enough" if one.computing / two.computing >= WANTED else "NOT ENOUGH"
    print(
        f"  throughput of two         {one.computing / two.computing:8.2f} times       {one.cpu / two.cpu:8.2f} times"
        f"  {one.with_start / two.with_start:8.2f} times"
    )
    print(f"  wanted, computing         {WANTED:8.2f} times: {verdict}", flush=True)


def _median(took: Sequence[Took]) -> Took:
    return Took(*(statistics.median(getattr(each, field.name) for each in took) for field in fields(Took)))


def main() -> None:
    """Print the figures, or do the part of a child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=503)
    parser.add_argument("--since", type=date.fromisoformat, default=date(2010, 1, 4))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tables", nargs="+", default=TABLES, choices=TABLES)
    for hidden in ("--table", "--share"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--fill", "--work"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    for hidden in ("--core", "--buckets"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        from benchmarks.bench_universe import LAST, Bench

        bench = Bench(options.fill, symbols=options.symbols, since=options.since, seed=7)
        print(f"{options.symbols:,} symbols since {options.since}: {bench.candles(LAST):,} bars", flush=True)
        if set(options.tables) != {SNAPSHOT}:
            bench.snapshot()
        if SNAPSHOT in options.tables:
            write_files(bench, options.fill / "files")
        return
    if options.work:
        print(work(options))
        return
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("this process may use one core, and two workers want two")
    load = os.getloadavg()[0]
    print(f"load before: {load:.2f}" + ("" if load < QUIET else f"; above {QUIET}, the figures say little"), flush=True)
    arguments = ["--symbols", str(options.symbols), "--since", options.since.isoformat(), "--tables", *options.tables]
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), arguments)
        for table in options.tables:
            measure(Path(folder), table, arguments, rounds=options.rounds)


if __name__ == "__main__":
    main()
