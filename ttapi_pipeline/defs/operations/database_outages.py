# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A run outlasts an outage of Dagster's database: who executes it waits until Postgres can be connected again.

Dagster itself gives up after some ten seconds, and a server that is restarted or moved takes longer. Then a step that
has fetched could not give back its turn, and failed. SQLite's files are there or not, and nothing waits for them.
"""

import logging
import threading
import time
from datetime import timedelta
from typing import Any, Final

_LOGGER = logging.getLogger(__name__)

OUTLASTED: Final = timedelta(seconds=90)
"""Counted from the first connection that failed. It is how long a run waits for its object store, too."""

_PAUSE_SECONDS: Final = 1.0
_OF_AN_OUTAGE: Final = ("starting up", "shutting down", "recovery", "too many")
"""What a server says that is there and cannot just now. Of a password or a name that is wrong it says other things."""

_lock = threading.Lock()
_executing = 0
_failing_since: float | None = None
_is_listening = False


def outlast_outages() -> None:
    """Have this process wait for the database from now on, for something that it executes."""
    global _executing, _is_listening  # noqa: PLW0603 - of the process, whose threads share it
    with _lock:
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


def is_of_an_outage(said: str) -> bool:
    """Whether a connection that failed may come to be later, by what was said of it."""
    return "FATAL" not in said or any(words in said for words in _OF_AN_OUTAGE)


def _connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
    """SQLAlchemy's way to connect, as often as it takes; None for one that it shall do itself."""
    if not _executing or dialect.name != "postgresql":
        return None
    while True:
        try:
            connection = dialect.connect(*arguments, **options)
        except dialect.loaded_dbapi.OperationalError as error:
            if not _is_worth_waiting(str(error)):
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            _note_answer()
            return connection


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
    return now - since < OUTLASTED.total_seconds()


def _note_answer() -> None:
    global _failing_since
    with _lock:
        since, _failing_since = _failing_since, None
    if since is not None:
        _LOGGER.warning("Dagster's database answers again, after %.0f s", time.monotonic() - since)
