# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""A small world for the definitions: six symbols, a simulator process with a frozen day, a Dagster instance.

The first run, which makes all datasets, is made once per run of pytest. Each test starts from a copy of what it left.
The fixtures are those of `defs`; put clocks, instances and the simulator's control into the modules of their names.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
import pytest

from ttapi_pipeline.core.manifest import Manifest
from ttapi_pipeline.core.settings import Settings
from ttapi_pipeline.datasets.registry import DATASETS, HISTORIES
from ttapi_pipeline.defs.assembly import build_definitions
from ttapi_pipeline.defs.automation.jobs import REFRESH_JOB
from ttapi_pipeline.simulator.market.market import Market
from ttapi_pipeline.simulator.market.metastock_files import default_last, write_metastock_files
from ttapi_pipeline.simulator.process import SimulatorProcess
from ttapi_pipeline.storage.stored import read_manifest
from ttapi_pipeline_tests.support.clocks import StoppedClock
from ttapi_pipeline_tests.support.folders import copy_with_links
from ttapi_pipeline_tests.support.instances import memory_instance, save_instance
from ttapi_pipeline_tests.support.shared import made_once
from ttapi_pipeline_tests.support.simulator import SimulatorControl

SATURDAY: Final = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
"""Friday's session is settled, Monday's is far away."""

SYMBOLS: Final = ("AAPL", "BRK/B", "IBM", "KO", "MSFT", "SPY")
"""The universe; all but SPY have a MetaStock file."""
IN_FILES: Final = SYMBOLS[:5]
FIRST: Final = date(2025, 1, 2)


@dataclass
class World:
    """A data folder, and the settings and clock of a user.

    Attributes:
        settings: Of the user.
        exchange: The simulator that the settings name.
        saved: Where `save_instance` wrote the Dagster instance that made the data; None when nothing is stored yet.
        clock: The time of day of everything but the simulator.
    """

    settings: Settings
    exchange: SimulatorControl
    saved: Path | None = None
    clock: StoppedClock = field(default_factory=lambda: StoppedClock(SATURDAY))

    @property
    def data(self) -> Path:
        return Path(self.settings.data_dir)

    @property
    def metastock(self) -> Path:
        assert self.settings.metastock_dir is not None
        return self.settings.metastock_dir

    def instance(self) -> AbstractContextManager[dg.DagsterInstance]:
        """The Dagster instance that made the data. Each call gives another copy."""
        return memory_instance(self.saved)

    def definitions(self) -> dg.Definitions:
        return build_definitions(self.settings, clock=self.clock)

    def run(
        self, *select: str, force: bool = False, instance: dg.DagsterInstance | None = None
    ) -> dg.ExecuteInProcessResult:
        """Execute the job of everything, or of some assets with their checks, on a new instance or the given one.

        A failure is a result.
        """
        job = self.definitions().resolve_job_def(REFRESH_JOB)
        config = {"resources": {"cache": {"config": {"force": force}}}}
        keys = [dg.AssetKey(name) for name in select] or None

        def execute(on: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
            return job.execute_in_process(instance=on, run_config=config, asset_selection=keys, raise_on_error=False)

        if instance is not None:
            return execute(instance)
        with memory_instance() as new:
            return execute(new)

    def manifest(self, name: str) -> Manifest:
        manifest = read_manifest(self.data, name)
        assert manifest is not None
        return manifest

    def writes(self) -> Mapping[str, str]:
        """Per stored dataset the id of its last write: what changes here was written."""
        found = {name: read_manifest(self.data, name) for name in DATASETS}
        return {name: manifest.write_id for name, manifest in found.items() if manifest is not None}

    def files(self) -> Mapping[str, tuple[int, bytes]]:
        """Modification time and content of every data file."""
        return {
            path.name: (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(self.data.iterdir())
            if path.is_file()
        }

    def advance(self, duration: timedelta) -> None:
        self.clock.at += duration


@dataclass(frozen=True)
class FirstRun:
    """The world after the first run, for reading alone, and the events of that run, oldest first."""

    world: World
    events: Sequence[dg.EventLogEntry]

    @property
    def dagster_events(self) -> Sequence[dg.DagsterEvent]:
        """The events without what was only logged."""
        return [each.dagster_event for each in self.events if each.dagster_event is not None]


def materialised(events: Iterable[dg.DagsterEvent]) -> Sequence[str]:
    """The datasets that a run materialised, by name; `all_events` of its result are its events.

    Histories, which come with their datasets, are left out.
    """
    names = (
        event.step_materialization_data.materialization.asset_key.to_user_string()
        for event in events
        if event.is_step_materialization
    )
    return sorted(name for name in names if name not in HISTORIES)


def observed(events: Iterable[dg.DagsterEvent]) -> Sequence[str]:
    """The assets that a run observed, which is how it says that it reused them, by name."""
    return sorted(
        event.asset_observation_data.asset_observation.asset_key.to_user_string()
        for event in events
        if event.is_asset_observation
    )


@pytest.fixture(scope="session")
def exchange_process() -> Iterator[SimulatorControl]:
    with SimulatorProcess(arguments=["--now", SATURDAY.isoformat()]) as process:
        yield SimulatorControl(process.url)


@pytest.fixture
def exchange(exchange_process: SimulatorControl) -> SimulatorControl:
    """The simulator without faults and with its counters at zero."""
    exchange_process.reset()
    return exchange_process


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, exchange_process: SimulatorControl) -> FirstRun:
    """Everything is missing, everything is made: the state from which most tests start."""
    universe = made_once(tmp_path_factory, "universe", _write_universe) / "universe.txt"
    settings = replace(Settings(), api_url=exchange_process.url, universe=str(universe), history_start=FIRST)

    def world_in(folder: Path) -> World:
        placed = replace(settings, data_dir=str(folder / "data"), metastock_dir=folder / "metastock")
        return World(placed, exchange_process)

    def make(folder: Path) -> None:
        world = world_in(folder)
        write_metastock_files(
            Market(7, clock=world.clock), world.metastock, first=FIRST, last=default_last(SATURDAY), symbols=IN_FILES
        )
        exchange_process.reset()
        with world.instance() as instance:
            result = world.run(instance=instance)
            assert result.success
            (folder / "instance").mkdir()
            save_instance(instance, folder / "instance")
        (folder / "run_id").write_text(result.run_id)

    folder = made_once(tmp_path_factory, "first_run", make)
    world = replace(world_in(folder), saved=folder / "instance")
    with world.instance() as instance:
        return FirstRun(world, instance.all_logs((folder / "run_id").read_text()))


def _write_universe(folder: Path) -> None:
    # In a folder of its own: its path is among the settings that shape the data, and stays when that folder is moved.
    (folder / "universe.txt").write_text("\n".join(SYMBOLS))


@pytest.fixture
def world(first_run: FirstRun, exchange: SimulatorControl, tmp_path: Path) -> World:
    """A copy of the state after the first run: its data, its MetaStock folder and its Dagster instance.

    Files are copied and not linked, because tests damage them in place.
    """
    first = first_run.world
    copy_with_links(first.data, tmp_path / "data")
    shutil.copytree(first.metastock, tmp_path / "metastock")
    settings = replace(first.settings, data_dir=str(tmp_path / "data"), metastock_dir=tmp_path / "metastock")
    return World(settings, exchange, first.saved)
