# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What data in an object store costs: requests, bytes and seconds of a first fill, of looks, and of a job of hits.

Run it as ``python benchmarks/bench_object_store.py [--symbols N] [--delay MS]``. The store is `moto` in a process of
its own, behind a proxy that adds the delay to each answer and counts. A request is one over HTTP; a wave is a time at
which a request is sent while none is in flight, so that a look waits for the store as often as it has waves. With a
limit that is broken it ends with 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.core.universes import sp500
from ttapi_pipeline.datasets.reading import open_dataset
from ttapi_pipeline.datasets.status import read_statuses
from ttapi_pipeline_tests.support.object_projects import ObjectProject
from ttapi_pipeline_tests.support.object_store import access_to, make_bucket, object_server
from ttapi_pipeline_tests.support.slow_proxy import Traffic, slow_proxy

MEGABYTE = 1e6


@dataclass(frozen=True)
class Cost:
    """Of one thing that a user does.

    Attributes:
        what: In words.
        seconds: On this machine.
        requests: To the store.
        waves: Times of waiting for it, one after the other.
        moved: Bytes of bodies in both directions.
        limits: Most requests, waves and bytes; None where there is no limit.
    """

    what: str
    seconds: float
    requests: int
    waves: int
    moved: int
    limits: tuple[int | None, int | None, int | None] = (None, None, None)

    @property
    def is_kept(self) -> bool:
        """Whether the limits are."""
        found = (self.requests, self.waves, self.moved)
        return all(most is None or each <= most for each, most in zip(found, self.limits, strict=True))

    def __str__(self) -> str:
        most = " ".join("-" if each is None else f"{each:,}" for each in self.limits)
        verdict = (
            "" if self.limits == (None, None, None) else f"  limits {most}: {'kept' if self.is_kept else 'BROKEN'}"
        )
        return (
            f"{self.what:<34} {self.seconds:7.2f} s {self.requests:6,} requests {self.waves:5,} waves "
            f"{self.moved / MEGABYTE:9.2f} MB{verdict}"
        )


def measured(
    traffic: Traffic,
    what: str,
    work: Callable[[], object],
    limits: tuple[int | None, int | None, int | None] = (None, None, None),
) -> Cost:
    """Do something and count."""
    traffic.reset()
    started = time.perf_counter()
    work()
    spent = time.perf_counter() - started
    if os.environ.get("BENCH_PATHS"):
        for path, moved in traffic.by_path.most_common(25):
            count = sum(path in each for each in traffic.requests)
            print(f"    {moved:12,} bytes {count:5} requests {path}")
    return Cost(what, spent, len(traffic.requests), traffic.waves, traffic.bytes, limits)


def run(project: ObjectProject, *command: str) -> None:
    """A program in the project folder; what it says is shown when it fails."""
    ran = project.run(*command)
    if ran.returncode:
        sys.exit(f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}")


def measure(symbols: int, delay_seconds: float) -> list[Cost]:
    """Fill an empty bucket and look at it."""
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        server = held.enter_context(object_server())
        traffic = held.enter_context(slow_proxy(server, delay_seconds=delay_seconds))
        place = f"s3://{make_bucket(server)}/tables"
        project = ObjectProject.make(folder, place, symbols=symbols, access=access_to(traffic.url))
        os.environ.update({name: value for name, value in project.environ.items() if name.startswith(("AWS_", "TT_"))})
        settings = project.settings()
        job = ("dagster", "job", "execute", "-m", "ttapi_pipeline.definitions", "-j", "refresh_all")
        return [
            measured(traffic, "first fill", lambda: run(project, "tt", "refresh")),
            measured(traffic, "survey of all datasets", lambda: survey(settings), (15, 3, None)),
            measured(traffic, "a job of nothing but hits", lambda: run(project, *job), (None, None, 5_000_000)),
            measured(traffic, "one symbol of the snapshot", lambda: one_symbol(place), (None, None, 2_000_000)),
            measured(traffic, "the whole snapshot", lambda: open_dataset("eod_snapshot", place).collect()),
        ]


def survey(settings: Settings) -> None:
    """As `tt status`; a dataset that is not fresh would make the job another one."""
    due = [name for name, each in read_statuses(settings, now=SYSTEM_CLOCK.now()).items() if not each.verdict.is_hit]
    if due:
        sys.exit(f"not fresh after the fill: {', '.join(due)}")


def one_symbol(place: str) -> None:
    """The bars of one symbol."""
    bars = open_dataset("eod_snapshot", place).filter(pl.col("symbol") == "AAPL").collect()
    if bars.is_empty():
        sys.exit("the snapshot has no bars of AAPL")


def main() -> None:
    """Print a line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=len(sp500()), help="of the S&P 500")
    parser.add_argument("--delay", type=float, default=30.0, help="milliseconds that each answer comes later")
    options = parser.parse_args()
    costs = measure(options.symbols, options.delay / 1000)
    print(f"{options.symbols} symbols, {options.delay:g} ms per answer")
    print("\n".join(map(str, costs)))
    if not all(cost.is_kept for cost in costs):
        sys.exit(1)


if __name__ == "__main__":
    main()
