# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""MetaStock files of the simulated market, for settings that name the simulator and no folder of files."""

from __future__ import annotations

from pathlib import Path

from ttapi_pipeline.core.clock import Clock
from ttapi_pipeline.core.collection import ProgressCallback
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import DEFAULT_FIRST, default_last, write_metastock_files


def write_simulated_files(folder: Path, settings: Settings, *, clock: Clock, progress: ProgressCallback) -> None:
    """Write the files up to the newest session that they may hold.

    Args:
        folder: Is created.
        settings: Have the seed of the market.
        clock: Says what day it is.
        progress: Told how many files are written, and how many there will be.
    """
    write_metastock_files(
        Market(settings.simulator_seed, clock=clock),
        folder,
        first=DEFAULT_FIRST,
        last=default_last(clock.now()),
        progress=progress,
    )
