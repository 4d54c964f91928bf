# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What one damaged MetaStock file costs, against the same file without damage, in one run.

`python benchmarks/bench_damaged_file.py [--megabytes 324] [--hole 2048]`

Each file has a process of its own, so that peak memory is its own too. Seconds depend on the machine: the ratios are
what to look at. Times of the sparse file stand beside those of its first line.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from ttapi_pipeline.metastock.importer import import_folder

HEADER = "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
ROW = "{ticker},D,{day},000000,101.2500,102.7500,100.5000,101.8750,1234567,0\n"
DAYS = [f"{date(1990, 1, 1) + timedelta(days=at):%Y%m%d}" for at in range(12_000)]


def write_clean(path: Path, *, size: int) -> int:
    """Write good rows of many symbols; returns how many bytes they are."""
    with path.open("w") as file:
        written = file.write(HEADER)
        number = 0
        while written < size:
            ticker = f"S{number:05}"
            written += file.write("".join(ROW.format(ticker=ticker, day=day) for day in DAYS))
            number += 1
    return written


def damage(content: bytes, kind: str) -> bytes:
    """The file with something amiss in its middle; ``hole`` is made by the file system."""
    middle = content.index(b"\n", len(content) // 2) + 1
    match kind:
        case "one bad row":
            return content[:middle] + b"S00000,D,20260231,000000,1,1,1,1,1,0\n" + content[middle:]
        case "one bad field":
            return content[:middle] + b"S99999,D,20250102,000000,0,1,1,1,-5,0\n" + content[middle:]
        case "a stray quote":
            return content[:middle] + b'S99999,D,20250102,"000000,1,1,1,1,1,0\n' + content[middle:]
        case "every row bad":
            return content.replace(b",D,", b",W,")
        case _:
            return content


KINDS = ("clean", "one bad field", "one bad row", "a stray quote", "every row bad")


def measure(folder: Path) -> dict[str, float]:
    """Import a folder in a process of its own."""
    ran = subprocess.run(
        [sys.executable, __file__, "--measure", str(folder)], capture_output=True, text=True, check=True
    )
    result: dict[str, float] = json.loads(ran.stdout)
    return result


def show(what: str, result: dict[str, float], clean: dict[str, float]) -> None:
    ratios = f"{result['seconds'] / clean['seconds']:6.2f} x  {result['peak_mb'] / clean['peak_mb']:6.2f} x memory"
    counts = f"{result['kept']:12,.0f} kept {result['rejected']:12,.0f} rejected"
    print(f"{what:24}{result['seconds']:8.2f} s  {result['peak_mb']:7,.0f} MB  {ratios}{counts}", flush=True)


def main() -> None:
    """Print the table, or do one measurement for the parent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=324)
    parser.add_argument("--hole", type=int, default=2_048, help="megabytes of zeros in the sparse file")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        started = time.perf_counter()
        files = import_folder(options.measure).files
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        kept, rejected = files["rows_kept"].sum(), files["rejected"].sum()
        print(json.dumps({"seconds": seconds, "peak_mb": peak, "kept": kept, "rejected": rejected}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "all.txt"
        write_clean(path, size=options.megabytes << 20)
        content = path.read_bytes()
        clean = measure(path.parent)
        for kind in KINDS:
            path.write_bytes(damage(content, kind))
            show(kind, clean if kind == "clean" else measure(path.parent), clean)
        path.write_bytes(content)
        os.truncate(path, len(content) + (options.hole << 20))
        show(f"{options.hole:,} MB of zeros", measure(path.parent), clean)


if __name__ == "__main__":
    main()
