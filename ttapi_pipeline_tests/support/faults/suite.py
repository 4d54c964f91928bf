# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""What every writer is held to, on a sample of the points or on all of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, TypeVar

import pytest

from ttapi_pipeline_tests.support.faults.power import CLEAR_CUT, Kept
from ttapi_pipeline_tests.support.faults.trials import Trials

T = TypeVar("T")

FEW: Final = 1
SOME: Final = pytest.param(3, marks=pytest.mark.thorough)
ALL: Final = pytest.param(None, marks=pytest.mark.soak)
"""How many points are tried: in every run, in a thorough one, and in hours."""

_SEEDS: Final = 4


def faulty(trials: Trials, count: int | None) -> Sequence[str]:
    """Everything that must not be, after a fault at so many points; None tries them all.

    Whatever goes wrong: what is read is whole, and the next run mends it.
    """
    chosen = _sample(trials.faults(), count)
    return [sentence for fault in chosen for sentence in trials.disturb(fault)]


def lost_with_power(trials: Trials, count: int | None) -> Sequence[str]:
    """The same after losses of power, whatever of the unsynced reached the disk; and nothing stored is lost."""
    by_chance = [Kept(share, share, seed) for share in (0.5, 0.8) for seed in range(_SEEDS)]
    points = [(after, kept) for after in range(len(trials.events) + 1) for kept in (*CLEAR_CUT, *by_chance)]
    chosen = _sample(points, count)
    if count is not None:
        # Everything was acknowledged, and nothing that was not synced is left.
        chosen = [*chosen, (len(trials.events), Kept(0, 0))]
    return [sentence for point in chosen for sentence in trials.lose_power(*point)]


def _sample(points: Sequence[T], count: int | None) -> Sequence[T]:
    return points if count is None else random.Random(len(points)).sample(points, count)
