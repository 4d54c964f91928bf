# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Folders that one run of pytest fills once, for all of its workers. Each test copies what it changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that this run of pytest has once.

    The first worker that asks fills it with `make`; the others wait meanwhile, and then read it. What `make` raises is
    raised here, and the next test that asks makes a new attempt.

    Args:
        factory: Knows the folder of this worker, which is inside the folder of the run.
        name: The folder's name, which nothing else has.
        make: Is given the empty folder. It is moved afterwards, so nothing in it may rely on its own path.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, unfinished = root / name, root / f"{name}.unfinished"
    with FileLock(root / f"{name}.lock"):
        if not folder.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder
