# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Finds the order of day, month and year of dates such as ``3/4/2021`` and ``20/09/01``: by what is known of bars.

Bars are of sessions that have come, and those of a file follow each other by a few days. An order in which its dates
do not is not theirs. Where more than one order is left, other files may decide (`known_files`), then the setting; else
the dates are set aside. Next door, `dates` reads one date.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice, pairwise
from typing import Final, NamedTuple, get_args

from ttapi_pipeline.core.sessions import FIRST_DATE, LAST_DATE, is_session
from ttapi_pipeline.metastock.dates import (
    CONVENTIONS,
    ORDERS,
    PLACEHOLDERS,
    WHOLE_YEAR,
    DateForm,
    DateOrder,
    open_date,
    orders_of,
)
from ttapi_pipeline.metastock.frames import order_of_form

MOST_TEXTS: Final = 64
"""Dates of a file that are kept to be weighed with those of other files."""

_MOST_DATES: Final = 100_000
"""Distinct dates of a file that are weighed: more than there are days in two centuries."""

_TYPING_ERRORS: Final = 50
_OTHER_DAYS: Final = 20
"""One date of so many may be no date, or no session, in the order of its file."""

_MOST_OTHER_DAYS: Final = 0.1
"""Share of days without a session above which dates that lie close together are no bars of a stock exchange: the first
of each month, read month first, is the first twelve days of January."""

_LONGEST_STEP: Final = 4
"""Days from one session to the next one, over a long weekend."""

_CLOSE_TOGETHER: Final = 0.8
_APART: Final = 0.5
"""Shares of steps up to _LONGEST_STEP, from which and up to which dates are daily, and are not."""

_IN_ORDER: Final = 0.98
_OUT_OF_ORDER: Final = 0.9
_LEAST_ORDERED: Final = 5
"""The dates of a file go up, or down; fewer than this may do so by chance."""

_MANY: Final = 5
"""From so many dates on, days without a session alone prove the order of a file."""


class Weighed(NamedTuple):
    """The orders that some dates may have.

    Attributes:
        possible: Those in which they are dates that have come.
        likely: Those of them in which they are sessions as well, and follow each other as sessions do.
        is_proven: Whether `likely` is a single one, and would be for another file of the same kind.
    """

    possible: frozenset[DateOrder]
    likely: frozenset[DateOrder]
    is_proven: bool


@dataclass(frozen=True, slots=True)
class OpenDates:
    """The dates of a file that are dates in some order, by their form, in the order in which they first stand."""

    texts: Mapping[DateForm, Mapping[str, None]] = field(default_factory=dict)

    def __or__(self, other: OpenDates) -> OpenDates:
        forms = (*self.texts, *(form for form in other.texts if form not in self.texts))
        return OpenDates({form: _first({**self.texts.get(form, {}), **other.texts.get(form, {})}) for form in forms})


@dataclass(frozen=True, slots=True)
class Orders:
    """The order of the dates of one file, by their form.

    Attributes:
        taken: The order in which they are read; a form that is left out stays undecided.
        proven: What they prove by themselves; several orders where they contradict each other.
        undecided: The forms of which other files have to decide, with some of the dates.
        offered: What other files say of these.
    """

    taken: Mapping[DateForm, DateOrder] = field(default_factory=dict)
    proven: Mapping[DateForm, Collection[DateOrder]] = field(default_factory=dict)
    undecided: Mapping[DateForm, Sequence[str]] = field(default_factory=dict)
    offered: Mapping[DateForm, DateOrder] = field(default_factory=dict)


def open_dates(texts: Iterable[str]) -> OpenDates:
    """The texts that are dates in some order."""
    found: dict[DateForm, dict[str, None]] = {}
    for text in texts:
        opened = open_date(text)
        if opened is not None and opened.readings:
            found.setdefault(opened.form, {})[text] = None
    return OpenDates(found)


def settle(
    dates: OpenDates,
    *,
    order: DateOrder | None,
    beside: Mapping[DateForm, DateOrder] | None = None,
    today: date | None = None,
) -> Orders:
    """Decide the order of the dates of one file: by the setting, by themselves, by other files, by convention.

    Args:
        dates: All of the file.
        order: As it is configured.
        beside: As other files prove it.
        today: No bar is later.
    """
    taken: dict[DateForm, DateOrder] = {}
    proven: dict[DateForm, Collection[DateOrder]] = {}
    undecided: dict[DateForm, Sequence[str]] = {}
    offers = {} if beside is None else beside
    for form, texts in dates.texts.items():
        weighed = weigh(form, texts, today)
        own = next(iter(weighed.likely)) if weighed.is_proven else None
        convention = CONVENTIONS.get(form)
        if order is not None and order in orders_of(form) and convention is None:
            taken[form] = order
        elif own is not None:
            taken[form] = own
        elif any(_is_open(text) for text in texts):
            undecided[form] = list(texts)[:MOST_TEXTS]
            choices = (offers.get(form), convention, None if convention is None else order)
            chosen = next((each for each in choices if each in weighed.possible), None)
            if chosen is not None:
                taken[form] = chosen
        if own is not None and _proves(texts):
            proven[form] = (own,)
        elif own is None and len(contradictory := _each_alone(texts)) > 1:
            proven[form] = contradictory
    offered = {form: offers[form] for form in undecided if form in offers}
    return Orders(taken, proven, undecided, offered)


def decide_together(proven: Collection[str], dates: OpenDates, *, today: date | None) -> Mapping[DateForm, DateOrder]:
    """What the files of one dialect say of those that leave it open, by the form of their dates.

    Args:
        proven: The orders that single files prove, as `frames.order_of_form` writes them.
        dates: Those that files leave open, of all of them together: one file per session has a single date.
        today: No bar is later.
    """
    decided: dict[DateForm, DateOrder] = {}
    for form in get_args(DateForm):
        proofs = [order for order in orders_of(form) if order_of_form(form, order) in proven]
        if len(proofs) == 1:
            decided[form] = proofs[0]
        elif not proofs and form != WHOLE_YEAR and form in dates.texts:
            weighed = weigh(form, dates.texts[form], today)
            if weighed.is_proven or (len(weighed.likely) == 1 and form not in CONVENTIONS):
                decided[form] = next(iter(weighed.likely))
    return decided


def weigh(form: DateForm, texts: Iterable[str], today: date | None) -> Weighed:
    """The orders that dates of one form may have together.

    Args:
        form: Of all of them.
        texts: In the order in which they first stand.
        today: No bar is later.
    """
    if form == WHOLE_YEAR:
        return _weigh_whole_years(texts)
    found = [_that_have_come(text, today) for text in texts]
    # A date that is none in any order, such as one that is still to come, tells nothing.
    found = [readings for readings in found if readings]
    count, orders = len(found), orders_of(form)
    possible = {order for order in orders if sum(order not in each for each in found) <= count // _TYPING_ERRORS}
    if len(possible) < 2:
        # Against a convention, a few dates may be mistakes.
        is_proven = len(possible) == 1 and (count >= _MANY or form not in CONVENTIONS)
        return Weighed(frozenset(possible), frozenset(possible), is_proven)
    days = {order: [each[order] for each in found if order in each] for order in orders if order in possible}
    others = {order: sum(not _is_session(day) for day in each) for order, each in days.items()}
    on_sessions = {order for order in days if others[order] <= min(others.values()) + count // _OTHER_DAYS}
    shares = {order: _closeness(each) for order, each in days.items()}
    close_together = _kept(shares, possible, least=_CLOSE_TOGETHER, most=_APART)
    if close_together != possible:
        # What lies close together on other days contradicts the rest, unless something does so on sessions.
        close_together &= {order for order in days if others[order] <= _MOST_OTHER_DAYS * count}
    in_order = possible
    if count >= _LEAST_ORDERED:
        ordered = {order: _orderliness(each) for order, each in days.items()}
        in_order = _kept(ordered, possible, least=_IN_ORDER, most=_OUT_OF_ORDER)
    likely = on_sessions & close_together & in_order
    is_proven = len(likely) == 1 and (count >= _MANY or len(close_together) == 1)
    return Weighed(frozenset(possible), frozenset(likely), is_proven)


def _weigh_whole_years(texts: Iterable[str]) -> Weighed:
    """Single dates prove what is the month; where they contradict each other, nothing is possible for all of them."""
    proof = frozenset(_each_alone(texts))
    possible = proof or frozenset(orders_of(WHOLE_YEAR))
    return Weighed(possible if len(proof) < 2 else frozenset(), proof, is_proven=len(proof) == 1)


def _first(texts: dict[str, None]) -> Mapping[str, None]:
    return texts if len(texts) <= _MOST_DATES else dict.fromkeys(islice(texts, _MOST_DATES))


def _that_have_come(text: str, today: date | None) -> Mapping[DateOrder, date]:
    opened = open_date(text)
    readings = {} if opened is None else opened.readings
    last = date.max if today is None else today
    return {order: day for order, day in readings.items() if day <= last and day not in PLACEHOLDERS}


def _is_open(text: str) -> bool:
    """Whether a date is another day in another order."""
    opened = open_date(text)
    return opened is not None and len(set(opened.readings.values())) > 1


def _proves(texts: Iterable[str]) -> bool:
    """Whether dates may prove anything to other files: not those that are the same day in every order."""
    return any((opened := open_date(text)) is not None and not opened.is_same for text in texts)


def _each_alone(texts: Iterable[str]) -> Sequence[DateOrder]:
    """The orders that single dates prove, since they are none in any other."""
    opened = [each for text in texts if (each := open_date(text)) is not None and len(each.readings) == 1]
    return [order for order in ORDERS if any(order in each.readings for each in opened)]


def _is_session(day: date) -> bool:
    return is_session(day) if FIRST_DATE <= day <= LAST_DATE else day.weekday() < 5


def _closeness(days: Iterable[date]) -> float | None:
    """The share of days that follow the day before as one session another; None for a single day."""
    steps = [(after - before).days for before, after in pairwise(sorted(set(days)))]
    return sum(step <= _LONGEST_STEP for step in steps) / len(steps) if steps else None


def _orderliness(days: Sequence[date]) -> float | None:
    """The share of days that go on in the direction in which most do; None for a single day."""
    rises = [after > before for before, after in pairwise(days)]
    return max(sum(rises), len(rises) - sum(rises)) / len(rises) if rises else None


def _kept(
    shares: Mapping[DateOrder, float | None], possible: Collection[DateOrder], *, least: float, most: float
) -> set[DateOrder]:
    """Of the possible orders, those that stay beside one with a share of `least`: the ones with more than `most`."""
    if any(share is not None and share >= least for share in shares.values()):
        return {order for order, share in shares.items() if share is not None and share > most}
    return set(possible)
