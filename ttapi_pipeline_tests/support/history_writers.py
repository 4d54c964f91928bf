# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writers and readers of versions that never end by themselves, forked from a warm process, to be killed at any moment.

The warm process imports everything and computes nothing: Polars starts its threads when it first computes, and a fork
would lose them. `Writers` is its other end.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

import polars as pl

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import CorruptFileError, StorageError
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.storage.versions.reading import open_version, versions
from ttapi_pipeline.tables.schema import DATE, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema, estimate
from ttapi_pipeline_tests.support.documents import ROOT

COLUMNS: Final = (
    Column("symbol", STRING, "Symbol", is_nullable=False),
    Column("session", DATE, "Day", is_nullable=False),
    Column("close", FLOAT, "Price"),
    Column("fetched_at", TIMESTAMP, "When", is_nullable=False),
)
KEPT: Final[Mapping[str, Keeps]] = {each.name.lower(): each for each in Keeps} | {"packed": Keeps.LAST_OF_SESSION}
"""A table for each policy, of that name, and one of estimates."""
ESTIMATES: Final = (*COLUMNS, Column("as_of_session", DATE, "Day"), estimate("average", "Mean"))
SCHEMAS: Final = {
    name: DatasetSchema(name, ESTIMATES if name == "packed" else COLUMNS, key=("symbol", "session")) for name in KEPT
}

START: Final = datetime(2026, 1, 5, 15, tzinfo=UTC)
APART: Final = timedelta(minutes=37)
"""Between two publications: some ten are in a session, and more in that of a Friday."""
APART_PACKED: Final = timedelta(hours=13)
"""The same of the table of estimates: every second one is of another session, and packs what was the last of one."""
FIRST: Final = date(2026, 1, 5)


def estimates(number: int, *, digits: int | None = None) -> pl.DataFrame:
    """The same sessions of many symbols, with an estimate of as many digits as a float has, or of some.

    Packing makes them much smaller; of a few rows it does not.
    """
    some = table(number)
    found = pl.concat([some.with_columns(pl.col("symbol") + f"{copy:02}") for copy in range(20)]).sort(
        "symbol", "session"
    )
    # Of each row another number, which moves by a thousandth.
    rows = [
        int(symbol, 16) * 0.618 + day * 0.377
        for symbol, day in zip(found["symbol"], found["session"].dt.ordinal_day(), strict=True)
    ]
    values = [(0.5 + row % 1) * (1 + 1e-3 * (row * number % 1)) for row in rows]
    shown = values if digits is None else [float(f"{value:.{digits - 1}e}") for value in values]
    return found.with_columns(
        as_of_session=pl.lit(FIRST + timedelta(days=number % 30)), average=pl.Series(shown, dtype=pl.Float64)
    )


def table(number: int) -> pl.DataFrame:
    """Some sessions of three symbols: a new one now and then, one that is revised, fetched again, gone or back."""
    at = START + APART * number
    rows = [
        (symbol, FIRST + timedelta(days=day), float(day), START)
        for symbol in "ABC"
        for day in range(12 + number // 9 % 8)
        if (symbol, day) != ("C", number % 10)
    ]
    frame = pl.DataFrame(rows, schema=SCHEMAS["changes"].polars, orient="row")
    is_revised = (pl.col("symbol") == "A") & (pl.col("session") == FIRST + timedelta(days=number % 7))
    is_later = (pl.col("symbol") == "B") & (pl.col("session") == FIRST + timedelta(days=number % 5))
    return frame.with_columns(
        close=pl.when(is_revised).then(100.0 + number).otherwise("close"),
        fetched_at=pl.when(is_later).then(pl.lit(at)).otherwise("fetched_at"),
    )


def expected(name: str, number: int) -> pl.DataFrame:
    """What a version of a table gives."""
    return estimates(number, digits=6) if name == "packed" else table(number)


def write(folder: Path, seed: int) -> NoReturn:
    """Publish one table after the other, with room for history or without, and note each that is stored."""
    chance, done = random.Random(seed), folder / "done"
    number = 1 + max((int(line) for line in done.read_text().splitlines()), default=-1) if done.exists() else 0
    while True:
        for name, keeps in chance.sample(list(KEPT.items()), len(KEPT)):
            provenance = Provenance(
                dataset=name,
                code_version="1",
                fetched_at=START + (APART_PACKED if name == "packed" else APART) * number,
                statistics={"number": number},
            )
            retention = Retention(keeps, newest=2, most_bytes=chance.choice([None, 0]))
            rows = estimates(number) if name == "packed" else table(number)
            publish(rows, SCHEMAS[name], folder / "data", provenance, retention=retention).wait()
        with done.open("a") as file:
            file.write(f"{number}\n")
        number += 1


def read(folder: Path, seed: int) -> NoReturn:
    """Read versions without end, and note how many, and what was wrong with one."""
    chance, reads = random.Random(seed), 0
    while True:
        name = chance.choice(list(KEPT))
        found = versions(folder / "data", name)
        wrong = ""
        if found:
            version = chance.choice([found[-1], *found])
            number = int(str(version.manifest.provenance.statistics["number"]))
            try:
                rows = open_version(folder / "data", SCHEMAS[name], version).frame.collect()
                if data_version(rows) != version.manifest.data_version or not rows.equals(expected(name, number)):
                    wrong = f"{name} {number} is torn"
            except CorruptFileError as error:
                wrong = str(error)
            except StorageError as error:
                wrong = "" if "are not kept" in str(error) else str(error)
            reads += 1
        with (folder / "reads").open("a") as file:
            file.write(f"{json.dumps([os.getpid(), reads, wrong])}\n")
        time.sleep(0.02)


class Writers:
    """Starts writers and readers; the process that forks them ends with the block, after them."""

    def __init__(self) -> None:
        # One thread of Polars: the tables are small, and many processes start.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env=environment | {"POLARS_MAX_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for pid in self._started:
            self.kill(pid)
        with self._process:
            pass

    def start(self, what: str, folder: Path, seed: int) -> int:
        """Start a process that does ``write`` or ``read``; its id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, str(folder), seed]) + "\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        self._started.append(pid)
        return pid

    def kill(self, pid: int) -> bool:
        """End a process that was started here by SIGKILL; False when it had ended by itself."""
        self._started = [each for each in self._started if each != pid]
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        # The server collects it; until then its locks may be held.
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.001)
        return True


def _serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        what, folder, seed = json.loads(line)
        pid = os.fork()
        if pid == 0:
            with suppress(KeyboardInterrupt):
                {"write": write, "read": read}[what](Path(folder), seed)
            os._exit(1)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
