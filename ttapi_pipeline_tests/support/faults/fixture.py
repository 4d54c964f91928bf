# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Fixtures for trials with faults; the tests are skipped, with a reason, where the library cannot be built.

A test module names the module of its writers in `WRITERS_OF`, and gives `trials` the writers as parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ttapi_pipeline_tests.support.faults.library import build, unavailable
from ttapi_pipeline_tests.support.faults.server import Server
from ttapi_pipeline_tests.support.faults.trials import Trials


@pytest.fixture(scope="session")
def fault_library() -> Path:
    """The library that stands between a process and its file system."""
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    return build()


@pytest.fixture(scope="module")
def fault_server(
    request: pytest.FixtureRequest, fault_library: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A warm process with the writers of the module."""
    with Server(fault_library, [request.module.WRITERS_OF], tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def trials(request: pytest.FixtureRequest, fault_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """The trials of one writer, the parameter."""
    return Trials(fault_server, request.param, tmp_path_factory.mktemp("trials"))
