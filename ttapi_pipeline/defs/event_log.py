# SPDX-License-Identifier: MIT
"""Whether Dagster keeps its events in SQLite, on this machine alone. It is private API, which a test watches."""

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.storage.event_log import SqliteEventLogStorage


def sqlite_event_log(instance: dg.DagsterInstance) -> "SqliteEventLogStorage | None":
    """The instance's event log when it is of SQLite files, else None."""
    # SQLAlchemy and Alembic come with it, which is longer than all that the definitions import beside Dagster.
    from dagster._core.storage.event_log import SqliteEventLogStorage  # noqa: PLC0415 - a run's, see `defs`

    storage = instance.event_log_storage
    return storage if isinstance(storage, SqliteEventLogStorage) else None
