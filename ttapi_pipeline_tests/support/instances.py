# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Dagster instances in memory, and copies of them in files.

An instance in SQLite files opens a database per run and commits each event to the disk: the same run of fifteen
datasets costs three times as much there. Tests of what is in the files take `dg.DagsterInstance.local_temp`.

Dagster promises neither the two storages behind `ephemeral`, nor the connections that they hold, nor that it uses
Alembic.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log import InMemoryEventLogStorage
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs import InMemoryRunStorage
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import Engine, create_engine


@pytest.fixture(scope="session", autouse=True)
def databases_opened_quickly() -> Iterator[None]:
    """As `opening_databases_quickly`, for all tests of a folder that imports this."""
    with opening_databases_quickly():
        yield


@contextmanager
def opening_databases_quickly() -> Iterator[None]:
    """Keep what Dagster makes anew whenever it opens a database, and what is the same each time.

    Alembic reads ninety migration scripts, which takes a tenth of a second, for every database that is made. An
    instance in files makes an engine for every event, and each engine compiles its statements anew.
    """
    engines: dict[str, Engine] = {}

    def engine(url: str, **options: Any) -> Engine:
        if url not in engines:
            engines[url] = create_engine(url, **options)
        return engines[url]

    with pytest.MonkeyPatch.context() as patch:
        read_migrations_once(patch)
        for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
            patch.setattr(module, "create_engine", engine)
        yield


def read_migrations_once(patch: pytest.MonkeyPatch) -> None:
    """Have Alembic keep the migration scripts that it has read."""
    directories: dict[str | None, ScriptDirectory] = {}
    read = ScriptDirectory.from_config

    def from_config(config: Config) -> ScriptDirectory:
        location = config.get_main_option("script_location")
        if location not in directories:
            directories[location] = read(config)
        return directories[location]

    patch.setattr(ScriptDirectory, "from_config", from_config)


@contextmanager
def memory_instance(saved: Path | None = None) -> Iterator[dg.DagsterInstance]:
    """An instance that is gone afterwards: an empty one, or a copy of one that `save_instance` wrote to a folder."""
    with dg.DagsterInstance.ephemeral() as instance:
        for name, database in _databases(instance).items() if saved is not None else ():
            with closing(sqlite3.connect(f"file:{saved}/{name}?mode=ro", uri=True)) as source:
                source.backup(database)
        yield instance


def save_instance(instance: dg.DagsterInstance, folder: Path) -> None:
    """Write the runs and events of an instance in memory to a folder that exists."""
    for name, database in _databases(instance).items():
        with closing(sqlite3.connect(folder / name)) as target:
            database.backup(target)


def _databases(instance: dg.DagsterInstance) -> Mapping[str, sqlite3.Connection]:
    """The two databases of an instance in memory, by the names of their files."""
    events, runs = instance.event_log_storage, instance.run_storage
    assert isinstance(events, InMemoryEventLogStorage)
    assert isinstance(runs, InMemoryRunStorage)
    held = {"events.db": events._held_conn, "runs.db": runs._held_conn}
    databases: dict[str, sqlite3.Connection] = {}
    for name, connection in held.items():
        database: object = connection.connection.dbapi_connection
        assert isinstance(database, sqlite3.Connection)
        databases[name] = database
    return databases
