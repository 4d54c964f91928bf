# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What of the troubles is news: compares those of now with what was told before. In which words: see `wording`.

Rules:
- A trouble is told once. It is told again when it fails by another class of error, or five more percent are lost.
- What begins at one look is one notice, whatever the causes.
- What joins a cause that was told and goes on waits until that cause was silent for an hour.
- A recovery is told when nothing of its cause is left, or ten minutes later for what recovered before the rest.
- A cause that comes and goes is told three times an hour at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ttapi_pipeline.alerts.troubles import Kind, Trouble

QUIET: Final = timedelta(hours=1)
"""Between a notice of a cause and one of what has joined it."""

SETTLED: Final = timedelta(minutes=10)
"""After which a recovery is told although others of its cause are not well."""

MOST_PER_HOUR: Final = 3
"""Notices of a cause that begins anew."""

WORSE_PERCENT: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A trouble that was told.

    Attributes:
        trouble: As it was told.
        well_since: The first look in a row that did not find it; None while it goes on.
    """

    trouble: Trouble
    well_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What was told.

    Attributes:
        told: By subject.
        times: When each cause was told, in the last hour.
    """

    told: Mapping[str, Told] = field(default_factory=dict)
    times: Mapping[str, Sequence[datetime]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What there is to tell.

    Attributes:
        begun: Troubles that are news.
        recovered: What is well again.
        going_on: Subjects that were told before and are not well yet.
        at: When the look was, aware UTC.
    """

    begun: Sequence[Trouble] = ()
    recovered: Sequence[Trouble] = ()
    going_on: Sequence[str] = ()
    at: datetime


def review(memory: Memory, troubles: Mapping[str, Trouble], *, now: datetime) -> tuple[Memory, Notice | None]:
    """What to remember, and what to tell; None when nothing is news.

    Args:
        memory: As this function returned it before.
        troubles: Of now, by subject.
        now: Aware UTC.
    """
    times = {
        cause: recent for cause, told in memory.times.items() if (recent := [at for at in told if now - at < QUIET])
    }
    told = {name: _seen(each, troubles.get(name), now) for name, each in memory.told.items()}
    news = _by_cause(
        trouble
        for name, trouble in troubles.items()
        if not trouble.is_slight and (name not in told or _is_other(told[name].trouble, trouble))
    )
    begun: list[Trouble] = []
    for cause, found in news.items():
        if _may_tell(cause, told, times.get(cause, [])):
            begun += found
            times[cause] = [*times.get(cause, []), now]
    told |= {each.subject: Told(trouble=each) for each in begun}
    recovered = [each for each in told.values() if each.well_since is not None and _is_settled(each, told, now)]
    for each in recovered:
        del told[each.trouble.subject]
    after = Memory(told=told, times=times)
    well = [each.trouble for each in recovered if each.trouble.kind is not Kind.WAITING]
    if not begun and not well:
        return after, None
    new = {each.subject for each in begun}
    going_on = [name for name, each in told.items() if each.well_since is None and name not in new]
    return after, Notice(begun=begun, recovered=well, going_on=sorted(going_on), at=now)


def _seen(told: Told, trouble: Trouble | None, now: datetime) -> Told:
    """What was told, after this look."""
    if trouble is not None:
        return replace(told, well_since=None)
    return told if told.well_since is not None else replace(told, well_since=now)


def _is_other(told: Trouble, trouble: Trouble) -> bool:
    """Whether a trouble is another one than was told of the same subject."""
    if told.kind is Kind.FAILED and trouble.kind is Kind.FAILED:
        # The sentences of some errors differ each time.
        return told.cause.partition(":")[0] != trouble.cause.partition(":")[0]
    return told.cause != trouble.cause or trouble.percent >= told.percent + WORSE_PERCENT


def _by_cause(troubles: Iterable[Trouble]) -> Mapping[str, list[Trouble]]:
    found: dict[str, list[Trouble]] = {}
    for trouble in troubles:
        found.setdefault(trouble.cause, []).append(trouble)
    return found


def _may_tell(cause: str, told: Mapping[str, Told], times: Sequence[datetime]) -> bool:
    """Whether what a cause has begun now is told now. `times` are those of the last hour."""
    goes_on = any(each.trouble.cause == cause and each.well_since is None for each in told.values())
    is_worse_coverage = cause.startswith("coverage")
    return not times if goes_on and not is_worse_coverage else len(times) < MOST_PER_HOUR


def _is_settled(well: Told, told: Mapping[str, Told], now: datetime) -> bool:
    """Whether a recovery is told now."""
    others = [each for each in told.values() if each.trouble.cause == well.trouble.cause]
    is_over = all(each.well_since is not None for each in others)
    return is_over or (well.well_since is not None and now - well.well_since >= SETTLED)
