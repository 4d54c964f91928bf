# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The EOD snapshot at the size of the original's folder, against the bare scan, DuckDB and pandas, in one run.

`python benchmarks/bench_eod.py [--files 15798] [--rows 1747] [--seed 7] [--folder DIR]`

Each contender has a process of its own, so that peak memory is its own too. Seconds depend on the machine: the ratios
are what to look at. The folder with the files is made from the seed, and removed unless `--folder` names one.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.datasets.daily_candles.table import DAILY_CANDLES
from ttapi_pipeline.datasets.eod_snapshot.build import build_eod_snapshot
from ttapi_pipeline.datasets.eod_snapshot.options import SnapshotOptions
from ttapi_pipeline.datasets.eod_snapshot.table import EOD_SNAPSHOT
from ttapi_pipeline.datasets.trading_calendar.table import TRADING_CALENDAR
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.scan import scan

HEADER = "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
NAMES = ("ticker", "period", "date", "time", "open", "high", "low", "close", "volume", "open_interest")
SCHEMA = pl.Schema({name: pl.String() if at < 4 else pl.Float64() for at, name in enumerate(NAMES)})
NOW = datetime(2025, 1, 2, 22, tzinfo=UTC)
PANDAS_FILES = 500

Result = dict[str, float]


def write_files(folder: Path, *, files: int, rows: int, seed: int) -> int:
    """Write dialect A files of random walks, from a quarter of `rows` to one and three quarters; returns all rows."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    every_day = pl.date_range(date(1990, 1, 1), date(2024, 12, 31), eager=True)
    days = every_day.filter(every_day.dt.weekday() < 6).dt.strftime("%Y%m%d")
    paths = [folder / f"S{number:05}.{'NO'[number % 2]}.txt" for number in range(files)]
    return sum(write_file(path, days, rows, random) for path in paths)


def write_file(path: Path, days: pl.Series, rows: int, random: np.random.Generator) -> int:
    count = min(int(random.integers(rows // 4, 2 * rows - rows // 4)), len(days))
    close = random.uniform(5, 200) * np.exp(np.cumsum(random.normal(0, 0.01, count)).clip(-3, 3))
    opened = close * random.uniform(0.99, 1.01, count)
    prices = (opened, np.maximum(opened, close) * 1.004, np.minimum(opened, close) * 0.996, close)
    frame = pl.DataFrame({"date": days.tail(count)}).select(
        pl.lit(path.stem),
        pl.lit("D").alias("period"),
        "date",
        pl.lit("000000").alias("time"),
        *(
            pl.Series(name, price).cast(pl.Decimal(12, 4))
            for name, price in zip(("open", "high", "low", "close"), prices, strict=True)
        ),
        pl.Series("volume", random.integers(0, 10_000_000, count)),
        pl.lit(0).alias("open_interest"),
    )
    with path.open("wb") as file:
        file.write(HEADER.encode())
        frame.write_csv(file, include_header=False, quote_style="never")
    return count


def timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def bare_scan(files: Path, data: Path) -> Result:
    """Polars alone: every file into one Parquet file, in the order of their names, nothing checked."""
    bare = pl.scan_csv(sorted(files.iterdir()), schema=SCHEMA, has_header=False, skip_lines=1)
    return {"seconds": timed(lambda: bare.sink_parquet(data / "bare.parquet"))}


def our_import(files: Path, data: Path) -> Result:
    """Everything: look, read, check, sort, de-duplicate, account, merge; Parquet, CSV and manifest, synced."""
    started = time.perf_counter()
    build = build_eod_snapshot(
        files,
        DAILY_CANDLES.polars.to_frame().lazy(),
        TRADING_CALENDAR.polars.to_frame().lazy(),
        metastock_version="",
        options=SnapshotOptions(cache=data / ".state" / "metastock"),
    )
    imported = time.perf_counter()
    provenance = Provenance(dataset="eod_snapshot", code_version="1", fetched_at=NOW)
    published = publish(build.frame, EOD_SNAPSHOT, data, provenance)
    rows = published.wait().rows
    ended = time.perf_counter()
    files_read = float(build.statistics["metastock_files_read"])
    return {
        "seconds": ended - started,
        "read": imported - started,
        "publish": ended - imported,
        "rows": rows,
        "files_read": files_read,
    }


def duckdb_import(files: Path, data: Path) -> Result:
    """DuckDB: every file into one Parquet file, sorted."""
    import duckdb

    columns = {name: "VARCHAR" if dtype == pl.String else "DOUBLE" for name, dtype in SCHEMA.items()}
    query = (
        f"COPY (SELECT * FROM read_csv('{files}/*.txt', header=true, columns={columns}) ORDER BY ticker, date) "
        f"TO '{data / 'duckdb.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
    )
    with duckdb.connect(config={"temp_directory": str(data)}) as connection:
        return {"seconds": timed(lambda: connection.execute(query))}


def pandas_import(files: Path, data: Path) -> Result:
    """pandas, on some of the files: read each, put them together, write Parquet."""
    import pandas as pd

    sample = sorted(files.iterdir())[:PANDAS_FILES]

    def run() -> None:
        dtype = dict.fromkeys(("<TICKER>", "<PER>", "<DTYYYYMMDD>", "<TIME>"), str)
        frames = [pd.read_csv(path, dtype=dtype) for path in sample]
        pd.concat(frames).to_parquet(data / "pandas.parquet")

    return {"seconds": timed(run), "share": sum(path.stat().st_size for path in sample)}


def load(_files: Path, data: Path) -> Result:
    """All rows and columns into memory."""
    return {"seconds": timed(lambda: scan(data, EOD_SNAPSHOT).collect())}


def one_symbol(files: Path, data: Path) -> Result:
    """One symbol out of the middle, the median of 9."""
    names = [path.stem.partition(".")[0] for path in sorted(files.iterdir())]
    symbol = names[len(names) // 2]
    times = sorted(timed(lambda: scan(data, EOD_SNAPSHOT).filter(symbol=symbol).collect()) for _ in range(9))
    return {"seconds": times[4]}


def aggregation(_files: Path, data: Path) -> Result:
    """The original's volatility: sessions, mean, standard deviation, last and first per symbol with more than 30."""
    rows = (
        scan(data, EOD_SNAPSHOT)
        .group_by("symbol")
        .agg(
            sessions=pl.len(),
            close_mean=pl.col("close").mean(),
            close_stddev=pl.col("close").std(),
            first_session=pl.col("session").min(),
            last_session=pl.col("session").max(),
        )
        .filter(pl.col("sessions") > 30)
    )
    return {"seconds": timed(lambda: rows.collect(engine="streaming"))}


CONTENDERS: dict[str, Callable[[Path, Path], Result]] = {
    each.__name__: each for each in (bare_scan, our_import, duckdb_import, pandas_import, load, one_symbol, aggregation)
}


def run(contender: str, files: Path, data: Path) -> Result:
    """One contender in its own process."""
    command = [sys.executable, __file__, "--contender", contender, "--folder", str(files), "--data", str(data)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    result: Result = json.loads(ran.stdout)
    return result


def change(paths: Sequence[Path]) -> None:
    """Another volume in the last row, so that the file and the snapshot are others."""
    for path in paths:
        content = path.read_bytes()
        path.write_bytes(content[:-4] + (b"1,0\n" if content[-4:] != b"1,0\n" else b"2,0\n"))


def show(what: str, result: Result, *, bare: float | None = None, full: float | None = None) -> None:
    ratio = f"  {result['seconds'] / bare:6.2f} x bare" if bare else ""
    ratio += f"  {result['seconds'] / full:6.3f} x full import" if full else ""
    parts = f"  (reading {result['read']:.2f}, publishing {result['publish']:.2f})" if "read" in result else ""
    used = f"{result['seconds']:9.3f} s, CPU {result['cpu']:9.3f} s  peak {result['peak_mb']:7,.0f} MB"
    print(f"{what:34}{used}{ratio}{parts}", flush=True)


def compare(files: Path, data: Path) -> None:
    paths = sorted(files.iterdir())
    size = sum(path.stat().st_size for path in paths)
    print(f"{len(paths):,} files, {size / 1e6:,.0f} MB")
    # The page cache is warm for all of them alike.
    for path in paths:
        path.read_bytes()
    bare = min((run("bare_scan", files, data) for _ in range(2)), key=lambda result: result["seconds"])
    best = bare["seconds"]
    show("bare scan_csv -> sink_parquet", bare)
    full = run("our_import", files, data)
    show(f"whole import, {full['rows']:,.0f} rows", full, bare=best)
    for count in (0, 1, 100, len(paths)):
        change(paths[:count])
        again = run("our_import", files, data)
        if again["files_read"] != count:
            raise SystemExit(f"{again['files_read']:.0f} files were read, {count} had changed")
        show(f"import after {count:,} changed files", again, bare=best, full=full["seconds"])
    show("DuckDB read_csv -> sorted Parquet", run("duckdb_import", files, data), bare=best)
    pandas = run("pandas_import", files, data)
    whole = pandas["seconds"] * size / pandas["share"]
    show("pandas, by a sample", {**pandas, "seconds": whole}, bare=best)
    for what in ("load", "one_symbol", "aggregation"):
        show(what.replace("_", " "), run(what, files, data))
    stored = {name: (data / f"eod_snapshot.{name}").stat().st_size / 1e6 for name in ("parquet", "csv")}
    print(f"stored: Parquet {stored['parquet']:,.0f} MB, CSV {stored['csv']:,.0f} MB")


def main() -> None:
    """Print the table, or do one measurement for the parent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=15_798)
    parser.add_argument("--rows", type=int, default=1_747, help="rows per file, on average")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="keep the files there, and use those that are there already")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        before = time.process_time()
        result = CONTENDERS[options.contender](options.folder, options.data)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**result, "cpu": time.process_time() - before, "peak_mb": peak}))
        return
    with tempfile.TemporaryDirectory(dir=options.folder and options.folder.parent) as temporary:
        files = options.folder or Path(temporary) / "files"
        data = Path(temporary) / "data"
        data.mkdir()
        if not files.is_dir():
            write_files(files, files=options.files, rows=options.rows, seed=options.seed)
        compare(files, data)
        shutil.rmtree(data)


if __name__ == "__main__":
    main()
