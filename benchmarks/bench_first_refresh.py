# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What a first refresh takes, by the number of symbols: requests, bytes over the wire, CPU, memory, disk.

Run it as ``python benchmarks/bench_first_refresh.py [--universe 50 503 optionable] [--history DATE]``. `tt refresh`
fills every dataset of an empty folder. A simulator in a process of its own answers, with as many equities as the broker
has, and the program believes it to be production, so that it keeps the rates that it keeps with the broker. There are
no MetaStock files, whose import `bench_eod.py` measures. `optionable` is ``TT_LIST=3``: 5,979 symbols.

Both processes are alone in a network namespace, where the system gives one to an ordinary user. What its loopback
device counts is what went over the wire, with the headers of TCP and without TLS. Elsewhere bytes are not told.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Of the program beside this one, whichever way both are started.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bench_account_cost import new_account
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.simulator.process import SimulatorProcess

EQUITIES: Final = 12_200
"""Made-up ones: of them and the real names, 5,979 have options."""
OPTIONABLE: Final = "optionable"
ALONE: Final = "BENCH_ALONE"
MIB: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Taken:
    """By a first refresh.

    Attributes:
        routes: Requests per route, as the server counted them.
        bytes: Over the wire, in both directions; None where they cannot be counted.
        cpu: Seconds of the program, user and system.
        seconds: By the clock.
        peak_mib: Of the program's memory.
        disk_mib: Of the folder.
        rows: Stored, per dataset.
    """

    routes: Mapping[str, int]
    bytes: int | None
    cpu: float
    seconds: float
    peak_mib: float
    disk_mib: float
    rows: Mapping[str, int]


def measure(universe: str, history: str) -> Taken:
    """Fill every dataset of a temporary folder, as an account without any data would."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatorProcess(arguments=["--equities", str(EQUITIES)], ready_seconds=300) as simulator,
    ):
        project = Path(folder)
        wanted = "3"
        if universe != OPTIONABLE:
            wanted = "symbols.txt"
            members = [member.symbol for member in sp500()][: int(universe)]
            (project / wanted).write_text("\n".join(members) + "\n")
        environment = new_account(project, simulator.url, universe=wanted, history=history)
        command = [sys.executable, "-m", "ttapi_pipeline.cli", "refresh"]
        before, began = carried(), time.perf_counter()
        with (project / "said.txt").open("w+") as said:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
            # The program's own figures, without those of the simulator.
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds, after = time.perf_counter() - began, carried()
        if process.returncode:
            words = (project / "said.txt").read_text()
            raise SystemExit(f"tt refresh ended with {process.returncode}: {words[-4000:]}")
        with urllib.request.urlopen(f"{simulator.url}/simulator/counters", timeout=60) as answer:
            counted = json.load(answer)["data"]["requests"]
        manifests = [json.loads(path.read_text()) for path in (project / "data").glob("*.json")]
        return Taken(
            routes={route: count for route, count in counted.items() if "/simulator" not in route},
            bytes=None if before is None or after is None else after - before,
            cpu=used.ru_utime + used.ru_stime,
            seconds=seconds,
            peak_mib=used.ru_maxrss / 1024,
            disk_mib=sum(path.stat().st_size for path in project.rglob("*") if path.is_file()) / MIB,
            rows={str(each["dataset"]): int(each["rows"]) for each in manifests if "rows" in each},
        )


def carried() -> int | None:
    """The bytes that the loopback device of this process's own network has carried so far."""
    if ALONE not in os.environ:
        return None
    (line,) = [each for each in Path("/proc/net/dev").read_text().splitlines() if each.strip().startswith("lo:")]
    return int(line.partition(":")[2].split()[0])


def go_alone() -> None:
    """Start this program again in a network of its own; without that, it goes on."""
    if ALONE in os.environ:
        return
    alone = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    try:
        done = subprocess.run([*alone, "true"], check=False, capture_output=True)
    except FileNotFoundError:
        return
    if done.returncode == 0:
        os.execvpe(alone[0], [*alone, sys.executable, *sys.argv], {**os.environ, ALONE: "1"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--universe", nargs="+", default=["50", "503"], help="symbols of the S&P 500, from A on, or `optionable`"
    )
    parser.add_argument("--history", default="2010-01-04", help="first day of the candles")
    options = parser.parse_args()
    for universe in options.universe:
        taken = measure(universe, options.history)
        print(f"\n{universe}, candles from {options.history}")
        print(f"  {sum(taken.routes.values()):12,} requests")
        print("  bytes not counted" if taken.bytes is None else f"  {taken.bytes / MIB:12,.1f} MiB over the wire")
        print(f"  {taken.cpu:12,.1f} s of CPU, {taken.seconds:,.1f} s by the clock")
        print(f"  {taken.peak_mib:12,.0f} MiB at most, {taken.disk_mib:,.0f} MiB on the disk")
        for name, rows in sorted(taken.rows.items()):
            print(f"  {rows:12,} {name}")
        for route, count in taken.routes.items():
            print(f"  {count:12,} {route}", flush=True)


if __name__ == "__main__":
    go_alone()
    main()
