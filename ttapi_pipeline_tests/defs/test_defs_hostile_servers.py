# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Servers that mean harm through a whole `tt refresh`: it fails in one sentence per cause, and stored tables stay.

Single calls against them: `test_client_hostile` and `test_streaming_hostile`.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from ttapi_pipeline.core.lines import visible_lines
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline_tests.support.hostile_dxlink import DEEDS as DEEDS_OF_FEEDS
from ttapi_pipeline_tests.support.hostile_dxlink import hostile_feed
from ttapi_pipeline_tests.support.hostile_rest import DEEDS, hostile_server
from ttapi_pipeline_tests.support.projects import Finished, make_project, run_tt
from ttapi_pipeline_tests.support.shared import made_once
from ttapi_pipeline_tests.support.simulator import SimulatorControl

ANSWERING: Final = {"pages", "good", "fast-keepalive", "symbol-of-lists", "echo", "pings"}
"""Deeds that answer what was asked for as well; and so do those whose header Date lies."""
HARMFUL: Final = {name: deed for name, deed in DEEDS.items() if name not in ANSWERING and not name.startswith("date-")}
HARMFUL_FEEDS: Final = {name: deed for name, deed in DEEDS_OF_FEEDS.items() if name not in ANSWERING}
SENTENCE: Final = re.compile(r"error: [a-z_, ]+: \S.*")


@pytest.fixture(scope="module")
def exchange() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(seed=7) as simulator:
        yield simulator


@pytest.fixture
def project(exchange: SimulatorProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a project that was filled by a good server."""

    def make(folder: Path) -> None:
        filled = run_tt(make_project(folder), "refresh", "accounts", "symbols", "daily_candles", **at(exchange.url))
        assert filled.code == 0, filled.err

    shutil.copytree(made_once(tmp_path_factory, "hostile_servers", make), tmp_path / "project")
    return tmp_path / "project"


def at(url: str) -> Mapping[str, str]:
    return {"TT_ENV": "simulator", "TT_API_URL": url}


def tables(project: Path) -> Mapping[str, bytes]:
    """The bytes of every table and manifest."""
    return {path.name: path.read_bytes() for path in sorted((project / "data").glob("*.*")) if path.is_file()}


def check_refused(done: Finished, before: Mapping[str, bytes], project: Path) -> None:
    assert done.code == 4, done.err
    assert tables(project) == before
    said = [line for line in done.err.splitlines() if line.startswith("error:")]
    assert said, done.err
    assert all(SENTENCE.fullmatch(line) for line in said)
    for text in (done.out, done.err):
        assert text == visible_lines(text)
        assert "Traceback" not in text


def some_of(deeds: Mapping[str, object], *quick: str) -> pytest.MarkDecorator:
    """Those that run in `make ci`; `make soak` has all."""
    marks = {deed: () if deed in quick else (pytest.mark.soak,) for deed in deeds}
    return pytest.mark.parametrize("deed", [pytest.param(deed, marks=each) for deed, each in marks.items()])


@pytest.mark.timeout(600)
@some_of(HARMFUL, "bomb-gzip", "redirect-host", "retry-after-noise")
async def test_a_server_that_means_harm_changes_no_table(project: Path, deed: str) -> None:
    before = tables(project)
    async with hostile_server() as (server, elsewhere):
        variables = at(f"{server.url}/{deed}")
        done = await asyncio.to_thread(run_tt, project, "refresh", "accounts", "symbols", "--force", **variables)
    check_refused(done, before, project)
    assert not elsewhere.heads


@pytest.mark.timeout(600)
@some_of(HARMFUL_FEEDS, "deep", "close-code")
async def test_a_feed_that_means_harm_changes_no_table(project: Path, exchange: SimulatorProcess, deed: str) -> None:
    before = tables(project)
    control = SimulatorControl(exchange.url)
    async with hostile_feed() as (feed, _):
        place = {"path": "data.dxlink-url", "value": f"{feed.url}/{deed}/realtime"}
        control.fault("replace-field", route="/api-quote-tokens", parameters=place)
        try:
            done = await asyncio.to_thread(run_tt, project, "refresh", "daily_candles", "--force", **at(exchange.url))
        finally:
            control.reset()
    check_refused(done, before, project)
