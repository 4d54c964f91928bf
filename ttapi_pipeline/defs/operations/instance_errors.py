# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Opens the Dagster instance of a folder. What goes wrong with it, now and later, is one sentence of ours with the
place and the way out.
"""

import logging
import re
import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import dagster as dg

from ttapi_pipeline.core.errors import ConfigError, StorageError
from ttapi_pipeline.core.lines import shortened
from ttapi_pipeline.defs.dagster_internals import instance_without_telemetry, is_instance_stored
from ttapi_pipeline.defs.operations.database_server import bound_connections, server_sentence

_WAYS_OUT = {
    "full": "free some space on its disk",
    "No space left": "free some space on its disk",
    "readonly": "give this user the right to read and write there",
    "unable to open": "give this user the right to read and write there",
    "Permission denied": "give this user the right to read and write there",
    "locked": "another process holds it; try again",
}
_WAY_OUT = "`tt doctor` examines it, and the next `tt refresh` puts a damaged one aside"

_LITTLE_BYTES: Final = 1 << 20
"""A disk with less room is full: SQLite makes some of its files that large, and calls it an I/O error."""

_MISSING_PACKAGE: Final = re.compile(r"import module dagster_(postgres|celery|k8s|docker|aws)\b")

_SAID_IN_TEXT: Final = re.compile(r"\((?:sqlite3|psycopg2)(?:\.\w+)+\) (.+)")
"""How SQLAlchemy begins what it makes of an error of SQLite or of Postgres."""


def open_instance(home: Path) -> dg.DagsterInstance:
    """The instance of a folder, which is made where it was never used. Usage telemetry is off.

    Raises:
        ConfigError: Its ``dagster.yaml`` cannot be used.
        StorageError: Its databases cannot be opened.
    """
    bound_connections()
    with instance_errors(home), _configuration_errors(home):
        return instance_without_telemetry(home)


def open_stored_instance(home: Path) -> dg.DagsterInstance | None:
    """The instance of a folder; None where it was never used. Nothing is created.

    Raises:
        ConfigError, StorageError: As `open_instance`.
    """
    with instance_errors(home), _configuration_errors(home):
        is_stored = home.is_dir() and is_instance_stored(home)
    return open_instance(home) if is_stored else None


@contextmanager
def _configuration_errors(home: Path) -> Iterator[None]:
    """Raise our error in place of what Dagster says of a ``dagster.yaml`` inside of the block."""
    try:
        yield
    # The file may name classes of any library, which raise what they like.
    except Exception as error:
        if _said_by_database(error) is not None or isinstance(error, OSError):
            raise
        said = _said_of_configuration(error)
        missing = _MISSING_PACKAGE.search(said)
        hint = ""
        if missing is not None:
            # Dagster's package for AWS comes with all others.
            hint = f" (pip install 'ttapi-pipeline[{missing[1].replace('aws', 'deploy')}]' brings it)"
        elif "'psycopg'" in said:
            # SQLAlchemy takes the scheme postgresql for a driver that Dagster does not use.
            hint = " (a postgres_url has to begin with postgresql+psycopg2://)"
        raise ConfigError(
            f"the Dagster instance in {home} cannot be opened: {said}{hint}; mend its dagster.yaml, "
            "or set DAGSTER_HOME to another folder. What is stored stays whole"
        ) from error


def _said_of_configuration(error: Exception) -> str:
    """What is wrong, as far as one line holds it: Dagster goes on with all that it would accept."""
    told = [each.message for each in error.errors or []] if isinstance(error, dg.DagsterInvalidConfigError) else []
    said = (told or [str(error)])[0].removeprefix("Failure condition: ").partition(" Expected: ")[0]
    # Of a variable that the file names: what is wrong with it stands last, behind what is there instead of its value.
    said = said.rpartition("PostProcessingError: ")[2].partition("\n\nStack Trace")[0]
    return shortened(" ".join(said.split()).rstrip("."), 200) or type(error).__name__


@contextmanager
def instance_errors(home: Path | str) -> Iterator[None]:
    """Raise our errors in place of those of the databases of the instance, inside of a block that works on it.

    Args:
        home: The folder of the instance, for the message.

    Raises:
        StorageError: The instance cannot be opened, read or written.
    """
    try:
        yield
    except Exception as error:
        said = _said_by_database(error) or said_of_record(error)
        if said is None and isinstance(error, OSError) and error.filename:
            said = f"{error.filename}: {error.strerror}"
        if said is None and isinstance(error, OSError | dg.DagsterError):
            said = str(error).partition("\n")[0]
        if said is None:
            raise
        raise StorageError(_sentence(home, said)) from error


def log_database_errors_in_a_sentence(home: Path | str) -> None:
    """Have whatever this process logs about an error of the databases be our sentence, without statement and stack.

    Dagster's daemon logs what fails and goes on, with a text of its own making as often as with the error itself.

    Args:
        home: The folder of the instance, for the message.
    """
    make = logging.getLogRecordFactory()

    def record_of(*arguments: Any, **options: Any) -> logging.LogRecord:
        record = make(*arguments, **options)
        is_error = record.levelno >= logging.WARNING
        said = _said_by_database(record.exc_info[1]) if is_error and record.exc_info else None
        found = _SAID_IN_TEXT.search(record.getMessage()) if is_error and said is None else None
        said = said or (found[1] if found else None)
        if said is not None:
            subject = record.getMessage().partition("\n")[0].strip().rstrip(":")
            subject = "" if _SAID_IN_TEXT.search(subject) else f"{subject}: "
            record.msg, record.args = f"{subject}{_sentence(home, said)}", ()
            record.exc_info = record.exc_text = None
        return record

    logging.setLogRecordFactory(record_of)


def _sentence(home: Path | str, said: str) -> str:
    if (of_server := server_sentence(said)) is not None:
        return of_server
    way_out = next((way_out for word, way_out in _WAYS_OUT.items() if word in said), None)
    if way_out is None:
        way_out = _WAYS_OUT["full"] if "I/O" in said and _is_full(home) else _WAY_OUT
    return f"Dagster's database in {home}: {said}; {way_out}. What is stored stays whole"


def _is_full(home: Path | str) -> bool:
    try:
        return shutil.disk_usage(home).free < _LITTLE_BYTES
    except OSError:
        return False


def said_of_record(error: BaseException) -> str | None:
    """What is wrong with a text of the database that Dagster cannot make an object of; None for any other error.

    A bit that turned over can leave JSON that is whole, of something that no version of Dagster has written.
    """
    frames = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    if not any(name.startswith("dagster_shared.serdes") for name in frames):
        return None
    words = shortened(" ".join(str(error).split()), 120)
    return f"a record cannot be read any more ({type(error).__name__}: {words})"


def _said_by_database(error: BaseException | None) -> str | None:
    """What the database said, in an error or in what caused it; None for an error of anything else.

    The text of SQLAlchemy's error holds the statement with its values; what caused it does not.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        module = type(error).__module__.split(".")[0]
        if module in {"sqlite3", "psycopg2", "sqlalchemy"}:
            original = getattr(error, "orig", None) if module == "sqlalchemy" else error
            said = f"{type(error).__name__}: {error}" if original is None else str(original)
            return " ".join(said.partition("\n")[0].split())
        error = error.__cause__ or error.__context__
    return None
