# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What became of a dataset in a session: available, degraded, pending or missing, and why.

Decided from the log of publications and the calendar of the exchange; no rows are read. The table of it, and which
sessions of it are stored: see `quality_table`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from ttapi_pipeline.core.declaration import Changes
from ttapi_pipeline.core.manifest import Provenance
from ttapi_pipeline.core.sessions import NEW_YORK, session_hours
from ttapi_pipeline.core.ttl import format_duration
from ttapi_pipeline.datasets.dataset import Dataset
from ttapi_pipeline.storage.versions.keeping import session_at
from ttapi_pipeline.storage.versions.log import Publication

_A_DAY: Final = timedelta(days=1)
_LONGEST_REASON: Final = 300


class State(StrEnum):
    """What became of a dataset in a session."""

    AVAILABLE = "available"
    DEGRADED = "degraded"
    """There, with rows or values missing, or with something that a person should look at."""
    PENDING = "pending"
    """Not there yet, and it can still come: the session is not over, or bars of it can be fetched later."""
    MISSING = "missing"
    """Nothing came while the session lasted, and nobody has it to give any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """One dataset in one session.

    Attributes:
        session: Which one.
        dataset: Its name.
        state: What became of it.
        reason: Why, in words; empty for what is available without a word to say.
        publications: How many there were in the session.
        rows: Of the publication that counts; None without one.
        missing: Subjects that did not come with it.
        known_at: When it could be read.
    """

    session: date
    dataset: str
    state: State
    reason: str = ""
    publications: int = 0
    rows: int | None = None
    missing: int | None = None
    known_at: datetime | None = None


def quality_of(
    dataset: Dataset,
    session: date,
    known: Mapping[date, Sequence[Publication]],
    *,
    ttl: timedelta,
    now: datetime,
    failures: Sequence[str] = (),
) -> Quality:
    """What became of a dataset in a session.

    Args:
        dataset: Which one.
        session: A session from which on something is known of the dataset.
        known: Its publications by session, ascending, of this session and those around it.
        ttl: How long it stays fresh.
        now: Aware UTC.
        failures: What was said of runs of the session that failed, the oldest first; nothing is repeated of private
            datasets.

    A dataset of bars has the bars of a session with any publication after it has settled, and can get them later. Any
    other dataset says what was so when it was published: what did not come while a session lasted never comes. One with
    a TTL of more than a day need not be published in every session.
    """
    in_session = known.get(session, ())
    if _has_bars(dataset):
        return _of_bars(dataset, session, known, now=now)
    settles_at, is_over = session_hours(session).settles_at, session < session_at(now)
    if not in_session:
        return _without(dataset, session, known, ttl=ttl, now=now, is_over=is_over, failures=failures)
    last = in_session[-1]
    facts = last.manifest.provenance
    what_lacks = _what_lacks(facts, is_private=dataset.is_private)
    is_early = dataset.changes is Changes.ONCE_SETTLED and (facts.began_at or facts.fetched_at) < settles_at
    state, reason = State.DEGRADED if what_lacks else State.AVAILABLE, what_lacks
    if is_early and is_over:
        said = "made before the session settled, and ends with the one before"
        state, reason = State.DEGRADED, "; ".join(filter(None, [said, what_lacks]))
    elif not is_over and (now < settles_at or is_early):
        said = f"the session settles at {_clock(settles_at)}" if now < settles_at else "not made since it settled"
        state, reason = State.PENDING, "; ".join(filter(None, [said, what_lacks]))
    return _with(dataset, session, last, state, reason, publications=len(in_session))


def _has_bars(dataset: Dataset) -> bool:
    """Whether it has a row per session itself, of which those of the past stay to be had."""
    return dataset.changes is Changes.ONCE_SETTLED and "session" in dataset.schema.key


def _of_bars(dataset: Dataset, session: date, known: Mapping[date, Sequence[Publication]], *, now: datetime) -> Quality:
    settles_at = session_hours(session).settles_at
    publications = len(known.get(session, ()))
    if now < settles_at:
        reason = f"the session settles at {_clock(settles_at)}"
        return Quality(
            session=session, dataset=dataset.name, state=State.PENDING, reason=reason, publications=publications
        )
    later = (each for day in known if day >= session for each in known[day])
    for each in later:
        facts = each.manifest.provenance
        if facts.fetched_at >= settles_at:
            lacks = _what_lacks(facts, is_private=dataset.is_private)
            came = session_at(each.known_at)
            reason = "; ".join(filter(None, [f"came in session {came}" if came > session else "", lacks]))
            state = State.DEGRADED if lacks else State.AVAILABLE
            return _with(dataset, session, each, state, reason, publications=publications)
    return Quality(
        session=session,
        dataset=dataset.name,
        state=State.PENDING,
        reason="not fetched since the session settled; the next refresh can fetch it",
        publications=publications,
    )


def _without(
    dataset: Dataset,
    session: date,
    known: Mapping[date, Sequence[Publication]],
    *,
    ttl: timedelta,
    now: datetime,
    is_over: bool,
    failures: Sequence[str],
) -> Quality:
    """Of a session in which nothing was published."""
    settles_at = session_hours(session).settles_at
    before = [each for day, publications in known.items() if day < session for each in publications]
    if before and ttl > _A_DAY and settles_at - before[-1].manifest.provenance.fetched_at < ttl:
        last = before[-1]
        lacks = _what_lacks(last.manifest.provenance, is_private=dataset.is_private)
        said = f"of session {session_at(last.known_at)}, which stays fresh for {format_duration(ttl)}"
        state = State.DEGRADED if lacks else State.AVAILABLE
        return _with(dataset, session, last, state, "; ".join(filter(None, [said, lacks])), publications=0)
    if not is_over:
        waits = f", which settles at {_clock(settles_at)}" if now < settles_at else ""
        state, reason = State.PENDING, f"nothing was published in the session yet{waits}"
    else:
        state, reason = State.MISSING, "nothing was published while the session lasted"
    if failures:
        count = f"{len(failures)} run{'s' if len(failures) > 1 else ''} failed"
        reason += f"; {count}" + ("" if dataset.is_private else f", the last: {failures[-1]}")
    return Quality(session=session, dataset=dataset.name, state=state, reason=reason[:_LONGEST_REASON])


def _with(
    dataset: Dataset, session: date, publication: Publication, state: State, reason: str, *, publications: int
) -> Quality:
    manifest = publication.manifest
    return Quality(
        session=session,
        dataset=dataset.name,
        state=state,
        reason=reason[:_LONGEST_REASON],
        publications=publications,
        rows=manifest.rows,
        missing=len(manifest.provenance.missing),
        known_at=publication.known_at,
    )


def _what_lacks(facts: Provenance, *, is_private: bool) -> str:
    """What a publication lacks or doubts, in words; empty for a whole one. Private subjects are counted alone."""
    said = []
    if facts.missing:
        reason, count = Counter(facts.missing.values()).most_common(1)[0]
        most = "" if is_private else f" ({count}: {reason})"
        said.append(f"{len(facts.missing)} did not come{most}")
    if facts.lost_in_words:
        said.append(facts.lost_in_words)
    if facts.doubts:
        said.append(f"{facts.doubts} to look at")
    return ", ".join(said)


def _clock(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%H:%M} New York time"
