# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A user's project folder after a first `tt refresh`, which one run of pytest makes once, and its exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.folders import copy_with_links
from ttapi_pipeline_tests.support.projects import Finished, make_project, run_tt
from ttapi_pipeline_tests.support.shared import made_once


@pytest.fixture(scope="module")
def exchange() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(seed=7) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, exchange: SimulatorProcess) -> tuple[Path, Finished]:
    """A project's folder after the first `tt refresh` in it, to be copied, and what the command left."""

    def make(folder: Path) -> None:
        finished = run_tt(make_project(folder), "refresh", TT_ENV="simulator", TT_API_URL=exchange.url)
        (folder / "finished.json").write_text(json.dumps(asdict(finished)))

    folder = made_once(tmp_path_factory, "first_refresh", make)
    return folder, Finished(**json.loads((folder / "finished.json").read_text()))


@pytest.fixture
def filled(first: tuple[Path, Finished], project: Path) -> Path:
    """The project's folder with the data and the Dagster instance of the first refresh."""
    copy_with_links(first[0] / "data", project / "data")
    return project
