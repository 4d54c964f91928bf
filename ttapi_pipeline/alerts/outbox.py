# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Messages on their way: each goes to every destination, in order, and is tried again where it was not accepted.

One try: see `delivery`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ttapi_pipeline.alerts.delivery import Destination
from ttapi_pipeline.alerts.wording import Message

FIRST_PAUSE: Final = timedelta(minutes=1)
"""Before the second try; each further pause is twice as long."""

LONGEST_PAUSE: Final = timedelta(minutes=30)

KEPT_FOR: Final = timedelta(days=1)
"""A message that was not accepted within a day is given up."""

_LOGGER = logging.getLogger(__name__)

Send = Callable[[Destination, Message], str | None]
"""As `delivery.send`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message on its way.

    Attributes:
        message: What is sent.
        written_at: Aware UTC.
        pending: Names of the destinations that have not accepted it yet.
    """

    message: Message
    written_at: datetime
    pending: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Tries in a row that a destination has not accepted.

    Attributes:
        count: How many.
        next_at: When it is tried again, aware UTC.
    """

    count: int
    next_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What is on its way.

    Attributes:
        letters: Oldest first.
        refusals: By the name of the destination; none for one that accepted the last message.
    """

    letters: Sequence[Letter] = field(default_factory=list)
    refusals: Mapping[str, Refusals] = field(default_factory=dict)


def with_message(outbox: Outbox, message: Message, places: Sequence[Destination], *, now: datetime) -> Outbox:
    """The outbox with one more letter."""
    letter = Letter(message=message, written_at=now, pending=[each.name for each in places])
    return replace(outbox, letters=[*outbox.letters, letter])


def deliver(outbox: Outbox, places: Sequence[Destination], send: Send, *, now: datetime) -> Outbox:
    """Send what is pending to each destination whose turn it is, and return what is left.

    A destination that fails is logged when it begins to, and when it has accepted a message again.

    Args:
        outbox: What is on its way.
        places: Those of the settings. What was pending for another one is dropped.
        send: Sends one message to one of them.
        now: Aware UTC.
    """
    names = {each.name for each in places}
    letters = [
        replace(each, pending=[name for name in each.pending if name in names])
        for each in outbox.letters
        if now - each.written_at < KEPT_FOR
    ]
    given_up = len(outbox.letters) - len(letters)
    if given_up:
        _LOGGER.warning("alerts: %d messages of more than a day ago were not accepted and are given up", given_up)
    refusals = {name: each for name, each in outbox.refusals.items() if name in names}
    for place in places:
        is_paused = place.name in refusals and now < refusals[place.name].next_at
        if is_paused or not any(place.name in each.pending for each in letters):
            continue
        letters, failure = _sent_to(place, letters, send)
        if failure is not None:
            count = refusals[place.name].count + 1 if place.name in refusals else 1
            if count == 1:
                _LOGGER.warning("alerts: destination %s: %s; it is tried again", place.name, failure)
            pause = min(FIRST_PAUSE * 2 ** min(count - 1, 10), LONGEST_PAUSE)
            refusals[place.name] = Refusals(count=count, next_at=now + pause)
        elif place.name in refusals:
            _LOGGER.warning("alerts: destination %s accepts messages again", place.name)
            del refusals[place.name]
    return Outbox(letters=[each for each in letters if each.pending], refusals=refusals)


def _sent_to(place: Destination, letters: Sequence[Letter], send: Send) -> tuple[list[Letter], str | None]:
    """The letters after those for one destination were sent, and why one was not accepted. Later ones wait for it."""
    after = list(letters)
    for index, letter in enumerate(after):
        if place.name not in letter.pending:
            continue
        failure = send(place, letter.message)
        if failure is not None:
            return after, failure
        after[index] = replace(letter, pending=[name for name in letter.pending if name != place.name])
    return after, None
