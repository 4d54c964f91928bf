# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A run outlasts an outage of Dagster's database: who executes it waits until Postgres can be connected again.

Dagster itself gives up after some ten seconds, and a server that is restarted or moved takes longer. Then a step that
has fetched could not give back its turn, and failed. SQLite's files are there or not, and nothing waits for them.

Somebody who ends the process does not want to wait: see `wait_no_longer`.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import dagster as dg

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.defs.operations.database_server import bound_connections, is_of_an_outage, server_sentence

_LOGGER = logging.getLogger(__name__)

OUTLASTED: Final = timedelta(seconds=90)
"""Counted from the first connection that failed. It is how long a run waits for its object store, too."""

_ENDING: Final = timedelta(seconds=5)
"""How long a process that was asked to end still waits: a run whose end is recorded needs nobody who finds it lost."""
_PAUSE_SECONDS: Final = 1.0

_lock = threading.Lock()
_executing = 0
_failing_since: float | None = None
_asked_to_end_at: float | None = None
_is_listening = False


def outlast_outages() -> None:
    """Have this process wait for the database from now on, for something that it executes."""
    global _executing, _failing_since, _asked_to_end_at, _is_listening  # noqa: PLW0603 - of the process and its threads
    bound_connections()
    with _lock:
        if not _executing:
            # Of what was executed before in this process, which may be hours ago.
            _failing_since = _asked_to_end_at = None
        _executing += 1
        if not _is_listening:
            from sqlalchemy import Engine, event  # noqa: PLC0415 - see `dagster_internals`

            # Of all engines: those of the instance that a worker makes of its own are not known here.
            event.listen(Engine, "do_connect", _connect)
            _is_listening = True


def outlast_no_more() -> None:
    """Take back one `outlast_outages`: what it was for is over."""
    global _executing  # noqa: PLW0603 - see above
    with _lock:
        _executing -= 1


@contextmanager
def database_outages_outlasted() -> Iterator[None]:
    """Have this process wait for the database inside the block."""
    outlast_outages()
    try:
        yield
    finally:
        outlast_no_more()


def wait_no_longer() -> None:
    """Give up a database that is away within seconds: a signal has asked this process to end. May be called by it."""
    global _asked_to_end_at  # noqa: PLW0603 - see above
    # Without the lock, which the signal may have met its own thread in.
    _asked_to_end_at = _asked_to_end_at or time.monotonic()


def is_asked_to_end() -> bool:
    """Whether a signal came while the process waited, or `wait_no_longer` was called, for what it executes now."""
    return _asked_to_end_at is not None


def _connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
    """SQLAlchemy's way to connect, as often as it takes; None for one that it shall do itself.

    Raises:
        StorageError: It was waited for long enough, or will not be to be had. Errors of SQLAlchemy's would have Dagster
            try five times more, which takes ten seconds for each event of a run that ends.
    """
    if not _executing or dialect.name != "postgresql":
        return None
    try:
        while True:
            try:
                connection = dialect.connect(*arguments, **options)
            except dialect.loaded_dbapi.OperationalError as error:
                said = str(error)
                if not _is_worth_waiting(said):
                    raise StorageError(_sentence(said)) from error
                time.sleep(_PAUSE_SECONDS)
            else:
                _note_answer()
                return connection
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        wait_no_longer()
        raise


def _sentence(said: str) -> str:
    words = " ".join(said.partition("\n")[0].split())
    return server_sentence(words) or f"Dagster's database: {words}. What is stored stays whole"


def _is_worth_waiting(said: str) -> bool:
    global _failing_since  # noqa: PLW0603 - see above
    if not _executing or not is_of_an_outage(said):
        return False
    now = time.monotonic()
    with _lock:
        is_first = _failing_since is None
        _failing_since = since = now if _failing_since is None else _failing_since
    if is_first:
        words = said.partition("\n")[0]
        seconds = OUTLASTED.total_seconds()
        _LOGGER.warning("Dagster's database does not answer, and is waited for, %.0f s at most: %s", seconds, words)
    if _asked_to_end_at is not None:
        return now - max(since, _asked_to_end_at) < _ENDING.total_seconds()
    return now - since < OUTLASTED.total_seconds()


def _note_answer() -> None:
    global _failing_since
    with _lock:
        since, _failing_since = _failing_since, None
    if since is not None:
        _LOGGER.warning("Dagster's database answers again, after %.0f s", time.monotonic() - since)
