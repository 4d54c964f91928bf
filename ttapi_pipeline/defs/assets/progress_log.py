# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Writes the progress of a step into Dagster's log while it works, and into the metadata of what it made."""

import time
from collections.abc import Callable
from typing import Any, Final

import dagster as dg

from ttapi_pipeline.core.progress import Progress

LOG_SECONDS: Final = 10.0
"""From one line of the log to the next: a fetch of minutes gives a handful."""


class ProgressLog:
    """Hears every count of one dataset; logs some of them, and remembers how each step ended.

    Args:
        dataset: The others are passed over.
        log: Of the step.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self, dataset: str, log: dg.DagsterLogManager, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._dataset = dataset
        self._log = log
        self._monotonic = monotonic
        self._steps: dict[str, Progress] = {}
        self._logged_at = monotonic()

    def __call__(self, dataset: str, work: Progress) -> None:
        if dataset != self._dataset:
            return
        self._steps[work.step] = work
        now = self._monotonic()
        if now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            self._log.info("%s: %s", dataset, work.in_words(now))

    def metadata(self) -> dict[str, Any]:
        """The steps that were counted, each with done, total and items per second; nothing where none was."""
        ended = {
            step: {"done": work.done, "total": work.total, "per_second": _rounded(work.per_second(work.counted_at))}
            for step, work in self._steps.items()
        }
        return {"progress": dg.MetadataValue.json(ended)} if ended else {}


def _rounded(pace: float | None) -> float | None:
    return None if pace is None else round(pace, 1)
