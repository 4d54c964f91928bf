# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Two writers in an object store that are killed again and again, and readers meanwhile: no row is lost, none torn."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.storage.store import open_store
from ttapi_pipeline.storage.versions.reading import open_version, versions
from ttapi_pipeline_tests.support.marks import MARKS
from ttapi_pipeline_tests.support.object_writer import symbol
from ttapi_pipeline_tests.support.slow_proxy import Traffic


@dataclass
class Writer:
    """A writer that is started again whenever it is killed.

    Attributes:
        name: One letter.
        rows: How many it adds.
        acknowledged: Those that it has said to be stored.
        kills: How often it was killed.
    """

    name: str
    rows: int
    acknowledged: set[str] = field(default_factory=set)
    kills: int = 0

    def run(self, place: ObjectPath, chance: random.Random, *, most_kills: int) -> None:
        """Add all rows; the process is killed up to so many times, at any instant."""
        first = 0
        while first < self.rows:
            arguments = [str(place), self.name, str(first), str(self.rows)]
            command = [sys.executable, "-m", "ttapi_pipeline_tests.support.object_writer", *arguments]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                stop = threading.Timer(chance.uniform(1.0, 4.0), process.kill)
                if self.kills < most_kills:
                    stop.start()
                for line in process.stdout or ():
                    self.acknowledged.add(line.strip())
                stop.cancel()
            if process.returncode == -9:
                self.kills += 1
            elif process.returncode:
                raise AssertionError(f"writer {self.name} ended with {process.returncode}")
            first = len(self.acknowledged)


def read(place: ObjectPath, count: int, is_over: Callable[[], bool]) -> int:
    """Read the table until that was done so often and the writers are done; the number of reads.

    Every one is of one publication: as many rows as its manifest says, none twice, and no fewer than the one before.
    """
    reads, before = 0, 0
    while reads < count or not is_over():
        store = open_store(place)
        if store.read_manifest("marks") is None:
            time.sleep(0.01)
            continue
        table = store.open_table(MARKS)
        rows = table.frame.collect()["symbol"]
        assert table.manifest is not None
        assert rows.len() == table.manifest.rows == rows.n_unique()
        assert rows.len() >= before
        reads, before = reads + 1, rows.len()
    return reads


@pytest.mark.parametrize(
    ("publications", "kills", "reads"),
    [
        (8, 1, 20),
        pytest.param(200, 20, 2_000, marks=pytest.mark.soak),
    ],
)
@pytest.mark.timeout(3600)
def test_no_row_is_lost_and_no_reader_meets_half_a_publication(
    counted: Traffic, prefix: ObjectPath, publications: int, kills: int, reads: int
) -> None:
    """Half of the publications and of the kills are each writer's; every answer of the store comes 30 ms later."""
    writers = [Writer("A", publications // 2), Writer("B", publications // 2)]
    with ThreadPoolExecutor(6) as threads:
        runs = [
            threads.submit(writer.run, prefix, random.Random(seed), most_kills=-(-kills // 2))
            for seed, writer in enumerate(writers)
        ]
        readers = [threads.submit(read, prefix, reads // 4, lambda: all(run.done() for run in runs)) for _ in range(4)]
        for run in runs:
            run.result()
        for reader in readers:
            reader.result()
    assert sum(reader.result() for reader in readers) >= reads
    assert sum(writer.kills for writer in writers) >= kills // 2
    expected = {symbol(writer.name, number) for writer in writers for number in range(writer.rows)}
    assert {name for writer in writers for name in writer.acknowledged} == expected
    stored = open_store(prefix).open_table(MARKS).frame.collect()["symbol"]
    assert set(stored) == expected
    assert stored.len() == len(expected)
    # Each publication added one row, and each is known and can be read.
    known = versions(prefix, "marks")
    assert len(known) == len(expected)
    # The store tells times to the second, so that of two publications within one the later may come first.
    assert sorted(each.manifest.rows for each in known) == list(range(1, len(expected) + 1))
    for each in known[:: max(1, len(known) // 10)]:
        assert open_version(prefix, MARKS, each).frame.collect().height == each.manifest.rows
    repair(prefix, MARKS)
    assert check(prefix, MARKS) == []
    assert counted.requests
