# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writers of tables: publication at once and in pieces, and repair."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from shutil import copyfile
from typing import ClassVar, Final

import polars as pl

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.errors import CorruptFileError, StorageError, TTError
from ttapi_pipeline.core.manifest import FileFacts, Provenance
from ttapi_pipeline.storage.databases import mend_databases
from ttapi_pipeline.storage.files import file_facts
from ttapi_pipeline.storage.hashing import data_version
from ttapi_pipeline.storage.incremental.pieces import Piece, Pieces
from ttapi_pipeline.storage.local_sessions import LocalSessionTable
from ttapi_pipeline.storage.publish import publish
from ttapi_pipeline.storage.repair import check, repair
from ttapi_pipeline.storage.scan import open_table
from ttapi_pipeline.storage.session_table import Part
from ttapi_pipeline.storage.stored import read_manifest, read_stored
from ttapi_pipeline.storage.verification import find_damage
from ttapi_pipeline.storage.versions.keeping import Retention
from ttapi_pipeline.storage.versions.reading import open_version, versions
from ttapi_pipeline.storage.versions.steps import steps_of, trails
from ttapi_pipeline.tables.schema import DATE, FLOAT, STRING, TIMESTAMP, Column, DatasetSchema, estimate
from ttapi_pipeline_tests.support.faults.writer import View, Writer
from ttapi_pipeline_tests.support.flips import flip_bit

BARS: Final = DatasetSchema(
    "bars",
    (
        Column("symbol", STRING, "Symbol", is_nullable=False),
        Column("session", DATE, "Day", is_nullable=False),
        Column("close", FLOAT, "Price"),
        Column("fetched_at", TIMESTAMP, "When", is_nullable=False),
    ),
    key=("symbol", "session"),
)
ESTIMATES: Final = replace(
    BARS, columns=(*BARS.columns, Column("as_of_session", DATE, "Day"), estimate("average", "Mean"))
)
BARS_OF_SESSIONS: Final = DatasetSchema(
    "sessions",
    (
        Column("session", DATE, "Day", is_nullable=False),
        Column("symbol", STRING, "Symbol", is_nullable=False),
        Column("close", FLOAT, "Price"),
    ),
    key=("session", "symbol"),
)
AT: Final = datetime(2026, 11, 21, tzinfo=UTC)
FIRST: Final = date(2026, 1, 5)
PROVENANCE: Final = Provenance(dataset="bars", code_version="1", fetched_at=AT)

KEPT: Final = Retention(Keeps.EVERY_CHANGE, newest=1)

CHANGED: Final = Retention(Keeps.CHANGES, newest=1)

FIRST_BARS: Final = {"AAA": 10.0, "BBB": 20.0, "CCC": 31.0}
OLD: Final = {"AAA": 10.0, "BBB": 20.0, "CCC": 30.0}
NEW: Final = {"AAA": 10.0, "BBB": 25.0, "CCC": 30.0, "DDD": 40.0}
"""The close of each symbol's first session: of BBB another one, and DDD is new."""


def rows(symbol: str, close: float) -> pl.DataFrame:
    """Forty sessions of a symbol."""
    days = range(40)
    return pl.DataFrame(
        {
            "symbol": [symbol] * len(days),
            "session": [FIRST + timedelta(days=day) for day in days],
            "close": [close + day / 8 for day in days],
            "fetched_at": [AT] * len(days),
        },
        schema=BARS.polars,
    )


def whole(closes: Mapping[str, float]) -> pl.DataFrame:
    """The table at once."""
    return pl.concat([rows(symbol, close) for symbol, close in closes.items()])


def in_pieces(closes: Mapping[str, float]) -> Pieces:
    """The table in pieces."""

    def piece(symbol: str, close: float) -> Piece:
        return Piece(f"{symbol} {close}", lambda: rows(symbol, close))

    return Pieces(BARS.polars, [piece(symbol, close) for symbol, close in closes.items()])


def table_view(folder: Path, schema: DatasetSchema = BARS) -> View:
    """The rows that a reader is given, and the CSV that a person opens."""
    csv = folder / f"{schema.name}.csv"
    text = sha256(csv.read_bytes()).hexdigest()[:12] if csv.exists() else "none"
    return {"rows": _rows(folder, schema), "csv": text, "claim": _claim(folder, schema)}


def _rows(folder: Path, schema: DatasetSchema) -> str:
    if not (folder / f"{schema.name}.parquet").exists():
        return "none"
    try:
        frame = open_table(folder, schema).frame.collect()
    except TTError as error:
        return str(error)
    return sha256(frame.write_csv().encode()).hexdigest()[:12]


def _claim(folder: Path, schema: DatasetSchema) -> str:
    """Whether the files are those of the manifest, where it says that it describes them all."""
    try:
        stored = read_stored(folder, schema.name)
    except TTError as error:
        return str(error)
    manifest = stored.manifest
    if manifest is None or stored.is_lagging or stored.lost_files or stored.damage:
        return "holds"
    parquet, csv = (file_facts(folder / f"{schema.name}.{suffix}") for suffix in ("parquet", "csv"))
    return "holds" if (parquet, csv) == (manifest.parquet, manifest.csv) else "the manifest describes other files"


class TableWriter(Writer):
    """A writer of the table `bars`."""

    is_repaired = True
    schema: ClassVar = BARS

    def view(self, folder: Path) -> View:
        return table_view(folder)

    def files(self, folder: Path) -> Sequence[str]:
        # A note about a file that is not there any more says nothing.
        return [name for name in super().files(folder) if not name.endswith("damaged/bars.json")]

    def repair(self, folder: Path) -> Sequence[str]:
        return [str(problem) for problem in repair(folder, self.schema)]

    def problems(self, folder: Path) -> Sequence[str]:
        return [str(problem) for problem in check(folder, self.schema)]


class PublishFirst(TableWriter):
    """The first publication, which makes the folder."""

    name = "publish first"

    def prepare(self, folder: Path) -> None:
        pass

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        publish(whole(NEW), BARS, folder / "data", PROVENANCE, lock_timeout_seconds=1).wait()
        acknowledge()

    def view(self, folder: Path) -> View:
        return table_view(folder / "data")

    def repair(self, folder: Path) -> Sequence[str]:
        return super().repair(folder / "data")

    def problems(self, folder: Path) -> Sequence[str]:
        return super().problems(folder / "data")


class Publish(TableWriter):
    """A publication in place of another one."""

    name = "publish"

    def prepare(self, folder: Path) -> None:
        publish(whole(OLD), BARS, folder, PROVENANCE).wait()

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        publish(whole(NEW), BARS, folder, PROVENANCE, lock_timeout_seconds=1).wait()
        acknowledge()


class PublishInBackground(Publish):
    """The CSV is written by another thread."""

    name = "publish in the background"

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        with ThreadPoolExecutor(1) as executor:
            publish(whole(NEW), BARS, folder, PROVENANCE, executor=executor, lock_timeout_seconds=1).wait()
        acknowledge()


class PublishPieces(TableWriter):
    """A publication in pieces, two of which are copied."""

    name = "publish in pieces"

    def prepare(self, folder: Path) -> None:
        publish(in_pieces(OLD), BARS, folder, PROVENANCE).wait()

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        publish(in_pieces(NEW), BARS, folder, PROVENANCE, lock_timeout_seconds=1).wait()
        acknowledge()


class PublishVersions(TableWriter):
    """A publication that keeps the rows of the one before, which nothing had kept, and its own."""

    name = "publish and keep versions"

    def prepare(self, folder: Path) -> None:
        publish(whole(OLD), BARS, folder, PROVENANCE).wait()

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        publish(whole(NEW), BARS, folder, PROVENANCE, lock_timeout_seconds=1, retention=KEPT).wait()
        acknowledge()

    def view(self, folder: Path) -> View:
        known = versions(folder, "bars")
        kept = (open_version(folder, BARS, each).frame.collect() for each in known)
        # A run that is repeated may publish the same rows again, and all were fetched at the same time.
        digests = {sha256(frame.write_csv().encode()).hexdigest()[:12] for frame in kept}
        return {**table_view(folder), "versions": " ".join(sorted(digests))}

    def files(self, folder: Path) -> Sequence[str]:
        # Rows are kept under the random name of their publication, and a repeated run keeps no more of them.
        names = [name for name in super().files(folder) if not name.startswith("bars/")]
        kept = {data_version(path) for path in (folder / "bars").glob("*.parquet")}
        return [*names, f"{len(kept)} kept tables"]


class PublishChanges(PublishVersions):
    """A publication that keeps what it changes. What the one before changed is kept, too."""

    name = "publish and keep changes"

    def prepare(self, folder: Path) -> None:
        for table in (FIRST_BARS, OLD):
            publish(self.table(table), BARS, folder, PROVENANCE, retention=CHANGED).wait()

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        publish(self.table(NEW), BARS, folder, PROVENANCE, lock_timeout_seconds=1, retention=CHANGED).wait()
        acknowledge()

    def table(self, closes: Mapping[str, float]) -> pl.DataFrame | Pieces:
        """What is published."""
        return whole(closes)

    def files(self, folder: Path) -> Sequence[str]:
        # A repeated run may publish the same rows again, which is a change of nothing.
        names = [name for name in TableWriter.files(self, folder) if not name.startswith("bars/")]
        own = len(list((folder / "bars").glob("*.parquet")))
        changes = [path for path in (folder / "bars" / "changes").glob("*") if not path.name.startswith(".")]
        steps = steps_of(folder, "bars")
        manifest = read_manifest(folder, "bars")
        heads = [manifest.write_id] if manifest else []
        reached = {step for trail in trails(steps, heads).values() for step in trail.steps()}
        staged = [path.name for path in (folder / "bars" / "changes").glob(".*")]
        return [*names, *staged, f"{own} own names", f"{len(changes) - len(reached)} stray changes"]


class PublishChangesOfPieces(PublishChanges):
    """The same of a table in pieces, of which two are copied."""

    name = "publish pieces and keep changes"

    def table(self, closes: Mapping[str, float]) -> pl.DataFrame | Pieces:
        return in_pieces(closes)


class PublishAndMerge(PublishChanges):
    """A publication after which there is no room: versions within a session are removed, and changes merged."""

    name = "publish and merge changes"
    sessions: ClassVar = (0, 0, 1, 1, 2)

    def prepare(self, folder: Path) -> None:
        for number in range(4):
            self.publish(folder, number, CHANGED)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        self.publish(folder, 4, replace(CHANGED, most_bytes=0))
        acknowledge()

    def publish(self, folder: Path, number: int, retention: Retention) -> None:
        """Publish one of five tables; the second and the fourth are the last of their sessions."""
        at = AT - timedelta(days=9 - self.sessions[number], minutes=9 - number)
        provenance = replace(PROVENANCE, fetched_at=at)
        table = whole({"AAA": 10.0, "BBB": 20.0 + number, "CCC": 30.0})
        publish(table, BARS, folder, provenance, lock_timeout_seconds=1, retention=retention).wait()

    def view(self, folder: Path) -> View:
        found = {}
        for each in versions(folder, "bars"):
            if each.file is None:
                continue
            rows = open_version(folder, BARS, each).frame.collect()
            number = self.number_of(rows)
            found[number] = data_version(rows) == each.manifest.data_version
        # Whether the others are there yet, or still, depends on how far it came.
        last = {number: found.get(number) for number in (1, 3)}
        return {**table_view(folder), "versions": f"{last} {all(found.values())}"}

    @staticmethod
    def number_of(rows: pl.DataFrame) -> int:
        """The number of a table, by its rows."""
        return int(rows.filter(symbol="BBB")["close"][0] - 20)


class PublishAndPack(PublishAndMerge):
    """A publication of a later session, with which the last version of the session before is packed."""

    name = "publish and pack versions"
    schema: ClassVar = ESTIMATES
    sessions: ClassVar = (0, 1, 2, 3, 4)
    retention: ClassVar = Retention(Keeps.LAST_OF_SESSION, newest=1)

    def prepare(self, folder: Path) -> None:
        for number in range(4):
            self.publish(folder, number, self.retention)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        self.publish(folder, 4, self.retention)
        acknowledge()

    def publish(self, folder: Path, number: int, retention: Retention) -> None:
        # Of Friday, and of the next four days.
        at = AT - timedelta(days=12 - self.sessions[number])
        table = whole({"AAA": 10.0, "BBB": 20.0 + number, "CCC": 30.0}).with_columns(
            as_of_session=pl.lit(at.date()), average=pl.col("close") / 7 + number / 1e4
        )
        provenance = replace(PROVENANCE, fetched_at=at)
        publish(table, ESTIMATES, folder, provenance, lock_timeout_seconds=1, retention=retention).wait()

    def view(self, folder: Path) -> View:
        found = {}
        for each in versions(folder, "bars"):
            if each.file is not None:
                rows = open_version(folder, ESTIMATES, each).frame.collect()
                found[self.number_of(rows)] = data_version(rows) == each.manifest.data_version
        return {**table_view(folder, ESTIMATES), "versions": f"{[found.get(number) for number in range(4)]}"}

    def files(self, folder: Path) -> Sequence[str]:
        # A repeated run publishes again, and packs what the first one did not.
        names = [name for name in TableWriter.files(self, folder) if not name.startswith("bars/")]
        # What is stored now has a name of its own, also where it has the rows of the run that was cut short.
        kept = {data_version(path) for path in (folder / "bars").glob("*.parquet")}
        staged = [path.name for path in (folder / "bars").rglob(".*")]
        return [*names, *staged, f"{len(kept)} whole tables, {len(steps_of(folder, 'bars'))} packed ones"]


class RepairChanges(PublishChanges):
    """A repair that makes a damaged Parquet file from its CSV, in a table whose changes are kept."""

    name = "repair damage and keep changes"

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        flip_bit(folder / "bars.parquet", 100, 3)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        repair(folder, BARS, lock_timeout_seconds=1)
        acknowledge()

    def view(self, folder: Path) -> View:
        try:
            found = super().view(folder)
        except CorruptFileError:
            found = {**table_view(folder), "versions": "damaged"}
        return {**found, "rows": "damaged" if "is damaged" in found["rows"] else found["rows"]}


class RepairLag(TableWriter):
    """A repair of a manifest and a CSV that are behind their Parquet file."""

    name = "repair what lags"

    def prepare(self, folder: Path) -> None:
        publish(whole(OLD), BARS, folder, PROVENANCE).wait()
        csv, manifest = (folder / f"bars.{suffix}" for suffix in ("csv", "json"))
        before = csv.read_bytes(), manifest.read_bytes()
        publish(whole(NEW), BARS, folder, PROVENANCE).wait()
        csv.write_bytes(before[0])
        manifest.write_bytes(before[1])

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        repair(folder, BARS, lock_timeout_seconds=1)
        acknowledge()


class RepairDamage(TableWriter):
    """A repair that makes a damaged Parquet file from its CSV."""

    name = "repair damage"

    def prepare(self, folder: Path) -> None:
        publish(whole(NEW), BARS, folder, PROVENANCE).wait()
        flip_bit(folder / "bars.parquet", 100, 3)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        repair(folder, BARS, lock_timeout_seconds=1)
        manifest = read_manifest(folder, "bars")
        assert manifest is not None
        acknowledge()

    def view(self, folder: Path) -> View:
        found = table_view(folder)
        return {**found, "rows": "damaged" if "is damaged" in found["rows"] else found["rows"]}


class DamageNote(Writer):
    """A reader that finds a damaged file notes that. Where it cannot, only its own process knows."""

    name = "note of damage"
    guesses = ("note",)
    is_silent = True

    def prepare(self, folder: Path) -> None:
        publish(whole(NEW), BARS, folder, PROVENANCE).wait()
        flip_bit(folder / "bars.parquet", 100, 3)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        assert [damage.file for damage in find_damage(folder, "bars")] == ["bars.parquet"]
        acknowledge()

    def view(self, folder: Path) -> View:
        return {"note": str([str(damage) for damage in read_stored(folder, "bars").damage.values()])}


class PutSession(Writer):
    """A session of a table in parts is made again; the one before it stays."""

    name = "put a session"

    def prepare(self, folder: Path) -> None:
        table = LocalSessionTable(folder / BARS_OF_SESSIONS.name, BARS_OF_SESSIONS)
        for day in range(2):
            self.put(table, day, 10.0)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        self.put(LocalSessionTable(folder / BARS_OF_SESSIONS.name, BARS_OF_SESSIONS), 1, 20.0)
        acknowledge()

    def put(self, table: LocalSessionTable, day: int, close: float) -> None:
        """Put one row for a session."""
        session = FIRST + timedelta(days=day)
        nothing = FileFacts(bytes=0, xxh3_128="")
        part = Part(
            session=session,
            file="",
            facts=nothing,
            rows=0,
            data_version="",
            code_version="1",
            made_from="",
            known_at=AT,
            is_simulated=True,
        )
        row = pl.DataFrame({"session": [session], "symbol": ["AAA"], "close": [close]}, schema=BARS_OF_SESSIONS.polars)
        # A repeated run is a later one: of two files of a session, the later counts where the list is lost.
        made = len(list(table.folder.glob("*.parquet"))) if table.folder.exists() else 0
        table.put(row, part, made_at=AT + timedelta(minutes=made))

    def view(self, folder: Path) -> View:
        try:
            rows = LocalSessionTable(folder / BARS_OF_SESSIONS.name, BARS_OF_SESSIONS).scan().collect().rows()
        except TTError as error:
            return {"rows": str(error)}
        return {"rows": str([(str(session), close) for session, _, close in rows])}

    def files(self, folder: Path) -> Sequence[str]:
        # Their names are random, and those that were replaced stay for an hour.
        return [name for name in super().files(folder) if not name.endswith(".parquet")]


class PutAside(Writer):
    """A damaged database, and the log of its writes, make room for a new one."""

    name = "database put aside"
    reasons = ("could not be looked into",)

    def prepare(self, folder: Path) -> None:
        (folder / "history").mkdir()
        with tempfile.TemporaryDirectory() as other, closing(sqlite3.connect(f"{other}/runs.db")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE runs (id TEXT)")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("INSERT INTO runs VALUES ('one')")
            connection.commit()
            # Closing the connection would take the log away.
            for name in ("runs.db", "runs.db-wal"):
                copyfile(Path(other, name), folder / "history" / name)
        flip_bit(folder / "history" / "runs.db", 5, 3)

    def run(self, folder: Path, acknowledge: Callable[[], None]) -> None:
        for _ in mend_databases(folder):
            acknowledge()
        if not (folder / "history" / "runs.db").exists():
            return
        # One that cannot be opened now is looked at by the next run.
        raise StorageError(f"{folder}: a database could not be looked into; the next run does it")

    def view(self, folder: Path) -> View:
        found = sorted(path.name for path in (folder / "history").iterdir())
        if "runs.db" in found:
            return {"database": "the damaged one"}
        # SQLite would take it for the log of the next database of that name.
        stray = [name for name in found if name in {"runs.db-wal", "runs.db-shm"}]
        return {"database": f"none, and {stray} of another" if stray else "none"}

    def files(self, folder: Path) -> Sequence[str]:
        # SQLite may have looked into the log, and made an index of it.
        return [name for name in super().files(folder) if not name.endswith(("-wal", "-shm"))]


WRITERS: Final = (
    PublishFirst(),
    Publish(),
    PublishInBackground(),
    PublishPieces(),
    PublishVersions(),
    PublishChanges(),
    PublishChangesOfPieces(),
    PublishAndMerge(),
    PublishAndPack(),
    RepairChanges(),
    RepairLag(),
    RepairDamage(),
    DamageNote(),
    PutAside(),
    PutSession(),
)
