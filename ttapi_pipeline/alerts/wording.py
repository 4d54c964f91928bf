# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A notice in words: the title and the text of a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ttapi_pipeline.alerts.news import Notice
from ttapi_pipeline.alerts.troubles import Kind, Trouble
from ttapi_pipeline.core.ttl import format_duration


class Tone(StrEnum):
    """How a message is meant, in the words of Apprise."""

    BAD = "failure"
    WARNING = "warning"
    GOOD = "success"
    NEUTRAL = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent.

    Attributes:
        title: One line.
        body: Plain text of some lines.
        tone: For colours and icons.
    """

    title: str
    body: str
    tone: Tone


def message_of(notice: Notice, *, machine: str) -> Message:
    """The message of a notice.

    Args:
        notice: With something in it.
        machine: The name of the machine that looked.
    """
    kinds = {each.kind for each in notice.begun}
    tone = Tone.BAD if Kind.FAILED in kinds else Tone.WARNING if notice.begun else Tone.GOOD
    return Message(title=f"ttapi_pipeline: {_title(notice)}", body="\n".join(_lines(notice, machine)), tone=tone)


def trial_message(*, machine: str) -> Message:
    """The message of `tt alert --test`."""
    return Message(
        title="ttapi_pipeline: this is a test",
        body=f"Alerts of {machine} come here: when a dataset fails, is overdue or lost coverage, and when it is well "
        "again.",
        tone=Tone.NEUTRAL,
    )


_COUNTED = {Kind.FAILED: "failed", Kind.OVERDUE: "overdue", Kind.INCOMPLETE: "lost coverage", Kind.WAITING: "waiting"}


def _title(notice: Notice) -> str:
    parts = [
        f"{_names(found)} {words}" for kind, words in _COUNTED.items() if (found := _of(notice.begun, kind)) is not None
    ]
    if notice.recovered:
        parts.append(f"{_names(notice.recovered)} well again")
    return ", ".join(parts)


def _of(troubles: Sequence[Trouble], kind: Kind) -> Sequence[Trouble] | None:
    return [each for each in troubles if each.kind is kind] or None


def _names(troubles: Sequence[Trouble]) -> str:
    """One or two by name, more by their number."""
    names = [each.subject for each in troubles]
    return " and ".join(names) if len(names) <= 2 else f"{len(names)} datasets"


def _lines(notice: Notice, machine: str) -> Iterator[str]:
    for kind in (Kind.FAILED, Kind.OVERDUE, Kind.INCOMPLETE):
        for found in _alike(_of(notice.begun, kind) or []):
            yield _line(found, notice.at)
    for found in _alike(_of(notice.begun, Kind.WAITING) or []):
        names = ", ".join(each.subject for each in found)
        yield f"{names}: {'waits' if len(found) == 1 else 'wait'} for {found[0].sentence}."
    for each in notice.recovered:
        yield f"{each.subject} is well again after {format_duration(notice.at - each.since)}."
    if notice.going_on:
        yield f"Not well yet, as told before: {', '.join(notice.going_on)}."
    yield f"Stored data is as it was; `tt status` on {machine} shows all." if notice.begun else f"Seen on {machine}."


def _alike(troubles: Sequence[Trouble]) -> list[list[Trouble]]:
    """Troubles in groups that have the same sentence; those of overdue datasets are one group."""
    groups: dict[str, list[Trouble]] = {}
    for each in troubles:
        groups.setdefault(each.kind if each.kind is Kind.OVERDUE else each.sentence, []).append(each)
    return list(groups.values())


def _line(alike: Sequence[Trouble], now: datetime) -> str:
    names, first = ", ".join(each.subject for each in alike), min(alike, key=lambda each: each.since)
    match first.kind:
        case Kind.OVERDUE:
            since = format_duration(now - first.since)
            why = f" ({first.sentence})" if len(alike) == 1 else ""
            return f"{names}: due for {since}, and nothing refreshes {'it' if len(alike) == 1 else 'them'}{why}."
        case Kind.INCOMPLETE:
            return f"{names}: lost coverage, {100 - first.percent:.1f}% came; {first.sentence}."
        case _:
            return f"{names}: failed at {_time(first.since)}: {first.sentence}."


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M} UTC"
