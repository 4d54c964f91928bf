# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The table `session_quality`: a row per dataset and session, also for a session in which nothing came.

Sessions that are over are stored, like those of a history, so that their logs need not be read again. Those that lack
are decided when the table is read. What is decided: see `quality`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.manifest import FileFacts
from ttapi_pipeline.core.sessions import sessions_between
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.datasets.history import KNOWN_AT, SESSION
from ttapi_pipeline.datasets.quality import Quality, State, quality_of
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.storage.layout import STATE_FOLDER, Folder
from ttapi_pipeline.storage.session_table import Part, SessionTable
from ttapi_pipeline.storage.store import Store, open_store
from ttapi_pipeline.storage.versions.by_session import first_session, publications_of
from ttapi_pipeline.storage.versions.keeping import session_at
from ttapi_pipeline.tables.schema import COUNT, SMALL, STRING, TIMESTAMP, Column, DatasetSchema, required

if TYPE_CHECKING:
    import polars as pl

    TtlOf = Callable[[Dataset], timedelta]

QUALITY: Final = DatasetSchema(
    "session_quality",
    (
        required("session", SESSION.type, "Trading day"),
        required("dataset", STRING, "Name of the dataset"),
        required(
            "state",
            STRING,
            "available; degraded (rows or values are missing, or something should be looked at); pending (can still "
            "come); missing (nothing came while the session lasted)",
        ),
        required("reason", STRING, "Why, in words; empty where there is nothing to say"),
        required("publications", SMALL, "How many there were in the session"),
        Column("rows", COUNT, "Rows of the publication that counts; null without one"),
        Column("missing", COUNT, "Subjects that did not come with it; null without one"),
        Column(KNOWN_AT.name, TIMESTAMP, "When it could be read; null without one"),
    ),
    key=("session", "dataset"),
)
CODE_VERSION: Final = "1"

_LOOKED_BACK: Final = timedelta(days=45)
"""How far back sessions are decided again whose bars were pending."""

_FAILURES: Final = "failures.jsonl"
_LOCK_SECONDS: Final = 60.0


def open_quality(folder: Folder, *, now: datetime, ttl_of: TtlOf = lambda dataset: dataset.ttl) -> pl.LazyFrame:
    """The table from the first session of which something is known to that of the present.

    Args:
        folder: The data folder.
        now: Aware UTC.
        ttl_of: How long a dataset stays fresh; by default as it is declared.

    Raises:
        StorageError: A log or the table cannot be read, or nothing is known yet.
        CorruptFileError: A stored session, or a manifest, is damaged.
    """
    import polars as pl  # noqa: PLC0415 - for what is read

    store = open_store(folder)
    table = store.session_table(QUALITY)
    settled = [session for session, part in table.parts().items() if _is_final(part)]
    first = _first_session(store)
    if first is None:
        raise StorageError(f"nothing was published in {folder} yet; `tt` fills it")
    wanted = [session for session in sessions_between(first, session_at(now)) if session not in settled]
    fresh = _frame(_decide(store, wanted, now=now, ttl_of=ttl_of)).lazy()
    stored = [table.scan(settled)] if settled else []
    return pl.concat([*stored, fresh]).sort(QUALITY.key)


def update_quality(folder: Folder, *, now: datetime, ttl_of: TtlOf, again: Collection[date] = ()) -> Sequence[Part]:
    """Store the sessions that are over and are not stored, and those again in which something was pending.

    Args:
        folder: The data folder.
        now: Aware UTC.
        ttl_of: How long a dataset stays fresh.
        again: Sessions that are decided again in any case.

    Returns:
        What is new or says something else than before, ascending.

    Raises:
        StorageError, CorruptFileError: As `open_quality`; or the table cannot be written.
    """
    store = open_store(folder)
    table = store.session_table(QUALITY)
    # The sensor asks every minute, and then the table itself tells from when on something is known.
    first = min(table.parts(), default=None) or _first_session(store)
    if first is None:
        return []
    over = [session for session in sessions_between(first, session_at(now)) if session < session_at(now)]
    if not again and not _lacking(store, table, over, now=now):
        return []
    with store.held(".", QUALITY.name, timeout_seconds=_LOCK_SECONDS):
        store.look_at_history(list(DATASETS))
        parts, lacking = table.parts(), _lacking(store, table, over, now=now)
        wanted = [session for session in over if session in again or session in lacking]
        rows = _decide(store, wanted, now=now, ttl_of=ttl_of)
        made = [_put(table, session, [row for row in rows if row.session == session], now=now) for session in wanted]
        return [part for part in made if _says_something_else(parts.get(part.session), part)]


def _lacking(store: Store, table: SessionTable, over: Sequence[date], *, now: datetime) -> Collection[date]:
    """The sessions that are over and are not stored, or in which something was pending that has changed since."""
    parts = table.parts()
    lacking = {session for session in over if session not in parts or not table.is_there(parts[session])}
    earliest = (now - _LOOKED_BACK).date()
    pending = {
        session for session in over if session >= earliest and session in parts and not _is_final(parts[session])
    }
    return lacking | pending if pending and store.is_published_after(QUALITY.name, list(DATASETS)) else lacking


def _is_final(part: Part) -> bool:
    return part.code_version == CODE_VERSION and not part.counts.get(State.PENDING, 0)


def _says_something_else(before: Part | None, now: Part) -> bool:
    return before is None or before.data_version != now.data_version


def _put(table: SessionTable, session: date, rows: Sequence[Quality], *, now: datetime) -> Part:
    counts = {str(state): sum(row.state is state for row in rows) for state in State}
    part = Part(
        session=session,
        file="",
        facts=FileFacts(bytes=0, xxh3_128=""),
        rows=0,
        data_version="",
        code_version=CODE_VERSION,
        made_from="",
        known_at=now,
        is_simulated=False,
        counts=counts,
    )
    return table.put(_frame(rows), part, made_at=now)


def _frame(rows: Sequence[Quality]) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415 - the decision needs no Polars

    names = [column.name for column in QUALITY.columns]
    return pl.DataFrame([[getattr(row, name) for name in names] for row in rows], schema=QUALITY.polars, orient="row")


def _decide(store: Store, sessions: Sequence[date], *, now: datetime, ttl_of: TtlOf) -> Sequence[Quality]:
    """The rows of some sessions, of each dataset from its first session on."""
    if not sessions:
        return []
    failures = _failures(store)
    found = []
    for dataset in DATASETS.values():
        ttl, first = ttl_of(dataset), first_session(store, dataset.name)
        if first is None:
            continue
        # What is published before a session can count for it as long as it is fresh, over a long weekend too.
        since = min(sessions) - ttl - timedelta(days=5)
        known = publications_of(store, dataset.name, since=max(first, since))
        for session in sessions:
            if session >= first:
                said = failures.get((dataset.name, session), ())
                found.append(quality_of(dataset, session, known, ttl=ttl, now=now, failures=said))
    return sorted(found, key=lambda row: (row.session, row.dataset))


def _first_session(store: Store) -> date | None:
    """The first session of which something is known."""
    store.look_at_history(list(DATASETS))
    found = (first_session(store, name) for name in DATASETS)
    return min((session for session in found if session is not None), default=None)


def _failures(store: Store) -> Mapping[tuple[str, date], Sequence[str]]:
    """What was said of runs that failed, by dataset and session; the daemon notes them, and not for ever."""
    found: dict[tuple[str, date], list[str]] = {}
    try:
        content = store.read_file(f"{STATE_FOLDER}/{_FAILURES}")
    except StorageError:
        return found
    for line in (content or b"").decode(errors="replace").splitlines():
        try:
            told = json.loads(line)
            session = session_at(datetime.fromisoformat(told["at"]).astimezone(UTC))
            found.setdefault((told["dataset"], session), []).append(str(told["sentence"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found
