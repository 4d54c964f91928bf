# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""SQLite files that another program keeps (Dagster's runs, events and schedules): whether they are sound.

They hold a record of runs. The tables and their manifests do without it, so a damaged database is put aside, and a new
one takes its place. Where the files are: see `find_databases`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.core.files import sync
from ttapi_pipeline.storage.errors import storage_error

ASIDE: Final = ".damaged"
"""In the name of a database that was put aside."""

_WITHOUT: Final = "Dagster starts a new one, without earlier runs; stored data is as it was; restart `tt ui` if it runs"
_OTHER_HOME: Final = "give this user the right to read and write there, or set DAGSTER_HOME to another folder"
_LARGE_BYTES: Final = 32 * 2**20
_SMALL_BYTES: Final = 8 * 2**20
"""A database below this has all of its texts read before each run, which takes a tenth of a second."""
_FOLDERS: Final = ("history", "schedules")
_COMPANIONS: Final = ("-wal", "-shm", "")
_NOT_DAMAGE: Final = ("locked", "busy", "unable to open", "readonly", "full")
"""In the message of an error that says nothing of the file's content."""


def find_databases(home: Path) -> Sequence[Path]:
    """The SQLite files of a Dagster instance, those that all runs share first, then one per run.

    Args:
        home: The folder with ``dagster.yaml``; a relative folder in that file is relative to the current one.

    Returns:
        Empty for an instance that keeps its events elsewhere, and where no run was started yet.

    Raises:
        StorageError: This user may not look into their folder.
    """
    folder = _storage_folder(home)
    if folder is None:
        return []
    try:
        found = [path for name in _FOLDERS for path in (folder / name).rglob("*.db") if ASIDE not in path.name]
    except PermissionError as error:
        raise StorageError(f"{error.filename}: {error.strerror}; {_OTHER_HOME}") from error
    return sorted(found, key=lambda path: (not is_shared(path), path.name))


def is_kept_elsewhere(home: Path) -> bool:
    """Whether ``dagster.yaml`` names another storage than SQLite files, such as Postgres."""
    return _config(home) is not None and _storage_folder(home) is None


def find_logs(home: Path) -> Path | None:
    """Where a Dagster instance keeps what its steps print; None when that is not in a local folder.

    Args:
        home: As for `find_databases`.
    """
    config = _config(home)
    if config is None:
        return None
    stated = config.get("compute_logs")
    if stated is None:
        return home / "storage"
    arguments = stated.get("config") if isinstance(stated, Mapping) else None
    return _folder(arguments.get("base_dir")) if isinstance(arguments, Mapping) else None


def is_shared(database: Path) -> bool:
    """Whether a database is needed by every run, and not about one run alone."""
    return database.name in {"runs.db", "index.db", "schedules.db"}


def database_damage(database: Path, *, is_thorough: bool = True) -> str | None:
    """What SQLite finds wrong with a file; None for a sound one, and for one that cannot be looked into now.

    SQLite compares its pages and indexes with one another. It has no checksums: of a bit that turned over within a text
    is found what makes it another encoding than UTF-8, or a JSON object that is none any more.

    Args:
        database: The file.
        is_thorough: Whether indexes are compared with their tables in a large file, and all of its texts read, too,
            which takes seconds.
    """
    try:
        size = 0 if is_thorough else database.stat().st_size
        check = "integrity_check" if size <= _LARGE_BYTES else "quick_check"
        with closing(sqlite3.connect(f"file:{database}?mode=rw", uri=True, timeout=5.0)) as connection:
            (found,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                # One row for each asset, which every page about it needs.
                limit = -1 if size <= _SMALL_BYTES or name == "asset_keys" else 1
                rows = connection.execute(f'SELECT * FROM "{name}" LIMIT {limit}')  # noqa: S608 - a name of its schema
                found = next(filter(None, (_text_damage(name, row) for row in rows)), found)
    except sqlite3.Error as error:
        # A text that cannot be decoded is quoted there, whole.
        said = str(error).partition(" with text ")[0]
        return None if any(word in said for word in _NOT_DAMAGE) else said
    except UnicodeDecodeError as error:
        return str(error)
    except FileNotFoundError:
        return None
    return None if found == "ok" else str(found)


def _text_damage(table: str, row: Sequence[Any]) -> str | None:
    """What is wrong with the texts of a row; each is decoded as it is read."""
    import msgspec  # noqa: PLC0415 - see `_config`

    for value in row:
        if not isinstance(value, str) or not value.startswith("{"):
            continue
        try:
            msgspec.json.decode(value)
        except msgspec.DecodeError:
            try:
                # NaN, for one, is written by Python's own module, which reads it back.
                json.loads(value)
            except ValueError as error:
                return f"table {table} has a text that is no JSON any more: {error}"
    return None


def check_databases(home: Path, *, seconds: float = 5.0) -> None:
    """Begin to write to each database that every run needs, and write nothing.

    Args:
        home: As for `find_databases`.
        seconds: How long another process is waited for.

    Raises:
        StorageError: This user may not look into their folder.
        sqlite3.Error: One may not be written, or another process does not let go of it in time.
    """
    for database in filter(is_shared, find_databases(home)):
        place = f"file:{database}?mode=rw"
        with closing(sqlite3.connect(place, uri=True, isolation_level=None, timeout=seconds)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")


def put_aside(database: Path) -> Path:
    """Rename a database, and the files that belong to it, so that a new one takes its place.

    The log of writes goes first, for good: beside a new database, SQLite would take it for that one's. It may be gone
    already, since SQLite removes it with the last connection, and does not wait for the disk.

    Raises:
        StorageError: The folder cannot be written.
    """
    number = 1
    while (target := database.with_name(f"{database.name}{ASIDE}-{number}")).exists():
        number += 1
    try:
        for suffix in _COMPANIONS:
            with suppress(FileNotFoundError):
                Path(f"{database}{suffix}").rename(f"{target}{suffix}")
            sync(database.parent)
    except OSError as error:
        raise storage_error(database, error) from error
    return target


def dagster_home() -> Path:
    """The folder of the Dagster instance that this process uses."""
    return Path(os.environ.get("DAGSTER_HOME") or Path.cwd())


def instance_problem(home: Path) -> str | None:
    """Why a folder cannot be that of an instance, with the way out; None where it can."""
    try:
        is_folder = stat.S_ISDIR(home.stat().st_mode)
    except PermissionError:
        return f"DAGSTER_HOME is {home}, and this user may not look into that folder; {_OTHER_HOME}"
    except OSError:
        return f"DAGSTER_HOME is {home}, and there is no such folder; make it, or unset the variable"
    if not is_folder:
        return f"DAGSTER_HOME is {home}, and that is a file; set it to a folder, or unset the variable"
    if not os.access(home, os.R_OK | os.X_OK):
        return f"DAGSTER_HOME is {home}, and this user may not read that folder; {_OTHER_HOME}"
    return None


def check_instance() -> None:
    """Check that the folder of the instance is there, its ``dagster.yaml`` readable, and its SQLite files writable.

    Raises:
        ConfigError: It is not, or cannot. What the file says is for Dagster to judge, when it opens the instance.
    """
    import msgspec  # noqa: PLC0415 - see `_config`

    home = dagster_home()
    if (problem := instance_problem(home)) is not None:
        raise ConfigError(problem)
    place = home / "dagster.yaml"
    try:
        msgspec.yaml.decode(place.read_bytes() if place.exists() else b"")
    except OSError as error:
        raise ConfigError(f"{place}: {error.strerror or error}; {_OTHER_HOME}") from error
    except (ValueError, msgspec.MsgspecError) as error:
        said = " ".join(str(error).replace('in "<byte string>", ', "").split())
        raise ConfigError(f"{place} is no YAML ({said}); mend it, or set DAGSTER_HOME to another folder") from error
    _check_writable(_storage_folder(home))


def _check_writable(folder: Path | None) -> None:
    """Check that a folder of SQLite files, or the nearest one above it that is there, can be written."""
    there = next((each for each in (folder, *folder.parents) if os.path.lexists(each)), None) if folder else None
    if there is not None and not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{there.absolute()}, where Dagster keeps its runs, cannot be written by this user; {_OTHER_HOME}"
        )


def mend_databases(home: Path) -> Iterator[str]:
    """Put the damaged databases aside that every run needs; a sentence for each.

    Raises:
        StorageError: The folder cannot be written.
    """
    for database in filter(is_shared, find_databases(home)):
        damage = database_damage(database, is_thorough=False)
        if damage is not None:
            yield put_aside_in_words(database, damage)


def put_aside_in_words(database: Path, damage: str) -> str:
    """As `put_aside`; a sentence for whoever wonders where the earlier runs are."""
    kept = put_aside(database)
    return f"{database} was damaged ({damage}) and is kept as {kept.name}: {_WITHOUT}"


def index_of_events(home: Path) -> Path | None:
    """The SQLite file with the events of all assets; None where there is none.

    Args:
        home: As for `find_databases`.
    """
    return next((path for path in find_databases(home) if path.name == "index.db"), None)


def _storage_folder(home: Path) -> Path | None:
    """Where ``dagster.yaml`` puts SQLite files; None when it names another storage, or cannot be read."""
    config = _config(home)
    if config is None:
        return None
    storage = config.get("storage")
    if storage is None:
        others = {"run_storage", "event_log_storage", "schedule_storage"} & set(config)
        return None if others else home
    sqlite = storage.get("sqlite") if isinstance(storage, Mapping) else None
    return _folder(sqlite.get("base_dir")) if isinstance(sqlite, Mapping) else None


def _config(home: Path) -> Mapping[str, Any] | None:
    """What ``dagster.yaml`` says; empty where there is none, None when it cannot be read."""
    import msgspec  # noqa: PLC0415 - `tt status` does not need it

    try:
        config = msgspec.yaml.decode((home / "dagster.yaml").read_bytes()) or {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    return config if isinstance(config, Mapping) else None


def _folder(stated: Any) -> Path | None:
    """A folder as ``dagster.yaml`` states it: a text, or the variable that has it."""
    if isinstance(stated, Mapping):
        stated = os.environ.get(str(stated.get("env")))
    return Path(stated) if isinstance(stated, str) else None
