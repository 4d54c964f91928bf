# SPDX-License-Identifier: MIT
"""Dagster's SQLite files for `refresh` and `doctor`: a damaged one is put aside, and its errors are one sentence.

Looking into a file: see `storage.databases`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.storage.databases import database_damage, find_databases, is_shared, put_aside

_WITHOUT = "Dagster starts a new one, without earlier runs; stored data is as it was; restart `make ui` if it runs"


def dagster_home() -> Path:
    """The folder of the Dagster instance that a command uses."""
    return Path(os.environ.get("DAGSTER_HOME") or Path.cwd())


def check_instance() -> None:
    """Check that the folder of the instance is there.

    Raises:
        ConfigError: It is not.
    """
    home = dagster_home()
    if not home.is_dir():
        raise ConfigError(f"DAGSTER_HOME is {home}, and there is no such folder; make it, or unset the variable")


def mend_databases(home: Path) -> Iterator[str]:
    """Put the damaged databases aside that every run needs; a sentence for each.

    Raises:
        StorageError: The folder cannot be written.
    """
    for database in filter(is_shared, find_databases(home)):
        damage = database_damage(database, is_thorough=False)
        if damage is not None:
            kept = put_aside(database)
            yield f"{database} was damaged ({damage}) and is kept as {kept.name}: {_WITHOUT}"


@contextmanager
def database_errors(home: Path) -> Iterator[None]:
    """Turn an error of Dagster's databases inside the block into one of ours.

    Raises:
        StorageError: In place of an error of SQLAlchemy; it says what to do.
    """
    try:
        yield
    except Exception as error:
        reason = _of_database(error)
        if reason is None:
            raise
        if "full" in reason:
            way_out = "free some space on its disk"
        elif "readonly" in reason or "unable to open" in reason:
            way_out = "give this user the right to read and write there"
        elif "locked" in reason:
            way_out = "another process holds it; try again"
        else:
            way_out = "`tt doctor` examines it, and the next `tt refresh` puts a damaged one aside"
        raise StorageError(f"Dagster's database in {home}: {reason}; {way_out}. Stored data is as it was") from error


def _of_database(error: BaseException | None) -> str | None:
    """What SQLite said, in an error or in what caused it; None for an error of anything else."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if type(error).__module__.split(".")[0] in {"sqlite3", "sqlalchemy"}:
            original = getattr(error, "orig", None) or error
            return str(original).splitlines()[0]
        error = error.__cause__ or error.__context__
    return None
