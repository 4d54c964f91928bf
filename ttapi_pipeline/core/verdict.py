# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The verdict: whether the stored dataset can be used as it is, and why, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ttapi_pipeline.core.declaration import Changes, Declaration
from ttapi_pipeline.core.manifest import Manifest, Provenance
from ttapi_pipeline.core.sessions import last_closed_session, last_settled_session, next_session, session_hours
from ttapi_pipeline.core.ttl import format_duration

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far in the future `fetched_at` may lie before the clock is taken to have jumped back."""

NONE_DAMAGED: Final[Mapping[str, Collection[str]]] = MappingProxyType({})


class Rule(StrEnum):
    """The rule that decided."""

    FORCED = "forced"
    DAMAGED = "damaged"
    NOTHING_STORED = "nothing stored"
    FILE_LOST = "file lost"
    CODE_VERSION = "code version"
    SETTINGS = "settings"
    UPSTREAM = "upstream"
    CLOCK = "clock"
    EXPIRED = "expired"
    FRESH = "fresh"
    MARKET_CLOSED = "market closed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hit: use the stored dataset. Miss: collect or compute it again.

    Attributes:
        dataset: The name of the dataset.
        is_hit: Whether the stored dataset can be used as it is.
        rule: The rule that decided.
        reason: The rule in words, with the figures.
        ttl: How long the dataset stays fresh.
        age: Time since its collection began; None when nothing is stored.
        is_young: Whether a miss is none by its age: what is stored is not damaged, and what changed is code, a setting
            or an input. Rows that the change does not concern need not be fetched again.
    """

    dataset: str
    is_hit: bool
    rule: Rule
    reason: str
    ttl: timedelta
    age: timedelta | None = None
    is_young: bool = False

    def __str__(self) -> str:
        return f"{'hit' if self.is_hit else 'miss'}: {self.reason}"


def decide(
    declaration: Declaration,
    manifest: Manifest | None,
    *,
    ttl: timedelta,
    now: datetime,
    upstream: Mapping[str, str | None],
    settings: Mapping[str, str],
    lost_files: Sequence[str] = (),
    damage: str | None = None,
    damaged_inputs: Mapping[str, Collection[str]] = NONE_DAMAGED,
    is_calendar_aware: bool = True,
    is_forced: bool = False,
) -> Verdict:
    """Decide for one dataset.

    Args:
        declaration: Of the dataset.
        manifest: Of the stored dataset; None when nothing is stored.
        ttl: How long it stays fresh.
        now: Aware UTC.
        upstream: Current data version of each upstream dataset; None when it is not stored.
        settings: Current settings that shape it, as the manifest names them.
        lost_files: Names of files that the manifest describes and that are gone.
        damage: Why the stored rows or their manifest cannot be believed, in words; None when no damage is known.
        damaged_inputs: Per upstream dataset, the hashes that its Parquet files had when they were found damaged.
        is_calendar_aware: Whether a dataset that changes with sessions alone stays fresh until a session can have
            changed it.
        is_forced: Whether to refresh in any case.
    """

    # Reads better in one piece: the order of the rules is the decision.
    def verdict(rule: Rule, reason: str, *, is_hit: bool = False, is_young: bool = False) -> Verdict:
        return Verdict(declaration.name, is_hit, rule, reason, ttl, age, is_young)

    age = None if manifest is None else now - manifest.provenance.fetched_at
    if is_forced:
        return verdict(Rule.FORCED, "forced")
    if damage is not None:
        return verdict(Rule.DAMAGED, damage)
    if manifest is None or age is None:
        return verdict(Rule.NOTHING_STORED, "nothing stored yet")
    stored = manifest.provenance
    if lost_files:
        return verdict(Rule.FILE_LOST, f"{', '.join(lost_files)} is gone")
    unchanged = _why_unchanged(declaration.changes, stored.fetched_at, now) if is_calendar_aware else None
    damaged = _damaged_input(declaration, stored, damaged_inputs)
    is_young = damaged is None and age >= -CLOCK_TOLERANCE and (age < ttl or unchanged is not None)
    if stored.code_version != declaration.code_version:
        reason = f"code version {stored.code_version} is now {declaration.code_version}"
        return verdict(Rule.CODE_VERSION, reason, is_young=is_young)
    if changed := _changed_setting(declaration, stored, settings):
        return verdict(Rule.SETTINGS, changed, is_young=is_young)
    if changed := _changed_input(declaration, stored, upstream):
        return verdict(Rule.UPSTREAM, changed, is_young=is_young)
    if damaged is not None:
        return verdict(Rule.UPSTREAM, damaged)
    if age < -CLOCK_TOLERANCE:
        return verdict(Rule.CLOCK, f"fetched {format_duration(-age)} in the future: the clock jumped back")
    if age < ttl:
        return verdict(
            Rule.FRESH, f"{format_duration(max(age, timedelta(0)))} old, TTL {format_duration(ttl)}", is_hit=True
        )
    if unchanged is not None:
        return verdict(Rule.MARKET_CLOSED, f"{format_duration(age)} old, and {unchanged}", is_hit=True)
    return verdict(Rule.EXPIRED, f"{format_duration(age)} old, TTL {format_duration(ttl)} is over")


def _changed_setting(declaration: Declaration, stored: Provenance, settings: Mapping[str, str]) -> str | None:
    """Which setting has another value than when the rows were made, in words; None when all are the same."""
    for name in declaration.shaped_by:
        was, is_now = stored.settings.get(name), settings.get(name)
        if was != is_now:
            return f"setting {name} was {_named(was)} and is {_named(is_now)}"
    return None


def _named(value: str | None) -> str:
    """A setting's value; one that its manifest does not name had its default, or came later."""
    return "the default" if value is None else repr(value)


def _changed_input(declaration: Declaration, stored: Provenance, upstream: Mapping[str, str | None]) -> str | None:
    """Which input has changed since the rows were made, in words; None when none has."""
    for name in declaration.upstream:
        was, is_now = stored.inputs.get(name), upstream.get(name)
        if was != is_now and name not in declaration.consults:
            return f"{name} changed: built from {_short(was)}, now {_short(is_now)}"
    return None


def _damaged_input(
    declaration: Declaration, stored: Provenance, damaged_inputs: Mapping[str, Collection[str]]
) -> str | None:
    """Which input was damaged when the rows were made, in words; None when none was."""
    for name in declaration.upstream:
        file, damaged = stored.input_files.get(name), damaged_inputs.get(name, ())
        if damaged and (file is None or file in damaged):
            return f"{name} was found damaged, and this may be built from the damaged file"
    return None


def _why_unchanged(changes: Changes, fetched_at: datetime, now: datetime) -> str | None:
    """Why the source has nothing new since `fetched_at`; None when it may have something new."""
    match changes:
        case Changes.ANY_TIME:
            return None
        case Changes.WHILE_OPEN:
            closed = last_closed_session(now)
            opens_at = session_hours(next_session(closed.session)).opens_at
            if closed.closes_at <= fetched_at and now < opens_at:
                return f"the exchange has not opened since {closed.session}"
        case Changes.ONCE_SETTLED:
            settled = last_settled_session(now)
            if settled.settles_at <= fetched_at:
                return f"no session has ended since {settled.session}"
    return None


def _short(version: str | None) -> str:
    return "nothing" if version is None else version[:12]
