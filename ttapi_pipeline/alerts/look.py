# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""One look at the datasets: finds what is wrong, tells what of it is news, and remembers both.

The sensor looks twice a minute, `tt alert` and an unattended `tt refresh` once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ttapi_pipeline.alerts.delivery import Destination, check_package, destinations, send
from ttapi_pipeline.alerts.ledger import Ledger, LedgerFile
from ttapi_pipeline.alerts.news import Notice, review
from ttapi_pipeline.alerts.outbox import Send, deliver, with_message
from ttapi_pipeline.alerts.troubles import StepOutcome, Trouble, due_times, find_troubles, last_failures
from ttapi_pipeline.alerts.wording import message_of
from ttapi_pipeline.core.errors import StorageError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.status import DatasetStatus, read_statuses
from ttapi_pipeline.storage.layout import open_folder

LOOKS_BACK: Final = timedelta(days=1)
"""At runs, by the first look."""

_OVERLAP: Final = timedelta(minutes=2)
"""Runs are looked at again that ended so long before the last look: a record may come later than what it records."""

_NOTED: Final = timedelta(minutes=10)
"""How far a look is noted when nothing else is: the file is not written at every look."""


_FOLDER: Final = "data folder"
"""The subject where the datasets cannot be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the records of runs say.

    Attributes:
        outcomes: How steps ended, in any order.
        under_way: Datasets that runs under way have not yet dealt with.
        is_of_runs: Whether the records were looked at.
    """

    outcomes: Collection[StepOutcome] = ()
    under_way: Collection[str] = ()
    is_of_runs: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one look came to.

    Attributes:
        troubles: What is wrong now.
        notice: What of it was news; None when nothing was.
        pending: Names of the destinations that have not accepted everything yet.
    """

    troubles: Collection[Trouble]
    notice: Notice | None
    pending: Sequence[str]

    def __str__(self) -> str:
        wrong = f"{len(self.troubles)} not well" if self.troubles else "all is well"
        news = "nothing to tell" if self.notice is None else f"told {len(self.notice.begun)} troubles and "
        if self.notice is not None:
            news += f"{len(self.notice.recovered)} recoveries"
        late = f"; not accepted yet by destination {', '.join(self.pending)}" if self.pending else ""
        return f"{wrong}, {news}{late}"


class Lookout:
    """Looks at the datasets of a data folder, for as long as a process lives."""

    def __init__(self, settings: Settings, *, send: Send = send) -> None:
        self._settings = settings
        self._places: Sequence[Destination] = destinations(settings.alert_urls)
        self._file = LedgerFile(open_folder(settings.data_dir))
        self._send = send

    def look(self, seen_since: Callable[[datetime], Seen], *, now: datetime) -> Looked:
        """Look once.

        Args:
            seen_since: What the records of runs say of the time since then.
            now: Aware UTC.

        Raises:
            ConfigError: Apprise is not installed.
            StorageError: The records cannot be read, or another program has looked for a minute.
        """
        check_package()
        with self._file.held():
            before = self._file.read()
            seen = seen_since((before.seen_until or now - LOOKS_BACK) - _OVERLAP)
            ledger, troubles, notice = self._reviewed(before, seen, now)
            # Before anything is sent: a process that ends here sends it once more rather than never.
            if ledger != before or self._file.is_behind:
                self._file.write(ledger)
            outbox = deliver(ledger.outbox, self._places, self._send, now=now)
            if outbox != ledger.outbox:
                self._file.write(replace(ledger, outbox=outbox))
        pending = sorted({name for letter in outbox.letters for name in letter.pending})
        return Looked(troubles=troubles, notice=notice, pending=pending)

    def _statuses(self, now: datetime) -> tuple[Mapping[str, DatasetStatus], StepOutcome]:
        """The status of every dataset, and whether they could be read; none where they could not."""
        try:
            return read_statuses(self._settings, now=now), StepOutcome(step=_FOLDER, at=now)
        except StorageError as error:
            return {}, StepOutcome(step=_FOLDER, at=now, error=type(error).__name__, sentence=str(error))

    def _reviewed(self, before: Ledger, seen: Seen, now: datetime) -> tuple[Ledger, Collection[Trouble], Notice | None]:
        statuses, of_folder = self._statuses(now)
        failures = last_failures(before.failures, [*seen.outcomes, of_folder], statuses)
        due = due_times(before.due, statuses, failures, under_way=seen.under_way, now=now)
        troubles = find_troubles(statuses, failures, due, under_way=seen.under_way, now=now)
        if of_folder.error:
            # What cannot be looked at is as it was.
            troubles = {name: each.trouble for name, each in before.memory.told.items()} | dict(troubles)
        memory, notice = review(before.memory, troubles, now=now)
        outbox = before.outbox
        if notice is not None:
            outbox = with_message(outbox, message_of(notice, machine=socket.gethostname()), self._places, now=now)
        ledger = Ledger(
            memory=memory,
            failures=failures,
            due=due,
            seen_until=before.seen_until,
            outbox=outbox,
        )
        is_late = before.seen_until is None or now - before.seen_until >= _NOTED
        if seen.is_of_runs and (is_late or ledger != before):
            ledger = replace(ledger, seen_until=now)
        return ledger, [each for each in troubles.values() if not each.is_slight], notice
