# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What is wrong with the datasets at one moment, by their verdicts and by how their last steps ended.

What of it is news: see `news`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ttapi_pipeline.core.lines import one_line
from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.privacy import without_tokens
from ttapi_pipeline.datasets.registry import DATASETS
from ttapi_pipeline.datasets.status import DatasetStatus

GRACE: Final = timedelta(minutes=15)
"""A dataset is overdue when it has been due for so long and no run that is under way has it."""

LOST_PERCENT: Final = 1.0
"""Coverage is lost when more than this share of a dataset's subjects did not come."""

REGAINED_PERCENT: Final = 0.5
"""Coverage is regained when no more than this share is missing. Between the two, nothing changes."""

_SHOWN: Final = 3
_LONGEST: Final = 300

_BROKER: Final = "broker"
_CAUSES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("TransportError", "ApiTimeoutError", "RateLimitError", "CircuitOpenError"), _BROKER),
    **dict.fromkeys(("StreamError", "StreamClosedError", "CoverageError"), _BROKER),
    **dict.fromkeys(("StorageError", "LockTimeoutError", "OSError", "PermissionError"), "storage"),
    "AuthError": "credentials",
}
"""Errors that one thing outside causes for many datasets, by their classes."""


class Kind(StrEnum):
    """What is wrong."""

    FAILED = "failed"
    OVERDUE = "overdue"
    INCOMPLETE = "lost coverage"
    WAITING = "waiting"
    """For a dataset upstream that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    """How a step of a run ended.

    Attributes:
        step: Its name, which is that of its dataset.
        at: When it ended, aware UTC.
        error: Class of the error; empty after a success.
        sentence: What went wrong; empty after a success.
    """

    step: str
    at: datetime
    error: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One dataset, or another step, that is not well.

    Attributes:
        subject: Its name.
        kind: What is wrong.
        cause: The same text for whatever has the same cause.
        sentence: What was seen, without a secret and without an account number; of one that waits, the dataset that it
            waits for.
        since: When it began, aware UTC.
        percent: Of lost coverage: the share that did not come, from 0 to 100.
        is_slight: Whether it goes on only if it was there before.
    """

    subject: str
    kind: Kind
    cause: str
    sentence: str
    since: datetime
    percent: float = 0.0
    is_slight: bool = False


def last_failures(
    known: Mapping[str, StepOutcome],
    outcomes: Collection[StepOutcome],
    statuses: Mapping[str, DatasetStatus],
) -> Mapping[str, StepOutcome]:
    """The failure of each step whose last outcome was one.

    Args:
        known: As this function returned it before.
        outcomes: Since then, in any order; those that were seen before may be among them.
        statuses: Of every dataset. One that was collected after it had failed is well, whatever was recorded of it.
    """
    last = dict(known)
    for outcome in sorted(outcomes, key=lambda each: each.at):
        if outcome.step not in last or last[outcome.step].at <= outcome.at:
            last[outcome.step] = outcome
    return {
        step: outcome
        for step, outcome in last.items()
        if outcome.error and not _is_stored_since(statuses.get(step), outcome.at)
    }


def _is_stored_since(status: DatasetStatus | None, at: datetime) -> bool:
    if status is None or status.manifest is None:
        return False
    # A refresh that fetched only what was new keeps the age of the rest.
    facts = status.manifest.provenance
    return (facts.began_at or facts.fetched_at) > at


def due_times(
    known: Mapping[str, datetime],
    statuses: Mapping[str, DatasetStatus],
    failures: Mapping[str, StepOutcome],
    *,
    under_way: Collection[str],
    now: datetime,
) -> Mapping[str, datetime]:
    """Since when each dataset has been due although nothing kept it from being refreshed.

    A look that finds it fresh, in a run that is under way, failed, or below one that failed, ends that time.

    Args:
        known: As this function returned it before.
        statuses: Of every dataset.
        failures: By dataset.
        under_way: Datasets that runs under way have not yet dealt with.
        now: Aware UTC.
    """
    return {
        name: known.get(name, now)
        for name, status in statuses.items()
        if not status.verdict.is_hit
        and name not in under_way
        and name not in failures
        and _failed_above(name, failures) is None
    }


def find_troubles(
    statuses: Mapping[str, DatasetStatus],
    failures: Mapping[str, StepOutcome],
    due: Mapping[str, datetime],
    *,
    under_way: Collection[str],
    now: datetime,
) -> Mapping[str, Trouble]:
    """What is wrong, by subject; one trouble each, the worst.

    Args:
        statuses: Of every dataset.
        failures: As `last_failures` gives them.
        due: As `due_times` gives them.
        under_way: Datasets that runs under way have not yet dealt with.
        now: Aware UTC.
    """
    found = {name: _failed(outcome) for name, outcome in failures.items()}
    for name, status in statuses.items():
        if name in found:
            continue
        above = None if status.verdict.is_hit or name in under_way else _failed_above(name, failures)
        since = due.get(name)
        if above is not None:
            found[name] = Trouble(
                subject=name,
                kind=Kind.WAITING,
                cause=_cause(failures[above]),
                sentence=above,
                since=failures[above].at,
            )
        elif since is not None and now - since >= GRACE:
            found[name] = Trouble(
                subject=name, kind=Kind.OVERDUE, cause="overdue", sentence=_clean(status.verdict.reason), since=since
            )
        elif (lost := _lost_coverage(status)) is not None:
            found[name] = lost
    return found


def _failed(outcome: StepOutcome) -> Trouble:
    return Trouble(
        subject=outcome.step,
        kind=Kind.FAILED,
        cause=_cause(outcome),
        sentence=_clean(_without_name(outcome)),
        since=outcome.at,
    )


def _cause(outcome: StepOutcome) -> str:
    """A failure's cause: what its class says of it, else the class and the sentence without figures."""
    if outcome.error == "HttpError" and (status := re.search(r"HTTP (\d{3})", outcome.sentence)):
        return _BROKER if status[1] >= "500" else status[0]
    figures = re.compile(r"\w*\d\w*")
    return _CAUSES.get(outcome.error) or f"{outcome.error}: {figures.sub('#', _clean(_without_name(outcome)))}"


def _without_name(outcome: StepOutcome) -> str:
    return re.sub(f"^({re.escape(outcome.step)}: )+", "", outcome.sentence)


def _failed_above(name: str, failures: Mapping[str, StepOutcome]) -> str | None:
    """The nearest dataset upstream that failed; None when none has."""
    above: Sequence[str] = [name]
    while above:
        above = [each for below in above if below in DATASETS for each in DATASETS[below].upstream]
        for each in above:
            if each in failures:
                return each
    return None


def _lost_coverage(status: DatasetStatus) -> Trouble | None:
    manifest = status.manifest
    if manifest is None:
        return None
    share = manifest.provenance.statistics.get("coverage", 1.0)
    percent = round(100 * (1 - float(share)), 2) if isinstance(share, int | float) else 0.0
    if percent <= REGAINED_PERCENT:
        return None
    return Trouble(
        subject=status.dataset.name,
        kind=Kind.INCOMPLETE,
        cause=f"coverage of {status.dataset.name}",
        sentence=_clean(_missing(status, manifest)),
        since=manifest.provenance.fetched_at,
        percent=percent,
        is_slight=percent <= LOST_PERCENT,
    )


def _missing(status: DatasetStatus, manifest: Manifest) -> str:
    """How much did not come, some names, and the reason that most of it has."""
    missing = manifest.provenance.missing
    names = [] if status.dataset.is_private else sorted(missing)[:_SHOWN]
    more = len(missing) - len(names)
    named = ", ".join([*names, *([f"{more} more"] if names and more else [])])
    reasons = Counter(re.sub(r"^(GET|POST) \S+: ", "", reason) for reason in missing.values())
    reason = reasons.most_common(1)[0][0] if reasons and not status.dataset.is_private else ""
    said = "; ".join(filter(None, (named, reason)))
    return f"{len(missing)} did not come{f' ({said})' if said else ''}"


def _clean(text: str) -> str:
    """One line without what looks like a token or an account number: it goes to a service of somebody else's."""
    line = one_line(without_tokens(" ".join(text.split())))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
