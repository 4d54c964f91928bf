# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Connections to a database server, which is Postgres: their limits of time, and what is said when there is none.

Not here: how long a run waits for a server that is away (`database_outages`). SQLite has files and no server.
"""

import re
import threading
from collections.abc import Mapping
from typing import Any, Final

from ttapi_pipeline.core.privacy import STRUCK_OUT

BOUNDS: Final[Mapping[str, int]] = {
    "connect_timeout": 10,
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""For libpq, where the address of the database says nothing of its own. Without them a server that is frozen is waited
for without an end, in a call that no signal interrupts, and one whose machine is gone for a quarter of an hour.
"""

_OF_AN_OUTAGE: Final = (
    "starting up",
    "shutting down",
    "recovery",
    "accepting connections",
    "too many",
    "slots are reserved",
    "terminating connection",
    "server_login_retry",
)
"""What a server says, or PgBouncer before it, that is there and cannot just now. Of a password or a name that is wrong
it says other things."""

_WAYS_OUT: Final[Mapping[str, str]] = {
    "password": "correct the user and the password",
    "authentication": "correct the user and the password",
    "pg_hba.conf": "have the server let this user and this machine in, or correct the user",
    "does not exist": "make it on the server, or correct its name",
    "host name": "correct the name of the server",
    "connection to server": "start it, or correct its address",
    "server closed the connection": "look whether it is well, and try again",
    "terminating connection": "look whether it is well, and try again",
}
"""What to do, by what the message has; the first that fits."""

_lock = threading.Lock()
_is_listening = False


def bound_connections() -> None:
    """Have each connection that SQLAlchemy makes to Postgres in this process fail in time."""
    global _is_listening  # noqa: PLW0603 - of the process, whose threads share it
    with _lock:
        if not _is_listening:
            from sqlalchemy import Engine, event  # noqa: PLC0415 - see `dagster_internals`

            # Of all engines: those of the instance that a worker makes of its own are not known here.
            event.listen(Engine, "do_connect", _bound)
            _is_listening = True


def _bound(dialect: Any, _record: Any, _arguments: Any, options: Any) -> None:
    if dialect.driver == "psycopg2":
        for name, value in BOUNDS.items():
            options.setdefault(name, value)


def is_of_an_outage(said: str) -> bool:
    """Whether a connection that failed may come to be later, by what was said of it."""
    return "FATAL" not in said or any(words in said for words in _OF_AN_OUTAGE)


def server_sentence(said: str) -> str | None:
    """What a database server, or the way to it, has said, with the way out; None for what no server says."""
    # Of a URL whose password has an @ that is not written as %40.
    said = re.sub(r'host name "[^"]*@', f'host name "{STRUCK_OUT}@', said)
    way_out = next((way_out for words, way_out in _WAYS_OUT.items() if words in said), None)
    if way_out is None or not any(words in said for words in ("server", "host name", "connection", "FATAL")):
        return None
    return (
        f"Dagster's database: {said}; {way_out} (in dagster.yaml, or in the variables that it names)."
        " What is stored stays whole"
    )
