# SPDX-License-Identifier: MIT
"""What a collection from outside brought: partial success is a value, not an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ttapi_pipeline.core.errors import CoverageError

T = TypeVar("T")

ProgressCallback = Callable[[int, int], None]
"""Called with how many subjects are done and how many there are."""


def no_progress(done: int, total: int) -> None:
    """The callback of a caller that does not watch."""


@dataclass(frozen=True, slots=True)
class Collection(Generic[T]):
    """Rows for the subjects (symbols, accounts) that came, a reason for each that did not.

    Attributes:
        rows: What came, in no particular order; a subject may have any number of rows.
        missing: Reason for each subject that should have come and did not.
        empty: Subjects that the source answered for and has nothing of, such as a symbol without options.
        requested: How many subjects were asked for.
        rejected: Rows that broke their contract, as (subject, reason); their subjects are in `missing` too.
    """

    rows: Sequence[T]
    missing: Mapping[str, str] = field(default_factory=dict)
    empty: frozenset[str] = frozenset()
    requested: int = 0
    rejected: Sequence[tuple[str, str]] = ()

    @property
    def coverage(self) -> float:
        """Share of the subjects that the source answered for, 0 to 1; 1 when none was asked for."""
        return 1.0 - len(self.missing) / self.requested if self.requested else 1.0

    def require(self, minimum: float, *, subject: str) -> None:
        """Raise CoverageError, with the list, when less than `minimum` of the subjects came."""
        if self.coverage >= minimum:
            return
        shown = "; ".join(f"{name}: {reason}" for name, reason in sorted(self.missing.items())[:5])
        more = f" and {len(self.missing) - 5} more" if len(self.missing) > 5 else ""
        raise CoverageError(
            f"{subject}: {len(self.missing)} of {self.requested} are missing ({shown}{more}); at least {minimum:.0%} "
            "must come (TT_MIN_COVERAGE), the stored data stays as it was",
            missing=self.missing,
            coverage=self.coverage,
        )
