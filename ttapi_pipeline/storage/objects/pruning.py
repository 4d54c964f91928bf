# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Removing rows from an object store that a dataset's policy does not keep, and those of writers that died.

One listing tells everything, as the names of log entries say which rows there were. What was replaced stays for a day:
a reader may be in the middle of it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final

from ttapi_pipeline.core.declaration import Keeps
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.storage.objects import bucket
from ttapi_pipeline.storage.objects.bucket import ObjectFacts
from ttapi_pipeline.storage.objects.location import ObjectPath
from ttapi_pipeline.storage.objects.names import LogEntry, ObjectNames, log_entries, step_at, write_id_of
from ttapi_pipeline.storage.objects.usage import history_bytes, listed_by_dataset
from ttapi_pipeline.storage.versions.keeping import Retention, session_of
from ttapi_pipeline.storage.versions.steps import Step

_LOGGER: Final = logging.getLogger(__name__)

GRACE: Final = timedelta(days=1)
"""The longest that a reader may take for a table."""


def prune(names: ObjectNames, current: Manifest, retention: Retention | None) -> None:
    """Remove what is not kept.

    Args:
        names: Of the dataset.
        current: The manifest that was committed before this is called.
        retention: The policy; without it, what is stored alone is kept.
    """
    # The manifest was committed before the listing, and what it replaced was entered before that: whatever is neither
    # current nor in the log was never published, or will never be.
    bucket.remove(removable(bucket.listed(names.kept), current, retention))
    if retention is None or retention.most_bytes is None:
        return
    gone, excess = beyond_budget(listed_by_dataset(names.folder), names.dataset, current, retention)
    bucket.remove(gone)
    if excess > 0:
        _LOGGER.warning(
            "%s: earlier versions take %.1f MB more than TT_KEEP_BYTES allows; what is left of %s is stored now, was "
            "replaced within a day, or is the last of its session",
            names.folder,
            excess / 1e6,
            names.dataset,
        )


def beyond_budget(
    by_dataset: Mapping[str, Sequence[ObjectFacts]], dataset: str, current: Manifest, retention: Retention
) -> tuple[Sequence[ObjectPath], int]:
    """Rows of a dataset that may go, oldest first, while all versions take more than there is room for.

    Never among them: the last of a session, changes of bars, and what `removable` does not give.

    Args:
        by_dataset: Every object of the data folder, by dataset.
        dataset: Which one makes room.
        current: Its manifest.
        retention: Its policy, with a budget.

    Returns:
        The objects, and the bytes that are too many without them; none or fewer where there is room.
    """
    excess = sum(map(history_bytes, by_dataset.values())) - (retention.most_bytes or 0)
    listed = by_dataset.get(dataset, ())
    sizes = {each.path: each.bytes for each in listed}
    gone: list[ObjectPath] = []
    for path in removable(listed, current, replace(retention, newest=1)):
        if excess <= 0:
            break
        gone.append(path)
        excess -= sizes[path]
    return gone, excess


def removable(listed: Sequence[ObjectFacts], current: Manifest, retention: Retention | None) -> list[ObjectPath]:
    """The objects that may go; arguments as of `prune`.

    Never among them: what is stored now, and rows that were the last of some session where the policy keeps those.
    """
    entries = log_entries(each.path for each in listed)
    # The store tells times to the second.
    order = {entry.write_id: number for number, entry in enumerate(entries)}
    rows = sorted(
        (each for each in listed if write_id_of(each.path) is not None),
        key=lambda each: (each.written_at, order.get(write_id_of(each.path) or "", len(order))),
    )
    there = {write_id for each in rows if (write_id := _of_parquet(each.path)) is not None}
    steps = {each: step for each in listed if (step := step_at(each.path)) is not None}
    published = {current.write_id, *(entry.write_id for entry in entries)}
    sound = [step for step in steps.values() if step.after in published]
    stays = {current.write_id, *_kept(entries, there, sound, retention)}
    replaced_at = _replaced_at(rows)
    now = max((each.written_at for each in listed), default=None)
    gone = []
    for each in rows:
        write_id = write_id_of(each.path)
        is_kept = write_id == current.write_id or (write_id in stays and _of_parquet(each.path) is not None)
        at = replaced_at.get(write_id or "")
        if not is_kept and at is not None and now is not None and now - at > GRACE:
            gone.append(each.path)
    # What a writer that lost its race has changed leads back from rows that nobody has published.
    lost = [each for each, step in steps.items() if step.after not in published]
    return gone + [each.path for each in lost if now is not None and now - each.written_at > GRACE]


def _of_parquet(path: ObjectPath) -> str | None:
    return write_id_of(path) if path.name.endswith(".parquet") else None


def _replaced_at(rows: Sequence[ObjectFacts]) -> dict[str, datetime]:
    """When the rows of each publication had a successor, by write id; the newest has none."""
    found: dict[str, datetime] = {}
    parquet = [each for each in rows if _of_parquet(each.path) is not None]
    for each, following in pairwise(parquet):
        found[write_id_of(each.path) or ""] = following.written_at
    return found


def _kept(
    entries: Sequence[LogEntry], there: Collection[str], steps: Sequence[Step], retention: Retention | None
) -> set[str]:
    """The publications whose rows the policy keeps."""
    if retention is None:
        return set()
    if retention.keeps is Keeps.CHANGES:
        # Rows stay whole where no changes lead back to them.
        led_to = {step.before for step in steps}
        return {entry.write_id for entry in entries if entry.write_id in there and entry.write_id not in led_to}
    rows_of: list[tuple[LogEntry, str]] = []
    for entry in entries:
        before = rows_of[-1] if rows_of else None
        if before is not None and before[0].data_version == entry.data_version:
            rows_of.append((entry, before[1]))
        elif entry.write_id in there:
            rows_of.append((entry, entry.write_id))
    ordered = list(dict.fromkeys(write_id for _, write_id in rows_of))
    if retention.keeps is Keeps.EVERY_CHANGE:
        return set(ordered)
    last_of_session = {_session(entry): write_id for entry, write_id in rows_of}
    return {*ordered[max(0, len(ordered) - retention.newest) :], *last_of_session.values()}


def _session(entry: LogEntry) -> date:
    try:
        return session_of(entry.instant)
    except ValueError:
        # Outside of the packaged calendar, each day counts as a session.
        return entry.instant.date()
