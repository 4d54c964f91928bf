# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What history costs: per year by simulated sessions of the S&P 500, and on the first fill.

Run it as ``python benchmarks/bench_history.py [--universe 2] [--sessions 10] [--since 2016-01-04]``. One process
refreshes everything at the end of each session, under a clock that is moved by hand, against a simulator that is
started at the same time. The share of the first fill is the time spent in what keeps versions, in the same run that it
is a share of; the room is that of files which are no other name of a stored one. The last figures are of reading the
oldest version back, and are compared with reading what is stored now.

With ``--fills 3`` it makes three first fills with history and three without, in turn, instead. Where other programs
slow it down, the processor's time is what to compare.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import dagster as dg

from ttapi_pipeline import open_dataset
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.defs import io_manager
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import REFRESH_JOB
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage import publish as publishing
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.layout import CHANGES, PUBLICATIONS
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline.storage.versions.packed_versions import RUN_VERSIONS
from ttapi_pipeline.storage.versions.reading import versions
from ttapi_pipeline.storage.versions.recording import Recorder
from ttapi_pipeline.storage.versions.usage import SESSIONS_PER_YEAR, Usage, history_bytes, usage
from ttapi_pipeline_tests.support.clocks import StoppedClock

GOAL_MB = 300
"""Per year for the S&P 500, without quotes."""


class Spent:
    """The seconds that were spent in what keeps versions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def call(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - started

        return call

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Time the functions that `publish` calls for the sake of versions."""
        originals = (*(vars(publishing)[name] for name in _NAMES[:-1]), Recorder.record)
        for owner, name, function in zip(_OWNERS, _NAMES, originals, strict=True):
            setattr(owner, name, self.timed(function))
        try:
            yield
        finally:
            for owner, name, function in zip(_OWNERS, _NAMES, originals, strict=True):
                setattr(owner, name, function)


_OWNERS = (publishing, publishing, publishing, Recorder)
_NAMES = ("keep_stored", "pack_last_of_session", "keep_within", "record")


def refresh(settings: Settings, clock: StoppedClock) -> float:
    """Refresh everything that is due; the seconds that it took."""
    job = build_definitions(settings, clock=clock).resolve_job_def(REFRESH_JOB)
    loggers = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    started = time.perf_counter()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False, run_config=loggers)
    failed = [event.step_key for event in result.all_events if event.is_step_failure]
    if failed:
        print(f"  failed: {', '.join(map(str, failed))}", flush=True)
    return time.perf_counter() - started


@contextmanager
def without_history() -> Iterator[None]:
    """Keep no versions and make no histories, as if there were none."""
    places = [(publishing, name) for name in _NAMES[:-1]] + [(io_manager, "update_and_record")]
    with ExitStack() as replaced:
        for module, name in places:
            replaced.enter_context(patch.object(module, name, nothing))
        replaced.enter_context(patch.object(Recorder, "of", nothing))
        yield


def nothing(*_arguments: Any, **_options: Any) -> None:
    """Stand in for what keeps history."""


def compare_fills(folder: Path, *, universe: str, count: int, since: date) -> None:
    """Make first fills with history and without, and print the medians."""
    clock = StoppedClock(datetime(2026, 9, 2, 1, 30, tzinfo=UTC))
    seen: dict[str, list[tuple[float, float, int]]] = {"without": [], "with": []}
    # The first one of a process is slower.
    for number in range(-1, 2 * count):
        name = ("without", "with")[number % 2]
        data = folder / f"data{number}"
        with SimulatorProcess(arguments=["--port", "0", "--now", clock.at.isoformat()]) as simulator:
            settings = replace(
                Settings(), api_url=simulator.url, universe=universe, data_dir=str(data), history_start=since
            )
            began = time.process_time()
            with without_history() if name == "without" else nullcontext():
                seconds = refresh(settings, clock)
        found = seconds, time.process_time() - began, size(data)
        shutil.rmtree(data)
        print(f"  {name:7} history: {found[0]:6.1f} s, {found[1]:6.1f} s of CPU, {found[2] / 1e6:.1f} MB", flush=True)
        if number >= 0:
            seen[name].append(found)
    medians = {name: [median(values) for values in zip(*found, strict=True)] for name, found in seen.items()}
    ratios = [with_it / without - 1 for with_it, without in zip(medians["with"], medians["without"], strict=True)]
    print(
        f"history adds {ratios[0]:+.1%} of time, {ratios[1]:+.1%} of CPU and {ratios[2]:+.1%} of disk to a first fill"
    )


def size(folder: Path) -> int:
    """Bytes of the files in a folder but those of the simulator, each file once."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".simulator" not in path.parts)
    return sum({(found := path.stat()).st_ino: found.st_size for path in files}.values())


def measure(folder: Path, *, universe: str, count: int, since: date) -> None:
    """Refresh for some sessions, and print what history takes."""
    sessions = sessions_between(date(2026, 9, 1), date(2026, 12, 31))[:count]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    data, clock = folder / "data", StoppedClock(datetime(2026, 9, 1, tzinfo=UTC))
    for number, session in enumerate(sessions):
        clock.at = datetime(session.year, session.month, session.day, 1, 30, tzinfo=UTC) + timedelta(days=1)
        spent = Spent()
        with SimulatorProcess(arguments=["--port", port, "--now", clock.at.isoformat()]) as simulator:
            settings = replace(
                Settings(), api_url=simulator.url, universe=universe, data_dir=str(data), history_start=since
            )
            with spent.counting():
                seconds = refresh(settings, clock)
        taken = sum(history_bytes(data).values())
        if number == 0:
            print(
                f"first fill: {seconds:.1f} s, of which {spent.seconds:.2f} s ({spent.seconds / seconds:.1%}) keep "
                f"versions; {size(data) / 1e6:.1f} MB, {taken / 1e6:.2f} MB of it ({taken / size(data):.2%}) theirs",
                flush=True,
            )
        else:
            share = f"{spent.seconds:.2f} s ({spent.seconds / seconds:.1%})"
            print(f"{session}: {seconds:.1f} s, {share} for versions, which take {taken / 1e6:.1f} MB", flush=True)
    report(data, first=datetime.combine(sessions[0], datetime.min.time(), UTC) + timedelta(days=1, hours=6))


def packed_sizes(data: Path, found: Usage) -> list[int]:
    """Bytes of the packed files of a dataset."""
    return [path.stat().st_size for path in (data / found.dataset / CHANGES).glob("*.packed.parquet")]


def kept_sizes(data: Path, found: Usage) -> list[int]:
    """Bytes that the versions of a dataset had before they were packed, each once: not what is stored now."""
    rows = {each.publication.rows_of: each.manifest.parquet.bytes for each in versions(data, found.dataset)[::-1]}
    current = versions(data, found.dataset)[-1].publication.rows_of
    return [size for write_id, size in rows.items() if write_id is not None and write_id != current]


def year_of(data: Path, found: Usage) -> float:
    """Bytes that a dataset takes in a year, once many sessions are over.

    What it took so far tells too much for tables whose versions are packed: the whole file that a run of them begins
    with is counted in full after a few sessions, and comes once in `RUN_VERSIONS`.
    """
    packed, kept = packed_sizes(data, found), kept_sizes(data, found)
    if not packed:
        return float(found.bytes_per_year or 0)
    version = sum(packed) / len(packed) + max(kept) / RUN_VERSIONS
    return _year(data, found, version=version, count=len(kept))


def whole_year_of(data: Path, found: Usage) -> float:
    """The same if every version that is kept had a file of its own."""
    kept = kept_sizes(data, found)
    if not packed_sizes(data, found):
        return float(found.bytes_per_year or 0)
    return _year(data, found, version=sum(kept) / len(kept), count=len(kept))


def _year(data: Path, found: Usage, *, version: float, count: int) -> float:
    """A year of versions of a size, as many per session as there were, and of the log."""
    log = (data / found.dataset / PUBLICATIONS).stat().st_size / found.sessions
    return SESSIONS_PER_YEAR * (version * count / (found.sessions - 1) + log)


def report(data: Path, *, first: datetime) -> None:
    """Print what a year costs, and how long reading takes."""
    found = usage(data)
    for each in sorted(found, key=lambda each: -year_of(data, each)):
        print(
            f"  {each.dataset:20} {each.bytes / 1e6:8.2f} MB in {each.sessions:3} sessions, "
            f"{year_of(data, each) / 1e6:7.1f} MB a year, {whole_year_of(data, each) / 1e6:7.1f} MB as whole files"
        )
    counted = [each for each in found if each.dataset != "quotes"]
    total, whole = (sum(of(data, each) for each in counted) / 1e6 for of in (year_of, whole_year_of))
    print(
        f"without quotes {total:.0f} MB a year, {whole:.0f} MB as whole files; the goal for the S&P 500 is {GOAL_MB} MB"
    )
    for name in ("daily_candles", "eod_snapshot", "symbols", "variance_premium"):
        times = []
        for instant in (None, first):
            started = time.perf_counter()
            data_version(open_dataset(name, data, as_of=instant))
            times.append(time.perf_counter() - started)
        manifest = read_manifest(data, name)
        rows = 0 if manifest is None else manifest.rows
        print(f"  {name}: {rows:,} rows hashed in {times[0]:.2f} s now, {times[1]:.2f} s as of the first evening")


def main() -> None:
    """Measure in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--universe", default="2", help="TT_LIST")
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--fills", type=int, default=0, help="compare so many first fills with as many without history")
    parser.add_argument("--since", type=date.fromisoformat, default=date(2016, 1, 4), help="TT_HISTORY_START")
    options = parser.parse_args()
    print(
        f"{len(DATASETS)} tables, universe {options.universe}, {options.sessions} sessions, bars since {options.since}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        if options.fills:
            compare_fills(Path(folder), universe=options.universe, count=options.fills, since=options.since)
            return
        measure(Path(folder), universe=options.universe, count=options.sessions, since=options.since)


if __name__ == "__main__":
    main()
