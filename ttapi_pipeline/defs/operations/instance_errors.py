# SPDX-License-Identifier: MIT
"""Errors of the databases behind a Dagster instance as ours: one sentence with the place and the way out."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from ttapi_pipeline.core.errors import StorageError


@contextmanager
def instance_errors(home: str) -> Iterator[None]:
    """Raise our errors in place of those of the databases of the instance, inside of a block that works on it.

    Args:
        home: The folder of the instance, for the message.

    Raises:
        StorageError: The instance cannot be opened, read or written.
    """
    # It comes with the instance itself: see `dagster_internals`.
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - see `defs`

    try:
        yield
    except SQLAlchemyError as error:
        # Its text holds the statement with its values. The cause of it is what the database has said.
        raise _error(home, getattr(error, "orig", None) or type(error).__name__) from error
    except (sqlite3.Error, OSError) as error:
        raise _error(home, error) from error
    except dg.DagsterError as error:
        raise _error(home, str(error).partition("\n")[0]) from error


def _error(home: str, said: object) -> StorageError:
    words = " ".join(str(said).split())
    return StorageError(
        f"the Dagster instance of {home}: {words}; free some space, or see `tt doctor`. The stored datasets do not "
        "depend on it: without its folder (`storage` in dagster.yaml) a new one begins"
    )
