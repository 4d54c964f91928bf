# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Alerts of a `tt refresh` that nobody watches, such as a timer's. What is told: see `alerts`.

It imports nothing that takes time, as long as nobody is to be told.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ttapi_pipeline.core.clock import SYSTEM_CLOCK
from ttapi_pipeline.core.errors import TTError
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.storage.databases import dagster_home
from ttapi_pipeline.terminal.streams import print_error

if TYPE_CHECKING:
    from ttapi_pipeline.alerts.look import Seen

_COMMAND: Final = "tt refresh"
"""The subject of an error that ended the command, and not the step of a dataset."""


@contextmanager
def told_if_unwatched(settings: Settings) -> Iterator[None]:
    """When the block is over, look as `tt alert` does, if TT_ALERT_URLS is set and standard error is no terminal.

    An error of ours that ends the block is told, too, and goes on. One of the look itself is printed.
    """
    if not settings.alert_urls or sys.stderr.isatty():
        yield
        return
    try:
        yield
    except TTError as error:
        _look(settings, error)
        raise
    _look(settings, None)


def _look(settings: Settings, error: TTError | None) -> None:
    from ttapi_pipeline.alerts.look import Lookout, Seen
    from ttapi_pipeline.alerts.troubles import StepOutcome

    now = SYSTEM_CLOCK.now()
    end = StepOutcome(
        step=_COMMAND,
        at=now,
        error="" if error is None else type(error).__name__,
        sentence="" if error is None else str(error),
    )

    def seen_since(since: datetime) -> Seen:
        # A refresh of hits alone has not imported Dagster, and the verdicts are all that it has to tell.
        seen = seen_in_runs(settings, since, now=now) if "dagster" in sys.modules else Seen(is_of_runs=False)
        return replace(seen, outcomes=[*seen.outcomes, end])

    try:
        Lookout(settings).look(seen_since, now=now)
    except TTError as failure:
        print_error(f"alerts: {failure}")


def seen_in_runs(settings: Settings, since: datetime, *, now: datetime) -> Seen:
    """What the records of this folder's Dagster instance say of the time since then.

    Raises:
        ConfigError: The instance cannot be opened.
        StorageError: They cannot be read.
    """
    from ttapi_pipeline.defs.operations.step_outcomes import seen_by_home

    return seen_by_home(dagster_home(), since, secrets=settings.secrets, now=now)
