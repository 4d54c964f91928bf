# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Lists of rows that were not asked for by name: accounts, active equities, sessions.

Nobody can say which row of such a list is missing, so the list itself says which of its rows could not be read. For
rows that were asked for by name, see `core.collection`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from ttapi_pipeline.client.models import MarketSession

T = TypeVar("T")


class Listing(list[T]):
    """Rows in the server's order.

    Attributes:
        rejected: (name, reason) of the rows that lack something that they need; ``row 3`` where the name is lost too.
    """

    def __init__(self, rows: Iterable[T], *, rejected: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(rows)
        self.rejected = rejected


@dataclass(frozen=True, slots=True)
class Window:
    """How one request for sessions was answered.

    Attributes:
        first: The first day that was asked for.
        last: The last one.
        named: Sessions that were named.
        unread: Rows without a readable date: any day of the window may be theirs.
    """

    first: date
    last: date
    named: int
    unread: int

    @property
    def is_evidence(self) -> bool:
        """Whether a day that was not named was left out, rather than lost."""
        return self.named > 0 and not self.unread


class SessionListing(Listing[MarketSession]):
    """Sessions, ascending, and how each window was answered."""

    def __init__(
        self, rows: Iterable[MarketSession], *, rejected: Sequence[tuple[str, str]], windows: Sequence[Window]
    ) -> None:
        super().__init__(rows, rejected=rejected)
        self.windows = windows


def rejected_in(rows: Sequence[object]) -> Sequence[tuple[str, str]]:
    """(name, reason) of the rows that a listing has set aside; a plain list has set none aside."""
    return rows.rejected if isinstance(rows, Listing) else ()


def windows_of(sessions: Sequence[MarketSession]) -> Sequence[Window]:
    """How each window of a listing of sessions was answered; a plain list has none."""
    return sessions.windows if isinstance(sessions, SessionListing) else ()
