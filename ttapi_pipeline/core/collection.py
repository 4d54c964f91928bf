# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The result of a collection from outside: partial success is a value, not an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from ttapi_pipeline.core.errors import CoverageError

T = TypeVar("T")

_SHOWN_REASONS: Final = 3
_SHOWN_SUBJECTS: Final = 3

ProgressCallback = Callable[[int, int], None]
"""Called with the number of subjects that are done and the number of all subjects."""


def no_progress(done: int, total: int) -> None:
    """The callback of a caller that does not watch."""


@dataclass(frozen=True, slots=True)
class Collection(Generic[T]):
    """Rows for the subjects (symbols, accounts) that came, and a reason for each subject that did not.

    Attributes:
        rows: In no particular order; a subject may have any number of rows.
        missing: Reason for each subject that should have come and did not.
        empty: Subjects for which the source answered that it has nothing, such as a symbol without options.
        requested: The number of subjects that were asked for.
        rejected: Rows that broke their contract, as (subject, reason); their subjects are in `missing` too.
        lost: How often a field of the rows was there and could not be read, by its name; it is null in those rows.
    """

    rows: Sequence[T]
    missing: Mapping[str, str] = field(default_factory=dict)
    empty: frozenset[str] = frozenset()
    requested: int = 0
    rejected: Sequence[tuple[str, str]] = ()
    lost: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        # Numbers and not rows: asyncio writes the result of every finished task into its messages.
        return (
            f"Collection({len(self.rows)} rows for {self.requested} subjects, {len(self.missing)} missing, "
            f"{len(self.empty)} empty, {len(self.rejected)} rejected)"
        )

    @property
    def coverage(self) -> float:
        """Share of the subjects that the source answered for, 0 to 1; 1 when none was asked for."""
        return 1.0 - len(self.missing) / self.requested if self.requested else 1.0

    def require(self, minimum: float, *, subject: str) -> None:
        """Raise CoverageError, with the list, when less than `minimum` of the subjects came."""
        if self.coverage >= minimum:
            return
        raise CoverageError(
            f"{subject}: {len(self.missing)} of {self.requested} are missing: {summarize(self.missing)}; at least "
            f"{minimum:.0%} must come (TT_MIN_COVERAGE), the stored data stays as it was",
            missing=self.missing,
            coverage=self.coverage,
        )


def summarize(missing: Mapping[str, str]) -> str:
    """Name the commonest reasons, each with a few of its subjects: ``AAPL, MSFT and 3 more: HTTP 502``."""
    by_reason: dict[str, list[str]] = {}
    for subject, reason in sorted(missing.items()):
        by_reason.setdefault(reason, []).append(subject)
    commonest = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    shown = [f"{_some(subjects)}: {reason}" for reason, subjects in commonest[:_SHOWN_REASONS]]
    others = len(commonest) - _SHOWN_REASONS
    return "; ".join(shown) + (f"; and {others} other reasons" if others > 0 else "")


def _some(subjects: Sequence[str]) -> str:
    more = len(subjects) - _SHOWN_SUBJECTS
    return ", ".join(subjects[:_SHOWN_SUBJECTS]) + (f" and {more} more" if more > 0 else "")
