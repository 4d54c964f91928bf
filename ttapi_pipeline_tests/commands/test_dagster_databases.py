# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Dagster's SQLite files: what is damaged is named and put aside, and never ends in a traceback."""

from __future__ import annotations

import logging
import random
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.defs.operations.instance_errors import instance_errors, log_database_errors_in_a_sentence
from ttapi_pipeline.defs.operations.lost_runs import lost_runs_sensor
from ttapi_pipeline.defs.operations.pools import broker_turn
from ttapi_pipeline.storage.databases import (
    check_databases,
    database_damage,
    find_databases,
    is_kept_elsewhere,
    is_shared,
    mend_databases,
    put_aside,
)
from ttapi_pipeline_tests.support.flips import flip_any_bit, flip_bit
from ttapi_pipeline_tests.support.shared import made_once


@dg.asset
def numbers() -> int:
    return 1


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an instance with a run, to be copied."""

    def make(folder: Path) -> None:
        (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            assert dg.materialize([numbers], instance=instance).success

    return made_once(tmp_path_factory, "dagster_home", make)


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "home")
    return tmp_path / "home"


def works(home: Path) -> bool:
    """Whether an instance over these files runs an asset and remembers it."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        is_done = dg.materialize([numbers], instance=instance).success
        return is_done and instance.get_latest_materialization_event(dg.AssetKey("numbers")) is not None


def test_the_files_are_found_and_sound(home: Path) -> None:
    found = find_databases(home)
    assert [path.name for path in found[:3]] == ["index.db", "runs.db", "schedules.db"]
    assert len(found) == 4
    assert [database_damage(path) for path in found] == [None] * 4
    assert list(mend_databases(home)) == []


@pytest.mark.parametrize(
    ("config", "folder"),
    [
        ("storage:\n  sqlite:\n    base_dir: elsewhere\n", "elsewhere"),
        ("storage:\n  sqlite:\n    base_dir:\n      env: THE_FOLDER\n", "elsewhere"),
        ("storage:\n  postgres:\n    postgres_url: x\n", None),
        ("event_log_storage:\n  module: x\n  class: y\n", None),
        ("{", None),
        ("- 1\n", None),
        ("", "."),
    ],
)
def test_the_files_are_where_the_configuration_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, folder: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THE_FOLDER", "elsewhere")
    (tmp_path / "dagster.yaml").write_text(config)
    for place in ("elsewhere", "."):
        (tmp_path / place / "schedules").mkdir(parents=True)
        sqlite3.connect(tmp_path / place / "schedules" / "schedules.db").close()
    assert [path.resolve().parent.parent for path in find_databases(tmp_path)] == (
        [] if folder is None else [(tmp_path / folder).resolve()]
    )
    assert is_kept_elsewhere(tmp_path) == ("postgres" in config or "module" in config)


@pytest.mark.parametrize("name", ["index.db", "runs.db", "schedules.db"])
@pytest.mark.parametrize("position", [5, 30, 100])
def test_a_damaged_database_is_named_put_aside_and_replaced(home: Path, name: str, position: int) -> None:
    (path,) = home.rglob(name)
    flip_bit(path, position, 3)
    (sentence,) = mend_databases(home)
    assert sentence.startswith(f"{path} was damaged (")
    assert "stored data is as it was" in sentence
    assert path.with_name(f"{name}.damaged-1").is_file()
    assert not path.exists()
    assert list(mend_databases(home)) == []


@pytest.mark.parametrize(
    ("bytes_", "named"),
    [
        ("CAST(X'7b22ff22' AS TEXT)", "Could not decode to UTF-8 column 'last_materialization'$"),
        ('\'{"__class__": "EventLogRecord\'', "table asset_keys has a text that is no JSON any more: "),
    ],
)
def test_a_text_that_cannot_be_read_any_more_is_damage(home: Path, bytes_: str, named: str) -> None:
    (path,) = home.rglob("index.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE asset_keys SET last_materialization = {bytes_}")
    assert re.match(named, database_damage(path) or "sound")
    assert re.match(named, database_damage(path, is_thorough=False) or "sound")


def test_texts_that_python_writes_and_reads_are_sound(home: Path) -> None:
    (path,) = home.rglob("index.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE asset_keys SET last_materialization = '{\"coverage\": NaN}'")
    assert database_damage(path) is None


# An instance takes two seconds to open and to run.
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 100))])
def test_one_bit_anywhere_leaves_an_instance_that_works_after_mending(home: Path, seed: int) -> None:
    chance = random.Random(seed)
    flip_any_bit(chance.choice(list(filter(is_shared, find_databases(home)))), chance)
    list(mend_databases(home))
    assert works(home)


def test_an_older_copy_is_kept_beside_a_newer_one(home: Path) -> None:
    (path,) = home.rglob("runs.db")
    assert put_aside(path).name == "runs.db.damaged-1"
    path.write_bytes(b"")
    assert put_aside(path).name == "runs.db.damaged-2"


def test_a_database_that_is_being_written_is_not_called_damaged(home: Path) -> None:
    (path,) = home.rglob("runs.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert database_damage(path) is None


@pytest.mark.parametrize(
    ("said", "way_out"),
    [
        ("database or disk is full", "free some space"),
        ("attempt to write a readonly database", "give this user the right"),
        ("database is locked", "try again"),
        ("database disk image is malformed", "`tt doctor` examines it"),
    ],
)
def test_an_error_of_a_database_is_one_sentence(tmp_path: Path, said: str, way_out: str) -> None:
    failed = RuntimeError("a step ended")
    failed.__cause__ = OperationalError("INSERT INTO event_logs ...", {}, sqlite3.OperationalError(said))
    with pytest.raises(StorageError, match=way_out) as raised, instance_errors(tmp_path):
        raise failed
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_real_full_disk_is_one_sentence(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'small.db'}")
    with engine.begin() as connection:
        connection.execute(text("PRAGMA max_page_count = 2"))
        connection.execute(text("CREATE TABLE notes (text TEXT)"))
        # The smallest disk there is: a database that may have two pages.
        with pytest.raises(StorageError, match="disk is full; free some space"), instance_errors(tmp_path):
            connection.execute(text("INSERT INTO notes VALUES (:note)"), {"note": "x" * 40_960})
    engine.dispose()


def test_a_step_and_a_sensor_say_in_one_sentence_that_the_database_fails_them(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        (index,), (runs,) = home.rglob("index.db"), home.rglob("runs.db")
        for database, table in ((index, "concurrency_slots"), (runs, "runs")):
            with closing(sqlite3.connect(database)) as connection:
                connection.execute(f"DROP TABLE {table}")
        said = rf"^Dagster's database in {home}: .*(concurrency_slots|runs); `tt doctor` .*What is stored stays whole$"
        for run_id in ("4711", "4712"):  # A process that has executed a run before looks whether that one is over.
            with pytest.raises(StorageError, match=said), broker_turn(instance, run_id, "accounts", print):
                pass
        skipped = lost_runs_sensor()(dg.build_sensor_context(instance=instance))
        assert isinstance(skipped, dg.SkipReason)
        assert re.match(said, str(skipped.skip_message))


def test_what_is_logged_of_an_error_of_a_database_is_one_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    error = OperationalError("INSERT INTO kvs ...", {"secret": 1}, sqlite3.OperationalError("database or disk is full"))
    sentence = (
        f"Dagster's database in {tmp_path}: database or disk is full; free some space on its disk."
        " What is stored stays whole"
    )
    make, logger = logging.getLogRecordFactory(), logging.getLogger("dagster.daemon")
    try:
        log_database_errors_in_a_sentence(tmp_path)
        # As the daemon does it, in a text with the stack of its own code, and as a library does it.
        logger.error("Failed to add heartbeat: \n%s", f"sqlalchemy.exc.{error}\n\nStack Trace:\n  File x")
        try:
            raise error
        except OperationalError:
            logger.exception("a thread ended")
        logger.error("something else:\n%s", "in two lines")
    finally:
        logging.setLogRecordFactory(make)
    assert caplog.messages == [
        f"Failed to add heartbeat: {sentence}",
        f"a thread ended: {sentence}",
        "something else:\nin two lines",
    ]
    assert "Traceback" not in caplog.text


def test_a_database_that_is_locked_or_may_not_be_written_is_told_before_anything_starts(home: Path) -> None:
    check_databases(home)
    (path,) = home.rglob("index.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked; another process holds it"), instance_errors(home):
            check_databases(home, seconds=0.1)
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match="unable to open database file; give this user"), instance_errors(home):
        check_databases(home)


def test_another_error_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), instance_errors(tmp_path):
        raise ValueError("mine")
