# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The words and figures of one row of the status grid: what is stored of a dataset, and what a run does with it.

How rows become lines: see `status_grid`. The same as JSON: see `status_document`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ttapi_pipeline.core.progress import Phase, Progress
from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.datasets.status import DatasetStatus


class Mood(StrEnum):
    """How a row is meant, for its colour."""

    GOOD = "good"
    BUSY = "busy"
    QUIET = "quiet"
    WARNING = "warning"
    BAD = "bad"


_MOODS: Mapping[Phase, Mood] = {
    Phase.WAITING: Mood.QUIET,
    Phase.RUNNING: Mood.BUSY,
    Phase.HIT: Mood.GOOD,
    Phase.REFRESHED: Mood.GOOD,
    Phase.FAILED: Mood.BAD,
    Phase.SKIPPED: Mood.WARNING,
}
_OVER = (Phase.HIT, Phase.REFRESHED)
_SHOWN_CAUTIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRow:
    """One dataset.

    Attributes:
        name: Of the dataset.
        state: ``hit`` or ``miss`` by its verdict; in a run, how far it is.
        mood: For the colour.
        ttl: How long it stays fresh.
        age: Since its collection began; None when nothing is stored.
        rows: Stored; None when nothing is.
        new, changed: Rows by the last refresh that counted them; None where none has.
        missing: Subjects that should be in it and did not come.
        coverage: Share of its subjects that came, from 0 to 1; None when nothing is stored.
        data_version: Of the stored rows; empty when nothing is stored.
        detail: The step under way with its pace, or the reason.
        is_told: Whether the reason is to be read in full even where its cell is too small.
    """

    name: str
    state: str
    mood: Mood
    ttl: timedelta
    age: timedelta | None = None
    rows: int | None = None
    new: int | None = None
    changed: int | None = None
    missing: int = 0
    coverage: float | None = None
    data_version: str = ""
    detail: str = ""
    is_told: bool = False


def dataset_row(
    status: DatasetStatus,
    work: Progress | None = None,
    *,
    is_run: bool = False,
    now: float = 0.0,
    at: datetime | None = None,
) -> DatasetRow:
    """The row of a dataset.

    Args:
        status: What is stored of it, and the verdict.
        work: How far a run has come with it; None when no run has to do with it.
        is_run: Whether a run is under way or has just ended; a row without `work` says then that it is not in it.
        now: Monotonic seconds, for the pace of a step.
        at: Aware UTC, for the age of what a run has stored meanwhile; None for the ages of the verdicts.
    """
    manifest, verdict = status.manifest, status.verdict
    age = verdict.age
    if work is not None and work.stored is not None:
        manifest = work.stored
        age = age if at is None else at - manifest.provenance.fetched_at
    statistics = {} if manifest is None else manifest.provenance.statistics
    detail, is_told = _detail(status, work, is_run=is_run, now=now)
    mood = _MOODS[work.phase] if work is not None else Mood.GOOD if verdict.is_hit else Mood.WARNING
    return DatasetRow(
        name=verdict.dataset,
        state=str(work.phase) if work is not None else "hit" if verdict.is_hit else "miss",
        mood=Mood.WARNING if is_told and mood is Mood.GOOD else mood,
        ttl=verdict.ttl,
        age=age,
        rows=None if manifest is None else manifest.rows,
        new=_count(statistics.get("rows_new")),
        changed=_count(statistics.get("rows_changed")),
        missing=0 if manifest is None else len(manifest.provenance.missing),
        coverage=None if manifest is None else coverage(statistics),
        data_version="" if manifest is None else manifest.data_version,
        detail=detail,
        is_told=is_told or mood in {Mood.WARNING, Mood.BAD},
    )


def coverage(statistics: Mapping[str, object]) -> float:
    """The share of its subjects that came, from 0 to 1; 1 for a dataset without the statistic, which is computed."""
    share = statistics.get("coverage", 1.0)
    return float(share) if isinstance(share, int | float) else 1.0


def _count(fact: object) -> int | None:
    return fact if isinstance(fact, int) else None


def _detail(status: DatasetStatus, work: Progress | None, *, is_run: bool, now: float) -> tuple[str, bool]:
    """The last cell of the row, and whether it tells of something that a person should look at."""
    if work is not None and work.phase not in _OVER:
        return _under_way(status, work, now), False
    if status.damage is not None:
        return status.damage, True
    told = _losses(status)
    # Age and TTL have columns of their own.
    reason = "fresh" if status.verdict.rule == "fresh" else status.verdict.reason
    if work is not None and work.phase is Phase.REFRESHED:
        reason = work.note or "refreshed"
    elif work is None and is_run:
        reason = f"{reason}, not in this run" if status.verdict.is_hit else f"not in this run: {reason}"
    return "; ".join([reason, *told]), bool(told)


def _under_way(status: DatasetStatus, work: Progress, now: float) -> str:
    if work.phase is Phase.FAILED:
        kept = "nothing is stored" if status.manifest is None else "what is stored stayed as it was"
        return f"see the error below; {kept}"
    return work.in_words(now) or work.note


def _losses(status: DatasetStatus) -> list[str]:
    stored = None if status.manifest is None else status.manifest.provenance
    told = []
    if stored is not None and stored.lost:
        told.append(f"{stored.lost_in_words} ({', '.join(stored.lost)})")
    if stored is not None and stored.noticed:
        told.append(f"{stored.noticed:,} to look at, see eod_notices")
    if stored is not None:
        told += _shown_cautions(stored.cautions)
    told += [f"{name} was replaced, a refresh mends it" for name in status.stored.replaced_files]
    if status.stored.is_lagging and not status.stored.replaced_files:
        told.append("the CSV is behind, the next refresh writes it")
    return told


def _shown_cautions(cautions: Mapping[str, str]) -> list[str]:
    """The first few, and how many others there are."""
    shown = [f"{subject}: {sentence}" for subject, sentence in list(cautions.items())[:_SHOWN_CAUTIONS]]
    others = len(cautions) - len(shown)
    return [*shown, f"{others} more to look at"] if others else shown


def age_in_words(age: timedelta | None) -> str:
    """An age for a cell; a dash for none, and 0s for one in the future."""
    return "-" if age is None else format_duration(max(age, timedelta(0)))
